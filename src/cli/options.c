/* Parsing of a command line by its command's table. Own code rather than getopt_long: the table is the only description, options
 * and operands may be mixed whatever POSIXLY_CORRECT says, and every complaint names what was probably meant. */
#include "base/mem.h"
#include "base/units.h"
#include "cli/cli.h"
#include "job/id.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int cli_usage_error(struct error *err, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    error_set(err, ERR_INVALID, "%s", text);
    return CLI_BAD_USAGE;
}

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Letters to change, add or leave out to get from a to b; SIZE_MAX for words too long to be worth it. */
static size_t distance(const char *a, size_t a_len, const char *b)
{
    enum { LONGEST = 31 };
    size_t row[LONGEST + 1], b_len = strlen(b);
    if (a_len > LONGEST || b_len > LONGEST)
        return SIZE_MAX;
    for (size_t k = 0; k <= b_len; k++)
        row[k] = k;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t k = 1; k <= b_len; k++) {
            size_t above = row[k];
            row[k] = smallest(above + 1, row[k - 1] + 1, diagonal + (a[i - 1] != b[k - 1]));
            diagonal = above;
        }
    }
    return row[b_len];
}

static bool is_near(size_t d, size_t len)
{
    return d <= (len < 4 ? 1 : 2);
}

const char *cli_sub_name(const struct cli_command *sub)
{
    const char *blank = strchr(sub->name, ' ');
    return blank ? blank + 1 : sub->name;
}

static const char *nearest(const struct cli_command *commands, const char *name)
{
    const char *best = NULL;
    size_t best_distance = SIZE_MAX;
    for (const struct cli_command *c = commands; c->name; c++) {
        size_t d = distance(name, strlen(name), cli_sub_name(c));
        if (d < best_distance) {
            best_distance = d;
            best = cli_sub_name(c);
        }
    }
    return is_near(best_distance, strlen(name)) ? best : NULL;
}

const char *cli_near_command(const char *name)
{
    return nearest(cli_commands(), name);
}

const char *cli_near_sub(const struct cli_command *command, const char *name)
{
    return nearest(command->subs, name);
}

static const struct cli_command *find(const struct cli_command *commands, const char *name)
{
    for (const struct cli_command *c = commands; c->name; c++)
        if (strcmp(cli_sub_name(c), name) == 0)
            return c;
    return NULL;
}

const struct cli_command *cli_find(const char *name)
{
    return find(cli_commands(), name);
}

const struct cli_command *cli_find_sub(const struct cli_command *command, const char *name)
{
    return find(command->subs, name);
}

static int unknown_option(const struct cli_command *command, const char *name, size_t len, struct error *err)
{
    const char *best = NULL;
    size_t best_distance = SIZE_MAX;
    for (const struct cli_option *o = command->options; o->name; o++) {
        size_t d = distance(name, len, o->name);
        if (d < best_distance) {
            best_distance = d;
            best = o->name;
        }
    }
    if (best && is_near(best_distance, len))
        return cli_usage_error(err, "no option '--%.*s'; did you mean '--%s'?", (int)len, name, best);
    return cli_usage_error(err, "no option '--%.*s'", (int)len, name);
}

struct parse {
    int argc;
    char **argv;
    int at;
    struct cli_call *call;
};

static int take_value(struct parse *parse, const char *shown, const char **value, struct error *err)
{
    if (parse->at + 1 >= parse->argc)
        return cli_usage_error(err, "option '%s' needs a value", shown);
    *value = parse->argv[++parse->at];
    return 0;
}

static bool is_named(const struct cli_option *option, const char *text, size_t len)
{
    return strlen(option->name) == len && strncmp(option->name, text, len) == 0;
}

static void add_word(struct cli_words *list, const char *word)
{
    list->words = mem_grow(list->words, &list->capacity, list->count + 1, sizeof *list->words);
    list->words[list->count++] = word;
}

static struct cli_words *add_list(struct cli_call *call, const struct cli_option *option, const char *letters)
{
    call->lists = mem_grow(call->lists, &call->list_capacity, call->list_count + 1, sizeof *call->lists);
    struct cli_words *list = &call->lists[call->list_count++];
    *list = (struct cli_words){ .option = option, .letters = letters };
    return list;
}

/* What follows an option that takes a pair, or words up to the next option. An ID among words is no word but an operand. */
static int take_words(struct parse *parse, size_t i, const char *letters, const char *first, struct error *err)
{
    const struct cli_option *option = &parse->call->command->options[i];
    struct cli_words *list = add_list(parse->call, option, letters);
    struct job_id id;
    parse->call->values[i] = "";
    if (first)
        add_word(list, first);
    if (option->takes == CLI_TAKES_PAIR) {
        while (list->count < 2 && parse->at + 1 < parse->argc)
            add_word(list, parse->argv[++parse->at]);
        return list->count == 2 ? 0 : cli_usage_error(err, "option '--%s' needs %s", option->name, option->value);
    }
    while (!first && parse->at + 1 < parse->argc && parse->argv[parse->at + 1][0] != '-' &&
           !job_id_parse(parse->argv[parse->at + 1], &id))
        add_word(list, parse->argv[++parse->at]);
    return list->count > 0 ? 0 : cli_usage_error(err, "option '--%s' needs at least one attribute or expression, as in "
                                                      "'--%s ClusterId ProcId'", option->name, option->name);
}

/* --name, --name=value, --name value, --name:letters word word … */
static int parse_long(struct parse *parse, const char *text, struct error *err)
{
    const struct cli_option *options = parse->call->command->options;
    size_t len = strcspn(text, "="), name_len = strcspn(text, ":=");
    const char *value = text[len] ? text + len + 1 : NULL;
    size_t i = 0;
    while (options[i].name && !is_named(&options[i], text, len) &&
           !(options[i].takes == CLI_TAKES_WORDS && is_named(&options[i], text, name_len)))
        i++;
    if (!options[i].name)
        return unknown_option(parse->call->command, text, len, err);
    if (options[i].takes != CLI_TAKES_ONE)
        return take_words(parse, i, text[name_len] == ':' ? text + name_len + 1 : "", value, err);
    if (!options[i].value && value)
        return cli_usage_error(err, "option '--%s' takes no value", options[i].name);
    if (options[i].value && !options[i].value_optional && !value) {
        char shown[64];
        snprintf(shown, sizeof shown, "--%s", options[i].name);
        int r = take_value(parse, shown, &value, err);
        if (r < 0)
            return r;
    }
    parse->call->values[i] = value ? value : "";
    return 0;
}

/* -a, -abc, -cVALUE, -c VALUE */
static int parse_short(struct parse *parse, const char *text, struct error *err)
{
    const struct cli_option *options = parse->call->command->options;
    for (const char *p = text; *p; p++) {
        size_t i = 0;
        while (options[i].name && options[i].letter != *p)
            i++;
        if (!options[i].name)
            return cli_usage_error(err, "no option '-%c'", *p);
        if (options[i].takes != CLI_TAKES_ONE)
            return take_words(parse, i, "", p[1] ? p + 1 : NULL, err);
        parse->call->values[i] = "";
        if (!options[i].value || options[i].value_optional)
            continue;
        char shown[] = { '-', *p, '\0' };
        parse->call->values[i] = p + 1;
        return p[1] ? 0 : take_value(parse, shown, &parse->call->values[i], err);
    }
    return 0;
}

static int check_operands(const struct cli_call *call, struct error *err)
{
    const struct cli_command *command = call->command;
    if (call->operand_count < command->operand_min)
        return cli_usage_error(err, "needs %s", command->operands);
    if (call->operand_count > command->operand_max && command->operand_max == 0)
        return cli_usage_error(err, "takes no operand, but '%s' was given", call->operands[0]);
    if (call->operand_count > command->operand_max)
        return cli_usage_error(err, "'%s' is one too many", call->operands[command->operand_max]);
    return 0;
}

int cli_parse(int argc, char **argv, const struct cli_command *command, struct cli_call *call, struct error *err)
{
    auto_cli_call struct cli_call got = { .command = command };
    struct parse parse = { .argc = argc, .argv = argv, .call = &got };
    bool options_over = false;
    got.operands = mem_zero((size_t)argc + 1, sizeof *got.operands);
    for (; parse.at < argc; parse.at++) {
        const char *text = argv[parse.at];
        int r = 0, taken = 0;
        if (!options_over && command->take)
            taken = command->take(&got, argc - parse.at, argv + parse.at, err);
        if (taken != 0)
            parse.at += taken > 0 ? taken - 1 : 0;
        else if (options_over || text[0] != '-' || text[1] == '\0')
            got.operands[got.operand_count++] = text;
        else if (strcmp(text, "--") == 0)
            options_over = true;
        else
            r = text[1] == '-' ? parse_long(&parse, text + 2, err) : parse_short(&parse, text + 1, err);
        if (r < 0 || taken < 0)
            return CLI_BAD_USAGE;
    }
    int r = check_operands(&got, err);
    if (r < 0)
        return r;
    *call = got;
    got = (struct cli_call){ 0 };
    return 0;
}

void cli_call_release(struct cli_call *call)
{
    for (size_t i = 0; i < call->list_count; i++)
        free(call->lists[i].words);
    free(call->lists);
    free(call->operands);
    *call = (struct cli_call){ 0 };
}

const char *cli_value(const struct cli_call *call, const char *option)
{
    const struct cli_option *options = call->command->options;
    for (size_t i = 0; options[i].name; i++)
        if (strcmp(options[i].name, option) == 0)
            return call->values[i];
    return NULL;
}

bool cli_given(const struct cli_call *call, const char *option)
{
    return cli_value(call, option) != NULL;
}

int cli_duration(const struct cli_call *call, const char *option, int64_t fallback_us, int64_t *us, struct error *err)
{
    const char *value = cli_value(call, option);
    *us = fallback_us;
    if (!value || !*value || units_parse_duration(value, us))
        return 0;
    return cli_usage_error(err, "'%s' is not a duration for '--%s': write it like 90, 15m or 2h30m", value, option);
}

int cli_number(const struct cli_call *call, const char *option, int64_t fallback, int64_t *number, struct error *err)
{
    const char *value = cli_value(call, option);
    *number = fallback;
    if (!value)
        return 0;
    char *end;
    errno = 0;
    long long n = strtoll(value, &end, 10);
    if (errno || end == value || *end || n < 0)
        return cli_usage_error(err, "'%s' is not a number for '--%s'", value, option);
    *number = n;
    return 0;
}
