#include "job/limit.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int limit_check_name(const char *name, struct error *err)
{
    int periods = 0;
    bool good = isalpha((unsigned char)*name) || *name == '_';
    for (const char *p = name; *p; p++) {
        periods += *p == '.';
        good = good && (isalnum((unsigned char)*p) || *p == '_' || *p == '.');
    }
    if (!good || periods > 1 || strlen(name) >= LIMIT_NAME_MAX)
        return error_set(err, ERR_INVALID, "'%.60s' is no name of a limit; write letters, digits and '_', with at most one period",
                         name);
    return 0;
}

static int parse_amount(const char *item, const char *text, int64_t *amount, struct error *err)
{
    char *end;
    *amount = strtoll(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || *amount < 1 || *amount > LIMIT_AMOUNT_MAX)
        return error_set(err, ERR_INVALID, "'%.60s': behind the colon comes how many the job takes, from 1 to %d", item,
                         LIMIT_AMOUNT_MAX);
    return 0;
}

static int parse_item(const char *item, size_t len, struct limit_need *need, struct error *err)
{
    char text[LIMIT_NAME_MAX + 16];
    if (len >= sizeof text)
        return error_set(err, ERR_INVALID, "'%.*s…' is longer than a limit's name may be", 60, item);
    snprintf(text, sizeof text, "%.*s", (int)len, item);
    char *colon = strchr(text, ':');
    need->amount = 1;
    if (colon && parse_amount(text, colon + 1, &need->amount, err) < 0)
        return -1;
    if (colon)
        *colon = '\0';
    if (limit_check_name(text, err) < 0)
        return -1;
    size_t i = 0;
    for (; text[i]; i++)
        need->name[i] = (char)tolower((unsigned char)text[i]);
    need->name[i] = '\0';
    return 0;
}

static struct limit_need *find(struct limit_need *needs, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(needs[i].name, name) == 0)
            return &needs[i];
    return NULL;
}

int limit_parse(const char *text, struct limit_need needs[LIMITS_PER_JOB_MAX], struct error *err)
{
    static const char blanks[] = ", \t\r\n";
    int count = 0;
    for (const char *p = text + strspn(text, blanks); *p; p += strspn(p, blanks)) {
        struct limit_need need;
        size_t len = strcspn(p, blanks);
        if (parse_item(p, len, &need, err) < 0)
            return -1;
        struct limit_need *same = find(needs, count, need.name);
        if (!same && count == LIMITS_PER_JOB_MAX)
            return error_set(err, ERR_LIMIT, "a job may name %d limits at most", LIMITS_PER_JOB_MAX);
        if (same)
            same->amount += need.amount;
        else
            needs[count++] = need;
        p += len;
    }
    return count;
}
