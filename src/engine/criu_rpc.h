/*
 * Talks to CRIU: one request to a "criu swrk" at the other end of a SOCK_SEQPACKET pair, and what comes of it. CRIU runs in the
 * job's namespaces; paths and pids here are those that it sees. Starting, killing and reaping it is the caller's; after a
 * failure of any kind it is of no more use.
 *
 * CRIU says when it has reached a moment of its work and waits for a yes or no. These the caller may hear of:
 *   dump      "post-dump": all is in the images, the tree is still frozen
 *   restore   "pre-restore", "post-restore" (all is made, nothing has run yet; a no kills it), "pre-resume", "post-resume" (a no
 *             to these two comes too late)
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum criu_network_lock { CRIU_LOCK_IPTABLES = 1, CRIU_LOCK_NFTABLES = 2, CRIU_LOCK_SKIP = 3 };

/* What a job needs. criu_options_default has the values in brackets; what is not bracketed is off or unset there. */
struct criu_options {
    const char *images;   /* directory of the images; the caller's to set */
    const char *log_file; /* a name in it, without a slash ["criu.log"] */
    int log_level;        /* 1 errors … 4 all [2] */
    int64_t timeout_us;   /* for the whole exchange but the time that the callback takes; 0 = for ever */

    int pid;            /* dump: root of the tree; the caller's to set */
    bool leave_running; /* dump: the tree runs on */
    bool leave_stopped; /* dump: the tree is left stopped (SIGSTOP); restore: it is left stopped before it runs */
    bool sibling;       /* restore: the tree's root becomes the child of criu's parent, not of criu */
    bool unprivileged;  /* without capabilities in the initial user namespace [on] */
    uint32_t seize_timeout_s; /* dump: how long a process may take until it is frozen; 0 = criu's own, 10 s */

    bool file_locks;         /* locks that the tree holds come back [on] */
    bool link_remap;         /* files that are open and deleted, but have other names, get one for the time between [on] */
    uint32_t ghost_bytes;    /* files that are open and have no name are part of the images up to this size each [64 MiB] */
    bool force_irmap;        /* names of watched files (inotify) are searched for where the kernel does not tell */
    const char *const *irmap_paths; /* and where; NULL, or ended by NULL */
    bool skip_mode_check;    /* restore: files may have other permission bits than at the dump */
    bool evasive_devices;    /* a device whose file is gone is opened by another name */

    bool tcp_close;          /* dump and restore: connections are closed when it resumes [on] */
    bool tcp_established;    /* dump and restore: connections are kept; needs a network namespace of the job's own */
    bool tcp_skip_in_flight; /* dump: connections that are being made are left out [on] */
    bool external_sockets;   /* unix sockets whose other end is outside the tree do not fail the dump */
    enum criu_network_lock network_lock; /* [CRIU_LOCK_SKIP] */

    bool shell_job;          /* session and terminal are inherited from outside */
    const char *const *external; /* things outside that the tree refers to, in criu's words; NULL, or ended by NULL */
    uint32_t cpu_cap; /* what of the CPU must be the same at the restore; 0 = as criu has it by itself */
};

struct criu_result {
    int pid; /* restore: of the tree's root, set from "post-restore" on; after a failure: it may be there all the same; 0: it is not */
    /* CRIU gave no answer (ERR_CHILD) after it may have frozen or begun to make processes: the tree may be damaged, and what is left of
     * it must be killed. */
    bool died_while_frozen;
    int64_t frozen_us; /* dump: about when it began to freeze, boot clock; 0: it never came to that */
    bool said_no; /* the error is the callback's own, and CRIU's log has nothing of it */
};

/* Called at a moment that the table above has. Fails the call with *err, where that is still possible. May take its time. */
typedef int criu_moment(void *data, const char *moment, struct error *err);

void criu_options_default(struct criu_options *options);

/* Dumps. `frozen` (NULL: yes) is called once, at "post-dump"; if it fails, so does the dump, and the tree runs on. On success it was
 * called, and the tree runs on, is stopped or is killed, as the options say. Errors, of which *out tells more:
 *   ERR_SYSTEM   criu says no; sys is its errno or 0. The text is its first complaint, which need not be why: see criu_log.h.
 *   ERR_CHILD    no answer: it died (sys 0), it took too long (ETIMEDOUT), or what it says is nonsense (EPROTO)
 *   frozen's own
 */
int criu_dump(int socket, const struct criu_options *options, criu_moment *frozen, void *data, struct criu_result *out,
              struct error *err);
/* Restores. `ready` (NULL: yes to all) is called at each moment. Errors are those of criu_dump. Give it a time: CRIU 4.2 waits for ever
 * where a file of pages is shorter than it should be. */
int criu_restore(int socket, const struct criu_options *options, criu_moment *ready, void *data, struct criu_result *out,
                 struct error *err);
/* Asks for the version, as 40201 for 4.2.1. This criu can be asked for one thing more. Errors: ERR_CHILD, ERR_SYSTEM. */
int criu_version(int socket, int64_t timeout_us, int *version, struct error *err);
