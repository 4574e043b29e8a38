#include "cli/api.h"
#include "cli/ledger.h"
#include "cli/run.h"
#include "cli/table.h"

#include <stdio.h>

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

int run_users(const struct cli_call *call, struct error *err)
{
    auto_api struct api *api = NULL;
    auto_api_answer struct api_answer answer = { 0 };
    auto_ad struct ad *users = NULL;
    auto_buf struct buf text = { 0 };
    struct screen screen = screen_now();
    if (api_open(API_START_IF_WANTED, &api, err) < 0 || api_get(api, "/v1/users", &answer, err) < 0)
        return -1;
    if (cli_given(call, "json")) {
        api_print_json(&answer);
        return CLI_OK;
    }
    if (api_ad(&answer, &users, err) < 0)
        return -1;
    users_print(users, &screen, &text);
    words_print(&text);
    return CLI_OK;
}
