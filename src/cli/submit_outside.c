/*
 * What submit files name outside themselves, each within bounds: files are regular ones of a largest size; commands run under
 * a shell, in a process group of their own, and are ended when they write too much or take too long; patterns look at a largest
 * number of names.
 *
 * A submit file whose values contain the number of the cluster is parsed twice. The second time it gets what it got the first
 * time: a command with side effects runs once, and a file that changes meanwhile does not.
 */
#include "cli/submit.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { COMMAND_SECONDS_MAX = 300, NAMES_LOOKED_AT_MAX = 1000000 };

/* ---- what was answered before ---- */

enum answer_kind { ANSWER_FILE, ANSWER_COMMAND, ANSWER_PATTERN };
struct submit_answer {
    enum answer_kind kind;
    char *name;
    struct buf text;
    int outcome;
};

static void remember(struct submit_surroundings *s, enum answer_kind kind, const char *name, const struct buf *out, size_t from, int outcome)
{
    s->answers = mem_grow(s->answers, &s->capacity, s->count + 1, sizeof *s->answers);
    struct submit_answer *answer = &s->answers[s->count++];
    *answer = (struct submit_answer){ .kind = kind, .name = mem_dup(name), .outcome = outcome };
    if (out->len > from)
        buf_add(&answer->text, out->data + from, out->len - from);
    s->next = s->count;
}

/* The answer of the pass before, when it asked the same at this point. */
static bool recall(struct submit_surroundings *s, enum answer_kind kind, const char *name, struct buf *out, int *outcome)
{
    if (s->next >= s->count || s->answers[s->next].kind != kind || strcmp(s->answers[s->next].name, name) != 0) {
        s->next = SIZE_MAX; /* it goes another way */
        return false;
    }
    const struct submit_answer *answer = &s->answers[s->next++];
    buf_add(out, buf_cstr(&answer->text), answer->text.len);
    *outcome = answer->outcome;
    return true;
}

void submit_surroundings_rewind(struct submit_surroundings *s)
{
    s->next = 0;
    s->again = true;
}

static void forget_answers(struct submit_surroundings *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->answers[i].name);
        buf_release(&s->answers[i].text);
    }
    free(s->answers);
}

/* ---- files ---- */

const char *submit_kind_of_file(mode_t mode)
{
    return S_ISDIR(mode) ? "a directory" : S_ISFIFO(mode) ? "a pipe" : S_ISSOCK(mode) ? "a socket" : "a device";
}

static int read_file(struct submit_surroundings *s, const char *path, struct buf *out, struct error *err)
{
    auto_close int fd = -1;
    struct stat st;
    if (strcmp(path, "-") == 0) {
        if (s->stdin_is_taken)
            return error_set(err, ERR_INVALID, "standard input was read already; name a file");
        s->stdin_is_taken = true;
        return file_read_fd(STDIN_FILENO, out, err) < 0 ? error_wrap(err, "standard input") : 0;
    }
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* not blocking: a pipe without writer would wait for ever */
    if (fd < 0 && errno == ENOENT)
        return SUBMIT_ABSENT;
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_sys(err, "cannot open '%s'", path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERR_INVALID, "'%s' is not a file but %s; copy what is in it to a file and name that", path, submit_kind_of_file(st.st_mode));
    return file_read_fd(fd, out, err) < 0 ? error_wrap(err, "'%s'", path) : 0;
}

static int outside_read(void *context, const char *path, struct buf *out, struct error *err)
{
    struct submit_surroundings *s = context;
    size_t from = out->len;
    int outcome;
    if (s->again && recall(s, ANSWER_FILE, path, out, &outcome))
        return outcome;
    outcome = read_file(s, path, out, err);
    if (outcome >= 0 && !s->again)
        remember(s, ANSWER_FILE, path, out, from, outcome);
    return outcome;
}

/* ---- commands ---- */

/* The command's process group. Whoever ends this program ends the command with it, which a terminal would not do. */
static volatile sig_atomic_t running;
static const int ends_us[] = { SIGINT, SIGTERM, SIGHUP };
enum { ENDS_US = sizeof ends_us / sizeof ends_us[0] };

static void end_both(int number)
{
    if (running > 0)
        kill(-running, SIGKILL);
    signal(number, SIG_DFL);
    raise(number);
}

/* Who ignores a signal, as under nohup(1), goes on ignoring it. */
static void watch_signals(pid_t group, struct sigaction before[ENDS_US])
{
    struct sigaction action = { .sa_handler = end_both };
    sigemptyset(&action.sa_mask);
    running = group;
    for (int i = 0; i < ENDS_US; i++)
        if (sigaction(ends_us[i], NULL, &before[i]) == 0 && before[i].sa_handler != SIG_IGN)
            sigaction(ends_us[i], &action, NULL);
}

static void unwatch_signals(const struct sigaction before[ENDS_US])
{
    for (int i = 0; i < ENDS_US; i++)
        sigaction(ends_us[i], &before[i], NULL);
    running = 0;
}

static int start(const char *command, pid_t *pid, int *output, struct error *err)
{
    char *const words[] = { (char *)(uintptr_t)"sh", (char *)(uintptr_t)"-c", (char *)(uintptr_t)command, NULL };
    int ends[2];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_sys(err, "cannot make a pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    int failed = posix_spawn(pid, "/bin/sh", &actions, &attributes, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    close(ends[1]);
    *output = ends[0];
    if (!failed)
        return 0;
    file_close(output);
    errno = failed;
    return error_sys(err, "cannot run '%.100s'", command);
}

/* Waits until there is something to read, or until `fd`, which stands for a process, has ended. False: it is too late. */
static bool wait_ready(int fd, int64_t end_us)
{
    for (;;) {
        struct pollfd ready = { .fd = fd, .events = POLLIN };
        int64_t left_us = end_us - clock_boot_us();
        if (left_us <= 0)
            return false;
        if (poll(&ready, 1, (int)(left_us / 1000) + 1) > 0)
            return true;
    }
}

/* Reads the output until its end. Outcome TOO_MUCH or TOO_LONG. */
enum { TOO_MUCH = 1, TOO_LONG };
static int read_output(int fd, int64_t end_us, struct buf *out, struct error *err)
{
    char block[65536];
    for (;;) {
        if (!wait_ready(fd, end_us))
            return TOO_LONG;
        ssize_t n = read(fd, block, sizeof block);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_sys(err, "cannot read its output");
        if (n == 0)
            return 0;
        buf_add(out, block, (size_t)n);
        if (out->full)
            return TOO_MUCH;
    }
}

static int judge(const char *command, int outcome, int status, size_t max, struct error *err)
{
    if (outcome < 0)
        return error_wrap(err, "'%.100s'", command);
    if (outcome == TOO_MUCH)
        return error_set(err, ERR_LIMIT, "the output of '%.100s' is longer than %zu MiB; the command was ended", command, max >> 20);
    if (outcome == TOO_LONG)
        return error_set(err, ERR_LIMIT, "'%.100s' takes longer than %d s; the command was ended", command, COMMAND_SECONDS_MAX);
    if (WIFSIGNALED(status))
        return error_set(err, ERR_CHILD, "'%.100s' was ended by signal %d", command, WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        return error_set(err, ERR_CHILD, "'%.100s' failed with exit code %d", command, WEXITSTATUS(status));
    return 0;
}

static int run_command(const char *command, struct buf *out, struct error *err)
{
    auto_close int output = -1;
    pid_t pid;
    int status = 0;
    int64_t end_us = clock_boot_us() + (int64_t)COMMAND_SECONDS_MAX * 1000000;
    struct sigaction before[ENDS_US] = { 0 };
    if (start(command, &pid, &output, err) < 0)
        return -1;
    watch_signals(pid, before);
    auto_close int process = (int)syscall(SYS_pidfd_open, pid, 0);
    int outcome = read_output(output, end_us, out, err);
    if (outcome == 0 && process >= 0 && !wait_ready(process, end_us)) /* it has closed its output and goes on */
        outcome = TOO_LONG;
    if (outcome != 0)
        kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    unwatch_signals(before);
    return judge(command, outcome, status, out->max, err);
}

static int outside_run(void *context, const char *command, struct buf *out, struct error *err)
{
    struct submit_surroundings *s = context;
    size_t from = out->len;
    int outcome;
    if (s->again && recall(s, ANSWER_COMMAND, command, out, &outcome))
        return outcome;
    outcome = run_command(command, out, err);
    if (outcome == 0 && !s->again)
        remember(s, ANSWER_COMMAND, command, out, from, 0);
    return outcome;
}

/* ---- patterns ---- */

struct search {
    enum submit_match kind;
    char **names;
    size_t count, capacity;
    size_t looked_at;
};

static bool has_wildcard(const char *text)
{
    return strpbrk(text, "*?[\\") != NULL;
}

static void found(struct search *search, const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0 && lstat(path, &st) < 0)
        return;
    if ((search->kind == SUBMIT_MATCH_DIRS && !S_ISDIR(st.st_mode)) || (search->kind == SUBMIT_MATCH_FILES && S_ISDIR(st.st_mode)))
        return;
    search->names = mem_grow(search->names, &search->capacity, search->count + 1, sizeof *search->names);
    search->names[search->count++] = mem_dup(path);
}

static int look(struct search *search, const char *path, const char *pattern, struct error *err);

/* Goes on with what is behind the component: `rest` starts with its slash, or is empty. */
static int go_on(struct search *search, const char *path, const char *rest, struct error *err)
{
    size_t slashes = strspn(rest, "/");
    if (!rest[slashes]) {
        found(search, path);
        return 0;
    }
    auto_free char *dir = mem_printf("%s/", path);
    return look(search, dir, rest + slashes, err);
}

static int look_in(struct search *search, DIR *dir, const char *path, const char *component, const char *rest, struct error *err)
{
    for (struct dirent *e; (e = readdir(dir));) {
        if (++search->looked_at > NAMES_LOOKED_AT_MAX)
            return error_set(err, ERR_LIMIT, "the pattern goes over more than %d names; name a directory", NAMES_LOOKED_AT_MAX);
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || !submit_matches(component, e->d_name))
            continue;
        auto_free char *next = mem_printf("%s%s", path, e->d_name);
        if (go_on(search, next, rest, err) < 0)
            return -1;
    }
    return 0;
}

/* `path` is empty or ends in a slash; the pattern goes on behind it. */
static int look(struct search *search, const char *path, const char *pattern, struct error *err)
{
    size_t len = strcspn(pattern, "/");
    auto_free char *component = mem_dup_n(pattern, len);
    if (!has_wildcard(component)) {
        auto_free char *next = mem_printf("%s%s", path, component);
        return go_on(search, next, pattern + len, err);
    }
    DIR *dir = opendir(*path ? path : ".");
    if (!dir)
        return 0;
    int r = look_in(search, dir, path, component, pattern + len, err);
    closedir(dir);
    return r;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int find(const char *pattern, enum submit_match kind, struct buf *out, struct error *err)
{
    struct search search = { .kind = kind };
    size_t root = strspn(pattern, "/");
    int r = strlen(pattern) > PATH_MAX ? error_set(err, ERR_LIMIT, "a pattern is longer than %d bytes", PATH_MAX)
                                       : look(&search, root ? "/" : "", pattern + root, err);
    if (search.count > 0)
        qsort(search.names, search.count, sizeof *search.names, compare_names);
    for (size_t i = 0; i < search.count; i++) {
        if (r == 0)
            buf_add(out, search.names[i], strlen(search.names[i]) + 1);
        free(search.names[i]);
    }
    free(search.names);
    return r;
}

static int outside_match(void *context, const char *pattern, enum submit_match kind, struct buf *out, struct error *err)
{
    struct submit_surroundings *s = context;
    size_t from = out->len;
    int outcome;
    if (s->again && recall(s, ANSWER_PATTERN, pattern, out, &outcome))
        return outcome;
    outcome = find(pattern, kind, out, err);
    if (outcome == 0 && !s->again)
        remember(s, ANSWER_PATTERN, pattern, out, from, 0);
    return outcome;
}

static const char *outside_variable(void *context, const char *name)
{
    (void)context;
    return getenv(name);
}

/* ---- macros ---- */

static void add_macro(struct submit_surroundings *s, const char *name, char *value)
{
    s->macros = mem_grow(s->macros, &s->macro_capacity, s->macro_count + 2, sizeof *s->macros);
    s->macros[s->macro_count++] = (struct submit_macro){ name, value };
    s->macros[s->macro_count] = (struct submit_macro){ NULL, NULL };
}

/* "12" of the line `key="12"` of os-release(5). */
static char *release_value(const char *text, const char *key)
{
    size_t len = strlen(key);
    for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        if (strncmp(line, key, len) != 0 || line[len] != '=')
            continue;
        const char *from = line + len + 1;
        from += *from == '"';
        return mem_dup_n(from, strcspn(from, "\"\n"));
    }
    return mem_dup("");
}

/* The system's name as HTCondor writes it. */
static char *system_name(const char *id)
{
    static const char *const names[][2] = {
        { "debian", "Debian" }, { "ubuntu", "Ubuntu" }, { "rhel", "RedHat" },         { "centos", "CentOS" },
        { "fedora", "Fedora" }, { "rocky", "Rocky" },   { "almalinux", "AlmaLinux" }, { "amzn", "AmazonLinux" },
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i][0], id) == 0)
            return mem_dup(names[i][1]);
    return mem_dup(*id ? id : "Linux");
}

static void add_system(struct submit_surroundings *s)
{
    auto_close int fd = open("/etc/os-release", O_RDONLY | O_CLOEXEC);
    auto_buf struct buf text = { .max = 1 << 20 };
    struct utsname uts;
    if (fd >= 0)
        file_read_fd(fd, &text, NULL);
    auto_free char *id = release_value(buf_cstr(&text), "ID");
    auto_free char *name = system_name(id);
    auto_free char *version = release_value(buf_cstr(&text), "VERSION_ID");
    long major = strtol(version, NULL, 10), minor = strchr(version, '.') ? strtol(strchr(version, '.') + 1, NULL, 10) : 0;
    add_macro(s, "ARCH", mem_dup(uname(&uts) == 0 && strcmp(uts.machine, "x86_64") != 0 ? uts.machine : "X86_64"));
    add_macro(s, "OPSYS", mem_dup("LINUX"));
    add_macro(s, "OPSYSANDVER", mem_printf("%s%ld", name, major));
    add_macro(s, "OPSYSMAJORVER", mem_printf("%ld", major));
    add_macro(s, "OPSYSVER", mem_printf("%ld", major * 100 + minor));
    add_macro(s, "IsLinux", mem_dup("true"));
    add_macro(s, "IsWindows", mem_dup("false"));
}

static void add_day(struct submit_surroundings *s)
{
    time_t now = (time_t)(clock_wall_us() / 1000000);
    struct tm tm;
    localtime_r(&now, &tm);
    add_macro(s, "SUBMIT_TIME", mem_printf("%lld", (long long)now));
    add_macro(s, "YEAR", mem_printf("%04d", tm.tm_year + 1900));
    add_macro(s, "MONTH", mem_printf("%02d", tm.tm_mon + 1));
    add_macro(s, "DAY", mem_printf("%02d", tm.tm_mday));
}

void submit_surroundings_init(struct submit_surroundings *s, const char *cwd, const char *file)
{
    s->outside = (struct submit_outside){
        .context = s, .read = outside_read, .run = outside_run, .match = outside_match, .variable = outside_variable,
    };
    s->stdin_is_taken = file && strcmp(file, "-") == 0;
    bool named = file && !s->stdin_is_taken;
    add_macro(s, "SUBMIT_FILE", !named ? mem_dup("") : *file == '/' ? mem_dup(file) : mem_printf("%s/%s", strcmp(cwd, "/") == 0 ? "" : cwd, file));
    add_system(s);
    add_day(s);
}

void submit_surroundings_release(struct submit_surroundings *s)
{
    forget_answers(s);
    for (size_t i = 0; i < s->macro_count; i++)
        free((char *)(uintptr_t)s->macros[i].value);
    free(s->macros);
    *s = (struct submit_surroundings){ 0 };
}
