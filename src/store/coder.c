#include "store/coder.h"

#include "base/mem.h"
#include "store/store.h"

#include <stdio.h>
#include <sys/mman.h>
#include <zstd.h>

enum {
    WORTH_OF_16 = 15, /* less than 1/16 saved is not worth the decompression */
    STEADY = 8,       /* so many chunks between two changes of the level */
};

struct coder {
    ZSTD_CCtx *compress;
    ZSTD_DCtx *decompress;
    uint8_t *memory; /* mapped: malloc would keep it for good in a process that is meant to stay small */
    size_t memory_bytes;
    size_t bound;
    int level;
    int steady;
};

static const size_t room_bytes = 2 * (size_t)STORE_CHUNK_BYTES;

struct coder *coder_new(void)
{
    struct coder *coder = mem_new(struct coder);
    coder->bound = ZSTD_compressBound(STORE_CHUNK_BYTES);
    coder->memory_bytes = room_bytes + coder->bound + STORE_PAGE_BYTES;
    coder->memory = mmap(NULL, coder->memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    coder->compress = ZSTD_createCCtx();
    coder->decompress = ZSTD_createDCtx();
    coder->level = CODER_LEVEL_FIRST;
    if (coder->memory == MAP_FAILED || !coder->compress || !coder->decompress) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    return coder;
}

void coder_free(struct coder *coder)
{
    if (!coder)
        return;
    munmap(coder->memory, coder->memory_bytes);
    ZSTD_freeCCtx(coder->compress);
    ZSTD_freeDCtx(coder->decompress);
    free(coder);
}

uint8_t *coder_room(struct coder *coder)
{
    return coder->memory;
}

size_t coder_pack(struct coder *coder, const void *data, size_t len, uint8_t **packed)
{
    uint8_t *out = coder->memory + room_bytes;
    size_t size = ZSTD_compressCCtx(coder->compress, out, coder->bound, data, len, coder->level);
    if (ZSTD_isError(size) || size > len / 16 * WORTH_OF_16)
        return 0;
    *packed = out;
    return size;
}

void coder_adapt(struct coder *coder, bool blocked)
{
    if (++coder->steady < STEADY)
        return;
    coder->steady = 0;
    if (blocked && coder->level < CODER_LEVEL_MAX)
        coder->level++;
    else if (!blocked && coder->level > CODER_LEVEL_MIN)
        coder->level--;
}

bool coder_unpack(struct coder *coder, const void *packed, size_t packed_len, void *data, size_t len)
{
    return ZSTD_decompressDCtx(coder->decompress, data, len, packed, packed_len) == len;
}
