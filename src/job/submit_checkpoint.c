/*
 * How the job wants to be checkpointed: the commands and attributes whose values are words of their own, and what of them does
 * not fit together. A mistake here would be noticed only when a checkpoint is needed, so it is told at submission.
 */
#include "job/submit_parts.h"

#include "base/mem.h"
#include "job/command.h"
#include "job/protocol.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

enum { PATHS_MAX = 64 };

/* ---- values ---- */

/* The word that a mistyped one is nearest to; NULL if there is none. */
static const char *guess(const char *value)
{
    const char *best = NULL;
    int least = 3;
    for (enum checkpoint_method m = METHOD_AUTO; m <= METHOD_NONE; m++) {
        int distance = strlen(value) < SUBMIT_NAME_MAX ? submit_distance(value, method_name(m), 2) : 3;
        if (distance < least) {
            least = distance;
            best = method_name(m);
        }
    }
    return best;
}

static int say_no_method(const char *name, const char *value, struct error *err)
{
    const char *near = guess(value);
    if (near)
        return error_set(err, ERR_INVALID, "%s = %.60s is unknown; did you mean '%s'?", name, value, near);
    return error_set(err, ERR_INVALID, "%s = %.60s is unknown; write auto, self, transparent, none, or 'self, transparent' to have the "
                                       "second as the fallback of the first", name, value);
}

int submit_to_method(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    struct method method;
    auto_free char *text = submit_unquoted(value);
    if (!method_parse(text, &method))
        return say_no_method(command->name, text, err);
    ad_set_string(job->ad, command->attribute, method_text(&method));
    return 0;
}

int submit_check_method(struct ad *ad, const char *name, struct error *err)
{
    struct method method;
    const char *value = ad_string(ad, name, NULL);
    if (!value)
        return error_set(err, ERR_INVALID, "%s must be a word in double quotes, such as \"transparent\"", name);
    if (!method_parse(value, &method))
        return say_no_method(name, value, err);
    ad_set_string(ad, name, method_text(&method));
    return 0;
}

static bool is_within(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* "/a//b/./c/" becomes "/a/b/c"; false when it leads upwards. */
static bool tidy(char *path)
{
    char *to = path;
    for (const char *from = path; *from;) {
        size_t slashes = strspn(from, "/"), len = strcspn(from + slashes, "/");
        const char *part = from + slashes;
        from = part + len;
        if (len == 0 || (len == 1 && part[0] == '.'))
            continue;
        if (len == 2 && part[0] == '.' && part[1] == '.')
            return false;
        *to++ = '/';
        memmove(to, part, len);
        to += len;
    }
    *to = '\0';
    return true;
}

static int check_path(const char *name, char *path, struct error *err)
{
    static const char *const own[] = { "/proc", "/sys", "/dev", "/stint" };
    if (*path != '/')
        return error_set(err, ERR_INVALID, "%s: '%.60s' is not absolute; write the whole path, such as /data/%.60s", name, path, path);
    if (strlen(path) >= PATH_MAX)
        return error_set(err, ERR_INVALID, "%s: '%.60s…' is longer than a path can be", name, path);
    if (!tidy(path))
        return error_set(err, ERR_INVALID, "%s: '%.60s' has '..' in it; write the path without", name, path);
    if (!*path)
        return error_set(err, ERR_INVALID, "%s: '/' would be everything; name the directories that the job writes", name);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (is_within(path, own[i]))
            return error_set(err, ERR_INVALID, "%s: '%.60s' is in %s, of which the job has its own", name, path, own[i]);
    return 0;
}

int submit_check_paths(struct ad *ad, const char *name, struct error *err)
{
    auto_command_list struct command_list list = { 0 };
    auto_buf struct buf text = { 0 };
    if (!ad_string(ad, name, NULL))
        return error_set(err, ERR_INVALID, "%s must be a list of paths in double quotes, separated by commas", name);
    command_files(ad, name, &list);
    if (list.count > PATHS_MAX)
        return error_set(err, ERR_LIMIT, "%s has more than %d paths; name a directory that holds several", name, PATHS_MAX);
    for (size_t i = 0; i < list.count; i++) {
        if (check_path(name, list.items[i], err) < 0)
            return -1;
        buf_text(&text, i ? "," : "");
        buf_text(&text, list.items[i]);
    }
    ad_set_string(ad, name, buf_cstr(&text));
    return 0;
}

int submit_to_paths(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    auto_free char *text = submit_unquoted(value);
    auto_ad struct ad *checked = ad_new();
    ad_set_string(checked, command->name, text);
    if (submit_check_paths(checked, command->name, err) < 0)
        return -1;
    ad_copy_attribute(job->ad, command->attribute, checked, command->name);
    return 0;
}

/* ---- what does not fit together ---- */

static int line_of(const struct submit_parser *parser, const char *command, int fallback)
{
    for (size_t i = 0; i < submit_command_count; i++)
        if (strcmp(submit_commands[i].name, command) == 0)
            return parser->set[i] ? parser->set[i]->line : fallback;
    return fallback;
}

/* Of these there is nothing to use where no transparent checkpoints are taken. */
static void warn_unused(struct submit_parser *parser, const struct ad *ad, int line, const struct method *method)
{
    static const struct { const char *command, *attribute; bool self_too; } parts[] = {
        { "checkpoint_interval", "CheckpointIntervalUs", true }, { "checkpoint_bundle", "CheckpointBundle", false },
        { "checkpoint_trial", "CheckpointTrial", false },        { "own_network", "OwnNetwork", false },
        { "writable_paths", "WritablePaths", false },            { "criu_pipe", "WantCriuPipe", false },
    };
    bool none = method->wanted == METHOD_NONE;
    if (!none && (method->wanted != METHOD_SELF || method->fallback))
        return;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        bool set = ad_has(ad, parts[i].attribute) && ad_bool(ad, parts[i].attribute, true);
        if (set && (none || !parts[i].self_too))
            submit_warn(parser, line_of(parser, parts[i].command, line), "'%s' has no effect with checkpoint_method = %s",
                        parts[i].command, method_name(method->wanted));
    }
}

static void warn_of_protocol(struct submit_parser *parser, int line, const struct method *method)
{
    if (method->wanted == METHOD_NONE)
        submit_warn(parser, line, "the job says how it checkpoints itself, which checkpoint_method = none does not use; write "
                                  "'self' instead if it shall");
    if (method->wanted == METHOD_TRANSPARENT)
        submit_warn(parser, line, "the job says how it checkpoints itself, which checkpoint_method = transparent does not use; write "
                                  "'self, transparent' to have both");
}

int submit_check_methods(struct submit_parser *parser, const struct ad *ad, int line, struct error *err)
{
    static const struct protocol_defaults none = { 0 };
    struct protocol protocol;
    struct method method;
    int at = line_of(parser, "checkpoint_method", line);
    protocol_read(ad, &none, &protocol);
    method_read(ad, NULL, &method);
    if (ad_has(ad, "WritablePaths") && strcasecmp(ad_string(ad, "ShouldTransferFiles", ""), "NO") == 0)
        submit_warn(parser, line_of(parser, "writable_paths", line),
                    "'writable_paths' has no effect with should_transfer_files = NO: the job may write whatever its owner may");
    if (!method.insists)
        return 0;
    warn_unused(parser, ad, line, &method);
    if (protocol.self) {
        warn_of_protocol(parser, at, &method);
        return 0;
    }
    if (method.wanted == METHOD_SELF && !method.fallback) {
        error_set(err, ERR_INVALID, "checkpoint_method = self, but the job does not say how it checkpoints itself; add "
                                    "'checkpoint_exit_code = N', the exit code that means it has, or write 'checkpoint_method = auto'");
        return error_wrap(err, "%s:%d", parser->file, at);
    }
    if (method.fallback)
        submit_warn(parser, at, "the job does not say how it checkpoints itself, so its checkpoints are transparent ones; add "
                                "'checkpoint_exit_code = N', or write 'transparent'");
    return 0;
}
