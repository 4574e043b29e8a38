#include "job/image.h"

#include "base/mem.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { PLACE_MAX = 4096, TAG_MAX = 128 };

static const char tag_letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

void image_name_release(struct image_name *name)
{
    free(name->place);
    free(name->tag);
    *name = (struct image_name){ 0 };
}

bool image_split_tag(const char *text, char **path, char **tag)
{
    const char *colon = strrchr(text, ':');
    size_t len = colon ? strlen(colon + 1) : 0;
    if (!colon || colon == text || len == 0 || len > TAG_MAX || strspn(colon + 1, tag_letters) != len)
        return false;
    *path = mem_dup_n(text, (size_t)(colon - text));
    *tag = mem_dup(colon + 1);
    return true;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcasecmp(text + n - m, end) == 0;
}

static bool looks_like_a_path(const char *text)
{
    return text[0] == '/' || text[0] == '.' || ends_with(text, "/") || ends_with(text, ".tar");
}

/* The letters of names, hosts, ports, tags and digests; the registry knows the rest. */
static int check_reference(const char *text, struct error *err)
{
    static const char more[] = "._-/:@+";
    for (const char *p = text; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr(more, *p))
            return error_set(err, ERR_INVALID, "'%.100s' is no name of an image in a registry; write 'docker://name:tag'", text);
    if (!isalnum((unsigned char)*text))
        return error_set(err, ERR_INVALID, "'%.100s' is no name of an image in a registry; write 'docker://name:tag'", text);
    return 0;
}

static int parse_place(const char *text, struct image_name *out, struct error *err)
{
    if (!*text)
        return error_set(err, ERR_INVALID, "no path is given; write for example 'oci:images/tools:latest' or 'docker-archive:tools.tar'");
    if (!image_split_tag(text, &out->place, &out->tag))
        out->place = mem_dup(text);
    return 0;
}

static int parse_archive(const char *text, const char *format, struct image_name *out, struct error *err)
{
    out->kind = IMAGE_ARCHIVE;
    out->format = format;
    return parse_place(text, out, err);
}

static int parse_plain(const char *text, bool docker, struct image_name *out, struct error *err)
{
    size_t scheme = strcspn(text, ":");
    if (strncmp(text + scheme, "://", 3) == 0)
        return error_set(err, ERR_INVALID, "images of the kind '%.*s://' are not supported; write 'docker://name:tag', or the path of an OCI "
                         "layout, a docker archive or a directory", (int)(scheme > 40 ? 40 : scheme), text);
    if (ends_with(text, ".sif"))
        return error_set(err, ERR_INVALID, "'%.100s' is an Apptainer image, which is not supported; unpack it with "
                         "'apptainer build --sandbox DIRECTORY %.100s' and name the directory", text, text);
    if (docker && !looks_like_a_path(text)) {
        out->kind = IMAGE_REGISTRY;
        out->place = mem_dup(text);
        return check_reference(text, err);
    }
    out->kind = IMAGE_PATH;
    out->place = mem_dup(text);
    return 0;
}

static int parse(const char *text, bool docker, struct image_name *out, struct error *err)
{
    if (strlen(text) > PLACE_MAX)
        return error_set(err, ERR_LIMIT, "the image's name is longer than %d bytes", PLACE_MAX);
    if (strncmp(text, "docker://", 9) == 0) {
        out->kind = IMAGE_REGISTRY;
        out->place = mem_dup(text + 9);
        return check_reference(out->place, err);
    }
    if (strncmp(text, "oci:", 4) == 0) {
        out->kind = IMAGE_LAYOUT;
        return parse_place(text + 4, out, err);
    }
    if (strncmp(text, "docker-archive:", 15) == 0)
        return parse_archive(text + 15, "docker-archive", out, err);
    if (strncmp(text, "oci-archive:", 12) == 0)
        return parse_archive(text + 12, "oci-archive", out, err);
    return parse_plain(text, docker, out, err);
}

int image_name_parse(const char *text, bool docker, struct image_name *out, struct error *err)
{
    struct image_name name = { 0 };
    if (parse(text, docker, &name, err) < 0) {
        image_name_release(&name);
        return -1;
    }
    *out = name;
    return 0;
}

const char *image_of_job(const struct ad *job, bool *docker)
{
    const char *image = ad_string(job, "DockerImage", NULL);
    *docker = image && *image;
    if (!*docker)
        image = ad_string(job, "ContainerImage", NULL);
    return image && *image ? image : NULL;
}

void image_make_absolute(struct ad *job, const char *dir)
{
    bool docker;
    auto_image_name struct image_name name = { 0 };
    const char *text = image_of_job(job, &docker);
    if (!text || image_name_parse(text, docker, &name, NULL) < 0 || name.kind == IMAGE_REGISTRY || name.place[0] == '/')
        return;
    const char *scheme = name.kind == IMAGE_LAYOUT ? "oci:" : name.kind == IMAGE_ARCHIVE ? name.format : "";
    auto_free char *whole = mem_printf("%s%s%s/%s%s%s", scheme, name.kind == IMAGE_ARCHIVE ? ":" : "", strcmp(dir, "/") == 0 ? "" : dir,
                                       name.place, name.tag ? ":" : "", name.tag ? name.tag : "");
    ad_set_string(job, docker ? "DockerImage" : "ContainerImage", whole);
}
