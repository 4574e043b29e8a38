/* What a process has besides memory and files. */
#include "zoo.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

/* Users and groups, umask, working directory, environment, arguments, and what prctl sets. */
void zoo_attributes(void)
{
    uid_t uids[3], are[3];
    gid_t gids[3], gare[3], groups[64], groups_are[64];
    char command[4096], name[32], before[4096], now[4096];
    MUST(getresuid(&uids[0], &uids[1], &uids[2]));
    MUST(getresgid(&gids[0], &gids[1], &gids[2]));
    int n = (int)MUST(getgroups(64, groups));
    MUST(mkdir("below", 0755));
    MUST(chdir("below"));
    CHECK(getcwd(before, sizeof before), "getcwd");
    umask(0137);
    MUST(setenv("ZOO_LATE", "was set late", 1));
    MUST(prctl(PR_SET_NAME, "zoo-renamed"));
    MUST(prctl(PR_SET_PDEATHSIG, SIGUSR2));
    MUST(prctl(PR_SET_CHILD_SUBREAPER, 1));
    pid_t self = getpid(), parent = getppid();
    while (zoo_step()) {
        MUST(getresuid(&are[0], &are[1], &are[2]));
        MUST(getresgid(&gare[0], &gare[1], &gare[2]));
        CHECK(memcmp(uids, are, sizeof uids) == 0 && memcmp(gids, gare, sizeof gids) == 0, "another user or group");
        CHECK(getgroups(64, groups_are) == n && memcmp(groups, groups_are, (size_t)n * sizeof *groups) == 0, "other groups");
        CHECK(getpid() == self && getppid() == parent, "process %d of %d is %d of %d", self, parent, getpid(), getppid());
        CHECK(getcwd(now, sizeof now) && strcmp(now, before) == 0, "the working directory is '%s'", now);
        mode_t mask = umask(0137);
        CHECK(mask == 0137, "the umask is %o", mask);
        CHECK(getenv("ZOO_LATE") && strcmp(getenv("ZOO_LATE"), "was set late") == 0, "the environment has changed");
        MUST(prctl(PR_GET_NAME, name));
        CHECK(strcmp(name, "zoo-renamed") == 0, "the name is '%s'", name);
        int value = 0;
        MUST(prctl(PR_GET_PDEATHSIG, &value));
        CHECK(value == SIGUSR2, "the parent's death is told by %d", value);
        MUST(prctl(PR_GET_CHILD_SUBREAPER, &value));
        CHECK(value == 1, "it is no subreaper any more");
        int fd = (int)MUST(open("/proc/self/cmdline", O_RDONLY));
        ssize_t bytes = MUST(read(fd, command, sizeof command - 1));
        MUST(close(fd));
        command[bytes] = 0;
        CHECK(strcmp(command + strlen(command) + 1, "attributes") == 0, "the arguments have changed");
        bytes = MUST(readlink("/proc/self/exe", command, sizeof command - 1));
        command[bytes] = 0;
        CHECK(access(command, X_OK) == 0, "the executable is '%s'", command);
        if (zoo_damaged())
            umask(0);
    }
}

/* Limits that a job has lowered for itself. */
void zoo_limits(void)
{
    static const struct {
        int which;
        const char *name;
        rlim_t soft;
    } limits[] = {{RLIMIT_CORE, "core", 0}, {RLIMIT_NOFILE, "nofile", 200}, {RLIMIT_STACK, "stack", 4 << 20}, {RLIMIT_FSIZE, "fsize", 1 << 30},
        {RLIMIT_CPU, "cpu", 3600}, {RLIMIT_AS, "as", (rlim_t)1 << 33}};
    enum { LIMITS = sizeof limits / sizeof *limits };
    struct rlimit had[LIMITS], is;
    for (int i = 0; i < LIMITS; i++) {
        MUST(getrlimit((__rlimit_resource_t)limits[i].which, &had[i]));
        had[i].rlim_cur = limits[i].soft < had[i].rlim_max ? limits[i].soft : had[i].rlim_max;
        if (i == 0)
            had[i].rlim_max = 0;
        MUST(setrlimit((__rlimit_resource_t)limits[i].which, &had[i]));
    }
    while (zoo_step()) {
        for (int i = 0; i < LIMITS; i++) {
            MUST(getrlimit((__rlimit_resource_t)limits[i].which, &is));
            CHECK(is.rlim_cur == had[i].rlim_cur && is.rlim_max == had[i].rlim_max, "limit %s was %lu/%lu and is %lu/%lu", limits[i].name,
                (unsigned long)had[i].rlim_cur, (unsigned long)had[i].rlim_max, (unsigned long)is.rlim_cur, (unsigned long)is.rlim_max);
        }
        if (zoo_damaged())
            MUST(setrlimit(RLIMIT_CPU, &(struct rlimit){1800, 1800}));
    }
}

/* Priorities and policies of scheduling. */
void zoo_nice_level(void)
{
    errno = 0;
    CHECK(nice(5) != -1 || errno == 0, "nice");
    MUST(sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0}));
    int level = getpriority(PRIO_PROCESS, 0);
    pid_t child = zoo_fork();
    if (child == 0) {
        MUST(sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0}));
        for (;;)
            pause();
    }
    zoo_rest_ms(50);
    while (zoo_step()) {
        CHECK(getpriority(PRIO_PROCESS, 0) == level && sched_getscheduler(0) == SCHED_BATCH, "nice %d, policy %d", getpriority(PRIO_PROCESS, 0),
            sched_getscheduler(0));
        CHECK(sched_getscheduler(child) == SCHED_IDLE, "the child's policy is %d", sched_getscheduler(child));
        if (zoo_damaged())
            MUST(sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){0}));
    }
    MUST(kill(child, SIGKILL));
}

/* The processors that it may use. */
void zoo_affinity(void)
{
    cpu_set_t set, is;
    MUST(sched_getaffinity(0, sizeof set, &set));
    int last = CPU_SETSIZE - 1;
    while (!CPU_ISSET(last, &set))
        last--;
    CPU_ZERO(&set);
    CPU_SET(last, &set);
    MUST(sched_setaffinity(0, sizeof set, &set));
    while (zoo_step()) {
        MUST(sched_getaffinity(0, sizeof is, &is));
        CHECK(CPU_EQUAL(&set, &is), "it may use %d processors", CPU_COUNT(&is));
        CHECK(sched_getcpu() == last, "it runs on processor %d", sched_getcpu());
        if (zoo_damaged())
            memset(&set, 0, sizeof set);
    }
}

/* The machine's names, and what /proc tells of this process. */
void zoo_names(void)
{
    struct utsname before, now;
    char pid[32], link[32], *end;
    MUST(uname(&before));
    snprintf(pid, sizeof pid, "%d", getpid());
    int held = (int)MUST(open("/proc/self/status", O_RDONLY)), directory = (int)MUST(open("/proc/self", O_RDONLY | O_DIRECTORY));
    while (zoo_step()) {
        MUST(uname(&now));
        CHECK(strcmp(before.nodename, now.nodename) == 0 && strcmp(before.release, now.release) == 0, "the host is '%s'", now.nodename);
        ssize_t n = MUST(readlink("/proc/self", link, sizeof link - 1));
        link[n] = 0;
        CHECK(strcmp(link, pid) == 0, "/proc/self is %s", link);
        char text[4096] = "";
        MUST(pread(held, text, sizeof text - 1, 0));
        CHECK((end = strstr(text, "\nPid:\t")) && strtol(end + 6, NULL, 10) == getpid(), "an open file in /proc means another process");
        MUST(faccessat(directory, "maps", F_OK, 0));
        if (zoo_damaged())
            pid[0]++;
    }
}
