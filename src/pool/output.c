/* A job's standard output or error: from its sandbox while it runs, from its destination when it is done. */
#include "base/file.h"
#include "base/mem.h"
#include "pool/request.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BYTES_MAX = 1 << 20 };

struct source {
    struct queue_job job;
    bool found;
};

static bool keep(void *data, const struct queue_job *job)
{
    struct source *s = data;
    s->job = *job;
    s->job.ad = ad_copy(job->ad);
    s->found = true;
    return false;
}

static int find(struct request *rq, struct source *s, struct error *err)
{
    struct queue_filter filter = { .id = rq->id, .limit = 1 };
    if (queue_each_job(rq->pool->queue, &filter, keep, s, err) < 0)
        return -1;
    filter.history = true;
    return s->found ? 0 : queue_each_job(rq->pool->queue, &filter, keep, s, err);
}

/* With the owner's rights: the sandbox is his, and what looks like his output may be a link to something that is not. */
static int open_sandbox(struct request *rq, const struct queue_job *job, const char *stream, struct error *err)
{
    char path[128];
    struct identity owner;
    snprintf(path, sizeof path, "%d.%d/stint.%d/std/%s", job->id.cluster, job->id.proc, job->stint, stream);
    if (identity_of(job->uid, &owner, err) < 0 || identity_enter(&owner, err) < 0)
        return -1;
    int fd = openat(rq->pool->jobs_dir, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    identity_leave();
    return fd;
}

/* Before the job's end there is something only if it is streamed: else what lies there is of another job. */
static int open_destination(struct request *rq, const struct queue_job *job, bool error, struct error *err)
{
    struct ad *full = NULL;
    struct identity owner;
    struct stat st;
    int fd = -1;
    if (queue_full_ad(rq->pool->queue, job, &full, err) < 0)
        return -1;
    const char *name = ad_string(full, error ? "Err" : "Out", "");
    auto_free char *path = name[0] == '/' ? mem_dup(name) : mem_printf("%s/%s", ad_string(full, "Iwd", "/"), name);
    bool is_there = job_state_final(job->state) || ad_bool(full, error ? "StreamErr" : "StreamOut", false);
    if (is_there && name[0] && identity_of(job->uid, &owner, err) == 0 && identity_enter(&owner, err) == 0) {
        fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        identity_leave();
    }
    ad_free(full);
    if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)))
        file_close(&fd);
    return fd;
}

static int read_part(struct request *rq, int fd, struct error *err)
{
    struct stat st;
    int64_t offset = request_number(rq, "offset", 0), limit = request_number(rq, "limit", BYTES_MAX);
    if (limit <= 0 || limit > BYTES_MAX)
        limit = BYTES_MAX;
    auto_free char *bytes = mem_zero(1, (size_t)limit);
    if (fstat(fd, &st) < 0)
        return error_sys(err, "cannot look at the output");
    if (offset < 0)
        offset = st.st_size + offset > 0 ? st.st_size + offset : 0;
    ssize_t n = pread(fd, bytes, (size_t)limit, offset);
    if (n < 0)
        return error_sys(err, "cannot read the output");
    buf_add(&rq->raw, bytes, (size_t)n);
    rq->is_raw = true;
    rq->raw_offset = offset + n;
    rq->raw_size = st.st_size;
    return 0;
}

static int answer_output(struct request *rq, const struct queue_job *job, struct error *err)
{
    const char *stream = request_query(rq, "stream");
    bool error = stream && strcmp(stream, "stderr") == 0;
    auto_close int fd = -1;
    rq->raw_state = job_state_name(job->state);
    if (!pool_may(rq->pool, rq->uid, job->uid))
        return error_set(err, ERR_DENIED, "job %d.%d belongs to somebody else", job->id.cluster, job->id.proc);
    if (!job_state_final(job->state))
        fd = open_sandbox(rq, job, error ? "stderr" : "stdout", err);
    if (fd < 0)
        fd = open_destination(rq, job, error, err);
    if (fd >= 0)
        return read_part(rq, fd, err);
    rq->is_raw = true; /* nothing printed yet, or nowhere to look while it waits for its next stint */
    rq->raw_offset = request_number(rq, "offset", 0);
    return 0;
}

int output_get(struct request *rq, struct ad *answer, struct error *err)
{
    struct source s = { 0 };
    (void)answer;
    int result = find(rq, &s, err);
    if (result == 0)
        result = s.found ? answer_output(rq, &s.job, err) : REQUEST_NOT_FOUND;
    ad_free(s.job.ad);
    return result;
}
