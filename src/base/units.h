/*
 * Sizes and durations as people write and read them.
 *   sizes:     1536, 2K, 1.5 MiB, 3GB (K, M, G, T and their KB, KiB forms are powers of 1024)
 *   durations: 90, 90s, 15m, 2h, 1d, 1h30m, 500ms, 2:30:00
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UNITS_TEXT_MAX = 32 };

/* Bytes; a number without unit is multiplied by `plain_unit`. False when the text is not a size or too large. */
bool units_parse_bytes(const char *text, int64_t plain_unit, int64_t *bytes);
/* Microseconds; a number without unit is seconds. */
bool units_parse_duration(const char *text, int64_t *us);

/* Each writes into `out` and returns it: "1.5 GiB"; "2h05m", "12.3s", "450ms"; "2+03:04:05" as HTCondor's tables have it. */
const char *units_bytes(int64_t bytes, char out[UNITS_TEXT_MAX]);
const char *units_duration(int64_t us, char out[UNITS_TEXT_MAX]);
const char *units_clock(int64_t us, char out[UNITS_TEXT_MAX]);
