#include "store/tree.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int tree_open(int dir, const char *name, int flags, struct error *err)
{
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW | (flags & O_PATH ? 0 : O_NONBLOCK | O_NOCTTY)),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    for (int tries = 0; tries < 16; tries++) {
        int fd = (int)syscall(SYS_openat2, dir, name[0] ? name : ".", &how, sizeof how);
        if (fd >= 0)
            return fd;
        if (errno != EAGAIN && errno != EINTR) /* EAGAIN: something was renamed meanwhile */
            break;
    }
    int saved = errno;
    if (saved == ELOOP)
        error_set(err, ERR_DENIED, "'%s' passes through a symbolic link", name);
    else
        error_sys(err, "cannot open '%s'", name);
    errno = saved;
    return -1;
}

int tree_open_parent(int dir, const char *name, const char **leaf, struct error *err)
{
    const char *slash = strrchr(name, '/');
    *leaf = slash ? slash + 1 : name;
    auto_free char *parent = mem_dup_n(name, slash ? (size_t)(slash - name) : 0);
    return tree_open(dir, parent, O_PATH | O_DIRECTORY, err);
}

const struct store_tree *tree_find(const struct store_tree *trees, size_t count, const char *name, const char **inside)
{
    size_t len = strcspn(name, "/");
    for (size_t i = 0; i < count; i++) {
        if (strlen(trees[i].name) != len || memcmp(trees[i].name, name, len) != 0)
            continue;
        *inside = name[len] == '/' ? name + len + 1 : name + len;
        return &trees[i];
    }
    return NULL;
}
