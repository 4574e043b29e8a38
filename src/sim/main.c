/*
 * stint-sim: a pool simulated with the code of the real one's policy. `stint sim` runs it. stint-sim(1) has the options.
 *
 * Exit status 0: done; 1: something could not be read or written; 2: wrong use, or a workload that makes no sense.
 */
#include "base/file.h"
#include "base/mem.h"
#include "sim/options.h"
#include "sim/plot.h"
#include "sim/result.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DONE = 0, FAILED = 1, USAGE = 2 };
#define FILE_MAX ((size_t)4 << 30)

extern char **environ;

/* ---- the workload ---- */

static int read_file(const char *name, struct buf *text, struct error *err)
{
    text->max = FILE_MAX;
    if (strcmp(name, "-") == 0)
        return file_read_fd(STDIN_FILENO, text, err);
    int r = file_read(AT_FDCWD, name, text, err);
    return r == FILE_ABSENT ? error_set(err, ERR_SYSTEM, "there is no file '%s'", name) : r;
}

/* STINT_PROGRAM is the stint that runs this. */
static int spawn_history(int out, pid_t *pid, struct error *err)
{
    const char *set = getenv("STINT_PROGRAM");
    char *program = (char *)(set && *set ? set : "stint");
    char *argv[] = { program, (char *)"history", (char *)"--limit", (char *)"0", (char *)"--all", (char *)"--json", NULL };
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    int r = posix_spawnp(pid, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return r == 0 ? 0 : error_set(err, ERR_SYSTEM, "cannot run '%s': %s", program, strerror(r));
}

static int read_history(struct buf *text, struct error *err)
{
    int ends[2], status;
    pid_t pid;
    text->max = FILE_MAX;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_sys(err, "cannot make a pipe");
    auto_close int in = ends[0];
    auto_close int out = ends[1];
    if (spawn_history(out, &pid, err) < 0)
        return -1;
    file_close(&out);
    int r = file_read_fd(in, text, err);
    while (waitpid(pid, &status, 0) < 0)
        continue;
    if (r == 0 && status != 0)
        return error_set(err, ERR_CHILD, "the pool's history could not be read");
    return r;
}

static int read_log(struct options *o, struct workload *w, struct error *err)
{
    auto_buf struct buf text = { 0 };
    const char *name = o->swf ? o->swf : o->history ? o->history : "the pool's history";
    if ((o->from_history ? read_history(&text, err) : read_file(name, &text, err)) < 0)
        return -1;
    int r = o->swf ? workload_parse_swf(w, text.data, text.len, err) : workload_parse_history(w, text.data, text.len, err);
    if (r < 0)
        return error_wrap(err, "%s", strcmp(name, "-") == 0 ? "standard input" : name);
    if (o->swf && !o->nodes_given && w->log_cpus > 0)
        o->setup.sizes[0] = (struct sim_nodes){ 1, w->log_cpus, w->log_cpus * 4096 };
    if (o->load > 0)
        workload_scale(w, o->load, sim_setup_cpus(&o->setup));
    return 0;
}

static uint32_t largest_node(const struct sim_setup *setup)
{
    uint32_t cpus = 0;
    for (size_t i = 0; i < setup->size_count; i++)
        cpus = setup->sizes[i].cpus > cpus ? setup->sizes[i].cpus : cpus;
    return cpus;
}

static void draw(const struct options *o, struct workload *w)
{
    struct workload_model model = {
        .jobs = (size_t)o->jobs,
        .users = (size_t)o->users,
        .cpus = sim_setup_cpus(&o->setup),
        .node_cpus = largest_node(&o->setup),
        .load = o->load > 0 ? o->load : 0.9,
        .seed = o->setup.seed,
        .two_streams = o->model == MODEL_LUBLIN_TWO,
    };
    if (o->model == MODEL_HIGH_THROUGHPUT)
        workload_high_throughput(w, &model);
    else
        workload_lublin(w, &model);
}

static double memory_a_cpu(const struct sim_setup *setup)
{
    double least = 0;
    for (size_t i = 0; i < setup->size_count; i++) {
        double mb = (double)setup->sizes[i].memory_mb / setup->sizes[i].cpus;
        least = i == 0 || mb < least ? mb : least;
    }
    return least;
}

static int make_workload(struct options *o, struct workload *w, struct error *err)
{
    if (o->swf || o->history || o->from_history) {
        if (read_log(o, w, err) < 0)
            return -1;
    } else {
        draw(o, w);
    }
    if (options_apply_users(o, w, err) < 0)
        return -1;
    o->costs.most_mb_a_cpu = memory_a_cpu(&o->setup);
    workload_draw_costs(w, &o->costs, o->setup.seed);
    sim_fit(w, &o->setup);
    if (w->count == 0)
        return error_set(err, ERR_INVALID, "none of the %zu jobs fits on a node", w->skipped);
    return 0;
}

/* ---- what is written ---- */

static int write_out(const char *name, const struct buf *text, struct error *err)
{
    if (strcmp(name, "-") == 0)
        return file_write_all(STDOUT_FILENO, text->data, text->len, err);
    auto_close int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return error_sys(err, "cannot write '%s'", name);
    return file_write_all(fd, text->data, text->len, err);
}

typedef void write_results(const struct result *results, size_t count, struct buf *out);
typedef void write_last(const struct sim *s, struct buf *out);

static int write_all(const char *name, write_results *fn, const struct result *results, size_t count, struct error *err)
{
    auto_buf struct buf text = { 0 };
    if (!name)
        return 0;
    fn(results, count, &text);
    return write_out(name, &text, err);
}

static int write_of_last(const char *name, write_last *fn, const struct sim *s, struct error *err)
{
    auto_buf struct buf text = { 0 };
    if (!name)
        return 0;
    fn(s, &text);
    return write_out(name, &text, err);
}

static bool is_picture(const char *name)
{
    size_t len = name ? strlen(name) : 0;
    return len >= 4 && strcmp(name + len - 4, ".svg") == 0;
}

static int write_series(const struct options *o, const struct sim *s, struct error *err)
{
    if (write_of_last(o->populations, is_picture(o->populations) ? plot_populations : result_populations_csv, s, err) < 0 ||
        write_of_last(o->episodes, result_episodes_csv, s, err) < 0 || write_of_last(o->users_csv, result_users, s, err) < 0)
        return -1;
    return 0;
}

static bool is_stdout(const char *name)
{
    return name && strcmp(name, "-") == 0;
}

static int write_tables(const struct options *o, const struct result *results, size_t count, struct error *err)
{
    const char *table = is_stdout(o->csv) || is_stdout(o->json) || is_stdout(o->svg) ? NULL : "-";
    if (write_all(table, result_table, results, count, err) < 0 || write_all(o->csv, result_csv, results, count, err) < 0 ||
        write_all(o->json, result_json, results, count, err) < 0 || write_all(o->svg, plot_frontier, results, count, err) < 0)
        return -1;
    return 0;
}

/* ---- running ---- */

struct batch {
    const struct options *options;
    const struct workload *workload;
    struct result results[SIM_POLICIES * OPTIONS_LAMBDAS_MAX];
    size_t count, total;
};

static double cpu_now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int run_one(struct batch *b, enum sim_policy policy, double lambda, struct error *err)
{
    struct sim_setup setup = b->options->setup;
    struct sim sim;
    double begun_s = cpu_now_s();
    setup.policy = policy;
    setup.lambda = lambda;
    sim_init(&sim, &setup, b->workload);
    sim_run(&sim);
    struct result *result = &b->results[b->count++];
    result_of(&sim, result);
    result->cpu_s = cpu_now_s() - begun_s;
    int r = 0;
    if (!result->adds_up)
        r = error_set(err, ERR_CORRUPT, "the ledger of '%s' does not add up: this is an error of the simulator",
                      sim_policy_name(policy));
    else if (b->count == b->total)
        r = write_series(b->options, &sim, err);
    sim_release(&sim);
    return r;
}

static size_t runs_of(const struct options *o, int policy)
{
    return !o->policies[policy] ? 0 : policy <= SIM_CLAIRVOYANT ? o->lambda_count : 1;
}

/* stint comes last, so that series are of its last lambda. */
static int run_all(struct batch *b, struct error *err)
{
    for (int p = SIM_POLICIES - 1; p >= 0; p--)
        b->total += runs_of(b->options, p);
    for (int p = SIM_POLICIES - 1; p >= 0; p--)
        for (size_t i = 0; i < runs_of(b->options, p); i++)
            if (run_one(b, (enum sim_policy)p, b->options->lambdas[i], err) < 0)
                return -1;
    return write_tables(b->options, b->results, b->count, err);
}

static int fail(const struct error *err, int status)
{
    fprintf(stderr, "stint sim: %s\n", err->text);
    return status;
}

static int simulate(struct options *o, struct error *err)
{
    struct workload workload = { 0 };
    int status = DONE;
    if (make_workload(o, &workload, err) < 0) {
        status = fail(err, err->kind == ERR_INVALID || err->kind == ERR_LIMIT ? USAGE : FAILED);
    } else {
        struct batch *b = mem_new(struct batch);
        *b = (struct batch){ .options = o, .workload = &workload };
        if (run_all(b, err) < 0)
            status = fail(err, FAILED);
        free(b);
    }
    workload_release(&workload);
    return status;
}

static int say(enum options_end end)
{
    auto_buf struct buf text = { 0 };
    struct error err;
    if (end == OPTIONS_HELP)
        options_help(&text);
    else
        buf_text(&text, "stint-sim " STINT_VERSION "\n");
    return write_out("-", &text, &err) < 0 ? fail(&err, FAILED) : DONE;
}

int main(int argc, char **argv)
{
    struct options options;
    enum options_end end;
    struct error err = { 0 };
    if (options_parse(argc, argv, &options, &end, &err) < 0) {
        fail(&err, USAGE);
        fputs("try 'stint sim --options'\n", stderr);
        return USAGE;
    }
    return end == OPTIONS_RUN ? simulate(&options, &err) : say(end);
}
