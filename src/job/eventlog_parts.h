/* What the printer and the parser of the event log share; private to src/job/eventlog*.c. */
#pragma once

#include "job/eventlog.h"

enum { EVENTLOG_ATTRIBUTES = 28 }; /* the event whose body is attributes */
#define EVENTLOG_ATTRIBUTES_HEAD "Job ad information event triggered."
#define EVENTLOG_WARNING "WARNING: "
#define EVENTLOG_UNSPECIFIED "Reason unspecified"
#define EVENTLOG_CELL_MAX 1e15 /* of the resources' numbers: what a double holds exactly */
#define EVENTLOG_UNKNOWN "unknown"

enum eventlog_usage_index { USAGE_RUN_REMOTE, USAGE_RUN_LOCAL, USAGE_TOTAL_REMOTE, USAGE_TOTAL_LOCAL, USAGE_COUNT };
struct eventlog_usage {
    const char *label;     /* "Run Remote" */
    const char *user, *sys; /* attributes, µs */
};
extern const struct eventlog_usage eventlog_usages[USAGE_COUNT];

struct eventlog_resource {
    const char *label;
    const char *usage, *request, *allocated; /* attributes */
};
extern const struct eventlog_resource eventlog_resources[]; /* ends with a NULL label */

extern const char *const eventlog_checkpoint_names[]; /* our attributes of event 3; ends with NULL */

/* Days from 1970-01-01 to a date. */
int64_t eventlog_days(int64_t year, int month, int day);
/* Whether the header line carries the attribute. */
bool eventlog_in_header(const char *name);
