/*
 * Whose rights the process uses at the moment. A machine-wide pool runs as root and touches users' files with the owner's
 * rights, so that the kernel decides what may be read and written. For an ordinary user all of this does nothing.
 */
#pragma once

#include "base/error.h"

#include <sys/types.h>

struct identity {
    uid_t uid;
    gid_t gid;
    char name[64]; /* "uid1234" when the user has no name */
    char home[256];
};

/* The user's name, home and main group; a user unknown to the system is an error of kind ERR_INVALID. */
int identity_of(uid_t uid, struct identity *id, struct error *err);
/* Takes on the owner's effective uid, gid and groups until identity_leave. Calls do not nest. The whole process changes, so no
 * other thread may be at work. A process that is to die with its parent (PR_SET_PDEATHSIG) stays so, which the kernel by
 * itself forgets at each change. */
int identity_enter(const struct identity *id, struct error *err);
void identity_leave(void);

/* The same for one thread among others. identity_prepare, while there is only one, gives the process (and the threads it
 * starts) the owner's groups until identity_finish; in between each thread enters and leaves by itself, for a few calls at a
 * time. An owner who is NULL: the process's own rights, and nothing changes. */
int identity_prepare(const struct identity *id, struct error *err);
void identity_finish(void);
int identity_thread_enter(const struct identity *id, struct error *err);
void identity_thread_leave(void);
/* For a child before exec: becomes the owner for good. In two steps, where the second comes in a user namespace, in which groups
 * cannot be set. */
int identity_become(const struct identity *id, struct error *err);
int identity_become_groups(const struct identity *id, struct error *err);
int identity_become_user(const struct identity *id, struct error *err);
