/*
 * What a job ad says about the container image that its program runs in: ContainerImage or DockerImage, a text that names a
 * file, a directory or an image in a registry. Pure: what is at a path has to be looked at by whoever has the rights.
 */
#pragma once

#include "ad/ad.h"

#include <stdbool.h>

enum image_kind {
    IMAGE_PATH,     /* a file or directory: what is there tells which of the following it is */
    IMAGE_LAYOUT,   /* an OCI layout: a directory with blobs and an index */
    IMAGE_ARCHIVE,  /* a tar file */
    IMAGE_TREE,     /* a directory that is the root file system */
    IMAGE_REGISTRY, /* has to be fetched */
};

struct image_name {
    enum image_kind kind;
    const char *format; /* of an archive, as the tools call it: "docker-archive" or "oci-archive"; constant */
    char *place;        /* path as it was given, or a reference without "docker://" */
    char *tag;          /* behind the path of a layout or archive; NULL = none was given */
};
#define auto_image_name __attribute__((cleanup(image_name_release)))

/* `docker`: a plain name is one of a registry's, as docker_image has them, unless it starts with '/' or '.' or looks like a file. */
int image_name_parse(const char *text, bool docker, struct image_name *out, struct error *err);
void image_name_release(struct image_name *name);
/* "PATH:TAG" parted at its last colon; false when it has none that could begin a tag. Both results are the caller's. */
bool image_split_tag(const char *text, char **path, char **tag);

/* What the job's image is called, or NULL: then it runs in the machine's own file system. Borrowed. */
const char *image_of_job(const struct ad *job, bool *docker);
/* Gives the job's image, where that is a relative path, its whole path from `dir` on. */
void image_make_absolute(struct ad *job, const char *dir);
