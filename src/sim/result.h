/* What a simulation came to, in cpu-seconds, and how it is written: as a table, CSV, JSON, and pictures. */
#pragma once

#include "base/buf.h"
#include "sim/sim.h"

struct result {
    enum sim_policy policy;
    double lambda; /* of the policies that have one */
    int64_t cpus;
    size_t jobs, skipped, users;
    double span_s;
    double occupied_s;
    double at_risk_s;
    double class_s[LEDGER_CLASS_COUNT];
    double cause_s[CAUSE_COUNT]; /* badput by cause */
    double evicted_s;            /* badput that evictions for fair share caused */
    double badput_s;             /* all */
    double deprivation_s;
    double distance; /* mean over the time */
    size_t episodes;
    double fair_p50_s, fair_p90_s, fair_p99_s, fair_max_s; /* time to fair share */
    struct sim_counts counts;
    double cpu_s; /* that the simulation took; its caller's */
    bool adds_up; /* the classes and what is at risk are what was occupied, to the microsecond */
};

/* Sorts the simulation's episodes. */
void result_of(struct sim *s, struct result *out);

void result_table(const struct result *results, size_t count, struct buf *out);
void result_csv(const struct result *results, size_t count, struct buf *out);
void result_json(const struct result *results, size_t count, struct buf *out);
/* One line a user: what it got and what it was owed. */
void result_users(const struct sim *s, struct buf *out);
/* Lines of time_s,distance,missing and, for each user, running and target. */
void result_populations_csv(const struct sim *s, struct buf *out);
/* Times to fair share, one a line, with the part of all that are not longer. */
void result_episodes_csv(const struct sim *s, struct buf *out);
