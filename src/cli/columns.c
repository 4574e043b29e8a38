/*
 * A format is read once into text, one conversion and text; each row evaluates and prints. A conversion's flags, width and precision are
 * numbers by then, from which a format of our own is built. HTCondor's rules for separators: what stands before a column is left out
 * at the first one, what stands behind it at the last.
 *
 * Only --af:h aligns, so only it must know all rows before it prints the first.
 */
#include "cli/columns.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "cli/words.h"
#include "job/references.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { WIDTH_MAX = 1000, PRECISION_MAX = 100, TEXT_MAX = 1 << 20 };

struct column {
    char *source; /* the expression as it was given: what a heading says */
    struct ad_expr *expr;
    char *before, *after; /* of a format, ready to be printed; NULL = a value's column */
    char conversion;      /* 0 = only text */
    char flags[6];        /* of "-+ #0" */
    int width, precision; /* -1 = not given */
};

struct columns {
    struct column *list;
    size_t count, capacity;
    const char *row_before, *before, *after;
    bool heading, label, id;
    char conversion; /* of values */
    bool by_format;  /* the first column came with a format: rows end as the formats say */
    char **cells;    /* of all rows, with a heading */
    size_t cell_count, cell_capacity;
};

struct columns *columns_new(void)
{
    struct columns *columns = mem_new(struct columns);
    columns->before = " ";
    columns->conversion = 'v';
    return columns;
}

static void release_column(struct column *column)
{
    free(column->source);
    free(column->before);
    free(column->after);
    ad_expr_free(column->expr);
}

void columns_free_pointer(struct columns **pointer)
{
    struct columns *columns = *pointer;
    if (!columns)
        return;
    for (size_t i = 0; i < columns->count; i++)
        release_column(&columns->list[i]);
    for (size_t i = 0; i < columns->cell_count; i++)
        free(columns->cells[i]);
    free(columns->cells);
    free(columns->list);
    free(columns);
    *pointer = NULL;
}

bool columns_any(const struct columns *columns)
{
    return columns->count > 0;
}

/* ---- reading ---- */

static int add_column(struct columns *columns, struct column *new, const char *expr, struct error *err)
{
    struct error why;
    if (ad_expr_parse(expr, &new->expr, &why) < 0) {
        release_column(new);
        return error_set(err, ERR_INVALID, "'%s' is neither an attribute nor an expression: %s", expr, why.text);
    }
    new->source = mem_dup(expr);
    columns->list = mem_grow(columns->list, &columns->capacity, columns->count + 1, sizeof *columns->list);
    columns->list[columns->count++] = *new;
    return 0;
}

/* A backslash in a format stands for what it stands for in C, because shells pass it on. */
static const char *take_escape(const char *p, struct buf *out)
{
    static const char letters[] = "ntr\\\"'", meant[] = "\n\t\r\\\"'";
    const char *at = p[1] ? strchr(letters, p[1]) : NULL;
    buf_char(out, at ? meant[at - letters] : '\\');
    return p + (at ? 2 : 1);
}

/* text = { any | escape | "%%" }, up to a conversion or the end */
static const char *take_text(const char *p, char **text)
{
    auto_buf struct buf out = { .max = TEXT_MAX };
    while (*p && (*p != '%' || p[1] == '%')) {
        if (*p == '\\') {
            p = take_escape(p, &out);
            continue;
        }
        buf_char(&out, *p);
        p += *p == '%' ? 2 : 1;
    }
    *text = buf_steal(&out);
    return p;
}

static const char *take_number(const char *p, int max, int *number)
{
    *number = 0;
    for (; *p >= '0' && *p <= '9'; p++)
        *number = *number > max ? *number : *number * 10 + (*p - '0');
    return p;
}

/* conversion = "%" flags [width] ["." precision] { "h" | "l" | "q" | "L" | "z" | "j" } letter */
static int take_conversion(const char **at, struct column *column, const char *format, struct error *err)
{
    const char *p = *at + 1;
    for (; *p && strchr("-+ #0", *p); p++)
        if (!strchr(column->flags, *p))
            column->flags[strlen(column->flags)] = *p;
    if (*p >= '1' && *p <= '9')
        p = take_number(p, WIDTH_MAX, &column->width);
    if (*p == '.')
        p = take_number(p + 1, PRECISION_MAX, &column->precision);
    while (*p && strchr("hlqLzj", *p))
        p++;
    if (!*p || !strchr("sdiuxXocfFeEgGvVrTY", *p))
        return error_set(err, ERR_INVALID, "the format '%s' has a '%%' at column %zu that is no conversion: there is %%s, %%d, %%f, %%v …",
                         format, (size_t)(*at - format) + 1);
    if (column->width > WIDTH_MAX || column->precision > PRECISION_MAX)
        return error_set(err, ERR_LIMIT, "the format '%s' is wider than %d, or more precise than %d", format, WIDTH_MAX, PRECISION_MAX);
    column->conversion = *p;
    *at = p + 1;
    return 0;
}

static int read_format(const char *format, struct column *column, struct error *err)
{
    if (strlen(format) > TEXT_MAX / 2)
        return error_set(err, ERR_LIMIT, "a format has more than %d bytes", TEXT_MAX / 2);
    const char *p = take_text(format, &column->before);
    if (*p && take_conversion(&p, column, format, err) < 0)
        return -1;
    p = take_text(p, &column->after);
    if (*p)
        return error_set(err, ERR_INVALID, "the format '%s' has a second conversion at column %zu: give each expression a --format of its own",
                         format, (size_t)(p - format) + 1);
    return 0;
}

int columns_add_format(struct columns *columns, const char *format, const char *expr, struct error *err)
{
    struct column new = { .width = -1, .precision = -1 };
    if (read_format(format, &new, err) < 0) {
        release_column(&new);
        return -1;
    }
    columns->by_format |= columns->count == 0;
    return add_column(columns, &new, expr, err);
}

static bool set_letter(struct columns *columns, char letter)
{
    switch (letter) {
    case 'j':
        columns->id = true;
        return true;
    case 'l':
        columns->label = true;
        return true;
    case 'h':
        columns->heading = true;
        return true;
    case 'V':
    case 'r':
    case 'T':
    case 'Y':
        columns->conversion = letter;
        return true;
    case 'o':
        columns->conversion = 'r';
        return true;
    case ',':
        columns->after = ",";
        return true;
    case 't':
        columns->before = "\t";
        return true;
    case 'n':
        columns->after = "\n";
        return true;
    case 'g':
        columns->before = NULL;
        columns->row_before = "\n";
        return true;
    default:
        return false;
    }
}

int columns_set_letters(struct columns *columns, const char *letters, struct error *err)
{
    size_t len = strcspn(letters, "=");
    for (size_t i = 0; i < len; i++)
        if (!set_letter(columns, letters[i]))
            return error_set(err, ERR_INVALID, "'%c' is no letter of --af: there is j, l, h, V, r, T, Y, comma, t, n and g", letters[i]);
    if (columns->heading && columns->label)
        return error_set(err, ERR_INVALID, "--af: l and h exclude each other");
    if (memchr(letters, ',', len) && memchr(letters, 'n', len))
        return error_set(err, ERR_INVALID, "--af: n and the comma exclude each other");
    return 0;
}

/* "A,B,C" */
static bool is_name_list(const char *text)
{
    auto_free char *copy = mem_dup(text);
    char *rest = copy;
    bool valid = strchr(text, ',') != NULL;
    for (char *name; valid && (name = strsep(&rest, ", "));)
        valid = !*name || ad_name_valid(name);
    return valid;
}

int columns_add_value(struct columns *columns, const char *expr, struct error *err)
{
    struct column new = { .width = -1, .precision = -1, .conversion = columns->conversion };
    if (!is_name_list(expr))
        return add_column(columns, &new, expr, err);
    auto_free char *copy = mem_dup(expr);
    char *rest = copy;
    for (char *name; (name = strsep(&rest, ", "));) {
        struct column one = new;
        if (*name && add_column(columns, &one, name, err) < 0)
            return -1;
    }
    return 0;
}

static void add_name(void *data, const char *name)
{
    struct buf *names = data;
    if (!ad_name_valid(name))
        return;
    buf_text(names, names->len > 0 ? "," : "");
    buf_text(names, name);
}

void columns_attributes(const struct columns *columns, struct buf *names)
{
    for (size_t i = 0; i < columns->count; i++)
        if (references_are_open(columns->list[i].source))
            return;
    if (columns->id) {
        add_name(names, "ClusterId");
        add_name(names, "ProcId");
    }
    for (size_t i = 0; i < columns->count; i++)
        references_each(columns->list[i].source, add_name, names);
    if (names->len == 0)
        add_name(names, "ClusterId"); /* nothing but constants: there is a row all the same */
}

/* ---- a value ---- */

/* The number that a conversion for numbers gets. */
static bool as_number(const struct value *value, double *real, int64_t *integer)
{
    switch (value->kind) {
    case VALUE_BOOL:
        *integer = value->boolean;
        *real = value->boolean;
        return true;
    case VALUE_INT:
        *integer = value->integer;
        *real = (double)value->integer;
        return true;
    case VALUE_REAL:
        *real = value->real;
        *integer = value->real > -9e18 && value->real < 9e18 ? (int64_t)value->real : 0;
        return true;
    default:
        return false;
    }
}

static void print_date(int64_t s, struct buf *out)
{
    time_t t = (time_t)s;
    struct tm tm;
    if (s <= 0 || !localtime_r(&t, &tm))
        buf_char(out, '-');
    else
        buf_printf(out, "%d/%d %02d:%02d", tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min);
}

/* printf's work with a format that was made here. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void print_number(const struct column *column, int64_t integer, double real, struct buf *out)
{
    char format[48], text[WIDTH_MAX + 400];
    bool is_real = strchr("fFeEgG", column->conversion) != NULL;
    int width = column->width < 0 ? 0 : column->width;
    if (column->precision < 0)
        snprintf(format, sizeof format, "%%%s*%s%c", column->flags, is_real ? "" : "ll", column->conversion);
    else
        snprintf(format, sizeof format, "%%%s*.%d%s%c", column->flags, column->precision, is_real ? "" : "ll", column->conversion);
    if (is_real)
        snprintf(text, sizeof text, format, width, real);
    else
        snprintf(text, sizeof text, format, width, (long long)integer);
    buf_text(out, text);
}
#pragma GCC diagnostic pop

/* Cuts to the precision and fills to the width. */
static void print_text(const struct column *column, const char *text, struct buf *out)
{
    size_t len = strlen(text), width = column->width < 0 ? 0 : (size_t)column->width;
    if (column->precision >= 0 && len > (size_t)column->precision)
        len = (size_t)column->precision;
    size_t fill = width > len ? width - len : 0;
    bool left = strchr(column->flags, '-') != NULL;
    for (size_t i = 0; !left && i < fill; i++)
        buf_char(out, ' ');
    buf_add(out, text, len);
    for (size_t i = 0; left && i < fill; i++)
        buf_char(out, ' ');
}

static void print_clock(int64_t s, struct buf *out)
{
    char clock[UNITS_TEXT_MAX];
    int64_t us = INT64_MAX;
    if (s < us / CLOCK_SECOND_US)
        us = s > 0 ? s * CLOCK_SECOND_US : 0;
    buf_text(out, units_clock(us, clock));
}

/* The value as a word, for conversions that are not numbers. False: there is nothing to say. */
static bool say_value(const struct column *column, const struct value *value, struct buf *out)
{
    double real;
    int64_t integer;
    bool number = as_number(value, &real, &integer);
    if (column->conversion == 'T' && number)
        print_clock(integer, out);
    else if (column->conversion == 'Y' && number)
        print_date(integer, out);
    else if (column->conversion != 'V' && value->kind == VALUE_STRING)
        words_safe(out, value->string);
    else if (column->conversion == 's' && value->kind == VALUE_UNDEFINED)
        return false;
    else {
        auto_buf struct buf literal = { 0 };
        value_print(value, &literal);
        words_safe(out, buf_cstr(&literal));
    }
    return true;
}

/* The text of an attribute that is named, of the expression otherwise. */
static void say_raw(const struct column *column, const struct ad *ad, struct buf *out)
{
    auto_buf struct buf text = { 0 };
    if (!ad_name_valid(column->source))
        buf_text(&text, column->source);
    else if (!ad_print_expr(ad, column->source, &text))
        buf_text(&text, "undefined");
    words_safe(out, buf_cstr(&text));
}

/* False: the column is left out. */
static bool print_cell(const struct column *column, const struct ad *ad, int64_t now, struct buf *out)
{
    auto_buf struct buf text = { 0 };
    struct ad_scope scope = { .my = ad, .now = now };
    struct value value = { 0 };
    double real;
    int64_t integer;
    bool said = true;
    if (column->conversion == 'r') {
        say_raw(column, ad, &text);
        print_text(column, buf_cstr(&text), out);
        return true;
    }
    ad_expr_eval(column->expr, &scope, &value);
    if (strchr("diuxXofFeEgGc", column->conversion)) {
        said = as_number(&value, &real, &integer);
        if (said && column->conversion != 'c')
            print_number(column, integer, real, out);
        else if (said && integer >= 0x20 && integer < 0x7f)
            buf_char(out, (char)integer);
    } else {
        said = say_value(column, &value, &text);
        print_text(column, buf_cstr(&text), out);
    }
    value_release(&value);
    return said;
}

/* ---- rows ---- */

static void add_id(const struct ad *ad, struct buf *out)
{
    buf_printf(out, "%" PRId64 ".%" PRId64, ad_int(ad, "ClusterId", 0), ad_int(ad, "ProcId", 0));
}

static void add_format_cell(const struct column *column, const struct ad *ad, int64_t now, struct buf *out)
{
    auto_buf struct buf cell = { 0 };
    if (column->conversion && !print_cell(column, ad, now, &cell))
        return;
    buf_text(out, column->before);
    buf_add(out, buf_cstr(&cell), cell.len);
    buf_text(out, column->after);
}

static void keep_cell(struct columns *columns, struct buf *cell)
{
    columns->cells = mem_grow(columns->cells, &columns->cell_capacity, columns->cell_count + 1, sizeof *columns->cells);
    columns->cells[columns->cell_count++] = mem_dup(buf_cstr(cell));
    buf_clear(cell);
}

static void keep_row(struct columns *columns, const struct ad *ad, int64_t now)
{
    auto_buf struct buf cell = { 0 };
    if (columns->id) {
        add_id(ad, &cell);
        keep_cell(columns, &cell);
    }
    for (size_t i = 0; i < columns->count; i++) {
        if (columns->list[i].before)
            add_format_cell(&columns->list[i], ad, now, &cell);
        else
            print_cell(&columns->list[i], ad, now, &cell);
        keep_cell(columns, &cell);
    }
}

static void separate(const struct columns *columns, size_t place, struct buf *out)
{
    if (place > 0 && columns->after)
        buf_text(out, columns->after);
    if (place > 0 && columns->before)
        buf_text(out, columns->before);
}

void columns_add_row(struct columns *columns, const struct ad *ad, int64_t now, struct buf *out)
{
    if (columns->heading) {
        keep_row(columns, ad, now);
        return;
    }
    size_t place = 0;
    if (columns->row_before)
        buf_text(out, columns->row_before);
    if (columns->id) {
        buf_text(out, columns->label ? "ID = " : "");
        add_id(ad, out);
        place++;
    }
    for (size_t i = 0; i < columns->count; i++) {
        const struct column *column = &columns->list[i];
        if (column->before) {
            add_format_cell(column, ad, now, out);
            continue;
        }
        separate(columns, place++, out);
        if (columns->label)
            buf_printf(out, "%s = ", column->source);
        print_cell(column, ad, now, out);
    }
    if (!columns->by_format)
        buf_char(out, '\n');
}

static const char *heading_of(const struct columns *columns, size_t column)
{
    if (columns->id && column == 0)
        return " ID";
    return columns->list[column - columns->id].source;
}

static void print_aligned(const char *const *cells, const size_t *widths, size_t count, const struct columns *columns, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        separate(columns, i, out);
        buf_text(out, cells[i]);
        for (size_t k = strlen(cells[i]); i + 1 < count && k < widths[i]; k++)
            buf_char(out, ' ');
    }
    buf_char(out, '\n');
}

void columns_end(struct columns *columns, struct buf *out)
{
    size_t count = columns->count + columns->id;
    if (!columns->heading)
        return;
    auto_free size_t *widths = mem_zero(count, sizeof *widths);
    auto_free const char **head = mem_zero(count, sizeof *head);
    for (size_t i = 0; i < count; i++) {
        head[i] = heading_of(columns, i);
        widths[i] = strlen(head[i]);
    }
    for (size_t i = 0; i < columns->cell_count; i++) {
        size_t len = strlen(columns->cells[i]);
        widths[i % count] = len > widths[i % count] ? len : widths[i % count];
    }
    print_aligned(head, widths, count, columns, out);
    for (size_t i = 0; i < columns->cell_count; i += count)
        print_aligned((const char *const *)columns->cells + i, widths, count, columns, out);
    for (size_t i = 0; i < columns->cell_count; i++)
        free(columns->cells[i]);
    columns->cell_count = 0;
}
