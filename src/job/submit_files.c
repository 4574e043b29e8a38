/* Which files go into the sandbox and come back: commands, and what does not fit together. */
#include "job/submit_parts.h"

#include "base/mem.h"
#include "job/transfer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { COLLISIONS_MAX = 100000 };

int submit_to_inputs(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    auto_command_list struct command_list list = { 0 };
    if (submit_to_list(job, command, value, err) < 0)
        return -1;
    command_files(job->ad, command->attribute, &list);
    for (size_t i = 0; i < list.count; i++) {
        auto_transfer_source struct transfer_source source = { 0 };
        if (transfer_source_parse(list.items[i], &source, err) < 0)
            return error_wrap(err, "%s", command->name);
    }
    return 0;
}

/* A checkpoint's files too, which have to be in the sandbox. */
int submit_to_outputs(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    auto_command_list struct command_list list = { 0 };
    if (submit_to_list(job, command, value, err) < 0)
        return -1;
    command_files(job->ad, command->attribute, &list);
    for (size_t i = 0; i < list.count; i++) {
        auto_free char *name = NULL;
        if (transfer_output_name(list.items[i], false, &name, err) < 0)
            return error_wrap(err, "%s", command->name);
    }
    return 0;
}

int submit_to_remaps(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    auto_command_list struct command_list pairs = { 0 };
    size_t len = strlen(value);
    bool opens = *value == '"', closes = len >= 2 && value[len - 1] == '"';
    if (opens != closes)
        return error_set(err, ERR_INVALID, "%s has a double quote at one end only; write it at both, or at none", command->name);
    auto_free char *inner = mem_dup_n(value + opens, len - 2 * opens);
    if (transfer_remaps(inner, &pairs, err) < 0)
        return error_wrap(err, "%s", command->name);
    ad_set_string(job->ad, command->attribute, inner);
    return 0;
}

int submit_to_destination(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    auto_free char *path = NULL;
    if (transfer_destination(value, &path, err) < 0)
        return error_wrap(err, "%s", command->name);
    ad_set_string(job->ad, command->attribute, value);
    return 0;
}

/* ---- what does not fit together ---- */

static int line_of(const struct submit_parser *parser, const char *name, int line)
{
    const struct submit_key *key = parser->set[submit_command_find(name) - submit_commands];
    return key ? key->line : line;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void warn_of_collisions(struct submit_parser *parser, const struct command_list *names, int line)
{
    for (size_t i = 1; i < names->count; i++)
        if (strcmp(names->items[i - 1], names->items[i]) == 0 && names->items[i][0]) {
            submit_warn(parser, line,
                        "two inputs are called '%.60s' in the sandbox, and the last one stays; with 'preserve_relative_paths = true' they keep "
                        "their directories", names->items[i]);
            return;
        }
}

static int check_inputs(struct submit_parser *parser, const struct ad *ad, bool preserve, int line, struct error *err)
{
    auto_command_list struct command_list list = { 0 }, names = { 0 };
    command_files(ad, "TransferInput", &list);
    for (size_t i = 0; i < list.count; i++) {
        auto_transfer_source struct transfer_source source = { 0 };
        auto_free char *name = NULL;
        if (transfer_source_parse(list.items[i], &source, err) < 0 || transfer_input_name(&source, preserve, &name, err) < 0)
            return error_wrap(err, "%s:%d: transfer_input_files", parser->options->file, line);
        command_list_add(&names, name);
    }
    if (names.count > 1 && names.count < COLLISIONS_MAX) {
        qsort(names.items, names.count, sizeof *names.items, compare);
        warn_of_collisions(parser, &names, line);
    }
    return 0;
}

int submit_check_files(struct submit_parser *parser, const struct ad *ad, int line, struct error *err)
{
    static const char *const sandbox_only[] = { "preserve_relative_paths", "transfer_output_remaps", "output_destination", "transfer_input", "transfer_output", "transfer_error" };
    bool preserve = ad_bool(ad, "PreserveRelativePaths", false);
    bool sandbox = strcasecmp(ad_string(ad, "ShouldTransferFiles", "YES"), "NO") != 0;
    for (size_t i = 0; !sandbox && i < sizeof sandbox_only / sizeof sandbox_only[0]; i++) {
        const struct submit_command *command = submit_command_find(sandbox_only[i]);
        if (ad_has(ad, command->attribute) && parser->set[command - submit_commands])
            submit_warn(parser, line_of(parser, sandbox_only[i], line), "'%s' has no effect with should_transfer_files = NO", sandbox_only[i]);
    }
    return check_inputs(parser, ad, preserve, line_of(parser, "transfer_input_files", line), err);
}
