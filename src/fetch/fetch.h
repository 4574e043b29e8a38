/*
 * Fetches what an http: or https: URL stands for into a file, once and whole: interrupted transfers go on where they were when the
 * server can say that it has still the same, errors that may pass are tried again, and length and digest are checked.
 */
#pragma once

#include "base/error.h"

#include <stdint.h>

typedef void fetch_progress_fn(void *data, int64_t done, int64_t total); /* total < 0: not known */

struct fetch_request {
    const char *url;
    const char *shown;  /* how texts call it */
    const char *digest; /* SHA-256 that it has to have, 64 lower-case hexadecimal digits; "" = none given */
    int dir;            /* where the file is made, with a note beside it; only the user may write there */
    const char *name;
    fetch_progress_fn *progress;
    void *data;
    int tries;          /* in a row that brought nothing; 0 = usual */
};

/* The file is whole on return. err->sys: EAGAIN where another try later may help; ENOSPC, EDQUOT where the disk is full. What is
 * there of the file stays then, and the next call goes on with it. */
int fetch_file(const struct fetch_request *request, struct error *err);
