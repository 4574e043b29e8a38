/*
 * An append-only file of records that survives torn writes. One record a line: "CRC32 TEXT\n", the CRC as 8 hexadecimal digits
 * over TEXT. Every append is durable on return. One writer at a time (the caller holds a lock); readers may come at any time
 * and see whole records only.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JOURNAL_RECORD_MAX = 1 << 20 };

/* Opens (and makes) the journal for appending and cuts off a torn tail. Returns a descriptor or -1. */
int journal_open(int dir, const char *name, struct error *err);
/* Appends one record (no newline in it). Durable on return; on failure (disk full) the file is as it was. Fault point
 * "journal.append". */
int journal_append(int fd, const char *text, size_t len, struct error *err);

/* Calls fn for every whole, good record from `offset` on, with the offset behind it; fn returns false to stop. A torn tail
 * is not reached. For a damaged record with good ones behind it, fn is called with text NULL: whoever reads decides what a gap
 * means. A journal that does not exist is empty. */
int journal_read(int dir, const char *name, int64_t offset,
                 bool (*fn)(void *data, const char *text, size_t len, int64_t end), void *data, struct error *err);
/* Parsing of one line, for journal_read and the fuzzer: 0 = *text and *text_len are the record, *used bytes with newline. */
enum { JOURNAL_PARTIAL = 1, JOURNAL_TORN = 2 };
int journal_parse(const char *line, size_t len, const char **text, size_t *text_len, size_t *used);
