/*
 * Macros. A submit file is a table of names and texts; nothing is expanded before a queue statement asks for a command's
 * value, so that a name may be used above the line that sets it and may change between queue statements. The one exception is
 * a text that names itself (FLAGS = $(FLAGS) -v): its own name is replaced by the old text at once.
 *
 * Expansion is bounded in four ways, since a file of a few lines can ask for any amount of it: depth, macros per value, bytes
 * per value, and bytes of all values together.
 *
 *   text     = { char | "$$" [ "(" … ")" ] | macro | function }
 *   macro    = "$(" name [ ":" text ] ")"             name = { letter | digit | "_" | "." | macro }
 *   function = "$" word "(" text ")"
 *
 * What only looks like a macro ("$(two words)", "$5") is text: it may be meant for a shell.
 */
#include "job/submit_parts.h"

#include "base/mem.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* ---- finding macros in a text ---- */

struct macro {
    const char *name;
    size_t name_len;
    bool composed;        /* the name has macros in it */
    const char *fallback; /* behind the colon; NULL if there is none */
    size_t fallback_len;
    const char *end; /* behind the closing parenthesis */
};

const char *submit_closing(const char *p)
{
    for (int open = 1; *p; p++) {
        if (*p == '(')
            open++;
        else if (*p == ')' && --open == 0)
            return p;
    }
    return NULL;
}

size_t submit_name_length(const char *p)
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

static int unclosed(const char *p, struct error *err)
{
    return error_set(err, ERR_INVALID, "'%.40s' is never closed; add ')'", p);
}

/* The macro that may start at p, which points at "$(". */
enum { NO_MACRO = 1 };
static int read_macro(const char *p, struct macro *m, struct error *err)
{
    const char *at = p + 2;
    *m = (struct macro){ .name = at };
    for (;;) {
        at += submit_name_length(at);
        if (at[0] != '$' || at[1] != '(')
            break;
        const char *end = submit_closing(at + 2);
        if (!end)
            return unclosed(p, err);
        m->composed = true;
        at = end + 1;
    }
    m->name_len = (size_t)(at - m->name);
    if (m->name_len == 0 || (*at && *at != ')' && *at != ':') || (!m->composed && m->name_len >= SUBMIT_NAME_MAX))
        return NO_MACRO;
    m->fallback = *at == ':' ? at + 1 : NULL;
    const char *end = submit_closing(at);
    if (!end)
        return unclosed(p, err);
    m->fallback_len = m->fallback ? (size_t)(end - m->fallback) : 0;
    m->end = end + 1;
    return 0;
}

static void note_use(struct submit_parser *parser, const char *name, size_t len)
{
    char copy[SUBMIT_NAME_MAX];
    if (len == 0 || len >= sizeof copy || isdigit((unsigned char)*name))
        return;
    memcpy(copy, name, len);
    copy[len] = '\0';
    if (parser->table.count < SUBMIT_NAMES_MAX || submit_table_find(&parser->table, copy))
        submit_table_add(&parser->table, copy)->used = true;
}

void submit_note_uses(struct submit_parser *parser, const char *text)
{
    for (const char *p = strchr(text, '$'); p; p = strchr(p + 1, '$')) {
        size_t function = submit_function_length(p + 1);
        const char *name = p + 1 + function + 1;
        if (p[1] != '(' && function == 0)
            continue;
        for (;;) { /* a function's arguments can be names, too */
            name += strspn(name, " \t");
            size_t len = submit_name_length(name);
            const char *behind = name + len + strspn(name + len, " \t");
            if (*behind == ')' || *behind == ',' || *behind == ':')
                note_use(parser, name, len);
            if (function == 0 || *behind != ',')
                break;
            name = behind + 1;
        }
    }
}

/* ---- expansion ---- */

int submit_charge(struct submit_parser *parser, size_t bytes, struct error *err)
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
        bool self = (p == text || p[-1] != '$') && strncasecmp(p + 2, name, strlen(name)) == 0;
        if (self) {
            int r = read_macro(p, &m, err);
            if (r < 0)
                return -1;
            self = r == 0 && m.name_len == strlen(name);
        }
        if (!self)
            buf_add(out, p, 2);
        else if (old && (*old || !m.fallback))
            buf_text(out, old);
        else
            buf_add(out, m.fallback, m.fallback_len);
        at = self ? m.end : p + 2;
    }
    if (submit_charge(parser, out->len, err) < 0)
        return -1;
    return check_size(out, err);
}

static uint64_t mix(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)tolower((unsigned char)*text)) * 0x100000001b3;
    return hash;
}

static void note_origin(struct submit_expander *x, const struct submit_key *key)
{
    for (int i = 0; i < x->origin_count; i++)
        if (x->origins[i] == key)
            return;
    if (x->origin_count < (int)(sizeof x->origins / sizeof x->origins[0]))
        x->origins[x->origin_count++] = key;
}

/* The text of a key in place of its name. */
static int expand_key(struct submit_expander *x, struct submit_key *key, const char *text, int depth, struct buf *out,
                      struct error *err)
{
    uint64_t place = x->place;
    note_origin(x, key);
    key->used = true;
    x->used_proc = x->used_proc || key->item;
    if (key->expanding)
        return error_set(err, ERR_INVALID, "'$(%.60s)' refers to itself; write it without itself on one of these lines", key->name);
    if (!strchr(text, '$')) {
        buf_text(out, text);
        return submit_charge(x->parser, strlen(text), err) < 0 ? -1 : check_size(out, err);
    }
    if (depth + 1 >= SUBMIT_MACRO_DEPTH_MAX)
        return error_set(err, ERR_LIMIT, "'$(%.40s)' is nested more than %d deep; put values in directly", key->name,
                         SUBMIT_MACRO_DEPTH_MAX);
    x->frames[x->frame_count++] = key;
    key->expanding = true;
    x->place = mix(0xcbf29ce484222325, key->name); /* wherever it is used, it is the same choice */
    int done = submit_expand_part(x, text, strlen(text), depth + 1, out, err);
    key->expanding = false;
    x->place = place;
    if (done == 0)
        x->frame_count--;
    return done;
}

int submit_expand_name(struct submit_expander *x, const char *name, int depth, struct buf *out, bool *found, struct error *err)
{
    if (++x->steps > SUBMIT_MACRO_STEPS_MAX)
        return error_set(err, ERR_LIMIT, "more than %d macros are expanded for one value; '$(%.40s)' is the last",
                         SUBMIT_MACRO_STEPS_MAX, name);
    *found = true;
    if (submit_fixed_macro(x, name, out))
        return 0;
    struct submit_key *key = submit_table_find(&x->parser->table, name);
    const char *text = key ? submit_key_text(key) : NULL;
    if (text)
        return expand_key(x, key, text, depth, out, err);
    *found = submit_default_macro(x, name, out);
    return 0;
}

static int expand_macro(struct submit_expander *x, const struct macro *m, const char *name, int depth, struct buf *out,
                        struct error *err)
{
    bool found;
    size_t before = out->len;
    if (submit_expand_name(x, name, depth, out, &found, err) < 0)
        return -1;
    if (m->fallback && out->len == before)
        return submit_expand_part(x, m->fallback, m->fallback_len, depth + 1, out, err);
    if (!found)
        submit_warn(x->parser, x->line,
                    "'$(%.60s)' is not set anywhere above and expands to nothing; write '$(%.60s:)' if that is meant", name, name);
    return 0;
}

/* The macro's name with the macros in it expanded. Outcome NO_MACRO when that is no name. */
static int compose_name(struct submit_expander *x, const struct macro *m, int depth, struct buf *name, struct error *err)
{
    if (m->composed && submit_expand_part(x, m->name, m->name_len, depth + 1, name, err) < 0)
        return -1;
    if (!m->composed)
        buf_add(name, m->name, m->name_len);
    if (m->composed && (name->len == 0 || name->len >= SUBMIT_NAME_MAX || submit_name_length(buf_cstr(name)) != name->len))
        return NO_MACRO;
    return 0;
}

static int expand_parenthesis(struct submit_expander *x, const char **text, int depth, struct buf *out, struct error *err)
{
    const char *p = *text;
    struct macro m;
    auto_buf struct buf name = { 0 };
    int r = read_macro(p, &m, err);
    if (r == 0)
        r = compose_name(x, &m, depth, &name, err);
    if (r < 0)
        return -1;
    if (r == NO_MACRO) {
        buf_char(out, '$');
        *text = p + 1;
        return 0;
    }
    *text = m.end;
    return expand_macro(x, &m, buf_cstr(&name), depth, out, err);
}

/* Expands what stands at a dollar sign and moves *text behind it. */
static int expand_dollar(struct submit_expander *x, const char **text, int depth, struct buf *out, struct error *err)
{
    const char *p = *text, *end;
    size_t function;
    if (p[1] == '(')
        return expand_parenthesis(x, text, depth, out, err);
    if (p[1] == '$') { /* for the place where the job runs */
        end = p[2] == '(' ? submit_closing(p + 3) : p + 1;
        if (!end)
            return unclosed(p, err);
        *text = end + 1;
        buf_add(out, p, (size_t)(*text - p));
        return 0;
    }
    function = submit_function_length(p + 1);
    if (function == 0) {
        submit_warn_function(x, p + 1);
        buf_char(out, '$');
        *text = p + 1;
        return 0;
    }
    const char *body = p + 1 + function + 1;
    end = submit_closing(body);
    if (!end)
        return unclosed(p, err);
    *text = end + 1;
    return submit_call(x, p + 1, function, body, (size_t)(end - body), depth, out, err);
}

int submit_expand_part(struct submit_expander *x, const char *text, size_t len, int depth, struct buf *out, struct error *err)
{
    if (depth >= SUBMIT_MACRO_DEPTH_MAX)
        return error_set(err, ERR_LIMIT, "macros are nested more than %d deep; put values in directly", SUBMIT_MACRO_DEPTH_MAX);
    if (!memchr(text, '$', len)) {
        buf_add(out, text, len);
    } else {
        auto_free char *copy = mem_dup_n(text, len);
        uint64_t place = x->place;
        for (const char *p = copy; *p;) {
            size_t plain = strcspn(p, "$");
            buf_add(out, p, plain);
            p += plain;
            if (depth == 0)
                x->fault = (size_t)(p - copy);
            x->place = place * 31 + (uint64_t)(p - copy);
            if (*p && expand_dollar(x, &p, depth, out, err) < 0)
                return -1;
        }
        x->place = place;
    }
    if (submit_charge(x->parser, len + 16, err) < 0)
        return -1;
    return check_size(out, err);
}

/* "$(A) of line 2, $(B) of items.txt:7": of a long chain the first ones and the last. */
static void print_chain(const struct submit_expander *x, const struct submit_key *const *keys, int count, struct buf *out)
{
    enum { SHOWN = 3 };
    for (int i = 0; i < count; i++) {
        const struct submit_key *key = keys[i];
        bool elsewhere = key->file && x->parser->file && strcmp(key->file, x->parser->file) != 0;
        if (i >= SHOWN && i < count - 1) {
            buf_text(out, i == SHOWN ? ", …" : "");
            continue;
        }
        buf_printf(out, "%s$(%.40s) of ", i ? ", " : "", key->name);
        if (elsewhere)
            buf_printf(out, "%.60s:%d", key->file, key->line);
        else
            buf_printf(out, "line %d", key->line);
    }
}

static int tell_chain(const struct submit_expander *x, struct error *err)
{
    auto_buf struct buf text = { 0 };
    print_chain(x, x->frames, x->frame_count, &text);
    return x->frame_count ? error_wrap(err, "in the expansion of %s", buf_cstr(&text)) : -1;
}

int submit_tell_origins(const struct submit_expander *x, struct error *err)
{
    auto_buf struct buf text = { 0 };
    print_chain(x, x->origins, x->origin_count, &text);
    return x->origin_count ? error_wrap(err, "with %s", buf_cstr(&text)) : -1;
}

int submit_expand(struct submit_expander *x, const char *text, struct buf *out, struct error *err)
{
    out->max = SUBMIT_VALUE_MAX;
    x->steps = 0;
    x->frame_count = x->origin_count = 0;
    if (submit_expand_part(x, text, strlen(text), 0, out, err) < 0)
        return tell_chain(x, err);
    return 0;
}

struct submit_expander submit_expander_here(struct submit_parser *parser, int line)
{
    return (struct submit_expander){ .parser = parser, .line = line, .proc = (int)parser->out->proc_count };
}
