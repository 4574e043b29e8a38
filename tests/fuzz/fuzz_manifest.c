/*
 * The text of a manifest. Nothing signs a fuzzer's input, so it is parsed without a seal; and once more with a last line of the
 * target's own making, for the fuzzer would stay in front of that door. What is accepted is printed, and must be the same text but
 * for its last line.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "store/digest.h"
#include "store/manifest.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAC_LINE = 4 + 64 + 1 };

static void parse_and_compare(const char *text, size_t len)
{
    static const struct seal seal = { "of nobody" };
    auto_manifest struct manifest m = { 0 };
    auto_buf struct buf again = { 0 };
    struct error err = { 0 };
    if (manifest_parse(text, len, NULL, &m, NULL, &err) < 0) {
        if (m.entries || m.packs || !err.text[0])
            abort();
        return;
    }
    if (manifest_print(&m, &seal, &again, NULL, &err) < 0 || again.len != len || memcmp(again.data, text, len - MAC_LINE) != 0)
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
    buf_printf(&sealed, "mac %s\n", digest_print(&digest, hex));
    auto_free char *sealed_exact = mem_dup_n(sealed.data, sealed.len);
    parse_and_compare(sealed_exact, sealed.len);
    return 0;
}
