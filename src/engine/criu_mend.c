/*
 * A file of images is two words and records, each a length and a protobuf message (see criu_image.c). Of the messages criu_image.proto
 * has the few fields that are changed here; the others are kept as they are, as unknown ones.
 */
#include "engine/criu_mend.h"

#include "base/file.h"
#include "base/mem.h"
#include "engine/criu_image.pb-c.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { IMAGE_MAX = 64 << 20, HEAD = 8, LENGTH = 4 };

static bool mend_file(ProtobufCMessage *message)
{
    CriuImage__File *file = (CriuImage__File *)message;
    CriuImage__TimerFd *t = file->timer;
    bool silent = t && !t->value_s && !t->value_ns && (t->interval_s || t->interval_ns);
    if (!t || (!silent && !t->flags))
        return false;
    t->flags = 0;
    if (silent) {
        t->value_s = t->interval_s;
        t->value_ns = t->interval_ns;
    }
    return true;
}

/* One record from *at on, into `out`. Returns -1 for what is none. */
static int copy_record(const struct buf *in, size_t *at, const ProtobufCMessageDescriptor *kind, bool (*mend)(ProtobufCMessage *), struct buf *out,
                       bool *changed)
{
    uint32_t length;
    if (in->len - *at < LENGTH)
        return -1;
    memcpy(&length, in->data + *at, LENGTH);
    if (length > in->len - *at - LENGTH)
        return -1;
    ProtobufCMessage *message = protobuf_c_message_unpack(kind, NULL, length, (const uint8_t *)in->data + *at + LENGTH);
    if (!message)
        return -1;
    if (mend(message)) {
        uint32_t size = (uint32_t)protobuf_c_message_get_packed_size(message);
        auto_free uint8_t *packed = mem_zero(size + 1, 1);
        protobuf_c_message_pack(message, packed);
        buf_add(out, &size, LENGTH);
        buf_add(out, packed, size);
        *changed = true;
    } else {
        buf_add(out, in->data + *at, LENGTH + length);
    }
    protobuf_c_message_free_unpacked(message, NULL);
    *at += LENGTH + length;
    return 0;
}

static int mend_image(int dir, const char *name, const ProtobufCMessageDescriptor *kind, bool (*mend)(ProtobufCMessage *), struct error *err)
{
    auto_buf struct buf in = { .max = IMAGE_MAX }, out = { .max = IMAGE_MAX };
    bool changed = false;
    auto_close int fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || file_read_fd(fd, &in, err) < 0)
        return error_sys(err, "cannot read '%s'", name);
    if (in.len < HEAD)
        return error_set(err, ERR_CORRUPT, "'%s' is damaged", name);
    buf_add(&out, in.data, HEAD);
    for (size_t at = HEAD; at < in.len;)
        if (copy_record(&in, &at, kind, mend, &out, &changed) < 0)
            return error_set(err, ERR_CORRUPT, "'%s' is damaged", name);
    if (!changed)
        return 0;
    if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return error_sys(err, "cannot write '%s'", name);
    return file_write_all(fd, out.data, out.len, err);
}

int criu_mend(int dir, struct error *err)
{
    return mend_image(dir, "files.img", &criu_image__file__descriptor, mend_file, err);
}
