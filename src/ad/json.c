/*
 * The JSON form. Reading is json-c's, whose depth and strictness are set here; what it built is turned into an ad and freed.
 * Writing is ours: it is short, and it decides what must survive: every int64, and a real as a real (1.0, not 1).
 *
 * A string that looks like an expression, "/Expr(x)/", is written as an expression that is that string: json-c does not tell
 * "\/" from "/", so this is what keeps reading the exact inverse of writing. Bytes above 127 pass as they are.
 */
#include "ad/ad.h"

#include "ad/node.h"
#include "base/mem.h"

#include <json-c/json.h>
#include <math.h>
#include <string.h>

static const char expr_head[] = "/Expr(";
static const char expr_tail[] = ")/";
enum { HEAD_LEN = sizeof expr_head - 1, TAIL_LEN = sizeof expr_tail - 1 };

static bool looks_like_expr(const char *text, size_t len)
{
    return len >= HEAD_LEN + TAIL_LEN && memcmp(text, expr_head, HEAD_LEN) == 0 &&
           memcmp(text + len - TAIL_LEN, expr_tail, TAIL_LEN) == 0;
}

static void print_escaped(const char *text, size_t len, struct buf *out)
{
    static const char hex[] = "0123456789abcdef";
    size_t done = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buf_add(out, text + done, i - done);
        done = i + 1;
        const char *at = memchr("\"\\\b\f\n\r\t", c, 7);
        char pair[2] = { '\\', at ? "\"\\bfnrt"[strcspn("\"\\\b\f\n\r\t", (char[]){ (char)c, '\0' })] : 'u' };
        buf_add(out, pair, 2);
        if (!at)
            buf_add(out, (char[]){ '0', '0', hex[c >> 4], hex[c & 15] }, 4);
    }
    buf_add(out, text + done, len - done);
}

static void print_expr(const struct node *node, struct buf *out)
{
    auto_buf struct buf text = { 0 };
    node_print(node, &text);
    buf_text(out, "\"\\/Expr(");
    print_escaped(buf_cstr(&text), text.len, out);
    buf_text(out, ")\\/\"");
}

static void print_string(const struct node *node, struct buf *out)
{
    size_t len = strlen(node->text);
    if (looks_like_expr(node->text, len)) {
        print_expr(node, out);
        return;
    }
    buf_char(out, '"');
    print_escaped(node->text, len, out);
    buf_char(out, '"');
}

static void print_node(const struct node *node, struct buf *out)
{
    switch ((enum node_kind)node->kind) {
    case NODE_UNDEFINED:
        buf_add(out, "null", 4);
        return;
    case NODE_BOOL:
        buf_text(out, node->boolean ? "true" : "false");
        return;
    case NODE_INT:
        node_print_int(node->integer, out);
        return;
    case NODE_REAL:
        if (isfinite(node->real))
            node_print_real(node->real, out);
        else
            print_expr(node, out);
        return;
    case NODE_STRING:
        print_string(node, out);
        return;
    case NODE_LIST:
        buf_char(out, '[');
        for (uint32_t i = 0; i < node->count; i++) {
            if (i > 0)
                buf_char(out, ',');
            print_node(&node->children[i], out);
        }
        buf_char(out, ']');
        return;
    case NODE_AD:
        ad_print_json(node->ad, out);
        return;
    default:
        print_expr(node, out);
    }
}

void ad_print_json(const struct ad *ad, struct buf *out)
{
    buf_char(out, '{');
    for (size_t i = 0; i < ad->count; i++) {
        buf_add(out, ",\"", i > 0 ? 1 : 0);
        buf_char(out, '"');
        print_escaped(ad->attributes[i].name, strlen(ad->attributes[i].name), out);
        buf_add(out, "\":", 2);
        print_node(&ad->attributes[i].value, out);
    }
    buf_char(out, '}');
}

static int convert(struct json_object *json, int depth, struct node *node, struct error *err);

static int convert_object(struct json_object *json, int depth, struct ad **out, struct error *err)
{
    if (depth > AD_DEPTH_MAX)
        return error_set(err, ERR_LIMIT, "nested deeper than %d", AD_DEPTH_MAX);
    auto_ad struct ad *ad = ad_new();
    struct json_object_iterator it = json_object_iter_begin(json);
    struct json_object_iterator end = json_object_iter_end(json);
    for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
        const char *name = json_object_iter_peek_name(&it);
        if (depth == 0 ? !ad_name_valid(name) : strnlen(name, AD_NAME_MAX + 1) - 1 >= AD_NAME_MAX)
            return error_set(err, ERR_INVALID, "'%.80s' cannot be an attribute's name", name);
        if (ad->count == AD_COUNT_MAX)
            return error_set(err, ERR_LIMIT, "more than %d attributes in one object", AD_COUNT_MAX);
        struct node value = { 0 };
        if (convert(json_object_iter_peek_value(&it), depth, &value, err) < 0)
            return error_wrap(err, "%s", name);
        node_assign_any(ad, name, value);
    }
    *out = steal(ad);
    return 0;
}

static int convert_array(struct json_object *json, int depth, struct node *node, struct error *err)
{
    if (depth > AD_DEPTH_MAX)
        return error_set(err, ERR_LIMIT, "nested deeper than %d", AD_DEPTH_MAX);
    auto_node struct node list = { .kind = NODE_LIST };
    for (size_t i = 0; i < json_object_array_length(json); i++) {
        struct node item = { 0 };
        if (convert(json_object_array_get_idx(json, i), depth, &item, err) < 0)
            return error_wrap(err, "[%zu]", i);
        node_push(&list, item);
    }
    *node = steal_node(&list);
    return 0;
}

static int convert_string(struct json_object *json, int depth, struct node *node, struct error *err)
{
    const char *text = json_object_get_string(json);
    size_t len = (size_t)json_object_get_string_len(json);
    if (looks_like_expr(text, len)) {
        struct node_source source = { text + HEAD_LEN, len - HEAD_LEN - TAIL_LEN, depth, 0 };
        return node_parse(&source, node, err);
    }
    *node = node_string(text, len);
    return 0;
}

/* `depth` is the number of lists and ads around the value, the outermost ad not counted. */
static int convert(struct json_object *json, int depth, struct node *node, struct error *err)
{
    switch (json_object_get_type(json)) {
    case json_type_null:
        *node = (struct node){ .kind = NODE_UNDEFINED };
        return 0;
    case json_type_boolean:
        *node = (struct node){ .kind = NODE_BOOL, .boolean = json_object_get_boolean(json) };
        return 0;
    case json_type_int:
        *node = (struct node){ .kind = NODE_INT, .integer = json_object_get_int64(json) };
        return 0;
    case json_type_double:
        if (!isfinite(json_object_get_double(json)))
            return error_set(err, ERR_INVALID, "the number is not a finite one");
        *node = (struct node){ .kind = NODE_REAL, .real = json_object_get_double(json) };
        return 0;
    case json_type_string:
        return convert_string(json, depth, node, err);
    case json_type_array:
        return convert_array(json, depth + 1, node, err);
    case json_type_object:
        *node = (struct node){ .kind = NODE_AD };
        return convert_object(json, depth + 1, &node->ad, err);
    }
    return error_set(err, ERR_INVALID, "a value of an unknown type");
}

/* The string from `p`, behind its opening quote: returns where it ends, or NULL if a NUL is in it. */
static const char *scan_string(const char *p, const char *end)
{
    for (; p < end && *p != '"'; p++) {
        if (*p == '\\' && end - p >= 6 && memcmp(p, "\\u0000", 6) == 0)
            return NULL;
        p += *p == '\\';
    }
    return p < end ? p + 1 : end;
}

/* The number from `p`: returns where it ends, or NULL if it is an integer of more than 64 bits. */
static const char *scan_number(const char *p, const char *end)
{
    const char *max = *p == '-' ? "9223372036854775808" : "9223372036854775807";
    const char *digits = p + (*p == '-');
    bool integer = true;
    for (p = digits; p < end && strchr("0123456789.eE+-", *p); p++)
        integer &= *p >= '0' && *p <= '9';
    size_t len = (size_t)(p - digits);
    return integer && (len > 19 || (len == 19 && memcmp(digits, max, 19) > 0)) ? NULL : p;
}

/* What json-c takes without a word: it cuts names at a NUL and integers at 64 bits, and knows strings in single quotes. All
 * else is its to refuse. */
static int check_source(const char *text, size_t len, struct error *err)
{
    const char *end = text + len;
    if (memchr(text, '\0', len))
        return error_set(err, ERR_INVALID, "JSON with a NUL in it");
    for (const char *p = text; p < end;) {
        const char *start = p++;
        if (*start == '"' && !(p = scan_string(p, end)))
            return error_set(err, ERR_INVALID, "JSON with a NUL in it");
        if (*start == '\'')
            return error_set(err, ERR_INVALID, "not JSON at byte %zu: a single quote", start - text + 1);
        if (((*start >= '0' && *start <= '9') || *start == '-') && !(p = scan_number(start, end)))
            return error_set(err, ERR_INVALID, "the integer at byte %zu does not fit 64 bits", start - text + 1);
    }
    return 0;
}

static void free_tokener(struct json_tokener **tokener)
{
    if (*tokener)
        json_tokener_free(*tokener);
}

static void free_object(struct json_object **object)
{
    json_object_put(*object);
}

int ad_parse_json(const char *text, size_t len, struct ad **ad, struct error *err)
{
    if (len > AD_SOURCE_MAX)
        return error_set(err, ERR_LIMIT, "JSON of more than %d bytes", AD_SOURCE_MAX);
    if (check_source(text, len, err) < 0)
        return -1;
    /* json-c counts the outermost object and the innermost literal as levels too. */
    __attribute__((cleanup(free_tokener))) struct json_tokener *tokener = json_tokener_new_ex(AD_DEPTH_MAX + 2);
    if (!tokener)
        abort();
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    __attribute__((cleanup(free_object))) struct json_object *json = json_tokener_parse_ex(tokener, text, (int)len);
    enum json_tokener_error state = json_tokener_get_error(tokener);
    if (state == json_tokener_continue)
        return error_set(err, ERR_INVALID, "the JSON ends too early");
    if (state == json_tokener_error_depth)
        return error_set(err, ERR_LIMIT, "nested deeper than %d", AD_DEPTH_MAX);
    if (state != json_tokener_success)
        return error_set(err, ERR_INVALID, "not JSON at byte %zu: %s", json_tokener_get_parse_end(tokener) + 1,
                         json_tokener_error_desc(state));
    if (!json || json_object_get_type(json) != json_type_object)
        return error_set(err, ERR_INVALID, "a JSON object is expected");
    return convert_object(json, 0, ad, err);
}
