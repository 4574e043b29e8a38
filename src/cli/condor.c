#include "cli/condor.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "cli/words.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

/* ---- the command line ---- */

/* How many dashes the word begins with, 0 for an operand. */
static size_t dashes(const char *word)
{
    if (word[0] != '-' || word[1] == '\0')
        return 0;
    return word[1] == '-' && word[2] ? 2 : 1;
}

static const struct condor_option *find_option(const struct condor_option *options, const char *name, size_t len)
{
    for (const struct condor_option *o = options; o->name; o++) {
        size_t whole = strlen(o->name), least = o->least ? o->least : whole;
        if (len >= least && len <= whole && strncmp(o->name, name, len) == 0)
            return o;
    }
    return NULL;
}

static int take_words(struct condor_call *call, struct condor_given *given, int argc, char **argv, int at, struct error *err)
{
    size_t most = given->option->takes == CONDOR_PAIR ? 2 : given->option->takes == CONDOR_WORDS ? SIZE_MAX : 1;
    bool up_to_option = given->option->takes == CONDOR_WORDS || given->option->takes == CONDOR_MAYBE;
    given->words = call->words + call->word_count;
    while (given->option->takes != CONDOR_NOTHING && given->count < most && at + 1 < argc && !(up_to_option && dashes(argv[at + 1]))) {
        call->words[call->word_count++] = argv[++at];
        given->count++;
    }
    if (given->option->takes == CONDOR_VALUE && given->count < 1)
        return cli_usage_error(err, "-%s requires another argument", given->option->name);
    if (given->option->takes == CONDOR_PAIR && given->count < 2)
        return cli_usage_error(err, "-%s requires a format and an attribute", given->option->name);
    return at;
}

/* The place of the last word taken, or a negative value. */
static int take_option(struct condor_call *call, int argc, char **argv, int at, struct error *err)
{
    const char *name = argv[at] + dashes(argv[at]);
    size_t len = strcspn(name, ":");
    struct condor_given given = { .option = find_option(call->options, name, len), .letters = name[len] ? name + len + 1 : "" };
    if (!given.option)
        return cli_usage_error(err, "unrecognized option '%s'; see stint-condor(7)", argv[at]);
    if (given.option->refused)
        return cli_usage_error(err, "-%s: %s", given.option->name, given.option->refused);
    if (given.option->ignored && *given.option->ignored)
        fprintf(stderr, "%s: -%s is ignored: %s\n", call->program, given.option->name, given.option->ignored);
    int last = take_words(call, &given, argc, argv, at, err);
    if (last < 0)
        return last;
    call->given = mem_grow(call->given, &call->given_capacity, call->given_count + 1, sizeof *call->given);
    call->given[call->given_count++] = given;
    return last;
}

int condor_parse(int argc, char **argv, const struct condor_option *options, struct condor_call *call, struct error *err)
{
    call->options = options;
    call->operands = mem_zero((size_t)argc + 1, sizeof *call->operands);
    call->words = mem_zero((size_t)argc + 1, sizeof *call->words);
    for (int i = 0; i < argc; i++) {
        int last = i;
        if (dashes(argv[i]))
            last = take_option(call, argc, argv, i, err);
        else
            call->operands[call->operand_count++] = argv[i];
        if (last < 0)
            return last;
        i = last;
    }
    return 0;
}

void condor_release(struct condor_call *call)
{
    free(call->given);
    free(call->operands);
    free(call->words);
    *call = (struct condor_call){ 0 };
}

static const struct condor_given *find_given(const struct condor_call *call, const char *name)
{
    for (size_t i = call->given_count; i > 0; i--)
        if (strcmp(call->given[i - 1].option->name, name) == 0)
            return &call->given[i - 1];
    return NULL;
}

bool condor_given(const struct condor_call *call, const char *name)
{
    return find_given(call, name) != NULL;
}

const char *condor_value(const struct condor_call *call, const char *name)
{
    const struct condor_given *given = find_given(call, name);
    return given && given->count > 0 ? given->words[0] : NULL;
}

int condor_number(const struct condor_call *call, const char *name, int64_t fallback, int64_t *number, struct error *err)
{
    const char *text = condor_value(call, name);
    char *end;
    *number = fallback;
    if (!text)
        return 0;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno || end == text || *end)
        return cli_usage_error(err, "-%s requires a number, and '%s' is none", name, text);
    *number = n;
    return 0;
}

/* ---- which jobs ---- */

static bool is_user(const char *text)
{
    return text[0] && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == strcspn(text, "@");
}

static int add_operand(const char *text, struct buf *ids, struct buf *users, struct error *err)
{
    struct job_id id;
    if (job_id_parse(text, &id)) {
        buf_printf(ids, "%sClusterId == %d", ids->len > 0 ? " || " : "", id.cluster);
        if (id.proc != JOB_ALL_PROCS)
            buf_printf(ids, " && ProcId == %d", id.proc);
        return 0;
    }
    if (!is_user(text) || (text[0] >= '0' && text[0] <= '9'))
        return cli_usage_error(err, "'%s' is neither a job (7.0), nor a cluster (7), nor a user", text);
    buf_printf(users, "%sOwner == \"%.*s\"", users->len > 0 ? " || " : "", (int)strcspn(text, "@"), text);
    return 0;
}

/* The line ends before the parenthesis when a comment may be what the part ends with. */
static void add_part(struct buf *out, const char *part)
{
    if (*part)
        buf_printf(out, "%s(%s%s)", out->len > 0 ? " && " : "", part, strstr(part, "//") ? "\n" : "");
}

int condor_constraint(const struct condor_call *call, const char *more, struct buf *out, struct error *err)
{
    auto_buf struct buf ids = { 0 }, users = { 0 };
    for (size_t i = 0; i < call->operand_count; i++) {
        int r = add_operand(call->operands[i], &ids, &users, err);
        if (r < 0)
            return r;
    }
    add_part(out, buf_cstr(&ids));
    add_part(out, buf_cstr(&users));
    for (size_t i = 0; i < call->given_count; i++) {
        const struct condor_given *given = &call->given[i];
        struct ad_expr *expr = NULL;
        struct error why;
        if (strcmp(given->option->name, "constraint") != 0)
            continue;
        if (ad_expr_parse(given->words[0], &expr, &why) < 0)
            return cli_usage_error(err, "'%s' is not a valid constraint: %s", given->words[0], why.text);
        ad_expr_free(expr);
        add_part(out, given->words[0]);
    }
    add_part(out, more);
    return 0;
}

/* ---- ads ---- */

int condor_columns(const struct condor_call *call, struct columns **out, struct error *err)
{
    auto_columns struct columns *columns = columns_new();
    int r = 0;
    for (size_t i = 0; r == 0 && i < call->given_count; i++) {
        const struct condor_given *given = &call->given[i];
        const char *name = given->option->name;
        if (strcmp(name, "format") == 0)
            r = columns_add_format(columns, given->words[0], given->words[1], err);
        if (strcmp(name, "af") != 0 && strcmp(name, "autoformat") != 0)
            continue;
        r = columns_set_letters(columns, given->letters, err);
        for (size_t k = 0; r == 0 && k < given->count; k++)
            r = columns_add_value(columns, given->words[k], err);
        if (r == 0 && given->count == 0)
            r = cli_usage_error(err, "-%s requires at least one attribute", name);
    }
    if (r < 0)
        return CLI_BAD_USAGE;
    *out = columns_any(columns) ? steal(columns) : NULL;
    return 0;
}

bool condor_is_plain(const struct condor_call *call, const struct columns *columns)
{
    return columns || condor_given(call, "long") || condor_given(call, "json") || condor_given(call, "jsonl");
}

void condor_attributes(const struct condor_call *call, const struct columns *columns, struct buf *names)
{
    if (columns)
        columns_attributes(columns, names);
    else if (condor_value(call, "attributes"))
        buf_text(names, condor_value(call, "attributes"));
}

/* The attributes of -attributes, in its order; NULL = all. */
static struct ad *pick(const struct ad *ad, const char *names)
{
    if (!names)
        return NULL;
    struct ad *some = ad_new();
    auto_free char *copy = mem_dup(names);
    char *rest = copy;
    for (char *name; (name = strsep(&rest, ", "));)
        if (ad_name_valid(name))
            ad_copy_attribute(some, name, ad, name);
    return some;
}

static void add_json(const struct ad *ad, bool by_line, size_t count, struct buf *out)
{
    auto_buf struct buf text = { 0 };
    if (!by_line && count > 0)
        buf_text(out, ",\n");
    ad_print_json(ad, &text);
    buf_add(out, text.data, text.len);
    buf_char(out, '\n');
}

static void add_long(const struct ad *ad, struct buf *out)
{
    ad_print(ad, out);
    buf_char(out, '\n');
}

int condor_print_plain(const struct condor_call *call, struct columns *columns, struct json_slice answer, const char *list,
                       struct buf *out, struct error *err)
{
    struct json_walk walk = json_walk_into(json_member(answer, list));
    struct json_slice object;
    int64_t now = clock_wall_us() / CLOCK_SECOND_US;
    bool json = !columns && condor_given(call, "json"), lines = !columns && condor_given(call, "jsonl");
    size_t count = 0;
    buf_text(out, json ? "[\n" : "");
    for (; json_next_item(&walk, &object); count++) {
        auto_ad struct ad *ad = NULL, *some = NULL;
        if (ad_parse_json(object.text, object.len, &ad, err) < 0)
            return error_wrap(err, "the pool's answer makes no sense");
        some = columns ? NULL : pick(ad, condor_value(call, "attributes"));
        const struct ad *shown = some ? some : ad;
        if (columns)
            columns_add_row(columns, shown, now, out);
        else if (json || lines)
            add_json(shown, lines, count, out);
        else
            add_long(shown, out);
    }
    if (columns)
        columns_end(columns, out);
    buf_text(out, json ? "]\n" : "");
    return walk.failed ? error_set(err, ERR_INVALID, "the pool's answer makes no sense: it has no list '%s'", list) : 0;
}

void condor_add_date(struct buf *out, int64_t s)
{
    time_t t = (time_t)s;
    struct tm tm;
    if (s <= 0 || !localtime_r(&t, &tm))
        buf_text(out, "        ???");
    else
        buf_printf(out, "%2d/%-2d %02d:%02d", tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min);
}

void condor_add_time(struct buf *out, int64_t us)
{
    char text[UNITS_TEXT_MAX];
    buf_text(out, units_clock(us > 0 ? us : 0, text));
}

/* ---- names ---- */

static const struct {
    const char *name;
    const struct condor_option *options;
    condor_run *run;
} programs[] = {
    { "condor_submit", condor_submit_options, condor_submit },
    { "condor_q", condor_q_options, condor_q },
    { "condor_history", condor_history_options, condor_history },
    { "condor_rm", condor_rm_options, condor_act },
    { "condor_hold", condor_hold_options, condor_act },
    { "condor_release", condor_release_options, condor_act },
    { "condor_vacate_job", condor_vacate_options, condor_act },
    { "condor_status", condor_status_options, condor_status },
    { "condor_wait", condor_wait_options, condor_wait },
    { "condor_userprio", condor_userprio_options, condor_userprio },
    { "condor_version", NULL, NULL },
};

/* What parsers of condor_version look for: a version number of three parts that says which language is understood, and a platform. */
static void print_version(void)
{
    printf("$CondorVersion: 25.0.0 2026-01-01 BuildID: stint-" STINT_VERSION " PackageID: stint-" STINT_VERSION " $\n"
           "$CondorPlatform: X86_64-Linux $\n"
           "This is stint " STINT_VERSION " under one of HTCondor's names.\n");
}

static void print_help(const char *program, const struct condor_option *options, FILE *out)
{
    fprintf(out, "Usage: %s [options] …\nThis is stint under one of HTCondor's names; it takes these options:\n", program);
    for (const struct condor_option *o = options; o->name; o++)
        if (!o->refused)
            fprintf(out, "  -%s%s%s\n", o->name,
                    o->takes == CONDOR_PAIR ? " FORMAT ATTRIBUTE" : o->takes == CONDOR_WORDS ? " WORD…" : o->takes == CONDOR_VALUE ? " VALUE" : "",
                    o->ignored ? " (ignored)" : "");
    fprintf(out, "See stint-condor(7).\n");
}

static int run_program(size_t which, const char *program, int argc, char **argv)
{
    auto_condor_call struct condor_call call = { .program = program };
    struct error err = { 0 };
    if (!programs[which].run) {
        print_version();
        return CLI_OK;
    }
    int r = condor_parse(argc, argv, programs[which].options, &call, &err);
    if (r == 0 && condor_given(&call, "version"))
        print_version();
    else if (r == 0 && condor_given(&call, "help"))
        print_help(program, programs[which].options, stdout);
    else if (r == 0)
        r = programs[which].run(&call, &err);
    if (r >= 0)
        return r;
    auto_buf struct buf text = { 0 };
    words_safe(&text, err.text);
    fflush(stdout);
    fprintf(stderr, "%s: %s\n", program, buf_cstr(&text));
    return CLI_FAILURE;
}

bool condor_main(int argc, char **argv, int *status)
{
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    const char *program = slash ? slash + 1 : argc > 0 ? argv[0] : "";
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        if (strcmp(programs[i].name, program) != 0)
            continue;
        *status = run_program(i, program, argc - 1, argv + 1);
        return true;
    }
    return false;
}
