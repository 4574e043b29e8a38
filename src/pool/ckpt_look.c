/* Looking at checkpoints, in the child: which there are, what is in them, how two of them differ, what they cost. */
#include "pool/ckpt.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* ---- what the questions share ---- */

void ckpt_close_store(struct store **store)
{
    store_close(*store);
    *store = NULL;
}

int ckpt_open_store(const struct ckpt_ask *ask, struct store **store, struct error *err)
{
    if (store_open(ask->store_path, store, err) < 0)
        return -1;
    store_limit(*store, &ask->limits);
    return 0;
}

const char *ckpt_name(const struct ckpt_item *item, int generation, char out[CKPT_NAME_MAX])
{
    snprintf(out, CKPT_NAME_MAX, "%s@%d", item->job, generation);
    return out;
}

static int say_absent(struct store *store, const struct ckpt_item *item, struct error *err)
{
    auto_free int *generations = NULL;
    auto_buf struct buf list = { .max = 200 };
    size_t count = 0;
    if (store_list(store, item->job, &generations, &count, err) < 0)
        return -1;
    for (size_t i = count > 20 ? count - 20 : 0; i < count; i++)
        buf_printf(&list, "%s%d", list.len ? ", " : "", generations[i]);
    if (count == 0)
        return error_set(err, ERR_INVALID, "job %s has no checkpoints", item->job);
    return error_set(err, ERR_INVALID, "job %s has no checkpoint %d; there is %s", item->job, item->generation, buf_cstr(&list));
}

static int find_newest(struct store *store, const struct ckpt_item *item, struct manifest *manifest, struct error *err)
{
    auto_free int *generations = NULL;
    char name[CKPT_NAME_MAX];
    size_t count = 0;
    if (store_list(store, item->job, &generations, &count, err) < 0)
        return -1;
    for (size_t i = count; i-- > 0;) {
        int result = store_manifest(store, item->job, generations[i], manifest, err);
        if (result < 0)
            return error_wrap(err, "%s, the newest (an older one can be named)", ckpt_name(item, generations[i], name));
        if (result == 0 && strcmp(manifest->kind, "checkpoint") == 0)
            return 0;
        if (result == 0)
            manifest_release(manifest);
    }
    return error_set(err, ERR_INVALID, count > 0 ? "job %s has no checkpoint, only what evictions left (see stint ckpt ls %s)"
                                                 : "job %s has no checkpoints", item->job, item->job);
}

int ckpt_find(struct store *store, const struct ckpt_item *item, struct manifest *manifest, struct error *err)
{
    char name[CKPT_NAME_MAX];
    if (item->generation == 0)
        return find_newest(store, item, manifest, err);
    int result = store_manifest(store, item->job, item->generation, manifest, err);
    if (result == STORE_ABSENT)
        return say_absent(store, item, err);
    return result < 0 ? error_wrap(err, "%s", ckpt_name(item, item->generation, name)) : 0;
}

struct ad *ckpt_record(const struct ckpt_item *item, int generation)
{
    struct ad *record = ad_new();
    ad_set_string(record, "Id", item->job);
    ad_set_int(record, "Generation", generation);
    return record;
}

static int64_t count_files(const struct manifest *manifest)
{
    int64_t files = 0;
    for (size_t i = 0; i < manifest->entry_count; i++)
        files += manifest->entries[i].type == STORE_FILE;
    return files;
}

static bool is_verified(const struct ckpt_item *item, int generation)
{
    for (size_t i = 0; i < item->verified_count; i++)
        if (item->verified[i] == generation)
            return true;
    return false;
}

struct ad *ckpt_describe(struct store *store, const struct ckpt_item *item, const struct manifest *manifest)
{
    struct ad *ad = ckpt_record(item, manifest->generation);
    ad_set_int(ad, "Time", manifest->created_us);
    ad_set_string(ad, "Kind", manifest->kind);
    ad_set_int(ad, "Parent", manifest->parent);
    ad_set_int(ad, "Stint", manifest->stint);
    ad_set_int(ad, "Files", count_files(manifest));
    ad_set_int(ad, "Bytes", manifest->bytes);
    ad_set_int(ad, "NewBytes", manifest->new_bytes);
    ad_set_bool(ad, "Pinned", store_pinned(store, item->job, manifest->generation));
    ad_set_bool(ad, "Safe", store_safe(store, item->job, manifest->generation));
    ad_set_bool(ad, "Verified", is_verified(item, manifest->generation));
    ad_set_string(ad, "Owner", manifest->owner[0] ? manifest->owner : item->owner.name);
    ad_set_string(ad, "Job", manifest->job);
    ad_set_string(ad, "Host", manifest->host);
    ad_set_string(ad, "Kernel", manifest->kernel);
    ad_set_string(ad, "Cpu", manifest->cpu);
    ad_set_string(ad, "Engine", manifest->engine);
    return ad;
}

int ckpt_check(struct task_line *line, struct store *store, const struct ckpt_item *item, const struct manifest *manifest,
               struct error *err)
{
    char name[CKPT_NAME_MAX];
    struct store_progress progress = task_progress(line);
    if (store_verify(store, manifest, &progress, err) < 0)
        return error_wrap(err, "%s", ckpt_name(item, manifest->generation, name));
    return 0;
}

/* ---- ls ---- */

static int list_one(struct task_line *line, struct store *store, const struct ckpt_item *item, int generation, struct error *err)
{
    struct manifest manifest;
    int result = store_manifest(store, item->job, generation, &manifest, err);
    if (result == STORE_ABSENT)
        return item->generation ? say_absent(store, item, err) : 0; /* it has just been removed */
    if (result == 0) {
        task_tell(line, ckpt_describe(store, item, &manifest));
        manifest_release(&manifest);
        return 0;
    }
    if (err->kind != ERR_CORRUPT)
        return -1;
    struct ad *record = ckpt_record(item, generation);
    ad_set_bool(record, "Pinned", store_pinned(store, item->job, generation));
    ad_set_string(record, "Damage", err->text);
    task_tell(line, record);
    return 0;
}

int ckpt_ls(struct task_line *line, void *data, struct ad *result, struct error *err)
{
    const struct ckpt_ask *ask = data;
    auto_store struct store *store = NULL;
    (void)result;
    if (ckpt_open_store(ask, &store, err) < 0)
        return -1;
    for (size_t i = 0; i < ask->count; i++) {
        const struct ckpt_item *item = &ask->items[i];
        auto_free int *generations = NULL;
        size_t count = 0;
        if (item->generation > 0) {
            if (list_one(line, store, item, item->generation, err) < 0)
                return -1;
            continue;
        }
        if (store_list(store, item->job, &generations, &count, err) < 0)
            return -1;
        for (size_t g = 0; g < count; g++)
            if (list_one(line, store, item, generations[g], err) < 0)
                return -1;
    }
    return 0;
}

/* ---- show ---- */

static struct ad *describe_entry(const struct store_entry *entry)
{
    static const char *const types[] = { [STORE_FILE] = "file", [STORE_DIR] = "directory", [STORE_LINK] = "link",
                                         [STORE_HARD] = "hard link", [STORE_FIFO] = "FIFO" };
    struct ad *ad = ad_new();
    ad_set_string(ad, "Name", entry->name);
    ad_set_string(ad, "Type", types[entry->type]);
    ad_set_int(ad, "Mode", entry->mode);
    ad_set_int(ad, "Uid", entry->uid);
    ad_set_int(ad, "Gid", entry->gid);
    ad_set_int(ad, "Time", entry->mtime_ns / 1000);
    if (entry->type == STORE_FILE)
        ad_set_int(ad, "Bytes", entry->size);
    if (entry->target)
        ad_set_string(ad, "Target", entry->target);
    return ad;
}

int ckpt_show(struct task_line *line, void *data, struct ad *result, struct error *err)
{
    const struct ckpt_ask *ask = data;
    auto_store struct store *store = NULL;
    struct manifest manifest;
    if (ckpt_open_store(ask, &store, err) < 0 || ckpt_find(store, &ask->items[0], &manifest, err) < 0)
        return -1;
    for (size_t i = 0; i < manifest.entry_count; i++)
        task_tell(line, describe_entry(&manifest.entries[i]));
    ad_set_ad(result, "Checkpoint", ckpt_describe(store, &ask->items[0], &manifest));
    manifest_release(&manifest);
    return 0;
}

/* ---- diff ---- */

struct differences {
    struct task_line *line;
    int64_t count;
};

static void tell_difference(void *data, const struct store_difference *difference)
{
    struct differences *d = data;
    struct ad *ad = ad_new();
    const char what[2] = { difference->what };
    ad_set_string(ad, "What", what);
    ad_set_string(ad, "Name", difference->name);
    if (difference->what == 'c') {
        ad_set_int(ad, "Offset", difference->offset);
        ad_set_int(ad, "Length", difference->length);
    }
    d->count++;
    task_tell(d->line, ad);
}

int ckpt_diff(struct task_line *line, void *data, struct ad *result, struct error *err)
{
    const struct ckpt_ask *ask = data;
    struct differences differences = { .line = line };
    auto_store struct store *store = NULL;
    struct manifest a, b;
    if (ckpt_open_store(ask, &store, err) < 0 || ckpt_find(store, &ask->items[0], &a, err) < 0)
        return -1;
    int found = ckpt_find(store, &ask->items[1], &b, err);
    if (found == 0) {
        found = store_diff(store, &a, &b, tell_difference, &differences, err);
        ad_set_ad(result, "From", ckpt_record(&ask->items[0], a.generation));
        ad_set_ad(result, "To", ckpt_record(&ask->items[1], b.generation));
        ad_set_bool(result, "Same", differences.count == 0);
        manifest_release(&b);
    }
    manifest_release(&a);
    return found;
}

/* ---- df ---- */

static void set_usage(struct ad *ad, const struct store_usage *usage)
{
    ad_set_int(ad, "Generations", usage->generations);
    ad_set_int(ad, "LogicalBytes", usage->logical);
    ad_set_int(ad, "StoredBytes", usage->stored);
    ad_set_int(ad, "SharedBytes", usage->shared);
}

int ckpt_df(struct task_line *line, void *data, struct ad *result, struct error *err)
{
    const struct ckpt_ask *ask = data;
    auto_store struct store *store = NULL;
    struct store_usage all;
    struct ad *total;
    int64_t left;
    if (ckpt_open_store(ask, &store, err) < 0)
        return -1;
    for (size_t i = 0; i < ask->count; i++) {
        struct store_usage usage;
        if (store_job_usage(store, ask->items[i].job, &usage, err) < 0)
            return error_wrap(err, "%s", ask->items[i].job);
        struct ad *record = ad_new();
        ad_set_string(record, "Id", ask->items[i].job);
        ad_set_string(record, "Owner", ask->items[i].owner.name);
        set_usage(record, &usage);
        task_tell(line, record);
    }
    if (!ask->is_master)
        return 0; /* what others have stored is not his to know */
    if (store_total_usage(store, &all, &left, err) < 0)
        return -1;
    total = ad_new();
    set_usage(total, &all);
    ad_set_int(total, "FreeBytes", left);
    ad_set_ad(result, "Total", total);
    return 0;
}
