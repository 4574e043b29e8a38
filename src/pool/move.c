#include "base/clock.h"
#include "pool/pool.h"

int move_job(struct pool *p, struct queue_job *job, enum job_event event, struct job_move *move, struct error *err)
{
    int64_t now = clock_wall_us();
    enum job_state before = job->state;
    *move = job_step(job->state, event);
    if (!move->allowed)
        return 0;
    if (move->next != before)
        ad_set_int(job->ad, "EnteredCurrentStatus", now / CLOCK_SECOND_US);
    if (before == JOB_HELD && move->next == JOB_IDLE)
        ad_set_int(job->ad, "NumReleases", ad_int(job->ad, "NumReleases", 0) + 1);
    job->state = move->next;
    factory_note(p, job->id.cluster);
    if (move->action == JOB_ACT_FINISH && leave_stays(p, job)) {
        move->action = JOB_ACT_FREE;
        leave_watch(p);
    }
    bool leaves = move->action == JOB_ACT_FINISH;
    if (leaves)
        ad_remove(job->ad, "KeptSandbox"); /* it goes with the job */
    if (queue_put_job(p->queue, job, err) < 0)
        return -1;
    return leaves ? queue_finish_job(p->queue, job->id, now, err) : 0;
}

void move_clean(struct pool *p, struct job_id id)
{
    kept_remove(p, id);
    trash_put(p, id, true);
}
