/* The macros that no line sets: the numbers of the job at hand, and what the caller tells about the machine and the day. */
#include "job/submit_parts.h"

#include <string.h>
#include <strings.h>

static void add_cluster(struct submit_expander *x, struct buf *out)
{
    x->parser->out->uses_cluster = true;
    buf_printf(out, "%d", x->parser->options->cluster);
}

static void add_number(struct submit_expander *x, int number, struct buf *out)
{
    x->used_proc = true;
    buf_printf(out, "%d", number);
}

static bool is(const char *name, const char *a, const char *b)
{
    return strcasecmp(name, a) == 0 || (b && strcasecmp(name, b) == 0);
}

bool submit_fixed_macro(struct submit_expander *x, const char *name, struct buf *out)
{
    if (is(name, "Cluster", "ClusterId"))
        add_cluster(x, out);
    else if (is(name, "Process", "ProcId"))
        add_number(x, x->proc, out);
    else if (is(name, "DOLLAR", NULL))
        buf_char(out, '$');
    else
        return false;
    return true;
}

bool submit_default_macro(struct submit_expander *x, const char *name, struct buf *out)
{
    if (is(name, "Step", NULL))
        add_number(x, x->step, out);
    else if (is(name, "Row", "ItemIndex"))
        add_number(x, x->row, out);
    else if (is(name, "JobListId", NULL))
        add_cluster(x, out);
    else if (is(name, "JobId", NULL)) {
        add_cluster(x, out);
        buf_char(out, '.');
        add_number(x, x->proc, out);
    } else if (is(name, "Node", NULL))
        return true; /* only parallel jobs have one */
    else {
        const struct submit_macro *m = x->parser->options->predefined;
        while (m && m->name && strcasecmp(m->name, name) != 0)
            m++;
        if (!m || !m->name)
            return false;
        buf_text(out, m->value);
    }
    return true;
}
