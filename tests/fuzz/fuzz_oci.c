/*
 * An OCI layout: the input is its index, and once more the configuration of an image whose index and manifest are right, for no fuzzer
 * finds a digest.
 */
#include "runner/oci.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/digest.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int layout = -1;
static char place[] = "/tmp/stint-fuzz-oci.XXXXXX";

static void remove_place(void)
{
    file_remove_tree(AT_FDCWD, place, NULL);
}

static void open_place(void)
{
    if (layout >= 0)
        return;
    layout = mkdtemp(place) ? open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (layout < 0 || mkdirat(layout, "blobs", 0700) < 0 || mkdirat(layout, "blobs/sha256", 0700) < 0)
        abort();
    atexit(remove_place);
}

static void put(const char *name, const void *data, size_t size)
{
    auto_close int fd = openat(layout, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || file_write_all(fd, data, size, NULL) < 0)
        abort();
}

/* Yours: the blob's name. */
static char *put_blob(const void *data, size_t size, char hex[65])
{
    struct digest digest;
    digest_of(data, size, &digest);
    char *name = mem_printf("blobs/sha256/%s", digest_print(&digest, hex));
    put(name, data, size);
    return name;
}

static void read_it(void)
{
    auto_oci_image struct oci_image image = { 0 };
    struct error err = { 0 };
    int result = oci_read(layout, NULL, &image, &err);
    if (result == 0 && (strlen(image.key) != 64 || !image.tag))
        abort();
    if (result != 0 && (image.tag || image.env.items || (result < 0 && !err.text[0])))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char config_hex[65], manifest_hex[65];
    open_place();
    put("index.json", data, size);
    read_it();
    auto_free char *config = put_blob(data, size, config_hex);
    auto_free char *text = mem_printf("{\"config\":{\"digest\":\"sha256:%s\"}}", config_hex);
    auto_free char *manifest = put_blob(text, strlen(text), manifest_hex);
    auto_free char *index = mem_printf("{\"manifests\":[{\"digest\":\"sha256:%s\",\"annotations\":{\"org.opencontainers.image.ref.name\":\"x\"}}]}",
                                       manifest_hex);
    put("index.json", index, strlen(index));
    read_it();
    unlinkat(layout, config, 0);
    unlinkat(layout, manifest, 0);
    return 0;
}
