/* An OCI layout as it lies in a directory: which image a tag means, what is in it, and how it wants to be run. Private to runner/. */
#pragma once

#include "base/error.h"
#include "job/command.h"

#include <stdbool.h>

struct oci_image {
    char key[65];      /* names the content of its layers, whatever the image is called and however they are compressed: hex */
    char digest[72];   /* of its manifest: "sha256:…" */
    char *tag;         /* by which the tools find it; NULL = it has none */
    struct command_list env, entrypoint, cmd;
    char *workdir, *user; /* NULL when the image does not say */
};
#define auto_oci_image __attribute__((cleanup(oci_image_release)))
void oci_image_release(struct oci_image *image);

/* Reads the image of that tag; without a tag, the only one there is. Outcome OCI_INDIRECT: it is there, but for several
 * machines, or without a tag of its own, so that it has to be copied by somebody who can choose. Damage is ERR_CORRUPT. */
enum { OCI_INDIRECT = 1 };
int oci_read(int layout, const char *tag, struct oci_image *out, struct error *err);
