/* What the world of a job is made of: the engine's state, the job's wishes, its image. Private to runner/. */
#pragma once

#include "runner/runner.h"

#define auto_world __attribute__((cleanup(world_release)))

struct world {
    struct context_world context; /* points into the rest */
    struct context_bind *binds;
    size_t bind_count, bind_capacity;
    struct command_list texts;
    struct ad *state; /* what the engine has noted of the processes that are to come back; NULL: none are */
};

/* Of the stint whose directories are in the site. */
int world_describe(struct runner *r, const struct engine_site *site, struct world *world, struct error *err);
void world_release(struct world *world);
/* Makes a world for the processes in the site, and hands over the state that belongs to them (yours). */
int world_make(struct runner *r, const struct engine_site *site, struct context **context, struct ad **state, struct error *err);
/* Descriptors that the job root keeps: the job's lock, and its image's. Opens the image. Returns how many, or -1. */
int world_keep(struct runner *r, int keep[2], struct error *err);
