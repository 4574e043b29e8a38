/* The processors that threads have chosen for themselves, which CRIU forgets. */
#pragma once

#include "ad/ad.h"

#include <sys/types.h>

/* Notes in `state` (list Affinity) those of all threads below `first` that may not use all that `first` may. */
void affinity_note(pid_t first, struct ad *state);
/* Gives them back to the threads below `first`, as far as there are such processors here. */
void affinity_give(pid_t first, const struct ad *state);
