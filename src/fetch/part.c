#include "fetch/part.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { NOTE_MAX = 64 << 10, BLOCK = 64 << 10 };

/* The next line of the text, cut off; NULL when it does not begin with "name ". */
static char *field(char **text, const char *name)
{
    char *line = *text;
    char *end = strchr(line, '\n');
    size_t len = strlen(name);
    if (!end || strncmp(line, name, len) != 0 || line[len] != ' ')
        return NULL;
    *end = '\0';
    *text = end + 1;
    return line + len + 1;
}

static bool same_boot(const struct part *p, const char *boot)
{
    return strcmp(boot, clock_boot_id()) == 0 || p->wanted[0] || p->told[0];
}

static bool read_note(struct part *p, const char *name)
{
    struct error ignored;
    auto_buf struct buf text = { .max = NOTE_MAX };
    if (file_read(p->dir, name, &text, &ignored) != 0)
        return false;
    auto_free char *copy = mem_dup(buf_cstr(&text));
    char *at = copy;
    const char *url = field(&at, "url"), *boot = url ? field(&at, "boot") : NULL, *total = boot ? field(&at, "total") : NULL;
    const char *told = total ? field(&at, "digest") : NULL, *validator = told ? field(&at, "validator") : NULL;
    if (!validator || strcmp(url, p->url) != 0)
        return false;
    p->total = strtoll(total, NULL, 10);
    snprintf(p->told, sizeof p->told, "%s", told);
    snprintf(p->validator, sizeof p->validator, "%s", validator);
    return same_boot(p, boot) && p->validator[0];
}

static void forget(struct part *p)
{
    p->have = 0;
    p->total = -1;
    p->validator[0] = p->told[0] = '\0';
}

int part_open(struct part *p, struct error *err)
{
    auto_free char *note = mem_printf("%s.note", p->name);
    struct stat st;
    forget(p);
    p->fd = openat(p->dir, p->name, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (p->fd < 0)
        return error_sys(err, "cannot make '%s'", p->name);
    if (flock(p->fd, LOCK_EX) < 0 || fstat(p->fd, &st) < 0) /* one that is being killed may still write */
        return error_sys(err, "cannot lock '%s'", p->name);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERR_INVALID, "'%s' is no file", p->name);
    if (st.st_size == 0 || !read_note(p, note))
        return part_empty(p, err);
    p->have = st.st_size;
    return 0;
}

void part_close(struct part *p)
{
    file_close(&p->fd);
}

int part_empty(struct part *p, struct error *err)
{
    forget(p);
    return ftruncate(p->fd, 0) < 0 ? error_sys(err, "cannot empty '%s'", p->name) : 0;
}

int part_add(struct part *p, const void *data, size_t len, struct error *err)
{
    if (fault_point("fetch.write") < 0)
        return error_sys(err, "cannot write");
    if (file_write_all(p->fd, data, len, err) < 0)
        return -1;
    p->have += (int64_t)len;
    return 0;
}

int part_note(struct part *p, struct error *err)
{
    auto_free char *name = mem_printf("%s.note", p->name);
    auto_free char *text = mem_printf("url %s\nboot %s\ntotal %" PRId64 "\ndigest %s\nvalidator %s\n", p->url, clock_boot_id(), p->total, p->told,
                                      p->validator);
    return file_replace(p->dir, name, text, strlen(text), 0600, "fetch.note", err);
}

int part_digest(const struct part *p, char hex[PART_DIGEST_TEXT], struct error *err)
{
    auto_free uint8_t *block = mem_zero(1, BLOCK);
    uint8_t digest[SHA256_DIGEST_SIZE];
    struct sha256_ctx sha;
    sha256_init(&sha);
    int64_t at = 0;
    for (ssize_t n; (n = pread(p->fd, block, BLOCK, at)) != 0; at += n) {
        if (n < 0)
            return error_sys(err, "cannot read what was fetched");
        sha256_update(&sha, (size_t)n, block);
    }
    sha256_digest(&sha, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return 0;
}

int part_check_room(const struct part *p, struct error *err)
{
    struct statvfs fs;
    if (p->total < 0 || fstatvfs(p->fd, &fs) < 0 || (uint64_t)(p->total - p->have) / fs.f_frsize < fs.f_bavail)
        return 0;
    error_set(err, ERR_SYSTEM, "it has %" PRId64 " bytes, and the disk has room for %" PRIu64, p->total, (uint64_t)fs.f_bavail * fs.f_frsize);
    err->sys = ENOSPC;
    return -1;
}
