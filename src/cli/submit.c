#include "cli/submit.h"

#include "base/file.h"
#include "base/mem.h"
#include "cli/api.h"
#include "cli/run.h"
#include "cli/words.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

int submit_read_text(const char *name, struct buf *text, struct error *err)
{
    auto_close int fd = -1;
    struct stat st;
    text->max = SUBMIT_TEXT_MAX;
    if (strcmp(name, "-") == 0) {
        if (file_read_fd(STDIN_FILENO, text, err) < 0)
            return error_wrap(err, "standard input");
        return 0;
    }
    fd = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* not blocking: a pipe without writer would wait for ever */
    if (fd < 0)
        return error_sys(err, "cannot open '%s'", name);
    if (fstat(fd, &st) < 0)
        return error_sys(err, "cannot look at '%s'", name);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERR_INVALID, "'%s' is not a submit file but %s%s", name, submit_kind_of_file(st.st_mode),
                         S_ISFIFO(st.st_mode) ? ": to read one, write 'stint submit -' and redirect standard input" : "");
    if (file_read_fd(fd, text, err) < 0)
        return error_wrap(err, "'%s'", name);
    return 0;
}

void submit_print(const struct submit *submit, struct buf *out)
{
    words_count(out, (int64_t)submit->proc_count, "job");
    buf_text(out, submit->proc_count > 1 ? "; the first one's ad:\n" : ":\n");
    for (size_t i = 0; i < ad_count(submit->cluster); i++) {
        auto_buf struct buf value = { 0 };
        ad_print_expr(submit->cluster, ad_name(submit->cluster, i), &value);
        buf_printf(out, "%s = ", ad_name(submit->cluster, i));
        words_safe(out, buf_cstr(&value));
        buf_char(out, '\n');
    }
    for (size_t p = 0; submit->procs && p < submit->proc_count; p++) {
        if (!submit->procs[p])
            continue;
        buf_printf(out, "\njob %zu differs in:\n", p);
        ad_print(submit->procs[p], out);
    }
}

static bool has_differences(const struct submit *submit)
{
    for (size_t i = 0; submit->procs && i < submit->proc_count; i++)
        if (submit->procs[i])
            return true;
    return false;
}

struct ad *submit_body(const struct submit *submit, int cluster)
{
    struct ad *body = ad_new();
    if (cluster > 0)
        ad_set_int(body, "ClusterId", cluster);
    ad_set_ad(body, "Ad", ad_copy(submit->cluster));
    ad_set_int(body, "Count", (int64_t)submit->proc_count);
    if (!has_differences(submit))
        return body;
    ad_make_list(body, "Procs");
    for (size_t i = 0; i < submit->proc_count; i++)
        ad_append_ad(body, "Procs", submit->procs[i] ? ad_copy(submit->procs[i]) : ad_new());
    return body;
}

void submit_say(int64_t cluster, int64_t jobs, bool held, struct buf *out)
{
    words_count(out, jobs, "job");
    buf_printf(out, " submitted to cluster %" PRId64 ".\n", cluster);
    if (held && jobs == 1)
        buf_printf(out, "It is held; let it run with: stint release %" PRId64 "\n", cluster);
    else if (held)
        buf_printf(out, "They are held; let them run with: stint release %" PRId64 "\n", cluster);
    else if (jobs == 1)
        buf_printf(out, "Follow it with: stint log -f %" PRId64 ".0\n", cluster);
    else
        buf_printf(out, "Follow them with: stint wait %" PRId64 "\n", cluster);
}

struct source {
    const char *name; /* in messages */
    struct buf text;
    char cwd[PATH_MAX];
    uint64_t seed;
    struct submit_words words;
    struct submit_surroundings around;
    const struct submit_saying *saying;
};

static void source_release(struct source *source)
{
    buf_release(&source->text);
    submit_words_release(&source->words);
    submit_surroundings_release(&source->around);
}

static int parse(struct source *source, int cluster, struct submit *submit, struct error *err)
{
    struct submit_options options = {
        .file = source->name, .cwd = source->cwd, .cluster = cluster, .seed = source->seed, .outside = &source->around.outside,
        .predefined = source->around.macros, .before = source->words.before, .append = source->words.append, .queue = source->words.queue,
    };
    if (submit_parse(buf_cstr(&source->text), source->text.len, &options, submit, err) < 0)
        return -1;
    return submit_fill(submit, source->cwd, environ, err);
}

static void say_warnings(const struct submit *submit)
{
    for (size_t i = 0; i < submit->warning_count; i++) {
        auto_buf struct buf text = { 0 };
        words_safe(&text, submit->warnings[i].text);
        fprintf(stderr, "%s:%d: warning: %s\n", submit->warnings[i].file, submit->warnings[i].line, buf_cstr(&text));
    }
}

static void print_ads(const struct cli_call *call, const struct submit *submit)
{
    auto_buf struct buf text = { .max = (size_t)1 << 30 };
    auto_ad struct ad *body = NULL;
    if (cli_given(call, "json")) {
        body = submit_body(submit, 0);
        ad_print_json(body, &text);
        buf_char(&text, '\n');
    } else
        submit_print(submit, &text);
    words_print(&text);
}

/* A number of its own, for submit files whose values contain it; then the whole again with that number. */
static int parse_numbered(struct api *api, struct source *source, int *cluster, struct submit *submit, struct error *err)
{
    auto_api_answer struct api_answer answer = { 0 };
    auto_ad struct ad *reserved = NULL;
    if (api_post(api, "/v1/clusters/reserve", NULL, &answer, err) < 0 || api_ad(&answer, &reserved, err) < 0)
        return -1;
    *cluster = (int)ad_int(reserved, "ClusterId", 0);
    if (*cluster <= 0)
        return error_set(err, ERR_INVALID, "the pool reserved no cluster number");
    submit_release(submit);
    *submit = (struct submit){ 0 };
    submit_surroundings_rewind(&source->around);
    if (parse(source, *cluster, submit, err) < 0)
        return -1;
    return submit_check(submit, source->name, err);
}

static int send_jobs(const struct cli_call *call, struct source *source, struct submit *submit, struct error *err)
{
    auto_api struct api *api = NULL;
    auto_api_answer struct api_answer answer = { 0 };
    auto_ad struct ad *body = NULL, *reply = NULL;
    auto_buf struct buf text = { 0 };
    int cluster = 0;
    if (api_open(API_START, &api, err) < 0)
        return -1;
    if (submit->uses_cluster && parse_numbered(api, source, &cluster, submit, err) < 0)
        return -1;
    body = submit_body(submit, cluster);
    if (api_post(api, "/v1/clusters", body, &answer, err) < 0)
        return error_wrap(err, "%s", source->name);
    if (api_ad(&answer, &reply, err) < 0)
        return -1;
    for (size_t i = 0; i < ad_list_count(reply, "Warnings"); i++)
        fprintf(stderr, "%s: warning: %s\n", source->name, ad_list_string(reply, "Warnings", i));
    if (source->saying)
        source->saying->say(source->saying->data, ad_int(reply, "ClusterId", 0), ad_int(reply, "Jobs", 0), submit, &text);
    else if (cli_given(call, "json"))
        api_print_json(&answer);
    else if (cli_given(call, "quiet"))
        buf_printf(&text, "%" PRId64 "\n", ad_int(reply, "ClusterId", 0));
    else
        submit_say(ad_int(reply, "ClusterId", 0), ad_int(reply, "Jobs", 0), ad_int(submit->cluster, "JobStatus", 1) == 5, &text);
    words_print(&text);
    return CLI_OK;
}

static int check_and_send(const struct cli_call *call, struct source *source, struct submit *submit, struct error *err)
{
    bool dry = cli_given(call, "dry-run");
    if (parse(source, 1, submit, err) < 0)
        return -1;
    say_warnings(submit);
    if (source->saying && source->saying->most > 0 && (int64_t)submit->proc_count > source->saying->most)
        return error_set(err, ERR_LIMIT, "%zu jobs are more than the %" PRId64 " that may be submitted: none was", submit->proc_count,
                         source->saying->most);
    /* Names that contain the cluster's number are looked at when it is known. */
    if (!submit->uses_cluster && submit_check(submit, source->name, err) < 0)
        return -1;
    if (dry && source->saying)
        return source->saying->dry(source->saying->data, submit, err);
    if (dry) {
        print_ads(call, submit);
        return CLI_OK;
    }
    return send_jobs(call, source, submit, err);
}

/* The text that the command line names, or that stands in for it. */
static int open_source(struct source *source, struct error *err)
{
    const struct submit_words *words = &source->words;
    bool has_queue = words->queue != NULL;
    for (size_t i = 0; i < words->append_count; i++)
        has_queue = has_queue || strncasecmp(words->append[i], "queue", strlen("queue")) == 0;
    if (!getcwd(source->cwd, sizeof source->cwd))
        return error_sys(err, "cannot find the current directory");
    if (getentropy(&source->seed, sizeof source->seed) < 0)
        return error_sys(err, "cannot get random bytes");
    const char *file = words->file;
    if (!file && !has_queue && isatty(STDIN_FILENO))
        return cli_usage_error(err, "needs a submit file, '-' for standard input, or '-queue'");
    file = file || has_queue ? file : "-";
    source->name = !file ? "command line" : strcmp(file, "-") == 0 ? "standard input" : file;
    submit_surroundings_init(&source->around, source->cwd, file);
    return file ? submit_read_text(file, &source->text, err) : 0;
}

int submit_run(const struct cli_call *call, const struct submit_saying *saying, struct error *err)
{
    struct source source = { .saying = saying };
    struct submit submit = { 0 };
    int r = submit_read_words(call, &source.words, err);
    if (r == 0)
        r = open_source(&source, err);
    if (r == 0)
        r = check_and_send(call, &source, &submit, err);
    submit_release(&submit);
    source_release(&source);
    return r;
}

int run_submit(const struct cli_call *call, struct error *err)
{
    return submit_run(call, NULL, err);
}
