#include "cli/progress.h"

#include "cli/words.h"

#include <stdio.h>
#include <unistd.h>

enum { BAR = 24 };

void progress_show(struct progress *progress, int64_t done, int64_t total)
{
    auto_buf struct buf line = { 0 };
    if (!progress->doing || !isatty(STDERR_FILENO))
        return;
    int64_t part = total > 0 && done > 0 ? (done < total ? done : total) : 0;
    int filled = total > 0 ? (int)((double)part / (double)total * BAR) : 0;
    buf_printf(&line, "\r\033[K%s [", progress->doing);
    for (int i = 0; i < BAR; i++)
        buf_char(&line, i < filled ? '#' : '.');
    buf_text(&line, "] ");
    words_bytes(&line, done);
    if (total > 0) {
        buf_text(&line, " of ");
        words_bytes(&line, total);
    }
    fputs(buf_cstr(&line), stderr);
    fflush(stderr);
    progress->shown = true;
}

void progress_clear(struct progress *progress)
{
    if (progress->shown)
        fputs("\r\033[K", stderr);
    progress->shown = false;
}
