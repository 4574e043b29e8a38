/*
 * From the name of an image to a tree:
 *
 *   layout     the index tells the content; if there is no tree of it yet, umoci unpacks it from where it is
 *   archive    skopeo makes a layout of it, which goes the same way. A note beside the trees says what an archive with that
 *              size and these times was found to be, so that the next job need not read it
 *   registry   the same; what was fetched once is used again, unless the job says docker_pull_policy = always
 *   directory  is the tree
 *
 * The programs see fixed names (links in a directory of ours), never what the user wrote: a path with a colon, or one that
 * begins with a dash, would mean something else to them. They run as the owner, and all is read with his rights.
 *
 * As a single user may own files in a tree that is unpacked without privileges, every file is the owner's; device files become
 * empty ones, which is no loss, as /dev is mounted.
 */
#include "runner/image.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "context/rootfs.h"
#include "job/image.h"
#include "runner/oci.h"
#include "runner/runner.h"
#include "runner/tool.h"
#include "store/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOTE "image" /* in the job's directory */

enum { TEXT_MAX = 4 << 20, HEX = 65 };

struct search {
    struct runner *r;
    const char *text;        /* as the job has it */
    bool docker, always;
    struct image_name name;
    char *path;              /* of what is no registry's, absolute */
    const char *cache_path;
    int cache;
    struct ad *pinned;       /* the note of earlier stints, or NULL */
    struct oci_image image;  /* what was found */
    char *root;              /* of a directory that is used in place */
    int lock;
};

static void search_release(struct search *s)
{
    image_name_release(&s->name);
    free(s->path);
    file_close(&s->cache);
    ad_free(s->pinned);
    oci_image_release(&s->image);
    free(s->root);
}

bool image_may_mend(const struct error *err)
{
    return err->sys == ENOSPC || err->sys == EDQUOT || err->sys == EAGAIN;
}

/* ---- notes ---- */

static void put_words(struct ad *note, const char *name, const struct command_list *words)
{
    ad_make_list(note, name);
    for (size_t i = 0; i < words->count; i++)
        ad_append_string(note, name, words->items[i]);
}

static struct ad *note_of(const struct oci_image *image)
{
    struct ad *note = ad_new();
    ad_set_string(note, "Key", image->key);
    ad_set_string(note, "Digest", image->digest);
    put_words(note, "Env", &image->env);
    put_words(note, "Entrypoint", &image->entrypoint);
    put_words(note, "Cmd", &image->cmd);
    if (image->workdir)
        ad_set_string(note, "WorkingDir", image->workdir);
    if (image->user)
        ad_set_string(note, "User", image->user);
    return note;
}

static void get_words(const struct ad *note, const char *name, struct command_list *out)
{
    for (size_t i = 0; i < ad_list_count(note, name); i++)
        command_list_add(out, ad_list_string(note, name, i));
}

static char *get_word(const struct ad *note, const char *name)
{
    const char *text = ad_string(note, name, NULL);
    return text ? mem_dup(text) : NULL;
}

static void image_of_note(const struct ad *note, struct oci_image *image)
{
    oci_image_release(image);
    snprintf(image->key, sizeof image->key, "%s", ad_string(note, "Key", ""));
    snprintf(image->digest, sizeof image->digest, "%s", ad_string(note, "Digest", ""));
    get_words(note, "Env", &image->env);
    get_words(note, "Entrypoint", &image->entrypoint);
    get_words(note, "Cmd", &image->cmd);
    image->workdir = get_word(note, "WorkingDir");
    image->user = get_word(note, "User");
}

/* A note that can not be read is none. */
static struct ad *read_note(int dir, const char *name)
{
    auto_buf struct buf text = { .max = TEXT_MAX };
    struct error ignored;
    struct ad *note = NULL;
    auto_close int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || file_read_fd(fd, &text, &ignored) < 0 || ad_parse_json(buf_cstr(&text), text.len, &note, &ignored) < 0)
        return NULL;
    return note;
}

static int write_note(int dir, const char *name, const struct ad *note, struct error *err)
{
    auto_buf struct buf text = { .max = TEXT_MAX };
    ad_print_json(note, &text);
    return file_replace(dir, name, buf_cstr(&text), text.len, 0600, "image.note", err);
}

/* What the image was found to be when it was last looked at is noted under a name made from its own. */
static void source_name(const struct search *s, const char *prefix, char *out, size_t size)
{
    char hex[HEX];
    struct digest digest;
    auto_free char *id = mem_printf("%d\n%s\n%s\n%s", s->name.kind, s->name.format ? s->name.format : "", s->path ? s->path : s->name.place,
                                    s->name.tag ? s->name.tag : "");
    digest_of(id, strlen(id), &digest);
    snprintf(out, size, "%s%.32s", prefix, digest_print(&digest, hex));
}

/* Changes when the source does; "" for a registry, which is not asked again. */
static char *stamp_of(const struct search *s)
{
    struct stat st;
    auto_free char *index = s->path ? mem_printf("%s%s", s->path, s->name.kind == IMAGE_LAYOUT ? "/index.json" : "") : NULL;
    if (!index || stat(index, &st) < 0)
        return mem_dup("");
    return mem_printf("%lld:%lld:%lld:%lld.%09ld:%lld.%09ld", (long long)st.st_dev, (long long)st.st_ino, (long long)st.st_size,
                      (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
}

/* ---- trees ---- */

static int hold(struct search *s, struct error *err)
{
    return rootfs_hold(s->cache, s->image.key, &s->lock, err);
}

/* 0: the tree that the note is about is there, and held. */
static int hold_noted(struct search *s, const struct ad *note, struct error *err)
{
    if (!note || !ad_string(note, "Key", "")[0])
        return ROOTFS_ABSENT;
    image_of_note(note, &s->image);
    return hold(s, err);
}

static int hold_known(struct search *s, struct error *err)
{
    char name[64];
    if (s->name.kind == IMAGE_REGISTRY && s->always)
        return ROOTFS_ABSENT;
    source_name(s, "from.", name, sizeof name);
    auto_ad struct ad *note = read_note(s->cache, name);
    auto_free char *stamp = stamp_of(s);
    if (!note || strcmp(ad_string(note, "Stamp", ""), stamp) != 0)
        return ROOTFS_ABSENT;
    int result = hold_noted(s, note, err);
    if (result == 0)
        utimensat(s->cache, name, NULL, AT_SYMLINK_NOFOLLOW);
    return result;
}

/* skopeo repeats the name, which the sentence has already. */
static void drop_source(char *text)
{
    static const char words[] = "initializing source ";
    char *from = strstr(text, words), *to = from ? strstr(from, ": ") : NULL;
    if (to)
        memmove(from, to + 2, strlen(to + 2) + 1);
}

/* A tool's failure in words of ours, where it is about the image and not about the machine. */
static int explain(const char *what, struct error *err)
{
    drop_source(err->text);
    struct error said = *err;
    if (said.sys == 0)
        return error_set(err, ERR_INVALID, "%s (%s)", what, said.text);
    return -1;
}

static int unpack(struct search *s, const struct rootfs_new *made, const char *layout, struct error *err)
{
    auto_free char *image = mem_printf("layout:%s", s->image.tag);
    const char *const argv[] = { "umoci", "raw", "unpack", "--rootless", "--image", image, "root", NULL };
    struct tool tool = { .package = "umoci", .argv = argv, .dir = made->dir, .owner = &s->r->owner };
    if (fault_point("image.unpack") < 0 || symlinkat(layout, made->dir, "layout") < 0)
        return error_sys(err, "cannot unpack it");
    if (tool_run(&tool, err) < 0)
        return explain("it cannot be unpacked, or it is damaged", err);
    unlinkat(made->dir, "layout", 0);
    return 0;
}

/* Somebody may write into the layout while it is read. */
static int check_unchanged(const struct search *s, int layout, struct error *err)
{
    auto_oci_image struct oci_image again = { 0 };
    int result = oci_read(layout, s->image.tag, &again, err);
    if (result == 0 && strcmp(again.key, s->image.key) == 0)
        return 0;
    if (result >= 0)
        error_set(err, ERR_SYSTEM, "it changed while it was unpacked");
    if (err)
        err->sys = EAGAIN;
    return -1;
}

/* The tree of s->image, unpacked from that layout unless it is there. */
static int take_tree(struct search *s, int layout, const char *layout_path, struct error *err)
{
    for (;;) {
        int result = hold(s, err);
        if (result != ROOTFS_ABSENT)
            return result;
        struct rootfs_new made = { 0 };
        result = rootfs_begin(s->cache, s->image.key, &made, err);
        if (result == 0)
            result = unpack(s, &made, layout_path, err);
        if (result == 0)
            result = check_unchanged(s, layout, err);
        if (result == 0)
            result = rootfs_commit(&made, err);
        rootfs_drop(&made);
        if (result < 0)
            return -1;
    }
}

/* ---- sources ---- */

/* How skopeo names the source, relative to a directory that has a link to it. Yours. */
static char *source_of(const struct search *s)
{
    const char *colon = s->name.tag ? ":" : "", *tag = s->name.tag ? s->name.tag : "";
    if (s->name.kind == IMAGE_REGISTRY)
        return mem_printf("docker://%s", s->name.place);
    if (s->name.kind == IMAGE_LAYOUT)
        return mem_printf("oci:source%s%s", colon, tag);
    return mem_printf("%s:source%s%s", s->name.format ? s->name.format : "docker-archive", colon, tag);
}

/* Signatures are for registries: what lies in a file the owner could change anyway. */
static int copy(struct search *s, const struct rootfs_new *place, struct error *err)
{
    auto_free char *source = source_of(s);
    const char *const fetch[] = { "skopeo", "--command-timeout", "2h", "copy", "--quiet", "--dest-compress-level", "1", source, "oci:image:image", NULL };
    const char *const convert[] = { "skopeo", "--insecure-policy", "copy", "--quiet", "--dest-compress-level", "1", source, "oci:image:image", NULL };
    bool remote = s->name.kind == IMAGE_REGISTRY;
    struct tool tool = { .package = "skopeo", .argv = remote ? fetch : convert, .dir = place->dir, .owner = &s->r->owner };
    if (fault_point("image.copy") < 0 || (!remote && symlinkat(s->path, place->dir, "source") < 0))
        return error_sys(err, "cannot copy it");
    if (tool_run(&tool, err) < 0)
        return explain(remote ? "it cannot be fetched" : s->name.kind == IMAGE_LAYOUT ? "it cannot be read, or it is damaged"
                                                       : "it is no docker archive, or it is damaged", err);
    return 0;
}

static int note_source(const struct search *s, const char *stamp, struct error *err)
{
    char name[64];
    source_name(s, "from.", name, sizeof name);
    auto_ad struct ad *note = note_of(&s->image);
    ad_set_string(note, "Stamp", stamp);
    return write_note(s->cache, name, note, err);
}

static int take_copy(struct search *s, const struct rootfs_new *place, struct error *err)
{
    auto_free char *stamp = stamp_of(s);
    auto_free char *path = mem_printf("%s/new.%s/image", s->cache_path, place->key);
    if (copy(s, place, err) < 0)
        return -1;
    auto_close int layout = openat(place->dir, "image", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (layout < 0)
        return error_sys(err, "skopeo made no layout of it");
    oci_image_release(&s->image);
    int result = oci_read(layout, "image", &s->image, err);
    if (result == OCI_INDIRECT)
        return error_set(err, ERR_INVALID, "it is not an image for this machine");
    if (result < 0 || take_tree(s, layout, path, err) < 0)
        return -1;
    return note_source(s, stamp, err);
}

/* One at a time of the same source: the second finds what the first has noted. */
static int find_by_copy(struct search *s, struct error *err)
{
    char key[64];
    struct rootfs_new place = { 0 };
    int result = hold_known(s, err);
    if (result != ROOTFS_ABSENT)
        return result;
    source_name(s, "copy-", key, sizeof key);
    if (rootfs_begin(s->cache, key, &place, err) < 0)
        return -1;
    result = hold_known(s, err);
    if (result == ROOTFS_ABSENT)
        result = take_copy(s, &place, err);
    rootfs_drop(&place);
    return result;
}

static int find_in_layout(struct search *s, struct error *err)
{
    auto_close int layout = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (layout < 0)
        return error_sys(err, "cannot open '%s'", s->path);
    if (faccessat(layout, "oci-layout", F_OK, 0) < 0)
        return error_set(err, ERR_INVALID, "'%s' is no OCI layout: it has no file 'oci-layout'", s->path);
    oci_image_release(&s->image);
    int result = oci_read(layout, s->name.tag, &s->image, err);
    if (result == OCI_INDIRECT)
        return find_by_copy(s, err);
    return result < 0 ? -1 : take_tree(s, layout, s->path, err);
}

/* A path without scheme is what is there; "PATH:TAG" where PATH is there and PATH:TAG is not. */
static int look_at_path(struct search *s, struct error *err)
{
    struct stat st;
    auto_free char *shorter = NULL;
    if (stat(s->path, &st) < 0) {
        int why = errno;
        if (s->name.kind != IMAGE_PATH || !image_split_tag(s->path, &shorter, &s->name.tag) || stat(shorter, &st) < 0) {
            errno = why;
            return error_sys(err, "cannot open '%s'", s->path);
        }
        free(s->path);
        s->path = steal(shorter);
    }
    if (s->name.kind != IMAGE_PATH)
        return 0;
    auto_free char *mark = mem_printf("%s/oci-layout", s->path);
    if (S_ISREG(st.st_mode))
        s->name.kind = IMAGE_ARCHIVE;
    else if (!S_ISDIR(st.st_mode))
        return error_set(err, ERR_INVALID, "'%s' is neither a file nor a directory", s->path);
    else
        s->name.kind = access(mark, F_OK) == 0 ? IMAGE_LAYOUT : IMAGE_TREE;
    return 0;
}

static int find_source(struct search *s, struct error *err)
{
    const char *iwd = ad_string(s->r->job, "Iwd", "/");
    if (s->name.kind == IMAGE_REGISTRY)
        return find_by_copy(s, err);
    s->path = s->name.place[0] == '/' ? mem_dup(s->name.place) : mem_printf("%s/%s", iwd, s->name.place);
    if (look_at_path(s, err) < 0)
        return -1;
    if (s->name.kind == IMAGE_LAYOUT)
        return find_in_layout(s, err);
    if (s->name.kind == IMAGE_ARCHIVE)
        return find_by_copy(s, err);
    s->root = realpath(s->path, NULL);
    return s->root ? 0 : error_sys(err, "cannot open '%s'", s->path);
}

/* A checkpoint needs the files that it was made with. */
static int check_pin(const struct search *s, struct error *err)
{
    const char *was = s->pinned ? ad_string(s->pinned, "Key", "") : "";
    if (!*was || !s->image.key[0] || strcmp(was, s->image.key) == 0)
        return 0;
    return error_set(err, ERR_INVALID, "it is another one than the job began with (%.19s…, now %.19s…), and the job's checkpoints need that one; put "
                     "it back and release the job, or submit the job anew", ad_string(s->pinned, "Digest", "?"), s->image.digest);
}

static int find(struct search *s, struct error *err)
{
    bool stored = ad_bool(s->r->grant, "Stored", false);
    int result = stored ? hold_noted(s, s->pinned, err) : ROOTFS_ABSENT;
    if (result == ROOTFS_ABSENT) {
        oci_image_release(&s->image);
        result = find_source(s, err);
        if (result == 0 && stored)
            result = check_pin(s, err);
    }
    return result;
}

/* ---- the whole ---- */

/* The trees of one owner: his directory, in one of the pool's that all may pass through. */
static int open_cache(struct search *s, struct error *err)
{
    const struct identity *owner = &s->r->owner;
    s->cache_path = ad_string(s->r->grant, "ImageDir", NULL);
    if (!s->cache_path)
        return error_set(err, ERR_SYSTEM, "the pool does not say where images are kept");
    auto_free char *parent = mem_dup(s->cache_path);
    *strrchr(parent, '/') = '\0';
    if (mkdir(parent, 0711) == 0 && chmod(parent, 0711) < 0)
        return error_sys(err, "cannot set the mode of '%s'", parent);
    if (mkdir(s->cache_path, 0700) < 0 && errno != EEXIST)
        return error_sys(err, "cannot make '%s'", s->cache_path);
    s->cache = open(s->cache_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (s->cache < 0)
        return error_sys(err, "cannot open '%s'", s->cache_path);
    if (geteuid() == 0 && fchown(s->cache, owner->uid, owner->gid) < 0)
        return error_sys(err, "cannot give '%s' to its owner", s->cache_path);
    return 0;
}

static int note_found(const struct search *s, struct error *err)
{
    auto_ad struct ad *note = s->root ? ad_new() : note_of(&s->image);
    auto_free char *tree = mem_printf("%s/%s/root", s->cache_path, s->image.key);
    ad_set_string(note, "Image", s->text);
    ad_set_string(note, "Root", s->root ? s->root : tree);
    return write_note(s->r->job_dir, NOTE, note, err);
}

static int prepare(struct search *s, struct error *err)
{
    if (context_world_possible(&s->r->owner, err) < 0)
        return error_wrap(err, "this machine can not run containers");
    if (image_name_parse(s->text, s->docker, &s->name, err) < 0 || open_cache(s, err) < 0)
        return -1;
    s->pinned = read_note(s->r->job_dir, NOTE);
    if (identity_enter(&s->r->owner, err) < 0)
        return -1;
    int result = find(s, err);
    identity_leave();
    return result < 0 ? -1 : note_found(s, err);
}

/* The lock stays open until the worker ends: by then the runner has its own. */
int image_prepare(struct runner *r, struct error *err)
{
    struct search s = { .r = r, .cache = -1, .lock = -1 };
    s.text = image_of_job(r->job, &s.docker);
    if (!s.text)
        return 0;
    s.always = strcmp(ad_string(r->job, "DockerPullPolicy", ""), "always") == 0;
    int result = prepare(&s, err);
    if (result < 0)
        error_wrap(err, "the image '%s'", s.text);
    search_release(&s);
    return result;
}

static int open_noted(const struct runner *r, const struct ad *note, struct container_image *out, struct error *err)
{
    const char *key = ad_string(note, "Key", NULL), *path = ad_string(r->grant, "ImageDir", "");
    *out = (struct container_image){ .lock = -1, .own = key != NULL };
    if (key) {
        if (identity_enter(&r->owner, err) < 0)
            return -1;
        auto_close int cache = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int result = cache < 0 ? error_sys(err, "cannot open '%s'", path) : rootfs_hold(cache, key, &out->lock, err);
        identity_leave();
        if (result != 0)
            return result < 0 ? -1 : error_set(err, ERR_SYSTEM, "the unpacked image was removed before it could be used");
    }
    out->root = mem_dup(ad_string(note, "Root", ""));
    get_words(note, "Env", &out->env);
    get_words(note, "Entrypoint", &out->entrypoint);
    get_words(note, "Cmd", &out->cmd);
    out->workdir = get_word(note, "WorkingDir");
    out->user = get_word(note, "User");
    return 0;
}

int image_open(const struct runner *r, struct container_image *out, struct error *err)
{
    bool docker;
    if (!image_of_job(r->job, &docker)) {
        *out = (struct container_image){ .lock = -1 };
        return 0;
    }
    auto_ad struct ad *note = read_note(r->job_dir, NOTE);
    if (!note || !ad_string(note, "Root", "")[0])
        return error_set(err, ERR_SYSTEM, "the image was not prepared");
    return open_noted(r, note, out, err);
}

void container_image_release(struct container_image *image)
{
    free(image->root);
    file_close(&image->lock);
    command_list_release(&image->env);
    command_list_release(&image->entrypoint);
    command_list_release(&image->cmd);
    free(image->workdir);
    free(image->user);
    *image = (struct container_image){ .lock = -1 };
}
