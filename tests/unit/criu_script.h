/* Plays criu at the other end of the socket, in a child, by a script; and tells what it heard. */
#pragma once

#include "engine/criu_rpc.pb-c.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* One step of criu's: what it sends (nothing: it dies here), and whether it waits for an answer. */
enum step_kind { NOTE, DONE, FAILED, WRONG, GARBAGE, EMPTY_NOTE, HUGE_ONE, SILENT, DIE, NUMBERS };

struct step {
    enum step_kind kind;
    const char *script;
    int pid, sys;
    const char *message;
};

struct script {
    Criu__Kind kind;
    struct step steps[8];
};

/* What it was asked and told; comes back through a pipe. */
struct heard {
    int type;
    bool keep_open, notify_scripts, leave_running, unprivileged, tcp_close, tcp_established, shell_job, has_pid;
    int pid, images_dir_fd, network_lock, log_level;
    uint32_t ghost_limit, timeout;
    size_t externals;
    char images[32], log_file[32], external[32];
    int answers, yes;
};

static inline void hear_request(int fd, struct heard *heard)
{
    uint8_t message[8192];
    ssize_t n = recv(fd, message, sizeof message, 0);
    Criu__Request *r = n > 0 ? criu__request__unpack(NULL, (size_t)n, message) : NULL;
    if (!r)
        _exit(3);
    heard->type = r->type;
    heard->keep_open = r->keep_open;
    if (r->opts) {
        const Criu__Options *o = r->opts;
        heard->notify_scripts = o->notify_scripts;
        heard->leave_running = o->leave_running;
        heard->unprivileged = o->unprivileged;
        heard->tcp_close = o->tcp_close;
        heard->tcp_established = o->tcp_established;
        heard->shell_job = o->shell_job;
        heard->has_pid = o->has_pid;
        heard->pid = o->pid;
        heard->images_dir_fd = o->images_dir_fd;
        heard->network_lock = (int)o->network_lock;
        heard->log_level = o->log_level;
        heard->ghost_limit = o->ghost_limit;
        heard->timeout = o->timeout;
        heard->externals = o->n_external;
        snprintf(heard->images, sizeof heard->images, "%s", o->images_dir);
        snprintf(heard->log_file, sizeof heard->log_file, "%s", o->log_file);
        snprintf(heard->external, sizeof heard->external, "%s", o->n_external ? o->external[o->n_external - 1] : "");
    }
    criu__request__free_unpacked(r, NULL);
}

static inline void hear_answer(int fd, struct heard *heard)
{
    uint8_t message[256];
    ssize_t n = recv(fd, message, sizeof message, 0);
    Criu__Request *r = n > 0 ? criu__request__unpack(NULL, (size_t)n, message) : NULL;
    if (!r || r->type != CRIU__KIND__NOTIFY)
        _exit(4);
    heard->answers++;
    heard->yes += r->has_notify_success && r->notify_success;
    criu__request__free_unpacked(r, NULL);
}

static inline void say(int fd, const Criu__Response *response)
{
    uint8_t message[8192];
    size_t len = criu__response__pack(response, message);
    if (send(fd, message, len, MSG_NOSIGNAL) != (ssize_t)len)
        _exit(5);
}

static inline void play_step(int fd, const struct script *script, const struct step *step, struct heard *heard)
{
    static uint8_t huge[100000];
    Criu__Response response = CRIU__RESPONSE__INIT;
    Criu__Notification note = CRIU__NOTIFICATION__INIT;
    Criu__Restored restored = CRIU__RESTORED__INIT;
    Criu__Version version = CRIU__VERSION__INIT;
    response.type = step->kind == NOTE || step->kind == EMPTY_NOTE ? CRIU__KIND__NOTIFY : step->kind == WRONG ? CRIU__KIND__EMPTY : script->kind;
    response.success = step->kind != FAILED;
    response.has_cr_errno = step->sys != 0;
    response.cr_errno = step->sys;
    response.cr_errmsg = (char *)(uintptr_t)step->message;
    if (step->kind == NOTE) {
        note.script = (char *)(uintptr_t)step->script;
        note.has_pid = step->pid != 0;
        note.pid = step->pid;
        response.notify = &note;
    }
    if (step->kind == DONE && step->pid) {
        restored.pid = step->pid;
        response.restore = &restored;
    }
    if (step->kind == NUMBERS) {
        version.major_number = step->pid;
        version.minor_number = 2;
        version.has_sublevel = step->sys != 0;
        version.sublevel = step->sys;
        response.has_cr_errno = 0;
        response.version = &version;
    }
    if (step->kind == GARBAGE || step->kind == HUGE_ONE)
        send(fd, step->kind == GARBAGE ? (const uint8_t *)"\xff\xff\xff\xff" : huge, step->kind == GARBAGE ? 4 : sizeof huge, MSG_NOSIGNAL);
    else if (step->kind == SILENT)
        pause();
    else
        say(fd, &response);
    if (step->kind == NOTE)
        hear_answer(fd, heard);
}

/* A child that plays criu and reports what it heard when it is through, or when it dies by its script. */
struct fake {
    int socket, report;
    pid_t pid;
    struct heard heard;
};

static inline void fake_start(struct fake *f, const struct script *script)
{
    int sv[2], report[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) != 0 || pipe(report) != 0)
        abort();
    memset(&f->heard, 0, sizeof f->heard);
    f->pid = fork();
    if (f->pid == 0) {
        struct heard heard = { 0 };
        close(sv[0]);
        hear_request(sv[1], &heard);
        for (const struct step *step = script->steps; step->kind != DIE; step++)
            play_step(sv[1], script, step, &heard);
        ssize_t n = write(report[1], &heard, sizeof heard);
        _exit(n == sizeof heard ? 0 : 6);
    }
    close(sv[1]);
    close(report[1]);
    f->socket = sv[0];
    f->report = report[0];
}

static inline void fake_end(struct fake *f)
{
    close(f->socket);
    kill(f->pid, SIGKILL);
    waitpid(f->pid, NULL, 0);
    close(f->report);
}

/* The child has said its last word; wait for its report. */
static inline void fake_report(struct fake *f)
{
    if (read(f->report, &f->heard, sizeof f->heard) != sizeof f->heard)
        abort();
}
