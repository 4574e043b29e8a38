/* What cannot be preserved without rights on the machine, or at all. */
#include "zoo.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>

void zoo_sysv_shm(void)
{
    int id = (int)MUST(shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600));
    volatile int *at = shmat(id, NULL, 0);
    CHECK(at != (void *)-1, "shmat");
    for (int i = 0; zoo_step(); i++) {
        CHECK(at[0] == i, "the memory has %d", at[0]);
        at[0]++;
        int *again = shmat(id, NULL, SHM_RDONLY);
        CHECK(again != (void *)-1 && again[0] == i + 1, "the memory is another one");
        MUST(shmdt(again));
        if (zoo_damaged())
            at[0]++;
    }
    MUST(shmctl(id, IPC_RMID, NULL));
}

void zoo_sysv_semaphore(void)
{
    int id = (int)MUST(semget(IPC_PRIVATE, 2, IPC_CREAT | 0600));
    for (int i = 0; zoo_step(); i++) {
        int value = (int)MUST(semctl(id, 1, GETVAL));
        CHECK(value == i, "the semaphore is at %d", value);
        MUST(semop(id, &(struct sembuf){1, 1, 0}, 1));
        if (zoo_damaged())
            MUST(semop(id, &(struct sembuf){1, -1, 0}, 1));
    }
    MUST(semctl(id, 0, IPC_RMID));
}

void zoo_sysv_queue(void)
{
    struct {
        long type;
        int number;
    } message = {.type = 1};
    int id = (int)MUST(msgget(IPC_PRIVATE, IPC_CREAT | 0600));
    for (int i = 0; i < 5; i++) {
        message.number = i;
        MUST(msgsnd(id, &message, sizeof message.number, 0));
    }
    for (int i = 0; zoo_step(); i++) {
        MUST(msgrcv(id, &message, sizeof message.number, 0, IPC_NOWAIT));
        CHECK(message.number == i, "message %d comes", message.number);
        message.number = i + 5;
        MUST(msgsnd(id, &message, sizeof message.number, 0));
        if (zoo_damaged())
            MUST(msgrcv(id, &message, sizeof message.number, 0, IPC_NOWAIT));
    }
    MUST(msgctl(id, IPC_RMID, NULL));
}

void zoo_message_queue(void)
{
    char name[32];
    struct mq_attr size = {.mq_maxmsg = 8, .mq_msgsize = 16};
    snprintf(name, sizeof name, "/zoo-%d", getpid());
    mqd_t queue = (mqd_t)MUST(mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK, 0600, &size));
    for (int i = 0; i < 5; i++)
        MUST(mq_send(queue, (char *)&i, sizeof i, 0));
    for (int i = 0; zoo_step(); i++) {
        int number = -1, next = i + 5;
        char text[16];
        MUST(mq_receive(queue, text, sizeof text, NULL));
        memcpy(&number, text, sizeof number);
        CHECK(number == i, "message %d comes", number);
        MUST(mq_send(queue, (char *)&next, sizeof next, 0));
        if (zoo_damaged())
            MUST(mq_receive(queue, text, sizeof text, NULL));
    }
    MUST(mq_unlink(name));
}

/* An io_uring that is open; the kernel may refuse that anyway. */
void zoo_io_uring(void)
{
    struct io_uring_params params = {0};
    int ring = (int)MUST(syscall(SYS_io_uring_setup, 4, &params));
    char *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    CHECK(at != MAP_FAILED, "the ring cannot be mapped");
    while (zoo_step()) {
        long n = MUST(syscall(SYS_io_uring_enter, ring, 0, 0, 0, NULL, 0));
        CHECK(n == 0, "the ring takes %ld", n);
        if (zoo_damaged())
            MUST(close(ring));
    }
}

/* A filter of system calls that the job has set for itself: getpriority gives EDOM. */
void zoo_seccomp_filter(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpriority, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EDOM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
    while (zoo_step()) {
        CHECK(syscall(SYS_getpriority, 0, 0) < 0 && errno == EDOM, "the filter is gone");
        CHECK(!zoo_damaged(), "damaged");
    }
}

/* A child in namespaces of its own. */
void zoo_nested(void)
{
    int ready[2];
    MUST(pipe(ready));
    pid_t child = zoo_fork();
    if (child == 0) {
        MUST(unshare(CLONE_NEWUSER | CLONE_NEWNET));
        zoo_put(ready[1], 'r');
        for (;;)
            pause();
    }
    CHECK(zoo_get(ready[0]) == 'r', "the child says something else");
    char before[64], path[64], now[64];
    snprintf(path, sizeof path, "/proc/%d/ns/net", child);
    ssize_t n = MUST(readlink(path, before, sizeof before));
    while (zoo_step()) {
        CHECK(readlink(path, now, sizeof now) == n && memcmp(before, now, (size_t)n) == 0, "the namespace is another one");
        if (zoo_damaged())
            MUST(kill(child, SIGKILL)), zoo_expect_exit(child, 0);
    }
    MUST(kill(child, SIGKILL));
}
