/*
 * Queue statements.
 *
 *   queue = "queue" [ count ] [ variables ] [ "in" | "from" | "matching" [ "files" | "dirs" | "any" ] ] [ slice ] [ items ]
 *   slice = "[" [ first ] ":" [ last ] [ ":" step ] "]"    as in Python, the step above 0
 *
 * Macros in it are expanded before anything else. While the jobs are made, each variable's key stands for the item's value
 * (submit_key.item), whatever the file sets it to; afterwards it is as before.
 */
#include "job/submit_parts.h"

#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void queue_release(struct submit_queue *q)
{
    buf_release(&q->items.text);
    free(q->items.list);
    buf_release(&q->values);
}

/* ---- the count ---- */

static int parse_count(const char *text, int64_t *count, struct error *err)
{
    char *end;
    errno = 0;
    *count = *text ? strtoll(text, &end, 10) : 1;
    if (errno)
        return error_set(err, ERR_LIMIT, "'queue %.60s' asks for too many jobs; the most is %d", text, SUBMIT_JOBS_MAX);
    if (*text && (end == text || *end) && !submit_parse_int(text, count))
        return error_set(err, ERR_INVALID, "'queue %.60s' is not understood; write 'queue', 'queue N', 'queue x in (a, b)', "
                                           "'queue x from file' or 'queue x matching *.dat'", text);
    if (*count < 0)
        return error_set(err, ERR_INVALID, "'queue %.60s' asks for less than no job; write a positive number", text);
    return 0;
}

static int check_count(struct submit_parser *parser, const struct submit_queue *q, size_t items, struct error *err)
{
    size_t left = SUBMIT_JOBS_MAX - parser->out->proc_count;
    if (q->count > SUBMIT_JOBS_MAX || (items > 0 && (size_t)q->count > left / items))
        return error_set(err, ERR_LIMIT, "more than %d jobs in one submission; split it into several", SUBMIT_JOBS_MAX);
    if (q->count == 0)
        submit_warn(parser, q->line, "'queue 0' makes no job");
    else if (items == 0)
        submit_warn(parser, q->line, q->items.count == 0 ? "the list of items is empty: no job is made"
                                                         : "the slice has none of the %zu items: no job is made", q->items.count);
    return 0;
}

/* ---- variables ---- */

static int add_variable(struct submit_parser *parser, struct submit_queue *q, const char *name, struct error *err)
{
    if (q->var_count >= SUBMIT_VARIABLES_MAX)
        return error_set(err, ERR_LIMIT, "more than %d variables in a queue statement", SUBMIT_VARIABLES_MAX);
    struct submit_key *key = submit_table_add(&parser->table, name);
    for (size_t i = 0; i < q->var_count; i++)
        if (q->vars[i].key == key)
            return error_set(err, ERR_INVALID, "the variable '%.60s' is named twice", name);
    q->vars[q->var_count++] = (struct submit_variable){ .key = key, .file = key->file, .line = key->line, .column = key->column };
    key->variable = q->line;
    key->column = 0;
    return strncmp(key->name, "MY.", 3) == 0 ? submit_remember_attribute(parser, key, err) : 0;
}

static bool is_variable(const char *word, size_t len)
{
    return len > 0 && len < SUBMIT_NAME_MAX && submit_name_length(word) == len && (isalpha((unsigned char)*word) || *word == '_');
}

/* Takes the names off the end of the text; what is left is the count. */
static int read_variables(struct submit_parser *parser, struct submit_queue *q, char *text, struct error *err)
{
    size_t from = strlen(text);
    for (;;) {
        size_t end = from;
        while (end > 0 && strchr(", \t", text[end - 1]))
            end--;
        size_t start = end;
        while (start > 0 && !strchr(", \t", text[start - 1]))
            start--;
        if (!is_variable(text + start, end - start))
            break;
        from = start;
    }
    auto_free char *names = mem_dup(text + from);
    text[from] = '\0';
    char *rest = names;
    for (char *name; (name = strsep(&rest, ", \t"));)
        if (*name && add_variable(parser, q, name, err) < 0)
            return -1;
    return q->var_count == 0 ? add_variable(parser, q, "Item", err) : 0;
}

/* The commands among the variables are set by them. */
static void bind(struct submit_parser *parser, struct submit_queue *q)
{
    for (size_t i = 0; i < q->var_count; i++) {
        struct submit_variable *var = &q->vars[i];
        if (!var->key->command)
            continue;
        size_t at = (size_t)(var->key->command - submit_commands);
        var->displaced = parser->set[at];
        parser->set[at] = var->key;
    }
}

static void unbind(struct submit_parser *parser, struct submit_queue *q)
{
    for (size_t i = q->var_count; i-- > 0;) {
        struct submit_variable *var = &q->vars[i];
        if (var->key->command)
            parser->set[var->key->command - submit_commands] = var->displaced;
        var->key->item = NULL;
        var->key->file = var->file;
        var->key->line = var->line;
        var->key->column = var->column;
    }
}

/* ---- slices ---- */

static int slice_error(const char *text, struct error *err)
{
    return error_set(err, ERR_INVALID, "'%.40s' is no slice; write for example '[:10]', '[5:]' or '[::2]', with a step above 0", text);
}

struct slice {
    bool given[3];
    int64_t numbers[3];
    int colons;
};

/* "[a:b:c]" at *text, which is left behind it; a "[" that has anything else in it belongs to the items. */
static int read_slice(const char **text, bool may_be_pattern, struct slice *slice, struct error *err)
{
    const char *p = *text;
    *slice = (struct slice){ 0 };
    size_t len = *p == '[' ? strspn(p + 1, "0123456789-: \t") : 0;
    if (*p != '[' || p[len + 1] != ']' || (may_be_pattern && !memchr(p, ':', len + 1)))
        return 0;
    for (p++; *p != ']'; p++) {
        if (*p == ':' && ++slice->colons > 2)
            return slice_error(*text, err);
        if (*p != '-' && !isdigit((unsigned char)*p))
            continue;
        char *end;
        errno = 0;
        slice->numbers[slice->colons] = strtoll(p, &end, 10);
        if (errno || end == p || slice->given[slice->colons])
            return slice_error(*text, err);
        slice->given[slice->colons] = true;
        p = end - 1;
    }
    if (slice->colons == 0 && slice->given[0]) /* one item */
        slice->given[1] = slice->numbers[0] != -1 && !__builtin_add_overflow(slice->numbers[0], 1, &slice->numbers[1]);
    if (slice->given[2] && slice->numbers[2] < 1)
        return slice_error(*text, err);
    *text = submit_skip_blanks(p + 1);
    return 0;
}

static size_t place(int64_t index, size_t count)
{
    if (index < 0)
        index = index < -(int64_t)count ? 0 : index + (int64_t)count;
    return (uint64_t)index < count ? (size_t)index : count;
}

static void apply_slice(struct submit_queue *q, const struct slice *slice)
{
    size_t count = q->items.count;
    q->first = slice->given[0] ? place(slice->numbers[0], count) : 0;
    q->last = slice->given[1] ? place(slice->numbers[1], count) : count;
    q->step = slice->given[2] ? (slice->numbers[2] < (int64_t)count ? (size_t)slice->numbers[2] : count + 1) : 1;
}

/* ---- the statement ---- */

/* The word that says where items come from, NULL if there is none; *behind is left behind it. */
static const char *find_word(const char *rest, enum submit_items_from *from, const char **behind)
{
    static const struct { const char *word; enum submit_items_from from; } words[] = {
        { "in", SUBMIT_ITEMS_IN }, { "from", SUBMIT_ITEMS_FROM }, { "matching", SUBMIT_ITEMS_MATCHING },
    };
    for (const char *p = rest; *p;) {
        size_t len = strcspn(p, " \t,([");
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
            if (strlen(words[i].word) == len && strncasecmp(p, words[i].word, len) == 0) {
                *from = words[i].from;
                *behind = p + len;
                return p;
            }
        p += len + (p[len] != '\0');
    }
    return NULL;
}

static enum submit_match read_kind(const char **text)
{
    static const char *const words[] = { [SUBMIT_MATCH_ANY] = "any", [SUBMIT_MATCH_FILES] = "files", [SUBMIT_MATCH_DIRS] = "dirs" };
    size_t len = strcspn(*text, " \t([");
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strlen(words[i]) == len && strncasecmp(*text, words[i], len) == 0) {
            *text = submit_skip_blanks(*text + len);
            return (enum submit_match)i;
        }
    return SUBMIT_MATCH_ANY;
}

static int read_list(struct submit_parser *parser, struct submit_queue *q, const char *text, struct error *err)
{
    struct slice slice;
    text = submit_skip_blanks(text);
    enum submit_match kind = q->from == SUBMIT_ITEMS_MATCHING ? read_kind(&text) : SUBMIT_MATCH_ANY;
    if (read_slice(&text, q->from == SUBMIT_ITEMS_MATCHING, &slice, err) < 0)
        return submit_refuse(parser, q->line, err);
    if (submit_read_items(parser, q, text, kind, err) < 0)
        return -1;
    apply_slice(q, &slice);
    return 0;
}

static int make(struct submit_parser *parser, struct submit_queue *q, struct error *err)
{
    size_t items = q->from == SUBMIT_ITEMS_NONE ? 1 : q->first < q->last ? (q->last - q->first - 1) / q->step + 1 : 0;
    if (check_count(parser, q, items, err) < 0)
        return submit_refuse(parser, q->line, err);
    if (q->count == 0 || items == 0)
        return 0;
    bind(parser, q);
    int done = submit_make_jobs(parser, q, err);
    unbind(parser, q);
    return done;
}

static int parse(struct submit_parser *parser, struct submit_queue *q, char *text, struct error *err)
{
    const char *behind = NULL;
    const char *word = find_word(text, &q->from, &behind);
    if (word) {
        auto_free char *before = mem_dup_n(text, (size_t)(word - text));
        if (read_variables(parser, q, before, err) < 0 || parse_count(submit_trim(before), &q->count, err) < 0)
            return submit_refuse(parser, q->line, err);
        if (read_list(parser, q, behind, err) < 0)
            return -1;
    } else if (parse_count(submit_trim(text), &q->count, err) < 0) {
        return submit_refuse(parser, q->line, err);
    }
    return make(parser, q, err);
}

int submit_queue(struct submit_parser *parser, const char *rest, int line, struct error *err)
{
    __attribute__((cleanup(queue_release))) struct submit_queue q = { .line = line, .last = 1, .step = 1 };
    struct submit_expander x = submit_expander_here(parser, line);
    auto_buf struct buf text = { 0 };
    parser->last_queue = line;
    parser->last_queue_file = parser->file;
    parser->settings = 0;
    if (++parser->queue_count > SUBMIT_QUEUES_MAX) {
        error_set(err, ERR_LIMIT, "more than %d queue statements; write 'queue N'", SUBMIT_QUEUES_MAX);
        return submit_refuse(parser, line, err);
    }
    submit_note_uses(parser, rest);
    if (submit_expand(&x, rest, &text, err) < 0)
        return submit_refuse(parser, line, err);
    buf_char(&text, '\0');
    return parse(parser, &q, text.data, err);
}
