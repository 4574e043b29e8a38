/*
 * Conditions: lines that apply or not.
 *
 *   if    = "if" test { line } { "elif" test { line } } [ "else" { line } ] "endif"
 *   test  = [ "!" ] ( "defined" name | "version" operator x.y[.z] | boolean | expression )
 *
 * A test is expanded and decided when it is read, so it sees what is set above it. Between the words and the expression there is
 * no "and": HTCondor has none either. A branch that does not apply is skipped unread but for its own conditions.
 */
#include "job/submit_parts.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool submit_applies(const struct submit_source *source)
{
    return source->if_depth == 0 || source->ifs[source->if_depth - 1].active;
}

/* ---- tests ---- */

static bool starts_with_word(const char *text, const char *word)
{
    size_t len = strlen(word);
    return strncasecmp(text, word, len) == 0 && !isalnum((unsigned char)text[len]) && text[len] != '_' && text[len] != '.';
}

static bool is_word(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcasecmp(text, *words) == 0)
            return true;
    return false;
}

static bool test_word(const char *text, bool *truth)
{
    static const char *const yes[] = { "true", "yes", "t", NULL };
    static const char *const no[] = { "false", "no", "f", NULL };
    *truth = is_word(text, yes);
    return *truth || is_word(text, no);
}

static int test_defined(struct submit_parser *parser, const char *name, int line, bool *truth, struct error *err)
{
    struct submit_expander x = submit_expander_here(parser, line);
    auto_buf struct buf ignored = { 0 };
    size_t len = submit_name_length(name);
    if (*name == '\0' || isdigit((unsigned char)*name) || test_word(name, truth)) {
        *truth = *name != '\0';
        return 0;
    }
    if (name[len] || len >= SUBMIT_NAME_MAX)
        return error_set(err, ERR_INVALID, "'defined %.60s' is not understood; write one name behind 'defined'", name);
    struct submit_key *key = submit_table_find(&parser->table, name);
    if (key)
        key->used = true;
    const char *text = key ? submit_key_text(key) : NULL;
    *truth = text ? *text != '\0' : (submit_fixed_macro(&x, name, &ignored) || submit_default_macro(&x, name, &ignored)) && ignored.len > 0;
    return 0;
}

/* Numbers of a version; those that are not given count as equal. Returns how many there are, 0 when it is none. */
static int read_version(const char *text, long numbers[3])
{
    int count = 0;
    while (count < 3) {
        char *end;
        if (!isdigit((unsigned char)*text))
            return 0;
        numbers[count++] = strtol(text, &end, 10);
        if (*end != '.')
            return *end ? 0 : count;
        text = end + 1;
    }
    return 0;
}

static int test_version(const char *text, bool *truth, struct error *err)
{
    static const struct { const char *sign; bool below, equal, above; } signs[] = {
        { "==", false, true, false }, { "!=", true, false, true }, { ">=", false, true, true },
        { "<=", true, true, false },  { ">", false, false, true }, { "<", true, false, false },
    };
    long ours[3] = { 0 }, theirs[3] = { 0 };
    size_t i = 0;
    read_version(SUBMIT_LANGUAGE_VERSION, ours);
    while (i < 6 && strncmp(text, signs[i].sign, strlen(signs[i].sign)) != 0)
        i++;
    int count = i < 6 ? read_version(submit_skip_blanks(text + strlen(signs[i].sign)), theirs) : 0;
    if (count < 2)
        return error_set(err, ERR_INVALID, "'version %.60s' is not understood; write for example 'version >= 24.0.6'", text);
    int order = 0;
    for (int k = 0; k < count && order == 0; k++)
        order = (ours[k] > theirs[k]) - (ours[k] < theirs[k]);
    *truth = order < 0 ? signs[i].below : order > 0 ? signs[i].above : signs[i].equal;
    return 0;
}

static int test_expression(const char *text, bool *truth, struct error *err)
{
    auto_ad struct ad *ad = ad_new();
    struct ad_scope scope = { .my = ad };
    struct value value = { 0 };
    if (submit_set_expr(ad, "test", text, NULL) == 0)
        ad_eval(&scope, "test", &value);
    *truth = value.kind == VALUE_BOOL ? value.boolean : value.kind == VALUE_INT ? value.integer != 0 : value.real != 0;
    bool decided = value.kind == VALUE_BOOL || value.kind == VALUE_INT || value.kind == VALUE_REAL;
    value_release(&value);
    if (!decided)
        return error_set(err, ERR_INVALID, "'%.60s' is neither true nor false; write 'defined NAME', 'version >= X.Y', or an "
                                           "expression without 'defined' in it", text);
    return 0;
}

static int test(struct submit_parser *parser, const char *condition, int line, bool *truth, struct error *err)
{
    struct submit_expander x = submit_expander_here(parser, line);
    auto_buf struct buf text = { 0 };
    submit_note_uses(parser, condition);
    if (!*condition)
        return error_set(err, ERR_INVALID, "there is no condition behind the word; write for example 'if defined NAME'");
    if (submit_expand(&x, condition, &text, err) < 0)
        return -1;
    buf_char(&text, '\0');
    const char *p = submit_trim(text.data);
    bool inverted = *p == '!' && p[1] != '=';
    if (inverted)
        p = submit_skip_blanks(p + 1);
    int r = 0;
    *truth = false;
    if (!*p || test_word(p, truth))
        r = 0; /* a macro that is nothing is false */
    else if (starts_with_word(p, "defined"))
        r = test_defined(parser, submit_skip_blanks(p + strlen("defined")), line, truth, err);
    else if (starts_with_word(p, "version"))
        r = test_version(submit_skip_blanks(p + strlen("version")), truth, err);
    else
        r = test_expression(p, truth, err);
    *truth = *truth != inverted;
    return r;
}

/* ---- branches ---- */

static int open_if(struct submit_parser *parser, const char *condition, int line, struct error *err)
{
    struct submit_source *source = parser->source;
    struct submit_if new = { .line = line, .taken = true };
    if (source->if_depth >= SUBMIT_IF_DEPTH_MAX)
        return error_set(err, ERR_LIMIT, "conditions are nested more than %d deep", SUBMIT_IF_DEPTH_MAX);
    if (submit_applies(source)) {
        if (test(parser, condition, line, &new.active, err) < 0)
            return -1;
        new.taken = new.active;
    }
    source->ifs[source->if_depth++] = new;
    return 0;
}

/* elif and else; `condition` is NULL for else. */
static int next_branch(struct submit_parser *parser, const char *condition, int line, struct error *err)
{
    struct submit_source *source = parser->source;
    const char *word = condition ? "elif" : "else";
    if (source->if_depth == 0)
        return error_set(err, ERR_INVALID, "there is no 'if' that this '%s' belongs to", word);
    struct submit_if *top = &source->ifs[source->if_depth - 1];
    if (top->ended)
        return error_set(err, ERR_INVALID, "'%s' comes behind the 'else' of the 'if' of line %d", word, top->line);
    top->active = false;
    top->ended = !condition;
    if (top->taken) /* by an earlier branch, or none may be */
        return 0;
    if (!condition)
        top->active = true;
    else if (test(parser, condition, line, &top->active, err) < 0)
        return -1;
    top->taken = top->active;
    return 0;
}

int submit_condition(struct submit_parser *parser, const char *line, int number, struct error *err)
{
    if (submit_is_statement(line, "if"))
        return open_if(parser, submit_skip_blanks(line + strlen("if")), number, err);
    if (submit_is_statement(line, "elif"))
        return next_branch(parser, submit_skip_blanks(line + strlen("elif")), number, err);
    bool is_else = submit_is_statement(line, "else"), is_endif = submit_is_statement(line, "endif");
    if (!is_else && !is_endif)
        return SUBMIT_NO_CONDITION;
    const char *rest = submit_skip_blanks(line + (is_else ? strlen("else") : strlen("endif")));
    if (*rest && *rest != '#')
        return error_set(err, ERR_INVALID, "'%.40s' stands behind '%s'; put it on a line of its own%s", rest, is_else ? "else" : "endif",
                         is_else ? ", or write 'elif'" : "");
    if (is_else)
        return next_branch(parser, NULL, number, err);
    if (parser->source->if_depth == 0)
        return error_set(err, ERR_INVALID, "there is no 'if' that this 'endif' belongs to");
    parser->source->if_depth--;
    return 0;
}
