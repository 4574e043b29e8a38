/*
 * Files that a checkpoint needs and does not contain: what the tree has mapped of the machine (its program, libraries, locale data).
 * Where the checkpoint is to be resumed they must be the same, or the program would go on in the middle of other code. A file is
 * known by its size and its build-id; one that has none by the SHA-256 of its first mebibyte.
 */
#pragma once

#include "ad/ad.h"
#include "base/identity.h"

#include <sys/types.h>

enum { MAPPED_ID_MAX = 160, MAPPED_FILES_MAX = 16384 };

struct mapped_file {
    char *path; /* as the job sees it; absolute */
    int64_t size;
    char id[MAPPED_ID_MAX]; /* "build-id:HEX" or "sha256:HEX" */
    char *why;              /* of mapped_compare: what is different, a clause; else NULL */
};

struct mapped_list {
    struct mapped_file *files;
    size_t count, capacity;
};
#define auto_mapped __attribute__((cleanup(mapped_release)))
void mapped_release(struct mapped_list *list);

/* Of all processes below `root` (process 1 of the job's process namespace), sorted by path: files below the paths in `captured`
 * (NULL-terminated, may be NULL), removed files, what is no file and what the owner (NULL: the process's rights) may not read left out,
 * and so are processes in other mount namespaces. */
int mapped_collect(pid_t root, const char *const *captured, const struct identity *owner, struct mapped_list *out, struct error *err);

/* As a list of strings, "SIZE ID PATH". Reading: an entry that makes no sense is ERR_CORRUPT; an absent list is empty. */
void mapped_print(const struct mapped_list *list, struct ad *ad, const char *attribute);
int mapped_parse(const struct ad *ad, const char *attribute, struct mapped_list *out, struct error *err);

/* Which files are missing or others below `root_dir`, the root directory that the job is to have; links in it stay within it. Each
 * with `why`: "needs '/usr/lib/libc.so.6' with build-id ab12… (1.9 MB), here it has cd34…". */
int mapped_compare(const struct mapped_list *list, int root_dir, struct mapped_list *differ, struct error *err);
