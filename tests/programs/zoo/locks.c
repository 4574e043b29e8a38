/* Locks of files, of each of the kernel's three kinds. The parent holds them, a child tries to get them. */
#include "zoo.h"

#include <fcntl.h>
#include <sys/file.h>

struct kind {
    /* Tries for one byte of a file (flock: all of it); 0, or -1 with EAGAIN. */
    int (*lock)(int fd, int type, off_t at);
    /* True when whoever holds a lock is named by PID. */
    bool named;
};

static int take_flock(int fd, int type, off_t at)
{
    (void)at;
    return flock(fd, (type == F_WRLCK ? LOCK_EX : type == F_RDLCK ? LOCK_SH : LOCK_UN) | LOCK_NB);
}

static int record_lock(int fd, int command, int type, off_t at)
{
    struct flock l = {.l_type = (short)type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
    return fcntl(fd, command, &l);
}

static int take_posix(int fd, int type, off_t at) { return record_lock(fd, F_SETLK, type, at); }
static int take_ofd(int fd, int type, off_t at) { return record_lock(fd, F_OFD_SETLK, type, at); }

static bool refused(const struct kind *kind, const char *path, int type, off_t at)
{
    int fd = (int)MUST(open(path, O_RDWR | O_CLOEXEC));
    int result = kind->lock(fd, type, at), sys = errno;
    close(fd);
    return result < 0 && (sys == EAGAIN || sys == EACCES);
}

static void look(const struct kind *kind, pid_t parent)
{
    CHECK(refused(kind, "exclusive", F_RDLCK, 0), "the exclusive lock is gone");
    CHECK(refused(kind, "shared", F_WRLCK, 0), "the shared lock is gone");
    CHECK(!refused(kind, "shared", F_RDLCK, 0), "the shared lock is exclusive");
    if (!kind->named)
        return;
    CHECK(!refused(kind, "exclusive", F_WRLCK, 5), "a byte is locked that nobody wanted");
    int fd = (int)MUST(open("exclusive", O_RDWR));
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 100};
    MUST(fcntl(fd, F_GETLK, &l));
    close(fd);
    CHECK(l.l_type == F_WRLCK && l.l_pid == parent && l.l_start == 0 && l.l_len == 1, "a lock of %d from %ld on is told",
        (int)l.l_pid, (long)l.l_start);
}

static void hold(const struct kind *kind)
{
    int ask[2], answer[2];
    MUST(pipe2(ask, O_CLOEXEC));
    MUST(pipe2(answer, O_CLOEXEC));
    zoo_write_file("exclusive", "0123456789");
    zoo_write_file("shared", "0123456789");
    pid_t parent = getpid(), child = zoo_fork();
    if (child == 0) {
        while (zoo_get(ask[0]) == 'l') {
            look(kind, parent);
            zoo_put(answer[1], 'd');
        }
        _exit(0);
    }
    int exclusive = (int)MUST(open("exclusive", O_RDWR)), shared = (int)MUST(open("shared", O_RDWR));
    MUST(kind->lock(exclusive, F_WRLCK, 0));
    MUST(kind->lock(shared, F_RDLCK, 0));
    close(answer[1]);
    while (zoo_step()) {
        zoo_put(ask[1], 'l');
        zoo_get(answer[0]);
        if (zoo_damaged())
            MUST(kind->lock(exclusive, F_UNLCK, 0));
    }
    zoo_put(ask[1], 'q');
    zoo_expect_exit(child, 0);
}

void zoo_lock_flock(void) { hold(&(struct kind){take_flock, false}); }
void zoo_lock_posix(void) { hold(&(struct kind){take_posix, true}); }
void zoo_lock_ofd(void) { hold(&(struct kind){take_ofd, false}); }
