/* A pool that is not one: a child that listens on pool.sock and answers from a script; and commands run with their output kept. */
#pragma once

#include "cli/cli.h"
#include "scratch.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "ad_fixture.h"

/* Answers to requests that begin so ("GET /v1/jobs"); `raw` NULL closes without a word. A line is used `times` times (0 = ever). */
struct fake_line {
    const char *request;
    const char *raw;
    int times;
    size_t len; /* of raw; 0 = it is a text */
};

struct fake_pool {
    struct scratch dir;
    pid_t pid; /* 0 = none */
};

#define FAKE_OK(body) "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" body

/* Reads one whole request; its first line and body, parted by a blank, go to `out`. */
static inline void fake_read(int fd, struct buf *out)
{
    struct buf text = { 0 };
    char block[4096];
    size_t want = 0;
    while (want == 0 || text.len < want) {
        ssize_t n = read(fd, block, sizeof block);
        if (n <= 0)
            break;
        buf_add(&text, block, (size_t)n);
        char *end = strstr(text.data, "\r\n\r\n");
        char *length = strstr(text.data, "Content-Length: ");
        if (end && want == 0)
            want = (size_t)(end + 4 - text.data) + (length ? strtoul(length + 16, NULL, 10) : 0);
    }
    buf_add(out, buf_cstr(&text), strcspn(buf_cstr(&text), "\r"));
    char *body = strstr(buf_cstr(&text), "\r\n\r\n");
    if (body && body[4])
        buf_printf(out, " %s", body + 4);
    buf_char(out, '\n');
    buf_release(&text);
}

static inline void fake_serve(struct fake_pool *pool, int listener, const struct fake_line *script, size_t count)
{
    int used[64] = { 0 };
    int log = openat(pool->dir.fd, "requests", O_WRONLY | O_CREAT | O_APPEND, 0600);
    for (;;) {
        struct pollfd ready = { .fd = listener, .events = POLLIN };
        poll(&ready, 1, -1);
        int fd = accept(listener, NULL, NULL);
        struct buf request = { 0 };
        if (fd < 0)
            continue;
        fake_read(fd, &request);
        for (size_t i = 0; request.len > 1 && i < count; i++) {
            size_t len = strlen(script[i].request);
            if (strncmp(buf_cstr(&request), script[i].request, len) != 0 || (script[i].times && used[i] >= script[i].times))
                continue;
            used[i]++;
            file_write_all(log, request.data, request.len, NULL);
            if (script[i].raw)
                file_write_all(fd, script[i].raw, script[i].len ? script[i].len : strlen(script[i].raw), NULL);
            break;
        }
        close(fd);
        if (strncmp(buf_cstr(&request), "POST /v1/pool/stop", 18) == 0)
            _exit(0); /* as a pool does */
        buf_release(&request);
    }
}

/* The script must outlive the pool. */
static inline void fake_start(struct fake_pool *pool, const struct fake_line *script, size_t count)
{
    struct error err;
    int listener = file_listen(pool->dir.fd, "pool.sock", 0600, &err);
    assert_true(listener >= 0);
    pool->pid = fork();
    assert_true(pool->pid >= 0);
    if (pool->pid == 0) {
        signal(SIGPIPE, SIG_IGN);
        fake_serve(pool, listener, script, count);
    }
    close(listener);
}

static inline void fake_stop(struct fake_pool *pool)
{
    if (pool->pid > 0) {
        kill(pool->pid, SIGKILL);
        waitpid(pool->pid, NULL, 0);
    }
    pool->pid = 0;
    unlinkat(pool->dir.fd, "pool.sock", 0);
    unlinkat(pool->dir.fd, "requests", 0);
}

/* What was asked so far, one request a line; the caller frees it. */
static inline char *fake_requests(struct fake_pool *pool)
{
    struct buf text = { 0 };
    file_read(pool->dir.fd, "requests", &text, NULL);
    return buf_steal(&text);
}

struct cli_result {
    int status;
    char *out, *err;
};

static inline char *fake_slurp(FILE *file)
{
    struct buf text = { 0 };
    file_read_fd(fileno(file), &text, NULL);
    fclose(file);
    return buf_steal(&text);
}

/* Runs "stint WORD…" in this process; the words end with NULL. */
static inline struct cli_result cli_run(const char *word, ...)
{
    char *argv[32] = { (char *)"stint", (char *)word };
    int argc = word ? 2 : 1;
    va_list ap;
    va_start(ap, word);
    while (word && argc < 31 && (argv[argc] = va_arg(ap, char *)))
        argc++;
    va_end(ap);
    FILE *files[2] = { tmpfile(), tmpfile() };
    int saved[2];
    fflush(stdout);
    fflush(stderr);
    for (int i = 0; i < 2; i++) {
        saved[i] = dup(i + 1);
        dup2(fileno(files[i]), i + 1);
    }
    struct cli_result result = { .status = cli_main(argc, argv) };
    fflush(stdout);
    fflush(stderr);
    for (int i = 0; i < 2; i++) {
        dup2(saved[i], i + 1);
        close(saved[i]);
        lseek(fileno(files[i]), 0, SEEK_SET);
    }
    result.out = fake_slurp(files[0]);
    result.err = fake_slurp(files[1]);
    return result;
}

static inline void cli_result_release(struct cli_result *result)
{
    free(result->out);
    free(result->err);
}

static inline int fake_setup(void **state)
{
    struct fake_pool *pool = mem_new(struct fake_pool);
    scratch_open(&pool->dir);
    setenv("STINT_DIR", pool->dir.path, 1);
    setenv("STINT_LIBEXEC", pool->dir.path, 1);
    setenv("TZ", "UTC", 1);
    *state = pool;
    return 0;
}

static inline int fake_teardown(void **state)
{
    struct fake_pool *pool = *state;
    fake_stop(pool);
    scratch_close(&pool->dir);
    free(pool);
    return 0;
}
