/*
 * A request is one datagram to a socket that nobody in the job holds; the answer is the text of a symbolic link that appears beside
 * the socket. Nothing of the job is connected to anything outside it at any moment, which is what makes it possible to take a
 * checkpoint while it asks for one: a connection's other end could not be put into the image, and would be missing in the resumed
 * process. For the same reason the answer is not a file that would have to be open for a moment.
 *
 * A checkpoint may strike between any two instructions here. What was sent then may have been lost: without an answer the request
 * is sent again, under the same token, by which the runner knows that it is the same. What the clocks say may have jumped: time
 * counts only in small steps, as that in which this process really ran.
 *
 * This file uses nothing but libc, and none of stint's other modules: it is linked into other people's programs.
 */
#include "lib/stint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    ANSWER_MAX = 1024,
    REQUEST_MAX = 512,
    NAP_FIRST_US = 1000,
    NAP_LAST_US = 20000,
    STEP_MAX_US = 1000000, /* a longer sleep than this was a freeze, or a clock that jumped */
    AGAIN_AFTER_US = 2000000,
    SHORT_TIMEOUT_US = 10000000,
};

static __thread char error_text[512];

static int fail(int number, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int fail(int number, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(error_text, sizeof error_text, fmt, args);
    va_end(args);
    errno = number;
    return -1;
}

const char *stint_error(void)
{
    return error_text;
}

/* ---- asking ---- */

struct call {
    const char *socket;
    size_t dir_len; /* of the socket's path, with the slash */
    char token[17];
    char request[REQUEST_MAX];
    size_t request_len;
    char answer[ANSWER_MAX];
};

static int make_token(char token[17])
{
    unsigned char random[8];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return fail(errno, "no random number can be had");
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(token + 2 * i, 3, "%02x", random[i]);
    return 0;
}

static int find_runner(struct call *c)
{
    c->socket = getenv("STINT_SOCKET");
    const char *slash = c->socket ? strrchr(c->socket, '/') : NULL;
    if (!slash || !slash[1])
        return fail(ENOENT, "this is not a job of stint: STINT_SOCKET is not set");
    c->dir_len = (size_t)(slash - c->socket) + 1;
    return 0;
}

/* A path that is too long for an address goes through its directory's descriptor, which is closed with the socket. */
static int make_address(const struct call *c, struct sockaddr_un *address, int *dir)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (strlen(c->socket) < sizeof address->sun_path) {
        memcpy(address->sun_path, c->socket, strlen(c->socket));
        return 0;
    }
    char path[4096];
    if (c->dir_len >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(path, c->socket, c->dir_len);
    path[c->dir_len] = '\0';
    *dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int n = snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s", *dir, c->socket + c->dir_len);
    if (*dir >= 0 && (size_t)n >= sizeof address->sun_path)
        errno = ENAMETOOLONG;
    return *dir < 0 || (size_t)n >= sizeof address->sun_path ? -1 : 0;
}

enum { SEND_AGAIN = 1 };

/* SEND_AGAIN: nobody takes it at the moment. */
static int send_request(const struct call *c)
{
    struct sockaddr_un address;
    int dir = -1, result = -1, number;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && make_address(c, &address, &dir) == 0) {
        ssize_t n = sendto(fd, c->request, c->request_len, MSG_NOSIGNAL, (struct sockaddr *)&address, sizeof address);
        bool later = n < 0 && (errno == EAGAIN || errno == ECONNREFUSED || errno == EINTR || errno == ENOBUFS);
        result = n >= 0 ? 0 : later ? SEND_AGAIN : -1;
    }
    number = errno;
    if (dir >= 0)
        close(dir);
    if (fd >= 0)
        close(fd);
    if (result >= 0)
        return result;
    if (number == ENOENT || number == ENOTDIR)
        return fail(ENOENT, "this is not a job of stint any more: there is no '%s'", c->socket);
    return fail(number, "cannot send to '%s': %s", c->socket, strerror(number));
}

enum { ANSWER_NONE = 1 };

/* The text of a link is read in one call, without a descriptor that a checkpoint could find open on a file that is no more. */
static int read_answer(struct call *c)
{
    char path[4096 + 32];
    int n = snprintf(path, sizeof path, "%.*sanswer.%s", (int)c->dir_len, c->socket, c->token);
    if ((size_t)n >= sizeof path)
        return fail(ENAMETOOLONG, "the path of '%s' is too long", c->socket);
    ssize_t len = readlink(path, c->answer, sizeof c->answer);
    if (len < 0)
        return errno == ENOENT ? ANSWER_NONE : fail(errno, "cannot read the answer: %s", strerror(errno));
    unlink(path);
    if ((size_t)len >= sizeof c->answer)
        return fail(EPROTO, "the runner's answer is too long");
    c->answer[len] = '\0';
    return 0;
}

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Sleeps, and returns how long it really was, as far as that can be believed. */
static int64_t nap(int64_t us)
{
    struct timespec t = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };
    int64_t before = now_us();
    nanosleep(&t, NULL);
    int64_t passed = now_us() - before;
    return passed < 0 ? 0 : passed > STEP_MAX_US ? STEP_MAX_US : passed;
}

/* timeout_us 0 = none. */
static int wait_for_answer(struct call *c, int64_t timeout_us)
{
    int64_t waited = 0, due = 0, pause = NAP_FIRST_US;
    for (;;) {
        if (waited >= due) {
            int sent = send_request(c);
            if (sent < 0)
                return -1;
            due = sent == SEND_AGAIN ? waited : waited + AGAIN_AFTER_US;
        }
        int result = read_answer(c);
        if (result != ANSWER_NONE)
            return result;
        if (timeout_us > 0 && waited >= timeout_us)
            return fail(ETIMEDOUT, "no answer came within %lld s", (long long)(timeout_us / 1000000));
        waited += nap(pause);
        pause = pause * 2 > NAP_LAST_US ? NAP_LAST_US : pause * 2;
    }
}

/* Asks, and leaves the answer's words in c->answer; "failed" and "refused" become errors. */
static int ask(struct call *c, int64_t timeout_us, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static int ask(struct call *c, int64_t timeout_us, const char *fmt, ...)
{
    va_list args;
    if (find_runner(c) < 0 || make_token(c->token) < 0)
        return -1;
    int head = snprintf(c->request, sizeof c->request, "1 %s ", c->token);
    va_start(args, fmt);
    int n = vsnprintf(c->request + head, sizeof c->request - (size_t)head - 1, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)(head + n) >= sizeof c->request - 1)
        return fail(EINVAL, "the request is too long");
    c->request_len = (size_t)(head + n);
    c->request[c->request_len++] = '\n';
    if (wait_for_answer(c, timeout_us) < 0)
        return -1;
    if (strncmp(c->answer, "refused ", 8) == 0)
        return fail(EOPNOTSUPP, "%.500s", c->answer + 8);
    if (strncmp(c->answer, "failed ", 7) == 0)
        return fail(EIO, "%.500s", c->answer + 7);
    return 0;
}

/* ---- understanding ---- */

static int strange(const struct call *c)
{
    return fail(EPROTO, "the runner's answer is not understood: '%.100s'", c->answer);
}

/* "WORD" at *at, with the space behind it if there is one. */
static bool take_word(const char **at, const char *word)
{
    size_t len = strlen(word);
    if (strncmp(*at, word, len) != 0 || ((*at)[len] != ' ' && (*at)[len] != '\0'))
        return false;
    *at += len + ((*at)[len] == ' ');
    return true;
}

static bool take_number(const char **at, int *out)
{
    long n = 0;
    const char *p = *at;
    for (; *p >= '0' && *p <= '9' && n <= INT32_MAX / 10 - 1; p++)
        n = n * 10 + (*p - '0');
    if (p == *at || (*p != ' ' && *p != '\0'))
        return false;
    *at = p + (*p == ' ');
    *out = (int)n;
    return true;
}

/* 12 or 12.345, whatever the locale's decimal point is. */
static bool take_seconds(const char **at, double *out)
{
    const char *p = *at;
    double n = 0, unit = 1;
    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++)
        n = n * 10 + (*p - '0');
    if (*p == '.')
        for (p++; *p >= '0' && *p <= '9'; p++)
            n += (*p - '0') * (unit /= 10);
    if (*p != ' ' && *p != '\0')
        return false;
    *at = p + (*p == ' ');
    *out = n;
    return true;
}

/* ---- the requests ---- */

int stint_checkpoint(int timeout, int *generation)
{
    static const char *const words[] = { "taken", "restored" };
    struct call c;
    int n;
    if (timeout < 0)
        return fail(EINVAL, "a timeout cannot be negative");
    if (ask(&c, (int64_t)timeout * 1000000, "checkpoint") < 0)
        return -1;
    if (generation)
        *generation = 0;
    if (strcmp(c.answer, "asked") == 0)
        return STINT_ASKED;
    for (int i = 0; i < 2; i++) {
        const char *at = c.answer;
        if (!take_word(&at, words[i]) || !take_number(&at, &n) || *at)
            continue;
        if (generation)
            *generation = n;
        return i == 0 ? STINT_TAKEN : STINT_RESTORED;
    }
    return strange(&c);
}

int stint_hold(int seconds)
{
    struct call c;
    int held;
    if (seconds < 1 || seconds > STINT_HOLD_MAX)
        return fail(EINVAL, "checkpoints can be held off for 1 to %d seconds", STINT_HOLD_MAX);
    if (ask(&c, SHORT_TIMEOUT_US, "hold %d", seconds) < 0)
        return -1;
    const char *at = c.answer;
    return take_word(&at, "held") && take_number(&at, &held) && !*at ? held : strange(&c);
}

int stint_release(void)
{
    struct call c;
    if (ask(&c, SHORT_TIMEOUT_US, "release") < 0)
        return -1;
    if (strcmp(c.answer, "released") == 0)
        return 0;
    return strcmp(c.answer, "expired") == 0 ? STINT_EXPIRED : strange(&c);
}

/* Cut between two characters; what would end the line becomes a space. */
static void copy_text(char out[STINT_TEXT_MAX + 1], const char *text)
{
    size_t len = strnlen(text, STINT_TEXT_MAX + 1);
    if (len > STINT_TEXT_MAX) {
        len = STINT_TEXT_MAX;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--;
    }
    for (size_t i = 0; i < len; i++)
        out[i] = (unsigned char)text[i] < ' ' ? ' ' : text[i];
    out[len] = '\0';
}

int stint_progress(double fraction, const char *text)
{
    struct call c;
    char words[STINT_TEXT_MAX + 1] = "";
    if (!(fraction >= 0 && fraction <= 1))
        return fail(EINVAL, "progress goes from 0 to 1");
    if (text)
        copy_text(words, text);
    long millionths = (long)(fraction * 1000000 + 0.5);
    if (ask(&c, SHORT_TIMEOUT_US, "progress %ld.%06ld%s%s", millionths / 1000000, millionths % 1000000, *words ? " " : "", words) < 0)
        return -1;
    return strcmp(c.answer, "noted") == 0 ? 0 : strange(&c);
}

int stint_remaining(double *seconds)
{
    struct call c;
    double left;
    if (ask(&c, SHORT_TIMEOUT_US, "remaining") < 0)
        return -1;
    const char *at = c.answer;
    if (!take_word(&at, "remaining"))
        return strange(&c);
    if (strcmp(at, "none") == 0)
        return 0;
    if (!take_seconds(&at, &left) || *at)
        return strange(&c);
    if (seconds)
        *seconds = left;
    return 1;
}

int stint_status(struct stint_status *status, size_t size)
{
    struct call c;
    struct stint_status found = { .since_checkpoint = -1 };
    if (size > sizeof found)
        return fail(EINVAL, "this library is older than the program");
    if (ask(&c, SHORT_TIMEOUT_US, "status") < 0)
        return -1;
    const char *at = c.answer;
    if (!take_word(&at, "status") || !take_number(&at, &found.resumed_from) || !take_number(&at, &found.stint))
        return strange(&c);
    if (strcmp(at, "none") != 0 && (!take_seconds(&at, &found.since_checkpoint) || *at))
        return strange(&c);
    memcpy(status, &found, size);
    return 0;
}
