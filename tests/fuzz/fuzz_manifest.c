/*
 * The text of a manifest. The input's digest is right only in a corpus, so the target also parses the input with a digest of
 * its own making: else the fuzzer would stay in front of that door. What is accepted is printed, and must be the same text.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "store/digest.h"
#include "store/manifest.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse_and_compare(const char *text, size_t len)
{
    auto_manifest struct manifest m = { 0 };
    auto_buf struct buf again = { 0 };
    struct error err = { 0 };
    if (manifest_parse(text, len, &m, &err) < 0) {
        if (m.entries || !err.text[0])
            abort();
        return;
    }
    if (manifest_print(&m, &again, &err) < 0 || again.len != len || memcmp(again.data, text, len) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_free char *exact = mem_dup_n((const char *)data, size);
    parse_and_compare(exact, size);
    struct digest digest;
    char hex[65];
    auto_buf struct buf sealed = { 0 };
    buf_add(&sealed, data, size);
    digest_of(data, size, &digest);
    buf_printf(&sealed, "digest %s\n", digest_print(&digest, hex));
    parse_and_compare(sealed.data, sealed.len);
    return 0;
}
