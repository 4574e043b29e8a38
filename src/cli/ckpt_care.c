/* Are checkpoints whole, which must stay, which may go. */
#include "cli/ckpt.h"
#include "cli/run.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- verify ---- */

struct verified {
    bool json;
    int64_t bytes;
};

/* Damage is said as soon as it is found. */
static void say_damage(void *data, const struct ad *record)
{
    struct verified *v = data;
    auto_buf struct buf text = { 0 };
    const char *damage = ad_string(record, "Damage", NULL);
    v->bytes += ad_int(record, "Bytes", 0);
    if (!damage || v->json)
        return;
    ckpt_words_name(&text, record);
    buf_text(&text, " is damaged: ");
    words_safe(&text, damage);
    buf_char(&text, '\n');
    words_print(&text);
    fflush(stdout);
}

int run_ckpt_verify(const struct cli_call *call, struct error *err)
{
    struct verified v = { .json = cli_given(call, "json") };
    auto_ad struct ad *body = NULL, *result = NULL;
    auto_buf struct buf text = { 0 };
    int r = ckpt_body_chosen(call, &body, err);
    if (r < 0)
        return r;
    struct ckpt_question question = {
        .target = "/v1/checkpoints/verify", .body = body, .doing = "verifying", .list = "Checkpoints", .record = say_damage,
        .data = &v,
    };
    if (ckpt_ask_for(call, &question, &result, err) < 0)
        return -1;
    int64_t whole = ad_int(result, "Whole", 0), damaged = ad_int(result, "Damaged", 0);
    words_count(&text, whole, "checkpoint");
    buf_text(&text, whole == 1 ? " is whole" : " are whole");
    if (damaged > 0)
        buf_printf(&text, ", %" PRId64 " %s damaged", damaged, damaged == 1 ? "is" : "are");
    buf_text(&text, " (");
    words_bytes(&text, v.bytes);
    buf_text(&text, ")\n");
    if (!v.json)
        words_print(&text);
    return damaged > 0 ? CLI_FAILURE : CLI_OK;
}

/* ---- pin, unpin, rm ---- */

static void say_result(void *data, const struct ad *record)
{
    auto_buf struct buf text = { 0 };
    const char *problem = ad_string(record, "Problem", NULL);
    if (*(bool *)data)
        return;
    if (ad_int(record, "Generation", 0) > 0)
        ckpt_words_name(&text, record);
    else
        words_safe(&text, ad_string(record, "Id", "?"));
    buf_text(&text, ": ");
    words_safe(&text, problem ? problem : ad_string(record, "Message", ""));
    buf_char(&text, '\n');
    fputs(buf_cstr(&text), problem ? stderr : stdout);
}

static int act(const struct cli_call *call, struct ad *body, struct error *err)
{
    auto_ad struct ad *result = NULL;
    auto_free char *target = mem_printf("/v1/checkpoints/%s", cli_sub_name(call->command));
    bool json = cli_given(call, "json");
    struct ckpt_question question = { .target = target, .body = body, .list = "Results", .record = say_result, .data = &json };
    if (ckpt_ask_for(call, &question, &result, err) < 0)
        return -1;
    return ad_int(result, "Problems", 0) > 0 ? CLI_FAILURE : CLI_OK;
}

int run_ckpt_pin(const struct cli_call *call, struct error *err)
{
    auto_ad struct ad *body = NULL;
    int r = call->operand_count > 0 || cli_given(call, "constraint")
                ? ckpt_body_chosen(call, &body, err)
                : cli_usage_error(err, "which checkpoints? Name them, or their jobs by -c EXPR");
    return r < 0 ? r : act(call, body, err);
}

int run_ckpt_rm(const struct cli_call *call, struct error *err)
{
    auto_ad struct ad *body = NULL;
    for (size_t i = 0; i < call->operand_count; i++)
        if (!strchr(call->operands[i], '@'))
            return cli_usage_error(err, "'%s' does not say which checkpoint: write it like 7.0@3", call->operands[i]);
    int r = ckpt_body(call, SIZE_MAX, &body, err);
    if (r < 0)
        return r;
    ad_set_bool(body, "Force", cli_given(call, "force"));
    return act(call, body, err);
}

/* ---- gc ---- */

int run_ckpt_gc(const struct cli_call *call, struct error *err)
{
    auto_ad struct ad *body = ad_new(), *result = NULL;
    auto_buf struct buf text = { 0 };
    struct ckpt_question question = { .target = "/v1/checkpoints/gc", .body = body, .doing = "looking" };
    if (ckpt_ask_for(call, &question, &result, err) < 0)
        return -1;
    words_bytes(&text, ad_int(result, "FreedBytes", 0));
    buf_text(&text, " freed\n");
    if (!cli_given(call, "json"))
        words_print(&text);
    return CLI_OK;
}
