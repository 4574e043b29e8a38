/* Which way a job is checkpointed: what it wants, what it declares, what the machine can. */
#include "job/protocol.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const names[] = {
    [METHOD_AUTO] = "auto", [METHOD_SELF] = "self", [METHOD_TRANSPARENT] = "transparent", [METHOD_NONE] = "none",
};

const char *method_name(enum checkpoint_method method)
{
    return names[method];
}

const char *method_text(const struct method *method)
{
    return method->wanted == METHOD_SELF && method->fallback ? "self, transparent" : names[method->wanted];
}

static bool word(const char **text, enum checkpoint_method *out)
{
    static const char blanks[] = " \t";
    *text += strspn(*text, blanks);
    size_t len = strcspn(*text, " \t,");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i]) != len || strncasecmp(names[i], *text, len) != 0)
            continue;
        *text += len;
        *text += strspn(*text, blanks);
        *out = (enum checkpoint_method)i;
        return true;
    }
    return false;
}

/* method = word | "self" "," "transparent" */
bool method_parse(const char *text, struct method *out)
{
    struct method method = { 0 };
    enum checkpoint_method second;
    if (!word(&text, &method.wanted))
        return false;
    if (*text == ',' && method.wanted == METHOD_SELF) {
        text++;
        method.fallback = word(&text, &second) && second == METHOD_TRANSPARENT;
        if (!method.fallback)
            return false;
    }
    if (*text)
        return false;
    *out = method;
    return true;
}

void method_read(const struct ad *job, const char *pool_default, struct method *out)
{
    *out = (struct method){ .wanted = METHOD_AUTO };
    if (method_parse(ad_string(job, "CheckpointMethod", ""), out))
        out->insists = true;
    else if (pool_default)
        method_parse(pool_default, out);
}

static void explain(struct method_choice *out, const char *before, const char *reason, const char *after)
{
    snprintf(out->reason, sizeof out->reason, "%s%.160s%s", before, reason, after);
}

/* It has no protocol, and needs none where the machine can. */
static void choose_without_protocol(const struct method *method, bool machine_can, const char *why_not, struct method_choice *out)
{
    bool only_self = method->wanted == METHOD_SELF && !method->fallback;
    if (only_self) {
        explain(out, "it does not say how it checkpoints itself; give it checkpoint_exit_code (see stint-submit(5))", "", "");
    } else if (machine_can) {
        out->used = METHOD_TRANSPARENT;
    } else if (method->wanted == METHOD_TRANSPARENT && method->insists) {
        out->hold = true;
        explain(out, "this machine takes no transparent checkpoints: ", why_not,
                "; see 'stint doctor', or edit its CheckpointMethod; then release it");
    } else {
        explain(out, "", why_not, "");
    }
}

void method_choose(const struct method *method, const struct protocol *protocol, bool machine_can, const char *why_not,
                   struct method_choice *out)
{
    bool declared = protocol->self && !(method->insists && method->wanted == METHOD_TRANSPARENT);
    *out = (struct method_choice){ .used = METHOD_NONE };
    if (!why_not || !*why_not)
        why_not = "this machine takes no transparent checkpoints";
    if (method->wanted == METHOD_NONE && (method->insists || !declared)) {
        explain(out, method->insists ? "its checkpoint_method is none" : "the pool's checkpoint_method is none; give the job one of its "
                "own, or checkpoint_exit_code if it saves its state itself (see stint-submit(5))", "", "");
        return;
    }
    if (!declared) {
        choose_without_protocol(method, machine_can, why_not, out);
        return;
    }
    out->used = METHOD_SELF;
    out->fallback = method->fallback && machine_can;
    if (method->fallback && !machine_can)
        explain(out, "no transparent checkpoints as its fallback: ", why_not, "");
}

const char *method_refusal(const struct method_choice *choice, const struct protocol *protocol)
{
    if (choice->used == METHOD_TRANSPARENT || choice->fallback)
        return NULL;
    if (choice->used == METHOD_NONE && choice->reason[0])
        return choice->reason;
    return protocol_refusal(protocol);
}
