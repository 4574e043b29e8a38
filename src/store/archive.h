/* What export.c and import.c agree about. The files of an archive, in this order:
 *
 *   stint-checkpoint/manifest       signed with the key of the store that it comes from; names the packs that follow
 *   stint-checkpoint/note           text that travels along
 *   stint-checkpoint/packs/0123…    as many as the manifest names, in its order, of just the sizes that it says
 */
#pragma once

#define ARCHIVE_DIR "stint-checkpoint/"

enum { ARCHIVE_NOTE_MAX = 1 << 20 };
