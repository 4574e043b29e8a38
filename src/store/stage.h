/*
 * The stage: an unnamed file that takes the pieces of a capture at the speed of memory, so that the program may go on before
 * they are hashed and compressed. It is written to the disk only if memory is wanted for something else meanwhile.
 */
#pragma once

#include "store/piece.h"

/* Whether the pieces of a phase go there, of about `bytes` bytes: when somebody waits, there is memory for so many more, and
 * room for them twice. Otherwise they are stored at once. Makes it for the first that do. */
void stage_open(struct store_capture *c, int64_t bytes);
int stage_put(struct store_capture *c, struct piece *piece, const uint8_t *payload, struct error *err);
/* Whether that error says that there is no room for it: then the phase has to be done again without. */
bool stage_full(const struct store_capture *c, const struct error *err);
/* Takes back what is on it behind `end`: what the present phase has put there, which goes on without. */
void stage_cut(struct store_capture *c, int64_t end);
/* Stores all of its pieces. */
int stage_store(struct store_capture *c, struct error *err);
