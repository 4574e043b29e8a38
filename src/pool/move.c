#include "base/clock.h"
#include "pool/pool.h"

int move_job(struct pool *p, struct queue_job *job, enum job_event event, struct job_move *move, struct error *err)
{
    int64_t now = clock_wall_us();
    *move = job_step(job->state, event);
    if (!move->allowed)
        return 0;
    if (move->next != job->state)
        ad_set_int(job->ad, "EnteredCurrentStatus", now / CLOCK_SECOND_US);
    job->state = move->next;
    if (queue_put_job(p->queue, job, err) < 0)
        return -1;
    if (move->action == JOB_ACT_FINISH)
        return queue_finish_job(p->queue, job->id, now, err);
    return 0;
}

void move_clean(struct pool *p, struct job_id id)
{
    trash_put(p, id, true);
}
