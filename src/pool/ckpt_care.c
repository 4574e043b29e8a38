/* Taking care of checkpoints, in the child: are they whole, which must stay, which may go. */
#include "pool/ckpt.h"

#include "base/mem.h"
#include "store/transport.h"

#include <stdio.h>
#include <string.h>

struct care {
    struct task_line *line;
    struct store *store;
    const struct ckpt_ask *ask;
    struct ad *result;
};

/* Calls fn for each generation that is meant: the one that is named, or all of a job. */
typedef int each_fn(struct care *c, const struct ckpt_item *item, int generation, struct error *err);

static int each_of(struct care *c, const struct ckpt_item *item, each_fn *fn, struct error *err)
{
    auto_free int *generations = NULL;
    size_t count = 0;
    if (item->generation > 0)
        return fn(c, item, item->generation, err);
    int result = store_list(c->store, item->job, &generations, &count, err);
    for (size_t i = 0; i < count && result == 0; i++)
        result = fn(c, item, generations[i], err);
    return result;
}

static int each(struct care *c, each_fn *fn, struct error *err)
{
    int result = 0;
    for (size_t i = 0; i < c->ask->count && result == 0; i++)
        result = each_of(c, &c->ask->items[i], fn, err);
    return result;
}

static void count_one(struct ad *result, const char *name)
{
    ad_set_int(result, name, ad_int(result, name, 0) + 1);
}

static void tell_problem(struct care *c, const struct ckpt_item *item, int generation, const char *text)
{
    struct ad *record = ckpt_record(item, generation);
    ad_set_string(record, "Problem", text);
    count_one(c->result, "Problems");
    task_tell(c->line, record);
}

/* ---- verify ---- */

static int add_bytes(struct care *c, const struct ckpt_item *item, int generation, struct error *err)
{
    struct manifest manifest;
    struct error ignored;
    (void)err;
    if (store_manifest(c->store, item->job, generation, &manifest, &ignored) != 0)
        return 0; /* it is told of when its turn comes */
    c->line->total += manifest.bytes;
    manifest_release(&manifest);
    return 0;
}

static bool is_gone(struct store *store, const char *job, int generation)
{
    struct manifest manifest;
    struct error ignored;
    int result = store_manifest(store, job, generation, &manifest, &ignored);
    if (result == 0)
        manifest_release(&manifest);
    return result == STORE_ABSENT;
}

/* Damage is told and counted; only what keeps from looking ends it. A generation that is removed meanwhile is none. */
static int verify_one(struct care *c, const struct ckpt_item *item, int generation, struct error *err)
{
    struct store_progress progress = task_progress(c->line);
    struct manifest manifest;
    int found = store_manifest(c->store, item->job, generation, &manifest, err);
    if (found == STORE_ABSENT)
        return item->generation > 0 ? ckpt_find(c->store, item, &manifest, err) : 0; /* which says what there is */
    struct ad *record = ckpt_record(item, generation);
    int whole = found;
    if (found == 0) {
        whole = store_verify(c->store, &manifest, &progress, err);
        ad_set_int(record, "Bytes", manifest.bytes);
        c->line->done += manifest.bytes;
        manifest_release(&manifest);
    }
    if (found == 0 && whole < 0 && is_gone(c->store, item->job, generation)) {
        ad_free(record);
        return 0;
    }
    if (whole < 0)
        ad_set_string(record, "Damage", err->text);
    count_one(c->result, whole < 0 ? "Damaged" : "Whole");
    task_tell(c->line, record);
    return 0;
}

int ckpt_verify(struct task_line *line, void *data, struct ad *result, struct error *err)
{
    auto_store struct store *store = NULL;
    ad_set_int(result, "Whole", 0);
    ad_set_int(result, "Damaged", 0);
    if (ckpt_open_store(data, &store, err) < 0)
        return -1;
    struct care c = { line, store, data, result };
    return each(&c, add_bytes, err) < 0 ? -1 : each(&c, verify_one, err);
}

/* ---- pin ---- */

static int set_pin(struct care *c, const struct ckpt_item *item, bool pinned, struct error *err)
{
    struct manifest manifest;
    int generation = item->generation;
    int found = ckpt_find(c->store, item, &manifest, err);
    if (found == 0) {
        generation = manifest.generation;
        manifest_release(&manifest);
    }
    if (found < 0 && (err->kind != ERR_CORRUPT || generation == 0)) {
        tell_problem(c, item, generation, err->text);
        return 0;
    }
    if (store_pin(c->store, item->job, generation, pinned, err) < 0)
        return -1;
    struct ad *record = ckpt_record(item, generation);
    ad_set_string(record, "Message", pinned ? "pinned" : item->owner.is_active ? "not pinned any more" :
                  "not pinned any more; its job is done, so it goes when the pool starts next");
    task_tell(c->line, record);
    return 0;
}

static int set_pins(struct task_line *line, const struct ckpt_ask *ask, bool pinned, struct ad *result, struct error *err)
{
    auto_store struct store *store = NULL;
    ad_set_int(result, "Problems", 0);
    if (ckpt_open_store(ask, &store, err) < 0)
        return -1;
    struct care c = { line, store, ask, result };
    for (size_t i = 0; i < ask->count; i++)
        if (set_pin(&c, &ask->items[i], pinned, err) < 0)
            return -1;
    return 0;
}

int ckpt_pin(struct task_line *line, void *data, struct ad *result, struct error *err)
{
    return set_pins(line, data, true, result, err);
}

int ckpt_unpin(struct task_line *line, void *data, struct ad *result, struct error *err)
{
    return set_pins(line, data, false, result, err);
}

/* ---- rm ---- */

int ckpt_newest_but(struct store *store, const char *job, int but, int *newest, struct error *err)
{
    auto_free int *generations = NULL;
    size_t count = 0;
    *newest = 0;
    if (store_list(store, job, &generations, &count, err) < 0)
        return -1;
    for (size_t i = count; i-- > 0 && *newest == 0;) {
        struct manifest manifest;
        struct error ignored;
        if (generations[i] == but || store_manifest(store, job, generations[i], &manifest, &ignored) != 0)
            continue;
        if (strcmp(manifest.kind, "checkpoint") == 0)
            *newest = generations[i];
        manifest_release(&manifest);
    }
    return 0;
}

/* Why it should stay, or NULL. One that is damaged or what an eviction left is nobody's last hope. */
static const char *reason_to_keep(struct store *store, const struct ckpt_item *item, int newest_other, bool is_checkpoint)
{
    if (store_pinned(store, item->job, item->generation))
        return "it is pinned; unpin it first, or give --force";
    if (is_checkpoint && item->owner.is_active && newest_other == 0)
        return "it is the only checkpoint of a job in the queue, which would begin from its start; give --force to remove it all "
               "the same";
    return NULL;
}

/* First the note, then the removal: or the job's next stint, finding nothing here, would fetch what was removed. */
static int forget_copy(struct store *store, const struct ckpt_item *item, struct error *err)
{
    char name[CKPT_NAME_MAX];
    snprintf(name, sizeof name, "%s@%d", item->job, item->generation);
    return store_safe(store, item->job, item->generation) ? transport_note_gone(store, name, err) : 0;
}

static int drop(struct care *c, const struct ckpt_item *item, int newest, struct error *err)
{
    if (store_pinned(c->store, item->job, item->generation) &&
        store_pin(c->store, item->job, item->generation, false, err) < 0)
        return -1;
    if (forget_copy(c->store, item, err) < 0 || store_drop(c->store, item->job, item->generation, err) < 0)
        return -1;
    struct ad *left = ckpt_record(item, item->generation);
    ad_set_int(left, "Newest", newest);
    ad_append_ad(c->result, "Left", left);
    struct ad *record = ckpt_record(item, item->generation);
    ad_set_string(record, "Message", "removed");
    task_tell(c->line, record);
    return 0;
}

static int remove_one(struct care *c, const struct ckpt_item *item, struct error *err)
{
    struct manifest manifest;
    bool is_checkpoint = false;
    int newest, found = ckpt_find(c->store, item, &manifest, err);
    if (found < 0 && err->kind != ERR_CORRUPT)
        return -1;
    if (found == 0) {
        is_checkpoint = strcmp(manifest.kind, "checkpoint") == 0;
        manifest_release(&manifest);
    }
    if (ckpt_newest_but(c->store, item->job, item->generation, &newest, err) < 0)
        return -1;
    const char *keep = c->ask->force ? NULL : reason_to_keep(c->store, item, newest, is_checkpoint);
    return keep ? error_set(err, ERR_INVALID, "%s", keep) : drop(c, item, newest, err);
}

/* What was removed before something failed is removed, and counts: so a failure is told like a refusal. */
int ckpt_rm(struct task_line *line, void *data, struct ad *result, struct error *err)
{
    const struct ckpt_ask *ask = data;
    auto_store struct store *store = NULL;
    ad_set_int(result, "Problems", 0);
    if (ckpt_open_store(ask, &store, err) < 0)
        return -1;
    struct care c = { line, store, ask, result };
    for (size_t i = 0; i < ask->count; i++)
        if (remove_one(&c, &ask->items[i], err) < 0)
            tell_problem(&c, &ask->items[i], ask->items[i].generation, err->text);
    return 0;
}

/* ---- gc ---- */

int ckpt_gc(struct task_line *line, void *data, struct ad *result, struct error *err)
{
    struct store_progress progress = task_progress(line);
    auto_store struct store *store = NULL;
    int64_t freed = 0;
    if (ckpt_open_store(data, &store, err) < 0 || store_gc(store, &freed, &progress, err) < 0)
        return -1;
    ad_set_int(result, "FreedBytes", freed);
    return 0;
}
