/* The command line of stint-sim: what to simulate, with which policies, and what to write. */
#pragma once

#include "base/buf.h"
#include "sim/sim.h"

enum { OPTIONS_LAMBDAS_MAX = 64, OPTIONS_NAMES_MAX = 256 };
enum options_model { MODEL_HIGH_THROUGHPUT, MODEL_LUBLIN, MODEL_LUBLIN_TWO };
enum options_end { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION };

/* USER=VALUE, in the order given; borrowed from argv. */
struct options_name {
    const char *what; /* the option */
    const char *user;
    size_t user_len;
    const char *value;
};

struct options {
    struct sim_setup setup;
    struct workload_costs costs;
    enum options_model model;
    const char *swf, *history; /* files; "-" = standard input */
    bool from_history;         /* of the pool that runs here */
    int64_t jobs, users;
    double load; /* 0: as the log has it, 0.9 for models */
    bool nodes_given;
    bool sweep;
    bool policies[SIM_POLICIES];
    double lambdas[OPTIONS_LAMBDAS_MAX];
    size_t lambda_count;
    const char *group_names[SIM_GROUPS_MAX];
    size_t group_lengths[SIM_GROUPS_MAX];
    struct options_name names[OPTIONS_NAMES_MAX];
    size_t name_count;
    const char *csv, *json, *svg, *populations, *episodes, *users_csv; /* files; "-" = standard output */
};

/* argv[1…]; borrowed. *end says what to do. */
int options_parse(int argc, char **argv, struct options *out, enum options_end *end, struct error *err);
/* What was said about users by name, now that the workload has them. */
int options_apply_users(const struct options *options, struct workload *workload, struct error *err);
void options_help(struct buf *out);
