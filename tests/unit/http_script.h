/*
 * An HTTP server that does as a script says, in a child of its own on loopback. Every request takes the next step; the last
 * step is repeated. What was asked is in the file "requests" of the scratch directory, a line each:
 *   METHOD TARGET body=BYTES sha=ok|bad|none auth=yes|no
 */
#pragma once

#include "base/mem.h"
#include "scratch.h"

#include <arpa/inet.h>
#include <nettle/sha2.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum http_act {
    HTTP_ANSWER,
    HTTP_DROP,       /* closes without a word, the request's body unread */
    HTTP_SILENCE,    /* reads the request and says nothing, until the other side has had enough */
    HTTP_HALF,       /* sends half of the body and closes */
    HTTP_HALF_STALL, /* sends half of the body and nothing more */
    HTTP_TRICKLE,    /* sends a byte every 100 ms */
    HTTP_NO_LENGTH,  /* does not say how long the body is */
};

struct http_step {
    int times; /* 0 = once */
    enum http_act act;
    const char *status; /* "200 OK", perhaps with "\r\nHeader: value" */
    const char *body;   /* NULL = none */
    long length;        /* Content-Length when it is not the body's (HEAD) */
};

struct http_server {
    pid_t pid;
    char endpoint[64];
};

static inline ssize_t http_read(int fd, char *to, size_t len)
{
    ssize_t n = read(fd, to, len);
    return n < 0 ? 0 : n;
}

static inline void http_send(int fd, const char *text, size_t len)
{
    if (send(fd, text, len, MSG_NOSIGNAL) < 0)
        return; /* the other side may have had enough */
}

/* Reads up to the empty line; returns how much of the body came with it. */
static inline size_t http_read_head(int fd, char *head, size_t room, char **body)
{
    size_t len = 0;
    while (len < room - 1) {
        ssize_t n = http_read(fd, head + len, room - 1 - len);
        if (n == 0)
            break;
        len += (size_t)n;
        head[len] = '\0';
        char *end = strstr(head, "\r\n\r\n");
        if (end) {
            *end = '\0';
            *body = end + 4;
            return (size_t)(head + len - *body);
        }
    }
    head[len] = '\0';
    *body = NULL;
    return 0;
}

static inline const char *http_header(const char *head, const char *name)
{
    const char *at = strcasestr(head, name);
    return at ? at + strlen(name) : NULL;
}

static inline const char *http_check_digest(const char *head, struct sha256_ctx *sha)
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    char text[65];
    sha256_digest(sha, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    const char *claim = http_header(head, "\r\nx-amz-content-sha256: ");
    return !claim ? "none" : strncmp(claim, text, 64) == 0 ? "ok" : "bad";
}

static inline void http_note(int log, const char *head, long body, const char *sha)
{
    const char *auth = http_header(head, "\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AKEY/");
    dprintf(log, "%.*s body=%ld sha=%s auth=%s\n", (int)(strcspn(head, "\r") - strlen(" HTTP/1.1")), head, body, sha,
            auth ? "yes" : "no");
}

static inline void http_read_request(int fd, int log, const struct http_step *step, bool *is_head)
{
    char head[16384];
    char *body = NULL;
    struct sha256_ctx sha;
    size_t got = http_read_head(fd, head, sizeof head, &body);
    if (!body)
        return;
    *is_head = strncmp(head, "HEAD ", 5) == 0;
    const char *claim = http_header(head, "\r\nContent-Length: ");
    long length = claim ? strtol(claim, NULL, 10) : 0;
    long have = (long)got;
    if (step->act == HTTP_DROP) {
        http_note(log, head, length, "unread");
        return;
    }
    if (http_header(head, "\r\nExpect: "))
        http_send(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    sha256_init(&sha);
    sha256_update(&sha, got, (uint8_t *)body);
    while (have < length) {
        char block[4096];
        ssize_t n = http_read(fd, block, sizeof block);
        if (n == 0)
            break;
        sha256_update(&sha, (size_t)n, (uint8_t *)block);
        have += n;
    }
    http_note(log, head, have, http_check_digest(head, &sha));
}

static inline void http_answer(int fd, const struct http_step *step, bool is_head)
{
    const char *body = step->body ? step->body : "";
    size_t len = strlen(body);
    auto_free char *length = mem_printf("Content-Length: %ld\r\n", step->length ? step->length : (long)len);
    auto_free char *head = mem_printf("HTTP/1.1 %s\r\nConnection: close\r\n%s\r\n", step->status,
                                      step->act == HTTP_NO_LENGTH ? "" : length);
    http_send(fd, head, strlen(head));
    if (is_head)
        return;
    if (step->act == HTTP_HALF || step->act == HTTP_HALF_STALL)
        len /= 2;
    if (step->act != HTTP_TRICKLE)
        http_send(fd, body, len);
    for (size_t i = 0; step->act == HTTP_TRICKLE && i < len; i++) {
        http_send(fd, body + i, 1);
        usleep(100000);
    }
}

static inline void http_serve(int fd, int log, const struct http_step *step)
{
    bool is_head = false;
    char rest[256];
    http_read_request(fd, log, step, &is_head);
    if (step->act == HTTP_DROP)
        return;
    if (step->act != HTTP_SILENCE)
        http_answer(fd, step, is_head);
    if (step->act == HTTP_SILENCE || step->act == HTTP_HALF_STALL)
        while (http_read(fd, rest, sizeof rest) > 0)
            ;
    shutdown(fd, SHUT_WR);
}

static inline void http_server_start(struct http_server *server, struct scratch *scratch, const struct http_step *steps,
                                     size_t count)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int log = openat(scratch->fd, "requests", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (listener < 0 || log < 0 || bind(listener, (struct sockaddr *)&address, len) < 0 || listen(listener, 16) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) < 0)
        abort();
    snprintf(server->endpoint, sizeof server->endpoint, "http://127.0.0.1:%d", ntohs(address.sin_port));
    server->pid = fork();
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        size_t at = 0;
        for (int served = 0;;) {
            int fd = accept(listener, NULL, NULL);
            http_serve(fd, log, &steps[at]);
            close(fd);
            if (++served >= steps[at].times && at + 1 < count) {
                at++;
                served = 0;
            }
        }
    }
    close(listener);
    close(log);
}

static inline void http_server_stop(struct http_server *server)
{
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
}
