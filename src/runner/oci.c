/*
 * index.json names manifests, a manifest names a configuration and layers, each by its digest, under which it lies in
 * blobs/sha256/. What is read here is small and verified; layers are verified by whoever unpacks them.
 *
 * An image's content is known by the digests of its uncompressed layers (rootfs.diff_ids): the same whether it comes from a layout, an
 * archive or a registry, and whatever its tag, environment or command.
 */
#include "runner/oci.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { JSON_MAX = 4 << 20, JSON_DEPTH = 32, LAYERS_MAX = 1024, WORDS_MAX = 4096, TEXT_MAX = 128 << 10 };

#define REF_NAME "org.opencontainers.image.ref.name"
#define auto_json __attribute__((cleanup(release_json)))

static void release_json(json_object **json)
{
    json_object_put(*json);
}

void oci_image_release(struct oci_image *image)
{
    free(image->tag);
    command_list_release(&image->env);
    command_list_release(&image->entrypoint);
    command_list_release(&image->cmd);
    free(image->workdir);
    free(image->user);
    *image = (struct oci_image){ 0 };
}

/* ---- files ---- */

static int parse_json(const struct buf *text, const char *what, json_object **out, struct error *err)
{
    json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH);
    if (!tokener)
        abort();
    json_object *json = json_tokener_parse_ex(tokener, buf_cstr(text), (int)text->len + 1); /* the NUL ends it */
    enum json_tokener_error why = json_tokener_get_error(tokener);
    json_tokener_free(tokener);
    if (why != json_tokener_success || !json_object_is_type(json, json_type_object)) {
        json_object_put(json);
        return error_set(err, ERR_CORRUPT, "its %s is not what it should be", what);
    }
    *out = json;
    return 0;
}

static int read_text(int layout, const char *name, const char *what, struct buf *text, struct error *err)
{
    text->max = JSON_MAX;
    auto_close int fd = openat(layout, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return error_set(err, ERR_CORRUPT, "its %s is missing", what);
    if (fd < 0)
        return error_sys(err, "cannot open its %s", what);
    if (file_read_fd(fd, text, err) < 0)
        return error_wrap(err, "its %s", what);
    return 0;
}

static const char *string_of(json_object *json, const char *name)
{
    json_object *value = NULL;
    if (!json_object_object_get_ex(json, name, &value) || !json_object_is_type(value, json_type_string))
        return NULL;
    const char *text = json_object_get_string(value);
    return strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL; /* a NUL in it would cut it */
}

static json_object *member(json_object *json, const char *name, json_type type)
{
    json_object *value;
    return json && json_object_object_get_ex(json, name, &value) && json_object_is_type(value, type) ? value : NULL;
}

static int read_blob(int layout, const char *digest, const char *what, json_object **out, struct error *err)
{
    auto_buf struct buf text = { 0 };
    struct digest want, is;
    char name[96];
    if (!digest || strncmp(digest, "sha256:", 7) != 0 || !digest_read(digest + 7, strlen(digest + 7), &want) || digest[71])
        return error_set(err, ERR_CORRUPT, "it does not say which its %s is", what);
    snprintf(name, sizeof name, "blobs/sha256/%s", digest + 7);
    if (read_text(layout, name, what, &text, err) < 0)
        return -1;
    digest_of(buf_cstr(&text), text.len, &is);
    if (memcmp(&want, &is, sizeof is) != 0)
        return error_set(err, ERR_CORRUPT, "its %s is damaged", what);
    return parse_json(&text, what, out, err);
}

/* ---- the index ---- */

static const char *tag_of(json_object *entry)
{
    json_object *annotations = member(entry, "annotations", json_type_object);
    return annotations ? string_of(annotations, REF_NAME) : NULL;
}

static int say_which(json_object *manifests, const char *tag, struct error *err)
{
    auto_buf struct buf tags = { .max = 200 };
    for (size_t i = 0; i < json_object_array_length(manifests); i++) {
        const char *name = tag_of(json_object_array_get_idx(manifests, i));
        if (name)
            buf_printf(&tags, "%s%s", tags.len ? ", " : "", name);
    }
    const char *list = tags.len ? buf_cstr(&tags) : "none";
    if (tag)
        return error_set(err, ERR_INVALID, "it has no tag '%s'; its tags are: %s", tag, list);
    if (json_object_array_length(manifests) == 0)
        return error_set(err, ERR_INVALID, "it has no image");
    return error_set(err, ERR_INVALID, "it has several images; write one of its tags behind the path, as in 'oci:PATH:TAG': %s", list);
}

static int find_entry(json_object *index, const char *tag, json_object **out, struct error *err)
{
    json_object *manifests = member(index, "manifests", json_type_array), *found = NULL;
    if (!manifests)
        return error_set(err, ERR_CORRUPT, "its index names no images");
    size_t count = json_object_array_length(manifests);
    for (size_t i = 0; i < count && !found; i++) {
        json_object *entry = json_object_array_get_idx(manifests, i);
        const char *name = tag_of(entry);
        if (tag ? name && strcmp(name, tag) == 0 : count == 1)
            found = entry;
    }
    if (!found)
        return say_which(manifests, tag, err);
    *out = found;
    return 0;
}

/* ---- manifest and configuration ---- */

static int read_words(json_object *config, const char *name, struct command_list *out, struct error *err)
{
    json_object *list = member(config, name, json_type_array);
    size_t count = list ? json_object_array_length(list) : 0;
    if (count > WORDS_MAX)
        return error_set(err, ERR_LIMIT, "its %s has more than %d words", name, WORDS_MAX);
    for (size_t i = 0; i < count; i++) {
        json_object *word = json_object_array_get_idx(list, i);
        const char *text = json_object_is_type(word, json_type_string) ? json_object_get_string(word) : NULL;
        if (!text || strlen(text) != (size_t)json_object_get_string_len(word) || strlen(text) > TEXT_MAX)
            return error_set(err, ERR_CORRUPT, "its %s is not a list of words", name);
        command_list_add(out, text);
    }
    return 0;
}

static char *read_word(json_object *config, const char *name)
{
    const char *text = config ? string_of(config, name) : NULL;
    return text && *text && strlen(text) < 4096 ? mem_dup(text) : NULL;
}

static int read_layers(json_object *config, char key[65], struct error *err)
{
    auto_buf struct buf text = { 0 };
    json_object *rootfs = member(config, "rootfs", json_type_object), *ids = member(rootfs, "diff_ids", json_type_array);
    size_t count = ids ? json_object_array_length(ids) : 0;
    struct digest digest;
    if (count < 1 || count > LAYERS_MAX)
        return error_set(err, ERR_CORRUPT, "it has %s layers", count ? "too many" : "no");
    for (size_t i = 0; i < count; i++) {
        json_object *id = json_object_array_get_idx(ids, i);
        const char *name = json_object_is_type(id, json_type_string) ? json_object_get_string(id) : "";
        if (strncmp(name, "sha256:", 7) != 0 || !digest_read(name + 7, strlen(name + 7), &digest))
            return error_set(err, ERR_CORRUPT, "it does not say what its layers are");
        buf_printf(&text, "%.71s\n", name);
    }
    digest_of(buf_cstr(&text), text.len, &digest);
    digest_print(&digest, key);
    return 0;
}

static int read_config(json_object *config, struct oci_image *out, struct error *err)
{
    json_object *how = member(config, "config", json_type_object);
    if (read_layers(config, out->key, err) < 0)
        return -1;
    if (read_words(how, "Env", &out->env, err) < 0 || read_words(how, "Entrypoint", &out->entrypoint, err) < 0 ||
        read_words(how, "Cmd", &out->cmd, err) < 0)
        return -1;
    out->workdir = read_word(how, "WorkingDir");
    out->user = read_word(how, "User");
    return 0;
}

static int read_image(int layout, const char *tag, struct oci_image *out, struct error *err)
{
    auto_buf struct buf text = { 0 };
    auto_json json_object *index = NULL, *manifest = NULL, *config = NULL;
    json_object *entry = NULL;
    if (read_text(layout, "index.json", "index", &text, err) < 0 || parse_json(&text, "index", &index, err) < 0 ||
        find_entry(index, tag, &entry, err) < 0)
        return -1;
    const char *type = string_of(entry, "mediaType"), *digest = string_of(entry, "digest"), *name = tag_of(entry);
    if (!name || (type && (strstr(type, "image.index") || strstr(type, "manifest.list"))))
        return OCI_INDIRECT;
    if (read_blob(layout, digest, "manifest", &manifest, err) < 0)
        return -1;
    json_object *described = member(manifest, "config", json_type_object);
    if (read_blob(layout, described ? string_of(described, "digest") : NULL, "configuration", &config, err) < 0)
        return -1;
    snprintf(out->digest, sizeof out->digest, "%s", digest);
    out->tag = mem_dup(name);
    return read_config(config, out, err);
}

int oci_read(int layout, const char *tag, struct oci_image *out, struct error *err)
{
    struct oci_image image = { 0 };
    int result = read_image(layout, tag, &image, err);
    if (result == 0)
        *out = image;
    else
        oci_image_release(&image);
    return result;
}
