/* Submit files, with what they name outside themselves. What is parsed must print as an ad that reads back, for the first job and
 * for every difference. The input up to a line "%%" is the submit file; behind each further "%%" is a text that files, commands and
 * patterns answer with, one after the other. */
#include "job/submit.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Large counts are fine, and slow: a million jobs say nothing that a thousand do not. */
static bool has_large_number(const uint8_t *data, size_t size)
{
    for (size_t i = 0, run = 0; i < size; i++) {
        run = data[i] >= '0' && data[i] <= '9' ? run + 1 : 0;
        if (run > 3 || (data[i] == '*' && i + 1 < size && data[i + 1] >= '0' && data[i + 1] <= '9'))
            return true;
    }
    return false;
}

struct answers {
    const char *at, *end;
};

/* The text up to the next separator, which is skipped. */
static void next_text(struct answers *answers, const char **text, size_t *len)
{
    const char *separator = memmem(answers->at, (size_t)(answers->end - answers->at), "\n%%\n", 4);
    *text = answers->at;
    *len = (size_t)((separator ? separator : answers->end) - answers->at);
    answers->at = separator ? separator + 4 : answers->end;
}

static int answer(void *context, const char *name, struct buf *out, struct error *err)
{
    struct answers *answers = context;
    const char *text;
    size_t len;
    if (name[0] == 'x')
        return error_set(err, ERR_SYSTEM, "cannot open '%s'", name);
    if (name[0] == 'y' || answers->at == answers->end)
        return SUBMIT_ABSENT;
    next_text(answers, &text, &len);
    buf_add(out, text, len);
    return 0;
}

static int run(void *context, const char *command, struct buf *out, struct error *err)
{
    return answer(context, command, out, err) == 0 ? 0 : error_set(err, ERR_CHILD, "'%s' failed", command);
}

/* The lines of the next text, those that the pattern matches. */
static int match(void *context, const char *pattern, enum submit_match kind, struct buf *out, struct error *err)
{
    const char *text;
    size_t len;
    (void)kind;
    (void)err;
    next_text(context, &text, &len);
    char *copy = strndup(text, len), *rest = copy;
    for (char *name; (name = strsep(&rest, "\n"));)
        if (*name && submit_matches(pattern, name))
            buf_add(out, name, strlen(name) + 1);
    free(copy);
    return 0;
}

static const char *variable(void *context, const char *name)
{
    (void)context;
    return name[0] == 'H' ? "/home" : name[0] == 'E' ? "" : NULL;
}

static void check_ad(const struct ad *ad)
{
    auto_buf struct buf text = { 0 };
    auto_buf struct buf again = { 0 };
    auto_ad struct ad *back = ad_new();
    ad_print(ad, &text);
    if (ad_parse(back, buf_cstr(&text), text.len, NULL) < 0)
        abort();
    ad_print(back, &again);
    if (strcmp(buf_cstr(&text), buf_cstr(&again)) != 0)
        abort();
}

static void check(const struct submit *out)
{
    if (out->proc_count == 0 || !ad_string(out->cluster, "Cmd", NULL) || out->procs[0])
        abort();
    check_ad(out->cluster);
    for (size_t i = 0; i < out->proc_count && i < 8; i++)
        if (out->procs[i])
            check_ad(out->procs[i]);
    for (size_t i = 0; i < out->warning_count; i++)
        if (!out->warnings[i].file || !*out->warnings[i].text)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct answers answers = { (const char *)data, (const char *)data + size };
    struct submit_outside outside = { .context = &answers, .read = answer, .run = run, .match = match, .variable = variable };
    static const struct submit_macro macros[] = { { "OPSYS", "LINUX" }, { "YEAR", "2026" }, { NULL, NULL } };
    const char *text;
    size_t len;
    if (size > 1 << 14 || has_large_number(data, size))
        return 0;
    next_text(&answers, &text, &len);
    const struct submit_options options = {
        .file = "fuzz.sub", .cwd = "/", .cluster = 1, .seed = size, .outside = &outside, .predefined = macros,
    };
    struct submit out = { 0 };
    struct error err = { 0 };
    if (submit_parse(text, len, &options, &out, &err) < 0) {
        if (out.cluster || !strchr(err.text, ':') || err.kind == 0)
            abort();
        return 0;
    }
    check(&out);
    submit_release(&out);
    return 0;
}
