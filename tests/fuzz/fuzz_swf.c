/* A log in the Standard Workload Format, and the same bytes as a pool's history. What is taken must keep the workload's
 * promises. */
#include "sim/workload.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct workload *w, int r)
{
    for (size_t i = 0; r == 0 && i < w->count; i++) {
        const struct workload_job *job = &w->jobs[i];
        if (job->submit_us < 0 || job->work_us < 0 || job->cpus < 1 || job->cpus > WORKLOAD_CPUS_MAX ||
            job->user >= w->user_count || (i > 0 && job->submit_us < w->jobs[i - 1].submit_us))
            abort();
    }
    workload_release(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct workload log = { 0 }, history = { 0 };
    struct error err;
    check(&log, workload_parse_swf(&log, (const char *)data, size, &err));
    check(&history, workload_parse_history(&history, (const char *)data, size, &err));
    return 0;
}
