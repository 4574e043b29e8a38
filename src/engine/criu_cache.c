/*
 * What CRIU has found out about the kernel. It tries out a hundred things when it starts, and keeps what it saw in a file in /dev of the
 * world, for its next start there; in a new world it would begin anew, which is half the time that a small job's resume takes.
 * So that file goes with the checkpoint (/stint/world/kernel: the boot that it was made in, a newline, the file) and back into /dev
 * before a restore in the same boot.
 *
 * The job can write all of these files, and with them spoil its own restores, as with its images. Nothing here needs to work.
 */
#include "base/clock.h"
#include "base/file.h"
#include "engine/criu_parts.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { CACHE_MAX = 65536 };

static const char theirs[] = "criu.kdat", ours[] = "kernel";

static bool read_file(int dir, const char *name, struct buf *out)
{
    struct error ignored;
    struct stat st;
    auto_close int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && file_read_fd(fd, out, &ignored) == 0;
}

static void write_file(int dir, const char *name, const char *data, size_t len)
{
    struct error ignored;
    auto_close int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0 && file_write_all(fd, data, len, &ignored) < 0)
        unlinkat(dir, name, 0);
}

/* What is kept of this boot begins with this. */
static size_t put_head(struct buf *out)
{
    buf_text(out, clock_boot_id());
    buf_char(out, '\n');
    return out->len;
}

static bool is_current(const struct buf *kept)
{
    auto_buf struct buf head = { 0 };
    size_t len = put_head(&head);
    return kept->len > len && memcmp(kept->data, head.data, len) == 0;
}

static void keep(int dev, int world)
{
    auto_buf struct buf kept = { .max = CACHE_MAX }, found = { .max = CACHE_MAX }, text = { 0 };
    if ((read_file(world, ours, &kept) && is_current(&kept)) || !read_file(dev, theirs, &found) || found.len == 0)
        return;
    put_head(&text);
    buf_add(&text, found.data, found.len);
    unlinkat(world, ours, 0);
    write_file(world, ours, text.data, text.len);
}

static void give(int dev, int world)
{
    auto_buf struct buf kept = { .max = CACHE_MAX }, head = { 0 };
    size_t len = put_head(&head);
    if (read_file(world, ours, &kept) && is_current(&kept))
        write_file(dev, theirs, (const char *)kept.data + len, kept.len - len);
}

static void with_both(const struct engine_site *site, void (*fn)(int dev, int world))
{
    struct error ignored;
    auto_close int dev = context_open(site->context, "/dev", &ignored);
    auto_close int world = criu_open_dir(site, "world", &ignored);
    if (dev < 0 || world < 0 || identity_enter(site->owner, &ignored) < 0)
        return;
    fn(dev, world);
    identity_leave();
}

void criu_cache_keep(const struct engine_site *site)
{
    with_both(site, keep);
}

void criu_cache_give(const struct engine_site *site)
{
    with_both(site, give);
}
