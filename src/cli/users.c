#include "base/mem.h"
#include "cli/api.h"
#include "cli/chosen_ads.h"
#include "cli/ledger.h"
#include "cli/run.h"
#include "cli/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>


void users_print(const struct ad *answer, const struct screen *screen, struct buf *out)
{
    static const struct table_column columns[] = {
        { "USER", TABLE_LEFT },    { "USAGE", TABLE_RIGHT },    { "TOTAL", TABLE_RIGHT },
        { "FACTOR", TABLE_RIGHT }, { "PRIORITY", TABLE_RIGHT },
    };
    auto_table struct table *table = table_new(columns, sizeof columns / sizeof columns[0]);
    size_t count = ad_list_count(answer, "Users");
    for (size_t i = 0; i < count; i++) {
        const struct ad *user = ad_list_ad(answer, "Users", i);
        double decayed = ad_real(user, "DecayedCpuS", 0);
        words_safe(table_cell(table), ad_string(user, "Owner", "?"));
        words_duration(table_cell(table), decayed > 0 && decayed < 9e12 ? (int64_t)(decayed * 1e6) : 0);
        words_duration(table_cell(table), ad_int(user, "TotalCpuUs", 0));
        buf_printf(table_cell(table), "%g", ad_real(user, "Factor", 0));
        buf_printf(table_cell(table), "%.2f", ad_real(user, "EffectivePriority", 0));
        table_end_row(table);
    }
    if (count == 0)
        buf_text(out, "nobody has used the pool yet\n");
    table_print(table, screen->width, out);
}

static int make_change(const struct cli_call *call, struct ad *body, struct error *err)
{
    const char *text = cli_value(call, "set-factor");
    if (!text) {
        ad_set_string(body, "Owner", cli_value(call, "reset"));
        ad_set_int(body, "DecayedCpuS", 0);
        ad_set_int(body, "TotalCpuUs", 0);
        return 0;
    }
    size_t len = strcspn(text, "=");
    char *end = NULL;
    double factor = text[len] ? strtod(text + len + 1, &end) : 0;
    if (len == 0 || !end || end == text + len + 1 || *end || !isfinite(factor) || factor < 1)
        return cli_usage_error(err, "'%s' is not of the form USER=N with a number that is 1 or larger", text);
    auto_free char *user = mem_dup_n(text, len);
    ad_set_string(body, "Owner", user);
    ad_set_real(body, "Factor", factor);
    return 0;
}

static int change(const struct cli_call *call, struct error *err)
{
    auto_api struct api *api = NULL;
    auto_api_answer struct api_answer answer = { 0 };
    auto_ad struct ad *body = ad_new();
    int r = cli_given(call, "set-factor") && cli_given(call, "reset") ? cli_usage_error(err, "one change at a time")
                                                                      : make_change(call, body, err);
    if (r < 0)
        return r;
    if (api_open(API_START_IF_WANTED, &api, err) < 0)
        return -1;
    return api_post(api, "/v1/users", body, &answer, err) < 0 ? -1 : 0;
}

int run_users(const struct cli_call *call, struct error *err)
{
    if (cli_given(call, "set-factor") || cli_given(call, "reset")) {
        int r = change(call, err);
        if (r < 0)
            return r;
    }
    return chosen_ads_show(call, "/v1/users", "Users", users_print, err);
}
