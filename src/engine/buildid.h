/* The GNU build-id of an ELF file: what its linker computed of its contents, the same for equal files on any machine. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BUILDID_MAX = 64 /* bytes of an id */, BUILDID_TEXT_MAX = 2 * BUILDID_MAX + 1 };

/* Reads at an offset, all of the length or nothing. */
typedef bool buildid_read(void *data, uint64_t offset, void *out, size_t len);

/* Writes the id in hexadecimal; false when it is no ELF file of this machine's byte order, is damaged or has none. What the file says
 * of itself is believed only within limits: at most 128 headers, and 64 KiB of notes. */
bool buildid_parse(buildid_read *read_at, void *data, char out[BUILDID_TEXT_MAX]);
bool buildid_of_file(int fd, char out[BUILDID_TEXT_MAX]);
