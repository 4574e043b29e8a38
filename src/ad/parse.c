/*
 * The parser: one function per rule, the operators of two operands by precedence climbing over node_operator().
 *
 *   expression := binary [ "?" [ expression ] ":" expression ]
 *   binary     := unary { operator unary }               by precedence, joined from the left
 *   unary      := ("!" | "-" | "+" | "~") unary | postfix
 *   postfix    := primary { "." name | "[" expression "]" }
 *   primary    := number | string { string } | "true" | "false" | "undefined" | "error" | "(" expression ")"
 *               | "{" [ expression { "," expression } ] "}" | "[" [ definition { ";" definition } [ ";" ] ] "]"
 *               | word "(" [ expression { "," expression } ] ")" | [ ("MY" | "TARGET" | "PARENT") "." ] name | "." name
 *   definition := name "=" expression
 *   name       := word | "'" any characters "'"
 *
 * Two bounds keep every recursion over text and tree short: the nesting of the rules, and the height of the tree, which a chain
 * of different operators (a - b + c - …) raises without nesting. Neither grows when a tree is printed and parsed again.
 *
 * A sign before a number is part of the number: what is printed as -5 is read as the literal -5.
 */
#include "ad/ad.h"

#include "ad/lex.h"
#include "ad/node.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

struct parser {
    struct lexer lexer;
    int depth;
    int height_max;
    bool after_minus; /* the token follows a minus sign that is not subtraction */
    struct error *err;
};

static int parse_expression(struct parser *p, struct node *node);

static int next(struct parser *p)
{
    return lex_next(&p->lexer, p->err);
}

static int expect(struct parser *p, char mark)
{
    char what[] = { '\'', mark, '\'', '\0' };
    return lex_is_mark(&p->lexer, mark) ? next(p) : lex_expected(&p->lexer, what, p->err);
}

static int enter(struct parser *p)
{
    if (++p->depth > AD_DEPTH_MAX)
        return error_set(p->err, ERR_LIMIT, "the expression is nested deeper than %d", AD_DEPTH_MAX);
    return 0;
}

/* The node takes over the child; the child's variable is empty afterwards. */
static int adopt(struct parser *p, struct node *node, struct node *child)
{
    node_push(node, steal_node(child));
    if (node->height > p->height_max)
        return error_set(p->err, ERR_LIMIT, "the expression is nested deeper than %d", AD_DEPTH_MAX);
    return 0;
}

static int parse_into(struct parser *p, struct node *parent)
{
    auto_node struct node child = { 0 };
    return parse_expression(p, &child) < 0 ? -1 : adopt(p, parent, &child);
}

/* Expressions with commas between them up to the closing mark, which is consumed. */
static int parse_sequence(struct parser *p, char close, struct node *parent)
{
    if (lex_is_mark(&p->lexer, close))
        return next(p);
    for (;;) {
        if (parse_into(p, parent) < 0)
            return -1;
        if (!lex_is_mark(&p->lexer, ','))
            return expect(p, close);
        if (next(p) < 0)
            return -1;
    }
}

static int parse_list(struct parser *p, struct node *node)
{
    auto_node struct node list = { .kind = NODE_LIST };
    if (enter(p) < 0 || next(p) < 0 || parse_sequence(p, '}', &list) < 0)
        return -1;
    p->depth--;
    *node = steal_node(&list);
    return 0;
}

static int parse_definition(struct parser *p, struct node *parent)
{
    char name[AD_NAME_MAX + 1];
    auto_node struct node value = { 0 };
    if (lex_definition_name(&p->lexer, name, p->err) < 0 || expect(p, '=') < 0 || parse_expression(p, &value) < 0)
        return -1;
    if (parent->ad->count == AD_COUNT_MAX)
        return error_set(p->err, ERR_LIMIT, "more than %d attributes in one ad", AD_COUNT_MAX);
    if (value.height >= parent->height)
        parent->height = (uint16_t)(value.height + 1);
    if (parent->height > p->height_max)
        return error_set(p->err, ERR_LIMIT, "the expression is nested deeper than %d", AD_DEPTH_MAX);
    node_assign_any(parent->ad, name, steal_node(&value));
    return 0;
}

static int parse_ad(struct parser *p, struct node *node)
{
    auto_node struct node nested = { .kind = NODE_AD, .ad = ad_new() };
    if (enter(p) < 0 || next(p) < 0)
        return -1;
    while (!lex_is_mark(&p->lexer, ']')) {
        if (parse_definition(p, &nested) < 0)
            return -1;
        if (!lex_is_mark(&p->lexer, ']') && expect(p, ';') < 0)
            return -1;
    }
    p->depth--;
    *node = steal_node(&nested);
    return next(p);
}

/* real("INF") and its like are how the printer writes what no literal can say. */
static bool is_special_real(const struct node *call, double *value)
{
    static const struct {
        const char *text;
        double value;
    } special[] = { { "INF", INFINITY }, { "-INF", -INFINITY }, { "NaN", NAN } };
    if (call->count != 2 || call->children[1].kind != NODE_STRING ||
        node_compare_names(call->children[0].text, "real") != 0)
        return false;
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (strcmp(call->children[1].text, special[i].text) == 0) {
            *value = special[i].value;
            return true;
        }
    return false;
}

static int parse_call(struct parser *p, struct node name, struct node *node)
{
    auto_node struct node call = node_call(name.text);
    node_release(&name);
    if (enter(p) < 0 || next(p) < 0 || parse_sequence(p, ')', &call) < 0)
        return -1;
    p->depth--;
    double value;
    if (is_special_real(&call, &value))
        *node = (struct node){ .kind = NODE_REAL, .real = value };
    else
        *node = steal_node(&call);
    return 0;
}

static int take_name(struct parser *p, struct node *name)
{
    return lex_name(&p->lexer, name, p->err);
}

static enum node_scope scope_of(const struct parser *p)
{
    if (lex_is_word(&p->lexer, "my"))
        return SCOPE_MY;
    if (lex_is_word(&p->lexer, "target"))
        return SCOPE_TARGET;
    return lex_is_word(&p->lexer, "parent") ? SCOPE_PARENT : SCOPE_NONE;
}

/* A dot at the beginning: the attribute of the outermost ad. */
static int parse_root_name(struct parser *p, struct node *node)
{
    auto_node struct node name = { 0 };
    if (next(p) < 0 || take_name(p, &name) < 0)
        return -1;
    name.kind = NODE_REF;
    name.op = SCOPE_ROOT;
    *node = steal_node(&name);
    return 0;
}

static int parse_name(struct parser *p, struct node *node)
{
    bool quoted = p->lexer.token.quoted;
    enum node_scope scope = scope_of(p);
    auto_node struct node name = { 0 };
    if (take_name(p, &name) < 0)
        return -1;
    if (!quoted && lex_is_mark(&p->lexer, '('))
        return parse_call(p, steal_node(&name), node);
    if (!lex_is_mark(&p->lexer, '.'))
        scope = SCOPE_NONE;
    if (scope != SCOPE_NONE) {
        node_release(&name);
        if (next(p) < 0 || take_name(p, &name) < 0)
            return -1;
    }
    name.kind = NODE_REF;
    name.op = (uint8_t)scope;
    *node = steal_node(&name);
    return 0;
}

static bool is_keyword(const struct parser *p, struct node *node)
{
    if (lex_is_word(&p->lexer, "true") || lex_is_word(&p->lexer, "false"))
        *node = (struct node){ .kind = NODE_BOOL, .boolean = lex_is_word(&p->lexer, "true") };
    else if (lex_is_word(&p->lexer, "undefined"))
        *node = (struct node){ .kind = NODE_UNDEFINED };
    else if (lex_is_word(&p->lexer, "error"))
        *node = (struct node){ .kind = NODE_ERROR };
    else
        return false;
    return true;
}

static int parse_number(struct parser *p, bool after_minus, struct node *node)
{
    const struct token *token = &p->lexer.token;
    if (token->kind == TOKEN_HUGE && !after_minus)
        return error_set(p->err, ERR_INVALID, "the integer %.*s does not fit 64 bits", (int)token->len, token->text);
    if (token->kind == TOKEN_REAL)
        *node = (struct node){ .kind = NODE_REAL, .real = token->real };
    else
        *node = (struct node){ .kind = NODE_INT, .integer = token->integer };
    return next(p);
}

static int parse_parentheses(struct parser *p, struct node *node)
{
    auto_node struct node inner = { 0 };
    if (enter(p) < 0 || next(p) < 0 || parse_expression(p, &inner) < 0 || expect(p, ')') < 0)
        return -1;
    p->depth--;
    *node = steal_node(&inner);
    return 0;
}

/* Strings side by side are one. */
static int parse_string(struct parser *p, struct node *node)
{
    auto_buf struct buf text = { 0 };
    auto_node struct node string = { 0 };
    while (p->lexer.token.kind == TOKEN_STRING) {
        node_release(&string);
        if (lex_string(&p->lexer, &string, p->err) < 0 || next(p) < 0)
            return -1;
        buf_text(&text, string.text);
    }
    *node = node_string(buf_cstr(&text), text.len);
    return 0;
}

static int parse_primary(struct parser *p, struct node *node)
{
    bool after_minus = p->after_minus;
    p->after_minus = false;
    switch (p->lexer.token.kind) {
    case TOKEN_INT:
    case TOKEN_HUGE:
    case TOKEN_REAL:
        return parse_number(p, after_minus, node);
    case TOKEN_STRING:
        return parse_string(p, node);
    case TOKEN_NAME:
        return is_keyword(p, node) ? next(p) : parse_name(p, node);
    case TOKEN_MARK:
        if (lex_is_mark(&p->lexer, '('))
            return parse_parentheses(p, node);
        if (lex_is_mark(&p->lexer, '{'))
            return parse_list(p, node);
        if (lex_is_mark(&p->lexer, '['))
            return parse_ad(p, node);
        if (lex_is_mark(&p->lexer, '.'))
            return parse_root_name(p, node);
        break;
    default:
        break;
    }
    return lex_expected(&p->lexer, "an operand", p->err);
}

static int parse_postfix(struct parser *p, struct node *node)
{
    auto_node struct node left = { 0 };
    if (parse_primary(p, &left) < 0)
        return -1;
    while (lex_is_mark(&p->lexer, '.') || lex_is_mark(&p->lexer, '[')) {
        bool index = lex_is_mark(&p->lexer, '[');
        auto_node struct node whole = { .kind = index ? NODE_INDEX : NODE_SELECT };
        if (adopt(p, &whole, &left) < 0 || next(p) < 0)
            return -1;
        if (index) {
            if (enter(p) < 0 || parse_into(p, &whole) < 0 || expect(p, ']') < 0)
                return -1;
            p->depth--;
        } else {
            auto_node struct node name = { 0 };
            if (take_name(p, &name) < 0 || adopt(p, &whole, &name) < 0)
                return -1;
        }
        left = steal_node(&whole);
    }
    *node = steal_node(&left);
    return 0;
}

static bool negate_literal(struct node *node)
{
    if (node->kind == NODE_REAL && !isnan(node->real))
        node->real = -node->real;
    else if (node->kind == NODE_INT && node->integer != INT64_MIN)
        node->integer = -node->integer;
    else
        return false;
    return true;
}

/* Whether the token is an operator before its operand, and which. */
static bool is_unary(const struct token *token, enum node_op *op)
{
    if (token->kind == TOKEN_NOT)
        *op = *token->text == '~' ? OP_BIT_NOT : OP_NOT;
    else if (token->kind == TOKEN_OPERATOR && (token->op == OP_SUB || token->op == OP_ADD))
        *op = token->op == OP_SUB ? OP_NEG : OP_PLUS;
    else
        return false;
    return true;
}

static int parse_unary(struct parser *p, struct node *node)
{
    enum node_op op;
    if (!is_unary(&p->lexer.token, &op))
        return parse_postfix(p, node);
    bool minus = op == OP_NEG;
    auto_node struct node operand = { 0 };
    if (enter(p) < 0 || next(p) < 0)
        return -1;
    bool huge = minus && p->lexer.token.kind == TOKEN_HUGE;
    p->after_minus = minus;
    if (parse_unary(p, &operand) < 0)
        return -1;
    p->depth--;
    if (huge && operand.kind != NODE_INT)
        return error_set(p->err, ERR_INVALID, "an integer does not fit 64 bits");
    if (huge || (minus && negate_literal(&operand))) {
        *node = steal_node(&operand);
        return 0;
    }
    auto_node struct node whole = { .kind = NODE_UNARY, .op = (uint8_t)op };
    if (adopt(p, &whole, &operand) < 0)
        return -1;
    *node = steal_node(&whole);
    return 0;
}

static int parse_binary(struct parser *p, int at_least, struct node *node)
{
    auto_node struct node left = { 0 };
    if (parse_unary(p, &left) < 0)
        return -1;
    while (p->lexer.token.kind == TOKEN_OPERATOR && node_operator(p->lexer.token.op)->precedence >= at_least) {
        enum node_op op = p->lexer.token.op;
        if (left.kind != NODE_BINARY || left.op != op) {
            auto_node struct node whole = { .kind = NODE_BINARY, .op = (uint8_t)op };
            if (adopt(p, &whole, &left) < 0)
                return -1;
            left = steal_node(&whole);
        }
        auto_node struct node right = { 0 };
        if (next(p) < 0 || parse_binary(p, node_operator(op)->precedence + 1, &right) < 0 || adopt(p, &left, &right) < 0)
            return -1;
    }
    *node = steal_node(&left);
    return 0;
}

static int parse_expression(struct parser *p, struct node *node)
{
    auto_node struct node left = { 0 };
    if (parse_binary(p, PRECEDENCE_COND + 1, &left) < 0)
        return -1;
    if (lex_is_mark(&p->lexer, '?')) {
        auto_node struct node whole = { .kind = NODE_COND };
        if (adopt(p, &whole, &left) < 0 || enter(p) < 0 || next(p) < 0)
            return -1;
        if (!lex_is_mark(&p->lexer, ':') && parse_into(p, &whole) < 0)
            return -1;
        if (expect(p, ':') < 0 || parse_into(p, &whole) < 0)
            return -1;
        p->depth--;
        left = steal_node(&whole);
    }
    *node = steal_node(&left);
    return 0;
}

/* What stands behind the whole expression; the operators of other languages are told what they are here. */
static int trailing(const struct parser *p)
{
    static const struct {
        const char *word;
        const char *meant;
    } others[] = { { "and", "&&" }, { "or", "||" }, { "eq", "==" }, { "ne", "!=" }, { "not", "!" } };
    struct error found = { 0 };
    lex_expected(&p->lexer, "an operator or the end", &found);
    if (lex_is_mark(&p->lexer, '='))
        return error_set(p->err, ERR_INVALID, "%s (equality is ==)", found.text);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (lex_is_word(&p->lexer, others[i].word))
            return error_set(p->err, ERR_INVALID, "%s (%s is written %s)", found.text, others[i].word, others[i].meant);
    return error_set(p->err, ERR_INVALID, "%s", found.text);
}

int node_parse(const struct node_source *source, struct node *node, struct error *err)
{
    if (source->len > AD_TEXT_MAX)
        return error_set(err, ERR_LIMIT, "the expression is longer than %d bytes", AD_TEXT_MAX);
    struct parser p = {
        .lexer = {
            .start = source->text,
            .end = source->text + source->len,
            .at = source->text,
            .column = source->column,
            .old_strings = source->old_strings,
        },
        .depth = source->depth,
        .height_max = AD_DEPTH_MAX - source->depth,
        .err = err,
    };
    auto_node struct node whole = { 0 };
    if (next(&p) < 0 || parse_expression(&p, &whole) < 0)
        return -1;
    if (p.lexer.token.kind != TOKEN_END)
        return trailing(&p);
    *node = steal_node(&whole);
    return 0;
}

/* One line of the text form: blank, a comment, or `Name = expression`. */
static int parse_line(struct ad *ad, const char *line, size_t len, struct error *err)
{
    struct lexer lexer = { .start = line, .end = line + len, .at = line };
    while (lexer.at < lexer.end && (*lexer.at == ' ' || *lexer.at == '\t' || *lexer.at == '\r'))
        lexer.at++;
    if (lexer.at == lexer.end || *lexer.at == '#')
        return 0;
    lexer.token = (struct token){ .kind = TOKEN_MARK, .text = lexer.at, .len = 1 };
    char name[AD_NAME_MAX + 1];
    if (lex_definition_name(&lexer, name, err) < 0)
        return -1;
    if (!lex_is_mark(&lexer, '='))
        return lex_expected(&lexer, "'='", err);
    struct node_source source = {
        .text = lexer.at,
        .len = (size_t)(lexer.end - lexer.at),
        .column = (size_t)(lexer.at - line),
    };
    struct node value;
    if (node_parse(&source, &value, err) < 0)
        return error_wrap(err, "%s", name);
    node_assign(ad, name, value);
    if (ad->count > AD_COUNT_MAX)
        return error_set(err, ERR_LIMIT, "more than %d attributes in one ad", AD_COUNT_MAX);
    return 0;
}

int ad_parse(struct ad *ad, const char *text, size_t len, struct error *err)
{
    if (len > AD_SOURCE_MAX)
        return error_set(err, ERR_LIMIT, "an ad of more than %d bytes", AD_SOURCE_MAX);
    auto_ad struct ad *fresh = ad_new();
    const char *end = text + len;
    for (size_t number = 1; text < end; number++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *stop = newline ? newline : end;
        if (parse_line(fresh, text, (size_t)(stop - text), err) < 0)
            return error_wrap(err, "line %zu", number);
        text = stop + (newline != NULL);
    }
    ad_update(ad, fresh);
    return 0;
}
