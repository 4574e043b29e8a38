/* condor_status: the pool's one machine, or the pool itself as a schedd. */
#include "cli/condor.h"

#include "base/mem.h"
#include "cli/chosen_ads.h"
#include "cli/words.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const struct condor_option condor_status_options[] = {
    { "avail", 2, CONDOR_NOTHING, NULL, NULL },
    { "available", 0, CONDOR_NOTHING, NULL, NULL },
    CONDOR_ADDRESSES,
    { "direct", 3, CONDOR_VALUE, CONDOR_ELSEWHERE, NULL },
    { "wide", 3, CONDOR_NOTHING, "", NULL },
    { "constraint", 3, CONDOR_VALUE, NULL, NULL },
    { "limit", 2, CONDOR_VALUE, "", NULL },
    { "long", 1, CONDOR_NOTHING, NULL, NULL },
    { "jsonl", 5, CONDOR_NOTHING, NULL, NULL },
    { "json", 2, CONDOR_NOTHING, NULL, NULL },
    { "claimed", 2, CONDOR_NOTHING, NULL, NULL },
    { "run", 1, CONDOR_NOTHING, NULL, NULL },
    { "slots", 2, CONDOR_NOTHING, "", NULL },
    { "compact", 3, CONDOR_NOTHING, NULL, NULL },
    { "nocompact", 5, CONDOR_NOTHING, "", NULL },
    { "server", 2, CONDOR_NOTHING, "", NULL },
    { "state", 4, CONDOR_NOTHING, "", NULL },
    { "startd", 4, CONDOR_NOTHING, "", NULL },
    { "schedd", 2, CONDOR_NOTHING, NULL, NULL },
    { "submitters", 4, CONDOR_NOTHING, NULL, "condor_userprio lists users, condor_q -allusers their jobs" },
    { "negotiator", 2, CONDOR_NOTHING, NULL, "there is no negotiator of its own; stint pool status tells of the pool" },
    { "collector", 3, CONDOR_NOTHING, NULL, "there is no collector of its own; stint pool status tells of the pool" },
    { "master", 1, CONDOR_NOTHING, NULL, "there is no master of its own; stint pool status tells of the pool" },
    { "any", 2, CONDOR_NOTHING, "", NULL },
    { "sort", 2, CONDOR_VALUE, "", NULL }, /* there is one machine */
    { "totals", 1, CONDOR_NOTHING, NULL, NULL },
    { "expert", 1, CONDOR_NOTHING, "", NULL },
    CONDOR_COLUMNS,
    CONDOR_COMMON,
};

/* What tables and scripts ask for and the machine's ad may not have. */
static void complete_machine(struct ad *machine)
{
    int64_t cpus = ad_int(machine, "Cpus", 0), total = ad_int(machine, "TotalCpus", cpus);
    if (!ad_has(machine, "State"))
        ad_set_string(machine, "State", cpus < total ? "Claimed" : "Unclaimed");
    if (!ad_has(machine, "Activity"))
        ad_set_string(machine, "Activity", cpus < total ? "Busy" : "Idle");
    if (!ad_has(machine, "MyType"))
        ad_set_string(machine, "MyType", "Machine");
}

static struct ad *schedd_of(const struct ad *pool)
{
    struct ad *schedd = ad_new();
    const struct ad *jobs = ad_ad(pool, "Jobs");
    char host[256] = "localhost";
    gethostname(host, sizeof host - 1);
    ad_set_string(schedd, "MyType", "Scheduler");
    ad_set_string(schedd, "Name", host);
    ad_set_string(schedd, "Machine", host);
    ad_set_string(schedd, "CondorVersion", "$CondorVersion: 25.0.0 2026-01-01 stint-" STINT_VERSION " $");
    ad_copy_attribute(schedd, "StintVersion", pool, "Version");
    if (!jobs)
        return schedd;
    ad_set_int(schedd, "TotalRunningJobs", ad_int(jobs, "running", 0) + ad_int(jobs, "starting", 0));
    ad_set_int(schedd, "TotalIdleJobs", ad_int(jobs, "idle", 0));
    ad_set_int(schedd, "TotalHeldJobs", ad_int(jobs, "held", 0));
    int64_t all = 0;
    for (size_t i = 0; i < ad_count(jobs); i++)
        all += ad_int(jobs, ad_name(jobs, i), 0);
    ad_set_int(schedd, "TotalJobAds", all);
    return schedd;
}

static const char *state_wanted(const struct condor_call *call)
{
    if (condor_given(call, "avail") || condor_given(call, "available"))
        return "Cpus > 0";
    return condor_given(call, "claimed") || condor_given(call, "run") ? "State == \"Claimed\"" : "";
}

static bool is_named(const struct condor_call *call, const struct ad *ad)
{
    bool named = call->operand_count == 0;
    for (size_t i = 0; i < call->operand_count; i++)
        named = named || strcmp(call->operands[i], ad_string(ad, "Name", "")) == 0 ||
                strcmp(call->operands[i], ad_string(ad, "Machine", "")) == 0;
    return named;
}

static int ask(const struct condor_call *call, struct ad *out, struct error *err)
{
    auto_api struct api *api = NULL;
    auto_ad struct ad *answer = NULL;
    bool schedd = condor_given(call, "schedd");
    if (api_open(API_START_IF_WANTED, &api, err) < 0 || api_get_ad(api, schedd ? "/v1/pool" : "/v1/machine", &answer, err) < 0)
        return -1;
    if (schedd) {
        ad_append_ad(out, "Ads", schedd_of(answer));
        return 0;
    }
    for (size_t i = 0; i < ad_list_count(answer, "Machines"); i++) {
        struct ad *machine = ad_copy(ad_list_ad(answer, "Machines", i));
        complete_machine(machine);
        ad_append_ad(out, "Ads", machine);
    }
    return 0;
}

static int choose(const struct condor_call *call, const struct ad *all, struct ad *some, struct error *err)
{
    auto_buf struct buf text = { 0 };
    struct condor_call constraint = *call;
    struct ad_expr *expr = NULL;
    constraint.operand_count = 0;
    int r = condor_constraint(&constraint, state_wanted(call), &text, err);
    if (r < 0)
        return r;
    if (text.len > 0 && ad_expr_parse(buf_cstr(&text), &expr, err) < 0)
        return -1;
    for (size_t i = 0; i < ad_list_count(all, "Ads"); i++) {
        const struct ad *one = ad_list_ad(all, "Ads", i);
        struct ad_scope scope = { .my = one, .now = time(NULL) };
        if (is_named(call, one) && (!expr || ad_expr_true(expr, &scope)))
            ad_append_ad(some, "Ads", ad_copy(one));
    }
    ad_expr_free(expr);
    return 0;
}

static void add_schedds(const struct ad *ads, struct buf *out)
{
    buf_text(out, "Name                 Machine              RunningJobs   IdleJobs   HeldJobs\n\n");
    for (size_t i = 0; i < ad_list_count(ads, "Ads"); i++) {
        const struct ad *one = ad_list_ad(ads, "Ads", i);
        buf_printf(out, "%-20s %-20s %11" PRId64 " %10" PRId64 " %10" PRId64 "\n", ad_string(one, "Name", "?"), ad_string(one, "Machine", "?"),
                   ad_int(one, "TotalRunningJobs", 0), ad_int(one, "TotalIdleJobs", 0), ad_int(one, "TotalHeldJobs", 0));
    }
}

static void add_slots(const struct ad *ads, bool compact, struct buf *out)
{
    buf_text(out, compact ? "Machine              Platform      Slots Cpus TotalGb FreCpu FreeGb\n\n"
                          : "Name                 OpSys      Arch   State     Activity LoadAv Mem     ActvtyTime\n\n");
    for (size_t i = 0; i < ad_list_count(ads, "Ads"); i++) {
        const struct ad *one = ad_list_ad(ads, "Ads", i);
        int64_t cpus = ad_int(one, "Cpus", 0), memory = ad_int(one, "Memory", 0);
        if (compact)
            buf_printf(out, "%-20s %s/%-8s %4d %4" PRId64 " %7.2f %6" PRId64 " %6.2f\n", ad_string(one, "Machine", ad_string(one, "Name", "?")),
                       ad_string(one, "Arch", "?"), ad_string(one, "OpSys", "?"), 1, ad_int(one, "TotalCpus", cpus),
                       (double)ad_int(one, "TotalMemory", memory) / 1024, cpus, (double)memory / 1024);
        else
            buf_printf(out, "%-20s %-10s %-6s %-9s %-8s %6.3f %-7" PRId64 " 0+00:00:00\n", ad_string(one, "Name", "?"),
                       ad_string(one, "OpSys", "?"), ad_string(one, "Arch", "?"), ad_string(one, "State", "?"), ad_string(one, "Activity", "?"),
                       ad_real(one, "LoadAvg", 0), memory);
    }
}

static void add_totals(const struct ad *ads, struct buf *out)
{
    size_t count = ad_list_count(ads, "Ads"), claimed = 0;
    auto_buf struct buf platform = { 0 };
    for (size_t i = 0; i < count; i++)
        claimed += strcmp(ad_string(ad_list_ad(ads, "Ads", i), "State", ""), "Claimed") == 0;
    if (count > 0)
        buf_printf(&platform, "%s/%s", ad_string(ad_list_ad(ads, "Ads", 0), "Arch", "?"), ad_string(ad_list_ad(ads, "Ads", 0), "OpSys", "?"));
    buf_text(out, "\n               Total Owner Claimed Unclaimed Matched Preempting Backfill  Drain\n\n");
    for (int line = count > 0 ? 0 : 1; line < 2; line++) {
        buf_printf(out, "%12s %7zu %5d %7zu %9zu %7d %10d %8d %6d\n%s", line == 0 ? buf_cstr(&platform) : "Total", count, 0, claimed,
                   count - claimed, 0, 0, 0, 0, line == 0 ? "\n" : "");
    }
}

int condor_status(const struct condor_call *call, struct error *err)
{
    auto_columns struct columns *columns = NULL;
    auto_ad struct ad *all = ad_new(), *some = ad_new();
    auto_buf struct buf json = { 0 }, out = { 0 };
    ad_make_list(all, "Ads");
    ad_make_list(some, "Ads");
    int r = condor_columns(call, &columns, err);
    if (r == 0)
        r = ask(call, all, err);
    if (r == 0)
        r = choose(call, all, some, err);
    if (r < 0)
        return r;
    if (condor_is_plain(call, columns)) {
        ad_print_json(some, &json);
        if (condor_print_plain(call, columns, (struct json_slice){ json.data, json.len }, "Ads", &out, err) < 0)
            return -1;
    } else if (condor_given(call, "schedd"))
        add_schedds(some, &out);
    else {
        if (!condor_given(call, "totals"))
            add_slots(some, condor_given(call, "compact"), &out);
        add_totals(some, &out);
    }
    words_print(&out);
    return CLI_OK;
}
