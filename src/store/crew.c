/*
 * Three threads, one lock, no queue. Hashing and compressing are what costs, then reading and the waiting for the disk; a
 * pipeline of reader, hasher, compressor and writer would wait for its slowest part. So each thread does all of it, with the
 * next chunk that nobody has taken: two keep two cores busy while the third waits for the disk. A file may be in several hands,
 * and ends when the last of its chunks is done, whoever did it.
 *
 * The helpers have all signals blocked: they belong to the thread that has the event loop. They are gone before crew_loop
 * returns, so that a caller may fork at any other time.
 */
#include "store/crew.h"

#include "base/fault.h"
#include "base/mem.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

struct loop {
    pthread_mutex_t lock;
    crew_step *step;
    void *ctx;
    bool failed;
    struct error error; /* the first */
};

int crew_fault(const char *name)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    int r = fault_point(name);
    pthread_mutex_unlock(&lock);
    return r;
}

/* ---- threads ---- */

static void fail(struct loop *loop, const struct error *err)
{
    pthread_mutex_lock(&loop->lock);
    if (!loop->failed)
        loop->error = *err;
    loop->failed = true;
    pthread_mutex_unlock(&loop->lock);
}

static bool has_failed(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    bool failed = loop->failed;
    pthread_mutex_unlock(&loop->lock);
    return failed;
}

static void work(struct loop *loop, struct crew_worker *worker)
{
    int r = 0;
    while (r == 0 && !has_failed(loop)) {
        struct error err = { 0 };
        r = loop->step(loop->ctx, worker, &err);
        if (r < 0)
            fail(loop, &err);
    }
}

/* Mapped, not allocated: malloc would keep such a buffer for good in a process that is meant to stay small. */
static int with_buffers(struct loop *loop, struct error *err)
{
    uint8_t *room = mmap(NULL, STORE_CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return error_sys(err, "cannot get %d bytes of memory", STORE_CHUNK_BYTES);
    struct crew_worker worker = { .data = room, .coder = coder_new() };
    work(loop, &worker);
    coder_free(worker.coder);
    munmap(room, STORE_CHUNK_BYTES);
    return 0;
}

static void *helper(void *data)
{
    with_buffers(data, NULL); /* without memory the others do it all */
    return NULL;
}

static bool start_helper(struct loop *loop, pthread_t *thread)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(thread, NULL, helper, loop) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

int crew_loop(crew_step *step, void *ctx, int64_t bytes, struct error *err)
{
    struct loop loop = { .lock = PTHREAD_MUTEX_INITIALIZER, .step = step, .ctx = ctx };
    pthread_t helpers[CREW_HELPERS];
    int started = 0;
    while (bytes >= CREW_HELPER_BYTES && started < CREW_HELPERS && start_helper(&loop, &helpers[started]))
        started++;
    struct error mine = { 0 };
    if (with_buffers(&loop, &mine) < 0)
        fail(&loop, &mine);
    while (started > 0)
        pthread_join(helpers[--started], NULL);
    if (loop.failed && err)
        *err = loop.error;
    return loop.failed ? -1 : 0;
}

/* ---- files and their chunks ---- */

struct crew {
    pthread_mutex_t lock;
    const struct crew_ops *ops;
    void *ctx;
    size_t next; /* entry */
    size_t count;
    struct crew_file *current; /* begun, with chunks that nobody has taken */
    bool bad;                  /* something failed: what is still held ends badly */
};

/* With the lock held: ends the file when nobody holds it any more. */
static int let_go(struct crew *crew, struct crew_file *file, struct error *err)
{
    if (--file->holders > 0)
        return 0;
    int r = crew->ops->end(crew->ctx, file, !crew->bad, err);
    crew->bad = crew->bad || r < 0;
    free(file);
    return r;
}

/* With the lock held: begins the next file that has something to do. */
static int begin_next(struct crew *crew, struct error *err)
{
    while (!crew->current) {
        if (crew->next == crew->count || crew->bad)
            return CREW_DONE;
        struct crew_file *file = mem_new(struct crew_file);
        *file = (struct crew_file){ .index = crew->next++, .fd = -1, .dir = -1, .holders = 1 };
        int r = crew->ops->begin(crew->ctx, file, err);
        crew->bad = crew->bad || r < 0;
        if (r != 0)
            free(file);
        if (r < 0)
            return -1;
        if (r == 0 && file->chunks > 0)
            crew->current = file;
        else if (r == 0 && let_go(crew, file, err) < 0)
            return -1;
    }
    return 0;
}

static int take_chunk(struct crew *crew, struct crew_file **file, size_t *chunk, struct error *err)
{
    pthread_mutex_lock(&crew->lock);
    int r = begin_next(crew, err);
    if (r == 0) {
        *file = crew->current;
        *chunk = (*file)->first + (*file)->taken++;
        if ((*file)->taken == (*file)->chunks)
            crew->current = NULL; /* the crew's own hold passes to who took the last one */
        else
            (*file)->holders++;
    }
    pthread_mutex_unlock(&crew->lock);
    return r;
}

static int do_chunk(void *ctx, struct crew_worker *worker, struct error *err)
{
    struct crew *crew = ctx;
    struct crew_file *file = NULL;
    size_t chunk = 0;
    struct error later;
    int r = take_chunk(crew, &file, &chunk, err);
    if (r != 0)
        return r;
    r = crew->ops->chunk(crew->ctx, worker, file, chunk, err);
    pthread_mutex_lock(&crew->lock);
    crew->bad = crew->bad || r < 0;
    int ended = let_go(crew, file, r < 0 ? &later : err);
    pthread_mutex_unlock(&crew->lock);
    return r < 0 ? r : ended;
}

int crew_run(const struct crew_ops *ops, void *ctx, size_t count, int64_t bytes, struct error *err)
{
    struct crew crew = { .lock = PTHREAD_MUTEX_INITIALIZER, .ops = ops, .ctx = ctx, .count = count };
    struct error ignored;
    int r = crew_loop(do_chunk, &crew, bytes, err);
    crew.bad = crew.bad || r < 0;
    if (crew.current) /* a failure came before its other chunks were taken */
        let_go(&crew, crew.current, &ignored);
    return r;
}
