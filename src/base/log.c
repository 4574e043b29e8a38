#include "base/log.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* One write per line, so that lines of several processes do not mix. */
static void print_line(const char *level, const char *fmt, va_list ap)
{
    char line[1024];
    int64_t now = clock_wall_us();
    time_t seconds = (time_t)(now / CLOCK_SECOND_US);
    struct tm tm;
    size_t len = strftime(line, sizeof line, "%F %T", gmtime_r(&seconds, &tm));
    len += (size_t)snprintf(line + len, sizeof line - len, ".%03dZ %s ", (int)(now % CLOCK_SECOND_US / 1000), level);
    int n = vsnprintf(line + len, sizeof line - len - 1, fmt, ap);
    len += n > 0 ? (size_t)n : 0;
    if (len > sizeof line - 2)
        len = sizeof line - 2;
    line[len++] = '\n';
    if (write(STDERR_FILENO, line, len) < 0)
        return;
}

void log_info(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    print_line("info ", fmt, ap);
    va_end(ap);
}

void log_error(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    print_line("error", fmt, ap);
    va_end(ap);
}
