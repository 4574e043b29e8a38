#include "store/remote_keys.h"

#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <string.h>

enum { FILE_MAX_BYTES = 16 << 10 };

static void release_text(char **text)
{
    if (*text)
        explicit_bzero(*text, strlen(*text));
    free(steal(*text));
}

void remote_keys_release(struct remote_keys *keys)
{
    release_text(&keys->access);
    release_text(&keys->secret);
    release_text(&keys->token);
}

/* A key travels in a header line: a line end in it would be a header of its own. */
static bool printable(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return len > 0;
}

static char **slot_of(struct remote_keys *keys, const char *name, size_t len)
{
    if (len == 10 && memcmp(name, "access_key", len) == 0)
        return &keys->access;
    if (len == 10 && memcmp(name, "secret_key", len) == 0)
        return &keys->secret;
    if (len == 13 && memcmp(name, "session_token", len) == 0)
        return &keys->token;
    return NULL;
}

/* NAME = VALUE, a comment or nothing. */
static bool read_line(struct remote_keys *keys, const char *line, size_t len)
{
    static const char blank[] = " \t\r";
    const char *end = line + len;
    while (end > line && strchr(blank, end[-1]))
        end--;
    line += strspn(line, blank);
    if (line >= end || *line == '#')
        return true;
    size_t name_len = strcspn(line, " \t=\r\n");
    const char *value = line + name_len;
    value += strspn(value, blank);
    char **slot = slot_of(keys, line, name_len);
    if (!slot || *slot || *value != '=')
        return false;
    value++;
    value += strspn(value, blank);
    if (value >= end || !printable(value, (size_t)(end - value)))
        return false;
    *slot = mem_dup_n(value, (size_t)(end - value));
    return true;
}

static int read_lines(struct remote_keys *keys, const char *text, struct error *err)
{
    for (int number = 1; *text; number++) {
        size_t len = strcspn(text, "\n");
        if (!read_line(keys, text, len))
            return error_set(err, ERR_INVALID, "line %d is not 'access_key = …', 'secret_key = …' or 'session_token = …'",
                             number);
        text += len + (text[len] == '\n');
    }
    if (!keys->access || !keys->secret)
        return error_set(err, ERR_INVALID, "expected lines 'access_key = …' and 'secret_key = …'");
    return 0;
}

static int read_file(const char *path, struct remote_keys *keys, struct error *err)
{
    struct stat st;
    struct buf text = { .max = FILE_MAX_BYTES };
    auto_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_sys(err, "cannot open it");
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERR_INVALID, "it is not a file");
    if (st.st_mode & (S_IRWXG | S_IRWXO))
        return error_set(err, ERR_DENIED, "others may use it: take their rights away with chmod 600");
    int r = file_read_fd(fd, &text, err);
    if (r == 0)
        r = read_lines(keys, buf_cstr(&text), err);
    if (text.data)
        explicit_bzero(text.data, text.len);
    buf_release(&text);
    return r;
}

static int take_variable(const char *name, char **slot, struct error *err)
{
    const char *value = getenv(name);
    if (!value || !*value)
        return 0;
    if (!printable(value, strlen(value)))
        return error_set(err, ERR_INVALID, "%s has characters that no key has", name);
    *slot = mem_dup(value);
    return 0;
}

static int read_environment(struct remote_keys *keys, struct error *err)
{
    if (take_variable("AWS_ACCESS_KEY_ID", &keys->access, err) < 0 ||
        take_variable("AWS_SECRET_ACCESS_KEY", &keys->secret, err) < 0 ||
        take_variable("AWS_SESSION_TOKEN", &keys->token, err) < 0)
        return -1;
    if (!keys->access || !keys->secret)
        return error_set(err, ERR_INVALID,
                         "there are no keys: name a file of credentials or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
    return 0;
}

int remote_keys_read(const char *path, struct remote_keys *keys, struct error *err)
{
    struct remote_keys read = { 0 };
    int r = path ? read_file(path, &read, err) : read_environment(&read, err);
    if (r < 0) {
        remote_keys_release(&read);
        return path ? error_wrap(err, "credentials '%s'", path) : -1;
    }
    *keys = read;
    return 0;
}
