/* Tokens of the expression language, one at a time. Private to this module. */
#pragma once

#include "ad/node.h"

enum token_kind {
    TOKEN_END,
    TOKEN_NAME, /* with its quotes if it is quoted */
    TOKEN_INT,
    TOKEN_HUGE, /* 9223372036854775808, which only a minus sign makes an integer */
    TOKEN_REAL,
    TOKEN_STRING,   /* with its quotes; escapes are not looked at yet */
    TOKEN_OPERATOR, /* of two operands */
    TOKEN_NOT,      /* ! or ~ */
    TOKEN_MARK,     /* one of ( ) { } [ ] , ; . ? : = */
};

struct token {
    enum token_kind kind;
    const char *text; /* in the source */
    size_t len;
    bool quoted; /* a name in single quotes */
    int64_t integer;
    double real;
    enum node_op op;
};

struct lexer {
    const char *start;
    const char *end;
    const char *at; /* behind the token */
    size_t column;  /* of `start`, from 0 */
    bool old_strings;
    struct token token;
};

/* Moves on to the next token. */
int lex_next(struct lexer *lexer, struct error *err);
bool lex_is_mark(const struct lexer *lexer, char mark);
/* True when the token is this word, without case. */
bool lex_is_word(const struct lexer *lexer, const char *word);
/* Fails with what was expected, what is there and where. */
int lex_expected(const struct lexer *lexer, const char *what, struct error *err);
/* The string or quoted name that the token stands for, escapes undone. */
int lex_string(const struct lexer *lexer, struct node *node, struct error *err);
/* An attribute's name as definitions have it, dots and all, from the current token on; the next token follows it. */
int lex_definition_name(struct lexer *lexer, char name[AD_NAME_MAX + 1], struct error *err);
/* The name that is the current token, as node_name() makes it; the next token follows it. */
int lex_name(struct lexer *lexer, struct node *node, struct error *err);
