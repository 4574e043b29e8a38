/*
 * What a program made or changed in its working directory: everything that is not as it was when the inputs had been put
 * there. The list of inputs (inode, size, change time) is kept beside the working directory.
 */
#pragma once

#include "base/error.h"
#include "base/identity.h"
#include "job/command.h"

/* `work` is read with the owner's rights (NULL: the process's own), `dir` with the process's own. */

/* Writes the list of everything below `work` to the file "inputs" in `dir`. */
int changes_record(int work, int dir, const struct identity *owner, struct error *err);
/* The names (relative to work) of what is new or changed: files and links, and what is below directories. A new directory
 * comes as its files and, if empty, as itself. */
int changes_list(int work, int dir, const struct identity *owner, struct command_list *out, struct error *err);
/* The opposite: inputs that are still as they were. */
int changes_inputs(int work, int dir, const struct identity *owner, struct command_list *out, struct error *err);
/* The list of inputs anew, in another working directory that has them under these names; those that it has not are left out. */
int changes_record_inputs(int work, int dir, const struct identity *owner, const struct command_list *names, struct error *err);
/* Of what is new or changed only files and links at the top level. */
int changes_list_top(int work, int dir, const struct identity *owner, struct command_list *out, struct error *err);
