/* One evaluation is bounded, to some hundredths of a second; a hundred thousand in a row are bounded here. */
#include "base/clock.h"
#include "pool/pool.h"

enum { PATIENCE_US = 3000000 };

bool patience_true(struct patience *patience, const struct ad_expr *expr, const struct ad_scope *scope)
{
    if (patience->spent_us >= PATIENCE_US)
        return false;
    int64_t began_us = clock_boot_us();
    bool truth = ad_expr_true(expr, scope);
    patience->spent_us += clock_boot_us() - began_us;
    return truth;
}

void patience_value(struct patience *patience, const struct ad_expr *expr, const struct ad_scope *scope, struct value *out)
{
    int64_t began_us = clock_boot_us();
    *out = (struct value){ .kind = VALUE_UNDEFINED };
    if (patience->spent_us < PATIENCE_US)
        ad_expr_eval(expr, scope, out);
    patience->spent_us += clock_boot_us() - began_us;
}

int patience_check(const struct patience *patience, struct error *err)
{
    if (patience->spent_us < PATIENCE_US)
        return 0;
    return error_set(err, ERR_LIMIT, "the expression took more than %d s for the jobs that were looked at; make it simpler, or name the jobs",
                     PATIENCE_US / 1000000);
}
