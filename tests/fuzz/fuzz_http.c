/* The answer's parser: whatever the bytes, a body lies within them; an answer that is whole stays the same when more follows, and
 * no beginning of it is taken for another whole answer. */
#include "cli/http.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_within(const struct http_response *r, const char *text, size_t size)
{
    char value[64];
    assert(r->status >= 200 && r->status <= 599);
    assert(r->body >= text && r->body + r->body_len <= text + size);
    assert(r->head >= text && r->head + r->head_len <= r->body);
    if (http_header(r, "Content-Length", value, sizeof value))
        assert(strlen(value) < sizeof value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct http_response whole, ended, part;
    struct error err = { 0 };
    int at_end = http_parse(text, size, true, &ended, &err);
    assert(at_end <= 0);
    if (at_end < 0)
        assert(err.text[0] != '\0');
    else
        check_within(&ended, text, size);
    int open = http_parse(text, size, false, &whole, &err);
    if (open == 0) {
        check_within(&whole, text, size);
        assert(at_end == 0 && whole.body_len == ended.body_len && whole.body == ended.body);
    }
    size_t cut = size > 4096 ? size - 1 : size;
    for (size_t len = 0; len < cut; len += 1 + len / 16) {
        int r = http_parse(text, len, false, &part, &err);
        assert(r <= 0 || r == HTTP_PARTIAL);
        if (r == 0)
            assert(open == 0 && part.body == whole.body && part.body_len == whole.body_len);
    }
    return 0;
}
