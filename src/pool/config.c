#include "base/file.h"
#include "base/mem.h"
#include "base/units.h"
#include "context/cgroup.h"
#include "job/command.h"
#include "job/protocol.h"
#include "pool/pool.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SECOND_US INT64_C(1000000)

enum setting_kind {
    SETTING_COUNT,
    SETTING_MANY,
    SETTING_FEW, /* or none */
    SETTING_MEGABYTES,
    SETTING_KILOBYTES,
    SETTING_BYTES,
    SETTING_BYTES_AUTO,
    SETTING_DURATION,
    SETTING_DURATION_AUTO,
    SETTING_LIMITS,
    SETTING_REMOTE,
    SETTING_ENDPOINT,
    SETTING_REGION,
    SETTING_PATH,
    SETTING_METHOD,
};

static const struct {
    const char *name;
    enum setting_kind kind;
    size_t offset;
} settings[] = {
    { "cpus", SETTING_COUNT, offsetof(struct config, cpus) },
    { "memory", SETTING_MEGABYTES, offsetof(struct config, memory_mb) },
    { "disk", SETTING_KILOBYTES, offsetof(struct config, disk_kb) },
    { "checkpoint_method", SETTING_METHOD, offsetof(struct config, checkpoint_method) },
    { "criu_dir", SETTING_PATH, offsetof(struct config, criu_dir) },
    { "checkpoint_interval", SETTING_DURATION_AUTO, offsetof(struct config, checkpoint_interval_us) },
    { "checkpoint_timeout", SETTING_DURATION, offsetof(struct config, checkpoint_timeout_us) },
    { "max_vacate_time", SETTING_DURATION, offsetof(struct config, max_vacate_us) },
    { "keep_generations", SETTING_COUNT, offsetof(struct config, keep_generations) },
    { "periodic_interval", SETTING_DURATION, offsetof(struct config, periodic_interval_us) },
    { "limit_default", SETTING_FEW, offsetof(struct config, limit_default) },
    { "history", SETTING_DURATION, offsetof(struct config, history_us) },
    { "usage_halflife", SETTING_DURATION, offsetof(struct config, usage_halflife_us) },
    { "leave_in_queue_interval", SETTING_DURATION, offsetof(struct config, leave_interval_us) },
    { "notify_command", SETTING_PATH, offsetof(struct config, notify_command) },
    { "max_jobs_per_user", SETTING_MANY, offsetof(struct config, max_jobs_per_user) },
    { "limits", SETTING_LIMITS, offsetof(struct config, limits) },
    { "store_quota", SETTING_BYTES, offsetof(struct config, store_quota) },
    { "store_quota_per_user", SETTING_BYTES, offsetof(struct config, store_user_quota) },
    { "store_low_space", SETTING_BYTES_AUTO, offsetof(struct config, store_low_space) },
    { "image_cache", SETTING_BYTES, offsetof(struct config, image_cache) },
    { "checkpoint_tail", SETTING_FEW, offsetof(struct config, checkpoint_tail) },
    { "store_verify", SETTING_DURATION, offsetof(struct config, store_verify_us) },
    { "remote_store", SETTING_REMOTE, offsetof(struct config, remote_store) },
    { "remote_store_endpoint", SETTING_ENDPOINT, offsetof(struct config, remote_endpoint) },
    { "remote_store_region", SETTING_REGION, offsetof(struct config, remote_region) },
    { "remote_store_credentials", SETTING_PATH, offsetof(struct config, remote_credentials) },
};

static bool parse_limits(const char *value, bool *limits)
{
    *limits = strcasecmp(value, "auto") == 0;
    return *limits || strcasecmp(value, "off") == 0;
}

static bool parse_count(const char *value, int least, int most, int *count)
{
    char *end;
    int64_t number = strtol(value, &end, 10);
    *count = (int)number;
    return *value && *end == '\0' && number >= least && number <= most;
}

static bool parse_size(const char *value, bool may_be_auto, int64_t *bytes)
{
    if (may_be_auto && strcasecmp(value, "auto") == 0) {
        *bytes = -1;
        return true;
    }
    return units_parse_bytes(value, 1, bytes) && *bytes >= 0;
}

/* A name as Amazon and others allow it for buckets. */
static bool is_bucket(const char *name, size_t len)
{
    return len >= 3 && len <= 63 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") >= len && isalnum((unsigned char)name[0]) &&
           isalnum((unsigned char)name[len - 1]);
}

static bool is_remote(const char *value)
{
    if (strncmp(value, "s3://", 5) == 0)
        return is_bucket(value + 5, strcspn(value + 5, "/"));
    if (strncmp(value, "file://", 7) == 0)
        value += 7;
    return *value == '/';
}

static bool is_endpoint(const char *value)
{
    size_t scheme = strncmp(value, "https://", 8) == 0 ? 8 : strncmp(value, "http://", 7) == 0 ? 7 : 0;
    return scheme > 0 && value[scheme] && value[scheme] != '/' && !strpbrk(value, " \t\"<>");
}

static bool parse_text(enum setting_kind kind, const char *value, char *field)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    bool good = kind == SETTING_REMOTE ? is_remote(value) : kind == SETTING_ENDPOINT ? is_endpoint(value) :
                kind == SETTING_REGION ? *value && strspn(value, letters) == strlen(value) : *value == '/';
    if (!good || strlen(value) >= CONFIG_TEXT_MAX)
        return false;
    snprintf(field, CONFIG_TEXT_MAX, "%s", value);
    return true;
}

static bool parse_method(const char *value, const char **text)
{
    struct method method;
    if (!method_parse(value, &method))
        return false;
    *text = method_text(&method);
    return true;
}

static bool parse_value(struct config *c, size_t i, const char *value)
{
    void *field = (char *)c + settings[i].offset;
    int64_t number;
    switch (settings[i].kind) {
    case SETTING_COUNT:
        return parse_count(value, 1, 100000, field);
    case SETTING_MANY:
        return parse_count(value, 1, 1000000000, field);
    case SETTING_FEW:
        return parse_count(value, 0, 100000, field);
    case SETTING_BYTES:
    case SETTING_BYTES_AUTO:
        return parse_size(value, settings[i].kind == SETTING_BYTES_AUTO, field);
    case SETTING_MEGABYTES:
    case SETTING_KILOBYTES: {
        int64_t unit = settings[i].kind == SETTING_MEGABYTES ? 1 << 20 : 1 << 10;
        bool good = units_parse_bytes(value, unit, &number);
        *(int64_t *)field = number / unit;
        return good && number >= unit;
    }
    case SETTING_DURATION:
        return units_parse_duration(value, field);
    case SETTING_DURATION_AUTO:
        *(int64_t *)field = -1;
        return strcasecmp(value, "auto") == 0 || units_parse_duration(value, field);
    case SETTING_LIMITS:
        return parse_limits(value, field);
    case SETTING_METHOD:
        return parse_method(value, field);
    case SETTING_REMOTE:
    case SETTING_ENDPOINT:
    case SETTING_REGION:
    case SETTING_PATH:
        return parse_text(settings[i].kind, value, field);
    }
    return false;
}

static int is_no_value(const char *value, const char *name, int number, struct error *err)
{
    return error_set(err, ERR_INVALID, "stint.conf:%d: '%s' is no value for %s; see stint.conf(5)", number, value, name);
}

static int set_limit(struct config *c, const char *name, const char *value, struct error *err)
{
    struct limit_need needs[LIMITS_PER_JOB_MAX];
    int most;
    if (limit_check_name(name, err) < 0)
        return -1;
    if (!parse_count(value, 0, LIMIT_AMOUNT_MAX, &most))
        return error_set(err, ERR_INVALID, "'%s' is no number of jobs, from 0 to %d", value, LIMIT_AMOUNT_MAX);
    limit_parse(name, needs, NULL);
    for (size_t i = 0; i < c->limit_count; i++)
        if (strcmp(c->limit_list[i].name, needs[0].name) == 0) {
            c->limit_list[i].most = most;
            return 0;
        }
    c->limit_list = mem_grow(c->limit_list, &c->limit_capacity, c->limit_count + 1, sizeof *c->limit_list);
    struct policy_limit *limit = &c->limit_list[c->limit_count++];
    *limit = (struct policy_limit){ .most = most };
    snprintf(limit->name, sizeof limit->name, "%s", needs[0].name);
    return 0;
}

static int set_machine(struct config *c, const char *name, const char *value, struct error *err)
{
    if (!ad_name_valid(name) || strchr(name, '.'))
        return error_set(err, ERR_INVALID, "'%s' is no attribute's name", name);
    if (!c->machine)
        c->machine = ad_new();
    return ad_set_expr(c->machine, name, value, err);
}

static int set_start(struct config *c, const char *value, struct error *err)
{
    struct ad_expr *expr;
    if (ad_expr_parse(value, &expr, err) < 0)
        return -1;
    ad_expr_free(c->start);
    c->start = expr;
    return 0;
}

/* The settings whose names or values are expressions. Outcome POLICY_UNKNOWN. */
static int parse_policy(struct config *c, const char *name, const char *value, struct error *err)
{
    static const char system[] = "system_periodic_", limit[] = "limit.", machine[] = "machine.";
    if (strncasecmp(name, limit, strlen(limit)) == 0)
        return set_limit(c, name + strlen(limit), value, err);
    if (strncasecmp(name, machine, strlen(machine)) == 0)
        return set_machine(c, name + strlen(machine), value, err);
    if (strncasecmp(name, system, strlen(system)) == 0)
        return policy_rules_set(&c->rules, name + strlen(system), value, err);
    return strcasecmp(name, "start") == 0 ? set_start(c, value, err) : POLICY_UNKNOWN;
}

static int parse_line(struct config *c, char *line, int number, struct error *err)
{
    char *name = line + strspn(line, " \t");
    char *equals = strchr(name, '=');
    if (*name == '\0' || *name == '#')
        return 0;
    if (!equals)
        return error_set(err, ERR_INVALID, "stint.conf:%d: expected 'name = value'", number);
    char *value = equals + 1 + strspn(equals + 1, " \t");
    while (equals > name && isspace((unsigned char)equals[-1]))
        equals--;
    *equals = '\0';
    for (size_t n = strlen(value); n > 0 && isspace((unsigned char)value[n - 1]); n--)
        value[n - 1] = '\0';
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (strcasecmp(name, settings[i].name) != 0)
            continue;
        if (!parse_value(c, i, value))
            return is_no_value(value, name, number, err);
        return 0;
    }
    int result = parse_policy(c, name, value, err);
    if (result < 0 && err)
        err->kind = ERR_INVALID;
    if (result != POLICY_UNKNOWN)
        return result < 0 ? error_wrap(err, "stint.conf:%d: %s", number, name) : 0;
    return error_set(err, ERR_INVALID, "stint.conf:%d: there is no setting '%s'; see stint.conf(5)", number, name);
}

static void set_defaults(struct pool *p)
{
    struct statvfs fs;
    struct config *c = &p->config;
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE), cpus = sysconf(_SC_NPROCESSORS_ONLN);
    *c = (struct config){
        .cpus = cpus > 0 ? (int)cpus : 1,
        .memory_mb = (int64_t)pages * page >> 20,
        .checkpoint_method = method_name(METHOD_AUTO),
        .checkpoint_interval_us = -1,
        .checkpoint_timeout_us = 600 * SECOND_US,
        .max_vacate_us = 600 * SECOND_US,
        .history_us = 30 * 86400 * SECOND_US,
        .usage_halflife_us = 86400 * SECOND_US,
        .periodic_interval_us = 60 * SECOND_US,
        .limit_default = -1,
        .keep_generations = 2,
        .leave_interval_us = 60 * SECOND_US,
        .max_jobs_per_user = p->machine_wide ? 100000 : 0,
        .limits = true,
        .store_low_space = -1,
        .image_cache = INT64_C(20) << 30,
        .store_verify_us = 7 * 86400 * SECOND_US,
    };
    if (fstatvfs(p->dir, &fs) == 0)
        c->disk_kb = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize / 1024;
}

void config_release(struct config *c)
{
    policy_rules_release(&c->rules);
    ad_expr_free(c->start);
    ad_free(c->machine);
    free(c->limit_list);
    *c = (struct config){ 0 };
}

int config_parse(struct config *c, char *text, struct error *err)
{
    int number = 1;
    for (char *line = text, *next; line; line = next, number++) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        if (parse_line(c, line, number, err) < 0)
            return -1;
    }
    return 0;
}

int config_read(struct pool *p, struct error *err)
{
    auto_buf struct buf text = { .max = 1 << 20 };
    set_defaults(p);
    if (file_read(p->dir, "stint.conf", &text, err) < 0)
        return -1;
    if (text.data && config_parse(&p->config, text.data, err) < 0)
        return -1;
    p->limits = NULL;
    if (p->config.limits)
        p->limits = cgroup_support(&p->limits_reason);
    else
        error_set(&p->limits_reason, ERR_INVALID, "stint.conf says limits = off");
    return 0;
}
