#include "store/seal.h"

#include "base/buf.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/memops.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static int read_key(const char *path, struct seal *seal, struct error *err)
{
    struct stat st;
    struct digest key;
    auto_buf struct buf text = { .max = 4096 };
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return STORE_ABSENT;
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_sys(err, "cannot open the key '%s'", path);
    if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0)
        return error_set(err, ERR_DENIED, "the key '%s' must be a file that only its owner can read: chmod 600 it", path);
    if (file_read_fd(fd, &text, err) < 0)
        return error_wrap(err, "the key '%s'", path);
    if (text.len != 65 || text.data[64] != '\n' || !digest_read(text.data, 64, &key))
        return error_set(err, ERR_CORRUPT, "'%s' is not a key: it has to be 64 hexadecimal digits in a line", path);
    memcpy(seal->key, key.bytes, sizeof seal->key);
    explicit_bzero(&key, sizeof key);
    explicit_bzero(text.data, text.len);
    return 0;
}

/* A link gives it its name: who comes second finds it taken, and reads what the first has written. */
static int make_key(const char *path, struct error *err)
{
    struct digest key;
    char text[66];
    const char *slash = strrchr(path, '/');
    auto_free char *dir_path = slash && slash > path ? mem_dup_n(path, (size_t)(slash - path)) : mem_dup(slash ? "/" : ".");
    auto_free char *temp = mem_printf("%s.%d.tmp", path, (int)getpid());
    if (getrandom(key.bytes, sizeof key.bytes, 0) != (ssize_t)sizeof key.bytes)
        return error_sys(err, "cannot get random bytes for a key");
    digest_print(&key, text);
    text[64] = '\n';
    unlink(temp);
    auto_close int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || fault_point("store.key.write") < 0)
        return error_sys(err, "cannot make the key '%s'", path);
    int r = file_write_all(fd, text, 65, err);
    if (r == 0)
        r = file_sync(fd, temp, err);
    if (r == 0 && fault_point("store.key.link") < 0)
        r = error_sys(err, "cannot make the key '%s'", path);
    if (r == 0 && link(temp, path) < 0 && errno != EEXIST)
        r = error_sys(err, "cannot make the key '%s'", path);
    unlink(temp);
    auto_close int dir = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r == 0 && dir >= 0)
        r = file_sync(dir, dir_path, err);
    return r;
}

int seal_open(const char *path, bool make, struct seal *seal, struct error *err)
{
    int r = read_key(path, seal, err);
    if (r == STORE_ABSENT && make) {
        if (make_key(path, err) < 0)
            return -1;
        r = read_key(path, seal, err);
    }
    return r == STORE_ABSENT ? error_set(err, ERR_INVALID, "there is no key '%s'", path) : r;
}

void seal_begin(const struct seal *seal, const char *purpose, struct hmac_sha256_ctx *ctx)
{
    hmac_sha256_set_key(ctx, sizeof seal->key, seal->key);
    hmac_sha256_update(ctx, strlen(purpose) + 1, (const uint8_t *)purpose);
}

void seal_end(struct hmac_sha256_ctx *ctx, struct digest *mac)
{
    hmac_sha256_digest(ctx, sizeof mac->bytes, mac->bytes);
}

void seal_of(const struct seal *seal, const char *purpose, const void *data, size_t len, struct digest *mac)
{
    struct hmac_sha256_ctx ctx;
    seal_begin(seal, purpose, &ctx);
    hmac_sha256_update(&ctx, len, data);
    seal_end(&ctx, mac);
}

bool seal_same(const struct digest *a, const struct digest *b)
{
    return memeql_sec(a, b, sizeof *a);
}

uint64_t seal_seed(const struct seal *seal)
{
    struct digest mac;
    uint64_t seed;
    seal_of(seal, "fingerprint", "", 0, &mac);
    memcpy(&seed, mac.bytes, sizeof seed);
    return seed;
}
