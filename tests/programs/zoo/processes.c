/* Trees of processes: their shape, their groups and sessions, and their ends. */
#include "zoo.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>

/* Children that have ended and whom nobody has asked for yet: by themselves, */
void zoo_zombies(void)
{
    enum { CHILDREN = 3 };
    static const int codes[CHILDREN] = {0, 42, 127};
    pid_t children[CHILDREN];
    siginfo_t info;
    int status;
    for (int i = 0; i < CHILDREN; i++)
        if ((children[i] = zoo_fork()) == 0)
            _exit(codes[i]);
    while (zoo_step()) {
        for (int i = 0; i < CHILDREN; i++) {
            MUST(waitid(P_PID, (id_t)children[i], &info, WEXITED | WNOWAIT));
            CHECK(info.si_code == CLD_EXITED && info.si_status == codes[i], "child %d has ended with %d %d", i, info.si_code, info.si_status);
            CHECK(kill(children[i], 0) == 0, "a child that has ended is not there");
        }
        if (zoo_damaged())
            MUST(waitpid(children[1], &status, 0));
    }
    for (int i = 0; i < CHILDREN; i++)
        zoo_expect_exit(children[i], codes[i]);
    CHECK(waitpid(-1, &status, 0) < 0 && errno == ECHILD, "there is another child");
}

/* killed by a signal, and with a code above 127. */
void zoo_zombie_killed(void)
{
    pid_t exited = zoo_fork();
    if (exited == 0)
        _exit(200);
    pid_t killed = zoo_fork();
    if (killed == 0)
        pause();
    MUST(kill(killed, SIGKILL));
    siginfo_t info;
    while (zoo_step()) {
        MUST(waitid(P_PID, (id_t)killed, &info, WEXITED | WNOWAIT));
        CHECK(info.si_code == CLD_KILLED && info.si_status == SIGKILL, "the child was killed: %d %d", info.si_code, info.si_status);
        MUST(waitid(P_PID, (id_t)exited, &info, WEXITED | WNOWAIT));
        CHECK(info.si_code == CLD_EXITED && info.si_status == 200, "the child has ended with %d %d", info.si_code, info.si_status);
        if (zoo_damaged())
            zoo_expect_exit(exited, 200);
    }
}

/* Processes that wait for events with and without a limit of time: nothing happens to them, so nothing must be told. */
static _Noreturn void wait_for_events(int how, int quiet)
{
    struct pollfd watched = {quiet, POLLIN, 0};
    struct timespec limit = {3600, 0};
    struct timeval short_limit = {3600, 0};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(quiet, &set);
    int n = how == 0 ? poll(&watched, 1, -1) : how == 1 ? poll(&watched, 1, 3600000) : how == 2 ? ppoll(&watched, 1, &limit, NULL)
        : select(quiet + 1, &set, NULL, NULL, &short_limit);
    CHECK(n == 1, "wait %d returns %d", how, n);
    _exit(0);
}

void zoo_polls(void)
{
    enum { WAYS = 4 };
    int quiet[2], status;
    pid_t children[WAYS];
    MUST(pipe(quiet));
    for (int i = 0; i < WAYS; i++)
        if ((children[i] = zoo_fork()) == 0)
            wait_for_events(i, quiet[0]);
    while (zoo_step()) {
        for (int i = 0; i < WAYS; i++)
            CHECK(waitpid(children[i], &status, WNOHANG) == 0, "wait %d has ended with status %#x", i, (unsigned)status);
        if (zoo_damaged())
            MUST(kill(children[1], SIGKILL));
    }
    zoo_put(quiet[1], 'e');
    for (int i = 0; i < WAYS; i++)
        zoo_expect_exit(children[i], 0);
}

/* Fifty generations; a byte goes down and up at every step. */
static _Noreturn void relay(int from_parent, int to_parent, int to_child, int from_child)
{
    pid_t self = getpid(), parent = getppid();
    char byte;
    do {
        byte = zoo_get(from_parent);
        CHECK(getpid() == self && getppid() == parent, "process %d, child of %d, is %d of %d", self, parent, getpid(), getppid());
        if (to_child >= 0)
            zoo_put(to_child, byte);
        if (to_child >= 0 && byte)
            CHECK(zoo_get(from_child) == byte, "another byte comes up");
        if (byte)
            zoo_put(to_parent, byte);
    } while (byte);
    int status = 0;
    if (to_child >= 0)
        CHECK(wait(&status) > 0 && status == 0, "a child ended with status %#x", (unsigned)status);
    _exit(0);
}

static _Noreturn void generations(int left, int from_parent, int to_parent)
{
    for (;;) {
        int down[2], up[2];
        if (!left--)
            relay(from_parent, to_parent, -1, -1);
        MUST(pipe(down));
        MUST(pipe(up));
        pid_t child = zoo_fork();
        close(child ? down[0] : down[1]);
        close(child ? up[1] : up[0]);
        if (child)
            relay(from_parent, to_parent, down[1], up[0]);
        close(from_parent);
        close(to_parent);
        from_parent = down[0];
        to_parent = up[1];
    }
}

void zoo_deep(void)
{
    int down[2], up[2];
    MUST(pipe(down));
    MUST(pipe(up));
    pid_t child = zoo_fork();
    if (child == 0) {
        close(down[1]);
        close(up[0]);
        generations(49, down[0], up[1]);
    }
    close(up[1]);
    for (int i = 0; zoo_step(); i++) {
        zoo_put(down[1], (char)(i % 100 + 1));
        CHECK(zoo_get(up[0]) == i % 100 + 1, "another byte comes up");
        if (zoo_damaged())
            MUST(kill(child, SIGKILL));
    }
    zoo_put(down[1], 0);
    zoo_expect_exit(child, 0);
}

/* A daemon in a session of its own, whose parents have ended: it belongs to whom it belonged. */
static void be_daemon(int ask, int answer)
{
    pid_t self = getpid(), session = getsid(0), parent = getppid();
    MUST(chdir("/"));
    umask(027);
    for (;;) {
        char byte = zoo_get(ask);
        CHECK(getpid() == self && getsid(0) == session && session != self, "the daemon %d has another session", self);
        CHECK(getppid() == parent, "the daemon belonged to %d and belongs to %d", parent, getppid());
        char at[8];
        CHECK(getcwd(at, sizeof at) && strcmp(at, "/") == 0, "the daemon is somewhere else");
        if (byte == 'q')
            _exit(0);
        zoo_put(answer, byte);
    }
}

static void daemon_at_work(bool inherited)
{
    int ask[2], answer[2], ended[2];
    char byte;
    signal(SIGPIPE, SIG_IGN);
    MUST(pipe(ask));
    MUST(pipe(answer));
    MUST(pipe(ended));
    if (inherited)
        MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
    pid_t child = (pid_t)MUST(fork());
    if (child == 0) {
        pid_t middle = (pid_t)MUST(setsid());
        if (MUST(fork()) != 0)
            _exit(0);
        close(ask[1]);
        close(answer[0]);
        close(ended[0]);
        while (getppid() == middle)
            zoo_rest_ms(1);
        be_daemon(ask[0], answer[1]);
    }
    close(ask[0]);
    close(answer[1]);
    close(ended[1]);
    zoo_expect_exit(child, 0);
    for (int i = 0; zoo_step(); i++) {
        zoo_put(ask[1], 'a');
        CHECK(zoo_get(answer[0]) == 'a', "the daemon says something else");
        if (zoo_damaged())
            zoo_put(ask[1], 'q');
    }
    zoo_put(ask[1], 'q');
    CHECK(read(ended[0], &byte, 1) == 0, "the daemon has not ended");
    int status;
    if (inherited)
        CHECK(wait(&status) > 0 && status == 0, "the daemon is not its heir's child, or ended with %#x", (unsigned)status);
}

void zoo_daemon_child(void) { daemon_at_work(false); }

/* The same with a subreaper within the job. */
void zoo_orphans(void) { daemon_at_work(true); }

/* Groups and sessions, some of whose leaders have ended. */
void zoo_groups(void)
{
    enum { CHILDREN = 5 };
    pid_t children[CHILDREN], group[CHILDREN], session[CHILDREN], leaders[CHILDREN];
    int ready[2], alive[2];
    MUST(pipe(ready));
    MUST(pipe(alive)); /* its end tells members without a parent that all is over */
    for (int i = 0; i < CHILDREN; i++) {
        if ((leaders[i] = zoo_fork()) == 0) {
            close(alive[1]);
            if (i < 2)
                MUST(setpgid(0, 0));
            else if (i < 4)
                MUST(setsid());
            pid_t member = (pid_t)MUST(fork());
            if (member == 0) {
                if (i == 3)
                    MUST(setpgid(0, 0));
                char byte;
                _exit(read(alive[0], &byte, 1) != 0);
            }
            CHECK(write(ready[1], &member, sizeof member) == sizeof member, "write");
            if (i % 2 == 0)
                _exit(0); /* a leader that ends, and leaves its group behind */
            for (;;)
                pause();
        }
        CHECK(read(ready[0], &children[i], sizeof children[i]) == sizeof children[i], "no child");
        if (i % 2 == 0)
            zoo_expect_exit(leaders[i], 0);
        else
            zoo_rest_ms(50);
    }
    for (int i = 0; i < CHILDREN; i++) {
        group[i] = getpgid(children[i]);
        session[i] = getsid(children[i]);
    }
    CHECK(group[0] == leaders[0] && session[2] == leaders[2] && group[3] == children[3] && session[3] == leaders[3], "the groups are not as wanted");
    pid_t own = getpgrp(), own_session = getsid(0);
    while (zoo_step()) {
        CHECK(getpgrp() == own && getsid(0) == own_session, "the group is %d, the session %d", getpgrp(), getsid(0));
        for (int i = 0; i < CHILDREN; i++)
            CHECK(getpgid(children[i]) == group[i] && getsid(children[i]) == session[i], "child %d: group %d was %d, session %d was %d", i,
                getpgid(children[i]), group[i], getsid(children[i]), session[i]);
        if (zoo_damaged())
            MUST(kill(-leaders[0], SIGKILL)), zoo_rest_ms(1000);
    }
    for (int i = 0; i < CHILDREN; i++) {
        MUST(kill(children[i], SIGKILL));
        if (i % 2)
            kill(leaders[i], SIGKILL);
    }
}

/* A terminal with a size and settings, a foreground group, and text that nobody has read yet, in both directions. */
static void be_at_terminal(int terminal)
{
    char line[64];
    pid_t self = getpid();
    for (int i = 0;; i++) {
        ssize_t n = MUST(read(terminal, line, sizeof line - 1));
        line[n] = 0;
        if (strcmp(line, "quit\n") == 0)
            _exit(0);
        CHECK(strtol(line, NULL, 10) == i, "line %d at the terminal is '%s'", i, line);
        CHECK(isatty(terminal) && tcgetpgrp(terminal) == self && tcgetsid(terminal) == self, "the foreground is %d's", tcgetpgrp(terminal));
        int again = (int)MUST(open("/dev/tty", O_RDWR));
        MUST(dprintf(again, "<%d>", i));
        close(again);
    }
}

void zoo_pty(void)
{
    int master, slave;
    struct winsize size = {33, 101, 0, 0}, is;
    struct termios settings, are;
    MUST(openpty(&master, &slave, NULL, NULL, &size));
    MUST(tcgetattr(slave, &settings));
    settings.c_lflag &= (tcflag_t)~ECHO;
    settings.c_oflag &= (tcflag_t)~OPOST;
    settings.c_cc[VINTR] = 7;
    MUST(tcsetattr(slave, TCSANOW, &settings));
    pid_t child = zoo_fork();
    if (child == 0) {
        MUST(close(master));
        MUST(setsid());
        MUST(ioctl(slave, TIOCSCTTY, 0));
        be_at_terminal(slave);
    }
    char wanted[32], answer[32];
    MUST(dprintf(master, "0\n"));
    for (int i = 0; zoo_step(); i++) {
        MUST(dprintf(master, "%d\n", i + 1));
        int n = snprintf(wanted, sizeof wanted, "<%d>", i);
        for (int at = 0; at < n; at++)
            answer[at] = zoo_get(master);
        CHECK(memcmp(answer, wanted, (size_t)n) == 0, "the terminal shows '%.*s'", n, answer);
        MUST(ioctl(slave, TIOCGWINSZ, &is));
        CHECK(is.ws_row == 33 && is.ws_col == 101, "the terminal has %d rows and %d columns", is.ws_row, is.ws_col);
        MUST(tcgetattr(slave, &are));
        CHECK(are.c_lflag == settings.c_lflag && are.c_oflag == settings.c_oflag && are.c_cc[VINTR] == 7, "the terminal has other settings");
        if (zoo_damaged())
            MUST(ioctl(master, TIOCSWINSZ, &(struct winsize){0}));
    }
    MUST(dprintf(master, "quit\n"));
    zoo_expect_exit(child, 0);
}
