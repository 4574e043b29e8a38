/*
 * The lists of items of queue statements.
 *
 *   items = "(" words ")" | words                 words of in, patterns of matching
 *         | "(" newline { line } ")"              a line that starts with ")" ends it
 *         | file | command "|"                    of from: a line is an item
 *
 * All texts stand one behind the other in one buffer: a million items cost their bytes and 16 more each. An item of "from" is
 * split into values when its jobs are made: at the first comma, or blanks where there is none, for each variable but the last,
 * which gets the rest.
 */
#include "job/submit_parts.h"

#include "base/mem.h"

#include <ctype.h>
#include <string.h>

static int add_item(struct submit_items *items, const char *text, size_t len, int line, struct error *err)
{
    if (items->count >= SUBMIT_JOBS_MAX)
        return error_set(err, ERR_LIMIT, "the list has more than %d items; split it", SUBMIT_JOBS_MAX);
    items->list = mem_grow(items->list, &items->capacity, items->count + 1, sizeof *items->list);
    items->list[items->count++] = (struct submit_item){ .at = items->text.len, .line = line };
    items->text.max = SUBMIT_ITEMS_TEXT_MAX + SUBMIT_JOBS_MAX;
    buf_add(&items->text, text, len);
    buf_char(&items->text, '\0');
    if (items->text.full)
        return error_set(err, ERR_LIMIT, "the list is larger than %d MiB; split it", SUBMIT_ITEMS_TEXT_MAX >> 20);
    return 0;
}

static int add_words(struct submit_items *items, const char *text, size_t len, int line, struct error *err)
{
    const char *end = text + len;
    while (text < end) {
        size_t word = 0;
        while (text + word < end && !strchr(", \t", text[word]))
            word++;
        if (word > 0 && add_item(items, text, word, line, err) < 0)
            return -1;
        text += word + 1;
    }
    return 0;
}

/* ---- where they come from ---- */

static int add_line(struct submit_queue *queue, const char *text, size_t len, int line, struct error *err)
{
    if (queue->from != SUBMIT_ITEMS_FROM)
        return add_words(&queue->items, text, len, line, err);
    return add_item(&queue->items, text, len, line, err);
}

/* The lines of the submit file up to the closing parenthesis. */
static int read_lines(struct submit_parser *parser, struct submit_queue *queue, struct error *err)
{
    auto_buf struct buf line = { 0 };
    for (;;) {
        int number = queue->line;
        int got = submit_read(&parser->source->reader, &line, &number, err);
        if (got == SUBMIT_END) {
            error_set(err, ERR_INVALID, "the list of items is never closed; add a line with ')' behind the last item");
            return submit_refuse(parser, queue->line, err);
        }
        if (got == 0 && line.len > 0 && line.data[0] == ')')
            return 0;
        if (got < 0 || (line.len > 0 && add_line(queue, line.data, line.len, number, err) < 0))
            return submit_refuse(parser, number, err);
    }
}

/* A text from outside: each line is an item; there are no comments. */
static int read_text(struct submit_parser *parser, struct submit_queue *queue, const char *name, const struct buf *text,
                     struct error *err)
{
    struct submit_reader reader = { .text = buf_cstr(text), .len = text->len, .items = true };
    auto_buf struct buf line = { 0 };
    queue->items.file = submit_note_file(parser, name);
    for (;;) {
        int number = 0;
        int got = submit_read(&reader, &line, &number, err);
        if (got == SUBMIT_END)
            return 0;
        if (got < 0 || (line.len > 0 && add_item(&queue->items, line.data, line.len, number, err) < 0))
            return error_wrap(err, "%s:%d", name, number);
    }
}

static int read_outside(struct submit_parser *parser, struct submit_queue *queue, char *name, struct error *err)
{
    const struct submit_outside *outside = parser->options->outside;
    auto_buf struct buf text = { .max = SUBMIT_ITEMS_TEXT_MAX };
    size_t len = strlen(name);
    bool command = name[len - 1] == '|';
    if (command) {
        name[len - 1] = '\0';
        name = submit_trim(name);
    }
    if (!*name)
        return error_set(err, ERR_INVALID, "'queue … from' names no %s", command ? "command before the '|'" : "file");
    if (!outside || !(command ? outside->run : outside->read))
        return error_set(err, ERR_INVALID, command ? "no command can be run here" : "no other file can be read here");
    int r = (command ? outside->run : outside->read)(outside->context, name, &text, err);
    if (r == SUBMIT_ABSENT)
        return error_set(err, ERR_INVALID, "'%.200s' does not exist; it is to have the items, one a line", name);
    if (r == 0 && text.full)
        return error_set(err, ERR_LIMIT, "'%.200s' has more than %d MiB", name, SUBMIT_ITEMS_TEXT_MAX >> 20);
    return r < 0 ? -1 : read_text(parser, queue, name, &text, err);
}

/* ---- patterns ---- */

static int compare_items(const void *a, const void *b, void *text)
{
    const struct submit_item *x = a, *y = b;
    int order = strcmp((char *)text + x->at, (char *)text + y->at);
    return order ? order : (x->at > y->at) - (x->at < y->at);
}

static int compare_places(const void *a, const void *b)
{
    const struct submit_item *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

/* Keeps the first of equal names; order stays. */
static void drop_duplicates(struct submit_parser *parser, struct submit_items *found, int line)
{
    size_t kept = 0;
    if (found->count == 0)
        return;
    qsort_r(found->list, found->count, sizeof *found->list, compare_items, found->text.data);
    for (size_t i = 0; i < found->count; i++) {
        const char *name = found->text.data + found->list[i].at;
        if (kept > 0 && strcmp(found->text.data + found->list[kept - 1].at, name) == 0)
            submit_warn(parser, line, "'%.60s' matches twice and is taken once", name);
        else
            found->list[kept++] = found->list[i];
    }
    found->count = kept;
    qsort(found->list, kept, sizeof *found->list, compare_places);
}

static int match_pattern(struct submit_parser *parser, struct submit_queue *queue, const char *pattern, enum submit_match kind,
                         struct submit_items *found, struct error *err)
{
    const struct submit_outside *outside = parser->options->outside;
    auto_buf struct buf names = { .max = SUBMIT_ITEMS_TEXT_MAX };
    if (!outside || !outside->match)
        return error_set(err, ERR_INVALID, "no files can be looked for here");
    if (outside->match(outside->context, pattern, kind, &names, err) < 0)
        return -1;
    if (names.full)
        return error_set(err, ERR_LIMIT, "the names that match '%.60s' have more than %d MiB", pattern, SUBMIT_ITEMS_TEXT_MAX >> 20);
    if (names.len == 0)
        submit_warn(parser, queue->line, "nothing matches '%.60s'", pattern);
    for (size_t at = 0; at < names.len; at += strlen(names.data + at) + 1) {
        const char *name = names.data + at;
        if (add_item(found, name, strlen(name), queue->line, err) < 0)
            return -1;
    }
    return 0;
}

/* Puts what the patterns among the items stand for in their place. */
static int match_patterns(struct submit_parser *parser, struct submit_queue *queue, enum submit_match kind, struct error *err)
{
    struct submit_items patterns = queue->items;
    struct submit_items found = { .file = patterns.file };
    int r = 0;
    for (size_t i = 0; i < patterns.count && r == 0; i++)
        r = match_pattern(parser, queue, patterns.text.data + patterns.list[i].at, kind, &found, err);
    if (patterns.count > 1)
        drop_duplicates(parser, &found, queue->line);
    free(patterns.list);
    buf_release(&patterns.text);
    queue->items = found;
    return r;
}

/* ---- all ---- */

int submit_read_items(struct submit_parser *parser, struct submit_queue *queue, const char *text, enum submit_match kind,
                      struct error *err)
{
    auto_free char *copy = mem_dup(text);
    char *p = submit_trim(copy);
    size_t len = strlen(p);
    int r = 0;
    queue->items.file = parser->file;
    if (*p == '(' && p[len - 1] == ')') {
        p[len - 1] = '\0';
        p = submit_trim(p + 1);
        r = *p ? add_line(queue, p, strlen(p), queue->line, err) : 0;
    } else if (*p == '(' && queue->from != SUBMIT_ITEMS_FROM && strrchr(p, ')')) {
        r = error_set(err, ERR_INVALID, "'%.40s' stands behind the ')' of the list; remove it, or put it on a line of its own",
                      submit_skip_blanks(strrchr(p, ')') + 1));
    } else if (*p == '(') {
        const char *first = submit_skip_blanks(p + 1);
        if (*first && add_line(queue, first, strlen(first), queue->line, err) < 0)
            return submit_refuse(parser, queue->line, err);
        if (read_lines(parser, queue, err) < 0)
            return -1;
    } else if (len == 0)
        r = error_set(err, ERR_INVALID, "the queue statement ends where its items should be; write them behind it, or in parentheses");
    else if (queue->from == SUBMIT_ITEMS_FROM)
        r = read_outside(parser, queue, p, err);
    else
        r = add_words(&queue->items, p, len, queue->line, err);
    if (r == 0 && queue->from == SUBMIT_ITEMS_MATCHING)
        r = match_patterns(parser, queue, kind, err);
    return r < 0 ? submit_refuse(parser, queue->line, err) : 0;
}

/* Cuts the value off the text's start: *text is left behind it and the separator. */
static size_t take_value(const char **text, bool units)
{
    const char *p = *text;
    size_t len = units ? strcspn(p, "\x1f") : strcspn(p, ", \t");
    const char *next = p + len;
    if (!units)
        next += strspn(next, " \t");
    next += units ? *next == '\x1f' : *next == ',';
    *text = next + strspn(next, " \t");
    while (len > 0 && isspace((unsigned char)p[len - 1]))
        len--;
    return len;
}

void submit_take_item(struct submit_queue *queue, size_t index)
{
    const struct submit_item *item = &queue->items.list[index];
    const char *text = queue->items.text.data + item->at;
    size_t offsets[SUBMIT_VARIABLES_MAX];
    bool units = strchr(text, '\x1f') != NULL;
    buf_clear(&queue->values);
    for (size_t i = 0; i < queue->var_count; i++) {
        bool last = i + 1 == queue->var_count;
        const char *value = text;
        size_t len = last || queue->from != SUBMIT_ITEMS_FROM ? strlen(text) : take_value(&text, units);
        offsets[i] = queue->values.len;
        buf_add(&queue->values, value, len);
        buf_char(&queue->values, '\0');
    }
    for (size_t i = 0; i < queue->var_count; i++) {
        struct submit_key *key = queue->vars[i].key;
        key->item = queue->values.data + offsets[i];
        key->line = item->line;
        key->file = queue->items.file;
    }
}
