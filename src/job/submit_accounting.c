/*
 * Commands about the queue rather than the program: how many jobs enter it at a time, for whom their use counts, who is told of
 * them, and what else is written into the event log. And getenv, whose list says which of the submitter's variables a job gets.
 */
#include "job/submit_parts.h"

#include "base/mem.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

int submit_to_notification(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    static const char *const words[] = { "never", "always", "complete", "error" }; /* by their numbers in JobNotification */
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(value, words[i]) != 0)
            continue;
        ad_set_int(job->ad, command->attribute, (int64_t)i);
        return 0;
    }
    return error_set(err, ERR_INVALID, "notification = %.60s is unknown; write one of always, complete, error, never", value);
}

/* A name of a group or a user: no blanks and no quotes, for it becomes a part of another name. */
int submit_to_account(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    for (const char *p = value; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("_-.@", *p))
            return error_set(err, ERR_INVALID, "%s = %.60s is no name; use letters, digits, '_', '-', '.' and '@'", command->name,
                             value);
    ad_set_string(job->ad, command->attribute, value);
    return 0;
}

/* A list of attributes' names, which comes with commas or blanks between them, and perhaps in quotes. */
int submit_to_attributes(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    auto_buf struct buf list = { 0 };
    for (const char *p = value; *(p += strspn(p, ", \t\""));) {
        size_t len = strcspn(p, ", \t\"");
        auto_free char *name = mem_dup_n(p, len);
        if (!ad_name_valid(name))
            return error_set(err, ERR_INVALID, "%s: '%.60s' is no attribute's name; write names separated by commas", command->name,
                             name);
        buf_printf(&list, "%s%s", list.len ? "," : "", name);
        p += len;
    }
    ad_set_string(job->ad, command->attribute, buf_cstr(&list));
    return 0;
}

/* ---- getenv ---- */

static bool is_word(const char *value, const char *const *words)
{
    for (; *words; words++)
        if (strcasecmp(value, *words) == 0)
            return true;
    return false;
}

static const char separators[] = ",; \t";

static int check_pattern(const char *pattern, size_t len, struct error *err)
{
    if (len == 0)
        return error_set(err, ERR_INVALID, "getenv: '!' needs a name or a pattern behind it, such as '!SECRET*'");
    for (size_t i = 0; i < len; i++)
        if (pattern[i] == '=' || pattern[i] == '"' || pattern[i] == '!')
            return error_set(err, ERR_INVALID, "getenv: '%.*s' is neither a name nor a pattern; write for example 'getenv = PATH, LD_*, "
                             "!SECRET*'", (int)(len > 60 ? 60 : len), pattern);
    return 0;
}

int submit_to_getenv(struct submit_job *job, const struct submit_command *command, const char *value, struct error *err)
{
    static const char *const yes[] = { "true", "yes", "t", "y", "1", NULL };
    static const char *const no[] = { "false", "no", "f", "n", "0", NULL };
    auto_buf struct buf list = { 0 };
    if (is_word(value, yes) || is_word(value, no)) {
        ad_set_bool(job->ad, command->attribute, is_word(value, yes));
        return 0;
    }
    for (const char *p = value; *(p += strspn(p, separators));) {
        size_t len = strcspn(p, separators), bang = p[0] == '!';
        if (check_pattern(p + bang, len - bang, err) < 0)
            return -1;
        buf_printf(&list, "%s%.*s", list.len ? ", " : "", (int)len, p);
        p += len;
    }
    ad_set_string(job->ad, command->attribute, buf_cstr(&list));
    return 0;
}

/* Whether the name, which is `len` bytes, is what the pattern says: '*' stands for any text, there may be several. Without case. */
static bool fits(const char *pattern, size_t pattern_len, const char *name, size_t len)
{
    size_t p = 0, n = 0, star = SIZE_MAX, from = 0;
    while (n < len) {
        if (p < pattern_len && pattern[p] == '*') {
            star = p++;
            from = n;
        } else if (p < pattern_len && tolower((unsigned char)pattern[p]) == tolower((unsigned char)name[n])) {
            p++;
            n++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            n = ++from;
        } else {
            return false;
        }
    }
    while (p < pattern_len && pattern[p] == '*')
        p++;
    return p == pattern_len;
}

bool submit_getenv_wants(const struct ad *ad, const char *name, size_t len)
{
    const char *list = ad_string(ad, "GetEnvironment", NULL);
    bool any_wanted = false, wanted = false;
    if (!list)
        return ad_bool(ad, "GetEnvironment", false);
    for (const char *p = list; *(p += strspn(p, separators));) {
        size_t size = strcspn(p, separators), bang = p[0] == '!';
        bool hit = fits(p + bang, size - bang, name, len);
        if (bang && hit)
            return false;
        any_wanted = any_wanted || !bang;
        wanted = wanted || (!bang && hit);
        p += size;
    }
    return wanted || !any_wanted; /* a list of refusals alone: all others */
}
