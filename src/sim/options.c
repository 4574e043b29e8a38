/* One table says of every option what it takes, where that goes, within which bounds, and what it is for. */
#include "sim/options.h"

#include "base/units.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum takes { TAKES_NOTHING, TAKES_TEXT, TAKES_TIME, TAKES_REAL, TAKES_COUNT, TAKES_OWN };

struct entry {
    const char *name;
    const char *value; /* what it is called; NULL: none */
    enum takes takes;
    size_t place;
    double least, most;
    int (*own)(struct options *o, const char *option, const char *value, struct error *err);
    const char *help;
};

static int bad(struct error *err, const char *option, const char *value, const char *why)
{
    return error_set(err, ERR_INVALID, "--%s %.60s: %s", option, value, why);
}

static int real_of(const char *option, const char *value, size_t len, double *out, struct error *err)
{
    char text[64], *end;
    if (len == 0 || len >= sizeof text)
        return bad(err, option, value, "a number is expected");
    memcpy(text, value, len);
    text[len] = '\0';
    *out = strtod(text, &end);
    if (*end || isnan(*out))
        return bad(err, option, value, "a number is expected");
    return 0;
}

/* ---- options with a form of their own ---- */

static int take_model(struct options *o, const char *option, const char *value, struct error *err)
{
    static const char *const names[] = { "high-throughput", "lublin", "lublin-two" };
    for (size_t i = 0; i < 3; i++)
        if (strcmp(value, names[i]) == 0) {
            o->model = (enum options_model)i;
            return 0;
        }
    return bad(err, option, value, "there are high-throughput, lublin and lublin-two");
}

static int take_policy(struct options *o, const char *option, const char *value, struct error *err)
{
    while (*value) {
        size_t len = strcspn(value, ","), i = 0;
        while (i < SIM_POLICIES && (strlen(sim_policy_name((enum sim_policy)i)) != len ||
                                    strncmp(value, sim_policy_name((enum sim_policy)i), len) != 0))
            i++;
        if (i == SIM_POLICIES)
            return bad(err, option, value, "there are stint, clairvoyant, none, youngest, retirement, scr and adaptive");
        o->policies[i] = true;
        value += len + (value[len] == ',');
    }
    return 0;
}

static int take_lambda(struct options *o, const char *option, const char *value, struct error *err)
{
    o->lambda_count = 0;
    do {
        size_t len = strcspn(value, ",");
        double lambda = 0;
        if (real_of(option, value, len, &lambda, err) < 0)
            return -1;
        if (lambda < 0)
            return bad(err, option, value, "lambda is what a cpu-second of deprivation is worth; it cannot be negative");
        if (o->lambda_count == OPTIONS_LAMBDAS_MAX)
            return bad(err, option, value, "more than 64 values");
        o->lambdas[o->lambda_count++] = lambda;
        value += len + (value[len] == ',');
    } while (*value);
    return 0;
}

/* COUNTxCPUSxMEMORY */
static int take_nodes(struct options *o, const char *option, const char *value, struct error *err)
{
    char *end;
    long count = strtol(value, &end, 10), cpus = *end == 'x' ? strtol(end + 1, &end, 10) : 0;
    int64_t memory = 0;
    if (count < 1 || cpus < 1 || count > SIM_NODES_MAX || cpus > WORKLOAD_CPUS_MAX || *end != 'x' ||
        !units_parse_bytes(end + 1, 1 << 20, &memory) || memory < 1 << 20 || memory >> 20 > INT32_MAX)
        return bad(err, option, value, "COUNTxCPUSxMEMORY is expected, such as 8x16x64G");
    if (!o->nodes_given)
        o->setup.size_count = 0;
    o->nodes_given = true;
    if (o->setup.size_count == SIM_SIZES_MAX)
        return bad(err, option, value, "more than 16 kinds of nodes");
    o->setup.sizes[o->setup.size_count++] = (struct sim_nodes){ (uint32_t)count, (uint32_t)cpus, (uint32_t)(memory >> 20) };
    if (sim_setup_cpus(&o->setup) > WORKLOAD_CPUS_MAX)
        return bad(err, option, value, "more than 1048576 cpus in all");
    return 0;
}

static int take_kinds(struct options *o, const char *option, const char *value, struct error *err)
{
    const char *rest = value;
    double sum = 0;
    for (int k = 0; k < WORKLOAD_KINDS; k++) {
        size_t len = strcspn(rest, ",");
        if (real_of(option, rest, len, &o->costs.shares[k], err) < 0)
            return -1;
        if (o->costs.shares[k] < 0 || (k < WORKLOAD_KINDS - 1) != (rest[len] == ','))
            return bad(err, option, value, "three shares are expected, such as 40,30,30");
        sum += o->costs.shares[k];
        rest += len + 1;
    }
    if (!(sum > 0 && isfinite(sum)))
        return bad(err, option, value, "the shares sum to zero");
    for (int k = 0; k < WORKLOAD_KINDS; k++)
        o->costs.shares[k] /= sum;
    return 0;
}

static int take_group(struct options *o, const char *option, const char *value, struct error *err)
{
    size_t len = strcspn(value, "=");
    double share = 0;
    if (len == 0 || value[len] != '=')
        return bad(err, option, value, "NAME=SHARE is expected");
    if (real_of(option, value + len + 1, strlen(value + len + 1), &share, err) < 0)
        return -1;
    if (share < 0 || !isfinite(share))
        return bad(err, option, value, "a share cannot be negative");
    if (o->setup.groups == SIM_GROUPS_MAX)
        return bad(err, option, value, "more than 64 groups");
    o->group_names[o->setup.groups] = value;
    o->group_lengths[o->setup.groups] = len;
    o->setup.group_shares[o->setup.groups++] = share;
    return 0;
}

static int take_name(struct options *o, const char *option, const char *value, struct error *err)
{
    size_t len = strcspn(value, "=");
    if (len == 0 || value[len] != '=' || value[len + 1] == '\0')
        return bad(err, option, value, "USER=VALUE is expected");
    if (o->name_count == OPTIONS_NAMES_MAX)
        return bad(err, option, value, "more than 256 options about users");
    o->names[o->name_count++] = (struct options_name){ option, value, len, value + len + 1 };
    return 0;
}

static int take_store_rate(struct options *o, const char *option, const char *value, struct error *err)
{
    int64_t bytes;
    if (!units_parse_bytes(value, 1 << 20, &bytes) || bytes < 1024)
        return bad(err, option, value, "a size is expected that the store takes in a second, such as 500M");
    o->setup.store_mb_s = (double)bytes / 1e6;
    return 0;
}

/* ---- the table ---- */

#define IN(member) offsetof(struct options, member)
#define YEARS 3.2e9

static const struct entry entries[] = {
    { "model", "NAME", TAKES_OWN, 0, 0, 0, take_model,
      "draw the workload: high-throughput (default), lublin or lublin-two (batch and interactive)" },
    { "swf", "FILE", TAKES_TEXT, IN(swf), 0, 0, NULL, "take it from a log in the Standard Workload Format" },
    { "history", "FILE", TAKES_TEXT, IN(history), 0, 0, NULL,
      "take it from what 'stint history --limit 0 --json' has printed" },
    { "from-history", NULL, TAKES_NOTHING, IN(from_history), 0, 0, NULL,
      "take it from the history of the pool that runs here" },
    { "jobs", "N", TAKES_COUNT, IN(jobs), 1, WORKLOAD_JOBS_MAX, NULL, "of a model (default 20000)" },
    { "users", "N", TAKES_COUNT, IN(users), 1, WORKLOAD_USERS_MAX, NULL, "of a model (default 20)" },
    { "load", "X", TAKES_REAL, IN(load), 1e-6, 1000, NULL, "work submitted for each cpu (default 0.9; of logs, as they are)" },
    { "seed", "N", TAKES_COUNT, IN(setup.seed), 0, 1e15, NULL, "of all that is drawn (default 1)" },
    { "nodes", "NxCPUSxMEMORY", TAKES_OWN, 0, 0, 0, take_nodes, "such as 8x16x64G; again for other sizes" },
    { "stores", "N", TAKES_COUNT, IN(setup.stores), 1, 65536, NULL, "that the nodes share (default one for 256 cpus)" },
    { "store-rate", "SIZE", TAKES_OWN, 0, 0, 0, take_store_rate, "that a store takes in a second (default 954M)" },
    { "kinds", "T,S,N", TAKES_OWN, 0, 0, 0, take_kinds,
      "shares of transparent, self- and non-checkpointing jobs (default 40,30,30)" },
    { "success", "X", TAKES_REAL, IN(costs.success), 0, 1, NULL, "part of the checkpoints that succeed (default 0.95)" },
    { "user-kind", "USER=KIND", TAKES_OWN, 0, 0, 0, take_name, "all jobs of a user are transparent, self or none" },
    { "factor", "USER=X", TAKES_OWN, 0, 0, 0, take_name, "of a user's priority; larger is worse" },
    { "group", "NAME=SHARE", TAKES_OWN, 0, 0, 0, take_group, "a group of users, and its share of the cpus" },
    { "member", "USER=GROUP", TAKES_OWN, 0, 0, 0, take_name, "a user's group (default the first)" },
    { "mtbf", "TIME", TAKES_TIME, IN(setup.node_mtbf_s), 0, YEARS, NULL, "between failures of a node (default 30d; 0: none)" },
    { "repair", "TIME", TAKES_TIME, IN(setup.repair_s), 0, YEARS, NULL, "of a node (default 1h)" },
    { "transfer-time", "TIME", TAKES_TIME, IN(setup.transfer_s), 0, YEARS, NULL,
      "of a job's files at a fresh start (default 2s)" },
    { "kill-time", "TIME", TAKES_TIME, IN(setup.kill_s), 0, YEARS, NULL, "from the signal to the end of a job (default 1s)" },
    { "half-life", "TIME", TAKES_TIME, IN(setup.half_life_s), 0, YEARS, NULL, "of usage (default 1d)" },
    { "overstay", "X", TAKES_REAL, IN(setup.overstay), 0, 1000, NULL,
      "charge for cpus above target while others are owed some (default 1)" },
    { "minimum-run", "TIME", TAKES_TIME, IN(setup.minimum_run_s), 0, YEARS, NULL, "before an eviction (default 0)" },
    { "reserve-after", "TIME", TAKES_TIME, IN(setup.reserve_s), 0, YEARS, NULL,
      "room is kept for one of those who have waited for so long (default 0: never)" },
    { "longest-interval", "TIME", TAKES_TIME, IN(setup.longest_interval_s), 60, YEARS, NULL,
      "between checkpoints (default 4h)" },
    { "look", "TIME", TAKES_TIME, IN(setup.look_s), 1e-3, YEARS, NULL,
      "between looks for evictions when demand did not grow (default 1m)" },
    { "policy", "NAME,…", TAKES_OWN, 0, 0, 0, take_policy,
      "stint (default), clairvoyant, none, youngest, retirement, scr, adaptive" },
    { "lambda", "X,…", TAKES_OWN, 0, 0, 0, take_lambda,
      "cpu-seconds of badput that one of deprivation is worth (default 1; inf: evict at once)" },
    { "sweep", NULL, TAKES_NOTHING, IN(sweep), 0, 0, NULL, "all policies, and lambda from 0 to 100" },
    { "grace", "TIME", TAKES_TIME, IN(setup.grace_s), 0, YEARS, NULL, "of youngest (default 5m)" },
    { "retirement", "TIME", TAKES_TIME, IN(setup.retirement_s), 0, YEARS, NULL, "of retirement (default 1h)" },
    { "percent", "X", TAKES_REAL, IN(setup.percent), 0, 100, NULL, "of scr (default 80)" },
    { "epsilon", "X", TAKES_REAL, IN(setup.epsilon), 0, 1, NULL, "distance that counts as fair (default 0.05)" },
    { "window", "TIME", TAKES_TIME, IN(setup.window_s), 0, YEARS, NULL, "for which it must stay fair (default 1m)" },
    { "until", "TIME", TAKES_TIME, IN(setup.until_s), 0, YEARS, NULL, "stop then (default: when all is done)" },
    { "csv", "FILE", TAKES_TEXT, IN(csv), 0, 0, NULL, "write the results as CSV; - is standard output" },
    { "json", "FILE", TAKES_TEXT, IN(json), 0, 0, NULL, "the same as JSON" },
    { "svg", "FILE", TAKES_TEXT, IN(svg), 0, 0, NULL, "a picture of badput against deprivation" },
    { "populations", "FILE", TAKES_TEXT, IN(populations), 0, 0, NULL,
      "users' cpus and targets over time, of the last run: a picture if FILE ends in .svg, else CSV" },
    { "episodes", "FILE", TAKES_TEXT, IN(episodes), 0, 0, NULL,
      "distribution of the time to fair share, of the last run, as CSV" },
    { "users-csv", "FILE", TAKES_TEXT, IN(users_csv), 0, 0, NULL, "what each user was owed, of the last run, as CSV" },
};
enum { ENTRIES = sizeof entries / sizeof entries[0] };

void options_help(struct buf *out)
{
    buf_text(out, "usage: stint sim [OPTION…]\nSimulates a pool with the policy's own code.\n\n");
    for (size_t i = 0; i < ENTRIES; i++) {
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", entries[i].name, entries[i].value ? " " : "",
                 entries[i].value ? entries[i].value : "");
        int wide = strstr(left, "…") ? 28 : 26;
        buf_printf(out, "  %-*s %s\n", wide, left, entries[i].help);
    }
    buf_text(out, "\nMore in stint-sim(1).\n");
}

static int store_number(const struct entry *e, struct options *o, double v, const char *value, struct error *err)
{
    char *at = (char *)o + e->place;
    if (e->takes == TAKES_TIME && v < 0)
        return bad(err, e->name, value, "a time cannot be negative");
    if (!(v >= e->least && v <= e->most))
        return error_set(err, ERR_INVALID, "--%s %.60s: it must be from %g to %g", e->name, value, e->least, e->most);
    if (e->takes != TAKES_COUNT)
        memcpy(at, &v, sizeof v);
    else if (e->place == IN(setup.stores))
        memcpy(at, &(uint32_t){ (uint32_t)v }, sizeof(uint32_t));
    else
        memcpy(at, &(int64_t){ (int64_t)v }, sizeof(int64_t));
    return 0;
}

static int take(const struct entry *e, struct options *o, const char *value, struct error *err)
{
    double v = 0;
    int64_t us;
    switch (e->takes) {
    case TAKES_NOTHING:
        *(bool *)((char *)o + e->place) = true;
        return 0;
    case TAKES_TEXT:
        memcpy((char *)o + e->place, &value, sizeof value);
        return 0;
    case TAKES_OWN:
        return e->own(o, e->name, value, err);
    case TAKES_TIME:
        if (value[0] == '-')
            return bad(err, e->name, value, "a time cannot be negative");
        if (!units_parse_duration(value, &us))
            return bad(err, e->name, value, "a time is expected, such as 90s, 15m or 2h");
        return store_number(e, o, (double)us / 1e6, value, err);
    default:
        if (real_of(e->name, value, strlen(value), &v, err) < 0)
            return -1;
        if (e->takes == TAKES_COUNT && v != floor(v))
            return bad(err, e->name, value, "a whole number is expected");
        return store_number(e, o, v, value, err);
    }
}

static const struct entry *find(const char *word, size_t len)
{
    for (size_t i = 0; i < ENTRIES; i++)
        if (strlen(entries[i].name) == len && strncmp(entries[i].name, word, len) == 0)
            return &entries[i];
    return NULL;
}

static int check(struct options *o, struct error *err)
{
    double shares = 0;
    for (size_t g = 0; g < o->setup.groups; g++)
        shares += o->setup.group_shares[g];
    if (o->setup.groups > 0 && !(shares > 0))
        return error_set(err, ERR_INVALID, "--group: the shares of the groups sum to zero");
    if ((o->swf != NULL) + (o->history != NULL) + o->from_history > 1)
        return error_set(err, ERR_INVALID, "--swf, --history and --from-history exclude each other");
    if (o->setup.half_life_s <= 0)
        return error_set(err, ERR_INVALID, "--half-life 0: usage must be kept for some time");
    return 0;
}

static const double sweep[] = { 0, 0.03, 0.1, 0.3, 0.5, 0.7, 0.9, 1, 1.05, 1.1, 1.2, 1.35, 1.5, 2, 3, 5, 10, 100 };

static void choose(struct options *o)
{
    bool any = false;
    for (int p = 0; p < SIM_POLICIES; p++) {
        o->policies[p] |= o->sweep;
        any |= o->policies[p];
    }
    if (!any)
        o->policies[SIM_STINT] = true;
    if (o->lambda_count == 0) {
        o->lambda_count = o->sweep ? sizeof sweep / sizeof sweep[0] : 1;
        memcpy(o->lambdas, o->sweep ? sweep : &(double){ 1 }, o->lambda_count * sizeof *sweep);
    }
    if (o->setup.stores == 0)
        o->setup.stores = 1 + (uint32_t)(sim_setup_cpus(&o->setup) - 1) / 256;
}

/* The word at *at, with its value. */
static int take_word(int argc, char **argv, int *at, struct options *o, struct error *err)
{
    const char *word = argv[*at];
    if (strncmp(word, "--", 2) != 0)
        return error_set(err, ERR_INVALID, "'%.60s' is no option", word);
    size_t len = strcspn(word + 2, "=");
    const struct entry *e = find(word + 2, len);
    const char *value = word[2 + len] ? word + 3 + len : NULL;
    if (!e)
        return error_set(err, ERR_INVALID, "no option '%.60s'", word);
    if (!e->value && value)
        return error_set(err, ERR_INVALID, "option '--%s' takes no value", e->name);
    if (e->value && !value && ++*at == argc)
        return error_set(err, ERR_INVALID, "option '--%s' needs a value", e->name);
    return take(e, o, value || !e->value ? value : argv[*at], err);
}

int options_parse(int argc, char **argv, struct options *out, enum options_end *end, struct error *err)
{
    struct options o = { .setup = sim_setup_default(), .costs = workload_costs_default(), .jobs = 20000, .users = 20 };
    *end = OPTIONS_RUN;
    for (int i = 1; i < argc; i++) {
        bool help = strcmp(argv[i], "--options") == 0 || strcmp(argv[i], "--help") == 0; /* the command answers --help itself */
        if (help || strcmp(argv[i], "--version") == 0) {
            *end = help ? OPTIONS_HELP : OPTIONS_VERSION;
            return 0;
        }
        if (take_word(argc, argv, &i, &o, err) < 0)
            return -1;
    }
    if (check(&o, err) < 0)
        return -1;
    bool lublin = o.model != MODEL_HIGH_THROUGHPUT && !o.swf && !o.history && !o.from_history;
    if (lublin && !o.nodes_given)
        o.setup.sizes[0] = (struct sim_nodes){ 1, 1024, 1024 * 4096 };
    choose(&o);
    *out = o;
    return 0;
}

/* ---- users by name ---- */

static int find_group(const struct options *o, const struct options_name *n, uint32_t *group, struct error *err)
{
    for (size_t g = 0; g < o->setup.groups; g++)
        if (o->group_lengths[g] == strlen(n->value) && strncmp(o->group_names[g], n->value, o->group_lengths[g]) == 0) {
            *group = (uint32_t)g;
            return 0;
        }
    return bad(err, n->what, n->user, "there is no group of that name; give it with --group NAME=SHARE");
}

static int find_kind(const struct options_name *n, int *kind, struct error *err)
{
    for (int k = 0; k < WORKLOAD_KINDS; k++)
        if (strcmp(n->value, workload_kind_name((enum workload_kind)k)) == 0) {
            *kind = k;
            return 0;
        }
    return bad(err, n->what, n->user, "there are transparent, self and none");
}

static int apply_to(const struct options *o, const struct options_name *n, struct workload_user *user, struct error *err)
{
    if (strcmp(n->what, "member") == 0)
        return find_group(o, n, &user->group, err);
    if (strcmp(n->what, "user-kind") == 0)
        return find_kind(n, &user->kind, err);
    if (real_of(n->what, n->value, strlen(n->value), &user->factor, err) < 0)
        return -1;
    return user->factor > 0 && isfinite(user->factor) ? 0 : bad(err, n->what, n->user, "a factor must be greater than zero");
}

int options_apply_users(const struct options *o, struct workload *w, struct error *err)
{
    for (size_t i = 0; i < o->name_count; i++) {
        const struct options_name *n = &o->names[i];
        size_t u = 0;
        while (u < w->user_count &&
               (strlen(w->users[u].name) != n->user_len || strncmp(w->users[u].name, n->user, n->user_len) != 0))
            u++;
        if (u == w->user_count)
            return bad(err, n->what, n->user, "the workload has no such user");
        if (apply_to(o, n, &w->users[u], err) < 0)
            return -1;
    }
    return 0;
}
