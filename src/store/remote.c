#include "store/remote.h"

#include "base/clock.h"
#include "base/mem.h"
#include "store/remote_parts.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { MIB = 1 << 20 };

static bool component_valid(const char *text, size_t len)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    return len > 0 && text[0] != '.' && strspn(text, allowed) >= len;
}

bool remote_name_valid(const char *name)
{
    if (strlen(name) > REMOTE_NAME_MAX)
        return false;
    for (;; name++) {
        size_t len = strcspn(name, "/");
        if (!component_valid(name, len))
            return false;
        name += len;
        if (!*name)
            return true;
    }
}

static int check_name(const char *name, struct error *err)
{
    if (!remote_name_valid(name))
        return error_set(err, ERR_INVALID, "this is not a name of a remote object");
    return 0;
}

bool remote_progress_tell(const struct remote_progress *progress, int64_t done_bytes)
{
    return !progress || !progress->fn || progress->fn(progress->data, done_bytes);
}

int remote_cancelled(struct error *err)
{
    errno = ECANCELED;
    return error_sys(err, "given up");
}

static void default_to(int64_t *number, int64_t value)
{
    if (*number == 0)
        *number = value;
}

static struct remote_options with_defaults(const struct remote_options *given)
{
    struct remote_options o = *given;
    default_to(&o.stall_us, 60 * CLOCK_SECOND_US);
    default_to(&o.connect_us, 10 * CLOCK_SECOND_US);
    default_to(&o.backoff_us, CLOCK_SECOND_US / 2);
    default_to(&o.backoff_max_us, 30 * CLOCK_SECOND_US);
    default_to(&o.single_max_bytes, 64 * MIB);
    default_to(&o.part_bytes, 16 * MIB);
    o.tries = o.tries ? o.tries : 6;
    o.list_max = o.list_max ? o.list_max : 1000;
    if (!o.region)
        o.region = "us-east-1";
    return o;
}

static int open_place(const struct remote_options *o, struct remote *remote, struct error *err)
{
    static const char file[] = "file://";
    const char *place = o->place;
    if (strncmp(place, "s3://", 5) == 0)
        return remote_s3_open(o, remote, err);
    if (strncmp(place, file, sizeof file - 1) == 0) {
        place += sizeof file - 1;
        if (strpbrk(place, "%?#"))
            return error_set(err, ERR_INVALID, "write the directory as it is, without 'file://' and '%%'");
    }
    if (place[0] != '/')
        return error_set(err, ERR_INVALID, "expected '/directory', 'file:///directory' or 's3://bucket/prefix'");
    return remote_dir_open(place, remote, err);
}

int remote_open(const struct remote_options *options, struct remote **out, struct error *err)
{
    struct remote_options o = with_defaults(options);
    struct remote remote = { 0 };
    if (open_place(&o, &remote, err) < 0)
        return error_wrap(err, "place '%s'", o.place);
    *out = mem_new(struct remote);
    **out = remote;
    return 0;
}

void remote_close(struct remote *remote)
{
    if (!remote)
        return;
    remote->ops->close(remote->self);
    free(remote);
}

int remote_put(struct remote *remote, const char *name, int fd, int64_t size, const struct remote_progress *progress,
               struct error *err)
{
    assert(size >= 0);
    struct remote_transfer transfer = { .name = name, .fd = fd, .bytes = size, .progress = progress };
    if (check_name(name, err) < 0 || remote->ops->put(remote->self, &transfer, err) < 0)
        return error_wrap(err, "cannot put '%s'", name);
    return 0;
}

int remote_get(struct remote *remote, const char *name, int fd, int64_t max_bytes, const struct remote_progress *progress,
               struct error *err)
{
    struct remote_transfer transfer = { .name = name, .fd = fd, .bytes = max_bytes, .progress = progress };
    int r = check_name(name, err);
    if (r == 0)
        r = remote->ops->get(remote->self, &transfer, err);
    if (r < 0)
        return error_wrap(err, "cannot get '%s'", name);
    return r == 0 ? 0 : REMOTE_ABSENT;
}

int remote_has(struct remote *remote, const char *name, int64_t *size, struct error *err)
{
    int64_t found = 0;
    int r = check_name(name, err);
    if (r == 0)
        r = remote->ops->has(remote->self, name, &found, err);
    if (r < 0)
        return error_wrap(err, "cannot look for '%s'", name);
    if (r == 0 && size)
        *size = found;
    return r == 0 ? 0 : REMOTE_ABSENT;
}

struct listing {
    bool (*fn)(void *data, const char *name, int64_t size);
    void *data;
};

/* What others keep in the same place may have any name. It is none of ours, and nobody is to act on it. */
static int visit_valid(void *data, const char *name, int64_t size, struct error *err)
{
    struct listing *listing = data;
    (void)err;
    if (!remote_name_valid(name))
        return 0;
    return listing->fn(listing->data, name, size) ? 0 : 1;
}

static bool prefix_valid(const char *prefix)
{
    auto_free char *name = mem_printf("%sx", prefix);
    return remote_name_valid(name);
}

int remote_list(struct remote *remote, const char *prefix, bool (*fn)(void *data, const char *name, int64_t size), void *data,
                struct error *err)
{
    struct listing listing = { .fn = fn, .data = data };
    if (!prefix_valid(prefix))
        return error_set(err, ERR_INVALID, "no name of a remote object begins with '%s'", prefix);
    if (remote->ops->list(remote->self, prefix, visit_valid, &listing, err) < 0)
        return error_wrap(err, "cannot list '%s'", prefix);
    return 0;
}

int remote_remove(struct remote *remote, const char *name, struct error *err)
{
    if (check_name(name, err) < 0 || remote->ops->remove(remote->self, name, err) < 0)
        return error_wrap(err, "cannot remove '%s'", name);
    return 0;
}
