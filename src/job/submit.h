/*
 * The submit language: HTCondor's submit files become job ads. Pure: what a file names outside itself (other files, commands,
 * patterns, environment variables) comes through the functions that the caller gives, and random choices from the seed that
 * the caller gives.
 */
#pragma once

#include "ad/ad.h"

enum {
    SUBMIT_TEXT_MAX = 16 << 20,       /* bytes of a submit file */
    SUBMIT_ITEMS_TEXT_MAX = 64 << 20, /* bytes of one list of items */
    SUBMIT_JOBS_MAX = 1000000,        /* jobs of one submission */
    SUBMIT_VALUE_MAX = 1 << 20,       /* bytes of a value after macro expansion */
    SUBMIT_MACRO_DEPTH_MAX = 32,      /* nesting of macros */
    SUBMIT_INCLUDE_DEPTH_MAX = 16,    /* nesting of included files */
};

enum { SUBMIT_ABSENT = 1 }; /* outcome: there is no such file */
enum submit_match { SUBMIT_MATCH_ANY, SUBMIT_MATCH_FILES, SUBMIT_MATCH_DIRS };

/* What lies outside a submit file. A function that is NULL refuses what needs it. Each gets `context`, appends at most
 * out->max bytes, and returns 0 or -1 with err; relative names start at options->cwd. */
struct submit_outside {
    void *context;
    int (*read)(void *context, const char *path, struct buf *out, struct error *err); /* outcome SUBMIT_ABSENT; "-": standard input */
    int (*run)(void *context, const char *command, struct buf *out, struct error *err); /* a shell command's output */
    /* The names that match a pattern, sorted, each followed by a NUL byte. */
    int (*match)(void *context, const char *pattern, enum submit_match kind, struct buf *out, struct error *err);
    const char *(*variable)(void *context, const char *name); /* of the environment; NULL if it is not set; borrowed */
};

struct submit_macro {
    const char *name, *value;
};

struct submit_options {
    const char *file; /* its name in messages */
    const char *cwd;  /* absolute: where relative names start when there is no initialdir */
    int cluster;      /* what $(Cluster) expands to */
    uint64_t seed;    /* of random choices: the same seed makes the same ones */
    const struct submit_outside *outside;  /* NULL: nothing is there */
    const struct submit_macro *predefined; /* that the file may set otherwise; the last name is NULL; may be NULL */
    const char *const *before; /* lines read before the file's first one; the last is NULL; may be NULL */
    const char *const *append; /* likewise, read before each queue statement; a queue statement among them is as in `queue` */
    const char *queue;         /* what follows the word in a queue statement behind the file, which must have none; may be NULL */
};

struct submit_warning {
    int line;
    const char *file; /* belongs to the submit */
    char *text;       /* a clause, with "did you mean" where something is near */
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
    char **files; /* names of the files that were read */
    size_t file_count;
};

/* Parses `text`; errors name file, line, what is wrong and what to do. `out` must be released also when it has warnings only. */
int submit_parse(const char *text, size_t len, const struct submit_options *options, struct submit *out,
                 struct error *err);
void submit_release(struct submit *submit);
/* Checks the attribute as if it stood as '+name = …' in a submit file; what can be written in several ways gets its one form. Good
 * when it is not one that is checked. */
int submit_check_value(struct ad *ad, const char *name, struct error *err);
/* Whether a job with that GetEnvironment (true, or a list of names and patterns, with '!' for what is refused) gets the submitter's
 * variable of that name, which is `len` bytes. */
bool submit_getenv_wants(const struct ad *ad, const char *name, size_t len);
/* The line on which a command (by its lower-case name, "executable") was last set; 0 if it was not. *file, unless NULL, gets the
 * name of the file that it is a line of. */
int submit_line(const struct submit *submit, const char *command, const char **file);

/* Whether the name is one that the pattern stands for: "*", "?", "[a-z]", "[!a-z]" and "\\" as in a shell; a leading dot matches only
 * a dot. Neither has a slash in it. In time of the product of their lengths. */
bool submit_matches(const char *pattern, const char *name);
/* Whether the text is "key=value" with a key that can stand in a submit file. */
bool submit_is_assignment(const char *text);
