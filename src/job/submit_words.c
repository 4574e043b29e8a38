/*
 * Commands whose value is a list: arguments, environment, files, and the directory that file names start from.
 *
 * Arguments and environment come in two syntaxes. A value in double quotes is the new one; within it "" is one double quote,
 * and the rest is what command_split takes. Anything else is the old one, where a double quote in arguments must be written \".
 */
#include "job/submit_parts.h"

#include "base/mem.h"
#include "job/command.h"

#include <ctype.h>
#include <string.h>

/* "text" with "" for a quote of its own; err says what is wrong when the quotes do not fit. */
static int unquote_new(const struct submit_command *command, const char *value, struct buf *out, struct error *err)
{
    const char *p = value + 1;
    for (; *p && (*p != '"' || p[1] == '"'); p++) {
        if (*p == '"')
            p++;
        buf_char(out, *p);
    }
    if (!*p)
        return error_set(err, ERR_INVALID, "the double quote that opens %s is never closed; add one at the end", command->name);
    if (p[1])
        return error_set(err, ERR_INVALID,
                         "%s goes on behind its closing double quote ('%.40s'); write \"\" for a double quote within",
                         command->name, p + 1);
    return 0;
}

static int unquote_old(const struct submit_command *command, const char *value, struct buf *out, struct error *err)
{
    bool literal = strcmp(command->name, "environment") == 0; /* a quote is one of the value's own there */
    for (const char *p = value; *p; p++) {
        if (*p == '"' && !literal)
            return error_set(err, ERR_INVALID,
                             "%s has a double quote in its middle; put the whole value into double quotes, or write \\\" for a "
                             "quote of its own", command->name);
        if (*p == '\\' && p[1] == '"')
            p++;
        buf_char(out, *p);
    }
    return 0;
}

/* Sets the attribute of the syntax that the value is in. */
static int set_words(struct submit_job *job, const struct submit_command *command, const char *value, const char *attribute,
                     const char *old_attribute, struct error *err)
{
    auto_buf struct buf text = { 0 };
    bool is_new = *value == '"';
    if ((is_new ? unquote_new : unquote_old)(command, value, &text, err) < 0)
        return -1;
    ad_set_string(job->ad, is_new ? attribute : old_attribute, buf_cstr(&text));
    return 0;
}

int submit_to_arguments(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    auto_command_list struct command_list list = { 0 };
    if (set_words(job, command, value, "Arguments", "Args", err) < 0)
        return -1;
    return command_arguments(job->ad, &list, err);
}

int submit_to_environment(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    auto_command_list struct command_list list = { 0 };
    if (set_words(job, command, value, "Environment", "Env", err) < 0)
        return -1;
    if (command_environment(job->ad, &list, err) < 0)
        return error_wrap(err, *value == '"' ? "blanks separate variables" : "semicolons separate variables");
    return 0;
}

/* A list in double quotes is taken without them, so that "" can say: none at all. */
int submit_to_list(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    auto_command_list struct command_list list = { 0 };
    auto_buf struct buf text = { 0 };
    auto_free char *inner = submit_unquoted(value);
    (void)err;
    ad_set_string(job->ad, command->attribute, inner);
    command_files(job->ad, command->attribute, &list);
    for (size_t i = 0; i < list.count; i++) {
        buf_text(&text, i ? "," : "");
        buf_text(&text, list.items[i]);
    }
    ad_set_string(job->ad, command->attribute, buf_cstr(&text));
    return 0;
}

int submit_to_iwd(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    const char *cwd = job->parser->options->cwd;
    auto_buf struct buf path = { 0 };
    (void)err;
    if (!value || *value != '/')
        buf_text(&path, cwd);
    if (value && *value != '/' && path.len > 0 && path.data[path.len - 1] != '/')
        buf_char(&path, '/');
    if (value)
        buf_text(&path, value);
    ad_set_string(job->ad, command->attribute, buf_cstr(&path));
    return 0;
}
