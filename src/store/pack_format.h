/* The bytes of a pack's table and tail. Private to pack.c and pack_writer.c. */
#pragma once

#include "store/pack.h"

/* What the tail signs: the pack's own name, the size of the table, the table. */
void pack_seal(const struct seal *seal, const struct pack_id *id, const uint8_t *table, size_t count, struct digest *mac);
void pack_put_header(uint8_t header[PACK_HEADER], const struct pack_id *id);
void pack_put_record(uint8_t *at, const struct pack_record *record);
void pack_get_record(const uint8_t *at, struct pack_record *record);
void pack_put_tail(uint8_t tail[PACK_TAIL], size_t count, const struct digest *mac);
/* False when it is no tail. */
bool pack_get_tail(const uint8_t tail[PACK_TAIL], size_t *count, struct digest *mac);
