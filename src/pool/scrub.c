/*
 * A disk may change a byte that nobody reads until it is needed. So the store is read through, a little every tick, by a child of the
 * lowest priority: in `store_verify` (a week, say) every chunk of every newest checkpoint once. What is found damaged is marked,
 * and stored again by its job's next checkpoint.
 */
#include "base/log.h"
#include "pool/pool.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static void say_damage(void *data, const char *job, const struct error *damage)
{
    (void)data;
    log_error("job %s: found damage in the store: %s; its next checkpoint mends it, unless 'stint ckpt verify %s' says otherwise", job,
              damage->text, job);
}

/* Of the disk's time too it gets only what nobody else wants. */
static void be_idle(void)
{
    enum { WHO_PROCESS = 1, CLASS_IDLE = 3 << 13 };
    setpriority(PRIO_PROCESS, 0, 19);
    syscall(SYS_ioprio_set, WHO_PROCESS, 0, CLASS_IDLE);
}

static void be_scrubber(struct pool *p, pid_t pool, int part, int parts)
{
    sigset_t none;
    struct error err;
    struct store *store = NULL;
    prctl(PR_SET_NAME, "stint-scrub");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    be_idle();
    if (getppid() != pool || close_range(3, ~0u, 0) < 0)
        _exit(1);
    if (store_open(p->store_path, &store, &err) < 0 || store_scrub(store, part, parts, say_damage, NULL, &err) < 0)
        log_error("the store could not be read through: %s", err.text);
    _exit(0);
}

void scrub_tick(struct pool *p, int64_t tick_us)
{
    int parts = (int)(p->config.store_verify_us / tick_us);
    if (p->config.store_verify_us == 0 || p->scrubber)
        return;
    parts = parts > 1 ? parts : 1;
    int part = (int)(clock_wall_us() / tick_us % parts); /* a pool that is often restarted comes round all the same */
    pid_t pool = getpid(), pid = fork();
    if (pid == 0)
        be_scrubber(p, pool, part, parts);
    p->scrubber = pid > 0 ? pid : 0;
}

void scrub_reaped(struct pool *p, pid_t pid)
{
    if (pid == p->scrubber)
        p->scrubber = 0;
}
