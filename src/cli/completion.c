/* Completion scripts for three shells, written from the table of commands. Job numbers come from the pool at the moment of
 * asking; a pool that is not running gives none, and says nothing. */
#include "cli/cli.h"

#include <string.h>

static const char job_list[] = "stint q --all --af ClusterId,ProcId 2>/dev/null | tr ' ' .";
static const char checkpoint_list[] = "stint ckpt ls --quiet 2>/dev/null";

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

static void add_sub_words(const struct cli_command *command, struct buf *out)
{
    for (const struct cli_command *c = command->subs; c->name; c++)
        buf_printf(out, "%s%s", c == command->subs ? "" : " ", cli_sub_name(c));
}

static void bash_case(const struct cli_command *c, struct buf *out)
{
    buf_printf(out, "    %s) options='", cli_sub_name(c));
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
    else if (c->operand == OPERAND_CHECKPOINT)
        buf_text(out, "; [[ $cur == -* ]] || words=$(_stint_checkpoints)");
    buf_text(out, " ;;\n");
}

static void bash_subs(const struct cli_command *command, struct buf *out)
{
    buf_printf(out, "    %s) if [ \"$COMP_CWORD\" -eq 2 ]; then words='", command->name);
    add_sub_words(command, out);
    buf_text(out, "'; else case ${COMP_WORDS[2]} in\n");
    for (const struct cli_command *c = command->subs; c->name; c++)
        bash_case(c, out);
    buf_text(out, "    esac; fi ;;\n");
}

static void print_bash(struct buf *out)
{
    buf_printf(out, "_stint_jobs() { %s; }\n_stint_checkpoints() { %s; }\n", job_list, checkpoint_list);
    buf_text(out, "COMP_WORDBREAKS=${COMP_WORDBREAKS//@}\n\n"); /* it would part 7.0@3 */
    buf_text(out, "_stint()\n{\n    local cur=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]}\n"
                  "    local options= words= files=\n    COMPREPLY=()\n"
                  "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        COMPREPLY=($(compgen -W '");
    add_command_words(out);
    buf_text(out, "' -- \"$cur\"))\n        return\n    fi\n    case $command in\n");
    for (const struct cli_command *c = cli_commands(); c->name; c++)
        (c->subs ? bash_subs : bash_case)(c, out);
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
    case OPERAND_CHECKPOINT:
        buf_text(out, " '*:checkpoint:_stint_checkpoints'");
        break;
    case OPERAND_NONE:
        break;
    }
}

static void zsh_case(const struct cli_command *c, struct buf *out)
{
    buf_printf(out, "    %s) _arguments", cli_sub_name(c));
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

static void zsh_subs(const struct cli_command *command, struct buf *out)
{
    buf_printf(out, "    %s) if (( CURRENT == 2 )); then compadd -- ", command->name);
    add_sub_words(command, out);
    buf_text(out, "; return; fi\n    command=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case $command in\n");
    for (const struct cli_command *c = command->subs; c->name; c++)
        zsh_case(c, out);
    buf_text(out, "    esac ;;\n");
}

static void print_zsh(struct buf *out)
{
    buf_printf(out, "#compdef stint\n\n_stint_jobs() { compadd -- $(%s) }\n_stint_checkpoints() { compadd -- $(%s) }\n\n"
                    "_stint()\n{\n    local -a commands\n    commands=(\n", job_list, checkpoint_list);
    for (const struct cli_command *c = cli_commands(); c->name; c++) {
        buf_printf(out, "        '%s:", c->name);
        add_plain(out, c->summary);
        buf_text(out, "'\n");
    }
    buf_text(out, "    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n        return\n    fi\n"
                  "    local command=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case $command in\n");
    for (const struct cli_command *c = cli_commands(); c->name; c++)
        (c->subs ? zsh_subs : zsh_case)(c, out);
    buf_text(out, "    esac\n}\n\nif [ \"$funcstack[1]\" = _stint ]; then\n    _stint \"$@\"\nelse\n    compdef _stint stint\nfi\n");
}

/* When a command, or a command's own command, has been said: "stint rm" is not "stint ckpt rm". */
static void fish_condition(const struct cli_command *parent, const struct cli_command *c, struct buf *out)
{
    if (parent)
        buf_printf(out, "__fish_seen_subcommand_from %s; and ", parent->name);
    buf_printf(out, "__fish_seen_subcommand_from %s", cli_sub_name(c));
    for (const struct cli_command *other = cli_commands(); !parent && other->name; other++)
        if (other->subs && cli_find_sub(other, c->name))
            buf_printf(out, "; and not __fish_seen_subcommand_from %s", other->name);
}

static void fish_operand(const struct cli_command *parent, const struct cli_command *c, struct buf *out)
{
    if (c->operand == OPERAND_NONE)
        return;
    buf_text(out, "complete -c stint -n '");
    fish_condition(parent, c, out);
    if (c->operand == OPERAND_FILE)
        buf_text(out, "' -F\n");
    else if (c->operand == OPERAND_WORD)
        buf_printf(out, "' -a '%s'\n", c->words);
    else if (c->operand == OPERAND_JOB || c->operand == OPERAND_PAST_JOB)
        buf_text(out, "' -a '(_stint_jobs)'\n");
    else if (c->operand == OPERAND_CHECKPOINT)
        buf_text(out, "' -a '(_stint_checkpoints)'\n");
    else if (c->operand == OPERAND_COMMAND) {
        buf_text(out, "' -a '");
        add_command_words(out);
        buf_text(out, "'\n");
    }
}

static void fish_options(const struct cli_command *parent, const struct cli_command *c, struct buf *out)
{
    for (const struct cli_option *o = c->options; o->name; o++) {
        buf_text(out, "complete -c stint -n '");
        fish_condition(parent, c, out);
        buf_printf(out, "' -l %s", o->name);
        if (o->letter)
            buf_printf(out, " -s %c", o->letter);
        buf_printf(out, "%s -d '", o->value && !o->value_optional ? " -x" : "");
        add_plain(out, o->help);
        buf_text(out, "'\n");
    }
}

static void fish_subs(const struct cli_command *command, struct buf *out)
{
    for (const struct cli_command *c = command->subs; c && c->name; c++) {
        buf_printf(out, "complete -c stint -n '__fish_seen_subcommand_from %s; and not __fish_seen_subcommand_from ", command->name);
        add_sub_words(command, out);
        buf_printf(out, "' -a %s -d '", cli_sub_name(c));
        add_plain(out, c->summary);
        buf_text(out, "'\n");
        fish_options(command, c, out);
        fish_operand(command, c, out);
    }
}

static void print_fish(struct buf *out)
{
    buf_printf(out, "function _stint_jobs; %s; end\nfunction _stint_checkpoints; %s; end\n\ncomplete -c stint -f\n", job_list,
               checkpoint_list);
    for (const struct cli_command *c = cli_commands(); c->name; c++) {
        buf_printf(out, "complete -c stint -n __fish_use_subcommand -a %s -d '", c->name);
        add_plain(out, c->summary);
        buf_text(out, "'\n");
        fish_options(NULL, c, out);
        fish_operand(NULL, c, out);
        fish_subs(c, out);
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
