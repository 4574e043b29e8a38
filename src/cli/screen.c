#include "cli/screen.h"

#include "base/clock.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct screen screen_now(void)
{
    struct screen screen = { .now_us = clock_wall_us() };
    struct winsize size;
    if (!isatty(STDOUT_FILENO))
        return screen;
    const char *columns = getenv("COLUMNS");
    if (columns)
        screen.width = (int)strtol(columns, NULL, 10);
    if (screen.width < 20 || screen.width > 10000)
        screen.width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20 ? size.ws_col : 80;
    return screen;
}
