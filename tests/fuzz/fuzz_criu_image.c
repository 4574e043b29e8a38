/*
 * CRIU's images from a directory that the job may reach. The input is a pagemap, after four bytes that say how many pages its file of
 * pages has; and the same bytes are a pstree. Cuts that come out are what the store asks for.
 */
#include "engine/criu_image.h"
#include "store_scratch.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

static void put_pages(uint32_t pages)
{
    int fd = openat(scratch_dir(), "pages-1.img", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    check(fd >= 0 && ftruncate(fd, (off_t)(pages & 0xfffffff) * 4096) == 0);
    close(fd);
}

static void check_cuts(const struct criu_image *image, int64_t size)
{
    uint64_t free_from = 0;
    int64_t sum = 0;
    for (size_t i = 0; i < image->cut_count; i++) {
        const struct store_cut *c = &image->cuts[i];
        check(c->address >= free_from && c->bytes > 0 && c->address <= INT64_MAX - STORE_CHUNK_BYTES);
        check(c->address % STORE_CHUNK_BYTES + c->bytes <= STORE_CHUNK_BYTES);
        free_from = c->address + c->bytes;
        sum += c->bytes;
    }
    check(sum == size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct criu_images images = { 0 };
    struct error err = { 0 };
    uint32_t pages = 0;
    int64_t frozen_us = 0;
    pid_t last = 0;
    if (size < sizeof pages)
        return 0;
    memcpy(&pages, data, sizeof pages);
    scratch_put("pagemap-1000.img", data + sizeof pages, size - sizeof pages);
    scratch_put("pstree.img", data + sizeof pages, size - sizeof pages);
    scratch_put("stats-dump", data + sizeof pages, size - sizeof pages);
    put_pages(pages);
    if (criu_images_read(scratch_dir(), &images, &err) < 0)
        check(err.text[0] && !images.files);
    for (size_t i = 0; i < images.count; i++)
        if (images.files[i].cuts)
            check_cuts(&images.files[i], (int64_t)(pages & 0xfffffff) * 4096);
    criu_images_release(&images);
    if (criu_image_last_pid(scratch_dir(), &last, &err) == 0)
        check(last > 0 && last <= 1 << 22);
    if (criu_image_frozen_us(scratch_dir(), &frozen_us, &err) == 0)
        check(frozen_us >= 0 && frozen_us <= (int64_t)UINT32_MAX * 2);
    return 0;
}
