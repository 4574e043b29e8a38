#include "base/identity.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { GROUPS_MAX = 256 };

static bool entered;
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

int identity_enter(const struct identity *id, struct error *err)
{
    if (geteuid() != 0 || id->uid == 0)
        return 0;
    own_gid = getegid();
    own_group_count = getgroups(GROUPS_MAX, own_groups);
    if (own_group_count < 0)
        return error_sys(err, "cannot remember the groups of this process");
    if (set_groups_of(id, err) < 0)
        return -1;
    if (setegid(id->gid) < 0 || seteuid(id->uid) < 0) {
        error_sys(err, "cannot take on the rights of '%s'", id->name);
        entered = true;
        identity_leave();
        return -1;
    }
    entered = true;
    return 0;
}

void identity_leave(void)
{
    if (!entered)
        return;
    entered = false;
    /* Going on with the wrong rights would be worse than a crash. */
    if (seteuid(0) < 0 || setegid(own_gid) < 0 || setgroups((size_t)own_group_count, own_groups) < 0)
        abort();
}

int identity_become(const struct identity *id, struct error *err)
{
    if (getuid() != 0 || id->uid == 0)
        return 0;
    if (set_groups_of(id, err) < 0)
        return -1;
    if (setresgid(id->gid, id->gid, id->gid) < 0 || setresuid(id->uid, id->uid, id->uid) < 0)
        return error_sys(err, "cannot become user '%s'", id->name);
    return 0;
}
