/*
 * A submit file as a whole: its statements are read (submit_line.c), queue statements among them make jobs, and what is
 * suspicious about it makes warnings.
 *
 * A key that is no command is a macro if some $(…) uses it, anywhere in the file, and a mistake otherwise: that is known at the
 * end.
 */
#include "job/submit_parts.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- warnings ---- */

static bool already_warned(const struct submit *out, const char *file, int line, const char *text)
{
    for (size_t i = 0; i < out->warning_count; i++)
        if (out->warnings[i].line == line && out->warnings[i].file == file && strcmp(out->warnings[i].text, text) == 0)
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
    if (already_warned(out, parser->file, line, text))
        return;
    out->warnings = mem_grow(out->warnings, &parser->warning_capacity, out->warning_count + 1, sizeof *out->warnings);
    out->warnings[out->warning_count++] = (struct submit_warning){ .line = line, .file = parser->file, .text = mem_dup(text) };
}

int submit_refuse(const struct submit_parser *parser, int line, struct error *err)
{
    return error_wrap(err, "%s:%d", parser->file, line);
}

const char *submit_note_file(struct submit_parser *parser, const char *name)
{
    struct submit *out = parser->out;
    for (size_t i = 0; i < out->file_count; i++)
        if (strcmp(out->files[i], name) == 0)
            return out->files[i];
    out->files = mem_grow(out->files, &parser->file_capacity, out->file_count + 1, sizeof *out->files);
    out->files[out->file_count] = mem_dup(name);
    return out->files[out->file_count++];
}

/* By file, then by line. */
static int compare_warnings(const void *a, const void *b)
{
    const struct submit_warning *x = a, *y = b;
    int files = strcmp(x->file, y->file);
    if (files != 0)
        return files;
    return x->line != y->line ? (x->line > y->line) - (x->line < y->line) : strcmp(x->text, y->text);
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

/* Whether the key's line stands behind the last queue statement. */
static bool comes_too_late(const struct submit_parser *parser, const struct submit_key *key)
{
    return parser->settings > 0 && key->file == parser->last_queue_file && key->line > parser->last_queue;
}

static void warn_at_end(struct submit_parser *parser)
{
    for (size_t i = 0; i < parser->table.count && parser->out->warning_count < SUBMIT_WARNINGS_MAX; i++) {
        const struct submit_key *key = parser->table.keys[i];
        parser->file = key->file ? key->file : parser->options->file;
        if (key->variable && !key->used && !key->command && !key->attribute && strcasecmp(key->name, "Item") != 0)
            submit_warn(parser, key->variable, "no $(%s) uses this variable of the queue statement", key->name);
        if (!key->text || key->variable)
            continue;
        if (!key->command && !key->used && strncmp(key->name, "MY.", 3) != 0)
            warn_unknown(parser, key);
        else if (comes_too_late(parser, key))
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
            out->lines[out->line_count++] = (struct submit_line){ submit_commands[i].name, parser->set[i]->line, parser->set[i]->file };
}

/* Queue statements of the command line. */
static int read_own_queue(struct submit_parser *parser, const char *queue, struct error *err)
{
    if (parser->last_queue > 0)
        return error_set(err, ERR_INVALID, "%s:%d: the file has a 'queue' statement already; remove it, or the one of the command line",
                         parser->last_queue_file, parser->last_queue);
    auto_free char *line = mem_printf("queue %s", queue);
    const char *lines[] = { line, NULL };
    return submit_read_texts(parser, lines, true, err);
}

static int find_own_queue(const struct submit_options *options, const char **queue, struct error *err)
{
    *queue = options->queue;
    for (const char *const *line = options->append; line && *line; line++) {
        const char *text = submit_skip_blanks(*line);
        if (!submit_is_statement(text, "queue"))
            continue;
        if (*queue)
            return error_set(err, ERR_INVALID, "the command line has two 'queue' statements; leave one of them out");
        *queue = submit_skip_blanks(text + strlen("queue"));
    }
    return 0;
}

static int parse(struct submit_parser *parser, const char *text, size_t len, struct error *err)
{
    const struct submit_options *options = parser->options;
    const char *queue;
    if (find_own_queue(options, &queue, err) < 0)
        return -1;
    if (len > SUBMIT_TEXT_MAX)
        return error_set(err, ERR_LIMIT, "%s: the file is larger than %d MiB", options->file, SUBMIT_TEXT_MAX >> 20);
    if (options->before && submit_read_texts(parser, options->before, false, err) < 0)
        return -1;
    if (submit_read_source(parser, submit_note_file(parser, options->file), text, len, 0, err) < 0)
        return -1;
    if (queue && read_own_queue(parser, queue, err) < 0)
        return -1;
    if (parser->last_queue == 0)
        return error_set(err, ERR_INVALID,
                         "%s: there is no 'queue' statement, so there is no job; add 'queue' as the last line", options->file);
    if (parser->out->proc_count == 0)
        return error_set(err, ERR_INVALID, "%s:%d: the file makes no job; queue at least one", parser->last_queue_file, parser->last_queue);
    warn_at_end(parser);
    note_lines(parser);
    return 0;
}

int submit_parse(const char *text, size_t len, const struct submit_options *options, struct submit *out, struct error *err)
{
    struct submit made = { 0 };
    struct submit_parser parser = { .options = options, .out = &made };
    parser.file = submit_note_file(&parser, options->file);
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
    for (size_t i = 0; i < submit->file_count; i++)
        free(submit->files[i]);
    free(submit->files);
    *submit = (struct submit){ 0 };
}

int submit_line(const struct submit *submit, const char *command, const char **file)
{
    for (size_t i = 0; i < submit->line_count; i++)
        if (strcmp(submit->lines[i].command, command) == 0) {
            if (file)
                *file = submit->lines[i].file;
            return submit->lines[i].line;
        }
    return 0;
}
