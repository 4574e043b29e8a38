/*
 * All cells' texts lie in one buffer and are measured when they come, so that a table of a hundred thousand rows costs little more than
 * its letters. Columns that may be cut share what is missing on a narrow screen: the widest gives first.
 */
#include "cli/table.h"

#include "base/mem.h"

#include <assert.h>
#include <locale.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>

struct cell {
    size_t from;
    uint32_t len, width;
};

struct table {
    const struct table_column *list;
    size_t columns, rows;
    struct buf row[TABLE_COLUMNS_MAX]; /* that is being filled */
    size_t filled;
    struct buf text; /* of all rows before it */
    struct cell *cells;
    size_t capacity;
};

/* Columns of the screen that a text takes. What is no character counts as one. */
static size_t width_of(const char *text, size_t len)
{
    size_t width = 0;
    mbstate_t state = { 0 };
    for (size_t i = 0; i < len;) {
        wchar_t c;
        size_t n = 1;
        if ((unsigned char)text[i] < 0x80) {
            width++;
        } else {
            n = mbrtowc(&c, text + i, len - i, &state);
            int one = n > 0 && n <= len - i ? wcwidth(c) : 1;
            width += one > 0 ? (size_t)one : 0;
            if (n == 0 || n > len - i) {
                n = 1;
                state = (mbstate_t){ 0 };
            }
        }
        i += n;
    }
    return width;
}

struct table *table_new(const struct table_column *columns, size_t count)
{
    struct table *table = mem_new(struct table);
    assert(count <= TABLE_COLUMNS_MAX);
    setlocale(LC_CTYPE, ""); /* the width of "…" and of names depends on it */
    table->list = columns;
    table->columns = count;
    table->text.max = SIZE_MAX / 2;
    return table;
}

void table_free_pointer(struct table **table)
{
    if (!*table)
        return;
    for (size_t i = 0; i < (*table)->columns; i++)
        buf_release(&(*table)->row[i]);
    buf_release(&(*table)->text);
    free((*table)->cells);
    free(*table);
    *table = NULL;
}

struct buf *table_cell(struct table *table)
{
    assert(table->filled < table->columns);
    return &table->row[table->filled++];
}

void table_end_row(struct table *table)
{
    size_t at = table->rows * table->columns;
    table->cells = mem_grow(table->cells, &table->capacity, at + table->columns, sizeof *table->cells);
    for (size_t i = 0; i < table->columns; i++) {
        struct buf *cell = &table->row[i];
        table->cells[at + i] = (struct cell){ table->text.len, (uint32_t)cell->len, (uint32_t)width_of(buf_cstr(cell), cell->len) };
        buf_add(&table->text, buf_cstr(cell), cell->len);
        buf_clear(cell);
    }
    table->filled = 0;
    table->rows++;
}

size_t table_rows(const struct table *table)
{
    return table->rows;
}

static void measure(const struct table *table, size_t *widths)
{
    for (size_t c = 0; c < table->columns; c++)
        widths[c] = width_of(table->list[c].name, strlen(table->list[c].name));
    for (size_t i = 0; i < table->rows * table->columns; i++)
        if (table->cells[i].width > widths[i % table->columns])
            widths[i % table->columns] = table->cells[i].width;
}

/* One letter less for the widest column that may be cut; false when none has any to give. */
static bool cut_widest(const struct table *table, size_t *widths)
{
    size_t best = SIZE_MAX;
    for (size_t c = 0; c < table->columns; c++)
        if ((table->list[c].flags & TABLE_CUT) && widths[c] > strlen(table->list[c].name) &&
            (best == SIZE_MAX || widths[c] > widths[best]))
            best = c;
    if (best != SIZE_MAX)
        widths[best]--;
    return best != SIZE_MAX;
}

static void fit(const struct table *table, size_t width, size_t *widths)
{
    size_t total = table->columns - 1;
    for (size_t c = 0; c < table->columns; c++)
        total += widths[c];
    while (total > width && cut_widest(table, widths))
        total--;
}

/* As many bytes of the text as fit into a width. */
static size_t fitting(const char *text, size_t len, size_t width)
{
    size_t fit = 0;
    for (size_t next = 1; next <= len; next++) {
        if (next < len && ((unsigned char)text[next] & 0xc0) == 0x80)
            continue;
        if (width_of(text, next) > width)
            break;
        fit = next;
    }
    return fit;
}

static void add_blanks(struct buf *out, size_t count)
{
    static const char blanks[] = "                                ";
    for (; count > 0; count -= count < sizeof blanks - 1 ? count : sizeof blanks - 1)
        buf_add(out, blanks, count < sizeof blanks - 1 ? count : sizeof blanks - 1);
}

/* `pending`: blanks that are only printed when something follows them. */
static void add_cell(const struct table *table, size_t c, const char *text, const struct cell *cell, size_t width, size_t *pending,
                     struct buf *out)
{
    size_t len = cell->len, used = cell->width;
    if (used > width) {
        len = fitting(text, len, width);
        used = width_of(text, len);
    }
    while (len > 0 && text[len - 1] == ' ') {
        len--;
        used--;
    }
    bool right = (table->list[c].flags & TABLE_RIGHT) != 0;
    if (right)
        *pending += width - used;
    if (len > 0) {
        add_blanks(out, *pending);
        buf_add(out, text, len);
        *pending = 0;
    }
    *pending += right ? 1 : width - used + 1;
}

void table_print(struct table *table, int width, struct buf *out)
{
    size_t widths[TABLE_COLUMNS_MAX], pending = 0;
    if (table->rows == 0)
        return;
    measure(table, widths);
    if (width > 0)
        fit(table, (size_t)width, widths);
    for (size_t c = 0; c < table->columns; c++) {
        const char *name = table->list[c].name;
        struct cell cell = { .len = (uint32_t)strlen(name), .width = (uint32_t)width_of(name, strlen(name)) };
        add_cell(table, c, name, &cell, widths[c], &pending, out);
    }
    buf_char(out, '\n');
    for (size_t i = 0; i < table->rows * table->columns; i++) {
        size_t c = i % table->columns;
        pending = c == 0 ? 0 : pending;
        add_cell(table, c, table->text.data + table->cells[i].from, &table->cells[i], widths[c], &pending, out);
        if (c + 1 == table->columns)
            buf_char(out, '\n');
    }
}
