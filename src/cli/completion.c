/* Completion scripts for three shells, written from the table of commands. Job numbers come from the pool at the moment of
 * asking; a pool that is not running gives none, and says nothing. */
#include "cli/cli.h"

#include <string.h>

static const char job_list[] = "stint q --all --af ClusterId,ProcId 2>/dev/null | tr ' ' .";

/* A text within single quotes of a shell, or a zsh description: quotes, brackets and colons would end it. */
static void add_plain(struct buf *out, const char *text)
{
    for (; *text; text++)
        if (!strchr("'[]:\\", *text))
            buf_char(out, *text);
}

static void add_option_words(const struct cli_command *command, struct buf *out)
{
    for (const struct cli_option *o = command->options; o->name; o++) {
        buf_printf(out, "--%s ", o->name);
        if (o->letter)
            buf_printf(out, "-%c ", o->letter);
    }
    buf_text(out, "--help");
}

static void add_command_words(struct buf *out)
{
    for (const struct cli_command *c = cli_commands(); c->name; c++)
        buf_printf(out, "%s%s", c == cli_commands() ? "" : " ", c->name);
}

static void print_bash(struct buf *out)
{
    buf_printf(out, "_stint_jobs() { %s; }\n\n", job_list);
    buf_text(out, "_stint()\n{\n    local cur=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]}\n"
                  "    local options= words= files=\n    COMPREPLY=()\n"
                  "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        COMPREPLY=($(compgen -W '");
    add_command_words(out);
    buf_text(out, "' -- \"$cur\"))\n        return\n    fi\n    case $command in\n");
    for (const struct cli_command *c = cli_commands(); c->name; c++) {
        buf_printf(out, "    %s) options='", c->name);
        add_option_words(c, out);
        buf_text(out, "'");
        if (c->operand == OPERAND_FILE)
            buf_text(out, " files=1");
        else if (c->operand == OPERAND_WORD)
            buf_printf(out, " words='%s'", c->words);
        else if (c->operand == OPERAND_COMMAND) {
            buf_text(out, " words='");
            add_command_words(out);
            buf_char(out, '\'');
        } else if (c->operand == OPERAND_JOB || c->operand == OPERAND_PAST_JOB)
            buf_text(out, "; [[ $cur == -* ]] || words=$(_stint_jobs)");
        buf_text(out, " ;;\n");
    }
    buf_text(out, "    esac\n    if [[ $cur == -* ]]; then\n        COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
                  "    elif [ -n \"$files\" ]; then\n        compopt -o filenames\n        COMPREPLY=($(compgen -f -- \"$cur\"))\n"
                  "    else\n        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n    fi\n}\ncomplete -F _stint stint\n");
}

static void zsh_operand(const struct cli_command *c, struct buf *out)
{
    switch (c->operand) {
    case OPERAND_FILE:
        buf_text(out, " '*:submit file:_files'");
        break;
    case OPERAND_WORD:
        buf_printf(out, " '1:word:(%s)'", c->words);
        break;
    case OPERAND_COMMAND:
        buf_text(out, " '1:command:(");
        add_command_words(out);
        buf_text(out, ")'");
        break;
    case OPERAND_JOB:
    case OPERAND_PAST_JOB:
        buf_text(out, " '*:job:_stint_jobs'");
        break;
    case OPERAND_NONE:
        break;
    }
}

static void print_zsh(struct buf *out)
{
    buf_printf(out, "#compdef stint\n\n_stint_jobs() { compadd -- $(%s) }\n\n_stint()\n{\n    local -a commands\n    commands=(\n",
               job_list);
    for (const struct cli_command *c = cli_commands(); c->name; c++) {
        buf_printf(out, "        '%s:", c->name);
        add_plain(out, c->summary);
        buf_text(out, "'\n");
    }
    buf_text(out, "    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n        return\n    fi\n"
                  "    local command=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case $command in\n");
    for (const struct cli_command *c = cli_commands(); c->name; c++) {
        buf_printf(out, "    %s) _arguments", c->name);
        for (const struct cli_option *o = c->options; o->name; o++) {
            buf_printf(out, " '--%s%s[", o->name, o->value ? (o->value_optional ? "=-" : "=") : "");
            add_plain(out, o->help);
            buf_text(out, "]");
            if (o->value) {
                buf_text(out, ":");
                add_plain(out, o->value);
                buf_text(out, ":");
            }
            buf_text(out, "'");
        }
        zsh_operand(c, out);
        buf_text(out, " ;;\n");
    }
    buf_text(out, "    esac\n}\n\nif [ \"$funcstack[1]\" = _stint ]; then\n    _stint \"$@\"\nelse\n    compdef _stint stint\nfi\n");
}

static void fish_operand(const struct cli_command *c, struct buf *out)
{
    const char *seen = "__fish_seen_subcommand_from";
    if (c->operand == OPERAND_FILE)
        buf_printf(out, "complete -c stint -n '%s %s' -F\n", seen, c->name);
    else if (c->operand == OPERAND_WORD)
        buf_printf(out, "complete -c stint -n '%s %s' -a '%s'\n", seen, c->name, c->words);
    else if (c->operand == OPERAND_JOB || c->operand == OPERAND_PAST_JOB)
        buf_printf(out, "complete -c stint -n '%s %s' -a '(_stint_jobs)'\n", seen, c->name);
    else if (c->operand == OPERAND_COMMAND) {
        buf_printf(out, "complete -c stint -n '%s %s' -a '", seen, c->name);
        add_command_words(out);
        buf_text(out, "'\n");
    }
}

static void print_fish(struct buf *out)
{
    buf_printf(out, "function _stint_jobs; %s; end\n\ncomplete -c stint -f\n", job_list);
    for (const struct cli_command *c = cli_commands(); c->name; c++) {
        buf_printf(out, "complete -c stint -n __fish_use_subcommand -a %s -d '", c->name);
        add_plain(out, c->summary);
        buf_text(out, "'\n");
        for (const struct cli_option *o = c->options; o->name; o++) {
            buf_printf(out, "complete -c stint -n '__fish_seen_subcommand_from %s' -l %s", c->name, o->name);
            if (o->letter)
                buf_printf(out, " -s %c", o->letter);
            buf_printf(out, "%s -d '", o->value && !o->value_optional ? " -x" : "");
            add_plain(out, o->help);
            buf_text(out, "'\n");
        }
        fish_operand(c, out);
    }
}

bool cli_print_completion(const char *shell, struct buf *out)
{
    if (strcmp(shell, "bash") == 0)
        print_bash(out);
    else if (strcmp(shell, "zsh") == 0)
        print_zsh(out);
    else if (strcmp(shell, "fish") == 0)
        print_fish(out);
    else
        return false;
    return true;
}
