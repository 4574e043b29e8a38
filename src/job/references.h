/* Which attributes an expression may look at, read from its text. Pure. */
#pragma once

/* Calls fn for each name in the expression that could be an attribute's, with its parts where it has dots ("MY.Rank" is MY.Rank,
 * MY and Rank). There may be more than it uses, functions and scopes for example, and some twice; never fewer. */
void references_each(const char *expr, void (*fn)(void *data, const char *name), void *data);
