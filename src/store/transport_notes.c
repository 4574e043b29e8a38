/* What the pool leaves for whoever pushes and pulls: which remote store belongs to a store, and which jobs it is to forget. */
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/layout.h"
#include "store/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const names[] = { "place", "endpoint", "region", "credentials" };

static void fields(const struct remote_options *o, const char *values[4])
{
    values[0] = o->place;
    values[1] = o->endpoint;
    values[2] = o->region;
    values[3] = o->credentials;
}

int transport_configure(const char *store_path, const struct remote_options *options, struct error *err)
{
    auto_buf struct buf text = { 0 }, before = { .max = 65536 };
    auto_free char *path = mem_printf("%s.remote", store_path);
    const char *values[4];
    if (!options)
        return unlink(path) < 0 && errno != ENOENT ? error_sys(err, "cannot remove '%s'", path) : 0;
    fields(options, values);
    for (size_t i = 0; i < 4; i++)
        if (values[i])
            buf_printf(&text, "%s = %s\n", names[i], values[i]);
    struct error ignored;
    if (file_read(AT_FDCWD, path, &before, &ignored) == 0 && strcmp(buf_cstr(&before), buf_cstr(&text)) == 0)
        return 0;
    const char *slash = strrchr(path, '/');
    auto_free char *dir_path = mem_dup_n(path, (size_t)(slash - path));
    auto_close int dir = open(slash > path ? dir_path : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return error_sys(err, "cannot open '%s'", dir_path);
    return file_replace(dir, slash + 1, text.data, text.len, 0600, "store.remote_config", err);
}

static const char gone_dir[] = ".gone";

int transport_note_gone(struct store *store, const char *name, struct error *err)
{
    if (mkdirat(store->dir, gone_dir, 0700) < 0 && errno != EEXIST)
        return error_sys(err, "cannot make '%s'", gone_dir);
    auto_close int dir = openat(store->dir, gone_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    auto_close int fd = dir < 0 ? -1 : openat(dir, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_sys(err, "cannot note that '%s' is gone", name);
    return layout_sync(dir, gone_dir, "store.gone.sync", err);
}

bool transport_is_gone(struct store *store, const char *job, int generation)
{
    auto_free char *whole = mem_printf("%s/%s", gone_dir, job);
    auto_free char *one = mem_printf("%s@%d", whole, generation);
    return faccessat(store->dir, whole, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || faccessat(store->dir, one, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

struct gone {
    int (*fn)(void *data, const char *name, struct error *err);
    void *data;
};

static int call_gone(void *data, int dir, const char *name, struct error *err)
{
    struct gone *g = data;
    if (g->fn(g->data, name, err) < 0)
        return -1;
    return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? error_sys(err, "cannot forget '%s'", name) : 0;
}

int transport_each_gone(struct store *store, int (*fn)(void *data, const char *name, struct error *err), void *data, struct error *err)
{
    struct gone g = { .fn = fn, .data = data };
    auto_close int dir = openat(store->dir, gone_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0)
        return errno == ENOENT ? 0 : error_sys(err, "cannot open '%s'", gone_dir);
    return layout_each_name(dir, call_gone, &g, err);
}
