/*
 * Unpacked images, POOL/images/UID/: see context/rootfs.h. Runners fill it; the child that empties the trash keeps it within
 * the configured size for each user, so that nobody's images push out another's. It has the users' rights there, as the
 * directories are theirs.
 */
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "context/rootfs.h"
#include "pool/pool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IMAGES "images"

char *images_dir(const struct pool *p, uid_t uid)
{
    return mem_printf("%s/" IMAGES "/%u", p->dir_path, (unsigned)uid);
}

static int sweep_user(int images, const char *name, int64_t limit, struct error *err)
{
    struct identity owner;
    struct stat st;
    int64_t freed;
    if (fstatat(images, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode) || identity_of(st.st_uid, &owner, err) < 0)
        return 0; /* of a user who is gone: the operator's to remove */
    if (identity_enter(&owner, err) < 0)
        return -1;
    auto_close int cache = openat(images, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int result = cache < 0 ? error_sys(err, "cannot open it") : rootfs_sweep(cache, limit, &freed, err);
    identity_leave();
    return result;
}

int images_sweep(const char *pool_path, int64_t limit)
{
    auto_free char *path = mem_printf("%s/" IMAGES, pool_path);
    auto_close int images = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (images < 0)
        return errno == ENOENT ? 0 : 1;
    int fd = openat(images, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *e; d && (e = readdir(d));) {
        struct error err;
        if (e->d_name[0] == '.' || sweep_user(images, e->d_name, limit, &err) == 0)
            continue;
        log_error("unpacked images in '%s/%s' stay: %s", path, e->d_name, err.text);
        result = 1;
    }
    if (d)
        closedir(d);
    return result;
}
