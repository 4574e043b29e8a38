/*
 * What a capture spares a program that stands still and waits for it, by what is known of the file:
 *
 *   unchanged    its inode, size and times are those that it had at the last checkpoint: its content is that one's
 *   shared       an unnamed file gets the same blocks (the file system copies whichever changes first), and is read later
 *   taken ahead  it was read before the program stood still, and is unchanged since
 *   appended to  only what is behind the last checkpoint's end is read; that the rest is the same is looked at later
 *
 * Later is when the program goes on: before the commit. If a file was changed where it should only have been appended to, the capture
 * fails, and the next one knows nothing of the last checkpoint.
 *
 * Times are believed only on file systems that change them whenever content changes, mapped or not; a file that was changed within the
 * last two seconds may change again without its times doing so; and one that is mapped shared may change without them at all until
 * the kernel has written it.
 */
#pragma once

#include "store/capture_parts.h"

#include <sys/stat.h>

struct later;

/* Of a file that was opened, and has its chunks and hints: gives it its stamp, and leaves in file->first and file->chunks what is
 * to be read now. Outcome CREW_SKIP: nothing is; the descriptor is closed then. */
int later_sort(struct store_capture *c, struct crew_file *file, const struct stat *st);
/* The same before the program stands still, of files that later_choose has left: outcome 0 when it is read now, for later_sort. */
int later_ahead(struct store_capture *c, struct crew_file *file, const struct stat *st);
/* Leaves the large files among the entries. */
void later_choose(struct manifest *m);
/* Forgets all but the first `count`. */
void later_cut(struct store_capture *c, size_t count);
int later_run(struct store_capture *c, struct error *err);
