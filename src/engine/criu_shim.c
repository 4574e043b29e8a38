/*
 * Is loaded into CRIU before its libc, and answers one question of its for the kernel: which registers a stopped thread has.
 *
 * A thread that was stopped while it waits in poll, nanosleep or for a futex goes on with the help of a note that the kernel keeps
 * and that is lost when CRIU makes the thread do anything else. So CRIU lets these calls fail with EINTR, in the image and in
 * the program that runs on as well; many programs take that for an error, or for the end of the wait. For the other calls it
 * sets the thread back to make the call again. The shim makes it do so for these, too: it is told that the call may be repeated, and a sleep is
 * repeated with what is left of it, which the kernel has written to where the program wants to be told. What waits in poll for a limited time
 * may wait for up to that time more.
 *
 * It uses nothing but a name of libc, and none of CRIU.
 */
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

extern long syscall(long number, ...);

#if defined(__x86_64__)
enum { RESTART_BLOCK = -516, RESTART = -513 /* ERESTARTNOINTR: the same call, in any case */, FUTEX_COMMAND = 0x7f, WAIT_BITSET = 9 };

static void let_repeat(struct user_regs_struct *r)
{
    if ((long)r->rax != RESTART_BLOCK)
        return;
    switch (r->orig_rax) {
    case SYS_poll:
        break;
    case SYS_nanosleep:
        r->rdi = r->rsi ? r->rsi : r->rdi;
        break;
    case SYS_clock_nanosleep:
        r->rdx = r->r10 ? r->r10 : r->rdx;
        break;
    case SYS_futex: /* whose limit is a point in time */
        if ((r->rsi & FUTEX_COMMAND) != WAIT_BITSET)
            return;
        break;
    default:
        return;
    }
    r->rax = (unsigned long)RESTART;
}
#else
static void let_repeat(struct user_regs_struct *r)
{
    (void)r;
}
#endif

static void look(int request, void *addr, void *data)
{
    const struct iovec *place = data;
    if (request == PTRACE_GETREGSET && (uintptr_t)addr == NT_PRSTATUS && place->iov_len == sizeof(struct user_regs_struct))
        let_repeat(place->iov_base);
#ifdef PTRACE_GETREGS
    if (request == PTRACE_GETREGS)
        let_repeat(data);
#endif
}

__attribute__((visibility("default"))) long ptrace(enum __ptrace_request request, ...)
{
    va_list args;
    va_start(args, request);
    int pid = va_arg(args, int);
    void *addr = va_arg(args, void *), *data = va_arg(args, void *);
    va_end(args);
    long word;
    bool peek = request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER;
    long result = syscall(SYS_ptrace, (long)request, (long)pid, addr, peek ? &word : data);
    if (result < 0)
        return result;
    look((int)request, addr, data);
    if (peek)
        errno = 0;
    return peek ? word : result;
}
