/* What CRIU writes into its images that would come back as something else. */
#pragma once

#include "base/error.h"

/*
 * Mends the images in a directory:
 *   - a timerfd with an interval that has gone off and was not read yet would stay silent for ever: it goes off again after its interval
 *   - one that is set to a point in time would go off up to a second too early, since CRIU adds what is left to the whole seconds of the
 *     clock: it is set to what is left
 */
int criu_mend(int dir, struct error *err);
