/*
 * Checkpoints on their way to the remote store. A child, stint-store, sends what is not there yet; what it says of each that has
 * become safe goes into the queue. It is started whenever there is something new, one at a time, and tried again a minute
 * after it failed. Nobody waits for it: a checkpoint counts when it is committed here.
 */
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "pool/pool.h"
#include "store/transport.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { RETRY_US = 60000000, SAID_MAX = 1 << 20 };

static bool has_remote(const struct pool *p)
{
    return p->config.remote_store[0] != '\0';
}

static const char *given(const char *text)
{
    return text[0] ? text : NULL;
}

int upload_open(struct pool *p, struct error *err)
{
    const struct config *c = &p->config;
    struct remote_options options = {
        .place = c->remote_store, .endpoint = given(c->remote_endpoint), .region = given(c->remote_region),
        .credentials = given(c->remote_credentials),
    };
    p->upload = p->upload_all = has_remote(p); /* what the last pool did not get to */
    return transport_configure(p->store_path, has_remote(p) ? &options : NULL, err);
}

void upload_want(struct pool *p)
{
    if (!has_remote(p))
        return;
    p->upload = true;
    pool_wake(p, p->upload_at_us);
}

void upload_forget(struct pool *p, const char *job)
{
    struct error err;
    if (!has_remote(p))
        return;
    if (transport_note_gone(p->store, job, &err) < 0)
        log_error("job %s: its checkpoints stay in the remote store: %s", job, err.text);
    upload_want(p);
}

/* ---- what it says ---- */

enum { KNOWN = 1 };

static int mark_row(struct pool *p, const struct queue_job *job, int generation, struct error *err)
{
    auto_ad struct ad *all = ad_new();
    if (queue_list_checkpoints(p->queue, job->id, all, "Checkpoints", err) < 0)
        return -1;
    for (size_t i = 0; i < ad_list_count(all, "Checkpoints"); i++) {
        const struct ad *row = ad_list_ad(all, "Checkpoints", i);
        if (ad_int(row, "Generation", 0) != generation)
            continue;
        if (ad_bool(row, "Safe", false))
            return KNOWN;
        auto_ad struct ad *marked = ad_copy(row);
        ad_set_bool(marked, "Safe", true);
        return queue_put_checkpoint(p->queue, job->id, generation, marked, err);
    }
    return 0; /* made by a runner that could not tell of it yet */
}

static int note_safe_in(struct pool *p, struct queue_job *job, int generation, struct error *err)
{
    struct ad *full = NULL;
    int64_t now = clock_wall_us();
    int known = mark_row(p, job, generation, err);
    if (known != 0 || queue_full_ad(p->queue, job, &full, err) < 0)
        return known == KNOWN ? 0 : -1;
    struct ad *event = event_new("checkpoint_safe", now);
    ad_set_int(event, "Generation", generation);
    int result = event_add(p, job, full, event, err);
    ad_free(full);
    if (result < 0 || generation < ad_int(job->ad, "SafeGeneration", 0))
        return result;
    ad_set_int(job->ad, "SafeGeneration", generation);
    ad_set_int(job->ad, "LastSafeTime", now / CLOCK_SECOND_US);
    return queue_put_job(p->queue, job, err);
}

static void note_safe(struct pool *p, struct job_id id, int generation)
{
    struct queue_job job = { 0 };
    struct error err;
    if (queue_begin(p->queue, &err) < 0)
        return; /* the mark beside the manifest is there all the same */
    int result = queue_get_job(p->queue, id, &job, &err);
    if (result == 0)
        result = note_safe_in(p, &job, generation, &err);
    queue_job_release(&job);
    if (result == 0)
        result = event_commit(p, &err);
    else
        event_rollback(p);
    if (result < 0)
        log_error("job %d.%d: that checkpoint %d is safe could not be recorded: %s", id.cluster, id.proc, generation, err.text);
}

static void take_line(struct pool *p, const char *line)
{
    char name[32];
    struct job_id id;
    int generation;
    if (sscanf(line, "safe %31s %d", name, &generation) == 2 && job_id_parse(name, &id))
        note_safe(p, id, generation);
}

static void end_listening(struct pool *p)
{
    loop_unwatch(p->upload_watch);
    p->upload_watch = NULL;
    file_close(&p->upload_fd);
    buf_release(&p->upload_said);
}

static void on_said(void *data, uint32_t events)
{
    struct pool *p = data;
    char block[4096];
    (void)events;
    ssize_t n = read(p->upload_fd, block, sizeof block);
    if (n <= 0) {
        end_listening(p);
        return;
    }
    buf_add(&p->upload_said, block, (size_t)n);
    for (char *end; p->upload_said.data && (end = memchr(p->upload_said.data, '\n', p->upload_said.len));) {
        *end = '\0';
        take_line(p, p->upload_said.data);
        buf_drop(&p->upload_said, (size_t)(end - p->upload_said.data) + 1);
    }
}

/* ---- the child ---- */

static void be_uploader(struct pool *p, pid_t pool, int out)
{
    sigset_t none;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpriority(PRIO_PROCESS, 0, 10);
    dup2(out, STDOUT_FILENO);
    if (getppid() == pool)
        execl(p->transport_path, "stint-store", "push", p->store_path, p->upload_all ? "all" : NULL, NULL);
    log_error("cannot start '%s'", p->transport_path);
    _exit(1);
}

void upload_round(struct pool *p)
{
    int ends[2];
    if (!p->upload || p->uploader || p->upload_watch)
        return;
    if (clock_boot_us() < p->upload_at_us) {
        pool_wake(p, p->upload_at_us);
        return;
    }
    if (pipe2(ends, O_CLOEXEC) < 0)
        return;
    pid_t pool = getpid(), pid = fork();
    if (pid == 0)
        be_uploader(p, pool, ends[1]);
    close(ends[1]);
    p->upload = pid <= 0; /* what comes from now on is for the next one */
    p->uploader = pid > 0 ? pid : 0;
    p->upload_fd = ends[0];
    p->upload_said = (struct buf){ .max = SAID_MAX };
    p->upload_watch = loop_watch(p->loop, ends[0], EPOLLIN, on_said, p);
}

void upload_reaped(struct pool *p, pid_t pid, int status)
{
    if (pid != p->uploader)
        return;
    p->uploader = 0;
    p->upload_all = p->upload_all && status != 0;
    if (status != 0) {
        p->upload = true;
        p->upload_at_us = clock_boot_us() + RETRY_US;
    }
    if (p->upload)
        pool_wake(p, p->upload_at_us);
}

void upload_close(struct pool *p)
{
    if (p->uploader)
        kill(p->uploader, SIGTERM); /* it begins again where it was */
    if (p->upload_watch)
        end_listening(p);
}
