/* The stint's directories as the transparent engine uses them, and CRIU as it runs in the job's world. */
#include "engine/criu_parts.h"

#include "base/file.h"
#include "base/mem.h"
#include "engine/criu_log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

const char criu_images_place[] = "/stint/images", criu_log_name[] = "criu.log";

enum { STATE_MAX = 4 << 20 };

/* ---- directories of the stint; what is in them is the owner's ---- */

int criu_open_dir(const struct engine_site *site, const char *name, struct error *err)
{
    int fd = openat(site->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 ? fd : error_sys(err, "cannot open '%s' of the stint", name);
}

int criu_empty_dir(const struct engine_site *site, const char *name, struct error *err)
{
    auto_close int dir = criu_open_dir(site, name, err);
    int fd = dir < 0 ? -1 : openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    int result = d ? 0 : error_sys(err, "cannot empty '%s' of the stint", name);
    if (d && identity_enter(site->owner, err) < 0)
        result = -1;
    for (struct dirent *e; result == 0 && (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            result = file_remove_tree(fd, e->d_name, err);
    identity_leave();
    if (d)
        closedir(d);
    return result;
}

int criu_write_state(const struct engine_site *site, const struct ad *state, struct error *err)
{
    auto_buf struct buf text = { 0 };
    auto_close int dir = criu_open_dir(site, "world", err);
    if (dir < 0)
        return -1;
    ad_print(state, &text);
    if (identity_enter(site->owner, err) < 0)
        return -1;
    unlinkat(dir, "state", 0);
    auto_close int fd = openat(dir, "state", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int result = fd < 0 ? error_sys(err, "cannot note the state of the job's world") : file_write_all(fd, text.data, text.len, err);
    identity_leave();
    return result;
}

int criu_read_state(const struct engine_site *site, struct ad **state, struct error *err)
{
    auto_buf struct buf text = { .max = STATE_MAX };
    auto_close int dir = criu_open_dir(site, "world", err);
    if (dir < 0 || identity_enter(site->owner, err) < 0)
        return -1;
    auto_close int fd = openat(dir, "state", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int result = fd < 0 ? (errno == ENOENT ? FILE_ABSENT : error_sys(err, "cannot read the state of the job's world")) : file_read_fd(fd, &text, err);
    identity_leave();
    if (result != 0)
        return result < 0 ? -1 : 0;
    *state = ad_new();
    if (ad_parse(*state, buf_cstr(&text), text.len, err) == 0)
        return 0;
    ad_free(*state);
    *state = NULL;
    return error_wrap(err, "the state of the job's world");
}

/* ---- CRIU ---- */


pid_t criu_spawn(const struct engine_site *site, const char *const *words, int socket, struct error *err)
{
    static const char *const envp[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/dev", "XDG_RUNTIME_DIR=/dev", NULL };
    const char *argv[32] = { "/stint/engine/loader", "--library-path", "/stint/engine/lib", "--preload", "/proc/self/fd/4", "/stint/engine/criu" };
    int count = 6;
    auto_close int shim = criu_open_shim(err);
    const int fds[2] = { socket, shim };
    if (shim < 0)
        return -1;
    while (*words && count < 29)
        argv[count++] = *words++;
    argv[count++] = "swrk";
    argv[count++] = "3";
    pid_t pid = context_spawn(site->context, argv, envp, fds, 2, err);
    return pid > 0 ? pid : error_wrap(err, "CRIU does not start");
}

int criu_start(const struct engine_site *site, struct criu *criu, struct error *err)
{
    static const char *const nothing[] = { NULL };
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return error_sys(err, "cannot make a socket pair");
    criu->pid = criu_spawn(site, nothing, pair[1], err);
    close(pair[1]);
    criu->socket = pair[0];
    if (criu->pid > 0)
        return 0;
    close(pair[0]);
    return -1;
}

/* It ends when the line does; one that gave no answer may never. */
void criu_stop(struct criu *criu, const struct error *err)
{
    int status;
    file_close(&criu->socket);
    if (err && err->kind == ERR_CHILD)
        kill(criu->pid, SIGTERM);
    while (waitpid(criu->pid, &status, 0) < 0 && errno == EINTR)
        ;
}

/* What CRIU itself says of why it failed is in its log. */
int criu_explain(const struct engine_site *site, const char *what, struct error *err)
{
    struct criu_cause cause = { 0 };
    struct error ignored;
    if (err->kind == ERR_CHILD)
        return error_wrap(err, "%s", what);
    auto_close int dir = criu_open_dir(site, "images", &ignored);
    int sys = err->sys;
    if (dir < 0 || identity_enter(site->owner, &ignored) < 0)
        return error_wrap(err, "%s", what);
    auto_close int log = openat(dir, criu_log_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    identity_leave();
    if (log < 0)
        return error_wrap(err, "%s", what);
    criu_log_explain(log, &cause);
    error_set(err, cause.passing ? ERR_LIMIT : ERR_SYSTEM, "%s: %s", what, cause.text);
    err->sys = sys;
    return -1;
}

void criu_set_options(const struct engine_site *site, struct criu_options *o)
{
    static const char *const watched[] = { "/stint/work", "/tmp", "/dev/shm", NULL };
    criu_options_default(o);
    o->images = criu_images_place;
    o->log_file = criu_log_name;
    o->timeout_us = site->timeout_us;
    o->ghost_bytes = GHOST_BYTES;
    o->force_irmap = true;
    o->irmap_paths = watched;
    if (ad_bool(site->job, "OwnNetwork", false)) {
        o->tcp_close = false;
        o->tcp_established = true;
    }
}
