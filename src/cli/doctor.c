/* The checks are made by the runner, which has what they need and is what jobs run under; this asks it and prints. */
#include "cli/doctor.h"

#include "base/file.h"
#include "base/mem.h"
#include "cli/api.h"
#include "cli/run.h"
#include "cli/words.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REPORT_MAX = 1 << 20, CONFIG_MAX = 1 << 20, TITLE_WIDTH = 36 };

/* ---- the report ---- */

static const char *sign(const struct ad *check, bool terminal)
{
    bool essential = ad_bool(check, "Essential", false);
    if (ad_bool(check, "Ok", false))
        return terminal ? "✓" : "ok     ";
    if (terminal)
        return essential ? "✗" : "–";
    return essential ? "MISSING" : "no     ";
}

static void print_check(const struct ad *check, bool terminal, struct buf *out)
{
    size_t before;
    buf_printf(out, "%s  ", sign(check, terminal));
    before = out->len;
    words_safe(out, ad_string(check, "Title", "?"));
    for (size_t len = out->len - before; len < TITLE_WIDTH; len++)
        buf_char(out, ' ');
    buf_text(out, "  ");
    words_safe(out, ad_string(check, "Found", ""));
    buf_char(out, '\n');
    if (ad_bool(check, "Ok", false))
        return;
    buf_printf(out, "%*s   needed for ", terminal ? 1 : 7, "");
    words_safe(out, ad_string(check, "For", "?"));
    buf_char(out, '\n');
    if (!ad_has(check, "Change"))
        return;
    buf_printf(out, "%*s   to change it: ", terminal ? 1 : 7, "");
    words_safe(out, ad_string(check, "Change", ""));
    buf_char(out, '\n');
}

void doctor_print(const struct ad *report, const struct screen *screen, struct buf *out)
{
    for (size_t i = 0; i < ad_list_count(report, "Checks"); i++)
        print_check(ad_list_ad(report, "Checks", i), screen->width > 0, out);
    buf_text(out, ad_bool(report, "Transparent", false)
                      ? "\nUnmodified programs can be checkpointed and resumed here.\n"
                      : "\nUnmodified programs cannot be checkpointed here. Jobs that checkpoint themselves run as always.\n");
}

/* ---- asking ---- */

/* The value of "criu_dir" in the pool's configuration, "" when it says nothing; the last one counts. Yours. */
static char *configured_tools(const char *directory)
{
    static const char name[] = "criu_dir";
    auto_buf struct buf text = { .max = CONFIG_MAX };
    auto_free char *path = mem_printf("%s/stint.conf", directory);
    char *found = mem_dup("");
    if (file_read(AT_FDCWD, path, &text, NULL) != 0)
        return found;
    for (const char *line = buf_cstr(&text); *line; line += strcspn(line, "\n"), line += *line == '\n') {
        const char *at = line + strspn(line, " \t");
        if (strncasecmp(at, name, sizeof name - 1) != 0)
            continue;
        at += sizeof name - 1;
        at += strspn(at, " \t");
        if (*at != '=')
            continue;
        at += 1 + strspn(at + 1, " \t");
        size_t len = strcspn(at, "\n");
        while (len > 0 && isspace((unsigned char)at[len - 1]))
            len--;
        free(found);
        found = mem_dup_n(at, len);
    }
    return found;
}

static int spawn(const char *program, char *const *argv, int out, pid_t *pid, struct error *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    int r = posix_spawn(pid, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    errno = r;
    return r == 0 ? 0 : error_sys(err, "cannot run '%s'", program);
}

static int ask(const char *tools, const char *directory, struct buf *answer, struct error *err)
{
    auto_free char *program = api_find_program("stint-runner");
    char *argv[] = { (char *)"stint-runner", (char *)"--doctor", (char *)tools, (char *)directory, NULL };
    int ends[2], status;
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_sys(err, "cannot make a pipe");
    auto_close int from = ends[0];
    int r = spawn(program, argv, ends[1], &pid, err);
    close(ends[1]);
    if (r < 0)
        return -1;
    r = file_read_fd(from, answer, err);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (r != 0)
        return error_wrap(err, "the report");
    if (answer->len == 0)
        return error_set(err, ERR_CHILD, "'%s --doctor' failed", program);
    return 0;
}

int run_doctor(const struct cli_call *call, struct error *err)
{
    auto_buf struct buf answer = { .max = REPORT_MAX }, text = { 0 };
    auto_ad struct ad *report = NULL;
    struct screen screen = screen_now();
    auto_free char *directory = api_find_directory(err);
    if (!directory)
        return -1;
    auto_free char *tools = cli_given(call, "tools") ? mem_dup(cli_value(call, "tools")) : configured_tools(directory);
    if (ask(tools, directory, &answer, err) < 0)
        return -1;
    if (ad_parse_json(buf_cstr(&answer), strcspn(buf_cstr(&answer), "\n"), &report, err) < 0)
        return error_wrap(err, "the runner's report makes no sense");
    if (cli_given(call, "json"))
        buf_add(&text, answer.data, answer.len);
    else
        doctor_print(report, &screen, &text);
    words_print(&text);
    return ad_bool(report, "Transparent", false) ? CLI_OK : CLI_FAILURE;
}
