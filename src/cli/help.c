/* Everything that is said about the commands, from their table. */
#include "cli/run.h"
#include "cli/words.h"

#include <stdio.h>
#include <string.h>

void cli_print_usage(const struct cli_command *command, struct buf *out)
{
    buf_printf(out, "usage: stint %s", command->name);
    if (command->options[0].name)
        buf_text(out, " [OPTION…]");
    if (command->operands[0])
        buf_printf(out, " %s", command->operands);
    buf_char(out, '\n');
}

/* "-c, --constraint EXPR" */
static void option_text(const struct cli_option *option, struct buf *out)
{
    if (option->letter)
        buf_printf(out, "-%c, ", option->letter);
    else
        buf_text(out, "    ");
    buf_printf(out, "--%s", option->name);
    if (option->value)
        buf_printf(out, option->value_optional ? "[=%s]" : " %s", option->value);
}

/* Characters, not bytes: "…" has three. */
static size_t width_of(const struct buf *text)
{
    size_t width = 0;
    for (size_t i = 0; i < text->len; i++)
        width += ((unsigned char)text->data[i] & 0xc0) != 0x80;
    return width;
}

void cli_print_help(const struct cli_command *command, struct buf *out)
{
    cli_print_usage(command, out);
    buf_printf(out, "\n%s.\n", command->summary);
    if (command->subs)
        buf_char(out, '\n');
    for (const struct cli_command *c = command->subs; c && c->name; c++)
        buf_printf(out, "  %-7s  %s\n", cli_sub_name(c), c->summary);
    if (command->details)
        buf_printf(out, "\n%s\n", command->details);
    size_t widest = 0;
    for (const struct cli_option *o = command->options; o->name; o++) {
        auto_buf struct buf text = { 0 };
        option_text(o, &text);
        widest = width_of(&text) > widest ? width_of(&text) : widest;
    }
    if (widest > 0)
        buf_char(out, '\n');
    for (const struct cli_option *o = command->options; o->name; o++) {
        auto_buf struct buf text = { 0 };
        option_text(o, &text);
        buf_printf(out, "  %s%*s  %s\n", buf_cstr(&text), (int)(widest - width_of(&text)), "", o->help);
    }
}

void cli_print_overview(struct buf *out)
{
    buf_text(out, "usage: stint COMMAND [OPTION…] [OPERAND…]\n\n"
                  "Runs batch jobs that do not lose their work.\n\n");
    for (const struct cli_command *c = cli_commands(); c->name; c++)
        buf_printf(out, "  %-11s  %s\n", c->name, c->summary);
    buf_text(out, "\nWhere a command takes IDs, '7.0' is a job and '7' all jobs of a cluster.\n"
                  "More about one: stint help COMMAND. Manual pages: stint(1), stint-ckpt(1), stint-doctor(1),\n"
                  "stint-submit(5), stint.conf(5), stint-pool(8).\n");
}

int run_help(const struct cli_call *call, struct error *err)
{
    auto_buf struct buf text = { 0 };
    if (call->operand_count == 0) {
        cli_print_overview(&text);
    } else {
        const char *name = call->operands[0], *near;
        const struct cli_command *command = cli_find(name);
        near = command ? NULL : cli_near_command(name);
        if (command && call->operand_count > 1) {
            name = call->operands[1];
            if (!command->subs)
                return cli_usage_error(err, "'%s' has no commands of its own", command->name);
            near = cli_near_sub(command, name);
            command = cli_find_sub(command, name);
        }
        if (!command && near)
            return cli_usage_error(err, "no command '%s'; did you mean '%s'?", name, near);
        if (!command)
            return cli_usage_error(err, "no command '%s'", name);
        cli_print_help(command, &text);
    }
    words_print(&text);
    return CLI_OK;
}

int run_version(const struct cli_call *call, struct error *err)
{
    (void)call;
    (void)err;
    puts("stint " STINT_VERSION);
    return CLI_OK;
}

int run_completion(const struct cli_call *call, struct error *err)
{
    auto_buf struct buf text = { 0 };
    if (!cli_print_completion(call->operands[0], &text))
        return cli_usage_error(err, "no completion for '%s': there is bash, zsh and fish", call->operands[0]);
    words_print(&text);
    return CLI_OK;
}
