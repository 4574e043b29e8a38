/* condor_userprio: what users have used and what they get for it. */
#include "cli/condor.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cli/words.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

#define NOT_KEPT "it is not kept for users here"

const struct condor_option condor_userprio_options[] = {
    { "allusers", 4, CONDOR_NOTHING, "", NULL },
    { "all", 3, CONDOR_NOTHING, "", NULL },
    { "usage", 1, CONDOR_NOTHING, "", NULL },
    { "most", 2, CONDOR_NOTHING, "", NULL },
    { "priority", 3, CONDOR_NOTHING, "", NULL },
    { "negotiator", 2, CONDOR_NOTHING, "", NULL },
    { "flat", 2, CONDOR_NOTHING, "", NULL },
    { "hierarchical", 2, CONDOR_NOTHING, "", NULL },
    { "grouporder", 7, CONDOR_NOTHING, "", NULL },
    { "grouprollup", 7, CONDOR_NOTHING, "", NULL },
    { "modular", 3, CONDOR_NOTHING, "", NULL },
    { "legacy", 3, CONDOR_NOTHING, "", NULL },
    { "quotas", 1, CONDOR_NOTHING, NULL, "there are no quotas of groups" },
    { "setfactor", 4, CONDOR_PAIR, NULL, NULL },
    { "setprio", 4, CONDOR_PAIR, NULL, NULL },
    { "setaccum", 4, CONDOR_PAIR, NULL, NULL },
    { "resetusage", 6, CONDOR_VALUE, NULL, NULL },
    { "resetall", 6, CONDOR_NOTHING, NULL, NULL },
    { "setbegin", 4, CONDOR_PAIR, NULL, NOT_KEPT },
    { "setlast", 4, CONDOR_PAIR, NULL, NOT_KEPT },
    { "setceiling", 4, CONDOR_PAIR, NULL, "users have no ceiling; stint.conf(5) bounds what one may queue" },
    { "setfloor", 4, CONDOR_PAIR, NULL, "users have no floor" },
    { "delete", 3, CONDOR_VALUE, NULL, "users are not forgotten; -resetusage makes their usage zero" },
    { "getreslist", 2, CONDOR_VALUE, NULL, "condor_q -run USER lists what a user's jobs occupy" },
    { "activefrom", 2, CONDOR_VALUE, NULL, "days are told by 'stint ledger --by day'" },
    { "inputfile", 1, CONDOR_VALUE, NULL, "priorities are not read from files" },
    { "constraint", 1, CONDOR_VALUE, NULL, NULL },
    { "long", 1, CONDOR_NOTHING, NULL, NULL },
    { "jsonl", 5, CONDOR_NOTHING, NULL, NULL },
    { "json", 4, CONDOR_NOTHING, NULL, NULL },
    CONDOR_ADDRESSES,
    CONDOR_COLUMNS,
    CONDOR_COMMON,
};

/* ---- changes ---- */

enum { NUMBER_MAX = 2000000000 }; /* 63 years on one cpu; microseconds of it fit in 64 bits */

static int read_number(const struct condor_given *given, const char *text, double least, double *number, struct error *err)
{
    char *end;
    *number = strtod(text, &end);
    if (end == text || *end || !isfinite(*number) || *number < least || *number > NUMBER_MAX)
        return cli_usage_error(err, "-%s requires a number from %g to %d, and '%s' is none", given->option->name, least, NUMBER_MAX, text);
    return 0;
}

static int make_change(const struct condor_given *given, struct ad *body, struct error *err)
{
    const char *name = given->option->name;
    double number = 0;
    int r = 0;
    if (given->count > 0) { /* "eva@here" is eva */
        auto_free char *user = mem_dup_n(given->words[0], strcspn(given->words[0], "@"));
        ad_set_string(body, "Owner", user);
    }
    if (given->count > 1)
        r = read_number(given, given->words[1], strcmp(name, "setfactor") == 0 ? 1 : 0, &number, err);
    if (strcmp(name, "setfactor") == 0)
        ad_set_real(body, "Factor", number);
    else if (strcmp(name, "setprio") == 0)
        ad_set_real(body, "DecayedCpuS", number);
    else if (strcmp(name, "setaccum") == 0)
        ad_set_int(body, "TotalCpuUs", (int64_t)(number * CLOCK_SECOND_US));
    else
        ad_set_int(body, "TotalCpuUs", 0);
    return r;
}

static bool is_change(const struct condor_given *given)
{
    return strncmp(given->option->name, "set", 3) == 0 || strncmp(given->option->name, "reset", 5) == 0;
}

static int change(const struct condor_call *call, struct api *api, bool *any, struct error *err)
{
    for (size_t i = 0; i < call->given_count; i++) {
        auto_ad struct ad *body = ad_new();
        auto_api_answer struct api_answer answer = { 0 };
        if (!is_change(&call->given[i]))
            continue;
        *any = true;
        int r = make_change(&call->given[i], body, err);
        if (r < 0)
            return r;
        if (api_post(api, "/v1/users", body, &answer, err) < 0)
            return -1;
        const char *user = ad_string(body, "Owner", "all users");
        printf("-%s of %s: done\n", call->given[i].option->name, user);
    }
    return 0;
}

/* ---- the table ---- */

/* HTCondor's names for what is known. */
static struct ad *translate(const struct ad *user)
{
    struct ad *ad = ad_copy(user);
    double decayed = ad_real(user, "DecayedCpuS", 0);
    ad_set_string(ad, "Name", ad_string(user, "Owner", "?"));
    ad_set_real(ad, "Priority", ad_real(user, "EffectivePriority", 0));
    ad_set_real(ad, "RealPriority", decayed < 0.5 ? 0.5 : decayed);
    ad_set_real(ad, "PriorityFactor", ad_real(user, "Factor", 0));
    ad_set_real(ad, "WeightedAccumulatedUsage", (double)ad_int(user, "TotalCpuUs", 0) / 1e6);
    ad_copy_attribute(ad, "AccumulatedUsage", ad, "WeightedAccumulatedUsage");
    return ad;
}

static int compare(const void *one, const void *two)
{
    const struct ad *a = *(struct ad *const *)one, *b = *(struct ad *const *)two;
    double difference = ad_real(a, "Priority", 0) - ad_real(b, "Priority", 0);
    return difference > 0 ? 1 : difference < 0 ? -1 : 0;
}

/* Best priority first. */
static int choose(const struct condor_call *call, const struct ad *answer, struct ad *out, struct error *err)
{
    auto_buf struct buf text = { 0 };
    size_t count = ad_list_count(answer, "Users"), kept = 0;
    auto_free struct ad **users = mem_zero(count + 1, sizeof *users);
    struct ad_expr *expr = NULL;
    int r = condor_constraint(call, "", &text, err);
    if (r < 0 || (text.len > 0 && ad_expr_parse(buf_cstr(&text), &expr, err) < 0))
        return r < 0 ? r : -1;
    for (size_t i = 0; i < count; i++) {
        struct ad *user = translate(ad_list_ad(answer, "Users", i));
        struct ad_scope scope = { .my = user, .now = time(NULL) };
        if (!expr || ad_expr_true(expr, &scope))
            users[kept++] = user;
        else
            ad_free(user);
    }
    qsort(users, kept, sizeof *users, compare);
    ad_make_list(out, "Users");
    for (size_t i = 0; i < kept; i++)
        ad_append_ad(out, "Users", users[i]);
    ad_expr_free(expr);
    return 0;
}

static void add_table(const struct ad *users, struct buf *out)
{
    static const char rule[] = "------------------------------ ------------ ------------ ------------ ----------------\n";
    size_t count = ad_list_count(users, "Users");
    double total = 0;
    time_t now = time(NULL);
    buf_text(out, "Last Priority Update: ");
    condor_add_date(out, now);
    buf_text(out, "\n                                  Effective         Real     Priority  Total Usage\n"
                  "User Name                        Priority     Priority       Factor  (wghted-hrs)\n");
    buf_text(out, rule);
    for (size_t i = 0; i < count; i++) {
        const struct ad *user = ad_list_ad(users, "Users", i);
        double hours = ad_real(user, "AccumulatedUsage", 0) / 3600;
        auto_buf struct buf name = { 0 };
        words_safe(&name, ad_string(user, "Name", "?"));
        total += hours;
        buf_printf(out, "%-30s %12.2f %12.2f %12.2f %16.2f\n", buf_cstr(&name), ad_real(user, "Priority", 0), ad_real(user, "RealPriority", 0),
                   ad_real(user, "PriorityFactor", 0), hours);
    }
    buf_text(out, rule);
    buf_printf(out, "Number of users: %-13zu %56.2f\n", count, total);
}

static int show(const struct condor_call *call, struct api *api, struct columns *columns, struct error *err)
{
    auto_ad struct ad *answer = NULL, *users = ad_new();
    auto_buf struct buf json = { 0 }, out = { 0 };
    if (api_get_ad(api, "/v1/users", &answer, err) < 0)
        return -1;
    int r = choose(call, answer, users, err);
    if (r < 0)
        return r;
    ad_print_json(users, &json);
    if (condor_is_plain(call, columns))
        r = condor_print_plain(call, columns, (struct json_slice){ json.data, json.len }, "Users", &out, err);
    else
        add_table(users, &out);
    words_print(&out);
    return r;
}

int condor_userprio(const struct condor_call *call, struct error *err)
{
    auto_columns struct columns *columns = NULL;
    auto_api struct api *api = NULL;
    bool any = false;
    int r = condor_columns(call, &columns, err);
    if (r < 0 || api_open(API_START_IF_WANTED, &api, err) < 0)
        return r < 0 ? r : -1;
    r = change(call, api, &any, err);
    return r < 0 || any ? r : show(call, api, columns, err);
}
