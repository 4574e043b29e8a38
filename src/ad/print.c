/*
 * Trees as text: the exact inverse of the parser. Parentheses are written only where the tree cannot be read back without them;
 * the precedences are the parser's own (node_operator()).
 */
#include "ad/ad.h"

#include "ad/node.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_quoted(const char *text, char quote, struct buf *out)
{
    static const char special[] = "\\\b\f\n\r\t";
    buf_char(out, quote);
    for (const char *p = text; *p; p++) {
        const char *at = strchr(special, *p);
        if (at || *p == quote)
            buf_add(out, (char[]){ '\\', at ? "\\bfnrt"[at - special] : quote }, 2);
        else if ((unsigned char)*p < 0x20)
            buf_printf(out, "\\%03o", (unsigned)*p);
        else
            buf_char(out, *p);
    }
    buf_char(out, quote);
}

void node_print_string(const char *text, struct buf *out)
{
    print_quoted(text, '"', out);
}

/* A name that is no word, and one that would be read as something else where it stands alone, is quoted. */
static void print_name(const char *name, bool alone, struct buf *out)
{
    static const char *const words[] = { "true", "false", "undefined", "error", "is", "isnt" };
    bool plain = node_is_word(name);
    for (size_t i = 0; alone && i < sizeof words / sizeof *words; i++)
        plain = plain && node_compare_names(name, words[i]) != 0;
    if (plain)
        buf_text(out, name);
    else
        print_quoted(name, '\'', out);
}

void node_print_int(int64_t value, struct buf *out)
{
    char text[24];
    buf_add(out, text, (size_t)snprintf(text, sizeof text, "%" PRId64, value));
}

void node_print_real(double value, struct buf *out)
{
    if (isnan(value) || isinf(value)) {
        buf_text(out, isnan(value) ? "real(\"NaN\")" : value > 0 ? "real(\"INF\")" : "real(\"-INF\")");
        return;
    }
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    buf_text(out, text);
    if (!strpbrk(text, ".e"))
        buf_add(out, ".0", 2);
}

static void print_attributes(const struct ad *ad, const char *between, struct buf *out)
{
    for (size_t i = 0; i < ad->count; i++) {
        buf_text(out, i > 0 ? between : "");
        if (ad_name_valid(ad->attributes[i].name))
            buf_text(out, ad->attributes[i].name);
        else
            print_quoted(ad->attributes[i].name, '\'', out);
        buf_add(out, " = ", 3);
        node_print(&ad->attributes[i].value, out);
    }
}

static void print_children(const struct node *node, uint32_t first, const char *between, struct buf *out)
{
    for (uint32_t i = first; i < node->count; i++) {
        buf_text(out, i > first ? between : "");
        node_print(&node->children[i], out);
    }
}

static int precedence_of(const struct node *node)
{
    switch ((enum node_kind)node->kind) {
    case NODE_COND:
        return PRECEDENCE_COND;
    case NODE_BINARY:
        return node_operator(node->op)->precedence;
    case NODE_UNARY:
        return PRECEDENCE_UNARY;
    case NODE_INT: /* a negative number is read as a sign and a number */
        return node->integer < 0 ? PRECEDENCE_UNARY : PRECEDENCE_POSTFIX;
    case NODE_REAL:
        return isfinite(node->real) && signbit(node->real) ? PRECEDENCE_UNARY : PRECEDENCE_POSTFIX;
    default:
        return PRECEDENCE_POSTFIX;
    }
}

static void print_operand(const struct node *node, int at_least, struct buf *out)
{
    if (precedence_of(node) >= at_least) {
        node_print(node, out);
        return;
    }
    buf_char(out, '(');
    node_print(node, out);
    buf_char(out, ')');
}

static void print_binary(const struct node *node, struct buf *out)
{
    const struct node_operator *op = node_operator(node->op);
    print_operand(&node->children[0], op->precedence, out);
    for (uint32_t i = 1; i < node->count; i++) {
        buf_printf(out, " %s ", op->text);
        print_operand(&node->children[i], op->precedence + 1, out);
    }
}

static void print_select(const struct node *node, struct buf *out)
{
    const struct node *base = &node->children[0];
    /* An attribute that happens to be called "my" must not turn into the scope. */
    bool scope_like = base->kind == NODE_REF && base->op == SCOPE_NONE &&
                      (node_compare_names(base->text, "my") == 0 || node_compare_names(base->text, "target") == 0 ||
                       node_compare_names(base->text, "parent") == 0);
    print_operand(base, scope_like ? PRECEDENCE_POSTFIX + 1 : PRECEDENCE_POSTFIX, out);
    buf_char(out, '.');
    print_name(node->children[1].text, false, out);
}

static void print_compound(const struct node *node, struct buf *out)
{
    switch ((enum node_kind)node->kind) {
    case NODE_SELECT:
        print_select(node, out);
        return;
    case NODE_INDEX:
        print_operand(&node->children[0], PRECEDENCE_POSTFIX, out);
        buf_char(out, '[');
        node_print(&node->children[1], out);
        buf_char(out, ']');
        return;
    case NODE_UNARY:
        buf_char(out, node->op == OP_NOT ? '!' : node->op == OP_NEG ? '-' : node->op == OP_PLUS ? '+' : '~');
        print_operand(&node->children[0], PRECEDENCE_UNARY, out);
        return;
    case NODE_BINARY:
        print_binary(node, out);
        return;
    case NODE_COND:
        print_operand(&node->children[0], PRECEDENCE_COND + 1, out);
        buf_text(out, node->count == 2 ? " ?: " : " ? ");
        node_print(&node->children[1], out);
        if (node->count == 2)
            return;
        buf_text(out, " : ");
        node_print(&node->children[2], out);
        return;
    default: /* NODE_CALL */
        buf_text(out, node->children[0].text);
        buf_char(out, '(');
        print_children(node, 1, ",", out);
        buf_char(out, ')');
    }
}

void node_print(const struct node *node, struct buf *out)
{
    static const char *const scopes[] = { "", "MY.", "TARGET.", "PARENT.", "." };
    switch ((enum node_kind)node->kind) {
    case NODE_UNDEFINED:
        buf_text(out, "undefined");
        return;
    case NODE_ERROR:
        buf_text(out, "error");
        return;
    case NODE_BOOL:
        buf_text(out, node->boolean ? "true" : "false");
        return;
    case NODE_INT:
        node_print_int(node->integer, out);
        return;
    case NODE_REAL:
        node_print_real(node->real, out);
        return;
    case NODE_STRING:
        node_print_string(node->text, out);
        return;
    case NODE_LIST:
        buf_text(out, node->count ? "{ " : "{ }");
        print_children(node, 0, ",", out);
        buf_text(out, node->count ? " }" : "");
        return;
    case NODE_AD:
        buf_text(out, node->ad->count ? "[ " : "[ ]");
        print_attributes(node->ad, "; ", out);
        buf_text(out, node->ad->count ? " ]" : "");
        return;
    case NODE_REF:
        buf_text(out, scopes[node->op]);
        print_name(node->text, node->op == SCOPE_NONE, out);
        return;
    default:
        print_compound(node, out);
    }
}

void ad_print(const struct ad *ad, struct buf *out)
{
    print_attributes(ad, "\n", out);
    if (ad->count)
        buf_char(out, '\n');
}

bool ad_print_expr(const struct ad *ad, const char *name, struct buf *out)
{
    const struct node *node = node_find(ad, name);
    if (!node)
        return false;
    node_print(node, out);
    return true;
}

bool ad_same(const struct ad *a, const struct ad *b, const char *name)
{
    const struct node *one = node_find(a, name);
    const struct node *two = node_find(b, name);
    if (!one || !two || one->kind != two->kind)
        return !one && !two;
    if (one->kind == NODE_INT)
        return one->integer == two->integer;
    if (one->kind == NODE_STRING)
        return strcmp(one->text, two->text) == 0;
    auto_buf struct buf one_text = { 0 };
    auto_buf struct buf two_text = { 0 };
    node_print(one, &one_text);
    node_print(two, &two_text);
    return strcmp(buf_cstr(&one_text), buf_cstr(&two_text)) == 0;
}
