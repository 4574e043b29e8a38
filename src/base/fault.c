#include "base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RULES_MAX = 8 };

struct rule {
    char name[64];
    char action[16];
    int pass;    /* which pass strikes */
    bool onward; /* and all after it */
    int seen;
};

static struct {
    bool ready;
    const char *trace;
    const char *once;
    const char *window;
    const char *file;
    struct rule rules[RULES_MAX];
    int count;
} fault;

static void read_rules(const char *text)
{
    fault.count = 0;
    while (text && *text && fault.count < RULES_MAX) {
        struct rule *r = &fault.rules[fault.count];
        char mark = '@';
        r->pass = 1;
        if (sscanf(text, "%63[^:,]:%15[^@+,]%c%d", r->name, r->action, &mark, &r->pass) >= 2)
            fault.count++;
        r->onward = mark == '+';
        text = strchr(text, ',');
        text = text ? text + 1 : NULL;
    }
}

static void read_environment(void)
{
    fault.ready = true;
    fault.trace = getenv("STINT_FAULT_TRACE");
    fault.once = getenv("STINT_FAULT_ONCE");
    fault.window = getenv("STINT_FAULT_WHILE");
    const char *text = getenv("STINT_FAULT");
    fault.file = text && text[0] == '/' ? text : NULL;
    if (!fault.file)
        read_rules(text);
}

static void read_rule_file(void)
{
    char text[512];
    int saved = errno, fd = open(fault.file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    read_rules(text);
    errno = saved;
}

static int error_number(const char *name)
{
    static const struct { const char *name; int number; } known[] = {
        { "ENOSPC", ENOSPC }, { "EIO", EIO }, { "EDQUOT", EDQUOT }, { "EACCES", EACCES }, { "EMFILE", EMFILE },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].number;
    return EIO;
}

static void trace_pass(const char *name)
{
    int fd = open(fault.trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0)
        return;
    char line[128];
    int n = snprintf(line, sizeof line, "%s %s\n", program_invocation_short_name, name);
    if (write(fd, line, (size_t)n) != n)
        (void)!ftruncate(fd, 0);
    close(fd);
}

/* True when this process is the one to be struck. */
static bool claim_once(void)
{
    if (!fault.once)
        return true;
    int fd = open(fault.once, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

int fault_point(const char *name)
{
    if (!fault.ready)
        read_environment();
    if (fault.file)
        read_rule_file();
    if (fault.trace)
        trace_pass(name);
    for (int i = 0; i < fault.count; i++) {
        struct rule *r = &fault.rules[i];
        if (strcmp(r->name, name) != 0)
            continue;
        r->seen++;
        if (r->onward ? r->seen < r->pass : r->seen != r->pass)
            continue;
        if ((fault.window && access(fault.window, F_OK) < 0) || !claim_once())
            continue;
        if (strcmp(r->action, "kill") == 0)
            kill(getpid(), SIGKILL);
        if (strcmp(r->action, "stop") == 0) {
            kill(getpid(), SIGSTOP);
            continue;
        }
        errno = error_number(r->action);
        return -1;
    }
    return 0;
}
