/* Where the CRIU is that tools/criu makes: a directory with criu, its loader and its libraries. */
#pragma once

/* As the environment has it (STINT_CRIU); else beside the program, which is installed so; else in the build directory that the program
 * is in. NULL: nowhere. The caller frees it. It may be made at any time: ask again. */
char *tools_find(const char *program);
