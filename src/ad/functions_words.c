/* Functions on arguments and environments as the ads of jobs have them: words with blanks between them, where single quotes hold
 * a word together and two of them inside quotes are one. */
#include "ad/functions.h"

#include "base/mem.h"

#include <string.h>

static const char blanks[] = " \t\r\n\f\v";

/* The next word, without its quotes, appended to `out`; 1 for a word, 0 at the end, -1 when a quote is not closed. */
static int next_word(const char **at, struct buf *out)
{
    const char *p = *at + strspn(*at, blanks);
    if (!*p)
        return 0;
    bool quoted = false;
    for (; *p && (quoted || !strchr(blanks, *p)); p++) {
        if (*p != '\'') {
            buf_char(out, *p);
        } else if (quoted && p[1] == '\'') {
            buf_char(out, '\'');
            p++;
        } else {
            quoted = !quoted;
        }
    }
    *at = p;
    return quoted ? -1 : 1;
}

static void add_word(const char *word, struct buf *out)
{
    if (out->len)
        buf_char(out, ' ');
    if (*word && !word[strcspn(word, " \t\r\n\f\v'")]) {
        buf_text(out, word);
        return;
    }
    buf_char(out, '\'');
    for (; *word; word++) {
        buf_add(out, "'", *word == '\'');
        buf_char(out, *word);
    }
    buf_char(out, '\'');
}

struct settings {
    char **items; /* NAME=VALUE */
    size_t count;
    size_t capacity;
};

static void release_settings(struct settings *settings)
{
    for (size_t i = 0; i < settings->count; i++)
        free(settings->items[i]);
    free(settings->items);
}

/* A setting takes the place of the one before it of the same name. False when it is none, or the evaluation has run out. */
static bool add_setting(struct eval *eval, struct settings *settings, const char *setting)
{
    size_t name_len = strcspn(setting, "=");
    if (!setting[name_len] || name_len == 0)
        return false;
    size_t at = 0;
    while (at < settings->count && strncmp(settings->items[at], setting, name_len + 1) != 0)
        at++;
    if (!eval_spend(eval, 1 + at + strlen(setting) / EVAL_BYTES_PER_WORK))
        return false;
    if (at == settings->count) {
        settings->items = mem_grow(settings->items, &settings->capacity, at + 1, sizeof *settings->items);
        settings->items[settings->count++] = NULL;
    }
    free(settings->items[at]);
    settings->items[at] = mem_dup(setting);
    return true;
}

static struct result print_settings(struct eval *eval, const struct settings *settings)
{
    auto_buf struct buf text = { .max = AD_TEXT_MAX };
    for (size_t i = 0; i < settings->count; i++)
        add_word(settings->items[i], &text);
    return text.full ? result_error() : eval_text(eval, buf_cstr(&text), text.len);
}

static bool add_environment(struct eval *eval, struct settings *settings, const char *at)
{
    auto_buf struct buf word = { 0 };
    int more;
    while ((more = next_word(&at, &word)) > 0) {
        if (!add_setting(eval, settings, buf_cstr(&word)))
            return false;
        buf_clear(&word);
    }
    return more == 0;
}

/* mergeEnvironment(environment, …): of equal names the last one counts; undefined is an empty environment. */
struct result function_merge_environment(const struct arguments *args)
{
    __attribute__((cleanup(release_settings))) struct settings settings = { 0 };
    for (uint32_t i = 0; i < args->count; i++) {
        struct result value = argument(args, i);
        if (value.kind == VALUE_UNDEFINED)
            continue;
        if (value.kind != VALUE_STRING || !add_environment(args->eval, &settings, value.text))
            return result_error();
    }
    return print_settings(args->eval, &settings);
}

/* envV1ToV2("A=1;B=two words"). */
struct result function_env_v1_to_v2(const struct arguments *args)
{
    __attribute__((cleanup(release_settings))) struct settings settings = { 0 };
    struct result value = argument(args, 0);
    if (value.kind != VALUE_STRING)
        return function_refuse(value);
    size_t len;
    for (const char *at = value.text; function_next_item(args->eval, &at, ";", &len); at += len) {
        auto_free char *item = mem_dup_n(at, len);
        if (!add_setting(args->eval, &settings, item))
            return result_error();
    }
    return print_settings(args->eval, &settings);
}

/* Which of the two notations: 1 has no quotes, 2 is the default. 0 for anything else. */
static int64_t notation(const struct arguments *args)
{
    struct result value = args->count > 1 ? argument(args, 1) : result_int(2);
    return value.kind == VALUE_INT && (value.integer == 1 || value.integer == 2) ? value.integer : 0;
}

struct result function_list_to_args(const struct arguments *args)
{
    struct result list = argument(args, 0);
    int64_t version = notation(args);
    if (list.kind != VALUE_LIST || !version)
        return function_refuse(list);
    auto_buf struct buf text = { .max = AD_TEXT_MAX };
    for (uint32_t i = 0; i < list.list->count; i++) {
        struct result word = eval_element(args->eval, list, i);
        if (word.kind != VALUE_STRING)
            return result_error();
        if (version == 1 && (!*word.text || word.text[strcspn(word.text, blanks)]))
            return result_error();
        if (version == 2) {
            add_word(word.text, &text);
        } else {
            buf_text(&text, text.len ? " " : "");
            buf_text(&text, word.text);
        }
    }
    return text.full ? result_error() : eval_text(args->eval, buf_cstr(&text), text.len);
}

struct result function_args_to_list(const struct arguments *args)
{
    struct result text = argument(args, 0);
    int64_t version = notation(args);
    if (text.kind != VALUE_STRING || !version)
        return function_refuse(text);
    auto_buf struct buf word = { 0 };
    auto_free struct result *words = NULL;
    size_t count = 0;
    size_t capacity = 0;
    const char *at = text.text;
    for (;;) {
        size_t len = 0;
        int more = version == 2 ? next_word(&at, &word) : function_next_item(args->eval, &at, blanks, &len);
        if (more <= 0)
            return more < 0 ? result_error() : eval_list(args->eval, words, count);
        words = mem_grow(words, &capacity, count + 1, sizeof *words);
        words[count++] = version == 2 ? eval_text(args->eval, buf_cstr(&word), word.len) : eval_text(args->eval, at, len);
        at += len;
        buf_clear(&word);
        if (!eval_spend(args->eval, 1))
            return result_error();
    }
}
