/*
 * The submit language's statements:
 *
 *   file      = { line }
 *   line      = key "=" value | "+" name "=" value | "MY." name "=" value | "queue" [ number ]
 *
 * Keys compare without case. A line only changes the table of keys; a queue statement makes jobs from the table as it stands
 * there (submit_job.c). A key that is no command is a macro if some $(…) uses it, anywhere in the file, and a mistake
 * otherwise: that is known at the end, when the warnings are made.
 *
 * What the language has beyond this (items after queue, if, include, functions) is refused by name, never misread.
 */
#include "job/submit_parts.h"

#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- warnings ---- */

static bool already_warned(const struct submit *out, int line, const char *text)
{
    for (size_t i = 0; i < out->warning_count; i++)
        if (out->warnings[i].line == line && strcmp(out->warnings[i].text, text) == 0)
            return true;
    return false;
}

void submit_warn(struct submit_parser *parser, int line, const char *fmt, ...)
{
    struct submit *out = parser->out;
    char text[512];
    va_list ap;
    if (out->warning_count >= SUBMIT_WARNINGS_MAX)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (already_warned(out, line, text))
        return;
    out->warnings = mem_grow(out->warnings, &parser->warning_capacity, out->warning_count + 1, sizeof *out->warnings);
    out->warnings[out->warning_count++] = (struct submit_warning){ .line = line, .text = mem_dup(text) };
}

static int compare_warnings(const void *a, const void *b)
{
    const struct submit_warning *x = a, *y = b;
    return x->line != y->line ? (x->line > y->line) - (x->line < y->line) : strcmp(x->text, y->text);
}

/* ---- assignments ---- */

static int refuse(const struct submit_parser *parser, int line, struct error *err)
{
    return error_wrap(err, "%s:%d", parser->options->file, line);
}

static int remember_attribute(struct submit_parser *parser, const struct submit_key *key, struct error *err)
{
    if (parser->attribute_count >= SUBMIT_ATTRIBUTES_MAX)
        return error_set(err, ERR_LIMIT, "more than %d attributes", SUBMIT_ATTRIBUTES_MAX);
    parser->attributes = mem_grow(parser->attributes, &parser->attribute_capacity, parser->attribute_count + 1,
                                  sizeof *parser->attributes);
    parser->attributes[parser->attribute_count++] = key;
    return 0;
}

/* Gives a key its new text. */
static int assign(struct submit_parser *parser, const char *name, const char *value, int line, struct error *err)
{
    auto_buf struct buf text = { 0 };
    submit_note_uses(parser, value);
    if (submit_expand_self(parser, name, value, &text, err) < 0)
        return -1;
    if (parser->table.count >= SUBMIT_NAMES_MAX && !submit_table_find(&parser->table, name))
        return error_set(err, ERR_LIMIT, "more than %d different names", SUBMIT_NAMES_MAX);
    struct submit_key *key = submit_table_add(&parser->table, name);
    bool was_set = key->text != NULL;
    free(key->text);
    key->text = buf_steal(&text);
    key->line = line;
    if (key->command)
        parser->set[key->command - submit_commands] = key;
    else if (!was_set && strncmp(key->name, "MY.", 3) == 0)
        return remember_attribute(parser, key, err);
    return 0;
}

static const char *skip_blanks(const char *p)
{
    while (isspace((unsigned char)*p))
        p++;
    return p;
}

/* The key at the start of the line, "+x" and "my.x" as "MY.x"; returns what follows it, NULL when there is no key. */
static const char *read_key(const char *line, char name[SUBMIT_NAME_MAX])
{
    bool plus = *line == '+';
    const char *from = plus ? skip_blanks(line + 1) : line;
    bool dotted = !plus && strncasecmp(from, "MY.", 3) == 0;
    from += dotted ? 3 : 0;
    size_t len = 0;
    while (isalnum((unsigned char)from[len]) || from[len] == '_' || from[len] == '.')
        len++;
    if (len == 0 || len > SUBMIT_NAME_MAX - 4 || isdigit((unsigned char)*from) || *from == '.')
        return NULL;
    snprintf(name, SUBMIT_NAME_MAX, "%s%.*s", plus || dotted ? "MY." : "", (int)len, from);
    if ((plus || dotted) && !ad_name_valid(name + 3))
        return NULL;
    return skip_blanks(from + len);
}

static int not_a_statement(const char *line, struct error *err)
{
    return error_set(err, ERR_INVALID, "'%.60s' is no statement; write 'key = value', '+Attribute = expression' or 'queue'",
                     line);
}

static int read_assignment(struct submit_parser *parser, const char *line, int number, struct error *err)
{
    char name[SUBMIT_NAME_MAX];
    const char *p = read_key(line, name);
    if (!p)
        return not_a_statement(line, err);
    if (p[0] == '@' && p[1] == '=')
        return error_set(err, ERR_INVALID, "values of several lines ('@=') are not supported yet; end lines with '\\' instead");
    if (*p != '=')
        return not_a_statement(line, err);
    return assign(parser, name, skip_blanks(p + 1), number, err);
}

/* ---- queue ---- */

/* The word of an item list in the rest of a queue statement, NULL if there is none. */
static const char *item_word(const char *rest)
{
    static const char *const words[] = { "in", "from", "matching" };
    for (const char *p = rest; *p;) {
        size_t len = strcspn(p, " \t(,[");
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
            if (strlen(words[i]) == len && strncasecmp(p, words[i], len) == 0)
                return words[i];
        p += len + (p[len] != '\0');
    }
    return NULL;
}

static int parse_count(const char *text, int64_t *count, struct error *err)
{
    char *end;
    errno = 0;
    *count = *text ? strtoll(text, &end, 10) : 1;
    if (*text && (end == text || *end))
        return error_set(err, ERR_INVALID, "'queue %.60s' is not understood; write 'queue' or 'queue N'", text);
    if (*count < 0 && !errno)
        return error_set(err, ERR_INVALID, "'queue %.60s' asks for less than no job; write a positive number", text);
    return errno ? error_set(err, ERR_LIMIT, "'queue %.60s' asks for too many jobs; the most is %d", text, SUBMIT_JOBS_MAX) : 0;
}

static int check_count(struct submit_parser *parser, int64_t count, int line, struct error *err)
{
    if (count > SUBMIT_JOBS_MAX || parser->out->proc_count + (size_t)count > SUBMIT_JOBS_MAX)
        return error_set(err, ERR_LIMIT, "more than %d jobs in one submission; split it into several", SUBMIT_JOBS_MAX);
    if (++parser->queue_count > SUBMIT_QUEUES_MAX)
        return error_set(err, ERR_LIMIT, "more than %d queue statements; write 'queue N'", SUBMIT_QUEUES_MAX);
    if (count == 0)
        submit_warn(parser, line, "'queue 0' makes no job");
    return 0;
}

static int read_queue(struct submit_parser *parser, const char *rest, int line, struct error *err)
{
    struct submit_expander x = { .parser = parser, .line = line, .proc = (int)parser->out->proc_count };
    auto_buf struct buf text = { 0 };
    int64_t count = 0;
    const char *word = item_word(rest);
    parser->last_queue = line;
    submit_note_uses(parser, rest);
    if (word) {
        error_set(err, ERR_INVALID,
                  "'queue … %s' is not supported yet; write one 'queue' per job, with the values set above it", word);
        return refuse(parser, line, err);
    }
    if (submit_expand(&x, rest, &text, err) < 0)
        return refuse(parser, line, err);
    while (text.len > 0 && isspace((unsigned char)text.data[text.len - 1]))
        text.data[--text.len] = '\0';
    if (parse_count(skip_blanks(buf_cstr(&text)), &count, err) < 0 || check_count(parser, count, line, err) < 0)
        return refuse(parser, line, err);
    return count > 0 ? submit_make_jobs(parser, (int)count, line, err) : 0;
}

/* ---- lines ---- */

/* Whether the line starts with the word as a statement of its own (and not as a key: "error = job.err"). */
static bool is_statement(const char *line, const char *word)
{
    size_t len = strlen(word);
    if (strncasecmp(line, word, len) != 0 || isalnum((unsigned char)line[len]) || line[len] == '_' || line[len] == '.')
        return false;
    const char *next = skip_blanks(line + len);
    return *next != '=' || next[1] == '=';
}

static int read_line(struct submit_parser *parser, const char *line, int number, struct error *err)
{
    static const char *const unknown[] = { "if", "elif", "else", "endif", "include", "use", "error", "warning" };
    if (is_statement(line, "queue"))
        return read_queue(parser, skip_blanks(line + strlen("queue")), number, err);
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        if (is_statement(line, unknown[i])) {
            error_set(err, ERR_INVALID, "'%s' is not supported yet; write the lines that apply without it", unknown[i]);
            return refuse(parser, number, err);
        }
    return read_assignment(parser, line, number, err) < 0 ? refuse(parser, number, err) : 0;
}

static int read_lines(struct submit_parser *parser, const char *text, size_t len, struct error *err)
{
    struct submit_reader reader = { .text = text, .len = len };
    auto_buf struct buf line = { 0 };
    for (;;) {
        int number = 0;
        int got = submit_read(&reader, &line, &number, err);
        if (got < 0)
            return refuse(parser, number, err);
        if (got == SUBMIT_END)
            return 0;
        if (line.len > 0 && read_line(parser, buf_cstr(&line), number, err) < 0)
            return -1;
    }
}

/* ---- the end ---- */

static const char *attribute_of_command(const char *name)
{
    for (size_t i = 0; i < submit_command_count; i++)
        if (submit_commands[i].attribute && strcasecmp(submit_commands[i].attribute, name) == 0)
            return submit_commands[i].name;
    return NULL;
}

static void warn_unknown(struct submit_parser *parser, const struct submit_key *key)
{
    char guess[SUBMIT_NAME_MAX];
    const char *command = attribute_of_command(key->name);
    if (command)
        submit_warn(parser, key->line, "unknown command '%s' is ignored; did you mean '%s'?", key->name, command);
    else if (submit_guess(key->name, false, guess))
        submit_warn(parser, key->line, "unknown command '%s' is ignored; did you mean '%s'?", key->name, guess);
    else
        submit_warn(parser, key->line, "unknown command '%s' is ignored, and no $(%s) uses it", key->name, key->name);
}

static void warn_at_end(struct submit_parser *parser)
{
    for (size_t i = 0; i < parser->table.count && parser->out->warning_count < SUBMIT_WARNINGS_MAX; i++) {
        const struct submit_key *key = parser->table.keys[i];
        if (!key->text)
            continue;
        if (!key->command && !key->used && strncmp(key->name, "MY.", 3) != 0)
            warn_unknown(parser, key);
        else if (key->line > parser->last_queue)
            submit_warn(parser, key->line, "'%s' has no effect: no 'queue' follows", key->name);
    }
    if (parser->out->warning_count > 0)
        qsort(parser->out->warnings, parser->out->warning_count, sizeof *parser->out->warnings, compare_warnings);
}

static void note_lines(struct submit_parser *parser)
{
    struct submit *out = parser->out;
    out->lines = mem_zero(submit_command_count, sizeof *out->lines);
    for (size_t i = 0; i < submit_command_count; i++)
        if (parser->set[i])
            out->lines[out->line_count++] = (struct submit_line){ submit_commands[i].name, parser->set[i]->line };
}

static int parse(struct submit_parser *parser, const char *text, size_t len, struct error *err)
{
    const char *file = parser->options->file;
    if (len > SUBMIT_TEXT_MAX)
        return error_set(err, ERR_LIMIT, "%s: the file is larger than %d MiB", file, SUBMIT_TEXT_MAX >> 20);
    if (read_lines(parser, text, len, err) < 0)
        return -1;
    if (parser->last_queue == 0)
        return error_set(err, ERR_INVALID,
                         "%s: there is no 'queue' statement, so there is no job; add 'queue' as the last line", file);
    if (parser->out->proc_count == 0)
        return error_set(err, ERR_INVALID, "%s:%d: the file makes no job; queue at least one", file, parser->last_queue);
    warn_at_end(parser);
    note_lines(parser);
    return 0;
}

int submit_parse(const char *text, size_t len, const struct submit_options *options, struct submit *out, struct error *err)
{
    struct submit made = { 0 };
    struct submit_parser parser = { .options = options, .out = &made };
    parser.set = mem_zero(submit_command_count, sizeof *parser.set);
    int done = parse(&parser, text, len, err);
    free(parser.set);
    free(parser.attributes);
    submit_table_release(&parser.table);
    if (done < 0)
        submit_release(&made);
    else
        *out = made;
    return done;
}

void submit_release(struct submit *submit)
{
    ad_free(submit->cluster);
    for (size_t i = 0; i < submit->proc_count; i++)
        ad_free(submit->procs[i]);
    free(submit->procs);
    for (size_t i = 0; i < submit->warning_count; i++)
        free(submit->warnings[i].text);
    free(submit->warnings);
    free(submit->lines);
    *submit = (struct submit){ 0 };
}

int submit_line(const struct submit *submit, const char *command)
{
    for (size_t i = 0; i < submit->line_count; i++)
        if (strcmp(submit->lines[i].command, command) == 0)
            return submit->lines[i].line;
    return 0;
}
