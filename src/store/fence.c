/*
 * The fence is a number in the job's directory: no stint below it commits. A stint raises it to its own number when it begins, so
 * that one which was presumed dead and wakes up finds that it is over. Raising and committing both happen under the job's
 * lock. Without the file the newest manifest tells nothing either: then nobody has ever begun.
 */
#include "store/fence.h"

#include "base/buf.h"
#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_fence(int job_dir, int *stint, struct error *err)
{
    char again[16];
    auto_buf struct buf text = { .max = 64 };
    int r = file_read(job_dir, "fence", &text, err);
    *stint = 0;
    if (r < 0)
        return error_wrap(err, "the fence");
    if (r == FILE_ABSENT)
        return 0;
    *stint = (int)strtol(buf_cstr(&text), NULL, 10);
    snprintf(again, sizeof again, "%d\n", *stint);
    return strcmp(again, buf_cstr(&text)) == 0 ? 0 : error_set(err, ERR_CORRUPT, "the fence is damaged");
}

int fence_check(int job_dir, int stint, struct error *err)
{
    int fence;
    if (read_fence(job_dir, &fence, err) < 0)
        return -1;
    return stint < fence ? STORE_FENCED : 0;
}

static int raise_fence(int job_dir, int stint, int64_t patience_us, struct error *err)
{
    char text[16];
    int fence;
    struct error damage;
    if (layout_lock(job_dir, patience_us, err) < 0)
        return -1;
    int r = read_fence(job_dir, &fence, &damage);
    if (r < 0 && damage.kind != ERR_CORRUPT) {
        if (err)
            *err = damage;
        return -1;
    }
    if (r == 0 && stint < fence)
        return STORE_FENCED;
    if (r == 0 && stint == fence)
        return layout_sync(job_dir, "fence", "store.fence.again", err);
    int len = snprintf(text, sizeof text, "%d\n", stint);
    return file_replace(job_dir, "fence", text, (size_t)len, 0600, "store.fence", err);
}

int store_fence(struct store *store, const char *job, int stint, struct error *err)
{
    auto_close int job_dir = -1;
    int r = layout_open_job(store, job, true, &job_dir, err);
    if (r == 0)
        r = raise_fence(job_dir, stint, store->patience_us, err);
    if (r == 0)
        r = layout_sync(store->dir, "store", "store.fence.sync_store", err);
    return r < 0 ? error_wrap(err, "checkpoints of job %s", job) : r;
}
