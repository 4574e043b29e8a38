/*
 * stint-fetch: one URL into a file of the working directory, as the user who runs it.
 *
 *   stint-fetch NAME SHOWN DIGEST     the URL comes from standard input, because others see what stands here; DIGEST may be ""
 *
 * Standard output gets "progress DONE TOTAL" (TOTAL -1: not known), and "failed TEXT" at last when it failed. Exit status 0: the
 * file is whole; 1: it cannot be had; 2: wrong use; 3: another try later may help; 4: the disk is full.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "fetch/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DONE = 0, FAILED = 1, USAGE = 2, LATER = 3, FULL = 4, URL_MAX = 16384, TELL_US = 500000 };

static void tell(void *data, int64_t done, int64_t total)
{
    int64_t *next_us = data;
    int64_t now = clock_boot_us();
    if (now < *next_us && done != total)
        return;
    *next_us = now + TELL_US;
    printf("progress %" PRId64 " %" PRId64 "\n", done, total);
    fflush(stdout);
}

static int status_of(const struct error *err)
{
    if (err->sys == ENOSPC || err->sys == EDQUOT)
        return FULL;
    return err->sys == EAGAIN ? LATER : FAILED;
}

int main(int argc, char **argv)
{
    struct error err = { 0 };
    auto_buf struct buf url = { .max = URL_MAX };
    int64_t next_us = 0;
    if (argc != 4 || strchr(argv[1], '/') || file_read_fd(STDIN_FILENO, &url, &err) < 0) {
        fprintf(stderr, "usage: stint-fetch NAME SHOWN DIGEST <URL\n");
        return USAGE;
    }
    signal(SIGPIPE, SIG_DFL);
    auto_close int dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct fetch_request request = { .url = buf_cstr(&url), .shown = argv[2], .digest = argv[3], .dir = dir, .name = argv[1], .progress = tell, .data = &next_us };
    if (fetch_file(&request, &err) == 0)
        return DONE;
    printf("failed %s\n", err.text);
    return status_of(&err);
}
