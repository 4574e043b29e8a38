/*
 * Names and URLs of files. A name that would lead out of the sandbox is refused here, where the user can still be told; the
 * kernel is asked again when it is used.
 */
#include "job/transfer.h"

#include "base/mem.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { PLACE_MAX = 8192 };

void transfer_source_release(struct transfer_source *source)
{
    free(source->place);
    free(source->leaf);
    *source = (struct transfer_source){ 0 };
}

/* ---- URLs ---- */

/* Whether the text begins with "scheme:" and a slash, or with any scheme and "://" when none is given. */
static bool has_scheme(const char *text, const char *scheme)
{
    size_t len = 0;
    while (isalnum((unsigned char)text[len]) || (len > 0 && text[len] && strchr("+-.", text[len])))
        len++;
    if (!scheme)
        return len > 0 && strncmp(text + len, "://", 3) == 0;
    return len == strlen(scheme) && strncasecmp(text, scheme, len) == 0 && strncmp(text + len, ":/", 2) == 0;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Undoes %XX; false when one is broken, or stands for what no name can have. */
static bool decode(const char *text, size_t len, struct buf *out)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%') {
            int high = len - i > 2 ? hex_digit(text[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
            if (low < 0 || high + low == 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        buf_char(out, c);
    }
    return true;
}

/* file:///path, file://localhost/path and file:/path. */
static int file_path(const char *text, struct buf *path, struct error *err)
{
    const char *at = text + strlen("file:");
    if (strncmp(at, "//", 2) == 0) {
        at += 2;
        if (strncasecmp(at, "localhost/", 10) == 0)
            at += 9;
        if (*at != '/')
            return error_set(err, ERR_INVALID, "'%.100s' names a file of another machine; write file:///PATH", text);
    }
    if (!decode(at, strlen(at), path))
        return error_set(err, ERR_INVALID, "'%.100s' has a '%%' that no two hexadecimal digits follow", text);
    return 0;
}

static int take_digest(const char *fragment, struct transfer_source *out, struct error *err)
{
    static const char wanted[] = "sha256=";
    const char *hex = fragment + strlen(wanted);
    if (strncasecmp(fragment, wanted, strlen(wanted)) != 0)
        return error_set(err, ERR_INVALID, "'#%.60s' is not understood; write '#sha256=' and 64 hexadecimal digits", fragment);
    if (strlen(hex) != TRANSFER_DIGEST_TEXT - 1 || strspn(hex, "0123456789abcdefABCDEF") != strlen(hex))
        return error_set(err, ERR_INVALID, "'#%.80s' is no SHA-256 digest; it has 64 hexadecimal digits", fragment);
    for (size_t i = 0; i < TRANSFER_DIGEST_TEXT; i++)
        out->digest[i] = (char)tolower((unsigned char)hex[i]);
    return 0;
}

static bool may_stand_in_a_url(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' || *text == 127)
            return false;
    return true;
}

/* The path's last part, without query. */
static int web_leaf(const struct transfer_source *source, struct buf *leaf, struct error *err)
{
    const char *host = strstr(source->place, "://") + 3;
    size_t len = strcspn(host, "?");
    size_t from = len;
    while (from > 0 && host[from - 1] != '/')
        from--;
    if (from == 0 || from == len)
        return error_set(err, ERR_INVALID, "'%.100s' names no file: it has nothing behind its last '/'", source->place);
    if (!decode(host + from, len - from, leaf))
        return error_set(err, ERR_INVALID, "'%.100s' has a '%%' that no two hexadecimal digits follow", source->place);
    return 0;
}

static int parse_web(const char *text, struct transfer_source *out, struct error *err)
{
    auto_buf struct buf leaf = { 0 };
    size_t len = strcspn(text, "#");
    out->kind = TRANSFER_WEB;
    out->place = mem_dup_n(text, len);
    const char *host = strstr(out->place, "://");
    if (!host || !may_stand_in_a_url(out->place) || host[3] == '/' || !host[3])
        return error_set(err, ERR_INVALID, "'%.100s' is no URL; write for example https://host/path/file, with %%20 for a blank", text);
    if (text[len] && take_digest(text + len + 1, out, err) < 0)
        return -1;
    if (web_leaf(out, &leaf, err) < 0)
        return -1;
    out->leaf = mem_dup(buf_cstr(&leaf));
    return 0;
}

/* ---- sources ---- */

static bool ends_in_slash(const char *text)
{
    size_t len = strlen(text);
    return len > 1 && text[len - 1] == '/';
}

static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void cut_slashes(char *text)
{
    size_t len = strlen(text);
    while (len > 1 && text[len - 1] == '/')
        text[--len] = '\0';
}

static bool is_no_leaf(const char *leaf)
{
    return !*leaf || strcmp(leaf, ".") == 0 || strcmp(leaf, "..") == 0 || strchr(leaf, '/');
}

static int parse_path(const char *text, const char *path, struct transfer_source *out, struct error *err)
{
    out->kind = TRANSFER_NAME;
    out->place = mem_dup(path);
    if (ends_in_slash(path)) {
        out->leaf = mem_dup("");
        return 0;
    }
    out->leaf = mem_dup(last_name(path));
    return is_no_leaf(out->leaf) ? error_set(err, ERR_INVALID, "'%.100s' is no name for an input file", text) : 0;
}

static int parse_source(const char *text, struct transfer_source *out, struct error *err)
{
    auto_buf struct buf path = { 0 };
    if (strlen(text) > PLACE_MAX)
        return error_set(err, ERR_LIMIT, "the name of an input is longer than %d bytes", PLACE_MAX);
    if (has_scheme(text, "file"))
        return file_path(text, &path, err) < 0 ? -1 : parse_path(text, buf_cstr(&path), out, err);
    if (!has_scheme(text, "http") && !has_scheme(text, "https")) {
        if (has_scheme(text, NULL))
            return error_set(err, ERR_INVALID, "'%.100s' cannot be fetched; URLs may be file:, http: and https:", text);
        return parse_path(text, text, out, err);
    }
    if (parse_web(text, out, err) < 0)
        return -1;
    if (is_no_leaf(out->leaf))
        return error_set(err, ERR_INVALID, "'%.100s' names no file", text);
    return 0;
}

int transfer_source_parse(const char *text, struct transfer_source *out, struct error *err)
{
    auto_transfer_source struct transfer_source source = { 0 };
    if (parse_source(text, &source, err) < 0)
        return -1;
    *out = source;
    source = (struct transfer_source){ 0 };
    return 0;
}

char *transfer_source_show(const struct transfer_source *source)
{
    if (source->kind != TRANSFER_WEB)
        return mem_dup(source->place);
    const char *host = strstr(source->place, "://") + 3;
    size_t len = strcspn(host, "?");
    size_t end = strcspn(host, "/?");
    const char *at = memrchr(host, '@', end);
    size_t skip = at ? (size_t)(at - host) + 1 : 0;
    return mem_printf("%.*s%.*s", (int)(host - source->place), source->place, (int)(len - skip), host + skip);
}

/* ---- names in the sandbox ---- */

/* A relative name without what does not matter in it: "./a//b/" is "a/b". Outcome false: it has "..", or nothing is left. */
static bool clean(const char *path, struct buf *out)
{
    while (*path) {
        size_t len = strcspn(path, "/");
        if (len == 2 && strncmp(path, "..", 2) == 0)
            return false;
        if (len > 0 && !(len == 1 && *path == '.')) {
            buf_text(out, out->len ? "/" : "");
            buf_add(out, path, len);
        }
        path += len + (path[len] == '/');
    }
    return out->len > 0;
}

static int kept_name(const char *path, char **name, struct error *err)
{
    auto_buf struct buf out = { 0 };
    if (!clean(path, &out))
        return error_set(err, ERR_INVALID, "'%.100s' leads out of the sandbox, so that its path cannot be preserved", path);
    *name = buf_steal(&out);
    return 0;
}

int transfer_input_name(const struct transfer_source *source, bool preserve, char **name, struct error *err)
{
    if (preserve && source->kind == TRANSFER_NAME && source->place[0] != '/')
        return kept_name(source->place, name, err);
    if (preserve && source->leaf[0] == '\0') {
        auto_free char *path = mem_dup(source->place);
        cut_slashes(path);
        *name = mem_dup(last_name(path));
        return 0;
    }
    *name = mem_dup(source->leaf);
    return 0;
}

int transfer_output_name(const char *entry, bool preserve, char **name, struct error *err)
{
    auto_buf struct buf out = { 0 };
    if (has_scheme(entry, NULL))
        return error_set(err, ERR_INVALID, "'%.100s' is a URL, and outputs are named as the job makes them; where they go is said by transfer_output_remaps", entry);
    if (!clean(entry, &out))
        return error_set(err, ERR_INVALID, "'%.100s' is not the name of a file in the sandbox", entry);
    if (preserve && entry[0] != '/')
        *name = buf_steal(&out);
    else
        *name = mem_dup(ends_in_slash(entry) && !preserve ? "" : last_name(buf_cstr(&out)));
    return 0;
}

/* ---- destinations ---- */

int transfer_destination(const char *text, char **path, struct error *err)
{
    auto_buf struct buf out = { 0 };
    if (has_scheme(text, "file")) {
        if (file_path(text, &out, err) < 0)
            return -1;
    } else if (has_scheme(text, NULL)) {
        return error_set(err, ERR_INVALID, "'%.100s' cannot be written to; outputs go to paths and file: URLs", text);
    } else {
        buf_text(&out, text);
    }
    if (buf_cstr(&out)[0] != '/')
        return error_set(err, ERR_INVALID, "'%.100s' is not absolute; write file:///PATH", text);
    *path = buf_steal(&out);
    return 0;
}

/* ---- remaps ---- */

static void trim(struct buf *text)
{
    size_t from = 0;
    while (text->len > 0 && isspace((unsigned char)text->data[text->len - 1]))
        text->data[--text->len] = '\0';
    while (from < text->len && isspace((unsigned char)text->data[from]))
        from++;
    buf_drop(text, from);
}

/* word = { plain char | "\" ("=" | ";" | "\") }, up to an unescaped stop; blanks around it do not count. */
static const char *read_word(const char *text, const char *stops, struct buf *word)
{
    buf_clear(word);
    while (*text && !strchr(stops, *text)) {
        if (*text == '\\' && text[1] && strchr("=;\\", text[1]))
            text++;
        buf_char(word, *text++);
    }
    trim(word);
    return text;
}

static int check_pair(const char *name, struct buf *target, struct error *err)
{
    char *path;
    const char *text = buf_cstr(target);
    if (!*name || !*text)
        return error_set(err, ERR_INVALID, "'%.60s=%.60s' is no remap; write 'name = new name', with ';' between several", name, text);
    if (has_scheme(text, NULL) || has_scheme(text, "file")) {
        if (transfer_destination(text, &path, err) < 0)
            return -1;
        buf_clear(target);
        buf_text(target, path);
        free(path);
    }
    if (ends_in_slash(buf_cstr(target)) || is_no_leaf(last_name(buf_cstr(target))))
        return error_set(err, ERR_INVALID, "'%.60s = %.60s' names no file to write to; add a name behind the last '/'", name, text);
    return 0;
}

/* remaps = [ pair ] { ";" [ pair ] }; pair = word "=" word. */
int transfer_remaps(const char *text, struct command_list *pairs, struct error *err)
{
    auto_command_list struct command_list list = { 0 };
    auto_buf struct buf name = { 0 }, target = { 0 };
    while (*text) {
        text = read_word(text, "=;", &name);
        if (*text != '=' && name.len > 0)
            return error_set(err, ERR_INVALID, "'%.60s' has no new name; write '%.60s = new name'", buf_cstr(&name), buf_cstr(&name));
        buf_clear(&target);
        if (*text == '=') {
            text = read_word(text + 1, ";", &target);
            if (check_pair(buf_cstr(&name), &target, err) < 0)
                return -1;
            command_list_add(&list, buf_cstr(&name));
            command_list_add(&list, buf_cstr(&target));
        }
        text += *text == ';';
    }
    *pairs = list;
    list = (struct command_list){ 0 };
    return 0;
}

static char *look_up(const struct command_list *pairs, const char *name)
{
    for (size_t i = 0; i + 1 < pairs->count; i += 2)
        if (strcmp(pairs->items[i], name) == 0)
            return mem_dup(pairs->items[i + 1]);
    return NULL;
}

char *transfer_remap(const struct command_list *pairs, const char *entry, const char *name)
{
    char *found = look_up(pairs, entry);
    if (!found)
        found = look_up(pairs, name);
    auto_free char *above = mem_dup(name);
    for (char *slash; !found && (slash = strrchr(above, '/'));) {
        *slash = '\0';
        auto_free char *target = look_up(pairs, above);
        if (target)
            found = mem_printf("%s/%s", target, name + strlen(above) + 1);
    }
    return found;
}
