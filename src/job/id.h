/* A job's name: cluster and process number, written "7.0". A cluster alone is written "7". */
#pragma once

#include <stdbool.h>

struct job_id {
    int cluster; /* from 1 */
    int proc;    /* from 0; JOB_ALL_PROCS where a whole cluster is meant */
};

enum { JOB_ALL_PROCS = -1, JOB_ID_TEXT_MAX = 24 };

/* "7.0" or "7" (proc = JOB_ALL_PROCS). False for anything else. */
bool job_id_parse(const char *text, struct job_id *id);
const char *job_id_print(struct job_id id, char out[JOB_ID_TEXT_MAX]);
