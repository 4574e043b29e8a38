/*
 * The pool's directory. A machine-wide pool runs as root on what it finds there: whoever could put a queue, a job's journal or
 * a link in its place would be root. So it must be the pool's own, closed to other writers, and so must be everything
 * above it, where it could be renamed away; a sticky directory such as /tmp keeps others from that.
 */
#include "base/file.h"
#include "base/mem.h"
#include "pool/pool.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool place_is_machine_wide(void)
{
    return geteuid() == 0 && !getenv("STINT_PRIVATE");
}

/* Members of a group with one member, as many systems give to each user, are no others. */
static bool is_writable(const struct stat *st)
{
    bool own_group = st->st_gid == getegid() && st->st_gid == geteuid() && st->st_gid != 0;
    return st->st_mode & (own_group ? S_IWOTH : S_IWGRP | S_IWOTH);
}

/* Whom `root`, the topmost directory, belongs to can do what he likes anyway. */
static int check_parent(const char *path, const struct stat *root, struct error *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return error_sys(err, "cannot look at '%s'", path);
    if (st.st_uid != 0 && st.st_uid != geteuid() && st.st_uid != root->st_uid)
        return error_set(err, ERR_DENIED, "'%s' belongs to user %u, who could replace the pool's directory below it; choose another place",
                         path, (unsigned)st.st_uid);
    if (is_writable(&st) && !(st.st_mode & S_ISVTX))
        return error_set(err, ERR_DENIED, "'%s' may be written by others, who could replace the pool's directory below it; chmod go-w it",
                         path);
    return 0;
}

static int check(int dir, const char *path, struct error *err)
{
    struct stat st, root;
    auto_free char *parent = mem_dup(path);
    if (fstat(dir, &st) < 0 || stat("/", &root) < 0)
        return error_sys(err, "cannot look at '%s'", path);
    if (st.st_uid != geteuid())
        return error_set(err, ERR_DENIED, "the pool's directory '%s' belongs to user %u, not to user %u who runs the pool", path,
                         (unsigned)st.st_uid, (unsigned)geteuid());
    if (is_writable(&st))
        return error_set(err, ERR_DENIED, "the pool's directory '%s' may be written by others; look at what is in it, then chmod go-w it",
                         path);
    for (char *slash; (slash = strrchr(parent, '/'));) {
        *slash = '\0';
        if (check_parent(*parent ? parent : "/", &root, err) < 0)
            return -1;
    }
    return 0;
}

int place_open(const char *path, char **resolved, struct error *err)
{
    mode_t mode = place_is_machine_wide() ? 0711 : 0700; /* users of a machine-wide pool must reach its socket and their sandboxes */
    auto_close int dir = file_make_dirs(path, mode, err);
    if (dir < 0)
        return -1;
    auto_free char *real = realpath(path, NULL);
    if (!real)
        return error_sys(err, "cannot resolve '%s'", path);
    if (check(dir, real, err) < 0)
        return -1;
    if (fchmod(dir, mode) < 0)
        return error_sys(err, "cannot set the mode of '%s'", real);
    *resolved = steal(real);
    return steal_fd(&dir);
}
