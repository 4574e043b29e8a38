/*
 * glibc's seteuid and its like change every thread of the process, by a signal to each. The calls for one thread go to the kernel
 * directly: there, rights are a thread's own. Groups matter only together with the owner's uid, for root needs none; so they are
 * changed once for all threads.
 */
#include "base/identity.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { GROUPS_MAX = 256 };

static bool entered;
static bool prepared;
static gid_t own_gid;
static gid_t own_groups[GROUPS_MAX];
static int own_group_count;

int identity_of(uid_t uid, struct identity *id, struct error *err)
{
    errno = 0;
    const struct passwd *pw = getpwuid(uid);
    if (!pw && uid != geteuid())
        return error_set(err, ERR_INVALID, "user %u is not known to this machine", (unsigned)uid);
    id->uid = uid;
    id->gid = pw ? pw->pw_gid : getegid();
    if (pw)
        snprintf(id->name, sizeof id->name, "%s", pw->pw_name);
    else
        snprintf(id->name, sizeof id->name, "uid%u", (unsigned)uid);
    snprintf(id->home, sizeof id->home, "%s", pw ? pw->pw_dir : "/");
    return 0;
}

static int set_groups_of(const struct identity *id, struct error *err)
{
    gid_t groups[GROUPS_MAX];
    int count = GROUPS_MAX;
    if (getgrouplist(id->name, id->gid, groups, &count) < 0)
        return error_set(err, ERR_LIMIT, "user '%s' is in more than %d groups", id->name, GROUPS_MAX);
    if (setgroups((size_t)count, groups) < 0)
        return error_sys(err, "cannot take on the groups of '%s'", id->name);
    return 0;
}

/* The signal at the parent's death, and who that is. */
struct tie {
    int signal;
    pid_t parent;
};

static struct tie remember_tie(void)
{
    struct tie tie = { .parent = getppid() };
    prctl(PR_GET_PDEATHSIG, &tie.signal);
    return tie;
}

static void renew_tie(const struct tie *tie)
{
    if (tie->signal == 0)
        return;
    prctl(PR_SET_PDEATHSIG, tie->signal);
    if (getppid() != tie->parent) /* it died while the kernel had forgotten */
        raise(tie->signal);
}

static int remember_own(struct error *err)
{
    own_gid = getegid();
    own_group_count = getgroups(GROUPS_MAX, own_groups);
    return own_group_count < 0 ? error_sys(err, "cannot remember the groups of this process") : 0;
}

int identity_enter(const struct identity *id, struct error *err)
{
    if (geteuid() != 0 || id->uid == 0)
        return 0;
    struct tie tie = remember_tie();
    if (remember_own(err) < 0 || set_groups_of(id, err) < 0)
        return -1;
    entered = true;
    if (setegid(id->gid) < 0 || seteuid(id->uid) < 0) {
        error_sys(err, "cannot take on the rights of '%s'", id->name);
        identity_leave();
        return -1;
    }
    renew_tie(&tie);
    return 0;
}

void identity_leave(void)
{
    if (!entered)
        return;
    int saved = errno;
    struct tie tie = remember_tie();
    entered = false;
    /* Going on with the wrong rights would be worse than a crash. */
    if (seteuid(0) < 0 || setegid(own_gid) < 0 || setgroups((size_t)own_group_count, own_groups) < 0)
        abort();
    renew_tie(&tie);
    errno = saved;
}

int identity_prepare(const struct identity *id, struct error *err)
{
    if (!id || geteuid() != 0 || id->uid == 0)
        return 0;
    if (remember_own(err) < 0 || set_groups_of(id, err) < 0)
        return -1;
    prepared = true;
    return 0;
}

void identity_finish(void)
{
    if (prepared && setgroups((size_t)own_group_count, own_groups) < 0)
        abort();
    prepared = false;
}

static int set_thread(gid_t gid, uid_t uid)
{
    const long keep = -1;
    if (uid == 0) /* the right to change the group comes with the uid */
        return syscall(SYS_setresuid, keep, (long)uid, keep) < 0 || syscall(SYS_setresgid, keep, (long)gid, keep) < 0 ? -1 : 0;
    return syscall(SYS_setresgid, keep, (long)gid, keep) < 0 || syscall(SYS_setresuid, keep, (long)uid, keep) < 0 ? -1 : 0;
}

int identity_thread_enter(const struct identity *id, struct error *err)
{
    if (!prepared)
        return 0;
    struct tie tie = remember_tie();
    if (set_thread(id->gid, id->uid) < 0) {
        error_sys(err, "cannot take on the rights of '%s'", id->name);
        identity_thread_leave();
        return -1;
    }
    renew_tie(&tie);
    return 0;
}

void identity_thread_leave(void)
{
    if (!prepared)
        return;
    int saved = errno;
    struct tie tie = remember_tie();
    if (set_thread(own_gid, 0) < 0)
        abort();
    renew_tie(&tie);
    errno = saved;
}

static bool changes(const struct identity *id)
{
    return getuid() != id->uid && id->uid != 0;
}

int identity_become_groups(const struct identity *id, struct error *err)
{
    if (!changes(id))
        return 0;
    if (set_groups_of(id, err) < 0)
        return -1;
    return setresgid(id->gid, id->gid, id->gid) < 0 ? error_sys(err, "cannot take on the group of '%s'", id->name) : 0;
}

int identity_become_user(const struct identity *id, struct error *err)
{
    if (!changes(id))
        return 0;
    return setresuid(id->uid, id->uid, id->uid) < 0 ? error_sys(err, "cannot become user '%s'", id->name) : 0;
}

int identity_become(const struct identity *id, struct error *err)
{
    if (getuid() != 0)
        return 0;
    return identity_become_groups(id, err) < 0 ? -1 : identity_become_user(id, err);
}
