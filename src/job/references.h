/* Which attributes an expression may look at, read from its text. Pure. */
#pragma once

#include <stdbool.h>

/* Calls fn for each name in the expression that could be an attribute's, with its parts where it has dots ("MY.Rank" is MY.Rank,
 * MY and Rank). There may be more than it uses, functions and scopes for example, and some twice; never fewer, unless they are open. */
void references_each(const char *expr, void (*fn)(void *data, const char *name), void *data);
/* Whether it may look at attributes that it does not name: it evaluates a text, or takes an ad as a whole, as MY["Rank"] does. */
bool references_are_open(const char *expr);
