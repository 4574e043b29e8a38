/*
 * What a program made or changed in its working directory: everything that is not as it was when the inputs had been put
 * there. The list of inputs (inode, size, change time) is kept beside the working directory.
 */
#pragma once

#include "base/error.h"
#include "job/command.h"

#include <stdbool.h>

/* Writes the list of everything below `work` to the file "inputs" in `dir`. */
int changes_record(int work, int dir, struct error *err);
/* The names (relative to work) of what is new or changed: files, links and, when `directories`, what is below directories;
 * otherwise only the top level's files. A new directory comes as its files and, if empty, as itself. */
int changes_list(int work, int dir, bool directories, struct command_list *out, struct error *err);
