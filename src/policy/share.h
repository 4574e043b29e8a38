/*
 * Who should have how many cpus. Usage decays with a half-life; what is left of it, times a factor, is a user's effective
 * priority (a smaller one is better); its inverse is the user's weight; the targets are the weighted max-min fair division of
 * the cpus, capped by demand. Groups come first where there are any: they divide the cpus by their shares, and each group's
 * users divide what the group got. What somebody does not want flows over to the others.
 *
 * Pure: times in microseconds come in as arguments, cpus and cpu-seconds are doubles. docs/policy.md has the formulas.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHARE_PRIORITY_FLOOR 0.5 /* the best real priority there is (HTCondor's) */

/* A cpu above target while somebody is owed one is charged so many times more. With 1 it does not pay, in the long run and
 * while everybody always wants more, not to give it back; with breaks in demand and whole cpus it takes 3 (docs/policy.md). */
#define SHARE_OVERSTAY 3.0

struct share_user {
    double weight; /* >= 0; with 0 it gets only what nobody with a weight wants */
    double demand; /* cpus it could use now, >= 0: those of its running and its idle jobs */
    size_t group;  /* for share_group_targets */
};

/* Weighted max-min: targets[i] = min(demand, level * weight) with one level for all, and their sum is min(cpus, total demand).
 */
void share_targets(const struct share_user *users, size_t count, double cpus, double *targets);
/* The same in two levels. shares[g] >= 0 is the weight of group g among the groups. group_count 0: share_targets. */
void share_group_targets(const struct share_user *users, size_t count, const double *shares, size_t group_count, double cpus,
                         double *targets);

/* Targets in whole cpus: each is rounded down or up, and the sum stays. Who runs more than its target rounded down has an
 * advantage of half a cpu, so that slow changes of the targets do not make jobs come and go. */
void share_round(const double *targets, const int64_t *running, size_t count, int64_t *whole);

/* Decayed usage in cpu-seconds after dt_us in which nothing was used. half_life_s <= 0: nothing is ever forgotten. */
double usage_decay(double usage, int64_t dt_us, double half_life_s);
/* The same after dt_us in which `cpus` were charged all the time: exact, in however many pieces the time is cut. */
double usage_after(double usage, double cpus, int64_t dt_us, double half_life_s);
/* The cpus that a user is charged for while it runs `running` cpus and its target is `target`. `for_others`: cpus of it that
 * are badput of evictions for other users (restores, pauses, work done again): they are credited, so that in the long run its
 * goodput is what it would have been without. `owed`: whether somebody is below target now; then a cpu above target costs
 * `overstay` more (SHARE_OVERSTAY). */
double usage_charged_cpus(double running, double target, double for_others, bool owed, double overstay);
/* Real priority (the cpus that would have led to this usage if used for ever), at least the floor, times the user's factor. */
double share_effective_priority(double usage, double half_life_s, double factor);
/* Its inverse: the user's weight. */
double share_weight(double usage, double half_life_s, double factor);

/* D = 1/2 sum |running - target| / cpus: 0 is fair, 1 is all the cpus with the wrong users. */
double share_distance(const double *running, const double *targets, size_t count, double cpus);
/* sum of max(0, target - running), in cpus: its integral over time is the deprivation. */
double share_deprivation(const double *running, const double *targets, size_t count);

/* Time to fair share: from a change of demand to the first moment with D <= epsilon that then holds for a window. */
struct share_watch {
    double epsilon;
    int64_t window_us;
    int64_t changed_us;    /* the change that is being watched, -1: none */
    int64_t fair_since_us; /* -1: not fair now */
};
/* Demand changed at now_us: the watch begins (anew). */
void share_watch_change(struct share_watch *watch, int64_t now_us);
/* From now_us on the distance is `distance`; call it also with an unchanged distance to let the window pass. True when the
 * window is full: *took_us is the time from the change to the first fair moment, and the watch ends. */
bool share_watch_note(struct share_watch *watch, int64_t now_us, double distance, int64_t *took_us);
