/*
 * The socket of the engine's own protocol, in /stint/self and, if the job wants it (+WantCriuPipe = true), under its name in the
 * working directory: a program that has itself dumped asks here. What it asks becomes a checkpoint like any other.
 */
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "runner/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void hang_up(struct runner *r)
{
    loop_unwatch(r->asker_watch);
    r->asker_watch = NULL;
    file_close(&r->asker);
    if (r->listener_watch_asker)
        loop_watch_change(r->listener_watch_asker, EPOLLIN);
}

/* One at a time: whoever else connects waits in the listener's queue. */
static void on_request(void *data, uint32_t events)
{
    struct runner *r = data;
    struct engine_site site = stint_site(r);
    struct error err;
    (void)events;
    int result = engine_look_at_request(&site, r->asker, &err);
    if (result > 0)
        return;
    if (result < 0) {
        log_error("job %s: a request on %s is not served: %s", r->id_text, engine_socket_name, err.text);
        hang_up(r);
        return;
    }
    loop_unwatch(r->asker_watch);
    r->asker_watch = NULL;
    checkpoint_ask(r, "self");
}

static void on_connection(void *data, uint32_t events)
{
    struct runner *r = data;
    (void)events;
    r->asker = accept4(r->asker_listener, NULL, NULL, SOCK_CLOEXEC);
    if (r->asker < 0)
        return;
    r->asker_watch = loop_watch(r->loop, r->asker, EPOLLIN, on_request, r);
    loop_watch_change(r->listener_watch_asker, 0); /* else those who wait would keep the loop awake */
}

static int listen_in(int dir, struct error *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    auto_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", dir, engine_socket_name);
    unlinkat(dir, engine_socket_name, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4) < 0)
        return error_sys(err, "cannot listen on %s", engine_socket_name);
    return steal_fd(&fd);
}

static int link_to(const struct runner *r)
{
    auto_free char *target = mem_printf("/stint/self/%s", engine_socket_name);
    return symlinkat(target, r->work, engine_socket_name);
}

int asker_open(struct runner *r, struct error *err)
{
    if (!r->world)
        return 0;
    auto_close int dir = openat(r->stint_dir, "self", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0)
        return error_sys(err, "cannot open 'self' of the stint");
    if (identity_enter(&r->owner, err) < 0)
        return -1;
    r->asker_listener = listen_in(dir, err);
    if (r->asker_listener >= 0 && ad_bool(r->job, "WantCriuPipe", false) && sandbox_wanted(r) &&
        link_to(r) < 0 && errno != EEXIST)
        log_error("job %s: no %s in its directory: %s", r->id_text, engine_socket_name, strerror(errno));
    identity_leave();
    if (r->asker_listener < 0)
        return -1;
    r->listener_watch_asker = loop_watch(r->loop, r->asker_listener, EPOLLIN, on_connection, r);
    return 0;
}

void asker_done(struct runner *r)
{
    hang_up(r);
}

void asker_close(struct runner *r)
{
    hang_up(r);
    loop_unwatch(r->listener_watch_asker);
    r->listener_watch_asker = NULL;
    file_close(&r->asker_listener);
}
