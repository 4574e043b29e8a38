#include "cli/table.h"

#include "base/mem.h"

#include <assert.h>
#include <libsmartcols.h>
#include <locale.h>
#include <string.h>

struct table {
    struct libscols_table *scols;
    size_t columns;
    struct buf cells[TABLE_COLUMNS_MAX]; /* of the row that is being filled */
    size_t filled;
};

/* libsmartcols fails only for want of memory. */
static void *need(void *p)
{
    if (!p)
        abort();
    return p;
}

struct table *table_new(const struct table_column *columns, size_t count)
{
    struct table *table = mem_new(struct table);
    assert(count <= TABLE_COLUMNS_MAX);
    setlocale(LC_CTYPE, ""); /* the width of "…" and of names depends on it */
    table->scols = need(scols_new_table());
    table->columns = count;
    for (size_t i = 0; i < count; i++) {
        int flags = (columns[i].flags & TABLE_RIGHT ? SCOLS_FL_RIGHT : 0) | (columns[i].flags & TABLE_CUT ? SCOLS_FL_TRUNC : 0);
        need(scols_table_new_column(table->scols, columns[i].name, 0, flags));
    }
    return table;
}

void table_free_pointer(struct table **table)
{
    if (!*table)
        return;
    scols_unref_table((*table)->scols);
    for (size_t i = 0; i < (*table)->columns; i++)
        buf_release(&(*table)->cells[i]);
    free(*table);
    *table = NULL;
}

struct buf *table_cell(struct table *table)
{
    assert(table->filled < table->columns);
    return &table->cells[table->filled++];
}

void table_end_row(struct table *table)
{
    struct libscols_line *line = need(scols_table_new_line(table->scols, NULL));
    for (size_t i = 0; i < table->columns; i++) {
        scols_line_set_data(line, i, buf_cstr(&table->cells[i]));
        buf_clear(&table->cells[i]);
    }
    table->filled = 0;
}

size_t table_rows(const struct table *table)
{
    return scols_table_get_nlines(table->scols);
}

static void add_lines(const char *text, struct buf *out)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        size_t used = len;
        while (used > 0 && text[used - 1] == ' ')
            used--;
        buf_add(out, text, used);
        buf_char(out, '\n');
        text += len + (text[len] == '\n');
    }
}

void table_print(struct table *table, int width, struct buf *out)
{
    if (table_rows(table) == 0)
        return;
    scols_table_set_termforce(table->scols, width > 0 ? SCOLS_TERMFORCE_ALWAYS : SCOLS_TERMFORCE_NEVER);
    if (width > 0)
        scols_table_set_termwidth(table->scols, (size_t)width);
    char *text = NULL;
    if (scols_print_table_to_string(table->scols, &text) != 0)
        abort();
    add_lines(text, out);
    free(text);
}
