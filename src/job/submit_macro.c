/*
 * Macros. A submit file is a table of names and texts; nothing is expanded before a queue statement asks for a command's
 * value, so that a name may be used above the line that sets it and may change between queue statements. The one exception is
 * a text that names itself (FLAGS = $(FLAGS) -v): its own name is replaced by the old text at once.
 *
 * Expansion is bounded in four ways, since a file of a few lines can ask for any amount of it: depth, macros per value, bytes
 * per value, and bytes of all values together.
 *
 *   text  = { char | "$$" [ "(" … ")" ] | macro }
 *   macro = "$(" name [ ":" text ] ")"
 *
 * What only looks like a macro ("$(two words)", "$5") is text: it may be meant for a shell.
 */
#include "job/submit_parts.h"

#include "base/mem.h"

#include <ctype.h>
#include <search.h>
#include <string.h>
#include <strings.h>

/* ---- the table ---- */

static int compare_keys(const void *a, const void *b)
{
    const struct submit_key *x = a, *y = b;
    return strcasecmp(x->name, y->name);
}

static void keep(void *node)
{
    (void)node;
}

void submit_table_release(struct submit_table *table)
{
    tdestroy(table->tree, keep);
    for (size_t i = 0; i < table->count; i++) {
        free(table->keys[i]->name);
        free(table->keys[i]->text);
        free(table->keys[i]);
    }
    free(table->keys);
    *table = (struct submit_table){ 0 };
}

struct submit_key *submit_table_find(const struct submit_table *table, const char *name)
{
    struct submit_key wanted = { .name = (char *)(uintptr_t)name };
    void *node = tfind(&wanted, &table->tree, compare_keys);
    return node ? *(struct submit_key **)node : NULL;
}

struct submit_key *submit_table_add(struct submit_table *table, const char *name)
{
    struct submit_key *key = submit_table_find(table, name);
    if (key)
        return key;
    key = mem_new(struct submit_key);
    key->name = mem_dup(name);
    key->command = submit_command_find(name);
    table->keys = mem_grow(table->keys, &table->capacity, table->count + 1, sizeof *table->keys);
    table->keys[table->count++] = key;
    if (!tsearch(key, &table->tree, compare_keys))
        abort();
    return key;
}

/* ---- finding macros in a text ---- */

struct macro {
    char name[SUBMIT_NAME_MAX];
    const char *fallback; /* behind the colon; NULL if there is none */
    size_t fallback_len;
    const char *end; /* behind the closing parenthesis */
};

/* The parenthesis that closes the one before p; NULL if none does. */
static const char *closing(const char *p)
{
    for (int open = 1; *p; p++) {
        if (*p == '(')
            open++;
        else if (*p == ')' && --open == 0)
            return p;
    }
    return NULL;
}

static size_t name_length(const char *p)
{
    size_t len = 0;
    while (isalnum((unsigned char)p[len]) || p[len] == '_' || p[len] == '.')
        len++;
    return len;
}

/* The next "$(" from p on, NULL if there is none. */
static const char *find_macro(const char *p)
{
    while ((p = strchr(p, '$')) && p[1] != '(')
        p++;
    return p;
}

/* The name of the macro that may start at p, which points at "$("; false when it cannot be one. */
static bool read_name(const char *p, struct macro *m)
{
    const char *from = p + 2;
    size_t len = name_length(from);
    if (len == 0 || len >= sizeof m->name || (from[len] && from[len] != ')' && from[len] != ':'))
        return false;
    memcpy(m->name, from, len);
    m->name[len] = '\0';
    m->fallback = from[len] == ':' ? from + len + 1 : NULL;
    m->end = from + len;
    return true;
}

/* Finds the end of the macro whose name was read; false when it is never closed. */
static bool read_end(struct macro *m)
{
    const char *end = closing(m->end);
    if (!end)
        return false;
    m->fallback_len = m->fallback ? (size_t)(end - m->fallback) : 0;
    m->end = end + 1;
    return true;
}

void submit_note_uses(struct submit_parser *parser, const char *text)
{
    struct macro m;
    for (const char *p = find_macro(text); p; p = find_macro(p + 2))
        if (read_name(p, &m) && (parser->table.count < SUBMIT_NAMES_MAX || submit_table_find(&parser->table, m.name)))
            submit_table_add(&parser->table, m.name)->used = true;
}

/* ---- expansion ---- */

static int charge(struct submit_parser *parser, size_t bytes, struct error *err)
{
    parser->work += bytes;
    if (parser->work > SUBMIT_WORK_MAX)
        return error_set(err, ERR_LIMIT, "the macros expand to more than %d GiB in all; make the values shorter",
                         (int)(SUBMIT_WORK_MAX >> 30));
    return 0;
}

static int check_size(const struct buf *out, struct error *err)
{
    if (out->full || out->len > SUBMIT_VALUE_MAX)
        return error_set(err, ERR_LIMIT, "the value is longer than %d bytes; put it into a file and transfer that",
                         SUBMIT_VALUE_MAX);
    return 0;
}

static int unclosed(const char *p, struct error *err)
{
    return error_set(err, ERR_INVALID, "'%.40s' is never closed; add ')'", p);
}

int submit_expand_self(struct submit_parser *parser, const char *name, const char *text, struct buf *out, struct error *err)
{
    const struct submit_key *key = submit_table_find(&parser->table, name);
    const char *old = key ? key->text : NULL;
    struct macro m;
    out->max = SUBMIT_VALUE_MAX;
    for (const char *at = text; *at;) {
        const char *p = find_macro(at);
        buf_add(out, at, p ? (size_t)(p - at) : strlen(at));
        if (!p)
            break;
        bool self = (p == text || p[-1] != '$') && read_name(p, &m) && strcasecmp(m.name, name) == 0;
        if (self && !read_end(&m))
            return unclosed(p, err);
        if (!self)
            buf_add(out, p, 2);
        else if (old)
            buf_text(out, old);
        else
            buf_add(out, m.fallback, m.fallback_len);
        at = self ? m.end : p + 2;
    }
    if (charge(parser, out->len, err) < 0)
        return -1;
    return check_size(out, err);
}

/* Macros that are not set by the file. Those of the queue forms with items are here for files that use them without. */
static bool expand_builtin(struct submit_expander *x, const char *name, struct buf *out)
{
    static const char *const cluster[] = { "Cluster", "ClusterId" };
    static const char *const proc[] = { "Process", "ProcId" };
    for (size_t i = 0; i < 2; i++) {
        if (strcasecmp(name, cluster[i]) == 0) {
            x->parser->out->uses_cluster = true;
            buf_printf(out, "%d", x->parser->options->cluster);
            return true;
        }
        if (strcasecmp(name, proc[i]) == 0) {
            x->used_proc = true;
            buf_printf(out, "%d", x->proc);
            return true;
        }
    }
    if (strcasecmp(name, "Step") == 0) {
        x->used_proc = true;
        buf_printf(out, "%d", x->step);
        return true;
    }
    if (strcasecmp(name, "Row") == 0 || strcasecmp(name, "ItemIndex") == 0)
        buf_char(out, '0');
    else if (strcasecmp(name, "DOLLAR") == 0)
        buf_char(out, '$');
    else
        return false;
    return true;
}

static int expand(struct submit_expander *x, const char *text, size_t len, int depth, struct buf *out, struct error *err);

static int expand_macro(struct submit_expander *x, const struct macro *m, int depth, struct buf *out, struct error *err)
{
    if (++x->steps > SUBMIT_MACRO_STEPS_MAX)
        return error_set(err, ERR_LIMIT, "more than %d macros are expanded for one value; '$(%.40s)' is the last",
                         SUBMIT_MACRO_STEPS_MAX, m->name);
    if (depth >= SUBMIT_MACRO_DEPTH_MAX)
        return error_set(err, ERR_LIMIT, "'$(%.40s)' is nested more than %d deep; does it refer to itself?", m->name,
                         SUBMIT_MACRO_DEPTH_MAX);
    if (expand_builtin(x, m->name, out))
        return 0;
    const struct submit_key *key = submit_table_find(&x->parser->table, m->name);
    if (key && key->text)
        return expand(x, key->text, strlen(key->text), depth + 1, out, err);
    if (m->fallback)
        return expand(x, m->fallback, m->fallback_len, depth + 1, out, err);
    submit_warn(x->parser, x->line,
                "'$(%.60s)' is not set anywhere above and expands to nothing; write '$(%.60s:)' if that is meant", m->name, m->name);
    return 0;
}

static const char *const functions[] = {
    "ENV", "INT", "REAL", "STRING", "CHOICE", "RANDOM_CHOICE", "RANDOM_INTEGER", "SUBSTR", "BASENAME", "DIRNAME", "EVAL",
};

/* The length of a function's name at p ("$ENV(": 3), 0 when there is none. $F takes letters that say what to take. */
static size_t function_length(const char *p)
{
    size_t len = name_length(p);
    if (p[len] != '(')
        return 0;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (strlen(functions[i]) == len && strncmp(p, functions[i], len) == 0)
            return len;
    return len > 0 && *p == 'F' && strspn(p + 1, "fpduwnxbqa") == len - 1 ? len : 0;
}

/* Expands what stands at a dollar sign and moves *text behind it. */
static int expand_dollar(struct submit_expander *x, const char **text, int depth, struct buf *out, struct error *err)
{
    const char *p = *text;
    struct macro m;
    if (p[1] == '$') { /* for the place where the job runs */
        const char *end = p[2] == '(' ? closing(p + 3) : p + 1;
        if (!end)
            return unclosed(p, err);
        *text = end + 1;
        buf_add(out, p, (size_t)(*text - p));
        return 0;
    }
    size_t function = function_length(p + 1);
    if (function > 0)
        return error_set(err, ERR_INVALID, "the function '$%.*s(…)' is not supported yet; write its result instead",
                         (int)function, p + 1);
    if (p[1] != '(' || !read_name(p, &m)) {
        buf_char(out, '$');
        *text = p + 1;
        return 0;
    }
    if (!read_end(&m))
        return unclosed(p, err);
    *text = m.end;
    return expand_macro(x, &m, depth, out, err);
}

static int expand(struct submit_expander *x, const char *text, size_t len, int depth, struct buf *out, struct error *err)
{
    if (!memchr(text, '$', len)) {
        buf_add(out, text, len);
    } else {
        auto_free char *copy = mem_dup_n(text, len);
        const char *p = copy;
        while (*p) {
            size_t plain = strcspn(p, "$");
            buf_add(out, p, plain);
            p += plain;
            if (*p && expand_dollar(x, &p, depth, out, err) < 0)
                return -1;
        }
    }
    if (charge(x->parser, len + 16, err) < 0)
        return -1;
    return check_size(out, err);
}

int submit_expand(struct submit_expander *x, const char *text, struct buf *out, struct error *err)
{
    out->max = SUBMIT_VALUE_MAX;
    x->steps = 0;
    return expand(x, text, strlen(text), 0, out, err);
}
