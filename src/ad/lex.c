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
    lexer->token.quoted = false;
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

/* B, K, M, G or T behind a number multiplies it by a power of 1024; 0 for anything else. In small letters they would be read as
 * units of time. */
static int64_t factor_of(const char *suffix)
{
    static const char letters[] = "BKMGT";
    const char *at = suffix[0] && !suffix[1] ? strchr(letters, *suffix) : NULL;
    return *suffix == '\0' ? 1 : at ? (int64_t)1 << 10 * (at - letters) : 0;
}

static int bad_number(const struct lexer *lexer, const char *text, struct error *err)
{
    return error_set(err, ERR_INVALID, "'%.40s' at column %zu is not a number", text, column_of(lexer, lexer->at));
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
        if (!factor_of(end))
            return bad_number(lexer, text, err);
        lexer->token.real *= (double)factor_of(end);
        if (!isfinite(lexer->token.real))
            return error_set(err, ERR_INVALID, "the number at column %zu is too large", column);
        return take(lexer, TOKEN_REAL, len);
    }
    errno = 0; /* base 0: 0x and a leading 0 mean what they mean in C */
    uint64_t integer = strtoull(text, &end, 0);
    uint64_t factor = (uint64_t)factor_of(end);
    if (!factor)
        return bad_number(lexer, text, err);
    if (errno || __builtin_mul_overflow(integer, factor, &integer) || integer > (uint64_t)INT64_MAX + (factor == 1))
        return error_set(err, ERR_INVALID, "the integer at column %zu does not fit 64 bits", column);
    lexer->token.integer = (int64_t)integer;
    return take(lexer, integer > INT64_MAX ? TOKEN_HUGE : TOKEN_INT, len);
}

/* In old strings a backslash means itself, except before a quote that is not the last character of the text. */
static bool is_escape(const struct lexer *lexer, const char *p)
{
    if (*p != '\\' || p + 1 >= lexer->end || !lexer->old_strings)
        return *p == '\\';
    return p[1] == '"' && p + 2 < lexer->end && p[2] != '\n';
}

static int lex_quoted(struct lexer *lexer, struct error *err)
{
    char quote = *lexer->at;
    for (const char *p = lexer->at + 1; p < lexer->end; p++) {
        if (*p == quote) {
            take(lexer, quote == '"' ? TOKEN_STRING : TOKEN_NAME, (size_t)(p + 1 - lexer->at));
            lexer->token.quoted = quote == '\'';
            return 0;
        }
        if (*p == '\0')
            break;
        p += is_escape(lexer, p);
    }
    return error_set(err, ERR_INVALID, "the %s at column %zu has no closing quote", quote == '"' ? "string" : "name",
                     column_of(lexer, lexer->at));
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
    if (!*lexer->at || !strchr("|^&=!<>+-*/%", *lexer->at))
        return false;
    for (int op = 0; op <= OP_MOD; op++) {
        size_t len = strlen(node_operator(op)->text);
        if (len > best && (size_t)(lexer->end - lexer->at) >= len && memcmp(lexer->at, node_operator(op)->text, len) == 0) {
            best = len;
            lexer->token.op = (enum node_op)op;
        }
    }
    if (best)
        take(lexer, TOKEN_OPERATOR, best);
    return best;
}

/* Blanks, and comments as C has them. */
static int skip_blanks(struct lexer *lexer, struct error *err)
{
    while (lexer->at < lexer->end) {
        const char *p = lexer->at;
        size_t left = (size_t)(lexer->end - p);
        const char *stop;
        if (is_blank(*p)) {
            lexer->at++;
        } else if (left > 1 && memcmp(p, "//", 2) == 0) {
            stop = memchr(p, '\n', left);
            lexer->at = stop ? stop : lexer->end;
        } else if (left > 1 && memcmp(p, "/*", 2) == 0) {
            stop = memmem(p + 2, left - 2, "*/", 2);
            if (!stop)
                return error_set(err, ERR_INVALID, "the comment at column %zu has no end", column_of(lexer, p));
            lexer->at = stop + 2;
        } else {
            break;
        }
    }
    return 0;
}

int lex_next(struct lexer *lexer, struct error *err)
{
    if (skip_blanks(lexer, err) < 0)
        return -1;
    if (lexer->at == lexer->end)
        return take(lexer, TOKEN_END, 0);
    char c = *lexer->at;
    if (is_word_start(c))
        return lex_word(lexer);
    if (is_digit(c) || (c == '.' && lexer->end - lexer->at > 1 && is_digit(lexer->at[1])))
        return lex_number(lexer, err);
    if (c == '"' || c == '\'')
        return lex_quoted(lexer, err);
    if (lex_operator(lexer))
        return 0;
    if (c == '!' || c == '~')
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
    if (lexer->token.kind != TOKEN_NAME || lexer->token.quoted || lexer->token.len != len)
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

/* The character an escape stands for, `*used` characters behind the backslash: a letter's control character, one to three octal
 * digits up to 377, or the very character. */
static char unescape(const char *p, size_t *used)
{
    static const char letters[] = "nrtbfav";
    static const char meant[] = "\n\r\t\b\f\a\v";
    *used = 1;
    const char *at = memchr(letters, *p, sizeof letters - 1);
    if (at)
        return meant[at - letters];
    unsigned value = 0;
    size_t digits = 0;
    for (; digits < 3 && p[digits] >= '0' && p[digits] <= '7' && value < 0x20; digits++)
        value = value * 8 + (unsigned)(p[digits] - '0');
    if (digits == 0)
        return *p;
    *used = digits;
    return (char)value;
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
        if (is_escape(lexer, p)) {
            c = unescape(p + 1, &used);
            if (c == '\0')
                return error_set(err, ERR_INVALID, "the escape at column %zu is a NUL, which a string cannot have",
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
    if (lexer->token.kind == TOKEN_NAME && lexer->token.quoted) {
        auto_node struct node quoted = { 0 };
        if (lex_name(lexer, &quoted, err) < 0)
            return -1;
        memcpy(name, quoted.text, strlen(quoted.text) + 1);
        return 0;
    }
    while (p + len < lexer->end && (is_word_start(p[len]) || is_digit(p[len]) || p[len] == '.'))
        len++;
    if (!node_name_valid_n(p, len))
        return lex_expected(lexer, "an attribute's name", err);
    memcpy(name, p, len);
    name[len] = '\0';
    lexer->at = p + len;
    return lex_next(lexer, err);
}

int lex_name(struct lexer *lexer, struct node *node, struct error *err)
{
    const struct token *token = &lexer->token;
    if (token->kind != TOKEN_NAME && !(token->kind == TOKEN_OPERATOR && node_lower(*token->text) == 'i'))
        return lex_expected(lexer, "an attribute's name", err);
    auto_node struct node name = { 0 };
    if (!token->quoted)
        name = node_string(token->text, token->len);
    else if (lex_string(lexer, &name, err) < 0)
        return -1;
    size_t len = strlen(name.text);
    if (len > AD_NAME_MAX)
        return error_set(err, ERR_LIMIT, "'%.40s…' is longer than %d characters", name.text, AD_NAME_MAX);
    if (len == 0)
        return lex_expected(lexer, "an attribute's name", err);
    name.count = node_hash(name.text);
    *node = steal_node(&name);
    return lex_next(lexer, err);
}
