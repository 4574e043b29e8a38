#include "cli/words.h"

#include "base/clock.h"
#include "base/units.h"
#include "job/image.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* What stands for the character at `p` on a screen; NULL = itself. *len = its bytes. */
static const char *stand_in(const unsigned char *p, size_t *len)
{
    *len = 1;
    if (*p == '\n' || *p == '\t')
        return " ";
    if (*p < 0x20 || *p == 0x7f)
        return "?";
    if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) { /* control characters of the C1 set, in UTF-8 */
        *len = 2;
        return "?";
    }
    return NULL;
}

void words_safe(struct buf *out, const char *text)
{
    const unsigned char *from = (const unsigned char *)text, *p = from;
    size_t len;
    for (; *p; p += len) {
        const char *other = stand_in(p, &len);
        if (!other)
            continue;
        buf_add(out, from, (size_t)(p - from));
        buf_text(out, other);
        from = p + len;
    }
    buf_add(out, from, (size_t)(p - from));
}

void words_count(struct buf *out, int64_t n, const char *noun)
{
    buf_printf(out, "%" PRId64 " %s%s", n, noun, n == 1 ? "" : "s");
}

static void add_time(struct buf *out, int64_t us, const char *format)
{
    time_t s = (time_t)(us / CLOCK_SECOND_US);
    struct tm tm;
    char text[64];
    if (us <= 0 || !localtime_r(&s, &tm) || strftime(text, sizeof text, format, &tm) == 0)
        buf_char(out, '-');
    else
        buf_text(out, text);
}

void words_time(struct buf *out, int64_t us)
{
    add_time(out, us, "%Y-%m-%d %H:%M:%S");
}

void words_short_time(struct buf *out, int64_t us)
{
    add_time(out, us, "%m-%d %H:%M");
}

void words_duration(struct buf *out, int64_t us)
{
    char text[UNITS_TEXT_MAX];
    buf_text(out, us == 0 ? "0s" : units_duration(us, text));
}

void words_bytes(struct buf *out, int64_t bytes)
{
    char text[UNITS_TEXT_MAX];
    buf_text(out, units_bytes(bytes, text));
}

void words_age(struct buf *out, int64_t us, const struct screen *screen)
{
    if (us <= 0)
        buf_char(out, '-');
    else if (screen->now_us - us < CLOCK_SECOND_US)
        buf_text(out, "0s");
    else
        words_duration(out, (screen->now_us - us) / CLOCK_SECOND_US * CLOCK_SECOND_US);
}

void words_id(struct buf *out, const struct ad *ad)
{
    buf_printf(out, "%" PRId64, ad_int(ad, "ClusterId", 0));
    if (ad_int(ad, "ProcId", -1) >= 0) /* an event of a whole cluster has -1 */
        buf_printf(out, ".%" PRId64, ad_int(ad, "ProcId", 0));
}

void words_exit(struct buf *out, const struct ad *job)
{
    if (ad_has(job, "ExitSignal"))
        buf_printf(out, "signal %" PRId64, ad_int(job, "ExitSignal", 0));
    else if (ad_has(job, "ExitCode"))
        buf_printf(out, "exit %" PRId64, ad_int(job, "ExitCode", 0));
    else
        buf_char(out, '-');
}

void words_state(struct buf *out, const struct ad *job)
{
    const char *state = ad_string(job, "JobState", "?");
    const char *reason = NULL;
    words_safe(out, state);
    if (strcmp(state, "completed") == 0) {
        buf_text(out, ": ");
        words_exit(out, job);
        return;
    }
    if (strcmp(state, "held") == 0 || strcmp(state, "holding") == 0)
        reason = ad_string(job, "HoldReason", NULL);
    if (strcmp(state, "removed") == 0 || strcmp(state, "removing") == 0)
        reason = ad_string(job, "RemoveReason", NULL);
    if (reason && *reason) {
        buf_text(out, ": ");
        words_safe(out, reason);
    }
}

void words_percent(struct buf *out, double fraction)
{
    double within = fraction > 0 && fraction <= 1 ? fraction : fraction > 1;
    buf_printf(out, "%d%%", (int)(within * 100 + 1e-6));
}

void words_command(struct buf *out, const struct ad *job)
{
    bool docker;
    const char *program = ad_string(job, "Cmd", "?"), *image = image_of_job(job, &docker);
    program = !*program && image ? image : program;
    const char *slash = strrchr(program, '/');
    words_safe(out, slash && slash[1] ? slash + 1 : program);
    const char *arguments = ad_string(job, "Arguments", ad_string(job, "Args", ""));
    if (*arguments) {
        buf_char(out, ' ');
        words_safe(out, arguments);
    }
}

void words_method(struct buf *out, const char *method, const char *reason)
{
    words_safe(out, method);
    if (strcmp(method, "transparent") == 0)
        buf_text(out, " (CRIU)");
    if (strcmp(method, "self") == 0)
        buf_text(out, " (its own protocol)");
    if (!*reason)
        return;
    buf_text(out, ": ");
    words_safe(out, reason);
}

int64_t words_last_checkpoint(const struct ad *job)
{
    return ad_int(job, "LastCkptTimeUs", ad_int(job, "LastCkptTime", 0) * CLOCK_SECOND_US);
}

void words_print(const struct buf *text)
{
    fwrite(buf_cstr(text), 1, text->len, stdout);
}
