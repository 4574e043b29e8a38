#include "cli/stream.h"

#include "base/file.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { FRAME_HEAD = 5, PIECE_MAX = 16 << 20, BLOCK = 64 << 10 };

struct stream {
    int fd;
    bool has_bytes;
    struct buf in;
    size_t used; /* of the piece before */
    struct ad *ad;
};

int stream_open(struct api *api, const char *target, const struct ad *body, bool has_bytes, struct stream **out, struct error *err)
{
    auto_stream struct stream *stream = mem_new(struct stream);
    *stream = (struct stream){ .has_bytes = has_bytes, .in = { .max = PIECE_MAX + BLOCK } };
    stream->fd = api_post_open(api, target, body, &stream->in, err);
    if (stream->fd < 0)
        return -1;
    *out = steal(stream);
    return 0;
}

void stream_close_pointer(struct stream **stream)
{
    if (!*stream)
        return;
    file_close(&(*stream)->fd);
    buf_release(&(*stream)->in);
    ad_free((*stream)->ad);
    free(*stream);
    *stream = NULL;
}

static int take_ad(struct stream *s, const char *text, size_t len, struct error *err)
{
    ad_free(s->ad);
    s->ad = NULL;
    if (ad_parse_json(text, len, &s->ad, err) < 0)
        return error_wrap(err, "the pool's answer makes no sense");
    return 0;
}

static int take_result(struct stream *s, struct stream_piece *piece, struct error *err)
{
    const char *text = ad_string(s->ad, "Error", NULL);
    piece->kind = STREAM_RESULT;
    return text ? error_set(err, error_kind_from_name(ad_string(s->ad, "Kind", "")), "%s", text) : 0;
}

/* A line: what it is is seen from its attributes. HTTP_PARTIAL as long as it has no end. */
static int take_line(struct stream *s, struct stream_piece *piece, struct error *err)
{
    const char *end = memchr(buf_cstr(&s->in), '\n', s->in.len);
    if (!end)
        return HTTP_PARTIAL;
    s->used = (size_t)(end - s->in.data) + 1;
    if (take_ad(s, s->in.data, s->used - 1, err) < 0)
        return -1;
    *piece = (struct stream_piece){ .ad = s->ad };
    if (ad_has(s->ad, "Ok") || ad_has(s->ad, "Error"))
        return take_result(s, piece, err);
    piece->kind = ad_has(s->ad, "Done") && ad_has(s->ad, "Total") ? STREAM_PROGRESS : STREAM_RECORD;
    return 0;
}

/* A letter, four bytes of length, the most significant one first, and that many bytes. */
static int take_frame(struct stream *s, struct stream_piece *piece, struct error *err)
{
    uint32_t len;
    if (s->in.len < FRAME_HEAD)
        return HTTP_PARTIAL;
    memcpy(&len, s->in.data + 1, sizeof len);
    len = ntohl(len);
    if (len > PIECE_MAX)
        return error_set(err, ERR_INVALID, "the pool's answer makes no sense: a piece of %u bytes", (unsigned)len);
    if (s->in.len < FRAME_HEAD + (size_t)len)
        return HTTP_PARTIAL;
    s->used = FRAME_HEAD + (size_t)len;
    const char *bytes = s->in.data + FRAME_HEAD;
    if (s->in.data[0] == 'd') {
        *piece = (struct stream_piece){ .kind = STREAM_BYTES, .bytes = bytes, .len = len };
        return 0;
    }
    if (take_ad(s, bytes, len, err) < 0)
        return -1;
    *piece = (struct stream_piece){ .kind = s->in.data[0] == 'h' ? STREAM_HEAD : STREAM_PROGRESS, .ad = s->ad };
    return s->in.data[0] == 'r' ? take_result(s, piece, err) : 0;
}

int stream_next(struct stream *s, struct stream_piece *piece, struct error *err)
{
    char block[BLOCK];
    buf_drop(&s->in, s->used);
    s->used = 0;
    for (;;) {
        int r = s->has_bytes ? take_frame(s, piece, err) : take_line(s, piece, err);
        if (r != HTTP_PARTIAL)
            return r;
        if (s->in.full)
            return error_set(err, ERR_LIMIT, "a piece of the pool's answer is longer than %d MiB", PIECE_MAX >> 20);
        ssize_t n = recv(s->fd, block, sizeof block, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != ECONNRESET)
            return error_sys(err, "cannot read the pool's answer");
        if (n <= 0)
            return error_set(err, ERR_SYSTEM, "the pool's answer broke off before its end; the pool may have been stopped");
        buf_add(&s->in, block, (size_t)n);
    }
}
