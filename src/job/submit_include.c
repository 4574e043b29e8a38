/*
 * Lines from elsewhere:
 *
 *   include = "include" [ "ifexist" ] ":" file
 *           | "include" ":" command "|"
 *           | "include" "command" ":" command
 *
 * What is read is bounded by depth, number and bytes, so that a file that includes itself ends in an error.
 */
#include "job/submit_parts.h"

#include "base/mem.h"

#include <string.h>
#include <strings.h>

struct include {
    bool command, if_exists;
    char *what;
    struct buf text;
};

static void include_release(struct include *in)
{
    buf_release(&in->text);
}

/* The words between "include" and the colon. */
static int read_words(struct include *in, const char *from, const char *colon, struct error *err)
{
    while (from < colon) {
        size_t len = strcspn(from, " \t:");
        if (len == 7 && strncasecmp(from, "command", len) == 0)
            in->command = true;
        else if (len == 7 && strncasecmp(from, "ifexist", len) == 0)
            in->if_exists = true;
        else if (len == 4 && strncasecmp(from, "into", len) == 0)
            return error_set(err, ERR_INVALID, "'include command into' is not supported: the command runs at each submission; "
                                               "leave out 'into' and its file");
        else
            return error_set(err, ERR_INVALID, "'%.*s' is unknown behind 'include'; write 'include : file', 'include ifexist : file' or "
                                               "'include command : command'", (int)len, from);
        from = submit_skip_blanks(from + len);
    }
    return 0;
}

static int read_text(struct submit_parser *parser, struct include *in, struct error *err)
{
    const struct submit_outside *outside = parser->options->outside;
    in->text.max = SUBMIT_TEXT_MAX;
    if (in->command) {
        if (!outside || !outside->run)
            return error_set(err, ERR_INVALID, "no command can be run here");
        return outside->run(outside->context, in->what, &in->text, err);
    }
    if (!outside || !outside->read)
        return error_set(err, ERR_INVALID, "no other file can be read here");
    int r = outside->read(outside->context, in->what, &in->text, err);
    if (r == SUBMIT_ABSENT && !in->if_exists)
        return error_set(err, ERR_INVALID, "'%.200s' does not exist; write 'include ifexist : %.60s' if that is no mistake", in->what, in->what);
    return r;
}

static int check_bounds(struct submit_parser *parser, const struct include *in, struct error *err)
{
    if (parser->source->depth >= SUBMIT_INCLUDE_DEPTH_MAX)
        return error_set(err, ERR_LIMIT, "files include each other more than %d deep; does '%.60s' include itself?",
                         SUBMIT_INCLUDE_DEPTH_MAX, in->what);
    if (++parser->include_count > SUBMIT_INCLUDES_MAX)
        return error_set(err, ERR_LIMIT, "more than %d files are included", SUBMIT_INCLUDES_MAX);
    return 0;
}

static int include(struct submit_parser *parser, struct include *in, struct error *err)
{
    if (check_bounds(parser, in, err) < 0)
        return -1;
    int r = read_text(parser, in, err);
    if (r != 0)
        return r < 0 ? -1 : 0;
    parser->included += in->text.len;
    if (in->text.full || parser->included > SUBMIT_TEXT_MAX)
        return error_set(err, ERR_LIMIT, "what is included is larger than %d MiB", SUBMIT_TEXT_MAX >> 20);
    const char *file = submit_note_file(parser, in->what);
    int done = submit_read_source(parser, file, buf_cstr(&in->text), in->text.len, parser->source->depth + 1, err);
    return done < 0 ? SUBMIT_FAILED_WITHIN : 0;
}

int submit_include(struct submit_parser *parser, const char *rest, int number, struct error *err)
{
    __attribute__((cleanup(include_release))) struct include in = { 0 };
    struct submit_expander x = submit_expander_here(parser, number);
    auto_buf struct buf text = { 0 };
    const char *colon = strchr(rest, ':');
    if (!colon)
        return error_set(err, ERR_INVALID, "'include' lacks its colon; write 'include : file'");
    submit_note_uses(parser, rest);
    if (read_words(&in, submit_skip_blanks(rest), colon, err) < 0 || submit_expand(&x, colon + 1, &text, err) < 0)
        return -1;
    buf_char(&text, '\0');
    in.what = submit_trim(text.data);
    size_t len = strlen(in.what);
    if (len > 0 && in.what[len - 1] == '|') {
        in.command = true;
        in.what[len - 1] = '\0';
        in.what = submit_trim(in.what);
    }
    if (!*in.what)
        return error_set(err, ERR_INVALID, "'include' names nothing; write 'include : file'");
    return include(parser, &in, err);
}

int submit_message(struct submit_parser *parser, bool fatal, const char *rest, int number, struct error *err)
{
    struct submit_expander x = submit_expander_here(parser, number);
    auto_buf struct buf text = { 0 };
    const char *colon = strchr(rest, ':');
    if (!colon)
        return error_set(err, ERR_INVALID, "'%s' lacks its colon; write '%s : text', or '%s = …' for the command", fatal ? "error" : "warning",
                         fatal ? "error" : "warning", fatal ? "error" : "warning");
    submit_note_uses(parser, rest);
    if (submit_expand(&x, submit_skip_blanks(colon + 1), &text, err) < 0)
        return -1;
    if (fatal)
        return error_set(err, ERR_INVALID, "%.400s", buf_cstr(&text));
    submit_warn(parser, number, "%.400s", buf_cstr(&text));
    return 0;
}
