#include "zoo.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

static struct {
    const char *name;
    long step, steps;
    pid_t pid;
    bool damaged;
} self;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    char text[128];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (write(STDOUT_FILENO, text, (size_t)n) != n)
        zoo_fail("cannot write to standard output");
}

void zoo_rest_ms(long ms)
{
    struct timespec rest = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR)
        ;
}

bool zoo_step(void)
{
    if (self.step == self.steps || (self.step == self.steps / 2 && getenv("ZOO_CUT")))
        return false;
    say("%ld\n", self.step++);
    zoo_rest_ms(ZOO_STEP_MS);
    return true;
}

long zoo_steps(void) { return self.steps; }

bool zoo_damaged(void)
{
    if (self.damaged || self.step < self.steps / 2 || !getenv("ZOO_DAMAGE"))
        return false;
    return self.damaged = true;
}

void zoo_fail(const char *format, ...)
{
    int sys = errno;
    va_list args;
    va_start(args, format);
    dprintf(STDERR_FILENO, "%s: step %ld, process %d: ", self.name, self.step, (int)getpid());
    vdprintf(STDERR_FILENO, format, args);
    dprintf(STDERR_FILENO, " (errno %d)\n", sys);
    va_end(args);
    if (getpid() == self.pid && getpgrp() == self.pid) {
        signal(SIGTERM, SIG_IGN);
        kill(0, SIGTERM);
    }
    _exit(1);
}

long zoo_must(long result, const char *what)
{
    if (result < 0)
        zoo_fail("%s: %s", what, strerror(errno));
    return result;
}

pid_t zoo_fork(void)
{
    pid_t parent = getpid(), pid = (pid_t)MUST(fork());
    if (pid == 0) {
        MUST(prctl(PR_SET_PDEATHSIG, SIGKILL));
        if (getppid() != parent)
            _exit(1);
    }
    return pid;
}

void zoo_expect_exit(pid_t pid, int code)
{
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid, "process %d is not a child", (int)pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == code, "process %d ended with status %#x", (int)pid, (unsigned)status);
}

int64_t zoo_now_ns(int clock)
{
    struct timespec t;
    MUST(clock_gettime(clock, &t));
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

void zoo_write_file(const char *path, const char *content)
{
    int fd = (int)MUST(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    CHECK(write(fd, content, strlen(content)) == (ssize_t)strlen(content), "cannot write '%s'", path);
    MUST(close(fd));
}

void zoo_expect_file(const char *path, const char *content)
{
    char text[ZOO_RECORD_MAX];
    int fd = (int)MUST(open(path, O_RDONLY | O_CLOEXEC));
    ssize_t n = MUST(read(fd, text, sizeof text));
    MUST(close(fd));
    CHECK((size_t)n == strlen(content) && memcmp(text, content, (size_t)n) == 0, "'%s' is not what was written to it", path);
}

void zoo_put(int fd, char byte)
{
    CHECK(write(fd, &byte, 1) == 1, "cannot write a byte to descriptor %d", fd);
}

char zoo_get(int fd)
{
    char byte;
    CHECK(read(fd, &byte, 1) == 1, "cannot read a byte from descriptor %d", fd);
    return byte;
}

static void make_record(uint8_t *record, size_t bytes, uint32_t number)
{
    memcpy(record, &number, sizeof number);
    for (size_t i = sizeof number; i < bytes; i++)
        record[i] = (uint8_t)(number * 31 + i);
}

void flight_send(struct flight *f, int records)
{
    uint8_t record[ZOO_RECORD_MAX];
    for (int i = 0; i < records; i++) {
        make_record(record, f->bytes, f->sent++);
        CHECK(write(f->in, record, f->bytes) == (ssize_t)f->bytes, "cannot send record %u", f->sent - 1);
    }
}

void flight_receive(struct flight *f, int records)
{
    uint8_t record[ZOO_RECORD_MAX + 1], wanted[ZOO_RECORD_MAX];
    for (int i = 0; i < records; i++) {
        make_record(wanted, f->bytes, f->arrived);
        ssize_t n = read(f->out, record, f->bytes);
        CHECK(n == (ssize_t)f->bytes, "record %u has %zd bytes", f->arrived, n);
        CHECK(memcmp(record, wanted, f->bytes) == 0, "record %u is not what was sent", f->arrived);
        f->arrived++;
    }
}

void flight_step(struct flight *f)
{
    flight_send(f, 1);
    flight_receive(f, 1);
}

void flight_land(struct flight *f)
{
    flight_receive(f, (int)(f->sent - f->arrived));
    MUST(fcntl(f->out, F_SETFL, MUST(fcntl(f->out, F_GETFL)) | O_NONBLOCK));
    uint8_t byte;
    CHECK(read(f->out, &byte, 1) < 0 && errno == EAGAIN, "more arrives than was sent");
}

void flight_lose(struct flight *f)
{
    uint8_t record[ZOO_RECORD_MAX];
    MUST(read(f->out, record, f->bytes));
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
        bool kept;
    } all[] = {
#define X(name) {#name, zoo_##name, true},
        ZOO_KEPT(X)
#undef X
#define X(name) {#name, zoo_##name, false},
        ZOO_REFUSED(X)
#undef X
    };
    size_t count = sizeof all / sizeof *all;
    if (argc == 2) {
        bool kept = strcmp(argv[1], "--kept") == 0, refused = strcmp(argv[1], "--refused") == 0;
        for (size_t i = 0; i < count; i++)
            if (all[i].kept ? kept : refused)
                puts(all[i].name);
        return kept || refused ? 0 : 2;
    }
    for (size_t i = 0; argc == 3 && i < count; i++) {
        if (strcmp(argv[1], all[i].name) != 0)
            continue;
        self.name = argv[1];
        self.steps = strtol(argv[2], NULL, 10) * 1000 / ZOO_STEP_MS;
        self.pid = getpid();
        setpgid(0, 0); /* a session's leader has a group of its own already */
        all[i].run();
        say("ok %s\n", self.name);
        return 0;
    }
    fprintf(stderr, "usage: zoo NAME SECONDS | zoo --kept | zoo --refused\n");
    return 2;
}
