/*
 * Functions of the submit language. Macros among the arguments are expanded first; then an argument that is a name stands for
 * the value of that name, and any other for itself.
 *
 * Random choices are made from the seed, the job's number and the place in the file where the function stands: a name whose
 * value is a random choice is the same choice wherever it is used for one job, whatever else the file has.
 */
#include "job/submit_parts.h"

#include "base/mem.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { ARGUMENTS_MAX = 10000, ARGUMENT_WORK = 16, FORMATTED_MAX = 512 };

struct call {
    struct submit_expander *x;
    const char *name; /* "INT" */
    const char *letters; /* of F */
    int depth;
    char **arguments;
    size_t count, capacity;
};
typedef int call_fn(struct call *call, struct buf *out, struct error *err);

static void call_release(struct call *call)
{
    for (size_t i = 0; i < call->count; i++)
        free(call->arguments[i]);
    free(call->arguments);
}

/* ---- arguments ---- */

static void add_argument(struct call *call, const char *text, size_t len)
{
    call->arguments = mem_grow(call->arguments, &call->capacity, call->count + 1, sizeof *call->arguments);
    call->arguments[call->count++] = mem_dup_n(text, len);
}

/* The end of the argument at p: a comma that is not in a string or within parentheses, braces or brackets. */
static const char *argument_end(const char *p)
{
    int open = 0;
    bool string = false;
    for (; *p && (*p != ',' || open > 0 || string); p++) {
        if (*p == '"' && p[1] != '\0')
            string = string ? false : strchr(p + 1, '"') != NULL;
        else if (!string && strchr("([{", *p))
            open++;
        else if (!string && strchr(")]}", *p) && open > 0)
            open--;
    }
    return p;
}

/* Splits a list at its commas. */
static int split(struct call *call, const char *text, struct error *err)
{
    for (const char *p = text;; p++) {
        const char *end = argument_end(p);
        if (call->count >= ARGUMENTS_MAX)
            return error_set(err, ERR_LIMIT, "$%s(…) has more than %d arguments", call->name, ARGUMENTS_MAX);
        if (submit_charge(call->x->parser, ARGUMENT_WORK, err) < 0)
            return -1;
        add_argument(call, p, (size_t)(end - p));
        p = end;
        if (!*p)
            return 0;
    }
}

static bool is_name(const char *text)
{
    size_t len = submit_name_length(text);
    return len > 0 && len < SUBMIT_NAME_MAX && !text[len] && !isdigit((unsigned char)*text) && *text != '.';
}

/* What an argument stands for. */
static int value_of(struct call *call, const char *argument, struct buf *out, struct error *err)
{
    auto_free char *copy = mem_dup(argument);
    const char *text = submit_trim(copy);
    bool found = false;
    out->max = SUBMIT_VALUE_MAX;
    if (is_name(text) && submit_expand_name(call->x, text, call->depth + 1, out, &found, err) < 0)
        return -1;
    if (!found)
        buf_text(out, text);
    return 0;
}

static int wrong(const struct call *call, const char *what, const char *text, struct error *err)
{
    return error_set(err, ERR_INVALID, "$%s(…): '%.60s' %s", call->name, text, what);
}

/* ---- expressions ---- */

static int evaluate(struct call *call, const char *argument, struct buf *text, struct value *value, struct error *err)
{
    auto_ad struct ad *ad = ad_new();
    struct ad_scope scope = { .my = ad };
    if (value_of(call, argument, text, err) < 0)
        return -1;
    if (submit_set_expr(ad, "value", buf_cstr(text), err) < 0)
        return error_wrap(err, "$%s(…): '%.60s' is not an expression", call->name, buf_cstr(text));
    ad_eval(&scope, "value", value);
    return 0;
}

static int number_of(struct call *call, const char *argument, struct value *value, struct error *err)
{
    auto_buf struct buf text = { 0 };
    if (evaluate(call, argument, &text, value, err) < 0)
        return -1;
    if (value->kind == VALUE_BOOL) {
        value->integer = value->boolean;
        value->kind = VALUE_INT;
    }
    if (value->kind == VALUE_INT)
        value->real = (double)value->integer;
    else if (value->kind != VALUE_REAL) {
        value_release(value);
        return wrong(call, "is not a number", buf_cstr(&text), err);
    }
    return 0;
}

static int integer_of(struct call *call, const char *argument, int64_t *number, struct error *err)
{
    struct value value = { 0 };
    if (number_of(call, argument, &value, err) < 0)
        return -1;
    if (value.kind == VALUE_REAL && !(value.real > -9.2e18 && value.real < 9.2e18))
        return wrong(call, "is too large for a whole number", argument, err);
    *number = value.kind == VALUE_INT ? value.integer : (int64_t)value.real;
    return 0;
}

/* ---- formats ---- */

struct format {
    char flags[8];
    int width, precision; /* precision -1: none given */
    char conversion;
    const char *before, *after;
    size_t before_len;
};

static const char *read_width(const char *p, int *number)
{
    *number = 0;
    for (; isdigit((unsigned char)*p) && *number < 1000; p++)
        *number = *number * 10 + (*p - '0');
    return p;
}

/* Reads "text %04d text": one conversion, of those that are allowed. */
static bool read_format(const char *text, const char *allowed, struct format *f)
{
    const char *p = text;
    while (*p && (*p != '%' || p[1] == '%'))
        p += *p == '%' ? 2 : 1;
    if (!*p)
        return false;
    *f = (struct format){ .before = text, .before_len = (size_t)(p - text), .precision = -1 };
    size_t flags = strspn(++p, "-+ #0");
    if (flags >= sizeof f->flags)
        return false;
    memcpy(f->flags, p, flags);
    p = read_width(p + flags, &f->width);
    if (*p == '.')
        p = read_width(p + 1, &f->precision);
    p += strspn(p, "hl");
    f->conversion = *p;
    f->after = *p ? p + 1 : p;
    for (const char *q = f->after; *q; q++)
        if (*q == '%' && *++q != '%')
            return false;
    return *p && strchr(allowed, *p) && f->width <= 200 && f->precision <= 100;
}

static void add_unescaped(struct buf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        buf_char(out, text[i]);
        i += text[i] == '%';
    }
}

/* The conversion as printf wants it, with the length modifier for our types. */
static void conversion_of(const struct format *f, const char *modifier, char out[64])
{
    char precision[16] = "", width[16] = "";
    if (f->width > 0)
        snprintf(width, sizeof width, "%d", f->width);
    if (f->precision >= 0)
        snprintf(precision, sizeof precision, ".%d", f->precision);
    snprintf(out, 64, "%%%s%s%s%s%c", f->flags, width, precision, modifier, f->conversion);
}

#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the conversion was read and made by the functions above */

static int add_number(struct call *call, const char *format, const char *allowed, const struct value *value, struct buf *out,
                      struct error *err)
{
    struct format f;
    char conversion[64], text[FORMATTED_MAX];
    if (!read_format(format, allowed, &f))
        return error_set(err, ERR_INVALID, "$%s(…): '%.40s' is no format for it; write one such as '%s'", call->name, format,
                         strchr(allowed, 'd') ? "%04d" : "%.2f");
    bool integer = strchr("dioxXuc", f.conversion) != NULL;
    conversion_of(&f, integer && f.conversion != 'c' ? "ll" : "", conversion);
    if (integer && f.conversion == 'c')
        snprintf(text, sizeof text, conversion, value->integer > 31 && value->integer < 127 ? (int)value->integer : '?');
    else if (integer)
        snprintf(text, sizeof text, conversion, (long long)value->integer);
    else
        snprintf(text, sizeof text, conversion, value->real);
    add_unescaped(out, f.before, f.before_len);
    buf_text(out, text);
    add_unescaped(out, f.after, strlen(f.after));
    return 0;
}

static void add_padded(const struct format *f, const char *text, struct buf *out)
{
    size_t len = strlen(text), width = (size_t)f->width;
    len = f->precision >= 0 && (size_t)f->precision < len ? (size_t)f->precision : len;
    bool left = strchr(f->flags, '-') != NULL;
    for (size_t i = len; !left && i < width; i++)
        buf_char(out, ' ');
    buf_add(out, text, len);
    for (size_t i = len; left && i < width; i++)
        buf_char(out, ' ');
}

static int call_int(struct call *call, struct buf *out, struct error *err)
{
    struct value value = { 0 };
    if (integer_of(call, call->arguments[0], &value.integer, err) < 0)
        return -1;
    value.real = (double)value.integer;
    return add_number(call, call->count > 1 ? call->arguments[1] : "%d", "dioxXuc", &value, out, err);
}

static int call_real(struct call *call, struct buf *out, struct error *err)
{
    struct value value = { 0 };
    if (number_of(call, call->arguments[0], &value, err) < 0)
        return -1;
    return add_number(call, call->count > 1 ? call->arguments[1] : "%16G", "eEfFgGaA", &value, out, err);
}

/* A value that is no expression, or not one whose value is a text, is the text itself. */
static int call_string(struct call *call, struct buf *out, struct error *err)
{
    auto_buf struct buf text = { 0 };
    struct value value = { 0 };
    struct error ignored = { 0 };
    struct format f;
    const char *format = call->count > 1 ? call->arguments[1] : "%s";
    if (!read_format(format, "s", &f))
        return error_set(err, ERR_INVALID, "$STRING(…): '%.40s' is no format for it; write one such as '%%10s'", format);
    if (value_of(call, call->arguments[0], &text, err) < 0)
        return -1;
    auto_ad struct ad *ad = ad_new();
    struct ad_scope scope = { .my = ad };
    if (submit_set_expr(ad, "value", buf_cstr(&text), &ignored) == 0)
        ad_eval(&scope, "value", &value);
    add_unescaped(out, f.before, f.before_len);
    add_padded(&f, value.kind == VALUE_STRING ? value.string : buf_cstr(&text), out);
    add_unescaped(out, f.after, strlen(f.after));
    value_release(&value);
    return 0;
}

static int call_eval(struct call *call, struct buf *out, struct error *err)
{
    auto_buf struct buf text = { 0 };
    struct value value = { 0 };
    if (evaluate(call, call->arguments[0], &text, &value, err) < 0)
        return -1;
    if (value.kind == VALUE_STRING)
        buf_text(out, value.string);
    else
        value_print(&value, out);
    value_release(&value);
    return 0;
}

/* ---- choices ---- */

static uint64_t random_bits(const struct submit_expander *x)
{
    uint64_t z = x->parser->options->seed + (uint64_t)x->proc * 0x9e3779b97f4a7c15 + x->place * 0xd1342543de82ef95;
    for (int i = 0; i < 2; i++) { /* splitmix64 */
        z += 0x9e3779b97f4a7c15;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        z ^= z >> 31;
    }
    return z;
}

/* A single argument behind the first `skip` is the name of a list. */
static int open_list(struct call *call, size_t skip, struct error *err)
{
    auto_buf struct buf text = { 0 };
    if (call->count != skip + 1)
        return 0;
    if (value_of(call, call->arguments[skip], &text, err) < 0)
        return -1;
    free(call->arguments[--call->count]);
    return split(call, buf_cstr(&text), err);
}

static int call_choice(struct call *call, struct buf *out, struct error *err)
{
    int64_t index;
    if (integer_of(call, call->arguments[0], &index, err) < 0 || open_list(call, 1, err) < 0)
        return -1;
    if (index < 0 || (uint64_t)index >= call->count - 1)
        return error_set(err, ERR_INVALID, "$CHOICE(…): there is no item %" PRId64 ": the list has items 0 to %zu", index,
                         call->count - 2);
    buf_text(out, submit_trim(call->arguments[index + 1]));
    return 0;
}

static int call_random_choice(struct call *call, struct buf *out, struct error *err)
{
    if (open_list(call, 0, err) < 0)
        return -1;
    call->x->used_proc = true;
    buf_text(out, submit_trim(call->arguments[random_bits(call->x) % call->count]));
    return 0;
}

static int call_random_integer(struct call *call, struct buf *out, struct error *err)
{
    int64_t least, most, step = 1;
    if (integer_of(call, call->arguments[0], &least, err) < 0 || integer_of(call, call->arguments[1], &most, err) < 0 ||
        (call->count > 2 && integer_of(call, call->arguments[2], &step, err) < 0))
        return -1;
    if (least > most)
        return error_set(err, ERR_INVALID, "$RANDOM_INTEGER(…): the least number %" PRId64 " is above the largest %" PRId64, least, most);
    if (step < 1)
        return error_set(err, ERR_INVALID, "$RANDOM_INTEGER(…): the step %" PRId64 " is not above 0", step);
    uint64_t last = ((uint64_t)most - (uint64_t)least) / (uint64_t)step, bits = random_bits(call->x);
    call->x->used_proc = true;
    uint64_t pick = last == UINT64_MAX ? bits : bits % (last + 1);
    buf_printf(out, "%" PRId64, (int64_t)((uint64_t)least + pick * (uint64_t)step));
    return 0;
}

/* ---- texts ---- */

static int call_substr(struct call *call, struct buf *out, struct error *err)
{
    auto_buf struct buf text = { 0 };
    int64_t start, take = INT64_MAX;
    if (value_of(call, call->arguments[0], &text, err) < 0 || integer_of(call, call->arguments[1], &start, err) < 0 ||
        (call->count > 2 && integer_of(call, call->arguments[2], &take, err) < 0))
        return -1;
    int64_t len = (int64_t)text.len;
    start = start < -len ? 0 : start < 0 ? start + len : start < len ? start : len;
    int64_t left = len - start;
    int64_t end = take >= left ? len : take >= 0 ? start + take : take > -left ? len + take : start;
    buf_add(out, buf_cstr(&text) + start, (size_t)(end - start));
    return 0;
}

static int call_env(struct call *call, struct buf *out, struct error *err)
{
    const struct submit_outside *outside = call->x->parser->options->outside;
    char *name = submit_trim(call->arguments[0]), *colon = strchr(name, ':');
    const char *fallback = colon ? colon + 1 : NULL;
    if (colon)
        *colon = '\0';
    if (!outside || !outside->variable)
        return error_set(err, ERR_INVALID, "$ENV(…): there is no environment to look at here");
    const char *value = outside->variable(outside->context, name);
    if (!value && !fallback)
        submit_warn(call->x->parser, call->x->line,
                    "the environment has no '%.60s': $ENV(…) expands to UNDEFINED; write '$ENV(%.60s:default)'", name, name);
    if (value && (*value || !fallback))
        buf_text(out, value);
    else
        buf_text(out, fallback ? fallback : "UNDEFINED");
    return 0;
}

static int path_parts(struct call *call, const char *letters, struct buf *out, struct error *err)
{
    auto_buf struct buf text = { 0 };
    if (value_of(call, call->arguments[0], &text, err) < 0)
        return -1;
    submit_path_parts(call->x->parser->options->cwd, letters, buf_cstr(&text), out);
    return 0;
}

static int call_path(struct call *call, struct buf *out, struct error *err)
{
    return path_parts(call, call->letters, out, err);
}

static int call_dirname(struct call *call, struct buf *out, struct error *err)
{
    return path_parts(call, "p", out, err);
}

static int call_basename(struct call *call, struct buf *out, struct error *err)
{
    auto_buf struct buf name = { 0 }, suffix = { 0 };
    if (path_parts(call, "nx", &name, err) < 0 || (call->count > 1 && value_of(call, call->arguments[1], &suffix, err) < 0))
        return -1;
    bool ends = suffix.len < name.len && strcmp(buf_cstr(&name) + name.len - suffix.len, buf_cstr(&suffix)) == 0;
    buf_add(out, buf_cstr(&name), name.len - (ends ? suffix.len : 0));
    return 0;
}

/* ---- the table ---- */

static const struct {
    const char *name;
    size_t least, most; /* arguments */
    call_fn *call;
    const char *example;
    bool rest; /* the last argument is all that is left */
} functions[] = {
    { "ENV", 1, 1, call_env, "$ENV(HOME)", true },
    { "INT", 1, 2, call_int, "$INT(name,%04d)", true },
    { "REAL", 1, 2, call_real, "$REAL(name,%.2f)", true },
    { "STRING", 1, 2, call_string, "$STRING(name,%s)", true },
    { "EVAL", 1, 1, call_eval, "$EVAL(name)", true },
    { "CHOICE", 2, ARGUMENTS_MAX, call_choice, "$CHOICE(index,list)", false },
    { "RANDOM_CHOICE", 1, ARGUMENTS_MAX, call_random_choice, "$RANDOM_CHOICE(a,b,c)", false },
    { "RANDOM_INTEGER", 2, 3, call_random_integer, "$RANDOM_INTEGER(1,6)", false },
    { "SUBSTR", 2, 3, call_substr, "$SUBSTR(name,0,3)", false },
    { "DIRNAME", 1, 1, call_dirname, "$DIRNAME(file)", true },
    { "BASENAME", 1, 2, call_basename, "$BASENAME(file)", false },
    { "F", 1, 1, call_path, "$Fnx(file)", true },
};

/* $F takes letters that say what to take. */
size_t submit_function_length(const char *p)
{
    size_t len = submit_name_length(p);
    if (len == 0 || p[len] != '(')
        return 0;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (strlen(functions[i].name) == len && strncmp(p, functions[i].name, len) == 0)
            return len;
    return *p == 'F' && strspn(p + 1, "fpduwnxbqa") == len - 1 ? len : 0;
}

void submit_warn_function(struct submit_expander *x, const char *p)
{
    enum { SHORT = 3 };
    char name[32];
    size_t len = submit_name_length(p);
    if (len < SHORT || len >= sizeof name || p[len] != '(')
        return;
    memcpy(name, p, len);
    name[len] = '\0';
    for (size_t i = 0; i < sizeof functions / sizeof functions[0] - 1; i++)
        if (submit_distance(name, functions[i].name, 1) <= (strlen(functions[i].name) > SHORT ? 1 : 0))
            submit_warn(x->parser, x->line, "'$%s(…)' is no function and stays as it is; did you mean '$%s(…)'?", name, functions[i].name);
}

/* The arguments, where the last one that the function takes may be all that is left, commas and blanks included. */
static int read_arguments(struct call *call, const char *body, size_t most, bool rest, struct error *err)
{
    if (!rest)
        return split(call, body, err);
    const char *end = most > 1 ? argument_end(body) : body + strlen(body);
    add_argument(call, body, (size_t)(end - body));
    if (*end)
        add_argument(call, end + 1, strlen(end + 1));
    return 0;
}

int submit_call(struct submit_expander *x, const char *name, size_t name_len, const char *body, size_t body_len, int depth,
                struct buf *out, struct error *err)
{
    __attribute__((cleanup(call_release))) struct call call = { .x = x, .letters = name + 1, .depth = depth };
    auto_buf struct buf text = { .max = SUBMIT_VALUE_MAX };
    size_t i = 0;
    while (strlen(functions[i].name) != name_len || strncmp(functions[i].name, name, name_len) != 0)
        if (++i == sizeof functions / sizeof functions[0] - 1)
            break; /* the last is $F, whose letters vary */
    call.name = functions[i].name;
    if (++x->steps > SUBMIT_MACRO_STEPS_MAX)
        return error_set(err, ERR_LIMIT, "more than %d macros are expanded for one value; '$%s(…)' is the last",
                         SUBMIT_MACRO_STEPS_MAX, call.name);
    if (submit_expand_part(x, body, body_len, depth + 1, &text, err) < 0 ||
        read_arguments(&call, buf_cstr(&text), functions[i].most, functions[i].rest, err) < 0)
        return -1;
    if (call.count < functions[i].least || call.count > functions[i].most || !*submit_trim(call.arguments[0]))
        return error_set(err, ERR_INVALID, "$%s(%.40s) has too %s arguments; write for example '%s'", call.name, buf_cstr(&text),
                         call.count > functions[i].most ? "many" : "few", functions[i].example);
    return functions[i].call(&call, out, err);
}
