/*
 * Looks, while the job runs, what in its processes cannot be checkpointed: soon after it began, and again twice within the first
 * minute, because programs open things as they go; then every quarter of an hour. What is found is told when it differs from the last time.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/checkable.h"
#include "job/record.h"
#include "runner/runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPORT_PROBLEM = 1, AGAIN_US = 900000000 };

static const int64_t moments_us[] = { 3000000, 15000000, 45000000 };

static void look(void *data, int pipe, struct worker_report *final)
{
    struct runner *r = data;
    struct engine_site site = stint_site(r);
    struct checkable_world world;
    struct checkable_finding *findings = NULL;
    size_t count = 0;
    engine_checkable_world(&site, &world);
    final->result = checkable_scan(context_first(r->context), &world, &findings, &count, &final->error);
    for (size_t i = 0; i < count; i++) {
        struct worker_report problem = { .kind = REPORT_PROBLEM };
        snprintf(problem.error.text, sizeof problem.error.text, "%s", findings[i].sentence);
        worker_send(pipe, &problem);
    }
    free(findings);
}

/* The same problems as the last time are no news. */
static void tell(struct runner *r)
{
    auto_buf struct buf text = { 0 };
    ad_print_expr(r->problems, "Problems", &text);
    if (r->problems_told && strcmp(r->problems_told, buf_cstr(&text)) == 0)
        return;
    free(r->problems_told);
    r->problems_told = mem_dup(buf_cstr(&text));
    struct ad *record = record_new(RECORD_CHECKABLE);
    ad_copy_attribute(record, "Problems", r->problems, "Problems");
    record_write(r, record);
}

static void on_looked(void *data, const struct worker_report *report)
{
    struct runner *r = data;
    if (!report->final) {
        ad_append_string(r->problems, "Problems", report->error.text);
        return;
    }
    r->preflight = NULL;
    if (r->look_spoiled) { /* it looks again soon */
        r->looks--;
        loop_timer_set(r->look_timer, clock_boot_us() + moments_us[0] / 3);
        return;
    }
    if (report->result == 0 && r->context)
        tell(r);
    else if (report->result < 0)
        log_error("job %s: what cannot be checkpointed is not known: %s", r->id_text, report->error.text);
}

static void on_moment(void *data)
{
    struct runner *r = data;
    struct error err;
    size_t next = (size_t)++r->looks;
    bool busy = r->preflight || r->dumping || r->suspended; /* frozen processes would be taken for traced ones */
    if (r->phase != PHASE_RUN || !r->context)
        return;
    loop_timer_set(r->look_timer, clock_boot_us() + (busy ? moments_us[0] / 3 : next < 3 ? moments_us[next] - moments_us[next - 1] : AGAIN_US));
    if (busy) {
        r->looks--;
        return;
    }
    r->look_spoiled = false;
    ad_free(r->problems);
    r->problems = ad_new();
    ad_make_list(r->problems, "Problems");
    if (worker_start(r->loop, look, on_looked, r, &r->preflight, &err) < 0)
        log_error("job %s: %s", r->id_text, err.text);
}

void preflight_begin(struct runner *r)
{
    if (r->method.used != METHOD_TRANSPARENT && !r->method.fallback)
        return;
    if (!r->look_timer)
        r->look_timer = loop_timer(r->loop, INT64_MAX, on_moment, r);
    r->looks = 0;
    loop_timer_set(r->look_timer, clock_boot_us() + moments_us[0]);
}

void preflight_stop(struct runner *r)
{
    worker_stop(r->preflight);
    r->preflight = NULL;
    loop_timer_free(r->look_timer);
    r->look_timer = NULL;
    ad_free(r->problems);
    r->problems = NULL;
    free(r->problems_told);
    r->problems_told = NULL;
}
