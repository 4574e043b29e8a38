/*
 * A job's command line and environment out of its ad. The ad holds them as text in one of two syntaxes, told apart by the
 * attribute's name:
 *
 *   Arguments, Environment   new: blanks separate, '…' quotes what has blanks, '' within quotes is one quote
 *   Args, Env                old: blanks (Args) or semicolons (Env) separate, and nothing quotes
 *
 * The new one wins when both are there. An attribute that is no string counts as absent: a job that lacks what the first
 * job of its cluster has carries the attribute as undefined.
 */
#include "job/command.h"

#include "base/mem.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

void command_list_release(struct command_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct command_list){ 0 };
}

/* Takes ownership of the item. Grows whenever the slots in use, the NULL's included, reach a power of two. */
static void list_take(struct command_list *list, char *item)
{
    size_t used = list->count + 2;
    size_t room = 0;
    if ((used & (used - 1)) == 0)
        list->items = mem_grow(list->items, &room, used * 2, sizeof *list->items);
    list->items[list->count++] = item;
    list->items[list->count] = NULL;
}

void command_list_add(struct command_list *list, const char *item)
{
    list_take(list, mem_dup(item));
}

/* ---- the new syntax ---- */

/* word = { plain char | "'" { char but "'" | "''" } "'" }; *text is left behind the word. */
static int split_word(const char **text, struct buf *word, struct error *err)
{
    const char *p = *text;
    bool quoted = false;
    for (; *p && (quoted || !isspace((unsigned char)*p)); p++) {
        if (*p != '\'') {
            buf_char(word, *p);
        } else if (quoted && p[1] == '\'') {
            buf_char(word, '\'');
            p++;
        } else {
            quoted = !quoted;
        }
    }
    if (quoted)
        return error_set(err, ERR_INVALID, "a single quote is never closed in '%.60s'; write two of them for one of its own",
                         *text);
    *text = p;
    return 0;
}

int command_split(const char *text, struct command_list *out, struct error *err)
{
    auto_command_list struct command_list list = { 0 };
    auto_buf struct buf word = { 0 };
    for (;;) {
        while (isspace((unsigned char)*text))
            text++;
        if (!*text)
            break;
        buf_clear(&word);
        if (split_word(&text, &word, err) < 0)
            return -1;
        command_list_add(&list, buf_cstr(&word));
    }
    *out = list;
    list = (struct command_list){ 0 };
    return 0;
}

void command_join(const struct command_list *list, struct buf *out)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *item = list->items[i];
        if (i > 0)
            buf_char(out, ' ');
        if (*item && !strpbrk(item, " \t\n\v\f\r'")) {
            buf_text(out, item);
            continue;
        }
        buf_char(out, '\'');
        for (const char *p = item; *p; p++) {
            if (*p == '\'')
                buf_char(out, '\'');
            buf_char(out, *p);
        }
        buf_char(out, '\'');
    }
}

/* ---- the old syntax, and lists ---- */

static const char blanks[] = " \t\n\v\f\r";

/* Appends the pieces between separators, without blanks around them; empty ones are dropped. */
static void split_at(const char *text, const char *separators, struct command_list *out)
{
    while (*text) {
        size_t len = strcspn(text, separators);
        const char *from = text;
        size_t size = len;
        while (size > 0 && isspace((unsigned char)*from)) {
            from++;
            size--;
        }
        while (size > 0 && isspace((unsigned char)from[size - 1]))
            size--;
        if (size > 0)
            list_take(out, mem_dup_n(from, size));
        text += len;
        if (*text)
            text++;
    }
}

void command_files(const struct ad *job, const char *attribute, struct command_list *out)
{
    *out = (struct command_list){ 0 };
    split_at(ad_string(job, attribute, ""), ",", out);
}

int command_arguments(const struct ad *job, struct command_list *out, struct error *err)
{
    const char *text = ad_string(job, "Arguments", NULL);
    if (text)
        return command_split(text, out, err) < 0 ? error_wrap(err, "arguments") : 0;
    *out = (struct command_list){ 0 };
    split_at(ad_string(job, "Args", ""), blanks, out);
    return 0;
}

static int check_environment(const struct command_list *list, struct error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *equals = strchr(list->items[i], '=');
        if (!equals || equals == list->items[i])
            return error_set(err, ERR_INVALID, "environment: '%.60s' is not of the form NAME=value", list->items[i]);
    }
    return 0;
}

int command_environment(const struct ad *job, struct command_list *out, struct error *err)
{
    auto_command_list struct command_list list = { 0 };
    const char *text = ad_string(job, "Environment", NULL);
    if (!text)
        split_at(ad_string(job, "Env", ""), ";\n", &list);
    else if (command_split(text, &list, err) < 0)
        return error_wrap(err, "environment");
    if (check_environment(&list, err) < 0)
        return -1;
    *out = list;
    list = (struct command_list){ 0 };
    return 0;
}

/* ---- signals ---- */

static const char *const signal_names[] = {
    [SIGHUP] = "SIGHUP",   [SIGINT] = "SIGINT",   [SIGQUIT] = "SIGQUIT",     [SIGILL] = "SIGILL",     [SIGTRAP] = "SIGTRAP",
    [SIGABRT] = "SIGABRT", [SIGBUS] = "SIGBUS",   [SIGFPE] = "SIGFPE",       [SIGKILL] = "SIGKILL",   [SIGUSR1] = "SIGUSR1",
    [SIGSEGV] = "SIGSEGV", [SIGUSR2] = "SIGUSR2", [SIGPIPE] = "SIGPIPE",     [SIGALRM] = "SIGALRM",   [SIGTERM] = "SIGTERM",
    [SIGCHLD] = "SIGCHLD", [SIGCONT] = "SIGCONT", [SIGSTOP] = "SIGSTOP",     [SIGTSTP] = "SIGTSTP",   [SIGTTIN] = "SIGTTIN",
    [SIGTTOU] = "SIGTTOU", [SIGURG] = "SIGURG",   [SIGXCPU] = "SIGXCPU",     [SIGXFSZ] = "SIGXFSZ",   [SIGPROF] = "SIGPROF",
    [SIGWINCH] = "SIGWINCH", [SIGPOLL] = "SIGPOLL", [SIGPWR] = "SIGPWR",     [SIGSYS] = "SIGSYS",     [SIGVTALRM] = "SIGVTALRM",
#ifdef SIGSTKFLT
    [SIGSTKFLT] = "SIGSTKFLT",
#endif
};

enum { SIGNAL_NAMES = sizeof signal_names / sizeof signal_names[0], SIGNAL_LAST = 64 };

/* A decimal number of at most two digits, or -1. */
static int small_number(const char *text)
{
    size_t len = strspn(text, "0123456789");
    if (len == 0 || len > 2 || text[len])
        return -1;
    return (int)strtol(text, NULL, 10);
}

int command_signal(const char *text)
{
    int number = small_number(text);
    if (number >= 0)
        return number <= SIGNAL_LAST ? number : 0;
    if (strncasecmp(text, "SIG", 3) == 0)
        text += 3;
    for (int i = 1; i < SIGNAL_NAMES; i++)
        if (signal_names[i] && strcasecmp(text, signal_names[i] + 3) == 0)
            return i;
    if (strcasecmp(text, "IO") == 0)
        return SIGPOLL;
    if (strcasecmp(text, "CLD") == 0)
        return SIGCHLD;
    if (strncasecmp(text, "RTMIN", 5) != 0)
        return 0;
    number = text[5] == '+' ? small_number(text + 6) : text[5] ? -1 : 0;
    return number >= 0 && SIGRTMIN + number <= SIGRTMAX ? SIGRTMIN + number : 0;
}

int command_signal_of(const struct ad *job, const char *attribute, int fallback)
{
    const char *name = ad_string(job, attribute, NULL);
    int64_t number = name ? command_signal(name) : ad_int(job, attribute, 0);
    return number >= 1 && number <= SIGNAL_LAST ? (int)number : fallback;
}

const char *command_signal_name(int number)
{
    if (number >= 1 && number < SIGNAL_NAMES && signal_names[number])
        return signal_names[number];
    return "a signal without name";
}
