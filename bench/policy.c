/*
 * How long a plan takes. bench-policy plan: plan_make for 10,000 idle and 1,000 running jobs, in several situations;
 * bench-policy events: a kept state of 10,000 cpus, a start and an end per event, and looks for evictions in it.
 */
#include "base/mem.h"
#include "policy/plan.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { IDLE = 10000, RUNNING = 1000, USERS = 20, REPEATS = 21, SLOTS = 10000, EVENTS = 1000000, QUEUED = 20000 };
#define SECOND INT64_C(1000000)
#define NOW (1000 * 3600 * SECOND)

static uint64_t state = 1;

static uint64_t dice(uint64_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* the machine may do other things, too */
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void draw(struct plan_job *job, size_t i, bool running, bool sizes)
{
    int64_t age = 1 + (int64_t)dice(4 * 3600);
    *job = (struct plan_job){
        .id = { 1 + (int)(i / 100), (int)(i % 100) },
        .cpus = sizes ? 1 + (int)dice(8) : 1,
        .memory_mb = sizes ? (int64_t)dice(16384) : 1024,
        .disk_kb = 1024,
        .submitted_us = NOW - (int64_t)dice(86400) * SECOND,
        .may_be_evicted = true,
        .ways = PLAN_WAYS_ALL & ~(dice(3) == 0 ? 1u << PLAN_WAY_CHECKPOINT : 0),
        .success = 0.9F,
        .started_us = NOW - age * SECOND,
        .at_risk_since_us = NOW - (int64_t)dice((uint64_t)age) * SECOND,
        .restore_us = (int64_t)dice(60) * SECOND,
        .pause_us = SECOND,
        .commit_us = (int64_t)dice(30) * SECOND,
        .grace_us = 10 * SECOND,
        .next_own_us = dice(2) ? NOW + (int64_t)dice(3600) * SECOND : -1,
        .ends_us = -1,
        .due_us = -1,
    };
    job->state = running ? PLAN_RUNNING : PLAN_IDLE;
}

struct situation {
    const char *name;
    size_t nodes;
    int node_cpus;
    bool sizes;
    double lambda;
    bool no_turnover;
};

/* Half of the users have all the running jobs, the others are owed half of the cpus. */
static void fill(struct plan_job *jobs, struct plan_node *nodes, const struct situation *s)
{
    size_t n = 0, node = 0;
    int used = 0;
    int64_t memory = 0;
    while (n < RUNNING && node < s->nodes) {
        draw(&jobs[n], n, true, s->sizes);
        if (used + jobs[n].cpus > s->node_cpus || memory + jobs[n].memory_mb > nodes[node].memory_mb) {
            node++;
            used = 0;
            memory = 0;
            continue;
        }
        used += jobs[n].cpus;
        memory += jobs[n].memory_mb;
        jobs[n].node = (uint32_t)node;
        jobs[n].user = (uint32_t)dice(USERS / 2);
        n++;
    }
    for (; n < IDLE + RUNNING; n++) {
        draw(&jobs[n], n, false, s->sizes);
        jobs[n].user = (uint32_t)dice(USERS);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure_plan(const struct situation *s)
{
    auto_free struct plan_job *jobs = mem_zero(IDLE + RUNNING, sizeof *jobs);
    auto_free struct plan_node *nodes = mem_zero(s->nodes, sizeof *nodes);
    struct plan_user users[USERS];
    struct plan plan = { 0 };
    double took[REPEATS];
    const char *wrong;
    for (size_t i = 0; i < s->nodes; i++)
        nodes[i] = (struct plan_node){ s->node_cpus, (int64_t)s->node_cpus * 4096, 1 << 30 };
    for (size_t i = 0; i < USERS; i++)
        users[i] = (struct plan_user){ .weight = 1 + (double)dice(3) };
    fill(jobs, nodes, s);
    struct plan_snapshot snapshot = {
        .now_us = NOW,
        .jobs = jobs,
        .job_count = IDLE + RUNNING,
        .users = users,
        .user_count = USERS,
        .nodes = nodes,
        .node_count = s->nodes,
        .rules = { .lambda = s->lambda, .minimum_run_us = 600 * SECOND, .no_turnover = s->no_turnover }
    };
    int kinds[PLAN_CHECKPOINT + 1] = { 0 };
    for (int i = 0; i < REPEATS; i++) {
        double begun = seconds();
        if (plan_make(&snapshot, &plan, &wrong) < 0)
            printf("%s\n", wrong);
        took[i] = seconds() - begun;
    }
    for (size_t i = 0; i < plan.count; i++)
        kinds[plan.actions[i].kind]++;
    qsort(took, REPEATS, sizeof *took, compare);
    printf("plan\t%s\t%.3f\t%.3f\t%.3f\tms\t%d starts, %d evictions, %d waits\n", s->name, took[REPEATS / 2] * 1e3,
           took[0] * 1e3, took[REPEATS - 1] * 1e3, kinds[PLAN_START], kinds[PLAN_EVICT], kinds[PLAN_WAIT]);
    plan_release(&plan);
}

static void measure_plans(void)
{
    static const struct situation situations[] = {
        { "one machine, 1-cpu jobs, lambda 1", 1, RUNNING, false, 1, false },
        { "one machine, 1-cpu jobs, lambda infinity", 1, RUNNING, false, (double)__builtin_inf(), false },
        { "125 nodes, 1-cpu jobs, lambda 1, no turnover", 125, 8, false, 1, true },
        { "125 nodes, 1-cpu jobs, lambda infinity", 125, 8, false, (double)__builtin_inf(), false },
        { "600 nodes, every job another size, lambda 1, no turnover", 600, 8, true, 1, true },
        { "600 nodes, every job another size, lambda infinity", 600, 8, true, (double)__builtin_inf(), false },
        { "one machine, every job another size, lambda infinity", 1, 4400, true, (double)__builtin_inf(), false },
        { "1000 nodes, half empty, every job another size, lambda 1", 1000, 8, true, 1, false },
    };
    for (size_t i = 0; i < sizeof situations / sizeof situations[0]; i++)
        measure_plan(&situations[i]);
}

/* ---- events ---- */

struct field {
    struct plan_state *state;
    struct plan_job *jobs;
    uint32_t *numbers;
    uint32_t *running; /* indices of jobs */
    size_t running_count;
    uint32_t *of_number;
    struct plan plan;
    int next;
};

static void submit(struct field *f, uint32_t i, uint32_t user)
{
    draw(&f->jobs[i], (size_t)f->next++, false, false);
    f->jobs[i].user = user;
    f->jobs[i].memory_mb = 512 << dice(5);
    f->numbers[i] = plan_state_add(f->state, &f->jobs[i]);
    f->of_number[f->numbers[i]] = i;
}

static size_t start(struct field *f)
{
    f->plan.count = 0;
    plan_state_starts(f->state, &f->plan);
    for (size_t i = 0; i < f->plan.count; i++) {
        uint32_t job = f->of_number[f->plan.actions[i].job];
        f->jobs[job].state = PLAN_RUNNING;
        f->jobs[job].node = f->plan.actions[i].node;
        f->running[f->running_count++] = job;
    }
    return f->plan.count;
}

static void measure_events(size_t node_count, int node_cpus, uint32_t users_count)
{
    struct field f = { 0 };
    auto_free struct plan_node *nodes = mem_zero(node_count, sizeof *nodes);
    auto_free struct plan_user *users = mem_zero(users_count, sizeof *users);
    size_t slots = node_count * (size_t)node_cpus, total = slots + QUEUED;
    f.jobs = mem_zero(total, sizeof *f.jobs);
    f.numbers = mem_zero(total, sizeof *f.numbers);
    f.running = mem_zero(total, sizeof *f.running);
    f.of_number = mem_zero(total, sizeof *f.of_number);
    for (size_t i = 0; i < node_count; i++)
        nodes[i] = (struct plan_node){ node_cpus, (int64_t)node_cpus * 16384, 1 << 30 };
    for (size_t i = 0; i < users_count; i++)
        users[i].weight = 1 + (double)dice(5);
    f.state = plan_state_new(users, users_count, nodes, node_count, NULL, 0);
    for (uint32_t i = 0; i < total; i++)
        submit(&f, i, (uint32_t)dice(users_count));
    start(&f);
    double begun = seconds();
    size_t starts = 0;
    for (int i = 0; i < EVENTS; i++) { /* one ends, one is submitted, one starts */
        size_t k = dice(f.running_count);
        uint32_t job = f.running[k];
        f.running[k] = f.running[--f.running_count];
        plan_state_remove(f.state, f.numbers[job]);
        submit(&f, job, (uint32_t)dice(users_count));
        starts += start(&f);
    }
    double took = seconds() - begun;
    printf("events\t%zu cpus, %u users: an end, a submission, a start\t%.3f\tus\t%zu starts\n", slots, users_count,
           took / EVENTS * 1e6, starts);
    struct plan_rules rules = { .lambda = 0.01 };
    double looks[REPEATS];
    for (int i = 0; i < REPEATS; i++) {
        for (uint32_t u = 0; u < users_count; u++) /* half of them are owed */
            plan_state_set_weight(f.state, u, (i + u) % 2 ? 1 : 10);
        f.plan.count = 0;
        begun = seconds();
        plan_state_evictions(f.state, NOW, &rules, &f.plan);
        looks[i] = seconds() - begun;
        if (i == 0)
            printf("look\t%zu actions\n", f.plan.count);
    }
    qsort(looks, REPEATS, sizeof *looks, compare);
    printf("look\t%zu cpus: a look for evictions\t%.3f\t%.3f\t%.3f\tms\n", slots, looks[REPEATS / 2] * 1e3, looks[0] * 1e3,
           looks[REPEATS - 1] * 1e3);
    plan_state_free(f.state);
    plan_release(&f.plan);
    free(f.jobs);
    free(f.numbers);
    free(f.running);
    free(f.of_number);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "plan") == 0)
        measure_plans();
    else if (argc == 2 && strcmp(argv[1], "events") == 0) {
        measure_events(SLOTS / 8, 8, 20);
        measure_events(SLOTS, 1, 20);
        measure_events(SLOTS / 8, 8, 200);
        measure_events(SLOTS, 8, 100);
    } else
        return fprintf(stderr, "usage: bench-policy plan|events\n"), 2;
    return 0;
}
