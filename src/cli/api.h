/*
 * The pool, as commands see it: which one is meant, that it runs, and one question with its answer at a time.
 *
 * Which pool: $STINT_DIR; for root /var/lib/stint; else the machine-wide pool when it answers; else the user's own in
 * $XDG_STATE_HOME/stint or ~/.local/state/stint. A pool that does not answer is started when the command may do so.
 */
#pragma once

#include "ad/ad.h"
#include "cli/http.h"

enum api_start {
    API_START_NEVER,     /* say that no pool is running */
    API_START_IF_WANTED, /* start it if it was running and nobody stopped it by hand */
    API_START,           /* start it */
};

struct api;
#define auto_api __attribute__((cleanup(api_close_pointer)))

struct api_answer {
    struct buf raw;
    struct http_response http;
};
#define auto_api_answer __attribute__((cleanup(api_answer_release)))

/* Finds the pool's directory; absolute, owned by the caller. Does not look whether a pool is there. */
char *api_find_directory(struct error *err);
/* Where one of our programs is: "stint-pool", "stint-runner"; owned by the caller. */
char *api_find_program(const char *name);

/* Connects, starting the pool as ordered. */
int api_open(enum api_start start, struct api **api, struct error *err);
void api_close_pointer(struct api **api);
const char *api_directory(const struct api *api);
bool api_machine_wide(const struct api *api);
/* A pool listens at the moment; never starts one. */
bool api_pool_answers(const char *directory);

/* One question. Statuses of 400 and more become errors with the pool's sentence. A GET whose connection breaks is asked once
 * more, so that a pool that restarts is no failure. Waits at most a minute beyond `wait_s`. */
int api_get(struct api *api, const char *target, struct api_answer *answer, struct error *err);
int api_get_waiting(struct api *api, const char *target, int wait_s, struct api_answer *answer, struct error *err);
/* `body` NULL = {}. */
int api_post(struct api *api, const char *target, const struct ad *body, struct api_answer *answer, struct error *err);

/* Posts a question whose answer comes piece by piece (see stream.h) and reads the head of the answer; what has come of its body goes
 * to `early`. Returns the connection, the caller's, or -1. */
int api_post_open(struct api *api, const char *target, const struct ad *body, struct buf *early, struct error *err);

/* The answer's JSON as an ad; *ad is the caller's. */
int api_ad(const struct api_answer *answer, struct ad **ad, struct error *err);
/* api_get and api_ad in one. */
int api_get_ad(struct api *api, const char *target, struct ad **ad, struct error *err);
/* Prints the answer's body as it came, with a newline: what --json means. */
void api_print_json(const struct api_answer *answer);
void api_answer_release(struct api_answer *answer);
