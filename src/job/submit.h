/*
 * The submit language: HTCondor's `key = value` files become job ads. Pure: the caller reads the file and looks whether the
 * files that it names exist.
 */
#pragma once

#include "ad/ad.h"

enum {
    SUBMIT_TEXT_MAX = 16 << 20,  /* bytes of a submit file */
    SUBMIT_JOBS_MAX = 1000000,   /* jobs of one submission */
    SUBMIT_VALUE_MAX = 1 << 20,  /* bytes of a value after macro expansion */
    SUBMIT_MACRO_DEPTH_MAX = 32, /* nesting of macros */
};

struct submit_options {
    const char *file; /* its name in messages */
    const char *cwd;  /* absolute: where relative names start when there is no initialdir */
    int cluster;      /* what $(Cluster) expands to */
};

struct submit_warning {
    int line;
    char *text; /* a clause, with "did you mean" where something is near */
};

struct submit {
    struct ad *cluster; /* the first job's ad, without ClusterId, ProcId, Owner and what else the pool adds */
    /* For each job the attributes in which it differs from `cluster`, or NULL when in none. An attribute that the first job
     * has and this one has not is set to undefined. */
    struct ad **procs;
    size_t proc_count;
    bool uses_cluster; /* some value depends on options->cluster */
    struct submit_warning *warnings;
    size_t warning_count;
    /* Lines of the commands, for messages of whoever checks the values: see submit_line. */
    struct submit_line *lines;
    size_t line_count;
};

/* Parses `text`; errors name file, line, what is wrong and what to do. `out` must be released also when it has warnings only. */
int submit_parse(const char *text, size_t len, const struct submit_options *options, struct submit *out,
                 struct error *err);
void submit_release(struct submit *submit);
/* Checks the attribute as if it stood as '+name = …' in a submit file; what can be written in several ways gets its one form. Good
 * when it is not one that is checked. */
int submit_check_value(struct ad *ad, const char *name, struct error *err);
/* The line on which a command (by its lower-case name, "executable") was last set; 0 if it was not. */
int submit_line(const struct submit *submit, const char *command);
