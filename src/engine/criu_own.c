/*
 * Programs that checkpoint themselves by CRIU's RPC: they connect to a socket criu_pipe, send a dump request with a directory for the
 * images, and see from the answer whether they were dumped or have been restored.
 *
 * CRIU recognises the connection of whoever asks only if it is the very one that it reads the request from: then the restored
 * program finds the answer "restored" in it. So CRIU gets the program's own connection, with the request still unread. It is told
 * the rest on its command line, and calls a script when the tree is frozen; that waits until the job's files are taken.
 * The images lie where the program wants them, in its sandbox, and are taken with the other files.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/criu_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* So long may CRIU take to end by itself: after a failure, to let the tree go; and after the files were taken. */
enum { GRACE_US = 10000000, END_US = 120000000 };
enum { REQUEST_MAX = 65536, TYPE_DUMP = 1, FIELD_TYPE = 1, FIELD_OPTIONS = 2, FIELD_IMAGES = 1, FIELD_PID = 2 };

const char engine_socket_name[] = "criu_pipe";

/* ---- the request ---- */

struct cursor {
    const uint8_t *at, *end;
};

static bool take_varint(struct cursor *c, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64 && c->at < c->end; shift += 7) {
        *value |= (uint64_t)(*c->at & 0x7f) << shift;
        if (!(*c->at++ & 0x80))
            return true;
    }
    return false;
}

/* The next field: its number, and its value or its bytes. False at the end and where it makes no sense. */
static bool take_field(struct cursor *c, uint64_t *number, uint64_t *value, struct cursor *bytes)
{
    uint64_t key, skip;
    *bytes = (struct cursor){ NULL, NULL };
    if (!take_varint(c, &key))
        return false;
    *number = key >> 3;
    switch (key & 7) {
    case 0:
        return take_varint(c, value);
    case 1:
    case 5:
        skip = (key & 7) == 1 ? 8 : 4;
        break;
    case 2:
        if (!take_varint(c, &skip) || skip > (uint64_t)(c->end - c->at))
            return false;
        *bytes = (struct cursor){ c->at, c->at + skip };
        break;
    default:
        return false;
    }
    if (skip > (uint64_t)(c->end - c->at))
        return false;
    c->at += skip;
    return true;
}

struct request {
    int images;   /* descriptor of the images' directory; -1: it is no request to dump */
    uint64_t pid; /* whom; 0 = whoever asks */
};

static struct request read_request(const uint8_t *data, size_t len)
{
    struct cursor c = { data, data + len }, bytes, options = { NULL, NULL };
    struct request r = { .images = -1 };
    uint64_t number, value, type = 0, images = UINT64_MAX;
    while (take_field(&c, &number, &value, &bytes)) {
        if (number == FIELD_TYPE && !bytes.at)
            type = value;
        if (number == FIELD_OPTIONS)
            options = bytes;
    }
    while (options.at && take_field(&options, &number, &value, &bytes)) {
        if (number == FIELD_IMAGES && !bytes.at)
            images = value;
        if (number == FIELD_PID && !bytes.at)
            r.pid = value;
    }
    if (type == TYPE_DUMP && images < 65536)
        r.images = (int)images;
    return r;
}

static pid_t asker_of(int connection)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 ? peer.pid : 0;
}

/* Where the program wants its images, as the world sees it. Yours; NULL with err. */
static char *images_place(int connection, int fd, struct error *err)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)asker_of(connection), fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    if (strncmp(path, "/stint/work", 11) == 0 && (path[11] == '/' || path[11] == '\0'))
        return mem_dup(path);
    error_set(err, ERR_INVALID, "it wants its images in '%s', which has to be a directory in its sandbox", n > 0 ? path : "nowhere");
    return NULL;
}

static int peek(int connection, uint8_t *data, size_t size, int flags)
{
    ssize_t n = recv(connection, data, size, MSG_PEEK | flags);
    return (int)n;
}

/* What is dumped begins with the asker. If that were a child of the job's program, the program would not come back, nor would the
 * child: it would wait for the leader of its session. */
static char *check_request(int connection, const uint8_t *data, size_t len, struct error *err)
{
    struct request r = read_request(data, len);
    pid_t asker = context_inner_pid(asker_of(connection));
    if (r.images < 0 || (r.pid != 0 && r.pid != (uint64_t)asker))
        error_set(err, ERR_INVALID, "only requests to dump whoever asks are served");
    else if (asker != ENGINE_ROOT + 1)
        error_set(err, ERR_INVALID, "process %d asks, and only the job's own program (%d) may: what started it would be lost", (int)asker,
                  ENGINE_ROOT + 1);
    else
        return images_place(connection, r.images, err);
    return NULL;
}

int engine_look_at_request(const struct engine_site *site, int connection, struct error *err)
{
    auto_free uint8_t *data = mem_zero(REQUEST_MAX, 1);
    (void)site;
    int n = peek(connection, data, REQUEST_MAX, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 1;
    if (n <= 0)
        return error_set(err, ERR_INVALID, "it has hung up");
    /* What else the job has would not be in the checkpoint, and a tree that begins elsewhere cannot be adopted. */
    if (context_inner_pid(asker_of(connection)) != ENGINE_ROOT + 1)
        return error_set(err, ERR_INVALID, "only the job's program itself can have itself dumped, not a process that it has started");
    auto_free char *place = check_request(connection, data, (size_t)n, err);
    return place ? 0 : -1;
}

/* ---- the dump ---- */

static int put_script(int dir, struct error *err)
{
    static const char text[] = "#!/bin/sh\n"
                               "[ \"$CRTOOLS_SCRIPT_ACTION\" = post-dump ] || exit 0\n"
                               "echo frozen >/stint/world/frozen && read answer </stint/world/answer && [ \"$answer\" = yes ]\n";
    static const char *const names[] = { "script", "frozen", "answer" };
    for (size_t i = 0; i < 3; i++)
        unlinkat(dir, names[i], 0);
    auto_close int fd = openat(dir, "script", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    if (fd < 0 || mkfifoat(dir, "frozen", 0600) < 0 || mkfifoat(dir, "answer", 0600) < 0)
        return error_sys(err, "cannot prepare a dump that the program asked for");
    return file_write_all(fd, text, sizeof text - 1, err);
}

/* Both ends are open here, so that neither side waits for the other to come. */
static int open_fifos(const struct engine_site *site, int fifos[2], struct error *err)
{
    auto_close int dir = criu_open_dir(site, "world", err);
    if (dir < 0 || identity_enter(site->owner, err) < 0)
        return -1;
    int result = put_script(dir, err);
    fifos[0] = result < 0 ? -1 : openat(dir, "frozen", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    fifos[1] = result < 0 ? -1 : openat(dir, "answer", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    identity_leave();
    return result == 0 && (fifos[0] < 0 || fifos[1] < 0) ? error_sys(err, "cannot open the line to CRIU") : result;
}

/* One that waits, or comes later, for the answer; both ends of the line are open here, so that this waits for nobody. */
static int say(const int fifos[2], bool yes, struct error *err)
{
    ssize_t n = write(fifos[1], yes ? "yes\n" : "no\n", yes ? 4 : 3);
    return n < 0 ? error_sys(err, "cannot answer CRIU") : 0;
}

/* Waits for the script, or for CRIU's end. */
static int await_frozen(struct criu_dump_job *job, int pidfd, const int fifos[2], struct error *err)
{
    struct pollfd fds[2] = { { .fd = fifos[0], .events = POLLIN }, { .fd = pidfd, .events = POLLIN } };
    int64_t limit_us = job->site->timeout_us;
    int ready;
    do
        ready = poll(fds, 2, limit_us > 0 ? (int)(limit_us / 1000) : -1);
    while (ready < 0 && errno == EINTR);
    if (ready <= 0) {
        say(fifos, false, NULL); /* a script that comes now lets the tree go */
        return error_set(err, ERR_SYSTEM, "CRIU takes too long");
    }
    if (!fds[0].revents)
        return error_set(err, ERR_SYSTEM, "CRIU has refused; what it says is in the log that the program asked for");
    int result = criu_take_files(job, "post-dump", err);
    return say(fifos, result == 0, result == 0 ? err : NULL) < 0 ? -1 : result;
}

/* CRIU's end; it is killed if that does not come. */
static int wait_end(pid_t pid, int pidfd, int64_t patience_us)
{
    struct pollfd end = { .fd = pidfd, .events = POLLIN };
    int status = 0;
    if (poll(&end, 1, (int)(patience_us / 1000)) == 0)
        kill(pid, SIGTERM); /* which kills CRIU itself, see context_spawn */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

/* The program's options are its own; these are the ones that it can not know. */
static int run(struct criu_dump_job *job, int connection, struct error *err)
{
    static const char *const words[] = {
        "--unprivileged", "--network-lock", "skip", "--file-locks", "--link-remap", "--tcp-close", "--ghost-limit", "1G",
        "--action-script", "/stint/world/script", NULL,
    };
    const struct engine_site *site = job->site;
    int fifos[2] = { -1, -1 };
    pid_t pid = open_fifos(site, fifos, err) < 0 ? -1 : criu_spawn(site, words, connection, err);
    auto_close int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    int result = pid < 0 ? -1 : await_frozen(job, pidfd, fifos, err);
    fault_point("engine.own.answered");
    int status = pid > 0 ? wait_end(pid, pidfd, result == 0 ? END_US : GRACE_US) : 0;
    if (pid > 0 && site->broken && WIFSIGNALED(status))
        *site->broken = true;
    if (result == 0 && status != 0)
        result = error_set(err, ERR_SYSTEM, "CRIU has failed; what it says is in the log that the program asked for");
    file_close(&fifos[0]);
    file_close(&fifos[1]);
    return result;
}

int criu_dump_own(struct criu_dump_job *job, struct error *err)
{
    const struct engine_site *site = job->site;
    auto_free uint8_t *data = mem_zero(REQUEST_MAX, 1);
    int n = peek(site->asker, data, REQUEST_MAX, MSG_DONTWAIT);
    auto_free char *place = n > 0 ? check_request(site->asker, data, (size_t)n, err) : NULL;
    if (!place)
        return n > 0 ? -1 : error_set(err, ERR_INVALID, "the program has hung up");
    job->images = place;
    job->root = context_inner_pid(asker_of(site->asker));
    job->begun_us = clock_boot_us();
    int result = run(job, site->asker, err);
    if (result == 0)
        criu_thawed(job);
    job->images = NULL;
    return result;
}
