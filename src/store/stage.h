/*
 * The stage: an unnamed file that takes the pieces of a capture at the speed of memory, so that the program may go on before
 * they are hashed and compressed. It is written to the disk only if memory is wanted for something else meanwhile.
 */
#pragma once

#include "store/piece.h"

/* Whether pieces of a phase of at most `bytes` bytes go there: when somebody waits, and there is room for so many twice. Makes it for
 * the first that do. And then whether this one does, for which there must be memory; the others are stored at once. */
void stage_open(struct store_capture *c, int64_t bytes);
bool stage_takes(struct store_capture *c, const struct piece *piece);
int stage_put(struct store_capture *c, struct piece *piece, const uint8_t *payload, struct error *err);
/* Whether that error says that there is no room for it: then the phase has to be done again without. */
bool stage_full(const struct store_capture *c, const struct error *err);
/* Takes back what is on it behind `end`: what the present phase has put there, which goes on without. */
void stage_cut(struct store_capture *c, int64_t end);
/* Stores all of its pieces. */
int stage_store(struct store_capture *c, struct error *err);
