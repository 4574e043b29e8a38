#include "engine/maps.h"

#include "base/buf.h"
#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

enum { MAPS_MAX = 64 << 20 };

/* The kernel writes a newline in a name as \012, and nothing else so. */
static void unescape(char *path)
{
    char *to = path;
    for (const char *from = path; *from; from++)
        if (strncmp(from, "\\012", 4) == 0) {
            *to++ = '\n';
            from += 3;
        } else {
            *to++ = *from;
        }
    *to = '\0';
}

/* "7f00-7f01 rw-s 00000000 fe:01 1234      /path" */
static bool read_line(char *text, struct maps_line *out)
{
    char flags[5];
    unsigned major_number, minor_number;
    unsigned long inode;
    int at = 0;
    if (!strpbrk(text, "/_") || sscanf(text, "%*x-%*x %4s %*x %x:%x %lu %n", flags, &major_number, &minor_number, &inode, &at) < 4 || at == 0)
        return false;
    char *path = text + at;
    if (path[0] != '/' && strncmp(path, "anon_inode:", 11) != 0)
        return false;
    unescape(path);
    *out = (struct maps_line){
        .writable = flags[1] == 'w', .executable = flags[2] == 'x', .shared = flags[3] == 's',
        .dev = makedev(major_number, minor_number), .ino = inode, .path = path,
    };
    return true;
}

bool maps_each(int dir, void (*fn)(void *data, const struct maps_line *line), void *data)
{
    auto_buf struct buf text = { .max = MAPS_MAX };
    if (file_read(dir, "maps", &text, NULL) != 0)
        return false;
    for (char *at = text.data, *end; at && *at; at = end) {
        struct maps_line line;
        end = strchr(at, '\n');
        if (end)
            *end++ = '\0';
        if (read_line(at, &line))
            fn(data, &line);
    }
    return true;
}
