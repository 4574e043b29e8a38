/*
 * The Standard Workload Format, version 2.2 (Feitelson's archive of logs): eighteen numbers a line, -1 for what is not known,
 * comments behind a semicolon. What the simulation takes: submission (2), run time (4), processors (5, else those asked for,
 * 8), memory (7, else 10, KiB for each processor), status (11) and user (12). The others must be numbers and are passed over. A
 * line that is not as the format has it is an error, not a job with zeros.
 */
#include "sim/workload.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS = 18, LINE_MAX_BYTES = 1024 };
enum field {
    SUBMIT = 1,
    WAIT = 2,
    RUN = 3,
    CPUS = 4,
    CPU_TIME = 5,
    MEMORY = 6,
    CPUS_ASKED = 7,
    TIME_ASKED = 8,
    MEMORY_ASKED = 9,
    STATUS = 10,
    USER = 11
};
enum status { STATUS_PART = 2, STATUS_LAST_PART = 4 }; /* of a job that has a line as a whole, too */

/* Users by their numbers, in the order of their first job. */
struct users {
    int64_t *numbers;
    size_t capacity;
};

static int parse_fields(char *line, double fields[FIELDS], int64_t number, struct error *err)
{
    int count = 0;
    char *save = NULL;
    for (char *word = strtok_r(line, " \t\r", &save); word; word = strtok_r(NULL, " \t\r", &save)) {
        char *end;
        if (count == FIELDS)
            return error_set(err, ERR_INVALID, "line %lld has more than %d fields", (long long)number, FIELDS);
        fields[count] = strtod(word, &end);
        if (*end || !isfinite(fields[count]))
            return error_set(err, ERR_INVALID, "line %lld: field %d, '%.40s', is not a number", (long long)number, count + 1,
                             word);
        count++;
    }
    if (count < FIELDS)
        return error_set(err, ERR_INVALID, "line %lld has %d fields; the Standard Workload Format has %d", (long long)number,
                         count, FIELDS);
    return 0;
}

static int check_times(const double f[FIELDS], int64_t number, struct error *err)
{
    static const struct {
        enum field field;
        const char *name;
        double least;
    } times[] = { { SUBMIT, "submit time", 0 },
                  { WAIT, "wait time", -1 },
                  { RUN, "run time", -1 },
                  { CPU_TIME, "cpu time", -1 },
                  { TIME_ASKED, "requested time", -1 } };
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        double t = f[times[i].field];
        if (t < times[i].least)
            return error_set(err, ERR_INVALID, "line %lld: the %s, %g, is negative%s", (long long)number, times[i].name, t,
                             times[i].least < 0 ? " (-1 means that it is not known)" : "");
        if (t > (double)WORKLOAD_TIME_MAX_S)
            return error_set(err, ERR_LIMIT, "line %lld: the %s, %g s, is more than a hundred years", (long long)number,
                             times[i].name, t);
    }
    return 0;
}

static int find_user(struct workload *w, struct users *users, double field, uint32_t *user, struct error *err)
{
    int64_t number = fabs(field) < 1e15 ? (int64_t)field : -1;
    for (size_t i = 0; i < w->user_count; i++)
        if (users->numbers[i] == number) {
            *user = (uint32_t)i;
            return 0;
        }
    if (w->user_count == WORKLOAD_USERS_MAX)
        return error_set(err, ERR_LIMIT, "more than %d users", WORKLOAD_USERS_MAX);
    char name[WORKLOAD_USER_NAME_MAX];
    snprintf(name, sizeof name, number < 0 ? "unknown" : "user%lld", (long long)number);
    users->numbers = mem_grow(users->numbers, &users->capacity, w->user_count + 1, sizeof *users->numbers);
    users->numbers[w->user_count] = number;
    *user = (uint32_t)w->user_count;
    workload_add_user(w, name);
    return 0;
}

static int add_job(struct workload *w, struct users *users, const double f[FIELDS], int64_t number, struct error *err)
{
    double cpus = f[CPUS] > 0 ? f[CPUS] : f[CPUS_ASKED], memory = f[MEMORY] > 0 ? f[MEMORY] : f[MEMORY_ASKED];
    uint32_t user = 0;
    if (f[RUN] <= 0 || (f[STATUS] >= STATUS_PART && f[STATUS] <= STATUS_LAST_PART) || cpus < 1) {
        w->skipped++;
        return 0;
    }
    if (cpus > WORKLOAD_CPUS_MAX)
        return error_set(err, ERR_LIMIT, "line %lld: %g processors are more than %d", (long long)number, cpus,
                         WORKLOAD_CPUS_MAX);
    if (w->count == WORKLOAD_JOBS_MAX)
        return error_set(err, ERR_LIMIT, "more than %d jobs", WORKLOAD_JOBS_MAX);
    if (find_user(w, users, f[USER], &user, err) < 0)
        return error_wrap(err, "line %lld", (long long)number);
    struct workload_job *job = workload_add_job(w);
    job->submit_us = (int64_t)llround(f[SUBMIT] * 1e6);
    job->work_us = (int64_t)llround(f[RUN] * 1e6);
    job->cpus = (uint32_t)cpus;
    job->user = user;
    job->memory_mb = memory > 0 ? (uint32_t)fmin(ceil(memory * cpus / 1024), 1e9) : 0;
    return 0;
}

static int parse_line(struct workload *w, struct users *users, char *line, int64_t number, struct error *err)
{
    double fields[FIELDS];
    if (line[strspn(line, " \t\r")] == '\0')
        return 0;
    if (parse_fields(line, fields, number, err) < 0 || check_times(fields, number, err) < 0)
        return -1;
    return add_job(w, users, fields, number, err);
}

/* "; MaxProcs: 128" */
static void note_header(struct workload *w, const char *comment, size_t len)
{
    char line[64], *at;
    snprintf(line, sizeof line, "%.*s", (int)(len < sizeof line ? len : sizeof line - 1), comment);
    long cpus = (at = strstr(line, "MaxProcs:")) ? strtol(at + strlen("MaxProcs:"), NULL, 10) : 0;
    if (cpus > 0 && cpus <= WORKLOAD_CPUS_MAX)
        w->log_cpus = (uint32_t)cpus;
}

int workload_parse_swf(struct workload *w, const char *text, size_t len, struct error *err)
{
    struct users users = { 0 };
    int64_t number = 0;
    int r = 0;
    for (size_t at = 0; at < len && r == 0; number++) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t length = end ? (size_t)(end - text) - at : len - at;
        char line[LINE_MAX_BYTES];
        const char *comment = memchr(text + at, ';', length);
        if (comment)
            note_header(w, comment, length - (size_t)(comment - text - (ptrdiff_t)at));
        size_t kept = comment ? (size_t)(comment - text) - at : length;
        if (kept >= sizeof line) {
            r = error_set(err, ERR_LIMIT, "line %lld is longer than %d bytes", (long long)number + 1, LINE_MAX_BYTES - 1);
        } else {
            memcpy(line, text + at, kept);
            line[kept] = '\0';
            r = parse_line(w, &users, line, number + 1, err);
        }
        at += length + 1;
    }
    free(users.numbers);
    if (r == 0 && w->count == 0)
        r = error_set(err, ERR_INVALID, "there is no job in it that ran");
    if (r == 0)
        workload_sort(w);
    return r;
}
