/*
 * odd KIND: a program that has one of those things that make a checkpoint hard. It says "ready" when it has it and waits. Exit
 * code 77 with the reason: this machine does not have that thing at all. For the tests of the checkability report, which must
 * say what the real engine says, and nothing more.
 */
#include "odd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <mqueue.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

const char *odd_argument;

void need(long result, const char *what)
{
    if (result >= 0)
        return;
    printf("%s: %s\n", what, strerror(errno));
    exit(77);
}

static int made(const char *name, int flags)
{
    int fd = open(name, O_RDWR | O_CREAT | flags, 0600);
    need(fd, name);
    need(write(fd, name, 4096 > strlen(name) ? strlen(name) : 4096), name);
    return fd;
}

static void nothing(void) {}

static void io_uring(void)
{
    char params[120] = { 0 };
    need(syscall(425, 8, params), "io_uring_setup");
}

static void perf(void)
{
    struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE, .size = sizeof attr, .config = PERF_COUNT_SW_TASK_CLOCK, .exclude_kernel = 1 };
    need(syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0), "perf_event_open");
}

static void bpf(void)
{
    union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };
    need(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr), "bpf");
}

static void uffd(void) { need(syscall(SYS_userfaultfd, O_CLOEXEC | 1), "userfaultfd"); }
static void fanotify(void) { need(fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID, O_RDONLY), "fanotify_init"); }
static void pidfd(void) { need(syscall(SYS_pidfd_open, getpid(), 0), "pidfd_open"); }
static void landlock(void)
{
    uint64_t attr[2] = { 1, 0 };
    need(syscall(444, attr, 8UL, 0), "landlock_create_ruleset");
}

static void inotify(void)
{
    int fd = inotify_init1(0);
    need(fd, "inotify");
    need(inotify_add_watch(fd, odd_argument ? odd_argument : ".", IN_CREATE), "inotify_add_watch");
}

static void events(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    need(eventfd(3, 0), "eventfd");
    need(signalfd(-1, &set, 0), "signalfd");
    int timer = timerfd_create(CLOCK_MONOTONIC, 0), poller = epoll_create1(0);
    struct epoll_event event = { .events = EPOLLIN };
    need(epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event), "epoll_ctl");
}

static void sysv_shm(void)
{
    int id = shmget(IPC_PRIVATE, 65536, IPC_CREAT | 0600);
    need(id, "shmget");
    memset(shmat(id, NULL, 0), 1, 65536);
}

static void sysv_shm_detached(void) { need(shmget(7, 65536, IPC_CREAT | 0600), "shmget"); }
static void sysv_sem(void) { need(semget(7, 2, IPC_CREAT | 0600), "semget"); }

static void sysv_msg(void)
{
    struct { long type; char text[8]; } message = { 1, "x" };
    int id = msgget(7, IPC_CREAT | 0600);
    need(id, "msgget");
    need(msgsnd(id, &message, 8, 0), "msgsnd");
}

static void mqueue(void)
{
    struct mq_attr attr = { .mq_maxmsg = 2, .mq_msgsize = 16 };
    need(mq_open("/odd", O_RDWR | O_CREAT, 0600, &attr), "mq_open");
}

static void device(void) { need(open(odd_argument ? odd_argument : "/dev/fuse", O_RDWR), "device"); }
static void full(void) { need(open("/dev/full", O_RDWR), "/dev/full"); }

static void device_map(void)
{
    int fd = open("/dev/zero", O_RDWR);
    memset(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), 1, 4096);
    memset(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0), 1, 4096);
}

static void seccomp_filter(void)
{
    struct sock_filter allow[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
    struct sock_fprog program = { 1, allow };
    need(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
    need(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), "seccomp");
}

static void *seccomp_thread(void *ready)
{
    seccomp_filter();
    need(write(*(int *)ready, "x", 1), "write");
    pause();
    return NULL;
}

static void seccomp_in_thread(void)
{
    int ready[2];
    char byte;
    pthread_t thread;
    need(pipe(ready), "pipe");
    pthread_create(&thread, NULL, seccomp_thread, &ready[1]);
    need(read(ready[0], &byte, 1), "read");
    close(ready[0]);
    close(ready[1]);
}

static void nested(int flags)
{
    pid_t pid;
    int ready[2];
    char byte;
    need(pipe(ready), "pipe");
    if ((pid = fork()) == 0) {
        if (syscall(SYS_unshare, flags) < 0)
            _exit(1);
        need(write(ready[1], "x", 1), "write");
        for (;;)
            pause();
    }
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1) {
        printf("unshare: not permitted\n");
        exit(77);
    }
    close(ready[0]);
}
static void nested_user(void) { nested(CLONE_NEWUSER); }
static void nested_user_mount(void) { nested(CLONE_NEWUSER | CLONE_NEWNS); }

static void deleted_map(void)
{
    int fd = made("gone", 0);
    need(ftruncate(fd, 8192), "ftruncate");
    memset(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), 1, 8192);
    close(fd);
    unlink("gone");
}
static void deleted_map_open(void)
{
    int fd = made("gone", 0);
    need(ftruncate(fd, 8192), "ftruncate");
    memset(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), 1, 8192);
    unlink("gone");
}
static void deleted_map_private(void)
{
    int fd = made("gone", 0);
    need(ftruncate(fd, 8192), "ftruncate");
    memset(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0), 1, 8192);
    close(fd);
    unlink("gone");
}
static void deleted_shm(void)
{
    int fd = made("/dev/shm/gone", 0);
    need(ftruncate(fd, 8192), "ftruncate");
    memset(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), 1, 8192);
    close(fd);
    unlink("/dev/shm/gone");
}
static void replaced_map(void)
{
    deleted_map();
    made("gone", 0);
}
static void shm(void)
{
    int fd = made("/dev/shm/there", 0);
    need(ftruncate(fd, 8192), "ftruncate");
    memset(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), 1, 8192);
    close(fd);
}
static void map_shared_file(void)
{
    int fd = made("mapped", 0);
    need(ftruncate(fd, 8192), "ftruncate");
    memset(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), 1, 8192);
    close(fd);
}
static void map_shared(void)
{
    memset(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), 1, 8192);
    if (fork() == 0)
        for (;;)
            pause();
}

static void deleted_small(void)
{
    made("small", 0);
    unlink("small");
}
static void deleted_large(void)
{
    need(ftruncate(made("large", 0), 64 << 20), "ftruncate");
    unlink("large");
}
static void deleted_large_full(void)
{
    static char block[1 << 20];
    int fd = made("large", 0);
    memset(block, 1, sizeof block);
    for (int i = 0; i < 16; i++)
        need(write(fd, block, sizeof block), "write");
    unlink("large");
}
static void deleted_linked(void)
{
    int fd = made("first", 0);
    unlink("second");
    need(link("first", "second"), "link");
    unlink("first");
    (void)fd;
}
static void deleted_dir(void)
{
    mkdir("away", 0700);
    need(open("away", O_RDONLY | O_DIRECTORY), "away");
    rmdir("away");
}
static void deleted_cwd(void)
{
    mkdir("away", 0700);
    need(chdir("away"), "away");
    rmdir("../away");
}
static void tmpfile_(void) { need(open(".", O_TMPFILE | O_RDWR, 0600), "O_TMPFILE"); }
static void renamed(void)
{
    made("before", 0);
    rename("before", "after");
}
static void directory(void) { need(open("/usr", O_RDONLY | O_DIRECTORY), "/usr"); }
static void path_only(void) { need(open("/usr/bin", O_PATH), "/usr/bin"); }
static void outside(void) { made(odd_argument, O_APPEND); }
static void proc_self(void) { need(open("/proc/self/status", O_RDONLY), "/proc/self/status"); }
static void proc_dead(void)
{
    char path[64];
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    need(open(path, O_RDONLY), path);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void traced(void)
{
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    need(ptrace(PTRACE_SEIZE, pid, 0, 0), "ptrace");
}

static void undumpable(void) { need(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "PR_SET_DUMPABLE"); }

static void huge(void)
{
    void *p = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1, 0);
    need(p == MAP_FAILED ? -1 : 0, "MAP_HUGETLB");
}
static void memfd_huge(void)
{
    int fd = memfd_create("huge", MFD_HUGETLB);
    need(fd, "MFD_HUGETLB");
}

static void secret(void)
{
    int fd = (int)syscall(447, 0);
    need(fd, "memfd_secret");
    need(ftruncate(fd, 4096), "ftruncate");
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    need(p == MAP_FAILED ? -1 : 0, "mmap");
    memset(p, 1, 4096);
}

static void memfd(void)
{
    int fd = memfd_create("sealed", MFD_ALLOW_SEALING);
    need(fd, "memfd_create");
    need(ftruncate(fd, 8192), "ftruncate");
    memset(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), 1, 8192);
    need(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), "F_ADD_SEALS");
}
static void memfd_closed(void)
{
    int fd = memfd_create("closed", 0);
    need(ftruncate(fd, 8192), "ftruncate");
    memset(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), 1, 8192);
    close(fd);
}

static void aio(void)
{
    aio_context_t context = 0;
    need(syscall(SYS_io_setup, 16, &context), "io_setup");
}

static void lease(void) { need(fcntl(made("leased", 0), F_SETLEASE, F_WRLCK), "F_SETLEASE"); }
static void locks(void)
{
    struct flock lock = { .l_type = F_WRLCK, .l_len = 10 };
    int fd = made("locked", 0);
    need(fcntl(fd, F_SETLK, &lock), "F_SETLK");
    need(flock(made("flocked", 0), LOCK_EX), "flock");
}
static void lock_ofd(void)
{
    struct flock lock = { .l_type = F_WRLCK, .l_len = 10 };
    need(fcntl(made("locked", 0), F_OFD_SETLK, &lock), "F_OFD_SETLK");
}
static void fifo(void)
{
    unlink("fifo");
    need(mkfifo("fifo", 0600), "mkfifo");
    need(open("fifo", O_RDWR), "fifo");
}
static void pipes(void)
{
    int p[2];
    need(pipe(p), "pipe");
    need(write(p[1], "x", 1), "write");
    close(p[1]);
}
static void pty(void)
{
    int fd = posix_openpt(O_RDWR | O_NOCTTY);
    need(fd, "posix_openpt");
    need(unlockpt(fd), "unlockpt");
    need(open(ptsname(fd), O_RDWR | O_NOCTTY), "slave");
}
static void batch(void)
{
    struct sched_param param = { 0 };
    need(sched_setscheduler(0, SCHED_BATCH, &param), "SCHED_BATCH");
    need(nice(5), "nice");
}
static void locked_memory(void) { need(mlock(mmap(NULL, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 8192), "mlock"); }
static void mdwe(void) { need(prctl(65, 1, 0, 0, 0), "PR_SET_MDWE"); }
static void stopped(void)
{
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    kill(pid, SIGSTOP);
}
static void zombie(void)
{
    if (fork() == 0)
        _exit(3);
}
static void *sleeper(void *unused)
{
    pause();
    return unused;
}
static void *unshared_sleeper(void *unused)
{
    syscall(SYS_unshare, CLONE_FILES);
    open("/dev/null", O_RDONLY);
    return sleeper(unused);
}
static void threads(void)
{
    pthread_t thread;
    for (int i = 0; i < 50; i++)
        pthread_create(&thread, NULL, sleeper, NULL);
}
static void unshared_files(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, unshared_sleeper, NULL);
    usleep(50000);
}
static void vforked(void)
{
    if (vfork() == 0) {
        need(write(1, "ready\n", 6), "write");
        for (;;)
            syscall(SYS_pause);
    }
}

static void many(void)
{
    for (int i = 0; i < 200; i++)
        if (fork() == 0)
            for (;;)
                pause();
    pthread_t thread;
    for (int i = 0; i < 1000; i++)
        pthread_create(&thread, NULL, sleeper, NULL);
}

#define KIND(name) { #name, name }
static const struct { const char *name; void (*make)(void); } kinds[] = {
    KIND(nothing), KIND(io_uring), KIND(perf), KIND(bpf), KIND(uffd), KIND(fanotify), KIND(pidfd), KIND(landlock), KIND(inotify),
    KIND(events), KIND(sysv_shm), KIND(sysv_shm_detached), KIND(sysv_sem), KIND(sysv_msg), KIND(mqueue), KIND(device), KIND(full),
    KIND(device_map), KIND(tcp_listen), KIND(tcp6_listen), KIND(tcp), KIND(tcp_reuse), KIND(tcp_no_listener), KIND(tcp_no_listener_reuse),
    KIND(mptcp), KIND(tcp_in_backlog), KIND(tcp_unconnected),
    KIND(udp), KIND(udp_unbound), KIND(udp_pending), KIND(ping), KIND(raw), KIND(packet), KIND(sctp), KIND(udplite), KIND(vsock), KIND(alg),
    KIND(netlink), KIND(netlink_unbound), KIND(unix_pair), KIND(unix_half), KIND(unix_outside), KIND(unix_outside_dgram),
    KIND(unix_listen), KIND(unix_backlog), KIND(unix_dgram), KIND(unix_unlinked), KIND(unix_moved), KIND(unix_abstract), KIND(unix_in_flight), KIND(seccomp_filter),
    KIND(seccomp_in_thread), KIND(nested_user), KIND(nested_user_mount), KIND(deleted_map), KIND(deleted_map_open),
    KIND(deleted_map_private), KIND(deleted_shm), KIND(replaced_map), KIND(shm), KIND(map_shared_file), KIND(map_shared),
    KIND(deleted_small), KIND(deleted_large), KIND(deleted_large_full), KIND(deleted_linked), KIND(deleted_dir), KIND(deleted_cwd),
    KIND(tmpfile_), KIND(renamed), KIND(directory), KIND(path_only), KIND(outside), KIND(proc_self), KIND(proc_dead), KIND(traced),
    KIND(undumpable), KIND(huge), KIND(memfd_huge), KIND(secret), KIND(memfd), KIND(memfd_closed), KIND(aio), KIND(lease), KIND(locks),
    KIND(lock_ofd), KIND(fifo), KIND(pipes), KIND(pty), KIND(batch), KIND(locked_memory), KIND(mdwe), KIND(stopped), KIND(zombie),
    KIND(threads), KIND(unshared_files), KIND(vforked), KIND(many),
};

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    syscall(SYS_close_range, 3, ~0U, 0);
    odd_argument = argc > 2 ? argv[2] : NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (argc < 2)
            printf("%s\n", kinds[i].name);
        else if (strcmp(kinds[i].name, argv[1]) == 0) {
            kinds[i].make();
            printf("ready\n");
            for (;;)
                pause();
        }
    }
    return argc < 2 ? 0 : 2;
}
