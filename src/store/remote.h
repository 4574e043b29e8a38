/*
 * Where checkpoints go that must outlive this machine: named objects in a directory on a shared file system, or in a bucket of
 * an S3 server. An object is there whole or not at all, and durable when it is reported so.
 *
 * Names are "7.0/000003.manifest" or "packs/0123abcd": letters, digits, '.', '-' and '_' in components separated by '/',
 * none of which is empty or begins with '.'; at most REMOTE_NAME_MAX bytes. Another name is an error of kind ERR_INVALID,
 * whoever gave it. What a place holds under other names is not seen, listed or touched.
 *
 * Errors: ERR_INVALID and ERR_DENIED ask for another place, endpoint, region or other keys; ERR_SYSTEM may pass by itself, and
 * passing trouble on the way to a server has been met with `tries` by then. No error and no request's text holds a secret.
 * A struct remote is one thread's at a time.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct remote;

enum { REMOTE_NAME_MAX = 255 };

/* Numbers that are 0 have the value in brackets. */
struct remote_options {
    const char *place;       /* "/directory" or "file:///directory", which must exist; "s3://BUCKET[/PREFIX]" */
    const char *endpoint;    /* "https://HOST[:PORT]" or "http://…"; NULL = AWS's for the region */
    const char *region;      /* NULL = "us-east-1" */
    const char *credentials; /* a file of lines "access_key = …", "secret_key = …" and perhaps "session_token = …" that only
                                its owner may use; NULL = the environment's AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
                                AWS_SESSION_TOKEN */
    int64_t stall_us;        /* give up a try that moves nothing for so long; seen within a second [60 s] */
    int64_t connect_us;      /* the same for a connection that is not there yet [10 s] */
    int tries;               /* how often a request is sent when servers are busy and connections drop [6] */
    int64_t backoff_us;      /* wait before the second try; doubles with each, less up to half of it by chance [500 ms] */
    int64_t backoff_max_us;  /* what the wait does not pass, even when the server asks for more [30 s] */
    int64_t single_max_bytes; /* larger objects are uploaded in parts [64 MiB] */
    int64_t part_bytes;      /* of so many bytes, or more when there would be over 10,000 [16 MiB] */
    int list_max;            /* names a request for a list asks for [1000] */
};

/* Told about a transfer at least once a second; done_bytes falls back when something must be sent again. Returns false to
 * give up: the transfer ends soon, with an error whose sys is ECANCELED. */
struct remote_progress {
    bool (*fn)(void *data, int64_t done_bytes);
    void *data;
};

/* Checks place and options and reads the keys; connects to nothing. The options need not outlive the call. */
int remote_open(const struct remote_options *options, struct remote **out, struct error *err);
void remote_close(struct remote *remote);

enum { REMOTE_ABSENT = 1 };

/* Uploads the first size bytes of fd, replacing what there is. Durable on return; after a failure the old object or none is
 * there (or, if only the last step's answer was lost, the new one), never a part. Uses pread: fd's offset stays. Fault points
 * "store.remote.write", ".sync", ".rename", ".sync_dir"; for S3 "store.remote.request" before each try of each request. */
int remote_put(struct remote *remote, const char *name, int fd, int64_t size, const struct remote_progress *progress,
               struct error *err);
/* Downloads into the regular file fd, from its beginning; what was in there is gone. An object longer than max_bytes is
 * ERR_LIMIT. Whatever the return, unless it is 0 the contents of fd mean nothing. Not durable; the contents are not verified
 * against anything but their length. Outcome REMOTE_ABSENT. */
int remote_get(struct remote *remote, const char *name, int fd, int64_t max_bytes, const struct remote_progress *progress,
               struct error *err);
/* Outcome REMOTE_ABSENT. */
int remote_has(struct remote *remote, const char *name, int64_t *size, struct error *err);
/* Calls fn for every object whose name begins with prefix (text, not a directory; "" = all), in no particular order; fn returns
 * false to stop. Memory is bounded: fn may be called before a later part of the list turns out to be unreadable. */
int remote_list(struct remote *remote, const char *prefix, bool (*fn)(void *data, const char *name, int64_t size), void *data,
                struct error *err);
/* Absent is success. Fault point "store.remote.remove". */
int remote_remove(struct remote *remote, const char *name, struct error *err);
