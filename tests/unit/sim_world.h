/* A workload and a pool of a test's own. */
#pragma once

#include "base/mem.h"
#include "sim/result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct sim_world {
    struct sim_setup setup;
    struct workload workload;
    struct sim sim;
    struct result result;
};

/* One node of `cpus` that does not fail; nothing costs anything but what a test gives it. */
static inline void sim_world_init(struct sim_world *w, uint32_t cpus)
{
    *w = (struct sim_world){ .setup = sim_setup_default() };
    w->setup.sizes[0] = (struct sim_nodes){ 1, cpus, 1 << 20 };
    w->setup.stores = 1;
    w->setup.node_mtbf_s = w->setup.transfer_s = w->setup.kill_s = 0;
}

static inline struct workload_job *sim_world_add(struct sim_world *w, uint32_t user, double submit_s, double work_s,
                                                 enum workload_kind kind)
{
    static const char *const names[] = { "ada", "bob", "cyd" };
    while (w->workload.user_count <= user)
        workload_add_user(&w->workload, names[w->workload.user_count]);
    struct workload_job *job = workload_add_job(&w->workload);
    job->user = user;
    job->submit_us = (int64_t)(submit_s * 1e6);
    job->work_us = (int64_t)(work_s * 1e6);
    job->kind = (uint8_t)kind;
    job->success_percent = 100;
    return job;
}

static inline void sim_world_run(struct sim_world *w)
{
    sim_init(&w->sim, &w->setup, &w->workload);
    sim_run(&w->sim);
    result_of(&w->sim, &w->result);
}

static inline void sim_world_release(struct sim_world *w)
{
    sim_release(&w->sim);
    workload_release(&w->workload);
}

/* A drawn pool: `jobs` of the high-throughput mix or of Lublin's, on small nodes that fail often. */
static inline void sim_world_draw(struct sim_world *w, uint64_t seed, size_t jobs, bool lublin)
{
    *w = (struct sim_world){ .setup = sim_setup_default() };
    struct workload_costs costs = workload_costs_default();
    w->setup.sizes[0] = (struct sim_nodes){ 4, 16, 65536 };
    w->setup.stores = 2;
    w->setup.store_mb_s = 200;
    w->setup.node_mtbf_s = 86400;
    w->setup.seed = seed;
    struct workload_model model = { .jobs = jobs, .users = 4, .cpus = 64, .node_cpus = 16, .load = 0.9, .seed = seed };
    if (lublin)
        workload_lublin(&w->workload, &model);
    else
        workload_high_throughput(&w->workload, &model);
    costs.most_mb_a_cpu = 4096;
    workload_draw_costs(&w->workload, &costs, seed);
    sim_fit(&w->workload, &w->setup);
}
