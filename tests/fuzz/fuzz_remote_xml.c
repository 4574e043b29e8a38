/* The reader of an S3 server's answers: whatever the bytes, names and texts keep their limits, what comes out is of two levels,
 * and an answer that is refused is refused with a reason. */
#include "store/remote_xml.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int check_element(void *data, const char *parent, const char *name, const char *text, struct error *err)
{
    int *seen = data;
    (void)err;
    assert(name[0] != '\0' && strlen(parent) < 64 && strlen(name) < 64);
    assert(strlen(text) <= REMOTE_XML_TEXT_MAX);
    return ++*seen == 1000 ? 7 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = { 0 };
    auto_buf struct buf text = { 0 };
    char code[REMOTE_CODE_MAX] = "";
    int seen = 0;
    buf_add(&text, data, size);
    int r = remote_xml_read(&text, "ListBucketResult", check_element, &seen, &err);
    assert(r == 0 || (r == 7 && seen == 1000) || (r == -1 && err.text[0] != '\0'));
    assert(seen <= 1000);
    if (remote_xml_error(&text, code))
        assert(r < 0 && code[0] != '\0' && strlen(code) < sizeof code);
    return 0;
}
