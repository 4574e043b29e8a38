/* A journal's lines: whatever comes, a record lies within its line, and every line that is accepted is one that could have been
 * written: cut anywhere it is partial, changed anywhere it is torn. And what is appended is what is parsed. */
#include "base/journal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

static void check_record(const char *line, size_t used, size_t where)
{
    const char *text;
    size_t text_len, other_used;
    for (size_t cut = 0; cut < used; cut += 1 + used / 16)
        check(journal_parse(line, cut, &text, &text_len, &other_used) == JOURNAL_PARTIAL);
    char *changed = malloc(used);
    memcpy(changed, line, used);
    changed[where % used] ^= 1;
    check(journal_parse(changed, used, &text, &text_len, &other_used) != 0);
    free(changed);
}

/* The input as the text of a record, which has no newlines. */
static void check_round_trip(const char *data, size_t size)
{
    static int fd = -1;
    if (fd < 0)
        fd = memfd_create("journal", MFD_CLOEXEC);
    check(fd >= 0 && ftruncate(fd, 0) == 0);
    char *written = malloc(size + 1), *line = malloc(size + 10);
    for (size_t i = 0; i < size; i++)
        written[i] = data[i] == '\n' ? ' ' : data[i];
    check(journal_append(fd, written, size, NULL) == 0);
    check(pread(fd, line, size + 10, 0) == (ssize_t)size + 10);
    const char *text;
    size_t text_len, used;
    check(journal_parse(line, size + 10, &text, &text_len, &used) == 0);
    check(used == size + 10 && text_len == size && memcmp(text, written, size) == 0);
    check_record(line, used, size);
    free(written);
    free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data;
    size_t left = size;
    for (;;) {
        const char *text = NULL;
        size_t text_len = 0, used = 0;
        int r = journal_parse(p, left, &text, &text_len, &used);
        check(r == 0 || r == JOURNAL_PARTIAL || r == JOURNAL_TORN);
        if (r == JOURNAL_PARTIAL)
            break;
        check(used > 0 && used <= left && p[used - 1] == '\n');
        if (r == 0) {
            check(text == p + 9 && text + text_len + 1 == p + used);
            check_record(p, used, size);
        }
        p += used;
        left -= used;
    }
    check(!memchr(p, '\n', left));
    if (size < JOURNAL_RECORD_MAX / 2)
        check_round_trip((const char *)data, size);
    return 0;
}
