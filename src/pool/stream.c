/*
 * The library asks for the next piece when its client can take one. While there is none, the connection is suspended, and
 * resumed by the task's pipe, or by the client's death, which the library does not see in the meantime.
 */
#include "pool/stream.h"

#include "base/mem.h"

#include <stdlib.h>
#include <sys/epoll.h>

enum { PIECE = 64 << 10 };

struct stream {
    struct stream *next;
    struct pool *pool;
    struct task *task;
    struct MHD_Connection *connection;
    struct loop_watch *watch; /* of the connection, while it is suspended; NULL then too if it can not be watched */
    bool suspended, gone;
};

static void resume(struct stream *s)
{
    if (!s->suspended)
        return;
    loop_unwatch(s->watch); /* before the connection may close its descriptor */
    s->watch = NULL;
    s->suspended = false;
    MHD_resume_connection(s->connection);
    s->pool->http_again = true;
}

static void on_piece(void *data)
{
    resume(data);
}

static void on_hangup(void *data, uint32_t events)
{
    struct stream *s = data;
    (void)events;
    s->gone = true;
    resume(s);
}

static void suspend(struct stream *s)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(s->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    s->suspended = true;
    s->watch = info ? loop_watch(s->pool->loop, info->connect_fd, EPOLLRDHUP, on_hangup, s) : NULL;
    MHD_suspend_connection(s->connection);
    task_wait(s->task, on_piece, s);
}

static ssize_t read_piece(void *data, uint64_t position, char *out, size_t max)
{
    struct stream *s = data;
    (void)position;
    ssize_t n = s->gone ? TASK_OVER : task_read(s->task, out, max);
    if (s->gone)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (n == TASK_OVER)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (n == 0)
        suspend(s);
    return n;
}

static void stream_free(void *data)
{
    struct stream *s = data;
    struct stream **at = &s->pool->streams;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    loop_unwatch(s->watch);
    task_leave(s->task);
    free(s);
}

enum MHD_Result stream_send(struct pool *p, struct MHD_Connection *connection, struct task *task)
{
    struct stream *s = mem_new(struct stream);
    *s = (struct stream){ .next = p->streams, .pool = p, .task = task, .connection = connection };
    p->streams = s;
    struct MHD_Response *response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PIECE, read_piece, s, stream_free);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                            task_gives_bytes(task) ? "application/octet-stream" : "application/x-ndjson");
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close"); /* it has no timeout from here on */
    /* A client may stop reading for as long as it likes: there are few tasks for each user, and its death is noticed. */
    MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, 0U);
    enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

void stream_close_all(struct pool *p)
{
    for (struct stream *s = p->streams; s; s = s->next) {
        s->gone = true;
        resume(s);
    }
}
