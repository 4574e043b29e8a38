/*
 * What a job's texts leave open for the machine on which it runs: $$(name), $$(name:default), $$([expression]) with MY the job and
 * TARGET the machine, and $$(DOLLARDOLLAR) for two dollar signs. In the attributes that say what the program is, what it gets and
 * where its files are.
 */
#pragma once

#include "ad/ad.h"

bool dollar_is_in(const struct ad *job);
/* Replaces them. ERR_INVALID: the machine has no such attribute, with a clause that says it; or the value is too long. */
int dollar_expand(struct ad *job, const struct ad_scope *scope, struct error *err);
