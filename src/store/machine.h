/* The machine and the user that a checkpoint was made on, for people and for whoever has to decide where it can go on. */
#pragma once

#include "store/manifest.h"

/* Fills host, kernel, cpu and owner. */
void machine_describe(struct manifest *m, uid_t uid);
