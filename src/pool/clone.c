/*
 * What must differ between a job and its clone, beside what the user says: inputs are named from the root, so that the clone may
 * start from another directory and still find them; and standard output and error that would be the source's own files get
 * names of their own.
 */
#include "pool/clone.h"

#include "base/mem.h"
#include "job/command.h"
#include "job/image.h"
#include "job/transfer.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

struct source {
    const struct clone *clone;
    struct ad *ad;
    struct error *err;
    int failed;
};

static bool take_source(void *data, const struct queue_job *job)
{
    struct source *s = data;
    s->failed = queue_full_ad(s->clone->pool->queue, job, &s->ad, s->err);
    return false;
}

static void note(const struct clone *clone, char *text)
{
    auto_free char *owned = text;
    ad_append_string(clone->notes, "Notes", owned);
}

static bool is_no_file(const char *name)
{
    return !name || !*name || strcmp(name, "/dev/null") == 0;
}

static char *resolve(const char *dir, const char *name)
{
    return name[0] == '/' ? mem_dup(name) : mem_printf("%s/%s", strcmp(dir, "/") == 0 ? "" : dir, name);
}

/* ---- inputs ---- */

static void make_absolute(struct ad *ad, const char *attribute, const char *dir)
{
    const char *name = ad_string(ad, attribute, NULL);
    if (is_no_file(name) || name[0] == '/' || strstr(name, "://"))
        return;
    auto_free char *path = resolve(dir, name);
    ad_set_string(ad, attribute, path);
}

static void make_inputs_absolute(struct ad *ad, const char *dir)
{
    auto_command_list struct command_list files = { 0 };
    auto_buf struct buf text = { 0 };
    bool preserve = ad_bool(ad, "PreserveRelativePaths", false); /* an absolute name would lose its directories */
    if (ad_bool(ad, "TransferExecutable", true))
        make_absolute(ad, "Cmd", dir);
    if (ad_bool(ad, "TransferIn", true)) /* else it is a file of the sandbox */
        make_absolute(ad, "In", dir);
    image_make_absolute(ad, dir);
    command_files(ad, "TransferInput", &files);
    for (size_t i = 0; i < files.count; i++) {
        auto_transfer_source struct transfer_source source = { 0 };
        bool stays = preserve || (transfer_source_parse(files.items[i], &source, NULL) == 0 && (source.kind == TRANSFER_WEB || source.place[0] == '/'));
        auto_free char *path = stays ? mem_dup(files.items[i]) : resolve(dir, files.items[i]);
        buf_printf(&text, "%s%s", i ? "," : "", path);
    }
    if (files.count > 0)
        ad_set_string(ad, "TransferInput", buf_cstr(&text));
}

/* ---- outputs ---- */

static void part_output(const struct clone *clone, struct ad *ad, const char *attribute, const char *was)
{
    const char *name = ad_string(ad, attribute, NULL);
    if (is_no_file(name) || !was)
        return;
    auto_free char *path = resolve(ad_string(ad, "Iwd", "/"), name);
    if (strcmp(path, was) != 0)
        return;
    auto_free char *other = mem_printf("%s.%s", name, clone->target);
    ad_set_string(ad, attribute, other);
    const char *what = strcmp(attribute, "Out") == 0 ? "output" : "error output";
    note(clone, mem_printf("its %s goes to '%s.%s'", what, path, clone->target));
}

static int part_files(const struct clone *clone, const struct ad *ad, const char *old_dir, struct error *err)
{
    const char *dir = ad_string(ad, "Iwd", "/");
    bool transfers = strcasecmp(ad_string(ad, "ShouldTransferFiles", "YES"), "NO") != 0;
    bool none = ad_has(ad, "TransferOutput") && !ad_string(ad, "TransferOutput", "x")[0];
    char id[JOB_ID_TEXT_MAX];
    job_id_print(clone->source, id);
    if (!transfers && (!clone->set || !ad_has(clone->set, "Iwd")))
        return error_set(err, ERR_INVALID, "job %s works in '%s' itself (should_transfer_files = NO), where its clone would put the "
                         "checkpoint's files over its own; say with initialdir= where the clone works", id, dir);
    if (transfers && !none && strcmp(dir, old_dir) == 0)
        note(clone, mem_printf("its output files will go to '%s' and replace those of %s there; give initialdir= to keep both",
                               dir, id));
    return 0;
}

/* ---- what the user says ---- */

static int apply_set(const struct clone *clone, struct ad *ad, struct error *err)
{
    if (!clone->set)
        return 0;
    if (actions_check_set(clone->set, err) < 0)
        return -1;
    ad_update(ad, clone->set);
    for (size_t i = 0; i < ad_count(clone->set); i++) {
        auto_buf struct buf text = { 0 };
        ad_print_expr(clone->set, ad_name(clone->set, i), &text);
        if (strcmp(buf_cstr(&text), "undefined") == 0)
            ad_remove(ad, ad_name(clone->set, i));
    }
    return submit_check(ad, err);
}

static void forget_past(struct ad *ad)
{
    static const char *const past[] = { "HoldReason", "RemoveReason", "ReleaseReason", "JobStatus" };
    submit_drop_own(ad);
    account_forget_user(ad);
    for (size_t i = 0; i < sizeof past / sizeof past[0]; i++)
        ad_remove(ad, past[i]);
}

static char *output_path(const struct ad *ad, const char *attribute)
{
    const char *name = ad_string(ad, attribute, NULL);
    return is_no_file(name) ? NULL : resolve(ad_string(ad, "Iwd", "/"), name);
}

int clone_make(const struct clone *clone, struct ad **out, struct error *err)
{
    struct source s = { .clone = clone, .err = err };
    struct queue_filter filter = { .id = clone->source, .limit = 1, .history = !clone->is_queued };
    if (queue_each_job(clone->pool->queue, &filter, take_source, &s, err) < 0 || s.failed < 0)
        return -1;
    auto_ad struct ad *ad = s.ad;
    if (!ad)
        return error_set(err, ERR_INVALID, "the job has just left");
    auto_free char *dir = mem_dup(ad_string(ad, "Iwd", "/"));
    auto_free char *output = output_path(ad, "Out"), *error = output_path(ad, "Err");
    forget_past(ad);
    make_inputs_absolute(ad, dir);
    if (apply_set(clone, ad, err) < 0)
        return -1;
    part_output(clone, ad, "Out", output);
    part_output(clone, ad, "Err", error);
    if (part_files(clone, ad, dir, err) < 0)
        return -1;
    *out = steal(ad);
    return 0;
}
