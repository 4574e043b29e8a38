/*
 * The root of the tree that is checkpointed, always process 1000 of its namespace. It starts the program as its child, adopts
 * whatever that leaves behind, so that daemons stay in the tree, and ends as the program ends: with its exit code, or by its
 * signal. What is dumped with every job must be small and must never change: so this is a static program of its own
 * that uses no library, and a copy of it is part of each checkpoint.
 *
 *     reaper PROGRAM ARGV0 …        descriptor 3: gets errno if PROGRAM can not be executed; closed if it can
 */
#include <stddef.h>
#include <stdint.h>

#include <asm/unistd.h>

enum { CHILD = 17, KILL = 9, SETMASK = 2, SUBREAPER = 36, NAME = 15, CORE = 4, SETFD = 2, CLOEXEC = 1, INTERRUPTED = 4 };

#if defined(__x86_64__)
static long call(long n, long a, long b, long c, long d)
{
    register long r10 __asm__("r10") = d;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
    return result;
}
__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall reaper_main\n\thlt\n");
#elif defined(__aarch64__)
static long call(long n, long a, long b, long c, long d)
{
    register long x8 __asm__("x8") = n;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = 0;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
}
__asm__(".globl _start\n_start:\n\tmov x0, sp\n\tbl reaper_main\n");
#else
#error "the reaper's system calls are not written for this processor"
#endif

static void end(int code)
{
    for (;;)
        call(__NR_exit_group, code, 0, 0, 0);
}

/* Nothing but SIGKILL and SIGSTOP reaches the reaper: a program may signal all that it can. */
static void mask(uint64_t signals)
{
    call(__NR_rt_sigprocmask, SETMASK, (long)&signals, 0, sizeof signals);
}

static void die_of(int signal)
{
    struct { uint64_t soft, hard; } no_core = { 0, 0 };
    call(__NR_prlimit64, 0, CORE, (long)&no_core, 0);
    mask(~(UINT64_C(1) << (signal - 1)));
    call(__NR_kill, call(__NR_getpid, 0, 0, 0, 0), signal, 0, 0);
    end(128 + signal);
}

static void start(char **argv, char **envp)
{
    mask(0);
    call(__NR_setsid, 0, 0, 0, 0);
    call(__NR_fcntl, 3, SETFD, CLOEXEC, 0);
    int failed = (int)-call(__NR_execve, (long)argv[1], (long)(argv + 2), (long)envp, 0);
    call(__NR_write, 3, (long)&failed, sizeof failed, 0);
    end(127);
}

__attribute__((used, noreturn)) void reaper_main(long *stack);

void reaper_main(long *stack)
{
    char **argv = (char **)(stack + 1), **envp = argv + stack[0] + 1;
    int status = 0;
    mask(~UINT64_C(0));
    call(__NR_prctl, SUBREAPER, 1, 0, 0);
    call(__NR_prctl, NAME, (long)"stint-reaper", 0, 0);
    long program = call(__NR_clone, CHILD, 0, 0, 0);
    if (program == 0)
        start(argv, envp);
    if (program < 0)
        end(126);
    call(__NR_close_range, 0, ~0u, 0, 0);
    for (long pid; (pid = call(__NR_wait4, -1, (long)&status, 0, 0)) != program;)
        if (pid < 0 && pid != -INTERRUPTED)
            end(125);
    if (status & 0x7f)
        die_of(status & 0x7f);
    end(status >> 8 & 0xff);
    __builtin_unreachable();
}
