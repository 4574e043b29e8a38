#include "store/tar.h"

#include "base/file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Places in a header: name 0, mode 100, uid 108, gid 116, size 124, mtime 136, checksum 148, type 156, magic 257. */

static unsigned checksum(const unsigned char *header)
{
    unsigned sum = 0;
    for (int i = 0; i < TAR_BLOCK; i++)
        sum += i >= 148 && i < 156 ? ' ' : header[i];
    return sum;
}

static void put_number(unsigned char *at, int digits, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%0*llo", digits, (unsigned long long)value);
    memcpy(at, text, (size_t)digits + 1);
}

int tar_put(int fd, const char *name, int64_t size, int64_t mtime_s, struct error *err)
{
    unsigned char header[TAR_BLOCK] = { 0 };
    memcpy(header, name, strnlen(name, TAR_NAME));
    put_number(header + 100, 7, 0600);
    put_number(header + 108, 7, 0);
    put_number(header + 116, 7, 0);
    put_number(header + 124, 11, size);
    put_number(header + 136, 11, mtime_s);
    header[156] = '0';
    memcpy(header + 257, "ustar\00000", 8);
    put_number(header + 148, 6, checksum(header));
    header[155] = ' ';
    return file_write_all(fd, header, sizeof header, err);
}

int tar_pad(int fd, int64_t size, struct error *err)
{
    static const char zeros[TAR_BLOCK];
    size_t rest = (size_t)(size % TAR_BLOCK);
    return rest ? file_write_all(fd, zeros, TAR_BLOCK - rest, err) : 0;
}

int tar_finish(int fd, struct error *err)
{
    static const char zeros[2 * TAR_BLOCK];
    return file_write_all(fd, zeros, sizeof zeros, err);
}

int tar_read(int fd, void *data, size_t len, struct error *err)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = read(fd, (char *)data + at, len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_sys(err, "cannot read the archive");
        if (n == 0)
            return error_set(err, ERR_CORRUPT, "the archive is cut off");
        at += (size_t)n;
    }
    return 0;
}

int tar_skip_pad(int fd, int64_t size, struct error *err)
{
    char pad[TAR_BLOCK];
    size_t rest = (size_t)(size % TAR_BLOCK);
    return rest ? tar_read(fd, pad, TAR_BLOCK - rest, err) : 0;
}

static bool get_number(const unsigned char *at, int digits, int64_t *value)
{
    *value = 0;
    for (int i = 0; i < digits; i++) {
        if (at[i] < '0' || at[i] > '7')
            return i > 0 && (at[i] == ' ' || at[i] == '\0');
        *value = *value << 3 | (at[i] - '0');
    }
    return true;
}

int tar_get(int fd, char name[TAR_NAME + 1], int64_t *size, struct error *err)
{
    static const unsigned char end[TAR_BLOCK];
    unsigned char header[TAR_BLOCK];
    int64_t sum;
    if (tar_read(fd, header, sizeof header, err) < 0)
        return -1;
    if (memcmp(header, end, sizeof end) == 0)
        return TAR_END;
    if (memcmp(header + 257, "ustar", 5) != 0 || !get_number(header + 148, 7, &sum) || sum != checksum(header))
        return error_set(err, ERR_CORRUPT, "it is not an archive of 'stint ckpt export', or damaged");
    memcpy(name, header, TAR_NAME);
    name[TAR_NAME] = '\0';
    if (header[156] != '0')
        return error_set(err, ERR_CORRUPT, "'%s' in it is not a plain file", name);
    if (!get_number(header + 124, 11, size))
        return error_set(err, ERR_CORRUPT, "'%s' in it has no size", name);
    return 0;
}
