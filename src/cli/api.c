/*
 * A connection per question: over a Unix socket it costs some ten microseconds, and an answer that ends with its connection
 * needs no framing. The first connection is made by api_open, which must know anyway whether a pool is there.
 *
 * Starting a pool is left to the program `stint-pool start DIR`, which returns when the socket answers; its words, if it fails,
 * are this client's words. They pass through a memory file, not a pipe: a daemon that kept the write end would keep us waiting.
 */
#include "cli/api.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef STINT_LIBEXEC
#define STINT_LIBEXEC "/usr/libexec/stint"
#endif

static const char machine_directory[] = "/var/lib/stint";
static const char socket_name[] = "pool.sock";
enum { ANSWER_TIMEOUT_S = 60 };

struct api {
    char *directory;
    bool machine_wide;
    enum api_start start;
    int connection; /* the next question's, -1 when it must be made */
};

/* ---- which pool ---- */

static int connect_pool(const char *directory, struct error *err)
{
    auto_close int dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return error_sys(err, "cannot open the pool's directory '%s'", directory);
    return file_connect(dir, socket_name, err);
}

bool api_pool_answers(const char *directory)
{
    auto_close int fd = connect_pool(directory, NULL);
    return fd >= 0;
}

static int absolute(const char *path, char **out, struct error *err)
{
    char cwd[PATH_MAX];
    if (path[0] != '/' && !getcwd(cwd, sizeof cwd))
        return error_sys(err, "cannot find the current directory");
    *out = path[0] == '/' ? mem_dup(path) : mem_printf("%s/%s", cwd, path);
    return 0;
}

static char *own_directory(struct error *err)
{
    const char *state = getenv("XDG_STATE_HOME");
    if (state && state[0] == '/')
        return mem_printf("%s/stint", state);
    const char *home = getenv("HOME");
    if (home && home[0] == '/')
        return mem_printf("%s/.local/state/stint", home);
    error_set(err, ERR_INVALID, "neither STINT_DIR nor HOME says where the pool's directory is: set STINT_DIR");
    return NULL;
}

/* *connection is the machine-wide pool's where finding out meant connecting to it, else untouched. */
static char *find_directory(int *connection, struct error *err)
{
    const char *set = getenv("STINT_DIR");
    char *path = NULL;
    if (set && *set)
        return absolute(set, &path, err) < 0 ? NULL : path;
    if (geteuid() == 0)
        return mem_dup(machine_directory);
    *connection = connect_pool(machine_directory, NULL);
    return *connection >= 0 ? mem_dup(machine_directory) : own_directory(err);
}

char *api_find_directory(struct error *err)
{
    auto_close int connection = -1;
    return find_directory(&connection, err);
}

/* ---- starting it ---- */

/* $STINT_LIBEXEC; beside this program; where an installation or a build has it relative to this one; where it was configured. */
char *api_find_program(const char *name)
{
    static const char *const places[] = { "", "/../libexec/stint", "/../pool", "/../runner", "/../sim" };
    const char *set = getenv("STINT_LIBEXEC");
    if (set && *set)
        return mem_printf("%s/%s", set, name);
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    self[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    for (size_t i = 0; slash && i < sizeof places / sizeof places[0]; i++) {
        auto_free char *path = mem_printf("%s%s/%s", self, places[i], name);
        if (access(path, X_OK) == 0)
            return steal(path);
    }
    return mem_printf("%s/%s", STINT_LIBEXEC, name);
}

static int spawn(const char *program, const char *directory, int err_fd, pid_t *pid, struct error *err)
{
    char *argv[] = { (char *)"stint-pool", (char *)"start", (char *)directory, NULL };
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, err_fd, STDERR_FILENO);
    int r = posix_spawn(pid, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    errno = r;
    return r == 0 ? 0 : error_sys(err, "cannot run '%s'", program);
}

/* What the program said last, without its name and newline. */
static void read_last_line(int fd, char out[256])
{
    char text[2048];
    ssize_t len = pread(fd, text, sizeof text - 1, 0);
    text[len > 0 ? len : 0] = '\0';
    for (size_t end = strlen(text); end > 0 && text[end - 1] == '\n'; end--)
        text[end - 1] = '\0';
    const char *line = strrchr(text, '\n');
    line = line ? line + 1 : text;
    if (strncmp(line, "stint-pool: ", 12) == 0)
        line += 12;
    snprintf(out, 256, "%.255s", line);
}

static int start_pool(const char *directory, struct error *err)
{
    auto_free char *program = api_find_program("stint-pool");
    auto_close int said = memfd_create("stint-pool-stderr", MFD_CLOEXEC);
    pid_t pid;
    if (said < 0)
        return error_sys(err, "cannot make a memory file");
    if (spawn(program, directory, said, &pid, err) < 0)
        return error_wrap(err, "cannot start the pool");
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return error_sys(err, "cannot wait for '%s'", program);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    char text[256];
    read_last_line(said, text);
    if (text[0])
        return error_set(err, ERR_CHILD, "cannot start the pool: %s", text);
    if (WIFSIGNALED(status))
        return error_set(err, ERR_CHILD, "cannot start the pool: '%s' died of signal %d", program, WTERMSIG(status));
    return error_set(err, ERR_CHILD, "cannot start the pool: '%s' ended with exit status %d", program, WEXITSTATUS(status));
}

static bool wanted(const char *directory)
{
    auto_free char *path = mem_printf("%s/pool.wanted", directory);
    return access(path, F_OK) == 0;
}

static int connect_or_start(struct api *api, struct error *err)
{
    struct error why;
    int fd = connect_pool(api->directory, &why);
    if (fd >= 0) {
        api->connection = fd;
        return 0;
    }
    if (why.sys != ENOENT && why.sys != ECONNREFUSED) {
        *err = why;
        return -1;
    }
    if (api->start == API_START_NEVER || (api->start == API_START_IF_WANTED && !wanted(api->directory)))
        return error_set(err, ERR_SYSTEM,
                         "no pool is running; it starts with the first 'stint submit' or with 'stint pool start'");
    if (start_pool(api->directory, err) < 0)
        return -1;
    fd = connect_pool(api->directory, err);
    if (fd < 0)
        return error_wrap(err, "the pool was started and does not answer");
    api->connection = fd;
    return 0;
}

/* A pool of root's elsewhere that lets others in is one for many users too. */
static bool is_of_root(const char *directory)
{
    struct stat st;
    return geteuid() != 0 && stat(directory, &st) == 0 && st.st_uid == 0;
}

int api_open(enum api_start start, struct api **out, struct error *err)
{
    auto_api struct api *api = mem_new(struct api);
    api->connection = -1;
    api->start = start;
    api->directory = find_directory(&api->connection, err);
    if (!api->directory)
        return -1;
    if (api->connection < 0 && connect_or_start(api, err) < 0)
        return -1;
    api->machine_wide = strcmp(api->directory, machine_directory) == 0 || is_of_root(api->directory);
    *out = steal(api);
    return 0;
}

void api_close_pointer(struct api **api)
{
    if (!*api)
        return;
    file_close(&(*api)->connection);
    free((*api)->directory);
    free(*api);
    *api = NULL;
}

const char *api_directory(const struct api *api)
{
    return api->directory;
}

bool api_machine_wide(const struct api *api)
{
    return api->machine_wide;
}

/* ---- questions ---- */

/* A pool that refuses a long request answers before it has read it: a broken pipe is no error yet, there may be an answer. */
static int send_all(int fd, const struct buf *request, struct error *err)
{
    for (size_t at = 0; at < request->len;) {
        ssize_t n = send(fd, request->data + at, request->len - at, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
            return 0;
        if (n < 0)
            return error_sys(err, "cannot send to the pool");
        at += (size_t)n;
    }
    return 0;
}

static int receive(int fd, struct api_answer *answer, int timeout_s, struct error *err)
{
    struct timeval limit = { .tv_sec = timeout_s };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    auto_free char *block = mem_zero(1, 65536);
    answer->raw.max = (size_t)HTTP_BODY_MAX + HTTP_HEAD_MAX + 65536;
    for (;;) {
        ssize_t n = recv(fd, block, 65536, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return error_set(err, ERR_LIMIT, "the pool did not answer within %d s", timeout_s);
        if (n < 0 && errno != ECONNRESET)
            return error_sys(err, "cannot read the pool's answer");
        if (n > 0)
            buf_add(&answer->raw, block, (size_t)n);
        int r = http_parse(buf_cstr(&answer->raw), answer->raw.len, n <= 0, &answer->http, err);
        if (r != HTTP_PARTIAL)
            return r;
    }
}

static int refusal(const struct api_answer *answer, struct error *err)
{
    auto_ad struct ad *ad = NULL;
    const char *text = NULL;
    if (ad_parse_json(answer->http.body, answer->http.body_len, &ad, NULL) == 0)
        text = ad_string(ad, "Error", NULL);
    if (!text)
        return error_set(err, ERR_SYSTEM, "the pool answered with status %d and no reason", answer->http.status);
    return error_set(err, error_kind_from_name(ad_string(ad, "Kind", NULL)), "%s", text);
}

/* Positive = the connection broke before there was a whole answer, err filled. */
static int ask_once(struct api *api, const struct buf *request, int timeout_s, struct api_answer *answer, struct error *err)
{
    api_answer_release(answer);
    if (api->connection < 0 && connect_or_start(api, err) < 0)
        return -1;
    auto_close int fd = steal_fd(&api->connection);
    if (send_all(fd, request, err) < 0)
        return -1;
    if (receive(fd, answer, timeout_s, err) < 0)
        return err->kind == ERR_SYSTEM && err->sys == 0 ? 1 : -1;
    return answer->http.status >= 400 ? refusal(answer, err) : 0;
}

static int ask(struct api *api, const char *method, const char *target, const struct buf *body, int timeout_s,
               struct api_answer *answer, struct error *err)
{
    auto_buf struct buf request = { .max = (size_t)1 << 30 };
    struct error why = { 0 };
    http_request(&request, method, target, body);
    if (request.full)
        return error_set(err, ERR_LIMIT, "the request is larger than 1 GiB");
    int r = ask_once(api, &request, timeout_s, answer, &why);
    if (r > 0 && strcmp(method, "GET") == 0)
        r = ask_once(api, &request, timeout_s, answer, &why);
    if (r == 0)
        return 0;
    if (r > 0 && strcmp(method, "GET") != 0)
        error_set(err, why.kind, "%s; whether it was done can be seen with 'stint q'", why.text);
    else if (err)
        *err = why;
    return -1;
}

int api_get(struct api *api, const char *target, struct api_answer *answer, struct error *err)
{
    return ask(api, "GET", target, NULL, ANSWER_TIMEOUT_S, answer, err);
}

int api_get_waiting(struct api *api, const char *target, int wait_s, struct api_answer *answer, struct error *err)
{
    return ask(api, "GET", target, NULL, ANSWER_TIMEOUT_S + wait_s, answer, err);
}

int api_post(struct api *api, const char *target, const struct ad *body, struct api_answer *answer, struct error *err)
{
    auto_buf struct buf text = { .max = (size_t)1 << 30 };
    if (body)
        ad_print_json(body, &text);
    else
        buf_text(&text, "{}");
    return ask(api, "POST", target, &text, ANSWER_TIMEOUT_S, answer, err);
}

/* 0, HTTP_PARTIAL, or a refusal, which is read whole. */
static int read_head(const struct buf *raw, bool ended, struct http_response *head, struct error *err)
{
    int r = http_parse_head(buf_cstr(raw), raw->len, ended, head, err);
    if (r != 0 || head->status < 400)
        return r;
    struct api_answer answer = { 0 };
    r = http_parse(buf_cstr(raw), raw->len, ended, &answer.http, err);
    return r == 0 ? refusal(&answer, err) : r;
}

static int receive_head(int fd, struct buf *early, struct error *err)
{
    auto_buf struct buf raw = { .max = (size_t)HTTP_HEAD_MAX + (1 << 20) };
    struct http_response head;
    char block[4096];
    for (;;) {
        ssize_t n = recv(fd, block, sizeof block, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != ECONNRESET)
            return error_sys(err, "cannot read the pool's answer");
        if (n > 0)
            buf_add(&raw, block, (size_t)n);
        int r = read_head(&raw, n <= 0, &head, err);
        if (r == HTTP_PARTIAL)
            continue;
        if (r == 0)
            buf_add(early, head.body, head.body_len);
        return r;
    }
}

int api_post_open(struct api *api, const char *target, const struct ad *body, struct buf *early, struct error *err)
{
    auto_buf struct buf text = { .max = (size_t)64 << 20 }, request = { .max = (size_t)64 << 20 };
    ad_print_json(body, &text);
    http_request(&request, "POST", target, &text);
    if (text.full || request.full)
        return error_set(err, ERR_LIMIT, "the request is larger than 64 MiB");
    if (api->connection < 0 && connect_or_start(api, err) < 0)
        return -1;
    auto_close int fd = steal_fd(&api->connection);
    if (send_all(fd, &request, err) < 0 || receive_head(fd, early, err) < 0)
        return -1;
    return steal_fd(&fd);
}

int api_ad(const struct api_answer *answer, struct ad **ad, struct error *err)
{
    if (ad_parse_json(answer->http.body, answer->http.body_len, ad, err) < 0)
        return error_wrap(err, "the pool's answer makes no sense");
    return 0;
}

int api_get_ad(struct api *api, const char *target, struct ad **ad, struct error *err)
{
    auto_api_answer struct api_answer answer = { 0 };
    if (api_get(api, target, &answer, err) < 0)
        return -1;
    return api_ad(&answer, ad, err);
}

void api_print_json(const struct api_answer *answer)
{
    fwrite(answer->http.body, 1, answer->http.body_len, stdout);
    if (answer->http.body_len == 0 || answer->http.body[answer->http.body_len - 1] != '\n')
        putchar('\n');
}

void api_answer_release(struct api_answer *answer)
{
    buf_release(&answer->raw);
    *answer = (struct api_answer){ 0 };
}
