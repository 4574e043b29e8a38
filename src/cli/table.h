/* Tables of text in columns; cut to the screen's width where there is one. What users wrote is made safe for terminals. */
#pragma once

#include "base/buf.h"

#include <stddef.h>

enum table_flags {
    TABLE_LEFT = 0,
    TABLE_RIGHT = 1,
    TABLE_CUT = 2, /* may be cut when the screen is too narrow */
};

struct table_column {
    const char *name;
    int flags;
};

enum { TABLE_COLUMNS_MAX = 16 };

struct table;
#define auto_table __attribute__((cleanup(table_free_pointer)))

/* The columns are borrowed. */
struct table *table_new(const struct table_column *columns, size_t count);
void table_free_pointer(struct table **table);
/* The next cell of the row that is being filled, empty; borrowed until table_end_row, which adds the row. Cells that were not
 * filled are empty. */
struct buf *table_cell(struct table *table);
void table_end_row(struct table *table);
size_t table_rows(const struct table *table);
/* Appends header and rows, each line with its newline and no blanks at its end; nothing when there are no rows. */
void table_print(struct table *table, int width, struct buf *out);
