/*
 * skopeo and umoci, so far. They get a clean environment of their own, with the owner's home, where the passwords for
 * registries are, and what the network needs. They die with the worker that waits for them.
 */
#include "runner/tool.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SAID_MAX = 64 << 10, ENVIRONMENT = 24, WORDS_MAX = 400, STATUS_UNABLE = 126 };

static const char usual_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static const char *search_path(void)
{
    const char *path = getenv("PATH");
    return path && *path ? path : usual_path;
}

/* Where the program is; yours, or NULL. */
static char *find_program(const char *name)
{
    for (const char *p = search_path(); *p;) {
        size_t len = strcspn(p, ":");
        auto_free char *file = mem_printf("%.*s/%s", (int)len, p, name);
        if (file[0] == '/' && access(file, X_OK) == 0)
            return steal(file);
        p += len + (p[len] == ':');
    }
    return NULL;
}

char *tool_beside(const char *module, const char *name)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    const char *dir = dirname(self);
    char *beside = mem_printf("%s/%s", dir, name);
    if (access(beside, X_OK) == 0)
        return beside;
    free(beside);
    return mem_printf("%s/../%s/%s", dir, module, name);
}

/* ---- what it said ---- */

static bool is_ornament(unsigned char c)
{
    return c >= 0x80 || isspace(c); /* "⨯", "•" */
}

/* The text of msg="…", with its escapes undone. */
static void copy_message(const char *from, char *out, size_t size)
{
    size_t len = 0;
    for (; *from && *from != '"' && len + 1 < size; from++) {
        if (from[0] == '\\' && from[1])
            from++;
        out[len++] = *from == '\n' ? ' ' : *from;
    }
    out[len] = '\0';
}

void tool_last_words(const char *said, char *out, size_t size)
{
    auto_free char *copy = mem_dup(said);
    char *last = copy;
    size_t len = strlen(copy);
    while (len > 0 && isspace((unsigned char)copy[len - 1]))
        copy[--len] = '\0';
    for (char *p = copy; *p; p++)
        if (*p == '\n' && p[1])
            last = p + 1;
    const char *message = strstr(last, "msg=\"");
    if (message) {
        copy_message(message + 5, out, size);
        return;
    }
    while (*last && is_ornament((unsigned char)*last))
        last++;
    snprintf(out, size, "%s", last);
    for (char *p = out; *p; p++)
        if ((unsigned char)*p < 32 || *p == 127)
            *p = ' ';
}

/* Both programs print errno as Go words it. */
static int errno_of(const char *words)
{
    static const struct {
        const char *text;
        int number;
    } known[] = {
        { "no space left on device", ENOSPC },
        { "disk quota exceeded", EDQUOT },
        { "cannot allocate memory", EAGAIN },
        { "resource temporarily unavailable", EAGAIN },
        { "dial tcp", EAGAIN },
        { "i/o timeout", EAGAIN },
        { "TLS handshake timeout", EAGAIN },
        { "connection reset by peer", EAGAIN },
        { "deadline exceeded", EAGAIN },
        { "toomanyrequests", EAGAIN },
        { "received unexpected HTTP status: 5", EAGAIN },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcasestr(words, known[i].text))
            return known[i].number;
    return 0;
}

static int say_absent(const struct tool *tool, struct error *err)
{
    error_set(err, ERR_CHILD, "the program '%s' is needed for this image and is not installed; as root, run: apt-get install %s", tool->argv[0],
              tool->package);
    err->sys = ENOENT;
    return -1;
}

static int judge(const struct tool *tool, int status, const char *said, struct error *err)
{
    const char *name = tool->argv[0];
    char words[WORDS_MAX];
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_UNABLE)
        return error_set(err, ERR_CHILD, "cannot run '%s' as '%s'", name, tool->owner->name);
    if (WIFSIGNALED(status)) {
        error_set(err, ERR_CHILD, "'%s' died of signal %d (%s)", name, WTERMSIG(status), strsignal(WTERMSIG(status)));
        err->sys = EAGAIN;
        return -1;
    }
    tool_last_words(said, words, sizeof words);
    error_set(err, ERR_CHILD, "%s: %s", name, *words ? words : "it failed and does not say why");
    err->sys = errno_of(words);
    return -1;
}

/* ---- running ---- */

static void build_environment(const struct tool *tool, struct buf *text, char *envp[ENVIRONMENT])
{
    static const char *const passed[] = { "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
                                          "SSL_CERT_FILE", "SSL_CERT_DIR" };
    static const char *const own[] = { "XDG_RUNTIME_DIR", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_CONFIG_HOME" };
    bool same = tool->owner->uid == getuid(); /* else these are somebody else's */
    int count = 0;
    size_t offsets[ENVIRONMENT];
    offsets[count++] = text->len;
    buf_printf(text, "PATH=%s%c", search_path(), '\0');
    offsets[count++] = text->len;
    const char *home = same ? getenv("HOME") : NULL; /* where the names of registries and passwords for them are */
    buf_printf(text, "HOME=%s%c", home && *home ? home : tool->owner->home, '\0');
    offsets[count++] = text->len;
    buf_printf(text, "USER=%s%c", tool->owner->name, '\0');
    offsets[count++] = text->len;
    buf_printf(text, "TMPDIR=.%c", '\0');
    for (size_t i = 0; i < sizeof passed / sizeof passed[0] + sizeof own / sizeof own[0]; i++) {
        size_t n = sizeof passed / sizeof passed[0];
        const char *name = i < n ? passed[i] : own[i - n];
        const char *value = i < n || same ? getenv(name) : NULL;
        if (!value)
            continue;
        offsets[count++] = text->len;
        buf_printf(text, "%s=%s%c", name, value, '\0');
    }
    for (int i = 0; i < count; i++)
        envp[i] = text->data + offsets[i];
    envp[count] = NULL;
}

static void be_tool(const struct tool *tool, const char *program, char *const *envp, int said, pid_t parent)
{
    identity_leave();
    if (identity_become(tool->owner, NULL) < 0 || fchdir(tool->dir) < 0)
        _exit(STATUS_UNABLE);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* after the change of rights, at which the kernel forgets it */
    if (getppid() != parent)
        _exit(STATUS_UNABLE);
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(said, 2) < 0)
        _exit(STATUS_UNABLE);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    execve(program, (char *const *)tool->argv, envp);
    _exit(STATUS_UNABLE);
}

/* The end of what it says: the beginning is dropped when there is too much. */
static void listen_to(int fd, struct buf *said)
{
    char block[4096];
    for (ssize_t n; (n = read(fd, block, sizeof block)) != 0;) {
        if (n < 0 && errno != EINTR)
            return;
        if (n < 0)
            continue;
        if (said->len + (size_t)n > SAID_MAX / 2)
            buf_drop(said, said->len / 2);
        buf_add(said, block, (size_t)n);
    }
}

int tool_run(const struct tool *tool, struct error *err)
{
    auto_buf struct buf said = { .max = SAID_MAX }, text = { .max = 1 << 20 };
    char *envp[ENVIRONMENT];
    int ends[2], status = 0;
    auto_free char *program = find_program(tool->argv[0]);
    if (!program)
        return say_absent(tool, err);
    build_environment(tool, &text, envp);
    if (text.full)
        return error_set(err, ERR_LIMIT, "the environment is too long for '%s'", tool->argv[0]);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_sys(err, "cannot make a pipe");
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        be_tool(tool, program, envp, ends[1], parent);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return error_sys(err, "cannot fork");
    }
    listen_to(ends[0], &said);
    close(ends[0]);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return error_sys(err, "cannot wait for '%s'", tool->argv[0]);
    return judge(tool, status, buf_cstr(&said), err);
}
