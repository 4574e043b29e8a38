/*
 * An archive from anywhere, believed unverified: what is taken is a checkpoint that verifies; what is refused leaves neither a
 * manifest nor a pack.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "store/manifest.h"
#include "store_scratch.h"

#include <dirent.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct store *the_store(void)
{
    static struct store *store;
    struct error err;
    scratch_dir();
    auto_free char *path = mem_printf("%s/store", scratch_path);
    if (!store && store_open(path, &store, &err) < 0)
        abort();
    store_limit(store, &(struct store_limits){ .quota = 64 << 20 });
    return store;
}

static void expect_empty(const char *name)
{
    int fd = openat(scratch_dir(), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *e; d && (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && strcmp(e->d_name, "owner") != 0 && strcmp(e->d_name, "packs") != 0)
            abort();
    if (d)
        closedir(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct store_trust trust = { .unverified = true };
    struct store *store = the_store();
    struct error err = { 0 };
    auto_buf struct buf note = { .max = 2 << 20 };
    auto_manifest struct manifest m = { 0 };
    scratch_put("archive", data, size);
    auto_close int fd = openat(scratch_dir(), "archive", O_RDONLY | O_CLOEXEC);
    if (store_import(store, fd, "1.0", 1, &trust, &note, NULL, &err) == 0) {
        if (store_manifest(store, "1.0", 1, &m, &err) != 0 || store_verify(store, &m, NULL, &err) != 0)
            abort();
    } else {
        if (!err.text[0])
            abort();
        expect_empty("store/1.0");
        expect_empty("store/1.0/packs");
    }
    if (store_remove(store, "1.0", &err) < 0)
        abort();
    return 0;
}
