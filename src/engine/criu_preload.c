#include "engine/criu_parts.h"

#include "base/file.h"

#include <sys/mman.h>
#include <unistd.h>

static const unsigned char shim[] = {
#include "engine/criu_shim.inc"
};

int criu_open_shim(struct error *err)
{
    auto_close int fd = memfd_create("criu-shim", MFD_CLOEXEC);
    if (fd < 0)
        return error_sys(err, "cannot prepare CRIU");
    return file_write_all(fd, shim, sizeof shim, err) < 0 ? -1 : steal_fd(&fd);
}
