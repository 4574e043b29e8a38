#include "base/journal.h"

#include "base/buf.h"
#include "base/fault.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PREFIX_LEN = 9 }; /* 8 digits and a blank */

/* CRC-32C, bit by bit: records are short and rare. */
static uint32_t checksum(const char *data, size_t len)
{
    uint32_t crc = 0xFFFFFFFF;
    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned char)data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78 : 0);
    }
    return ~crc;
}

int journal_parse(const char *line, size_t len, const char **text, size_t *text_len, size_t *used)
{
    const char *end = memchr(line, '\n', len);
    if (!end)
        return JOURNAL_PARTIAL;
    size_t line_len = (size_t)(end - line);
    *used = line_len + 1;
    if (line_len < PREFIX_LEN || line[PREFIX_LEN - 1] != ' ')
        return JOURNAL_TORN;
    uint32_t want = 0;
    for (int i = 0; i < PREFIX_LEN - 1; i++) {
        static const char digits[] = "0123456789abcdef";
        const char *at = line[i] ? strchr(digits, line[i]) : NULL;
        if (!at)
            return JOURNAL_TORN;
        want = want << 4 | (uint32_t)(at - digits);
    }
    *text = line + PREFIX_LEN;
    *text_len = line_len - PREFIX_LEN;
    return checksum(*text, *text_len) == want ? 0 : JOURNAL_TORN;
}

static int read_from(int fd, int64_t offset, struct buf *out, struct error *err)
{
    if (lseek(fd, offset, SEEK_SET) < 0)
        return error_sys(err, "cannot seek");
    return file_read_fd(fd, out, err);
}

/* The length up to the end of the last good record: what comes behind it is a torn tail. */
static size_t good_length(const char *data, size_t len)
{
    size_t at = 0, good = 0;
    while (at < len) {
        const char *text;
        size_t text_len, used;
        int r = journal_parse(data + at, len - at, &text, &text_len, &used);
        if (r == JOURNAL_PARTIAL)
            break;
        at += used;
        if (r == 0)
            good = at;
    }
    return good;
}

int journal_open(int dir, const char *name, struct error *err)
{
    auto_close int fd = openat(dir, name, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    auto_buf struct buf text = { 0 };
    if (fd < 0)
        return error_sys(err, "cannot open the journal '%s'", name);
    if (read_from(fd, 0, &text, err) < 0)
        return error_wrap(err, "'%s'", name);
    size_t good = good_length(buf_cstr(&text), text.len);
    if (good < text.len && (ftruncate(fd, (off_t)good) < 0 || fdatasync(fd) < 0))
        return error_sys(err, "cannot cut the torn end of the journal '%s'", name);
    if (file_sync(dir, name, err) < 0)
        return -1;
    return steal_fd(&fd);
}

int journal_append(int fd, const char *text, size_t len, struct error *err)
{
    auto_buf struct buf line = { .max = JOURNAL_RECORD_MAX };
    off_t before = lseek(fd, 0, SEEK_END);
    if (memchr(text, '\n', len))
        return error_set(err, ERR_INVALID, "a journal record has a newline in it");
    buf_printf(&line, "%08x ", checksum(text, len));
    buf_add(&line, text, len);
    buf_char(&line, '\n');
    if (line.full)
        return error_set(err, ERR_LIMIT, "a journal record is longer than %d bytes", JOURNAL_RECORD_MAX);
    int r = before < 0 || fault_point("journal.append") < 0 ? error_sys(err, "cannot write")
                                                           : file_write_all(fd, line.data, line.len, err);
    if (r == 0 && fdatasync(fd) < 0)
        r = error_sys(err, "cannot make it durable");
    if (r == 0 && fault_point("journal.appended") == 0)
        return 0;
    if (r == 0)
        r = error_sys(err, "cannot go on");
    if (before >= 0 && ftruncate(fd, before) < 0)
        return error_sys(err, "cannot take back a torn journal record");
    return error_wrap(err, "journal");
}

int journal_read(int dir, const char *name, int64_t offset,
                 bool (*fn)(void *data, const char *text, size_t len, int64_t end), void *data, struct error *err)
{
    auto_close int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    auto_buf struct buf all = { 0 };
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return error_sys(err, "cannot open the journal '%s'", name);
    if (read_from(fd, offset, &all, err) < 0)
        return error_wrap(err, "'%s'", name);
    size_t good = good_length(buf_cstr(&all), all.len);
    for (size_t at = 0; at < good;) {
        const char *text;
        size_t text_len, used;
        bool damaged = journal_parse(all.data + at, good - at, &text, &text_len, &used) != 0;
        at += used;
        if (!fn(data, damaged ? NULL : text, damaged ? 0 : text_len, offset + (int64_t)at))
            return 0;
    }
    return 0;
}
