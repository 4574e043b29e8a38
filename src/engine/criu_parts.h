/* What the files of the transparent engine share. Private to engine/. */
#pragma once

#include "engine/engine.h"
#include "engine/criu_rpc.h"
#include "engine/mapped.h"

enum { TREES_MAX = 8, GHOST_BYTES = 1 << 30 };

extern const char criu_images_place[], criu_log_name[];

struct criu_dump_job {
    const struct engine_site *site;
    const char *id;
    int root;           /* process with which the dumped tree begins */
    const char *images; /* where the images are in the world, NULL: the stint's own place */
    struct store_capture *capture; /* begun before anything stands still */
    struct mapped_list mapped;     /* what of the machine the tree uses */
    int64_t begun_us;              /* boot clock: CRIU was started */
};

/* One of the stint's directories. */
int criu_open_dir(const struct engine_site *site, const char *name, struct error *err);
int criu_empty_dir(const struct engine_site *site, const char *name, struct error *err);
/* The note of the world's state; *state stays NULL when there is none. */
int criu_write_state(const struct engine_site *site, const struct ad *state, struct error *err);
int criu_read_state(const struct engine_site *site, struct ad **state, struct error *err);

struct criu {
    pid_t pid;
    int socket;
};
/* One that answers requests on the socket, and its end; err is what became of the request, NULL: it succeeded. */
int criu_start(const struct engine_site *site, struct criu *criu, struct error *err);
void criu_stop(struct criu *criu, const struct error *err);
/* Puts what CRIU's log says of its failure into err; `what` is what could not be done. Always -1. */
int criu_explain(const struct engine_site *site, const char *what, struct error *err);
/* What the job needs; pid and what becomes of the tree are the caller's to add. */
void criu_set_options(const struct engine_site *site, struct criu_options *options);
/* What is loaded into CRIU before it starts (criu_shim.c), as a file in memory. */
int criu_open_shim(struct error *err);
/* Starts "criu WORDS swrk 3" in the job's world with `socket` as its descriptor 3; context_spawn's result. */
pid_t criu_spawn(const struct engine_site *site, const char *const *words, int socket, struct error *err);
/* While the tree stands still: notes its state and takes the files (a criu_moment on a struct criu_dump_job). */
int criu_take_files(void *job, const char *moment, struct error *err);
/* What CRIU knows of the kernel: is kept for the checkpoint, and given to the CRIU that resumes it. */
void criu_cache_keep(const struct engine_site *site);
void criu_cache_give(const struct engine_site *site);
/* The tree has been let go: tells the site how long it stood. */
void criu_thawed(const struct criu_dump_job *job);
/* A dump that the program has asked CRIU for by itself. */
int criu_dump_own(struct criu_dump_job *job, struct error *err);
