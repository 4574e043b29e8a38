/* condor_submit: HTCondor's command line becomes that of `stint submit`, and what became of it is said as scripts look for it. */
#include "cli/condor.h"

#include "base/file.h"
#include "base/mem.h"
#include "cli/submit.h"
#include "cli/words.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define HERE "files are taken from where the job is submitted, and delivered there; nothing needs to be spooled"

const struct condor_option condor_submit_options[] = {
    { "verbose", 1, CONDOR_NOTHING, NULL, NULL },
    { "terse", 3, CONDOR_NOTHING, NULL, NULL },
    { "disable", 3, CONDOR_NOTHING, "files are looked for all the same", NULL },
    { "debug", 2, CONDOR_NOTHING, "", NULL },
    { "dry-run", 3, CONDOR_VALUE, NULL, NULL },
    { "spool", 1, CONDOR_NOTHING, HERE, NULL },
    { "file", 2, CONDOR_VALUE, NULL, NULL },
    { "factory", 2, CONDOR_NOTHING, "late materialization is chosen by max_materialize or max_idle in the submit file", NULL },
    { "addr", 2, CONDOR_VALUE, CONDOR_ELSEWHERE, NULL },
    { "remote", 1, CONDOR_VALUE, NULL, "there is one pool here, that of this machine: submit to it without -remote" },
    { "name", 1, CONDOR_VALUE, CONDOR_ELSEWHERE, NULL },
    { "append", 1, CONDOR_VALUE, NULL, NULL },
    { "batch-name", 1, CONDOR_VALUE, NULL, NULL },
    { "queue", 1, CONDOR_WORDS, NULL, NULL },
    { "maxjobs", 3, CONDOR_VALUE, NULL, NULL },
    { "single-cluster", 3, CONDOR_NOTHING, "", NULL }, /* it always is */
    { "pool", 2, CONDOR_VALUE, CONDOR_ELSEWHERE, NULL },
    { "unused", 1, CONDOR_NOTHING, "", NULL },
    { "dump", 2, CONDOR_VALUE, NULL, NULL },
    { "allow-crlf-script", 8, CONDOR_NOTHING, "", NULL },
    { "interactive", 1, CONDOR_NOTHING, NULL, "there are no interactive jobs" },
    { "password", 1, CONDOR_VALUE, NULL, "there is no MyProxy here" },
    CONDOR_COMMON,
};

struct saying {
    const struct condor_call *call;
    bool verbose, terse;
};

/* The job's whole ad, one attribute a line. */
static void add_job(const struct submit *submit, size_t proc, int64_t cluster, struct buf *out)
{
    auto_ad struct ad *ad = ad_copy(submit->cluster);
    if (submit->procs && submit->procs[proc])
        ad_update(ad, submit->procs[proc]);
    ad_set_int(ad, "ClusterId", cluster);
    ad_set_int(ad, "ProcId", (int64_t)proc);
    ad_print(ad, out);
}

static void say(void *data, int64_t cluster, int64_t jobs, const struct submit *submit, struct buf *out)
{
    enum { DOTS_MAX = 100 };
    const struct saying *saying = data;
    if (saying->terse) {
        buf_printf(out, "%" PRId64 ".0 - %" PRId64 ".%" PRId64 "\n", cluster, cluster, jobs > 0 ? jobs - 1 : 0);
        return;
    }
    if (!saying->verbose) {
        buf_text(out, "Submitting job(s)");
        for (int64_t i = 0; i < jobs && i < DOTS_MAX; i++)
            buf_char(out, '.');
        buf_char(out, '\n');
    }
    for (size_t i = 0; saying->verbose && i < submit->proc_count; i++) {
        buf_printf(out, "\n** Proc %" PRId64 ".%zu:\n", cluster, i);
        add_job(submit, i, cluster, out);
    }
    buf_printf(out, "%" PRId64 " job(s) submitted to cluster %" PRId64 ".\n", jobs, cluster);
}

static int write_ads(void *data, const struct submit *submit, struct error *err)
{
    const struct saying *saying = data;
    const char *name = condor_value(saying->call, "dry-run");
    auto_buf struct buf text = { .max = (size_t)1 << 30 };
    name = name ? name : condor_value(saying->call, "dump");
    for (size_t i = 0; i < submit->proc_count; i++) {
        add_job(submit, i, 1, &text);
        buf_char(&text, '\n');
    }
    bool is_output = strcmp(name, "-") == 0;
    auto_close int fd = is_output ? -1 : open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (!is_output && fd < 0)
        return error_sys(err, "cannot write '%s'", name);
    if (is_output)
        words_print(&text);
    else if (file_write_all(fd, text.data, text.len, err) < 0)
        return error_wrap(err, "'%s'", name);
    printf("%s%zu job(s) dry-run to cluster 1.\n", saying->terse ? "" : "Dry-Run job(s).\n", submit->proc_count);
    return CLI_OK;
}

struct line {
    char **words;
    size_t count;
};

static void add_word(struct line *line, const char *word)
{
    line->words[line->count++] = (char *)(uintptr_t)word;
}

/* "-a 'queue 5'" is "-queue 5"; HTCondor's words for options that stint writes otherwise. */
static void add_option(struct line *line, const struct condor_given *given)
{
    const char *name = given->option->name;
    if (strcmp(name, "dry-run") == 0 || strcmp(name, "dump") == 0)
        add_word(line, "--dry-run");
    else if (strcmp(name, "append") == 0 || strcmp(name, "batch-name") == 0) {
        add_word(line, name[0] == 'a' ? "-append" : "-batch-name");
        add_word(line, given->words[0]);
    } else if (strcmp(name, "queue") == 0) {
        add_word(line, "-queue");
        for (size_t i = 0; i < given->count; i++)
            add_word(line, given->words[i]);
    }
}

/* A file, key=value words, then the options, so that -queue cannot take what is none of its words. */
static void make_line(const struct condor_call *call, struct line *line)
{
    const char *file = condor_value(call, "file");
    line->words = mem_zero(call->word_count + call->operand_count + 3 * call->given_count + 4, sizeof *line->words);
    if (file) {
        add_word(line, "-file");
        add_word(line, file);
    }
    for (size_t i = 0; i < call->operand_count; i++)
        add_word(line, call->operands[i]);
    for (size_t i = 0; i < call->given_count; i++)
        add_option(line, &call->given[i]);
}

static bool is_from_stdin(const struct condor_call *call)
{
    const char *file = condor_value(call, "file");
    for (size_t i = 0; i < call->operand_count && !file; i++)
        file = strchr(call->operands[i], '=') ? NULL : call->operands[i];
    return file && strcmp(file, "-") == 0;
}

int condor_submit(const struct condor_call *call, struct error *err)
{
    struct saying saying = { .call = call, .terse = condor_given(call, "terse") };
    struct submit_saying hook = { .data = &saying, .say = say, .dry = write_ads };
    auto_cli_call struct cli_call parsed = { 0 };
    struct line line = { 0 };
    saying.verbose = !saying.terse && (condor_given(call, "verbose") || is_from_stdin(call));
    int r = condor_number(call, "maxjobs", 0, &hook.most, err);
    if (r < 0)
        return r;
    make_line(call, &line);
    r = cli_parse((int)line.count, line.words, cli_find("submit"), &parsed, err);
    if (r == 0)
        r = submit_run(&parsed, &hook, err);
    free(line.words);
    return r;
}
