/* File names as text: their parts, as $F…(…), $BASENAME and $DIRNAME want them, and patterns that stand for names. */
#include "job/submit_parts.h"

#include "base/mem.h"

#include <ctype.h>
#include <string.h>

enum { PART_EXTENSION = 1, PART_NAME = 2, PART_PATH = 4, PART_DIRECTORY = 8 };

struct wish {
    int parts;
    size_t directories; /* how many 'd' */
    bool full, bare, quote, single;
    char separator; /* that all separators become; 0 = none */
};

static struct wish read_letters(const char *letters)
{
    struct wish w = { 0 };
    for (; isalpha((unsigned char)*letters); letters++) {
        w.parts |= *letters == 'x' ? PART_EXTENSION : *letters == 'n' ? PART_NAME : *letters == 'p' ? PART_PATH : 0;
        w.parts |= *letters == 'd' ? PART_DIRECTORY : 0;
        w.directories += *letters == 'd';
        w.full = w.full || *letters == 'f';
        w.bare = w.bare || *letters == 'b';
        w.quote = w.quote || *letters == 'q';
        w.single = w.single || *letters == 'a';
        w.separator = *letters == 'u' ? '/' : *letters == 'w' ? '\\' : w.separator;
    }
    return w;
}

/* The name without quotes around it, whole if that is wanted, its separators as wanted. */
static char *prepare(const struct wish *w, const char *cwd, const char *name)
{
    size_t len = strlen(name);
    bool quoted = len >= 2 && (*name == '"' || *name == '\'') && name[len - 1] == *name;
    auto_free char *bare = mem_dup_n(name + quoted, len - 2 * (size_t)quoted);
    const char *from = bare;
    while (w->full && from[0] == '.' && from[1] == '/')
        from += 2;
    char *text = w->full && *from != '/' ? mem_printf("%s%s%s", cwd, cwd[strlen(cwd) - 1] == '/' ? "" : "/", from) : mem_dup(from);
    for (char *p = text; w->separator && *p; p++)
        if (*p == '/' || *p == '\\')
            *p = w->separator;
    return text;
}

/* Where the last `count` directories before `end` start. */
static size_t directories_from(const char *text, size_t end, size_t count, char separator)
{
    size_t at = end;
    while (at > 0 && count > 0) {
        at--; /* the separator that ends the directory */
        while (at > 0 && text[at - 1] != separator)
            at--;
        count--;
    }
    return at;
}

void submit_path_parts(const char *cwd, const char *letters, const char *name, struct buf *out)
{
    struct wish w = read_letters(letters);
    auto_free char *text = prepare(&w, cwd, name);
    char separator = w.separator ? w.separator : '/';
    const char *slash = strrchr(text, separator);
    size_t base = slash ? (size_t)(slash - text) + 1 : 0, end = strlen(text), from = 0;
    const char *dot = strrchr(text + base, '.');
    size_t extension = dot && dot > text + base ? (size_t)(dot - text) : end;
    int which = w.parts & (PART_NAME | PART_EXTENSION);
    bool directory = w.parts & (PART_PATH | PART_DIRECTORY);
    if (w.parts & PART_DIRECTORY)
        from = directories_from(text, base, w.directories, separator);
    if (which == PART_NAME)
        end = extension;
    else if (which == 0 && directory)
        end = base > from && w.bare ? base - 1 : base;
    if (which && !directory)
        from = which == PART_EXTENSION ? extension : base;
    if (which == PART_EXTENSION && !directory && w.bare && from < end)
        from++;
    char quote = w.single ? '\'' : '"';
    if (w.quote)
        buf_char(out, quote);
    buf_add(out, text + from, end - from);
    if (w.quote)
        buf_char(out, quote);
}

/* ---- patterns ---- */

/* Whether `c` is in the set at *pattern, which is behind its "["; moves *pattern behind its "]". A set without end is none. */
static bool in_set(const char **pattern, unsigned char c, bool *is_set)
{
    const char *p = *pattern;
    bool negated = *p == '!' || *p == '^', found = false;
    p += negated;
    for (bool first = true; *p && (*p != ']' || first); first = false) {
        unsigned char low = (unsigned char)*p++, high = low;
        if (p[0] == '-' && p[1] && p[1] != ']') {
            high = (unsigned char)p[1];
            p += 2;
        }
        found = found || (low <= c && c <= high);
    }
    *is_set = *p == ']';
    *pattern = p + 1;
    return *is_set && found != negated;
}

/* Whether one element of the pattern, which is not "*", takes the character; moves *pattern behind it. */
static bool takes(const char **pattern, char c)
{
    const char *p = *pattern;
    bool is_set;
    *pattern = p + 1;
    if (*p == '?')
        return true;
    if (*p == '[') {
        const char *set = p + 1;
        bool taken = in_set(&set, (unsigned char)c, &is_set);
        if (is_set) {
            *pattern = set;
            return taken;
        }
    }
    if (*p == '\\' && p[1]) {
        *pattern = p + 2;
        return p[1] == c;
    }
    return *p == c;
}

/* The last star is the only one that is tried again: an earlier one that took more could not do better. */
bool submit_matches(const char *pattern, const char *name)
{
    const char *star = NULL, *retry = NULL;
    if (*name == '.' && *pattern != '.' && !(pattern[0] == '\\' && pattern[1] == '.'))
        return false;
    while (*name) {
        const char *next = pattern;
        if (*pattern == '*') {
            star = ++pattern;
            retry = name;
        } else if (*pattern && takes(&next, *name)) {
            pattern = next;
            name++;
        } else if (star) {
            pattern = star;
            name = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}
