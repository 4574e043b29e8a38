/* Memory in all its kinds. */
#include "zoo.h"

#include <fcntl.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { PAGE = 4096, KIB_64 = 65536 };

static uint32_t mix(uint32_t x)
{
    x ^= x << 13;
    x ^= x >> 17;
    return x ^ x << 5;
}

static void *map(size_t bytes, int protection, int flags, int fd)
{
    void *at = mmap(NULL, bytes, protection, flags, fd, 0);
    CHECK(at != MAP_FAILED, "mmap: %s", strerror(errno));
    return at;
}

/* A heap of 32 MiB, of which something changes at every step; blocks come and go. */
void zoo_heap(void)
{
    enum { WORDS = 8 << 20, BLOCKS = 64 };
    uint32_t *heap = malloc(WORDS * sizeof *heap), x = 1;
    char *blocks[BLOCKS] = {0};
    for (size_t i = 0; i < WORDS; i++)
        heap[i] = (uint32_t)i;
    for (int i = 0; zoo_step(); i++) {
        for (int k = 0; k < 10000; k++) {
            x = mix(x);
            uint32_t *word = &heap[x % WORDS];
            CHECK((*word & 0x7fffff) == x % WORDS, "word %u is %u", x % WORDS, *word);
            *word += 0x800000;
        }
        char **block = &blocks[i % BLOCKS];
        if (*block)
            CHECK((*block)[0] == (char)(i - BLOCKS) && (*block)[i % BLOCKS * 1000 + 999] == (char)(i - BLOCKS), "a block has changed");
        free(*block);
        *block = malloc((size_t)(i % BLOCKS + 1) * 1000);
        memset(*block, i, (size_t)(i % BLOCKS + 1) * 1000);
        if (zoo_damaged())
            memset(heap, 0, WORDS);
    }
    for (size_t i = 0; i < WORDS; i++)
        CHECK((heap[i] & 0x7fffff) == i, "word %zu is %u at the end", i, heap[i]);
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    free(heap);
}

/* What one process writes to shared memory the other reads, and the other way round; nothing else connects them. */
static void ping_pong(uint32_t *mine, pid_t child, void (*damage)(uint32_t *))
{
    enum { ASK = 0, ANSWER = 1, END = 2, DATA = 16 };
    if (child == 0) {
        for (uint32_t i = 1;; i++) {
            while (__atomic_load_n(&mine[ASK], __ATOMIC_ACQUIRE) != i) {
                if (__atomic_load_n(&mine[END], __ATOMIC_ACQUIRE))
                    _exit(0);
                zoo_rest_ms(1);
            }
            CHECK(mine[DATA + i % 1000] == i * 3, "the child reads %u", mine[DATA + i % 1000]);
            mine[DATA + i % 1000] = i * 5;
            __atomic_store_n(&mine[ANSWER], i, __ATOMIC_RELEASE);
        }
    }
    for (uint32_t i = 1; zoo_step(); i++) {
        mine[DATA + i % 1000] = i * 3;
        __atomic_store_n(&mine[ASK], i, __ATOMIC_RELEASE);
        int patience = 20000;
        while (__atomic_load_n(&mine[ANSWER], __ATOMIC_ACQUIRE) != i && --patience)
            zoo_rest_ms(1);
        CHECK(patience, "the child does not see what the parent writes");
        CHECK(mine[DATA + i % 1000] == i * 5, "the parent reads %u", mine[DATA + i % 1000]);
        if (zoo_damaged())
            damage(mine);
    }
    __atomic_store_n(&mine[END], 1, __ATOMIC_RELEASE);
    zoo_expect_exit(child, 0);
}

/* Shared memory that has become private is what a bad restore would make of it. */
static void unshare_it(uint32_t *shared)
{
    uint8_t copy[KIB_64];
    memcpy(copy, shared, sizeof copy);
    CHECK(mmap(shared, sizeof copy, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == shared, "mmap");
    memcpy(shared, copy, sizeof copy);
    shared[0] = 77;
    signal(SIGALRM, SIG_DFL);
    zoo_fail("damaged"); /* the child would wait for ever */
}

/* Shared between parent and child without a file; what is private is not shared after a fork. */
void zoo_map_anon(void)
{
    uint32_t *shared = map(KIB_64, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
    uint32_t *private = map(KIB_64, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    private[0] = 1;
    pid_t child = zoo_fork();
    private[0] = child ? 2 : 3;
    ping_pong(shared, child, unshare_it);
    CHECK(private[0] == 2, "private memory is shared");
}

/* Shared through a file in the sandbox, which has what is written to the memory. */
void zoo_map_shared(void)
{
    int fd = (int)MUST(open("shared.dat", O_RDWR | O_CREAT | O_TRUNC, 0600));
    MUST(ftruncate(fd, KIB_64));
    pid_t child = zoo_fork();
    uint32_t *shared = map(KIB_64, PROT_READ | PROT_WRITE, MAP_SHARED, fd), word;
    ping_pong(shared, child, unshare_it);
    for (uint32_t i = 16; i < 1016; i++) {
        MUST(pread(fd, &word, sizeof word, (off_t)(i * sizeof word)));
        CHECK(word == shared[i], "the file has %u where the memory has %u", word, shared[i]);
    }
}

/* A private mapping of a file: pages that were written are the process's, the others and the file are as they were. */
void zoo_map_private(void)
{
    enum { PAGES = 64 };
    char page[PAGE];
    int fd = (int)MUST(open("private.dat", O_RDWR | O_CREAT | O_TRUNC, 0600));
    for (int i = 0; i < PAGES; i++) {
        memset(page, 'a' + i % 26, sizeof page);
        CHECK(write(fd, page, sizeof page) == sizeof page, "cannot write");
    }
    char *at = map(PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
    MUST(close(fd));
    for (int i = 0; zoo_step(); i++) {
        at[i % PAGES * PAGE] = 'A';
        for (int k = 0; k < PAGES; k++) {
            CHECK(at[k * PAGE] == (k <= i ? 'A' : 'a' + k % 26), "page %d begins with %c", k, at[k * PAGE]);
            CHECK(at[k * PAGE + 1] == 'a' + k % 26, "page %d goes on with %c", k, at[k * PAGE + 1]);
        }
        if (zoo_damaged())
            at[1] = 'X';
    }
    fd = (int)MUST(open("private.dat", O_RDONLY));
    for (int i = 0; i < PAGES; i++) {
        MUST(pread(fd, page, sizeof page, (off_t)i * PAGE));
        CHECK(page[0] == 'a' + i % 26, "the file has changed");
    }
}

static sigjmp_buf back;
static void fault(int sig) { siglongjmp(back, sig); }
static bool faults(volatile char *at, bool write)
{
    if (sigsetjmp(back, 1))
        return true;
    if (write)
        *at = 'w';
    else
        (void)*at;
    return false;
}

/* Protections, holes, memory that a child does not get, a stack that grows. */
void zoo_pages(void)
{
    struct sigaction act = {.sa_handler = fault};
    MUST(sigaction(SIGSEGV, &act, NULL));
    char *at = map(16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    memset(at, 'x', 16 * PAGE);
    MUST(mprotect(at + 2 * PAGE, PAGE, PROT_READ));
    MUST(mprotect(at + 4 * PAGE, PAGE, PROT_NONE));
    MUST(munmap(at + 6 * PAGE, PAGE));
    MUST(madvise(at + 8 * PAGE, PAGE, MADV_DONTFORK));
    MUST(madvise(at + 10 * PAGE, PAGE, MADV_WIPEONFORK));
    char *stack = map(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_STACK, -1);
    stack[0] = 's';
    while (zoo_step()) {
        CHECK(!faults(at, true) && !faults(at + 2 * PAGE, false), "memory has become unreadable");
        CHECK(faults(at + 2 * PAGE, true), "read-only memory has become writable");
        CHECK(faults(at + 4 * PAGE, false), "memory without access has become readable");
        CHECK(faults(at + 6 * PAGE, false), "there is memory in a hole");
        CHECK(stack[0] == 's', "the stack has changed");
        pid_t child = zoo_fork();
        if (child == 0)
            _exit(!faults(at + 8 * PAGE, false) || at[10 * PAGE] != 0 ? 2 : 0);
        zoo_expect_exit(child, 0);
        if (zoo_damaged())
            MUST(mprotect(at + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE));
    }
    MUST(mprotect(at + 4 * PAGE, PAGE, PROT_READ));
    CHECK(at[4 * PAGE] == 'x', "memory without access has lost its content");
}

/* Files in memory: content, offset, seals; read and written by two processes. */
void zoo_memfd(void)
{
    int fd = (int)MUST(memfd_create("zoo", MFD_ALLOW_SEALING | MFD_CLOEXEC)), sealed = (int)MUST(memfd_create("sealed", MFD_ALLOW_SEALING));
    int ask[2], answer[2], number;
    MUST(pipe(ask));
    MUST(pipe(answer));
    CHECK(write(sealed, "constant", 8) == 8, "cannot write");
    MUST(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW));
    pid_t child = zoo_fork();
    if (child == 0) {
        for (int i = 0; zoo_get(ask[0]) == 'n'; i++) {
            CHECK(pread(fd, &number, sizeof number, i * 4) == sizeof number && number == i, "the child reads %d", number);
            zoo_put(answer[1], 'd');
        }
        _exit(0);
    }
    for (int i = 0; zoo_step(); i++) {
        CHECK(lseek(fd, 0, SEEK_CUR) == i * 4, "the offset is %ld", (long)lseek(fd, 0, SEEK_CUR));
        CHECK(write(fd, &i, sizeof i) == sizeof i, "cannot write");
        zoo_put(ask[1], 'n');
        zoo_get(answer[0]);
        char text[8];
        CHECK(pread(sealed, text, 8, 0) == 8 && memcmp(text, "constant", 8) == 0, "the sealed memory has changed");
        CHECK(fcntl(sealed, F_GET_SEALS) == (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW), "the seals are %d", fcntl(sealed, F_GET_SEALS));
        CHECK(write(sealed, "x", 1) < 0 && errno == EPERM, "the seals do not hold");
        if (zoo_damaged())
            MUST(ftruncate(fd, 0));
    }
    for (int i = 0; i < zoo_steps(); i++)
        CHECK(pread(fd, &number, sizeof number, i * 4) == sizeof number && number == i, "number %d is %d", i, number);
    zoo_put(ask[1], 'q');
    zoo_expect_exit(child, 0);
}

/* What is written to a descriptor is seen in the memory, as long as both mean the same. */
static void two_ways(int fd)
{
    MUST(ftruncate(fd, KIB_64));
    volatile uint32_t *shared = map(KIB_64, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
    for (uint32_t i = 1; zoo_step(); i++) {
        uint32_t other;
        CHECK(pwrite(fd, &i, sizeof i, 400) == sizeof i, "cannot write");
        CHECK(shared[100] == i, "the memory has %u where %u was written", shared[100], i);
        shared[200] = i * 3;
        CHECK(pread(fd, &other, sizeof other, 800) == sizeof other && other == i * 3, "%u was read where the memory has %u", other, i * 3);
        if (zoo_damaged())
            shared = map(KIB_64, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
    }
}

void zoo_memfd_mapped(void) { two_ways((int)MUST(memfd_create("zoo", 0))); }

void zoo_shm(void)
{
    shm_unlink("/zoo-shm");
    two_ways((int)MUST(shm_open("/zoo-shm", O_RDWR | O_CREAT | O_EXCL, 0600)));
    MUST(shm_unlink("/zoo-shm"));
}

/* Shared memory whose name is gone, as its users ought to do, and a file like that. */
void zoo_shm_unlinked(void)
{
    int fd = (int)MUST(shm_open("/zoo-gone", O_RDWR | O_CREAT | O_EXCL, 0600));
    MUST(shm_unlink("/zoo-gone"));
    two_ways(fd);
}

void zoo_map_deleted(void)
{
    int fd = (int)MUST(open("deleted.dat", O_RDWR | O_CREAT | O_EXCL, 0600));
    MUST(unlink("deleted.dat"));
    two_ways(fd);
}

/* POSIX semaphores between processes. They are files in /dev/shm that are mapped. */
static void semaphores(const char *const names[3], bool unlink_them)
{
    sem_t *sems[3];
    int value;
    for (int i = 0; i < 3; i++) {
        sem_unlink(names[i]);
        sems[i] = sem_open(names[i], O_CREAT | O_EXCL, 0600, i == 2 ? 3 : 0);
        CHECK(sems[i] != SEM_FAILED, "sem_open");
        if (unlink_them)
            MUST(sem_unlink(names[i]));
    }
    volatile uint32_t *shared = map(KIB_64, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
    pid_t child = zoo_fork();
    if (child == 0) {
        for (uint32_t i = 0;; i++) {
            while (sem_wait(sems[0]) != 0)
                CHECK(errno == EINTR, "sem_wait");
            if (shared[0] == UINT32_MAX)
                _exit(0);
            CHECK(shared[0] == i, "the child reads %u instead of %u", shared[0], i);
            shared[1] = i * 2;
            MUST(sem_post(sems[1]));
        }
    }
    for (uint32_t i = 0; zoo_step(); i++) {
        shared[0] = i;
        MUST(sem_post(sems[0]));
        while (sem_wait(sems[1]) != 0)
            CHECK(errno == EINTR, "sem_wait");
        CHECK(shared[1] == i * 2, "the parent reads %u instead of %u", shared[1], i * 2);
        MUST(sem_getvalue(sems[2], &value));
        CHECK(value == 3, "the semaphore is at %d", value);
        if (zoo_damaged())
            MUST(sem_post(sems[2]));
    }
    shared[0] = UINT32_MAX;
    MUST(sem_post(sems[0]));
    zoo_expect_exit(child, 0);
    for (int i = 0; i < 3 && !unlink_them; i++)
        MUST(sem_unlink(names[i]));
}

void zoo_sem_named(void) { semaphores((const char *const[]){"/zoo-ask", "/zoo-answer", "/zoo-idle"}, false); }
void zoo_sem_unlinked(void) { semaphores((const char *const[]){"/zoo-ask2", "/zoo-answer2", "/zoo-idle2"}, true); }
