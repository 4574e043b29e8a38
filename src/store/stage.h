/*
 * The stage: an unnamed file that takes the pieces of a capture at the speed of memory, so that the program may go on before
 * they are hashed and compressed. It is written to the disk only if memory is wanted for something else meanwhile.
 */
#pragma once

#include "store/piece.h"

/* Makes it when there is memory for `bytes` bytes in it, and room for them twice; without it pieces are stored at once. */
void stage_open(struct store_capture *c, int64_t bytes);
int stage_put(struct store_capture *c, struct piece *piece, const uint8_t *payload, struct error *err);
/* Whether that error says that there is no room for a stage: then the capture has to be done again without one. */
bool stage_full(const struct store_capture *c, const struct error *err);
/* Stores all of its pieces. */
int stage_store(struct store_capture *c, struct error *err);
