/*
 * The submit language's statements:
 *
 *   line = key "=" value | key "@=" tag newline { line } "@" tag
 *        | "+" name "=" value | "MY." name "=" value
 *        | "queue" … | "if" … | "elif" … | "else" | "endif" | "include" … | "error" ":" text | "warning" ":" text
 *
 * Keys compare without case. A line only changes the table of keys; a queue statement makes jobs from the table as it stands
 * there (submit_job.c). A macro in a key is expanded at once.
 */
#include "job/submit_parts.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *submit_skip_blanks(const char *p)
{
    while (isspace((unsigned char)*p))
        p++;
    return p;
}

char *submit_trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        text[--len] = '\0';
    return text;
}

bool submit_is_statement(const char *line, const char *word)
{
    size_t len = strlen(word);
    if (strncasecmp(line, word, len) != 0 || isalnum((unsigned char)line[len]) || line[len] == '_' || line[len] == '.')
        return false;
    const char *next = submit_skip_blanks(line + len);
    return (*next != '=' || next[1] == '=') && (*next != '@' || next[1] != '=');
}

/* ---- assignments ---- */

int submit_remember_attribute(struct submit_parser *parser, struct submit_key *key, struct error *err)
{
    if (key->attribute)
        return 0;
    if (parser->attribute_count >= SUBMIT_ATTRIBUTES_MAX)
        return error_set(err, ERR_LIMIT, "more than %d attributes", SUBMIT_ATTRIBUTES_MAX);
    parser->attributes = mem_grow(parser->attributes, &parser->attribute_capacity, parser->attribute_count + 1,
                                  sizeof *parser->attributes);
    parser->attributes[parser->attribute_count++] = key;
    key->attribute = true;
    return 0;
}

/* Gives a key its new text. */
static int assign(struct submit_parser *parser, const char *name, const char *value, int line, int column, struct error *err)
{
    auto_buf struct buf text = { 0 };
    submit_note_uses(parser, value);
    if (submit_expand_self(parser, name, value, &text, err) < 0)
        return -1;
    if (parser->table.count >= SUBMIT_NAMES_MAX && !submit_table_find(&parser->table, name))
        return error_set(err, ERR_LIMIT, "more than %d different names", SUBMIT_NAMES_MAX);
    struct submit_key *key = submit_table_add(&parser->table, name);
    bool same = strcmp(buf_cstr(&text), value) == 0;
    free(key->text);
    key->text = buf_steal(&text);
    if (!key->text)
        key->text = mem_dup("");
    key->file = parser->file;
    key->line = line;
    key->column = same ? column : 0;
    parser->settings++;
    if (key->command)
        parser->set[key->command - submit_commands] = key;
    return strncmp(key->name, "MY.", 3) == 0 ? submit_remember_attribute(parser, key, err) : 0;
}

const char *submit_read_key(const char *line, char name[SUBMIT_NAME_MAX])
{
    bool plus = *line == '+';
    const char *from = plus ? submit_skip_blanks(line + 1) : line;
    bool dotted = !plus && strncasecmp(from, "MY.", 3) == 0;
    from += dotted ? 3 : 0;
    size_t len = submit_name_length(from);
    if (len == 0 || len > SUBMIT_NAME_MAX - 4 || isdigit((unsigned char)*from) || *from == '.')
        return NULL;
    snprintf(name, SUBMIT_NAME_MAX, "%s%.*s", plus || dotted ? "MY." : "", (int)len, from);
    if ((plus || dotted) && !ad_name_valid(name + 3))
        return NULL;
    return submit_skip_blanks(from + len);
}

bool submit_is_assignment(const char *text)
{
    char name[SUBMIT_NAME_MAX];
    const char *p = submit_read_key(submit_skip_blanks(text), name);
    return p && *p == '=' && p[1] != '=';
}

/* A near misspelling of a statement's word, or NULL. */
static const char *near_statement(const char *line)
{
    static const char *const words[] = { "queue", "include", "endif", "elif" };
    char word[SUBMIT_NAME_MAX];
    snprintf(word, sizeof word, "%.*s", (int)strcspn(line, " \t:="), line);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (submit_distance(word, words[i], 1) <= 1)
            return words[i];
    return NULL;
}

static int not_a_statement(const char *line, struct error *err)
{
    const char *word = near_statement(line);
    if (word)
        return error_set(err, ERR_INVALID, "'%.60s' is no statement; did you mean '%s'?", line, word);
    return error_set(err, ERR_INVALID, "'%.60s' is no statement; write 'key = value', '+Attribute = expression' or 'queue'",
                     line);
}

/* The lines up to "@tag", joined by newlines. */
static int read_many(struct submit_parser *parser, const char *tag, int number, struct buf *value, struct error *err)
{
    auto_buf struct buf line = { 0 };
    if (!*tag)
        return error_set(err, ERR_INVALID, "'@=' lacks its tag; write 'key @=end', the lines, and '@end' on a line of its own");
    for (;;) {
        int at = number;
        int got = submit_read(&parser->source->reader, &line, &at, err);
        if (got < 0)
            return error_wrap(err, "on line %d", at);
        if (got == SUBMIT_END)
            return error_set(err, ERR_INVALID, "the value is never closed; add a line with '@%.60s'", tag);
        if (line.len > 0 && line.data[0] == '@' && strcmp(line.data + 1, tag) == 0)
            return 0;
        value->max = SUBMIT_VALUE_MAX;
        if (value->len > 0)
            buf_char(value, '\n');
        buf_add(value, line.data, line.len);
        if (value->full)
            return error_set(err, ERR_LIMIT, "the value is longer than %d bytes", SUBMIT_VALUE_MAX);
    }
}

/* The line with the macros of its key expanded, when it has some. */
static int expand_key(struct submit_parser *parser, const char *line, int number, struct buf *out, struct error *err)
{
    struct submit_expander x = submit_expander_here(parser, number);
    const char *p = line, *dollar = strchr(line, '$'), *equal = strchr(line, '=');
    if (!dollar || !equal || dollar > equal)
        return 0;
    while (*p && *p != '=' && *p != '@')
        p = p[0] == '$' && p[1] == '(' && submit_closing(p + 2) ? submit_closing(p + 2) : p + 1;
    auto_free char *key = mem_dup_n(line, (size_t)(p - line));
    submit_note_uses(parser, key);
    if (submit_expand(&x, key, out, err) < 0)
        return -1;
    out->max = 0;
    buf_text(out, p);
    return 0;
}

static int read_assignment(struct submit_parser *parser, const char *line, int number, struct error *err)
{
    char name[SUBMIT_NAME_MAX];
    auto_buf struct buf composed = { 0 }, many = { 0 };
    int column = parser->source->reader.column;
    if (expand_key(parser, line, number, &composed, err) < 0)
        return -1;
    const char *text = composed.len > 0 ? composed.data : line;
    const char *p = submit_read_key(text, name);
    if (p && p[0] == '@' && p[1] == '=') {
        if (read_many(parser, submit_skip_blanks(p + 2), number, &many, err) < 0)
            return -1;
        return assign(parser, name, buf_cstr(&many), number, 0, err);
    }
    if (!p || *p != '=')
        return not_a_statement(text, err);
    const char *value = submit_skip_blanks(p + 1);
    return assign(parser, name, value, number, text == line && column > 0 ? column + (int)(value - line) : 0, err);
}

/* ---- lines ---- */

static int read_queue(struct submit_parser *parser, const char *rest, int number, struct error *err)
{
    const struct submit_options *options = parser->options;
    if (options->append && submit_read_texts(parser, options->append, false, err) < 0)
        return -1;
    return submit_queue(parser, rest, number, err);
}

/* "include", also "@include". */
static const char *include_of(const char *line)
{
    line += *line == '@';
    return submit_is_statement(line, "include") ? line + strlen("include") : NULL;
}

static int read_statement(struct submit_parser *parser, const char *line, int number, struct error *err)
{
    const char *include = include_of(line);
    if (include)
        return submit_include(parser, include, number, err);
    if (submit_is_statement(line, "error"))
        return submit_message(parser, true, line + strlen("error"), number, err);
    if (submit_is_statement(line, "warning"))
        return submit_message(parser, false, line + strlen("warning"), number, err);
    if (submit_is_statement(line, "use"))
        return error_set(err, ERR_INVALID, "'use' is not supported: there are no templates; write its lines, or 'include : file'");
    return read_assignment(parser, line, number, err);
}

static int read_line(struct submit_parser *parser, const char *line, int number, struct error *err)
{
    line += *line == ':' && parser->source->if_depth > 0; /* hides the line from HTCondor before 8.1.5 */
    line = submit_skip_blanks(line);
    int r = submit_condition(parser, line, number, err);
    if (r == SUBMIT_NO_CONDITION && !submit_applies(parser->source))
        return 0;
    if (r == SUBMIT_NO_CONDITION && submit_is_statement(line, "queue"))
        return read_queue(parser, submit_skip_blanks(line + strlen("queue")), number, err);
    if (r == SUBMIT_NO_CONDITION)
        r = read_statement(parser, line, number, err);
    if (r == SUBMIT_FAILED_WITHIN && parser->source->depth > 0) /* of a long chain the first and the last are told */
        return -1;
    return r < 0 ? submit_refuse(parser, number, err) : 0;
}

static int check_end(const struct submit_parser *parser, struct error *err)
{
    const struct submit_source *source = parser->source;
    if (source->if_depth == 0)
        return 0;
    error_set(err, ERR_INVALID, "this 'if' is never closed; add 'endif'");
    return submit_refuse(parser, source->ifs[source->if_depth - 1].line, err);
}

static int read_lines(struct submit_parser *parser, struct error *err)
{
    auto_buf struct buf line = { 0 };
    for (;;) {
        int number = 0;
        int got = submit_read(&parser->source->reader, &line, &number, err);
        if (got < 0)
            return submit_refuse(parser, number, err);
        if (got == SUBMIT_END)
            return check_end(parser, err);
        if (line.len > 0 && read_line(parser, buf_cstr(&line), number, err) < 0)
            return -1;
    }
}

static int read_source(struct submit_parser *parser, struct submit_source *source, struct error *err)
{
    struct submit_source *outer = parser->source;
    const char *outer_file = parser->file;
    parser->source = source;
    parser->file = source->file;
    int done = read_lines(parser, err);
    parser->source = outer;
    parser->file = outer_file;
    return done;
}

int submit_read_source(struct submit_parser *parser, const char *file, const char *text, size_t len, int depth, struct error *err)
{
    struct submit_source source = { .reader = { .text = text, .len = len }, .file = file, .depth = depth };
    return read_source(parser, &source, err);
}

int submit_read_texts(struct submit_parser *parser, const char *const *lines, bool with_queue, struct error *err)
{
    const char *file = submit_note_file(parser, "command line");
    for (int i = 0; lines[i]; i++) {
        struct submit_source source = { .reader = { .text = lines[i], .len = strlen(lines[i]), .line = i }, .file = file };
        if ((with_queue || !submit_is_statement(submit_skip_blanks(lines[i]), "queue")) && read_source(parser, &source, err) < 0)
            return -1;
    }
    return 0;
}
