/* An answer that comes while a child makes it: a task's output on its way to the client. Private to pool/. */
#pragma once

#include "pool/task.h"

#include <microhttpd.h>

/* Queues the answer; the task ends with it. */
enum MHD_Result stream_send(struct pool *p, struct MHD_Connection *connection, struct task *task);
/* Before the library is stopped: no connection may be left suspended. */
void stream_close_all(struct pool *p);
