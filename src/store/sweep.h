/* Removal of what no manifest names. */
#pragma once

#include "store/layout.h"

/* Removes the temporary files in a directory of chunks, and the chunks that are not named: these only when every manifest could
 * be read, for otherwise nobody knows what is named. */
int sweep_chunks(int chunks_dir, const struct layout_named *named, struct error *err);
