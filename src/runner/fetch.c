/*
 * What was fetched lies in JOBDIR/fetch until it is in the sandbox, so that a stint that comes to its end in between does not have
 * to begin anew. The directory is the owner's: whatever touches it does so with the owner's rights.
 */
#include "runner/fetch.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "job/record.h"
#include "runner/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STATUS_LATER = 3, STATUS_FULL = 4, STATUS_UNABLE = 126, DEATHS_MAX = 3, LINE_MAX_BYTES = 1024, TELL_US = 5000000, ENVIRONMENT_MAX = 32 };

static void tell(struct fetching *f, int phase, int64_t bytes, int64_t total)
{
    struct worker_report report = { .kind = FILL_TRANSFER };
    report.values[TRANSFER_PHASE] = phase;
    report.values[TRANSFER_BYTES] = f->bytes + bytes;
    report.values[TRANSFER_TOTAL] = total < 0 ? -1 : f->bytes + total;
    report.values[TRANSFER_FILES] = f->files;
    report.values[TRANSFER_FILES_ALL] = f->of;
    f->told_us = clock_boot_us();
    worker_send(f->pipe, &report);
}

int fetch_open(struct fetching *f, struct runner *r, int pipe, int of, struct error *err)
{
    bool made;
    *f = (struct fetching){ .runner = r, .pipe = pipe, .of = of, .dir = sandbox_make_dir(r, r->job_dir, "fetch", &made, err) };
    if (f->dir < 0)
        return -1;
    tell(f, TRANSFER_STARTED, 0, -1);
    return 0;
}

void fetch_close(struct fetching *f)
{
    file_close(&f->dir);
}

void fetch_done(struct fetching *f)
{
    struct error ignored;
    tell(f, TRANSFER_FINISHED, 0, 0);
    if (file_remove_tree(f->runner->job_dir, "fetch", &ignored) < 0)
        log_error("job %s: what was fetched stays: %s", f->runner->id_text, ignored.text);
}

/* ---- the program ---- */

/* What the network needs, and nothing else of an environment that may not be the owner's to see. */
static void pick_environment(char *envp[ENVIRONMENT_MAX])
{
    static const char *const passed[] = { "http_proxy=", "https_proxy=", "all_proxy=", "no_proxy=", "HTTPS_PROXY=", "ALL_PROXY=", "NO_PROXY=",
                                          "CURL_CA_BUNDLE=", "SSL_CERT_FILE=", "SSL_CERT_DIR=", "STINT_FAULT", "ASAN_OPTIONS=", "UBSAN_OPTIONS=" };
    int count = 0;
    for (char **one = environ; *one && count < ENVIRONMENT_MAX - 1; one++)
        for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++)
            if (strncmp(*one, passed[i], strlen(passed[i])) == 0 && count < ENVIRONMENT_MAX - 1)
                envp[count++] = *one;
    envp[count] = NULL;
}

static void be_program(const struct fetching *f, const char *program, const char *const argv[], const int ends[4], pid_t parent)
{
    char *envp[ENVIRONMENT_MAX];
    pick_environment(envp);
    identity_leave();
    if (identity_become(&f->runner->owner, NULL) < 0 || fchdir(f->dir) < 0)
        _exit(STATUS_UNABLE);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* after the change of rights, at which the kernel forgets it */
    if (getppid() != parent || dup2(ends[0], STDIN_FILENO) < 0 || dup2(ends[3], STDOUT_FILENO) < 0)
        _exit(STATUS_UNABLE);
    execve(program, (char *const *)argv, envp);
    _exit(STATUS_UNABLE);
}

static void take_line(struct fetching *f, const char *line, struct error *err)
{
    long long done = 0, total = -1;
    if (strncmp(line, "failed ", 7) == 0)
        error_set(err, ERR_CHILD, "%s", line + 7);
    else if (sscanf(line, "progress %lld %lld", &done, &total) == 2) {
        f->total = done;
        if (clock_boot_us() - f->told_us >= TELL_US)
            tell(f, TRANSFER_GOING, done, total);
    }
}

static void listen_to(struct fetching *f, int fd, struct error *err)
{
    FILE *in = fdopen(fd, "r");
    char line[LINE_MAX_BYTES];
    while (in && fgets(line, sizeof line, in)) {
        line[strcspn(line, "\n")] = '\0';
        take_line(f, line, err);
    }
    if (in)
        fclose(in);
    else
        close(fd);
}

static int judge(int status, struct error *err)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFSIGNALED(status)) {
        error_set(err, ERR_CHILD, "stint-fetch died of signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
        err->sys = EINTR;
        return -1;
    }
    if (!err->text[0] || WEXITSTATUS(status) == STATUS_UNABLE)
        error_set(err, ERR_CHILD, "cannot run stint-fetch");
    err->sys = WEXITSTATUS(status) == STATUS_LATER ? EAGAIN : WEXITSTATUS(status) == STATUS_FULL ? ENOSPC : 0;
    return -1;
}

static int run(struct fetching *f, const char *program, const char *const argv[], const char *url, struct error *err)
{
    int ends[4], status = 0;
    *err = (struct error){ 0 };
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_sys(err, "cannot make a pipe");
    if (pipe2(ends + 2, O_CLOEXEC) < 0) {
        close(ends[0]);
        close(ends[1]);
        return error_sys(err, "cannot make a pipe");
    }
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        be_program(f, program, argv, ends, parent);
    close(ends[0]);
    close(ends[3]);
    if (pid > 0 && file_write_all(ends[1], url, strlen(url), err) < 0) /* it is shorter than what a pipe holds */
        kill(pid, SIGKILL);
    close(ends[1]);
    if (pid < 0) {
        close(ends[2]);
        return error_sys(err, "cannot fork");
    }
    listen_to(f, ends[2], err);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return error_sys(err, "cannot wait for stint-fetch");
    return judge(status, err);
}

int fetch_one(struct fetching *f, const struct transfer_source *source, const char *name, struct error *err)
{
    struct error local;
    auto_free char *program = tool_beside("fetch", "stint-fetch");
    auto_free char *shown = transfer_source_show(source);
    const char *const argv[] = { "stint-fetch", name, shown, source->digest, NULL };
    err = err ? err : &local;
    int result = run(f, program, argv, source->place, err);
    for (int deaths = 1; result < 0 && err->sys == EINTR && deaths < DEATHS_MAX; deaths++) /* somebody killed it */
        result = run(f, program, argv, source->place, err);
    if (result < 0) {
        err->sys = err->sys == EINTR ? EAGAIN : err->sys;
        return -1;
    }
    f->files++;
    f->bytes += f->total;
    f->total = 0;
    return 0;
}

void fetch_record(struct runner *r, const struct worker_report *report)
{
    static const char *const phases[] = { "started", "going", "finished" };
    struct ad *record = record_new(RECORD_TRANSFER);
    ad_set_string(record, "Phase", phases[report->values[TRANSFER_PHASE]]);
    ad_set_int(record, "Bytes", report->values[TRANSFER_BYTES]);
    if (report->values[TRANSFER_TOTAL] >= 0)
        ad_set_int(record, "TotalBytes", report->values[TRANSFER_TOTAL]);
    ad_set_int(record, "Files", report->values[TRANSFER_FILES]);
    ad_set_int(record, "AllFiles", report->values[TRANSFER_FILES_ALL]);
    record_write(r, record);
}
