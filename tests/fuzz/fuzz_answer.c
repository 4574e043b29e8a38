/* Header lines of HTTP answers. What is taken of them is bounded, and a digest is whole or absent. */
#include "fetch/answer.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_digest(const char *hex)
{
    size_t len = strlen(hex);
    if ((len != 0 && len != PART_DIGEST_TEXT - 1) || strspn(hex, "0123456789abcdef") != len)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct answer a = { 0 };
    const char *at = (const char *)data, *end = at + size;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t len = newline ? (size_t)(newline - at) + 1 : (size_t)(end - at);
        answer_line(&a, at, len);
        at += len;
    }
    check_digest(a.whole);
    check_digest(a.body);
    if (a.length < -1 || a.range_from < -1 || a.range_total < -1 || strchr(a.etag, '\n') || strchr(a.date, '\n'))
        abort();
    return 0;
}
