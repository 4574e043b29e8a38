/*
 * Concurrency limits: which there are, what jobs take of them, how much is in use. What a started job holds is in its ad
 * (MatchedConcurrencyLimits), so a restarted pool counts the same. Jobs with the same text share one parsed form.
 */
#include "base/mem.h"
#include "pool/pool.h"

#include <search.h>
#include <string.h>
#include <strings.h>

struct known_needs {
    char *text;
    struct policy_needs needs;
};

/* The place of a limit by its name: there may be one for each job. */
struct known_place {
    char *name;
    int place;
};

static int compare_places(const void *a, const void *b)
{
    const struct known_place *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static int compare(const void *a, const void *b)
{
    const struct known_needs *x = a, *y = b;
    return strcmp(x->text, y->text);
}

static const struct policy_limit *configured(const struct pool *p, const char *name)
{
    for (size_t i = 0; i < p->config.limit_count; i++)
        if (strcasecmp(p->config.limit_list[i].name, name) == 0)
            return &p->config.limit_list[i];
    return NULL;
}

/* The place of a limit in the list of those that are used, where it is put when it is new. */
static int place_of(struct pool *p, const char *name)
{
    struct known_place sought = { .name = (char *)name };
    void *found = tfind(&sought, &p->known_places, compare_places);
    if (found)
        return (*(struct known_place **)found)->place;
    const struct policy_limit *set = configured(p, name);
    p->limits_used = mem_grow(p->limits_used, &p->limits_used_capacity, p->limits_used_count + 1, sizeof *p->limits_used);
    struct policy_limit *limit = &p->limits_used[p->limits_used_count];
    *limit = (struct policy_limit){ .most = set ? set->most : p->config.limit_default };
    memcpy(limit->name, name, strlen(name) + 1);
    struct known_place *known = mem_new(struct known_place);
    *known = (struct known_place){ mem_dup(name), (int)p->limits_used_count++ };
    if (!tsearch(known, &p->known_places, compare_places))
        abort();
    return known->place;
}

const struct policy_needs *limits_of_text(struct pool *p, const char *text)
{
    struct limit_need needs[LIMITS_PER_JOB_MAX];
    struct known_needs sought = { .text = (char *)text };
    void *found = tfind(&sought, &p->known_needs, compare);
    if (found)
        return &(*(struct known_needs **)found)->needs;
    int count = limit_parse(text, needs, NULL);
    if (count <= 0)
        return NULL;
    struct known_needs *known = mem_new(struct known_needs);
    known->text = mem_dup(text);
    known->needs.count = count;
    for (int i = 0; i < count; i++)
        known->needs.needs[i] = (struct policy_need){ place_of(p, needs[i].name), needs[i].amount };
    if (!tsearch(known, &p->known_needs, compare))
        abort();
    return &known->needs;
}

const struct policy_needs *limits_of(struct pool *p, const struct ad *job)
{
    const char *text = ad_string(job, "ConcurrencyLimits", NULL);
    struct value value = { 0 };
    const struct policy_needs *needs = NULL;
    if (text)
        return limits_of_text(p, text);
    if (!ad_has(job, "ConcurrencyLimits"))
        return NULL;
    struct ad_scope scope = match_scope(p, job);
    ad_eval(&scope, "ConcurrencyLimits", &value);
    if (value.kind == VALUE_STRING)
        needs = limits_of_text(p, value.string);
    value_release(&value);
    return needs;
}

void limits_print(const struct pool *p, const struct policy_needs *needs, struct buf *out)
{
    for (int i = 0; needs && i < needs->count; i++)
        buf_printf(out, "%s%s:%lld", i ? "," : "", p->limits_used[needs->needs[i].limit].name, (long long)needs->needs[i].amount);
}

void limits_hold(struct pool *p, const struct policy_needs *needs, int sign)
{
    for (int i = 0; needs && i < needs->count; i++)
        p->limits_used[needs->needs[i].limit].used += sign * needs->needs[i].amount;
}

static void free_known(void *node)
{
    struct known_needs *known = node;
    free(known->text);
    free(known);
}

static void free_place(void *node)
{
    struct known_place *known = node;
    free(known->name);
    free(known);
}

void limits_close(struct pool *p)
{
    tdestroy(p->known_places, free_place);
    p->known_places = NULL;
    tdestroy(p->known_needs, free_known);
    p->known_needs = NULL;
    free(p->limits_used);
    p->limits_used = NULL;
    p->limits_used_count = p->limits_used_capacity = 0;
}
