/*
 * A line of the log is "(00.028094)   1001: Error (criu/mem.c:718): module: text"; time and pid may be missing. One failure makes a
 * cascade of errors: the first says what is wrong, the others that somebody could not go on without it. Before them are complaints
 * that come with every run without root and mean nothing.
 *
 * So: the first row of the table that fits any error is the cause (rows that say more come before those that say less). If none
 * fits, it is the first error that is neither noise nor consequence.
 *
 * In a pattern "*" stands for any text; $1 … $4 in a sentence are what the stars stood for, $p is the process that the log speaks of.
 * Most lines were provoked with CRIU 4.2 (the test has them as they came); those for other processors and kernels are from its
 * sources.
 */
#include "engine/criu_log.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TAIL_BYTES = 1 << 20, STARS_MAX = 4, SPAN_MAX = 200 };

struct row {
    const char *name, *pattern, *sentence;
    bool passing;
};

static const struct row causes[] = {
    /* what the machine lacks */
    { "disk-full", "No space left on device", "no space is left on the disk for the memory of the job", true },
    { "disk-full", "Disk quota exceeded", "the disk quota leaves no space for the memory of the job", true },
    { "memory", "Cannot allocate memory", "there is not enough memory to do it", true },
    { "too-old", "Unexpected rt vDSO area bounds", "this criu is too old for this kernel", false },
    { "too-old", "Can't find rt vDSO", "this criu is too old for this kernel", false },
    { "too-old", "Can't get 1:16 opt", "this criu is too old for sockets on this kernel", false },
    { "cpu", "CPU capabilities do not match run time", "this machine's processor lacks what the program uses", false },
    { "cpu", "CPU instruction capabilities do not match run time",
      "this machine's processor lacks instructions that the program uses", false },
    { "cpu", "FPU feature required by image is not supported on host",
      "this machine's processor lacks floating-point features that the program uses", false },
    { "cpu", "CPU xsave * mismatch",
      "this machine's processor keeps its registers in another form than the one of the checkpoint", false },
    { "cpu", "CPU xfeatures has unsupported bits", "this machine's processor has features that this criu does not know", false },

    /* what the program does */
    { "io_uring", "Error (criu/pie/parasite.c:*): send_fds failed (-22)",
      "$p uses io_uring, which cannot be checkpointed", false },
    { "io_uring", "anon_inode:[io_uring]", "$p uses io_uring, which cannot be checkpointed", false },
    { "sysv-shm", "Task * with SysVIPC shmem map",
      "process $1 uses System V shared memory (shmget), which cannot be checkpointed", false },
    { "seccomp", "suspending seccomp failed",
      "$p has a seccomp filter (a sandbox of its own), which cannot be checkpointed", false },
    { "namespace", "Can't dump nested * namespace for *",
      "process $2 has a namespace of its own ($1), which cannot be checkpointed", false },
    { "namespace", "namespaces doesn't belong to the target user namespace",
      "a process has a user namespace of its own, which cannot be checkpointed", false },
    { "namespace", "Can't restore sub-task in NS", "a process had a namespace of its own, which cannot be restored", false },
    { "tcp", "Connected TCP socket, consider using", "$p has an open TCP connection, which cannot be kept", false },
    { "tcp", "In-flight connection*", "a TCP connection is just being made", true },
    { "tcp", "Can't turn TCP repair mode ON: *", "$p has a TCP connection that is just being made, or must be kept", true },
    { "unix-socket", "Can't dump half of stream unix connection. name: *; peer name: *",
      "$p is connected to a Unix socket of a program outside of the job ($2)", false },
    { "unix-socket", "External socket is used", "$p is connected to a Unix socket of a program outside of the job", false },
    { "unix-socket", "Can't dump name-less external socket",
      "$p is connected to a Unix socket of a program outside of the job", false },
    { "unix-socket", "Unix socket * with unreachable peer",
      "$p is connected to a Unix socket of a program outside of the job", false },
    { "unix-socket", "External socket found in image",
      "the job was connected to a Unix socket of a program outside of it", false },
    { "socket", "Unsupported proto 262 for socket",
      "$p uses multipath TCP, which cannot be checkpointed (a Go program does not with GODEBUG=multipathtcp=0)", false },
    { "socket", "Unsupported proto * for socket",
      "$p has a socket of a protocol (number $1) that cannot be checkpointed", false },
    { "socket", "Unknown socket collected (family *)",
      "$p has a socket of a kind (family $1) that cannot be checkpointed", false },
    { "socket", "Unsupported socket *", "$p has a socket of a kind that cannot be checkpointed", false },
    { "socket", "Unsupported type (*) on socket", "$p has a Unix socket of a type that cannot be checkpointed", false },
    { "aio", "Can't open mapped [/[aio] (deleted)]",
      "$p uses asynchronous I/O of the kernel (io_setup), which cannot be checkpointed without root", false },
    { "memfd-secret", "Can't open mapped [/secretmem (deleted)]",
      "$p uses secret memory (memfd_secret), which cannot be checkpointed", false },
    { "shared-memory", "Can't open mapped [/dev/zero (deleted)]",
      "$p shares memory in a way that cannot be checkpointed without root", false },
    { "sysv-shm", "Can't open mapped [/SYSV* (deleted)]",
      "$p uses System V shared memory (shmget), which cannot be checkpointed", false },
    { "deleted-mapping", "Can't open mapped [* (deleted)]", "'$1' was deleted or replaced while $p has it mapped", false },
    { "mapping", "Can't open mapped [*]: *", "'$1', which $p has mapped, cannot be opened: $2", false },
    { "mapping", "Failed to resolve mapping * filename",
      "$p has a file mapped whose name cannot be found (an overlay file system?)", false },
    { "mapping", "Unsupported mapping found *", "$p has mapped something that cannot be checkpointed (a device?)", false },
    { "ghost-file", "Can't dump ghost file * of * size, increase limit",
      "the deleted file '$1' is still open and too large ($2 bytes) to be kept", false },
    { "ghost-file", "Can't create link remap for *. Use", "'$1' was deleted while $p has it open", false },
    { "outside-file", "Can't lookup mount=* for fd=* path=*",
      "descriptor $2 of $p ('$3') is of a file system outside of the job", false },
    { "outside-file", "Open files on overmounted mounts are not supported yet; mount=* fd=* path=*",
      "descriptor $2 of $p ('$3') lies under another mount", false },
    { "descriptor", "Can't dump file * of that type [*] (anon anon_inode:[*])",
      "descriptor $1 of $p is a $3, which cannot be checkpointed", false },
    { "device", "Can't dump file * of that type [*] (chr * *)",
      "descriptor $1 of $p is a device ($4), which cannot be checkpointed", false },
    { "descriptor", "Can't dump file * of that type [*] (*)", "descriptor $1 of $p ($3) cannot be checkpointed", false },
    { "watch", "Can't dump that handle", "$p watches a file (inotify or fanotify) whose name cannot be found again", false },
    { "pidfd", "pidfd pid * is not a part of process tree", "$p has a pidfd of a process outside of the job", false },
    { "locks", "Some file locks are hold by dumping tasks", "the job holds file locks, which were not to be kept", false },
    { "terminal", "tty: Found slave peer index", "$p uses a terminal that is not the job's own", false },
    { "terminal", "tty: Found dangling tty", "$p uses a terminal that is not the job's own", false },
    { "session", "A session leader of *(", "process $1 belongs to a session that was begun outside of the job", false },
    { "traced", "Unable to interrupt task: * (Operation not permitted)", "process $1 is under a debugger or tracer", true },
    { "ended", "Unable to interrupt task: * (No such process)", "process $1 has ended", true },
    { "traced", "Unseizable non-zombie * found, state S,", "process $1 is under a debugger or tracer", true },
    { "traced", "Unseizable non-zombie * found, state t,", "process $1 is under a debugger or tracer", true },
    { "unstoppable", "Unseizable non-zombie * found, state *,",
      "process $1 does not stop (state $2: it waits in the kernel)", true },
    { "unstoppable", "Timeout reached. Try to interrupt", "a process does not stop in time", true },
    { "thread", "Zombie thread not supported", "a thread has just ended", true },

    /* what is not as it was */
    { "file-changed", "File * has bad size * (expect *)", "the file '/$1' is not as it was: it has $2 bytes and had $3", false },
    { "file-changed", "File * has bad mode * (expect *)", "the file '/$1' is not as it was: it has mode $2 and had $3", false },
    { "file-changed", "File * has bad build-ID", "the file '/$1' is another build than the one of the checkpoint", false },
    { "file-missing", "Can't open file * on restore: *", "cannot open '/$1': $2", false },
    { "file-missing", "Can't open fake fifo * [*]: *", "cannot open '/$2': $3", false },
    { "pid-taken", "Can't fork for *: File exists", "process number $1 is taken", false },
    { "pid-limit", "Can't fork for *: Resource temporarily unavailable",
      "no further process can be made: a limit is reached", true },
    { "pid-denied", "Can't fork for *: Operation not permitted", "process numbers cannot be chosen here", false },
    { "address-taken", "Can't bind inet socket (id *): *", "the program's network address cannot be taken again: $2", true },
    { "address-taken", "Can't bind id * ino * addr *: *", "the Unix socket '$3' cannot be made again: $4", false },
    { "images", "Can't open images directory", "the directory of the images cannot be opened", false },
    { "images", "Head magic doesn't match for *", "the image '$1' is damaged", false },
    { "images", "Read * bytes while * expected from *: ", "the image '$3' is damaged", false },
    { "images", "Unexpected EOF on *", "an image is damaged or missing", false },
    { "images", "Can't read pages data", "the images of the memory are damaged", false },
};

/* Comes with every run without root, or repeats that something failed before. */
static const char *const no_causes[] = {
    "net: Unexpected error: -1", "rlimit: Can't setup RLIMIT_NOFILE", "RPC client reported script error", "action scripts failed",
    "Dumping FAILED", "Restoring FAILED", "exited, status=", "killed by signal", "Unable to detach from", " failed with -1",
};

struct span {
    const char *at;
    size_t len;
};

/* ---- patterns ---- */

/* The first place at or after `at` where `len` bytes of `piece` are, within `text`. */
static const char *find(struct span text, const char *at, const char *piece, size_t len)
{
    return len == 0 ? at : memmem(at, (size_t)(text.at + text.len - at), piece, len);
}

/* A star takes as little as it can; one at the end takes the rest. */
static bool match(const char *pattern, struct span text, struct span stars[STARS_MAX])
{
    const char *at = text.at;
    for (int count = 0;; count++) {
        size_t len = strcspn(pattern, "*");
        const char *found = len == 0 && count > 0 ? text.at + text.len : find(text, at, pattern, len);
        if (!found)
            return false;
        if (count > 0)
            stars[count - 1] = (struct span){ at, (size_t)(found - at) };
        at = found + len;
        pattern += len;
        if (*pattern == '\0' || count == STARS_MAX)
            return true;
        pattern++;
    }
}

static bool is_no_cause(struct span line)
{
    for (size_t i = 0; i < sizeof no_causes / sizeof no_causes[0]; i++)
        if (memmem(line.at, line.len, no_causes[i], strlen(no_causes[i])))
            return true;
    return false;
}

/* ---- sentences ---- */

static void put(struct criu_cause *out, const char *text, size_t len)
{
    size_t used = strlen(out->text);
    if (len > SPAN_MAX)
        len = SPAN_MAX;
    for (size_t i = 0; i < len && used < sizeof out->text - 1; i++)
        out->text[used++] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
    out->text[used] = '\0';
}

/* The number before the text ("pie: 1001: Error …", "  1001: Error …"), or else in "(pid: 1001) failed". */
static struct span process_of(struct span line)
{
    struct span stars[STARS_MAX];
    if (match("(pid: *) failed", line, stars))
        return stars[0];
    const char *end = memmem(line.at, line.len, ": Error (", 9);
    const char *start = end;
    while (start && start > line.at && start[-1] >= '0' && start[-1] <= '9')
        start--;
    return (struct span){ start, (size_t)(end - start) };
}

static void put_process(struct criu_cause *out, struct span pid)
{
    if (pid.len == 0) {
        put(out, "a process", 9);
        return;
    }
    put(out, "process ", 8);
    put(out, pid.at, pid.len);
}

static void say(struct criu_cause *out, const struct row *row, const struct span stars[STARS_MAX], struct span pid)
{
    *out = (struct criu_cause){ .passing = row->passing };
    snprintf(out->name, sizeof out->name, "%s", row->name);
    for (const char *at = row->sentence; *at;) {
        size_t len = strcspn(at, "$");
        put(out, at, len);
        at += len;
        if (*at == '\0')
            break;
        if (at[1] == 'p')
            put_process(out, pid);
        else
            put(out, stars[at[1] - '1'].at, stars[at[1] - '1'].len);
        at += 2;
    }
}

/* An error that the table does not know, without time, pid and place in criu's source. */
static void say_unknown(struct criu_cause *out, struct span line)
{
    struct span stars[STARS_MAX];
    *out = (struct criu_cause){ 0 };
    if (!match("Error (*): *", line, stars))
        return;
    put(out, "criu says: ", 11);
    while (stars[1].len > 0 && (*stars[1].at == ' ' || *stars[1].at == '\t')) {
        stars[1].at++;
        stars[1].len--;
    }
    put(out, stars[1].at, stars[1].len);
}

/* ---- the log ---- */

static struct span next_line(const char **at, const char *end)
{
    const char *newline = memchr(*at, '\n', (size_t)(end - *at));
    struct span line = { *at, (size_t)((newline ? newline : end) - *at) };
    *at = newline ? newline + 1 : end;
    return line;
}

/* The lines that begin with the word and may tell a cause; and whom they speak of. */
static size_t pick_lines(struct span text, const char *word, struct span *lines, size_t max, struct span *pid)
{
    size_t count = 0;
    for (const char *at = text.at, *end = text.at + text.len; at < end && count < max;) {
        struct span line = next_line(&at, end);
        if (!memmem(line.at, line.len, word, strlen(word)))
            continue;
        if (pid->len == 0)
            *pid = process_of(line);
        if (!is_no_cause(line))
            lines[count++] = line;
    }
    return count;
}

static bool explain_lines(const struct span *lines, size_t count, struct span pid, struct criu_cause *out)
{
    struct span stars[STARS_MAX] = { { 0 } };
    for (size_t i = 0; i < sizeof causes / sizeof causes[0]; i++)
        for (size_t k = 0; k < count; k++)
            if (match(causes[i].pattern, lines[k], stars)) {
                say(out, &causes[i], stars, pid);
                return true;
            }
    return false;
}

/* Warnings count only where no error says anything: some come with dumps that succeed. */
void criu_log_explain_text(const char *text, size_t len, struct criu_cause *out)
{
    enum { LINES_MAX = 1000 };
    struct span whole = { text, len }, pid = { 0 };
    auto_free struct span *lines = mem_zero(LINES_MAX, sizeof *lines);
    size_t count = pick_lines(whole, "Error (", lines, LINES_MAX, &pid);
    *out = (struct criu_cause){ 0 };
    if (explain_lines(lines, count, pid, out))
        return;
    for (size_t k = 0; k < count && !out->text[0]; k++)
        say_unknown(out, lines[k]);
    if (out->text[0])
        return;
    count = pick_lines(whole, "Warn  (", lines, LINES_MAX, &pid);
    if (!explain_lines(lines, count, pid, out))
        put(out, "criu does not say why", 21);
}

void criu_log_explain(int log, struct criu_cause *out)
{
    struct stat st;
    *out = (struct criu_cause){ 0 };
    if (log < 0 || fstat(log, &st) < 0 || !S_ISREG(st.st_mode)) {
        put(out, "criu left no log", 16);
        return;
    }
    auto_free char *text = mem_zero(TAIL_BYTES, 1);
    off_t from = st.st_size > TAIL_BYTES ? st.st_size - TAIL_BYTES : 0;
    ssize_t n = pread(log, text, TAIL_BYTES, from);
    criu_log_explain_text(text, n > 0 ? (size_t)n : 0, out);
}
