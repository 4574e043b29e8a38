#include "engine/mapped.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/units.h"
#include "context/tree.h"
#include "engine/buildid.h"
#include "engine/maps.h"
#include "store/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { HEAD_BYTES = 1 << 20 };

void mapped_release(struct mapped_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->files[i].path);
        free(list->files[i].why);
    }
    free(list->files);
    *list = (struct mapped_list){ 0 };
}

static struct mapped_file *add(struct mapped_list *list, const char *path)
{
    list->files = mem_grow(list->files, &list->capacity, list->count + 1, sizeof *list->files);
    struct mapped_file *file = &list->files[list->count++];
    *file = (struct mapped_file){ .path = mem_dup(path) };
    return file;
}

/* ---- one file ---- */

/* A container's absolute links lead into the container, not out of it. */
static int open_in(int root_dir, const char *path)
{
    struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, .resolve = RESOLVE_IN_ROOT };
    return (int)syscall(SYS_openat2, root_dir, path, &how, sizeof how);
}

static bool digest_head(int fd, char out[MAPPED_ID_MAX])
{
    auto_free unsigned char *head = malloc(HEAD_BYTES);
    struct digest digest;
    ssize_t n;
    size_t len = 0;
    while (head && len < HEAD_BYTES && (n = pread(fd, head + len, HEAD_BYTES - len, (off_t)len)) > 0)
        len += (size_t)n;
    if (!head)
        return false;
    digest_of(head, len, &digest);
    snprintf(out, MAPPED_ID_MAX, "sha256:");
    for (size_t i = 0; i < sizeof digest.bytes; i++)
        snprintf(out + 7 + 2 * i, 3, "%02x", digest.bytes[i]);
    return true;
}

/* Size and id of a file; false when it is not there, cannot be read or is no file. */
static bool identify(int root_dir, const char *path, int64_t *size, char id[MAPPED_ID_MAX])
{
    struct stat st;
    char build[BUILDID_TEXT_MAX];
    auto_close int fd = open_in(root_dir, path);
    if (fd < 0 || fstat(fd, &st) < 0)
        return false;
    if (!S_ISREG(st.st_mode)) {
        errno = ENOENT;
        return false;
    }
    *size = st.st_size;
    if (!buildid_of_file(fd, build))
        return digest_head(fd, id);
    snprintf(id, MAPPED_ID_MAX, "build-id:%s", build);
    return true;
}

/* ---- what a tree has ---- */

struct collection {
    const char *const *captured;
    pid_t root;
    struct mapped_list list; /* of paths */
    struct seen {
        dev_t dev;
        ino_t ino;
    } *seen; /* of the file in `list` at the same place */
    size_t seen_capacity;
};

static bool is_below(const char *const *captured, const char *path)
{
    for (; captured && *captured; captured++) {
        size_t len = strlen(*captured);
        if (strncmp(path, *captured, len) == 0 && (path[len] == '/' || path[len] == '\0'))
            return true;
    }
    return false;
}

static bool is_removed(const char *path)
{
    static const char mark[] = " (deleted)";
    size_t len = strlen(path);
    return len >= sizeof mark && strcmp(path + len - (sizeof mark - 1), mark) == 0;
}

static void collect_line(void *data, const struct maps_line *line)
{
    struct collection *c = data;
    if (line->path[0] != '/' || is_removed(line->path) || c->list.count == MAPPED_FILES_MAX)
        return;
    for (size_t i = c->list.count; i-- > 0;)
        if (c->seen[i].ino == line->ino && c->seen[i].dev == line->dev)
            return;
    if (is_below(c->captured, line->path))
        return;
    c->seen = mem_grow(c->seen, &c->seen_capacity, c->list.count + 1, sizeof *c->seen);
    c->seen[c->list.count] = (struct seen){ line->dev, line->ino };
    add(&c->list, line->path);
}

/* Names that a process has in a mount namespace of its own mean something else to the rest. */
static bool has_same_mounts(pid_t a, pid_t b)
{
    char path[64], of_a[64], of_b[64];
    snprintf(path, sizeof path, "/proc/%d/ns/mnt", (int)a);
    ssize_t len_a = readlink(path, of_a, sizeof of_a);
    snprintf(path, sizeof path, "/proc/%d/ns/mnt", (int)b);
    ssize_t len_b = readlink(path, of_b, sizeof of_b);
    return len_a > 0 && len_a == len_b && memcmp(of_a, of_b, (size_t)len_a) == 0;
}

static void collect_process(void *data, pid_t pid)
{
    char path[64];
    const struct collection *c = data;
    if (!has_same_mounts(pid, c->root))
        return;
    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    auto_close int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0)
        maps_each(dir, collect_line, data);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct mapped_file *)a)->path, ((const struct mapped_file *)b)->path);
}

/* A name is the job's word, which it can give to any file: its owner has to be able to read it. */
static int identify_all(const struct mapped_list *paths, int root_dir, const struct identity *owner, struct mapped_list *out, struct error *err)
{
    if (owner && identity_enter(owner, err) < 0)
        return -1;
    for (size_t i = 0; i < paths->count; i++) {
        struct mapped_file file = { 0 };
        if (!identify(root_dir, paths->files[i].path, &file.size, file.id))
            continue;
        struct mapped_file *added = add(out, paths->files[i].path);
        added->size = file.size;
        memcpy(added->id, file.id, sizeof file.id);
    }
    identity_leave();
    return 0;
}

int mapped_collect(pid_t root, const char *const *captured, const struct identity *owner, struct mapped_list *out, struct error *err)
{
    struct collection c = { .captured = captured, .root = root };
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/root", (int)root);
    auto_close int root_dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root_dir < 0)
        return error_sys(err, "cannot look into process %d", (int)root);
    tree_each(root, collect_process, &c);
    free(c.seen);
    *out = (struct mapped_list){ 0 };
    int result = identify_all(&c.list, root_dir, owner, out, err);
    mapped_release(&c.list);
    if (out->count)
        qsort(out->files, out->count, sizeof *out->files, by_path);
    return result;
}

/* ---- in a manifest ---- */

void mapped_print(const struct mapped_list *list, struct ad *ad, const char *attribute)
{
    ad_make_list(ad, attribute);
    for (size_t i = 0; i < list->count; i++) {
        const struct mapped_file *file = &list->files[i];
        auto_free char *text = mem_printf("%" PRId64 " %s %s", file->size, file->id, file->path);
        ad_append_string(ad, attribute, text);
    }
}

/* Absolute, and without a way back up. */
static bool is_plain(const char *path)
{
    for (const char *at = path; at; at = strchr(at + 1, '/'))
        if (strncmp(at, "/..", 3) == 0 && (at[3] == '/' || at[3] == '\0'))
            return false;
    return path[0] == '/';
}

static bool parse_one(const char *text, struct mapped_list *out)
{
    char *end, id[MAPPED_ID_MAX];
    errno = 0;
    long long size = strtoll(text, &end, 10);
    if (errno || end == text || size < 0 || *end != ' ')
        return false;
    size_t len = strcspn(end + 1, " ");
    const char *path = end + 1 + len;
    if (len == 0 || len >= sizeof id || path[0] != ' ' || !is_plain(path + 1) || strlen(path + 1) >= PATH_MAX)
        return false;
    snprintf(id, sizeof id, "%.*s", (int)len, end + 1);
    if (strncmp(id, "build-id:", 9) != 0 && strncmp(id, "sha256:", 7) != 0)
        return false;
    struct mapped_file *file = add(out, path + 1);
    file->size = size;
    memcpy(file->id, id, sizeof id);
    return true;
}

int mapped_parse(const struct ad *ad, const char *attribute, struct mapped_list *out, struct error *err)
{
    auto_mapped struct mapped_list list = { 0 };
    size_t count = ad_list_count(ad, attribute);
    if (count > MAPPED_FILES_MAX)
        return error_set(err, ERR_LIMIT, "a checkpoint needs more than %d files of the machine", MAPPED_FILES_MAX);
    for (size_t i = 0; i < count; i++) {
        const char *text = ad_list_string(ad, attribute, i);
        if (!text || !parse_one(text, &list))
            return error_set(err, ERR_CORRUPT, "the list of the machine's files that a checkpoint needs is damaged at '%.100s'", text ? text : "?");
    }
    *out = list;
    list = (struct mapped_list){ 0 };
    return 0;
}

/* ---- here and there ---- */

/* "build-id ab12cd34…" */
static void short_id(const char *id, char out[48])
{
    const char *colon = strchr(id, ':');
    snprintf(out, 48, "%.*s %.12s…", (int)(colon - id), id, colon + 1);
}

static char *describe(const struct mapped_file *want, bool there, int reason, const struct mapped_file *have)
{
    char size[UNITS_TEXT_MAX], here_size[UNITS_TEXT_MAX], id[48], here_id[48];
    short_id(want->id, id);
    units_bytes(want->size, size);
    if (!there)
        return mem_printf("needs '%s' with %s (%s), which is not here: %s", want->path, id, size, strerror(reason));
    short_id(have->id, here_id);
    return mem_printf("needs '%s' with %s (%s), here it has %s (%s)", want->path, id, size, here_id, units_bytes(have->size, here_size));
}

int mapped_compare(const struct mapped_list *list, int root_dir, struct mapped_list *differ, struct error *err)
{
    (void)err;
    *differ = (struct mapped_list){ 0 };
    for (size_t i = 0; i < list->count; i++) {
        const struct mapped_file *want = &list->files[i];
        struct mapped_file have = { 0 };
        bool there = identify(root_dir, want->path, &have.size, have.id);
        int reason = errno;
        if (there && have.size == want->size && strcmp(have.id, want->id) == 0)
            continue;
        struct mapped_file *file = add(differ, want->path);
        file->size = want->size;
        memcpy(file->id, want->id, sizeof want->id);
        file->why = describe(want, there, reason, &have);
    }
    return 0;
}
