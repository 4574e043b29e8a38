/*
 * Three threads, one lock, no queue. Hashing is what costs (1.5 GB/s on a core with the instructions for it), then reading and
 * the waiting for the disk; a pipeline of reader, hasher and writer would wait for its hasher. So each thread does all of it,
 * with the next chunk that nobody has taken: two keep two cores busy while the third waits for the disk. A file may be in
 * several hands, and ends when the last of its chunks is done, whoever did it.
 *
 * The helpers have all signals blocked: they belong to the thread that has the event loop. They are gone before crew_run
 * returns, so that a caller may fork at any other time.
 */
#include "store/crew.h"

#include "base/fault.h"
#include "base/mem.h"
#include "store/chunk.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

struct crew {
    pthread_mutex_t lock;
    const struct crew_ops *ops;
    void *ctx;
    size_t next; /* entry */
    size_t count;
    struct crew_file *current; /* begun, with chunks that nobody has taken */
    int workers; /* so far: each has its number */
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

/* With the lock held. */
static void fail(struct crew *crew, const struct error *err)
{
    if (!crew->failed)
        crew->error = *err;
    crew->failed = true;
}

/* With the lock held: ends the file when nobody holds it any more. */
static void let_go(struct crew *crew, struct crew_file *file)
{
    struct error err = { 0 };
    if (--file->holders > 0)
        return;
    if (crew->ops->end(crew->ctx, file, !crew->failed, &err) < 0)
        fail(crew, &err);
    free(file);
}

/* With the lock held: begins the next file that has something to do. False when there is none. */
static bool begin_next(struct crew *crew)
{
    while (!crew->current && !crew->failed && crew->next < crew->count) {
        struct error err = { 0 };
        struct crew_file *file = mem_new(struct crew_file);
        *file = (struct crew_file){ .index = crew->next++, .fd = -1, .dir = -1, .holders = 1 };
        int r = crew->ops->begin(crew->ctx, file, &err);
        if (r < 0)
            fail(crew, &err);
        if (r != 0)
            free(file);
        else if (file->chunks == 0)
            let_go(crew, file);
        else
            crew->current = file;
    }
    return crew->current && !crew->failed;
}

static struct crew_file *take_chunk(struct crew *crew, size_t *chunk)
{
    pthread_mutex_lock(&crew->lock);
    struct crew_file *file = NULL;
    if (begin_next(crew)) {
        file = crew->current;
        *chunk = file->taken++;
        if (file->taken == file->chunks)
            crew->current = NULL; /* the crew's own hold passes to who took the last one */
        else
            file->holders++;
    }
    pthread_mutex_unlock(&crew->lock);
    return file;
}

static void work(struct crew *crew, struct crew_worker *worker)
{
    struct crew_file *file;
    size_t chunk;
    while ((file = take_chunk(crew, &chunk))) {
        struct error err = { 0 };
        int r = crew->ops->chunk(crew->ctx, worker, file, chunk, &err);
        pthread_mutex_lock(&crew->lock);
        if (r < 0)
            fail(crew, &err);
        let_go(crew, file);
        pthread_mutex_unlock(&crew->lock);
    }
}

/* Mapped, not allocated: malloc would keep such a buffer for good in a process that is meant to stay small. */
static int with_buffers(struct crew *crew, struct error *err)
{
    size_t size = STORE_CHUNK_BYTES + CHUNK_PIECE;
    uint8_t *room = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return error_sys(err, "cannot get %zu bytes of memory", size);
    pthread_mutex_lock(&crew->lock);
    int number = crew->workers++;
    pthread_mutex_unlock(&crew->lock);
    struct crew_worker worker = { .number = number, .data = room, .piece = room + STORE_CHUNK_BYTES };
    work(crew, &worker);
    munmap(room, size);
    return 0;
}

static void *helper(void *data)
{
    with_buffers(data, NULL); /* without memory the others do it all */
    return NULL;
}

static bool start_helper(struct crew *crew, pthread_t *thread)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(thread, NULL, helper, crew) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

int crew_run(const struct crew_ops *ops, void *ctx, size_t count, int64_t bytes, struct error *err)
{
    struct crew crew = { .lock = PTHREAD_MUTEX_INITIALIZER, .ops = ops, .ctx = ctx, .count = count };
    pthread_t helpers[CREW_HELPERS];
    int started = 0;
    while (bytes >= CREW_HELPER_BYTES && started < CREW_HELPERS && start_helper(&crew, &helpers[started]))
        started++;
    struct error mine = { 0 };
    if (with_buffers(&crew, &mine) < 0) {
        pthread_mutex_lock(&crew.lock);
        fail(&crew, &mine);
        pthread_mutex_unlock(&crew.lock);
    }
    while (started > 0)
        pthread_join(helpers[--started], NULL);
    if (crew.current) /* a failure came before its other chunks were taken */
        let_go(&crew, crew.current);
    if (!crew.failed)
        return 0;
    if (err)
        *err = crew.error;
    return -1;
}
