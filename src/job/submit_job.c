/*
 * The jobs of one queue statement. Ten thousand jobs mostly differ in one argument or in nothing, so the commands are
 * evaluated once, for the first of them, and parted in two: those whose text depends on the job's number, which are evaluated
 * again for each job, and the rest. A job is then described by what differs from the first job of the whole submission:
 *
 *   fixed    attributes of the commands that do not depend on the number
 *   varying  attributes of those that do, for one job
 *   missing  attributes of the first job that `fixed` lacks: undefined unless `varying` has them
 *
 * A command that writes over an attribute of a varying one varies too, so that the last writer stays the last.
 */
#include "job/submit_parts.h"

#include "base/mem.h"

#include <string.h>

/* One thing to evaluate: a command of the table or an attribute of the user's. */
struct entry {
    const struct submit_command *command;
    const struct submit_key *key; /* NULL: a command that always has its say */
    bool varies;
};

struct batch {
    struct submit_parser *parser;
    struct submit_queue *queue;
    const char *file; /* of the queue statement */
    struct entry *entries;
    size_t count, capacity;
    struct ad *fixed;
    struct ad *first;   /* all attributes of the statement's first job, in the commands' order */
    struct ad *base;    /* in what `fixed` differs from the cluster's ad */
    size_t base_bytes;
    const char **missing;
    size_t missing_count, missing_capacity;
    int line;
};

static void batch_release(struct batch *b)
{
    free(b->entries);
    ad_free(b->fixed);
    ad_free(b->first);
    ad_free(b->base);
    free(b->missing);
}

/* Which job is made. */
struct place {
    int proc, step, row;
};

/* Puts before the error where the entry's text stands, with its column when that is known. */
static int at_entry(const struct batch *b, const struct entry *entry, const struct submit_expander *failed, struct error *err)
{
    const struct submit_key *key = entry->key;
    if (!key || !key->file)
        return error_wrap(err, "%s:%d", b->file, b->line);
    if (failed && key->column > 0 && !key->item)
        return error_wrap(err, "%s:%d:%zu", key->file, key->line, (size_t)key->column + failed->fault);
    return error_wrap(err, "%s:%d", key->file, key->line);
}

static int at_queue(const struct batch *b, struct error *err)
{
    return error_wrap(err, "%s:%d", b->file, b->line);
}

static void add_entry(struct batch *b, const struct submit_command *command, const struct submit_key *key)
{
    b->entries = mem_grow(b->entries, &b->capacity, b->count + 1, sizeof *b->entries);
    b->entries[b->count++] = (struct entry){ .command = command, .key = key };
}

static void collect_entries(struct batch *b)
{
    const struct submit_parser *parser = b->parser;
    for (size_t i = 0; i < submit_command_count; i++)
        if (parser->set[i] || submit_commands[i].always)
            add_entry(b, &submit_commands[i], parser->set[i]);
    for (size_t i = 0; i < parser->attribute_count; i++)
        add_entry(b, NULL, parser->attributes[i]);
}

static int convert(struct submit_job *job, const struct entry *entry, const char *value, struct error *err)
{
    if (entry->command && (value || entry->command->always))
        return entry->command->convert(job, entry->command, value, err);
    return !entry->command && value ? submit_set_attribute(job, entry->key, value, err) : 0;
}

static uint64_t place_of(const struct entry *entry)
{
    uint64_t hash = 0;
    for (const char *p = entry->key ? entry->key->name : ""; *p; p++)
        hash = hash * 131 + (unsigned char)*p;
    return hash;
}

/* Puts the entry's attributes for one job into `ad`; *varies tells whether they depend on the job. */
static int evaluate(struct batch *b, const struct entry *entry, struct place place, struct ad *ad, bool *varies, struct error *err)
{
    struct submit_parser *parser = b->parser;
    const struct submit_key *key = entry->key;
    struct submit_job job = { .parser = parser, .ad = ad, .line = key ? key->line : b->line };
    struct submit_expander x = { .parser = parser, .line = job.line, .proc = place.proc, .step = place.step, .row = place.row,
                                 .place = place_of(entry), .used_proc = key && key->item };
    auto_buf struct buf text = { 0 };
    const char *source = key ? submit_key_text(key) : NULL;
    parser->file = key && key->file ? key->file : b->file;
    if (source && submit_expand(&x, source, &text, err) < 0)
        return at_entry(b, entry, &x, err);
    *varies = x.used_proc;
    char *value = text.data ? submit_trim(text.data) : NULL;
    if (value && !*value)
        value = NULL;
    if (convert(&job, entry, value, err) < 0) {
        submit_tell_origins(&x, err);
        return at_entry(b, entry, NULL, err);
    }
    if (*varies && value)
        parser->differences += strlen(value);
    parser->file = b->file;
    return 0;
}

static bool shares_name(const struct ad *a, const struct ad *b)
{
    for (size_t i = 0; i < ad_count(a); i++)
        if (ad_has(b, ad_name(a, i)))
            return true;
    return false;
}

/* Evaluates everything for the statement's first job and parts the entries. */
static int evaluate_first(struct batch *b, struct place place, struct error *err)
{
    auto_ad struct ad *varying = ad_new();
    b->fixed = ad_new();
    b->first = ad_new();
    for (size_t i = 0; i < b->count; i++) {
        struct entry *entry = &b->entries[i];
        auto_ad struct ad *part = ad_new();
        if (evaluate(b, entry, place, part, &entry->varies, err) < 0)
            return -1;
        entry->varies = entry->varies || shares_name(part, varying);
        ad_update(entry->varies ? varying : b->fixed, part);
        ad_update(b->first, part);
    }
    submit_check_attributes(b->parser, b->first, b->line);
    if (submit_check_image(b->parser, b->first, b->line, err) < 0 || submit_check_files(b->parser, b->first, b->line, err) < 0)
        return -1;
    return submit_check_methods(b->parser, b->first, b->line, err);
}

/* Sets in `into` the attributes of `from` that the cluster's ad has not or has otherwise. */
static void add_differences(const struct ad *cluster, const struct ad *from, struct ad *into)
{
    for (size_t i = 0; i < ad_count(from); i++) {
        const char *name = ad_name(from, i);
        if (!ad_same(cluster, from, name))
            ad_copy_attribute(into, name, from, name);
    }
}

static void compare_fixed(struct batch *b)
{
    const struct ad *cluster = b->parser->out->cluster;
    b->base = ad_new();
    add_differences(cluster, b->fixed, b->base);
    for (size_t i = 0; i < ad_count(cluster); i++) {
        if (ad_has(b->fixed, ad_name(cluster, i)))
            continue;
        b->missing = mem_grow(b->missing, &b->missing_capacity, b->missing_count + 1, sizeof *b->missing);
        b->missing[b->missing_count++] = ad_name(cluster, i);
    }
    auto_buf struct buf text = { 0 };
    ad_print(b->base, &text);
    b->base_bytes = text.len;
}

static int make_job(struct batch *b, struct place place, struct ad **difference, struct error *err)
{
    const struct ad *cluster = b->parser->out->cluster;
    auto_ad struct ad *varying = ad_new();
    auto_ad struct ad *own = ad_copy(b->base);
    bool varies;
    for (size_t i = 0; i < b->count; i++)
        if (b->entries[i].varies && evaluate(b, &b->entries[i], place, varying, &varies, err) < 0)
            return -1;
    add_differences(cluster, varying, own);
    for (size_t i = 0; i < ad_count(varying); i++)
        if (ad_same(cluster, varying, ad_name(varying, i)))
            ad_remove(own, ad_name(varying, i));
    for (size_t i = 0; i < b->missing_count; i++)
        if (!ad_has(varying, b->missing[i]) && ad_set_expr(own, b->missing[i], "undefined", err) < 0)
            return at_queue(b, err);
    b->parser->differences += b->base_bytes;
    if (b->parser->differences > SUBMIT_DIFFERENCES_MAX)
        return error_set(err, ERR_LIMIT, "%s:%d: the jobs differ from each other in more than %d MiB; submit fewer at once",
                         b->file, b->line, (int)(SUBMIT_DIFFERENCES_MAX >> 20));
    *difference = ad_count(own) > 0 ? steal(own) : NULL;
    return 0;
}

static bool any_varies(const struct batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->entries[i].varies)
            return true;
    return false;
}

/* Makes room for the statement's jobs; returns the number of the first. */
static size_t add_jobs(struct batch *b, size_t count)
{
    struct submit *out = b->parser->out;
    size_t from = out->proc_count;
    out->procs = mem_grow(out->procs, &b->parser->proc_capacity, from + count, sizeof *out->procs);
    memset(out->procs + from, 0, count * sizeof *out->procs);
    out->proc_count += count;
    return from;
}

static size_t count_items(const struct submit_queue *q)
{
    return q->from == SUBMIT_ITEMS_NONE ? 1 : (q->last - q->first - 1) / q->step + 1;
}

static int make_all(struct batch *b, size_t proc, struct error *err)
{
    struct submit *out = b->parser->out;
    const struct submit_queue *q = b->queue;
    for (size_t row = q->first; row < q->last; row += q->step) {
        if (q->from != SUBMIT_ITEMS_NONE)
            submit_take_item(b->queue, row);
        for (int step = 0; step < q->count; step++, proc++)
            if (proc > 0 && make_job(b, (struct place){ (int)proc, step, (int)row }, &out->procs[proc], err) < 0)
                return -1;
    }
    return 0;
}

int submit_make_jobs(struct submit_parser *parser, struct submit_queue *queue, struct error *err)
{
    __attribute__((cleanup(batch_release))) struct batch b = { .parser = parser, .queue = queue, .file = parser->file, .line = queue->line };
    struct submit *out = parser->out;
    collect_entries(&b);
    if (queue->from != SUBMIT_ITEMS_NONE)
        submit_take_item(queue, queue->first);
    if (evaluate_first(&b, (struct place){ .proc = (int)out->proc_count, .row = (int)queue->first }, err) < 0)
        return -1;
    if (!out->cluster)
        out->cluster = ad_copy(b.first);
    compare_fixed(&b);
    size_t from = add_jobs(&b, count_items(queue) * (size_t)queue->count);
    if (from == 0 && !any_varies(&b))
        return 0;
    return make_all(&b, from, err);
}
