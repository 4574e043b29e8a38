/* The ELF notes' reader: whatever the bytes, nothing is read beyond them, and what comes out is a build-id or nothing. */
#include "engine/buildid.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *data;
    size_t size;
};

static bool read_input(void *from, uint64_t offset, void *out, size_t len)
{
    const struct input *input = from;
    if (offset > input->size || len > input->size - offset)
        return false;
    memcpy(out, input->data + offset, len);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = { data, size };
    char id[BUILDID_TEXT_MAX];
    if (!buildid_parse(read_input, &input, id))
        return 0;
    size_t len = strlen(id);
    assert(len > 0 && len % 2 == 0 && len < sizeof id && strspn(id, "0123456789abcdef") == len);
    return 0;
}
