/*
 * Every process has an instruction for system calls at a place that the kernel tells: in the vdso. A thread that was stopped within a
 * call of its own has registers that say so, and the kernel would begin that call again; they are put back last, so it does.
 */
#include "engine/inject.h"

#include "base/file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { VDSO_MAX = 65536, STOPS_MAX = 100 };

#if defined(__x86_64__)
static const unsigned char instruction[] = { 0x0f, 0x05 };

static void set_call(struct user_regs_struct *regs, unsigned long at, long number, const long args[6])
{
    regs->rip = at;
    regs->rax = (unsigned long)number;
    regs->orig_rax = (unsigned long)-1;
    regs->rdi = (unsigned long)args[0];
    regs->rsi = (unsigned long)args[1];
    regs->rdx = (unsigned long)args[2];
    regs->r10 = (unsigned long)args[3];
    regs->r8 = (unsigned long)args[4];
    regs->r9 = (unsigned long)args[5];
}

static long get_result(const struct user_regs_struct *regs)
{
    return (long)regs->rax;
}
#elif defined(__aarch64__)
static const unsigned char instruction[] = { 0x01, 0x00, 0x00, 0xd4 };

static void set_call(struct user_regs_struct *regs, unsigned long at, long number, const long args[6])
{
    regs->pc = at;
    regs->regs[8] = (unsigned long)number;
    for (int i = 0; i < 6; i++)
        regs->regs[i] = (unsigned long)args[i];
}

static long get_result(const struct user_regs_struct *regs)
{
    return (long)regs->regs[0];
}
#else
#error "how a system call is made is not known for this processor"
#endif

static int registers(pid_t thread, bool set, struct user_regs_struct *regs)
{
    struct iovec place = { regs, sizeof *regs };
    return ptrace(set ? PTRACE_SETREGSET : PTRACE_GETREGSET, thread, (void *)NT_PRSTATUS, &place) < 0 ? -1 : 0;
}

/* Where the vdso of the process begins and ends. */
static bool find_vdso(pid_t pid, unsigned long *from, unsigned long *to)
{
    char path[64], line[512];
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *f = fopen(path, "re");
    while (f && !found && fgets(line, sizeof line, f))
        found = strstr(line, "[vdso]") && sscanf(line, "%lx-%lx", from, to) == 2 && *to - *from <= VDSO_MAX;
    if (f)
        fclose(f);
    return found;
}

static int find_instruction(pid_t pid, unsigned long *at, struct error *err)
{
    static unsigned char code[VDSO_MAX];
    unsigned long from, to;
    char path[64];
    if (!find_vdso(pid, &from, &to))
        return error_set(err, ERR_SYSTEM, "process %d has no vdso", (int)pid);
    snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    auto_close int mem = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = mem < 0 ? -1 : pread(mem, code, to - from, (off_t)from);
    if (n < 0)
        return error_sys(err, "cannot read the memory of process %d", (int)pid);
    const unsigned char *found = memmem(code, (size_t)n, instruction, sizeof instruction);
    if (!found)
        return error_set(err, ERR_SYSTEM, "the vdso of process %d makes no system call", (int)pid);
    *at = from + (unsigned long)(found - code);
    return 0;
}

int inject_begin(struct inject *inject, pid_t thread, struct error *err)
{
    unsigned long all = ~0ul;
    inject->thread = thread;
    if (find_instruction(thread, &inject->instruction, err) < 0)
        return -1;
    if (registers(thread, false, &inject->saved) < 0 || ptrace(PTRACE_GETSIGMASK, thread, sizeof inject->mask, &inject->mask) < 0 ||
        ptrace(PTRACE_SETSIGMASK, thread, sizeof all, &all) < 0)
        return error_sys(err, "cannot take over thread %d", (int)thread);
    return 0;
}

/* Lets it run for one instruction. It may stop for other reasons before. */
static int step(pid_t thread)
{
    for (int i = 0, status; i < STOPS_MAX; i++) {
        if (ptrace(PTRACE_SINGLESTEP, thread, NULL, NULL) < 0)
            return -1;
        while (waitpid(thread, &status, __WALL) < 0)
            if (errno != EINTR)
                return -1;
        if (!WIFSTOPPED(status)) {
            errno = ESRCH;
            return -1;
        }
        if (status >> 8 == SIGTRAP)
            return 0;
    }
    errno = EAGAIN;
    return -1;
}

int inject_call(const struct inject *inject, long number, const long args[6], long *result, struct error *err)
{
    struct user_regs_struct regs = inject->saved;
    set_call(&regs, inject->instruction, number, args);
    if (registers(inject->thread, true, &regs) < 0 || step(inject->thread) < 0 || registers(inject->thread, false, &regs) < 0)
        return error_sys(err, "cannot make a system call in the name of thread %d", (int)inject->thread);
    *result = get_result(&regs);
    return 0;
}

void inject_end(const struct inject *inject)
{
    struct user_regs_struct regs = inject->saved;
    registers(inject->thread, true, &regs);
    ptrace(PTRACE_SETSIGMASK, inject->thread, sizeof inject->mask, &inject->mask);
}
