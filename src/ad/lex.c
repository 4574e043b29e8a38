#include "ad/lex.h"

#include "base/mem.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_TEXT_MAX = 400 }; /* the longest exact decimal form of a small double is longer, but nobody writes that */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word_start(char c)
{
    return (node_lower(c) >= 'a' && node_lower(c) <= 'z') || c == '_';
}

static size_t column_of(const struct lexer *lexer, const char *at)
{
    return lexer->column + (size_t)(at - lexer->start) + 1;
}

static int take(struct lexer *lexer, enum token_kind kind, size_t len)
{
    lexer->token.kind = kind;
    lexer->token.text = lexer->at;
    lexer->token.len = len;
    lexer->at += len;
    return 0;
}

/* How many characters from `p` on belong to a number or stick to it like letters. */
static size_t number_len(const struct lexer *lexer, bool *real)
{
    const char *p = lexer->at;
    const char *end = lexer->end;
    bool hex = end - p > 1 && p[0] == '0' && node_lower(p[1]) == 'x';
    *real = false;
    for (; p < end; p++) {
        bool fraction = *p == '.' && !hex && !*real && end - p > 1 && is_digit(p[1]);
        bool sign = (*p == '+' || *p == '-') && !hex && node_lower(p[-1]) == 'e';
        if (!is_digit(*p) && !is_word_start(*p) && !fraction && !sign)
            break;
        *real |= fraction || (!hex && node_lower(*p) == 'e');
    }
    return (size_t)(p - lexer->at);
}

static int lex_number(struct lexer *lexer, struct error *err)
{
    bool real;
    size_t len = number_len(lexer, &real);
    char text[NUMBER_TEXT_MAX + 1];
    size_t column = column_of(lexer, lexer->at);
    if (len > NUMBER_TEXT_MAX)
        return error_set(err, ERR_LIMIT, "the number at column %zu has more than %d digits", column, NUMBER_TEXT_MAX);
    memcpy(text, lexer->at, len);
    text[len] = '\0';
    char *end;
    if (real) {
        lexer->token.real = strtod(text, &end);
        if (*end)
            return error_set(err, ERR_INVALID, "'%.40s' at column %zu is not a number", text, column);
        if (!isfinite(lexer->token.real))
            return error_set(err, ERR_INVALID, "the number at column %zu is too large", column);
        return take(lexer, TOKEN_REAL, len);
    }
    errno = 0; /* base 0: 0x and a leading 0 mean what they mean in C */
    uint64_t integer = strtoull(text, &end, 0);
    if (*end)
        return error_set(err, ERR_INVALID, "'%.40s' at column %zu is not a number", text, column);
    if (errno || integer > (uint64_t)INT64_MAX + 1)
        return error_set(err, ERR_INVALID, "the integer at column %zu does not fit 64 bits", column);
    lexer->token.integer = (int64_t)integer;
    return take(lexer, integer > INT64_MAX ? TOKEN_HUGE : TOKEN_INT, len);
}

static int lex_quoted(struct lexer *lexer, struct error *err)
{
    for (const char *p = lexer->at + 1; p < lexer->end; p++) {
        if (*p == '"')
            return take(lexer, TOKEN_STRING, (size_t)(p + 1 - lexer->at));
        if (*p == '\0')
            break;
        if (*p == '\\')
            p++;
    }
    return error_set(err, ERR_INVALID, "the string at column %zu has no closing quote", column_of(lexer, lexer->at));
}

static int lex_word(struct lexer *lexer)
{
    size_t len = 1;
    while (lexer->at + len < lexer->end && (is_word_start(lexer->at[len]) || is_digit(lexer->at[len])))
        len++;
    take(lexer, TOKEN_NAME, len);
    bool is = lex_is_word(lexer, "is");
    if (is || lex_is_word(lexer, "isnt")) {
        lexer->token.kind = TOKEN_OPERATOR;
        lexer->token.op = is ? OP_IS : OP_ISNT;
    }
    return 0;
}

static bool lex_operator(struct lexer *lexer)
{
    size_t best = 0;
    for (int op = 0; op <= OP_MOD; op++) {
        size_t len = strlen(node_operator(op)->text);
        if (len > best && (size_t)(lexer->end - lexer->at) >= len &&
            memcmp(lexer->at, node_operator(op)->text, len) == 0) {
            best = len;
            lexer->token.op = (enum node_op)op;
        }
    }
    if (best)
        take(lexer, TOKEN_OPERATOR, best);
    return best;
}

int lex_next(struct lexer *lexer, struct error *err)
{
    while (lexer->at < lexer->end && is_blank(*lexer->at))
        lexer->at++;
    if (lexer->at == lexer->end)
        return take(lexer, TOKEN_END, 0);
    char c = *lexer->at;
    if (is_word_start(c))
        return lex_word(lexer);
    if (is_digit(c))
        return lex_number(lexer, err);
    if (c == '"')
        return lex_quoted(lexer, err);
    if (lex_operator(lexer))
        return 0;
    if (c == '!')
        return take(lexer, TOKEN_NOT, 1);
    if (c && strchr("(){}[],;.?:=", c))
        return take(lexer, TOKEN_MARK, 1);
    take(lexer, TOKEN_MARK, 1);
    return lex_expected(lexer, "an expression", err);
}

bool lex_is_mark(const struct lexer *lexer, char mark)
{
    return lexer->token.kind == TOKEN_MARK && *lexer->token.text == mark;
}

bool lex_is_word(const struct lexer *lexer, const char *word)
{
    size_t len = strlen(word);
    if (lexer->token.kind != TOKEN_NAME || lexer->token.len != len)
        return false;
    for (size_t i = 0; i < len; i++)
        if (node_lower(lexer->token.text[i]) != word[i])
            return false;
    return true;
}

int lex_expected(const struct lexer *lexer, const char *what, struct error *err)
{
    const struct token *token = &lexer->token;
    size_t column = column_of(lexer, token->text);
    if (token->kind == TOKEN_END)
        return error_set(err, ERR_INVALID, "%s is expected at column %zu, where the text ends", what, column);
    unsigned char c = (unsigned char)*token->text;
    if (c < 0x20 || c >= 0x7f)
        return error_set(err, ERR_INVALID, "%s is expected at column %zu, not a byte \\x%02x", what, column, c);
    return error_set(err, ERR_INVALID, "%s is expected at column %zu, not '%.*s'", what, column,
                     token->len > 40 ? 40 : (int)token->len, token->text);
}

/* The character an escape stands for, `*used` characters behind the backslash; '\0' when there is no such escape. */
static char unescape(const char *p, size_t *used)
{
    static const char letters[] = "\"\\'nrtbf";
    static const char meant[] = "\"\\'\n\r\t\b\f";
    *used = 1;
    const char *at = memchr(letters, *p, sizeof letters - 1);
    if (at)
        return meant[at - letters];
    unsigned value = 0;
    size_t digits = 0;
    for (; digits < 3 && p[digits] >= '0' && p[digits] <= '7'; digits++)
        value = value * 8 + (unsigned)(p[digits] - '0');
    *used = digits;
    return value <= 0xff ? (char)value : '\0';
}

int lex_string(const struct lexer *lexer, struct node *node, struct error *err)
{
    const char *p = lexer->token.text + 1;
    const char *end = lexer->token.text + lexer->token.len - 1;
    auto_free char *text = mem_zero(lexer->token.len, 1);
    size_t len = 0;
    while (p < end) {
        char c = *p;
        size_t used = 0;
        if (c == '\\') {
            c = unescape(p + 1, &used);
            if (c == '\0')
                return error_set(err, ERR_INVALID, "unknown escape in the string at column %zu (a backslash is \\\\)",
                                 column_of(lexer, p));
        }
        text[len++] = c;
        p += 1 + used;
    }
    *node = node_string(text, len);
    return 0;
}

int lex_definition_name(struct lexer *lexer, char name[AD_NAME_MAX + 1], struct error *err)
{
    const char *p = lexer->token.text;
    size_t len = 0;
    while (p + len < lexer->end && (is_word_start(p[len]) || is_digit(p[len]) || p[len] == '.'))
        len++;
    if (!node_name_valid_n(p, len))
        return lex_expected(lexer, "an attribute's name", err);
    memcpy(name, p, len);
    name[len] = '\0';
    lexer->at = p + len;
    return lex_next(lexer, err);
}
