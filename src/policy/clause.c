/*
 * Why requirements are not true: clause by clause, with the values of what each refers to, and what could be changed. The names are
 * taken from the clause's text, and each is evaluated as an expression of its own, so that it means here what it means there.
 */
#include "policy/policy.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { CLAUSES_MAX = 256, NAMES_MAX = 32, VALUE_BYTES_MAX = 400 };

static bool value_is_true(const struct value *value)
{
    return (value->kind == VALUE_BOOL && value->boolean) || (value->kind == VALUE_INT && value->integer != 0) ||
           (value->kind == VALUE_REAL && value->real != 0);
}

/* ---- the names in a clause ---- */

struct name {
    char text[AD_NAME_MAX + 8]; /* as it stands there */
    const char *of;
};

static const char *skip_literal(const char *p)
{
    char quote = *p++;
    while (*p && *p != quote)
        p += *p == '\\' && p[1] ? 2 : 1;
    return p + (*p != '\0');
}

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.';
}

static bool is_keyword(const char *text)
{
    static const char *const words[] = { "true", "false", "undefined", "error", "is", "isnt", "my", "target", "parent" };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(words[i], text) == 0)
            return true;
    return false;
}

static const char *owner_of(const char *name, const struct ad_scope *scope)
{
    if (strncasecmp(name, "MY.", 3) == 0)
        return ad_has(scope->my, name + 3) ? "job" : "neither";
    if (strncasecmp(name, "TARGET.", 7) == 0)
        return scope->target && ad_has(scope->target, name + 7) ? "machine" : "neither";
    if (ad_has(scope->my, name))
        return "job";
    return scope->target && ad_has(scope->target, name) ? "machine" : "neither";
}

static void add_name(struct name *names, size_t *count, const char *text, size_t len, const struct ad_scope *scope)
{
    struct name *name = &names[*count];
    if (*count == NAMES_MAX || len >= sizeof name->text)
        return;
    snprintf(name->text, sizeof name->text, "%.*s", (int)len, text);
    for (size_t i = 0; i < *count; i++)
        if (strcasecmp(names[i].text, name->text) == 0)
            return;
    if (is_keyword(name->text))
        return;
    name->of = owner_of(name->text, scope);
    ++*count;
}

/* A name that something follows as "(" is a function's; one that follows ")" or "]" and a period selects in an ad. */
static size_t find_names(const char *text, const struct ad_scope *scope, struct name *names)
{
    size_t count = 0;
    for (const char *p = text; *p;) {
        size_t len = 0;
        if (*p == '"') {
            p = skip_literal(p);
            continue;
        }
        while (is_name_char(p[len]))
            len++;
        const char *next = p + len + strspn(p + len, " ");
        if (len > 0 && (isalpha((unsigned char)*p) || *p == '_') && *next != '(')
            add_name(names, &count, p, len, scope);
        p += len ? len : 1;
    }
    return count;
}

static void eval_name(const char *name, const struct ad_scope *scope, struct buf *out)
{
    struct ad_expr *expr = NULL;
    struct value value;
    out->max = VALUE_BYTES_MAX;
    if (ad_expr_parse(name, &expr, NULL) < 0)
        return;
    ad_expr_eval(expr, scope, &value);
    value_print(&value, out);
    value_release(&value);
    ad_expr_free(expr);
}

/* ---- a clause ---- */

static void advise(const struct name *names, size_t count, const struct ad_scope *scope, enum value_kind kind, struct ad *clause)
{
    auto_buf struct buf text = { 0 };
    const struct name *machine = NULL, *job = NULL;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i].of, "neither") == 0) {
            const char *period = strchr(names[i].text, '.');
            const char *plain = period ? period + 1 : names[i].text;
            buf_printf(&text, "neither the job nor this machine has '%s': take it out, or give it to the machine in stint.conf ('machine.%s = …')",
                       names[i].text, plain);
            ad_set_string(clause, "Advice", buf_cstr(&text));
            return;
        }
        if (strcmp(names[i].of, "machine") == 0)
            machine = machine ? machine : &names[i];
        else
            job = job ? job : &names[i];
    }
    const struct name *named = machine ? machine : job;
    if (kind == VALUE_ERROR) {
        buf_text(&text, "its value is an error, such as a text compared with a number: mend this clause");
    } else if (named) {
        auto_buf struct buf value = { 0 };
        eval_name(named->text, scope, &value);
        buf_printf(&text, machine ? "this machine has %s = %s: ask for what it has" : "the job has %s = %s: change it, or this clause", named->text,
                   buf_cstr(&value));
    } else {
        buf_text(&text, "it is never true: take it out");
    }
    ad_set_string(clause, "Advice", buf_cstr(&text));
}

static struct ad *explain_clause(const struct ad_expr *expr, const struct ad_scope *scope)
{
    struct ad *clause = ad_new();
    struct name names[NAMES_MAX + 1];
    struct value value;
    auto_buf struct buf text = { 0 }, printed = { .max = VALUE_BYTES_MAX };
    ad_expr_print(expr, &text);
    ad_expr_eval(expr, scope, &value);
    value_print(&value, &printed);
    bool truth = value_is_true(&value);
    size_t count = find_names(buf_cstr(&text), scope, names);
    ad_set_string(clause, "Clause", buf_cstr(&text));
    ad_set_string(clause, "Value", buf_cstr(&printed));
    ad_set_bool(clause, "True", truth);
    ad_make_list(clause, "Values");
    for (size_t i = 0; i < count; i++) {
        struct ad *row = ad_new();
        auto_buf struct buf its = { 0 };
        eval_name(names[i].text, scope, &its);
        ad_set_string(row, "Name", names[i].text);
        ad_set_string(row, "Of", names[i].of);
        ad_set_string(row, "Value", buf_cstr(&its));
        ad_append_ad(clause, "Values", row);
    }
    if (!truth)
        advise(names, count, scope, value.kind, clause);
    value_release(&value);
    return clause;
}

bool policy_explain(const struct ad_expr *expr, const struct ad_scope *scope, struct ad *into, const char *list)
{
    struct ad_expr *clauses[CLAUSES_MAX];
    size_t count = ad_expr_clauses(expr, clauses, CLAUSES_MAX);
    ad_make_list(into, list);
    for (size_t i = 0; i < count && i < CLAUSES_MAX; i++) {
        ad_append_ad(into, list, explain_clause(clauses[i], scope));
        ad_expr_free(clauses[i]);
    }
    return ad_expr_true(expr, scope);
}
