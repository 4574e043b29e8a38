#include "policy/dollar.h"

#include "base/mem.h"

#include <string.h>
#include <strings.h>

enum { TEXT_MAX = 1 << 20 };

static const char *const attributes[] = {
    "Cmd", "Args", "Arguments", "Env", "Environment", "In", "Out", "Err", "TransferInput", "TransferOutput", "TransferCheckpoint",
    "TransferOutputRemaps", "OutputDestination", "ContainerImage", "DockerImage",
};
enum { ATTRIBUTES = sizeof attributes / sizeof attributes[0] };

bool dollar_is_in(const struct ad *job)
{
    for (size_t i = 0; i < ATTRIBUTES; i++)
        if (strstr(ad_string(job, attributes[i], ""), "$$("))
            return true;
    return false;
}

/* The parenthesis that closes one which was opened before p; NULL: there is none. */
static const char *closing(const char *p)
{
    for (int depth = 1; *p; p++) {
        depth += *p == '(' ? 1 : *p == ')' ? -1 : 0;
        if (depth == 0)
            return p;
    }
    return NULL;
}

/* A string without its quotes; false when there is no value. */
static bool add_value(const struct value *value, struct buf *out)
{
    if (value->kind == VALUE_UNDEFINED || value->kind == VALUE_ERROR)
        return false;
    if (value->kind == VALUE_STRING)
        buf_text(out, value->string);
    else
        value_print(value, out);
    return true;
}

static bool add_expression(const char *text, const struct ad_scope *scope, struct buf *out)
{
    struct ad_expr *expr = NULL;
    struct value value;
    if (ad_expr_parse(text, &expr, NULL) < 0)
        return false;
    ad_expr_eval(expr, scope, &value);
    bool there = add_value(&value, out);
    value_release(&value);
    ad_expr_free(expr);
    return there;
}

static bool add_attribute(const char *name, const struct ad_scope *scope, struct buf *out)
{
    struct ad_scope machine = *scope;
    struct value value;
    machine.my = scope->target;
    machine.target = scope->my;
    if (!scope->target)
        return false;
    ad_eval(&machine, name, &value);
    bool there = add_value(&value, out);
    value_release(&value);
    return there;
}

/* What stands between the parentheses. */
static bool expand_one(const char *inside, const struct ad_scope *scope, struct buf *out)
{
    size_t len = strlen(inside);
    if (strcasecmp(inside, "DOLLARDOLLAR") == 0) {
        buf_text(out, "$$");
        return true;
    }
    if (len >= 2 && inside[0] == '[' && inside[len - 1] == ']') {
        auto_free char *text = mem_dup_n(inside + 1, len - 2);
        return add_expression(text, scope, out);
    }
    auto_free char *name = mem_dup_n(inside, strcspn(inside, ":"));
    const char *otherwise = strchr(inside, ':');
    if (add_attribute(name, scope, out))
        return true;
    if (otherwise)
        buf_text(out, otherwise + 1);
    return otherwise != NULL;
}

static int expand(const char *attribute, const char *text, const struct ad_scope *scope, struct buf *out, struct error *err)
{
    for (const char *p = text, *end; *p; p = end + 1) {
        const char *mark = strstr(p, "$$(");
        end = mark ? closing(mark + 3) : NULL;
        if (!end) {
            buf_text(out, p);
            break;
        }
        buf_add(out, p, (size_t)(mark - p));
        auto_free char *inside = mem_dup_n(mark + 3, (size_t)(end - mark - 3));
        if (!expand_one(inside, scope, out))
            return error_set(err, ERR_INVALID, "this machine has no value for $$(%.100s), which %s names", inside, attribute);
        if (out->len > TEXT_MAX)
            return error_set(err, ERR_INVALID, "%s becomes longer than %d bytes", attribute, TEXT_MAX);
    }
    return 0;
}

int dollar_expand(struct ad *job, const struct ad_scope *scope, struct error *err)
{
    for (size_t i = 0; i < ATTRIBUTES; i++) {
        const char *text = ad_string(job, attributes[i], "");
        auto_buf struct buf out = { 0 };
        if (!strstr(text, "$$("))
            continue;
        if (expand(attributes[i], text, scope, &out, err) < 0)
            return -1;
        ad_set_string(job, attributes[i], buf_cstr(&out));
    }
    return 0;
}
