/*
 * Files out of checkpoints, and archives. An archive is written under a name of its own beside its place and renamed when it is
 * whole and durable, so that what has the name is an archive; what an interruption leaves is removed.
 */
#include "cli/ckpt.h"
#include "cli/run.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- cat ---- */

/* Where the content goes. */
struct sink {
    int fd;
    const char *point; /* a fault point before each write */
    struct progress progress;
};

static int copy_stream(struct stream *stream, struct sink *sink, struct ad **result, struct error *err)
{
    struct stream_piece piece;
    for (;;) {
        if (stream_next(stream, &piece, err) < 0)
            return -1;
        if (piece.kind == STREAM_RESULT) {
            *result = ad_copy(piece.ad);
            ad_remove(*result, "Ok");
            return 0;
        }
        if (piece.kind == STREAM_PROGRESS)
            progress_show(&sink->progress, ad_int(piece.ad, "Done", 0), ad_int(piece.ad, "Total", 0));
        if (piece.kind != STREAM_BYTES)
            continue;
        if (sink->point && fault_point(sink->point) < 0)
            return error_sys(err, "cannot write the archive");
        if (file_write_all(sink->fd, piece.bytes, piece.len, err) < 0)
            return error_wrap(err, "cannot write the output");
    }
}

int run_ckpt_cat(const struct cli_call *call, struct error *err)
{
    auto_api struct api *api = NULL;
    auto_stream struct stream *stream = NULL;
    auto_ad struct ad *body = NULL, *result = NULL;
    struct sink sink = { .fd = STDOUT_FILENO };
    int r = ckpt_body(call, 1, &body, err);
    if (r < 0)
        return r;
    ad_append_string(body, "Files", call->operands[1]);
    if (api_open(API_START_IF_WANTED, &api, err) < 0 || stream_open(api, "/v1/checkpoints/cat", body, true, &stream, err) < 0)
        return -1;
    return copy_stream(stream, &sink, &result, err) < 0 ? -1 : CLI_OK;
}

/* ---- extract ---- */

int run_ckpt_extract(const struct cli_call *call, struct error *err)
{
    auto_ad struct ad *body = NULL, *result = NULL;
    auto_buf struct buf text = { 0 };
    int r = ckpt_body(call, 1, &body, err);
    if (r < 0)
        return r;
    auto_free char *directory = ckpt_absolute(cli_given(call, "directory") ? cli_value(call, "directory") : ".", err);
    if (!directory)
        return -1;
    ad_set_string(body, "Directory", directory);
    ad_set_bool(body, "Force", cli_given(call, "force"));
    for (size_t i = 1; i < call->operand_count; i++)
        ad_append_string(body, "Files", call->operands[i]);
    struct ckpt_question question = { .target = "/v1/checkpoints/extract", .body = body, .doing = "extracting" };
    if (ckpt_ask_for(call, &question, &result, err) < 0)
        return -1;
    words_count(&text, ad_int(result, "Files", 0), "file");
    buf_text(&text, " of ");
    ckpt_words_name(&text, result);
    buf_text(&text, ", ");
    words_bytes(&text, ad_int(result, "Bytes", 0));
    buf_text(&text, ", extracted\n");
    if (!cli_given(call, "json"))
        words_print(&text);
    return CLI_OK;
}

/* ---- export ---- */

/* Where an archive is on its way to. */
struct place {
    int dir;
    char *leaf, *part;
    int fd;
    bool force;
};

/* For the handler, which may do little: the directory and the name of what must not stay. */
static int part_dir = -1;
static const char *part_name;

static void on_interrupt(int signal)
{
    unlinkat(part_dir, part_name, 0);
    _exit(signal == SIGINT ? CLI_INTERRUPTED : 128 + signal);
}

static void catch_interrupts(bool on)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction action = { .sa_handler = on ? on_interrupt : SIG_DFL };
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaction(signals[i], &action, NULL);
}

static int check_absent(const struct place *place, struct error *err)
{
    struct stat st;
    if (fstatat(place->dir, place->leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : error_sys(err, "cannot look at '%s'", place->leaf);
    if (S_ISDIR(st.st_mode))
        return error_set(err, ERR_INVALID, "'%s' is a directory", place->leaf);
    return place->force ? 0 : error_set(err, ERR_INVALID, "'%s' is there already; give --force to replace it", place->leaf);
}

static int open_place(struct place *place, const char *name, bool force, struct error *err)
{
    const char *slash = strrchr(name, '/');
    auto_free char *parent = slash ? mem_dup_n(name, slash == name ? 1 : (size_t)(slash - name)) : mem_dup(".");
    *place = (struct place){ .dir = -1, .fd = -1, .force = force };
    place->dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (place->dir < 0)
        return error_sys(err, "cannot open the directory '%s'", parent);
    place->leaf = mem_dup(slash ? slash + 1 : name);
    place->part = mem_printf(".%s.%d.part", place->leaf, (int)getpid());
    if (!*place->leaf || check_absent(place, err) < 0)
        return *place->leaf ? -1 : error_set(err, ERR_INVALID, "'%s' is a directory", name);
    place->fd = openat(place->dir, place->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (place->fd < 0)
        return error_sys(err, "cannot create '%s' in '%s'", place->part, parent);
    part_dir = place->dir;
    part_name = place->part;
    catch_interrupts(true);
    return 0;
}

static void close_place(struct place *place)
{
    if (place->fd >= 0) {
        unlinkat(place->dir, place->part, 0); /* no more there if it was renamed */
        catch_interrupts(false);
    }
    file_close(&place->fd);
    file_close(&place->dir);
    free(place->leaf);
    free(place->part);
}

/* The archive gets its name, durably. Without --force not in place of what has come there meanwhile. */
static int settle_place(struct place *place, struct error *err)
{
    if (fault_point("cli.export.sync") < 0 || fsync(place->fd) < 0)
        return error_sys(err, "cannot sync the archive");
    if (fault_point("cli.export.rename") < 0)
        return error_sys(err, "cannot name the archive");
    int r = place->force ? renameat(place->dir, place->part, place->dir, place->leaf)
                         : renameat2(place->dir, place->part, place->dir, place->leaf, RENAME_NOREPLACE);
    if (r < 0 && errno == EINVAL && check_absent(place, err) == 0) /* a file system that can not exclude it */
        r = renameat(place->dir, place->part, place->dir, place->leaf);
    if (r < 0)
        return error_sys(err, "cannot name the archive '%s'", place->leaf);
    return file_sync(place->dir, "the archive's directory", err);
}

/* "7.0@3.stint.tar": what comes says which checkpoint it is. */
static char *name_of(const struct stream_piece *head)
{
    auto_buf struct buf name = { 0 };
    ckpt_words_name(&name, head->ad);
    buf_text(&name, ".stint.tar");
    return strchr(buf_cstr(&name), '/') ? mem_dup("checkpoint.stint.tar") : buf_steal(&name);
}

static int write_file(const struct cli_call *call, struct stream *stream, const char *given, char **name, struct ad **result,
                      struct error *err)
{
    struct sink sink = { .point = "cli.export.write", .progress.doing = "exporting" };
    struct stream_piece head;
    struct place place;
    if (stream_next(stream, &head, err) < 0)
        return -1;
    *name = given ? mem_dup(given) : head.kind == STREAM_HEAD ? name_of(&head) : mem_dup("checkpoint.stint.tar");
    int r = open_place(&place, *name, cli_given(call, "force"), err);
    sink.fd = place.fd;
    if (r == 0)
        r = copy_stream(stream, &sink, result, err);
    progress_clear(&sink.progress);
    if (r == 0)
        r = settle_place(&place, err);
    close_place(&place);
    return r;
}

static void say_exported(const struct ad *result, const char *name, struct buf *out)
{
    ckpt_words_name(out, result);
    buf_text(out, ", ");
    words_bytes(out, ad_int(result, "Bytes", 0));
    buf_text(out, ", exported to '");
    words_safe(out, name);
    buf_text(out, "'\nMake a job of it with: stint ckpt import '");
    words_safe(out, name);
    buf_text(out, "' (another pool needs --key or --unverified)\n");
}

int run_ckpt_export(const struct cli_call *call, struct error *err)
{
    auto_api struct api *api = NULL;
    auto_stream struct stream *stream = NULL;
    auto_ad struct ad *body = NULL, *result = NULL;
    auto_buf struct buf text = { 0 };
    auto_free char *name = NULL;
    const char *output = cli_value(call, "output");
    bool to_stdout = output ? strcmp(output, "-") == 0 : !isatty(STDOUT_FILENO);
    struct sink sink = { .fd = STDOUT_FILENO, .point = "cli.export.write", .progress.doing = "exporting" };
    int r = ckpt_body(call, 1, &body, err);
    if (r < 0)
        return r;
    if (output && !*output)
        return cli_usage_error(err, "'-o' needs a name");
    if (to_stdout && cli_given(call, "json"))
        return cli_usage_error(err, "with '--json' the archive needs a name: give '-o FILE'");
    if (to_stdout && isatty(STDOUT_FILENO))
        return cli_usage_error(err, "an archive is not for terminals: give '-o FILE', or redirect the output");
    if (api_open(API_START_IF_WANTED, &api, err) < 0 || stream_open(api, "/v1/checkpoints/export", body, true, &stream, err) < 0)
        return -1;
    if (to_stdout) {
        r = copy_stream(stream, &sink, &result, err);
        progress_clear(&sink.progress);
        return r;
    }
    if (write_file(call, stream, output, &name, &result, err) < 0)
        return -1;
    if (cli_given(call, "json")) {
        ad_set_string(result, "File", name);
        ad_print_json(result, &text);
        buf_char(&text, '\n');
    } else {
        say_exported(result, name, &text);
    }
    words_print(&text);
    return CLI_OK;
}

/* ---- import ---- */

int run_ckpt_import(const struct cli_call *call, struct error *err)
{
    auto_ad struct ad *body = ad_new(), *result = NULL;
    auto_buf struct buf text = { 0 };
    const char *key = cli_value(call, "key");
    if (strcmp(call->operands[0], "-") == 0)
        return cli_usage_error(err, "an archive is read from a file, not from standard input");
    if (key && cli_given(call, "unverified"))
        return cli_usage_error(err, "either '--key' or '--unverified', not both");
    auto_free char *file = ckpt_absolute(call->operands[0], err), *key_file = key ? ckpt_absolute(key, err) : NULL;
    if (!file || (key && !key_file))
        return -1;
    ad_set_string(body, "File", file);
    if (key)
        ad_set_string(body, "Key", key_file);
    ad_set_bool(body, "Unverified", cli_given(call, "unverified"));
    struct ckpt_question question = { .target = "/v1/checkpoints/import", .body = body, .doing = "importing" };
    if (ckpt_ask_for(call, &question, &result, err) < 0)
        return -1;
    auto_buf struct buf id = { 0 };
    words_safe(&id, ad_string(result, "Id", "?"));
    buf_printf(&text, "job %s was made of ", buf_cstr(&id));
    words_safe(&text, ad_string(result, "From", "?"));
    buf_printf(&text, ", and is held.\nLook at its paths with: stint show --json %s\nChange them with: stint edit %s initialdir=DIR\n"
                      "Then let it run with: stint release %s\n", buf_cstr(&id), buf_cstr(&id), buf_cstr(&id));
    if (!cli_given(call, "json"))
        words_print(&text);
    return CLI_OK;
}
