/* What the parts of the checkability report share. Private to checkable*.c. */
#pragma once

#include "engine/checkable.h"

#include <sys/stat.h>

struct checkable_process {
    pid_t host, inside;
    char command[16];
    int dir; /* /proc/HOST */
};

/* A socket of the tree, at the first process where it was found. */
struct checkable_socket {
    uint64_t inode;
    size_t process; /* index */
    int fd;         /* its number there */
};

/* A file that some process has mapped: what there is to say of it does not depend on which. */
struct checkable_mapped {
    dev_t dev;
    ino_t ino;
    bool shared_write;
};

struct checkable_outside {
    char *path;
    dev_t dev;
    ino_t ino;
};

struct checkable_seen_device {
    dev_t dev;
    long type;
};

#define CHECKABLE_NAMESPACES "user", "mnt", "pid_for_children", "net", "ipc", "uts", "time_for_children", "cgroup"
enum { CHECKABLE_NAMESPACE_COUNT = 8 };

/* "net:[4026531840]", … in that order; "" = unknown */
struct checkable_namespaces {
    char links[CHECKABLE_NAMESPACE_COUNT][40];
};

struct checkable {
    const struct checkable_world *world;
    pid_t root;
    int root_dir; /* the job's root directory */
    bool files_only; /* which files are mapped and open is all that is wanted */
    int waits;       /* how often a process was given time */
    struct checkable_namespaces namespaces; /* the job's */
    struct checkable_process *processes;
    size_t process_count, process_capacity;
    struct checkable_socket *sockets;
    size_t socket_count, socket_capacity;
    struct checkable_mapped *mapped;
    size_t mapped_count, mapped_capacity;
    struct checkable_outside *outside;
    size_t outside_count, outside_capacity;
    struct checkable_seen_device devices[32];
    size_t device_count;
    struct checkable_finding *findings;
    size_t count;
};

/* Adds a finding, or counts it as one more of one that is there. `p` NULL: of the job as a whole. */
void checkable_add(struct checkable *c, const struct checkable_process *p, enum checkable_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
bool checkable_is_captured(const struct checkable_world *world, const char *path);
/* A file open for writing, or mapped so. */
void checkable_note_outside(struct checkable *c, const char *path, dev_t dev, ino_t ino);
/* Of a device node: whether it is of those that are the same everywhere. */
bool checkable_device_is_harmless(const struct stat *st);
/* Removes " (deleted)" from the end of a path as /proc shows it; false when it is not there. */
bool checkable_cut_deleted(char *path);

/* Each looks at one process, or at what the tree as a whole has. */
void checkable_maps(struct checkable *c, const struct checkable_process *p);
void checkable_descriptors(struct checkable *c, size_t process);
void checkable_anon(struct checkable *c, const struct checkable_process *p, const char *name);
void checkable_watch(struct checkable *c, const struct checkable_process *p, const char *fd);
void checkable_sockets(struct checkable *c);
