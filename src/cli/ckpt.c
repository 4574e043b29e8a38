#include "cli/ckpt.h"

#include "base/mem.h"
#include "cli/select.h"
#include "job/id.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* ---- what is asked ---- */

static bool is_checkpoint(const char *text)
{
    struct job_id id;
    size_t len = strcspn(text, "@");
    auto_free char *job = mem_dup_n(text, len);
    size_t digits = text[len] ? strspn(text + len + 1, "0123456789") : 0;
    return job_id_parse(job, &id) && (!text[len] || (digits > 0 && digits < 10 && text[len + 1] != '0' && !text[len + 1 + digits]));
}

int ckpt_body(const struct cli_call *call, size_t count, struct ad **body, struct error *err)
{
    auto_ad struct ad *ad = ad_new();
    ad_make_list(ad, "Checkpoints");
    for (size_t i = 0; i < call->operand_count && i < count; i++) {
        if (!is_checkpoint(call->operands[i]))
            return cli_usage_error(err, "'%s' is not a checkpoint: write 7.0@3, or 7.0 for the newest one of a job",
                                   call->operands[i]);
        ad_append_string(ad, "Checkpoints", call->operands[i]);
    }
    *body = steal(ad);
    return 0;
}

/* Jobs that a constraint means are named like operands: asked for none, the pool would take all. */
static int add_constrained(const struct cli_call *call, struct ad *body, struct error *err)
{
    auto_api struct api *api = NULL;
    auto_select_jobs struct select_jobs jobs = { 0 };
    char text[JOB_ID_TEXT_MAX];
    int r = select_check_constraint(call, err);
    if (r < 0 || !cli_given(call, "constraint"))
        return r;
    if (api_open(API_START_IF_WANTED, &api, err) < 0 || select_constrained(call, api, true, &jobs, err) < 0)
        return -1;
    for (size_t i = 0; i < jobs.count; i++)
        ad_append_string(body, "Checkpoints", job_id_print(jobs.ids[i], text));
    return 0;
}

int ckpt_body_chosen(const struct cli_call *call, struct ad **body, struct error *err)
{
    auto_ad struct ad *ad = NULL;
    int r = ckpt_body(call, SIZE_MAX, &ad, err);
    if (r == 0)
        r = add_constrained(call, ad, err);
    if (r == 0)
        *body = steal(ad);
    return r;
}

char *ckpt_absolute(const char *path, struct error *err)
{
    char cwd[PATH_MAX];
    if (path[0] == '/')
        return mem_dup(path);
    if (!getcwd(cwd, sizeof cwd)) {
        error_sys(err, "cannot find the current directory");
        return NULL;
    }
    return mem_printf("%s/%s", cwd, path);
}

void ckpt_words_name(struct buf *out, const struct ad *record)
{
    words_safe(out, ad_string(record, "Id", "?"));
    buf_printf(out, "@%" PRId64, ad_int(record, "Generation", 0));
}

/* ---- the answer ---- */

static int read_all(struct stream *stream, const struct ckpt_question *q, struct progress *progress, struct ad **result,
                    struct error *err)
{
    struct stream_piece piece;
    for (;;) {
        if (stream_next(stream, &piece, err) < 0)
            return -1;
        if (piece.kind == STREAM_RESULT) {
            *result = ad_copy(piece.ad);
            ad_remove(*result, "Ok");
            return 0;
        }
        if (piece.kind == STREAM_PROGRESS) {
            progress_show(progress, ad_int(piece.ad, "Done", 0), ad_int(piece.ad, "Total", 0));
        } else if (piece.kind == STREAM_RECORD && q->record) {
            progress_clear(progress);
            q->record(q->data, piece.ad);
        }
    }
}

int ckpt_ask(const struct ckpt_question *question, struct ad **result, struct error *err)
{
    auto_api struct api *api = NULL;
    auto_stream struct stream *stream = NULL;
    struct progress progress = { .doing = question->doing };
    if (api_open(API_START_IF_WANTED, &api, err) < 0 || stream_open(api, question->target, question->body, false, &stream, err) < 0)
        return -1;
    int r = read_all(stream, question, &progress, result, err);
    progress_clear(&progress);
    return r;
}

/* ---- as JSON ---- */

struct json_list {
    const struct ckpt_question *question;
    size_t count;
};

static void print_ad(const struct ad *ad)
{
    auto_buf struct buf text = { 0 };
    ad_print_json(ad, &text);
    words_print(&text);
}

static void print_record(void *data, const struct ad *record)
{
    struct json_list *list = data;
    if (list->count++ == 0)
        printf("{\"%s\":[", list->question->list);
    else
        putchar(',');
    print_ad(record);
    if (list->question->record)
        list->question->record(list->question->data, record);
}

/* The rest of the object that print_record has begun: the attributes of the result. */
static void print_end(const struct json_list *list, const struct ad *result)
{
    auto_buf struct buf text = { 0 };
    if (!list->question->list) {
        print_ad(result);
        putchar('\n');
        return;
    }
    if (list->count == 0)
        printf("{\"%s\":[", list->question->list);
    putchar(']');
    ad_print_json(result, &text);
    if (text.len > 2)
        printf(",%.*s", (int)(text.len - 2), text.data + 1);
    puts("}");
}

int ckpt_ask_json(const struct ckpt_question *question, struct ad **result, struct error *err)
{
    struct json_list list = { .question = question };
    struct ckpt_question asked = *question;
    asked.record = print_record;
    asked.data = &list;
    if (ckpt_ask(&asked, result, err) == 0) {
        print_end(&list, *result);
        return 0;
    }
    if (list.count > 0) { /* what was printed is to be JSON all the same */
        auto_ad struct ad *failed = ad_new();
        ad_set_string(failed, "Error", err->text);
        print_end(&list, failed);
    }
    return -1;
}

int ckpt_ask_for(const struct cli_call *call, const struct ckpt_question *question, struct ad **result, struct error *err)
{
    return (cli_given(call, "json") ? ckpt_ask_json : ckpt_ask)(question, result, err);
}
