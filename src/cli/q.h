/* The tables of `stint q` and `stint history`; pure but for the time zone. */
#pragma once

#include "cli/words.h"

/* What the tables need of each job, for /v1/jobs?attributes=. */
#define Q_ATTRIBUTES                                                                                                        \
    "ClusterId,ProcId,Owner,QDate,JobState,HoldReason,RemoveReason,ExitCode,ExitSignal,Cmd,Arguments,Args,JobBatchName,"         \
    "TotalSubmitProcs,NumCkpts,NumCkptsFailed,LastCkptTime,LastCkptTimeUs,GoodputUs,LostUs,OccupiedUs,RemoteWallClockTime,"       \
    "CompletionDate,EnteredCurrentStatus,Progress"

/* One line a job, and a line of totals. `jobs` is the answer of /v1/jobs. */
void q_print_jobs(const struct ad *jobs, const struct screen *screen, struct buf *out);
/* One line a batch. */
void q_print_batches(const struct ad *jobs, const struct screen *screen, struct buf *out);
/* The values of attributes, one job a line. */
void q_print_attributes(const struct ad *jobs, const char *names, struct buf *out);
/* Past jobs. */
void history_print_jobs(const struct ad *jobs, const struct screen *screen, struct buf *out);
