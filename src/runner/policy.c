/* What expressions say about a stint: when its program may start, and what becomes of the job when it has ended by itself. */
#include "base/clock.h"
#include "runner/runner.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* The job's ad as it was when the slot was granted, and what has come since. */
static struct ad *ended_job(const struct runner *r)
{
    struct ad *job = ad_copy(r->job);
    bool by_signal = r->exit.signal > 0;
    int64_t now = clock_wall_us() / CLOCK_SECOND_US, granted = ad_int(r->grant, "GrantedWallUs", clock_wall_us()) / CLOCK_SECOND_US;
    ad_remove(job, "ExitCode");
    ad_remove(job, "ExitSignal");
    ad_set_bool(job, "ExitBySignal", by_signal);
    ad_set_int(job, by_signal ? "ExitSignal" : "ExitCode", by_signal ? r->exit.signal : r->exit.code);
    ad_set_int(job, "NumJobCompletions", ad_int(job, "NumJobCompletions", 0) + 1);
    ad_set_int(job, "NumJobStarts", ad_int(job, "NumJobStarts", 0) + r->execution);
    ad_set_int(job, "RemoteWallClockTime", ad_int(job, "RemoteWallClockTime", 0) + now - granted);
    ad_set_int(job, "CurrentTime", now);
    if (r->max_rss_kb > ad_int(job, "ResidentSetSize", 0)) {
        ad_set_int(job, "ResidentSetSize", r->max_rss_kb);
        ad_set_int(job, "MemoryUsage", (r->max_rss_kb + 1023) / 1024);
    }
    return job;
}

void policy_judge_exit(struct runner *r)
{
    auto_ad struct ad *job = ended_job(r);
    time_t now = (time_t)(clock_wall_us() / CLOCK_SECOND_US);
    struct tm tm;
    localtime_r(&now, &tm);
    struct ad_scope scope = { .my = job, .now = now, .utc_offset_s = (int)tm.tm_gmtoff };
    r->succeeded = policy_succeeded(job);
    policy_exit(&scope, &r->verdict);
}

enum start_time policy_start_time(const struct runner *r, int64_t *wait_us)
{
    int64_t at = ad_int(r->grant, "DeferralTime", -1), now = clock_wall_us();
    *wait_us = at * CLOCK_SECOND_US - now;
    if (at < 0 || ad_has(r->grant, "Deliver"))
        return START_NOW;
    if (*wait_us > 0)
        return START_LATER;
    return now / CLOCK_SECOND_US > at + ad_int(r->grant, "DeferralWindow", 0) ? START_MISSED : START_NOW;
}

void policy_describe_exit(const struct runner *r, char *text, size_t size)
{
    if (r->broken)
        snprintf(text, size, "what took a checkpoint died while it held its processes");
    else if (r->exit.lost)
        snprintf(text, size, "its job root was killed");
    else if (r->exit.signal > 0)
        snprintf(text, size, "its program died of signal %d (%s)", r->exit.signal, strsignal(r->exit.signal));
    else
        snprintf(text, size, "its program ended with exit code %d", r->exit.code);
}
