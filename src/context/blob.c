#include "context/context.h"

#include "base/file.h"

#include <fcntl.h>
#include <unistd.h>

static const unsigned char reaper[] = {
#include "context/reaper.inc"
};

int context_put_reaper(int dir, struct error *err)
{
    auto_close int fd = openat(dir, "reaper", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0700);
    if (fd < 0)
        return error_sys(err, "cannot create the job's reaper");
    return file_write_all(fd, reaper, sizeof reaper, err);
}
