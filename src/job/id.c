#include "job/id.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static bool parse_number(const char **text, int *number)
{
    char *end;
    if (!isdigit((unsigned char)**text))
        return false;
    errno = 0;
    long n = strtol(*text, &end, 10);
    if (errno || n > INT_MAX)
        return false;
    *number = (int)n;
    *text = end;
    return true;
}

bool job_id_parse(const char *text, struct job_id *id)
{
    struct job_id got = { .proc = JOB_ALL_PROCS };
    if (!parse_number(&text, &got.cluster) || got.cluster < 1)
        return false;
    if (*text == '.') {
        text++;
        if (!parse_number(&text, &got.proc))
            return false;
    }
    if (*text)
        return false;
    *id = got;
    return true;
}

const char *job_id_print(struct job_id id, char out[JOB_ID_TEXT_MAX])
{
    if (id.proc == JOB_ALL_PROCS)
        snprintf(out, JOB_ID_TEXT_MAX, "%d", id.cluster);
    else
        snprintf(out, JOB_ID_TEXT_MAX, "%d.%d", id.cluster, id.proc);
    return out;
}
