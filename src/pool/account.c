/*
 * For whom a job's usage counts besides its owner. HTCondor's names: AcctGroup and AcctGroupUser are what was asked for,
 * AccountingGroup is the account, GROUP.USER. A job of a nice user without a group belongs to the group "nice-user".
 *
 * Everybody may use every group, for a group says what work is for; the user in it says whose work it is, and nobody but root may
 * say that of somebody else.
 */
#include "pool/pool.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NICE_GROUP "nice-user"
enum { PART_MAX = 90 };

static bool is_name(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.@";
    size_t len = strlen(text);
    return len > 0 && len <= PART_MAX && strspn(text, letters) == len && text[0] != '.' && text[len - 1] != '.';
}

struct parts {
    char group[PART_MAX * 2 + 8], user[PART_MAX * 2 + 8];
};

/* What was asked for. An AccountingGroup that a user wrote himself is taken apart at its last dot. */
static void read_parts(const char *owner, const struct ad *full, struct parts *parts)
{
    const char *group = ad_string(full, "AcctGroup", ""), *user = ad_string(full, "AcctGroupUser", "");
    const char *whole = ad_string(full, "AccountingGroup", ""), *dot = strrchr(whole, '.');
    snprintf(parts->group, sizeof parts->group, "%s", group);
    snprintf(parts->user, sizeof parts->user, "%s", user);
    if (!*group && !*user && dot) {
        snprintf(parts->group, sizeof parts->group, "%.*s", (int)(dot - whole), whole);
        snprintf(parts->user, sizeof parts->user, "%s", dot + 1);
    } else if (!*group && !*user && *whole) {
        snprintf(parts->user, sizeof parts->user, "%s", whole);
    }
    if (!parts->group[0] && ad_bool(full, "NiceUser", false))
        snprintf(parts->group, sizeof parts->group, "%s", NICE_GROUP);
    if (parts->group[0] && !parts->user[0])
        snprintf(parts->user, sizeof parts->user, "%s", owner);
}

static int check(uid_t uid, const char *owner, const struct parts *parts, struct error *err)
{
    if (parts->group[0] && !is_name(parts->group))
        return error_set(err, ERR_INVALID, "accounting_group '%.60s' is no name; use letters, digits, '_', '-', '.' and '@', at most %d",
                         parts->group, PART_MAX);
    if (!is_name(parts->user))
        return error_set(err, ERR_INVALID, "accounting_group_user '%.60s' is no name; use letters, digits, '_', '-', '.' and '@', at most %d",
                         parts->user, PART_MAX);
    if (uid != 0 && strcmp(parts->user, owner) != 0)
        return error_set(err, ERR_DENIED, "'%s' can not let '%.60s' be charged; leave accounting_group_user out, or ask root", owner,
                         parts->user);
    return 0;
}

int account_set(uid_t uid, const char *owner, const struct ad *full, struct ad *into, struct error *err)
{
    static const char *const names[] = { "AcctGroup", "AcctGroupUser", "AccountingGroup" };
    struct parts parts;
    char whole[sizeof parts.group + sizeof parts.user];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (ad_has(full, names[i]) && !ad_string(full, names[i], NULL))
            return error_set(err, ERR_INVALID, "%s must be a text in double quotes", names[i]);
    read_parts(owner, full, &parts);
    if (!parts.user[0])
        return 0;
    if (check(uid, owner, &parts, err) < 0)
        return -1;
    snprintf(whole, sizeof whole, "%s%s%s", parts.group, parts.group[0] ? "." : "", parts.user);
    if (strcmp(ad_string(full, "AccountingGroup", ""), whole) == 0 && strcmp(ad_string(full, "AcctGroupUser", ""), parts.user) == 0)
        return 0;
    if (parts.group[0])
        ad_set_string(into, "AcctGroup", parts.group);
    ad_set_string(into, "AcctGroupUser", parts.user);
    ad_set_string(into, "AccountingGroup", whole);
    return 0;
}

void account_forget_user(struct ad *ad)
{
    ad_remove(ad, "AcctGroupUser");
    ad_remove(ad, "AccountingGroup");
}

const char *account_of(const struct ad *full)
{
    return ad_string(full, "AccountingGroup", NULL);
}

double account_factor(const struct ad *full)
{
    return ad_bool(full, "NiceUser", false) ? 1e10 : 1000; /* HTCondor's NICE_USER_PRIO_FACTOR, DEFAULT_PRIO_FACTOR */
}
