/*
 * What went wrong, as a value: a kind for the program, an errno where there is one, a clause for a person. By value and of
 * fixed size, so that failing cannot fail and a struct can be written whole through a pipe from a cloned child.
 *
 * Convention: a function that can fail returns int and takes `struct error *err` last. 0 = done; negative = failed, err
 * filled, outputs untouched; positive = an outcome that its header names.
 */
#pragma once

#include <stdarg.h>

enum error_kind {
    ERR_INVALID = 1, /* the input is wrong: the caller's user must change something */
    ERR_DENIED,      /* not allowed to this caller */
    ERR_LIMIT,       /* a named limit would be passed */
    ERR_SYSTEM,      /* the system said no; sys holds errno */
    ERR_CHILD,       /* a child process failed */
    ERR_CORRUPT,     /* stored data is not what was stored */
};

struct error {
    enum error_kind kind;
    int sys; /* errno, 0 if none */
    char text[512];
};

/* All three return -1, accept err == NULL, never allocate, and cut long texts with "…". */
int error_set(struct error *err, enum error_kind kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Appends ": strerror(errno)" and records errno. */
int error_sys(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts "context: " before the text there is; kind and errno stay. */
int error_wrap(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The kind's name on the wire ("invalid", "denied", …) and back; an unknown name is ERR_SYSTEM. */
const char *error_kind_name(enum error_kind kind);
enum error_kind error_kind_from_name(const char *name);
