#include "sim/plot.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

enum { WIDTH = 900, HEIGHT = 600, LEFT = 90, RIGHT = 190, TOP = 40, BOTTOM = 70, LINES_MAX = 8 };

static const char *const colours[] = { "#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f" };

struct axis {
    double low, high;
    int from, to; /* pixels */
    bool logarithmic;
};

static double place(const struct axis *a, double v)
{
    double part =
        a->logarithmic ? log10(fmax(v, a->low) / a->low) / log10(a->high / a->low) : (v - a->low) / (a->high - a->low);
    return a->from + part * (a->to - a->from);
}

static void begin(struct buf *out, const char *title)
{
    buf_printf(out,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
               "font-family=\"sans-serif\" font-size=\"12\">\n",
               WIDTH, HEIGHT, WIDTH, HEIGHT);
    buf_printf(out, "<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n", WIDTH, HEIGHT);
    buf_printf(out, "<text x=\"%d\" y=\"24\" font-size=\"16\">%s</text>\n", LEFT, title);
}

static void tick(struct buf *out, const struct axis *a, double v, bool vertical)
{
    double at = place(a, v);
    if (vertical) {
        buf_printf(out, "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#ddd\"/>\n", LEFT, at, WIDTH - RIGHT, at);
        buf_printf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n", LEFT - 6, at + 4, v);
    } else {
        buf_printf(out, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#ddd\"/>\n", at, TOP, at, HEIGHT - BOTTOM);
        buf_printf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g</text>\n", at, HEIGHT - BOTTOM + 18, v);
    }
}

/* Powers of ten with 2 and 5 between them; or about six round steps. */
static void ticks(struct buf *out, const struct axis *a, bool vertical)
{
    if (a->logarithmic) {
        static const double steps[] = { 1, 2, 5 };
        bool few = a->high / a->low > 2000;
        for (double ten = pow(10, floor(log10(a->low))); ten <= a->high; ten *= 10)
            for (int i = 0; i < (few ? 1 : 3); i++)
                if (ten * steps[i] >= a->low && ten * steps[i] <= a->high)
                    tick(out, a, ten * steps[i], vertical);
        return;
    }
    double step = pow(10, floor(log10((a->high - a->low) / 3)));
    while ((a->high - a->low) / step > 8)
        step *= 2;
    for (double v = a->low; v <= a->high + step / 1000; v += step)
        tick(out, a, v, vertical);
}

static void frame(struct buf *out, const struct axis *x, const struct axis *y, const char *x_title, const char *y_title)
{
    ticks(out, x, false);
    ticks(out, y, true);
    buf_printf(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"none\" stroke=\"black\"/>\n", LEFT, TOP,
               WIDTH - RIGHT - LEFT, HEIGHT - BOTTOM - TOP);
    buf_printf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 26,
               x_title);
    buf_printf(out, "<text transform=\"translate(22,%d) rotate(-90)\" text-anchor=\"middle\">%s</text>\n",
               (TOP + HEIGHT - BOTTOM) / 2, y_title);
}

static struct axis axis_over(double least, double most, int from, int to)
{
    if (!(most > 0))
        return (struct axis){ 0.1, 1, from, to, true };
    if (least <= 0 || least > most)
        least = most / 10;
    return (struct axis){ least / 1.5, most * 1.3, from, to, true };
}

/* ---- the frontier ---- */

static double badput_h(const struct result *r)
{
    return r->evicted_s / 3600;
}

static double deprivation_h(const struct result *r)
{
    return r->deprivation_s / 3600;
}

static struct axis axis_of(const struct result *results, size_t count, double (*value)(const struct result *), int from, int to)
{
    double least = INFINITY, most = 0;
    for (size_t i = 0; i < count; i++) {
        double v = value(&results[i]);
        least = v > 0 ? fmin(least, v) : least;
        most = fmax(most, v);
    }
    return axis_over(least, fmax(most, 0), from, to);
}

static void plot_point(struct buf *out, const struct result *r, double x, double y)
{
    const char *colour = colours[r->policy % LINES_MAX];
    if (r->policy <= SIM_CLAIRVOYANT) {
        buf_printf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"/>\n", x, y, colour);
        if (r->policy == SIM_STINT)
            buf_printf(out, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"10\" fill=\"%s\">%g</text>\n", x + 6, y - 5, colour,
                       r->lambda);
    } else {
        buf_printf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"9\" height=\"9\" fill=\"%s\"/>\n", x - 4.5, y - 4.5, colour);
    }
}

static void plot_line(struct buf *out, const struct result *results, size_t count, enum sim_policy policy, const struct axis *x,
                      const struct axis *y)
{
    buf_printf(out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\"%s points=\"", colours[policy % LINES_MAX],
               policy == SIM_CLAIRVOYANT ? " stroke-dasharray=\"6 4\"" : "");
    for (size_t i = 0; i < count; i++)
        if (results[i].policy == policy)
            buf_printf(out, "%.1f,%.1f ", place(x, deprivation_h(&results[i])), place(y, badput_h(&results[i])));
    buf_text(out, "\"/>\n");
}

static void plot_legend(struct buf *out, const char *text, const char *colour, int line)
{
    int y = TOP + 14 + 20 * line;
    buf_printf(out, "<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"12\" fill=\"%s\"/><text x=\"%d\" y=\"%d\">%s</text>\n",
               WIDTH - RIGHT + 14, y - 10, colour, WIDTH - RIGHT + 32, y, text);
}

void plot_frontier(const struct result *results, size_t count, struct buf *out)
{
    struct axis x = axis_of(results, count, deprivation_h, LEFT, WIDTH - RIGHT),
                y = axis_of(results, count, badput_h, HEIGHT - BOTTOM, TOP);
    bool seen[SIM_POLICIES] = { false };
    int line = 0;
    begin(out, "What evictions cost against what users were owed");
    frame(out, &x, &y, "deprivation, cpu-hours (smaller is fairer)", "badput of evictions, cpu-hours (at the edge: none)");
    plot_line(out, results, count, SIM_CLAIRVOYANT, &x, &y);
    plot_line(out, results, count, SIM_STINT, &x, &y);
    for (size_t i = 0; i < count; i++) {
        enum sim_policy p = results[i].policy;
        plot_point(out, &results[i], place(&x, deprivation_h(&results[i])), place(&y, badput_h(&results[i])));
        if (!seen[p])
            plot_legend(out, p == SIM_STINT ? "stint, by lambda" : sim_policy_name(p), colours[p % LINES_MAX], line++);
        seen[p] = true;
    }
    buf_text(out, "</svg>\n");
}

/* ---- populations ---- */

/* Names come from logs and histories. */
static void add_escaped(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '<')
            buf_text(out, "&lt;");
        else if (*text == '&')
            buf_text(out, "&amp;");
        else
            buf_char(out, (unsigned char)*text < ' ' ? '?' : *text);
    }
}

static double sum_of(const struct sim *s, size_t user)
{
    double sum = 0;
    for (size_t i = 0; i < s->sample_count; i++)
        sum += (double)s->sample_users[(i * s->workload->user_count + user) * 2];
    return sum;
}

static size_t largest_users(const struct sim *s, size_t chosen[LINES_MAX])
{
    size_t users = s->workload->user_count, count = users < LINES_MAX ? users : LINES_MAX;
    auto_free double *sums = mem_zero(users, sizeof *sums);
    for (size_t u = 0; u < users; u++)
        sums[u] = sum_of(s, u);
    for (size_t i = 0; i < count; i++) {
        size_t best = 0;
        for (size_t u = 1; u < users; u++)
            if (sums[u] > sums[best])
                best = u;
        chosen[i] = best;
        sums[best] = -1;
    }
    return count;
}

static void plot_user(struct buf *out, const struct sim *s, size_t user, int line, const struct axis *x, const struct axis *y)
{
    for (int kind = 0; kind < 2; kind++) { /* running, target */
        buf_printf(out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"%s\"%s points=\"", colours[line],
                   kind ? "1" : "1.6", kind ? " stroke-dasharray=\"4 3\"" : "");
        for (size_t i = 0; i < s->sample_count; i++)
            buf_printf(out, "%.1f,%.1f ", place(x, s->samples[i].time_s / 3600),
                       place(y, (double)s->sample_users[(i * s->workload->user_count + user) * 2 + (size_t)kind]));
        buf_text(out, "\"/>\n");
    }
}

void plot_populations(const struct sim *s, struct buf *out)
{
    size_t chosen[LINES_MAX], count = largest_users(s, chosen);
    double hours = s->sample_count ? s->samples[s->sample_count - 1].time_s / 3600 : 1;
    struct axis x = { 0, hours > 0 ? hours : 1, LEFT, WIDTH - RIGHT, false },
                y = { 0, (double)s->cpus, HEIGHT - BOTTOM, TOP, false };
    begin(out, "Running cpus of the largest users, and their targets (dashed)");
    frame(out, &x, &y, "time, hours", "cpus");
    for (size_t i = 0; i < count; i++) {
        auto_buf struct buf name = { 0 };
        add_escaped(&name, s->workload->users[chosen[i]].name);
        plot_user(out, s, chosen[i], (int)i, &x, &y);
        plot_legend(out, buf_cstr(&name), colours[i], (int)i);
    }
    buf_text(out, "</svg>\n");
}
