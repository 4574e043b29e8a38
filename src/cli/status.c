/* The machine as jobs see it: what their requirements are matched against. */
#include "cli/chosen_ads.h"
#include "cli/ledger.h"
#include "cli/run.h"
#include "cli/table.h"

#include <inttypes.h>
#include <stdio.h>

void status_print(const struct ad *answer, const struct screen *screen, struct buf *out)
{
    static const struct table_column columns[] = {
        { "NAME", TABLE_CUT },     { "OPSYS", TABLE_LEFT },   { "ARCH", TABLE_LEFT },       { "CPUS", TABLE_RIGHT },
        { "FREE", TABLE_RIGHT },   { "MEMORY", TABLE_RIGHT }, { "FREE", TABLE_RIGHT },      { "DISK", TABLE_RIGHT },
        { "CHECKPOINTS", TABLE_LEFT },
    };
    auto_table struct table *table = table_new(columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < ad_list_count(answer, "Machines"); i++) {
        const struct ad *machine = ad_list_ad(answer, "Machines", i);
        if (!machine)
            continue;
        int64_t cpus = ad_int(machine, "Cpus", 0), memory = ad_int(machine, "Memory", 0);
        words_safe(table_cell(table), ad_string(machine, "Name", "?"));
        words_safe(table_cell(table), ad_string(machine, "OpSys", "?"));
        words_safe(table_cell(table), ad_string(machine, "Arch", "?"));
        buf_printf(table_cell(table), "%" PRId64, ad_int(machine, "TotalCpus", cpus));
        buf_printf(table_cell(table), "%" PRId64, cpus);
        words_bytes(table_cell(table), ad_int(machine, "TotalMemory", memory) << 20);
        words_bytes(table_cell(table), memory << 20);
        words_bytes(table_cell(table), ad_int(machine, "Disk", 0) << 10);
        buf_text(table_cell(table), ad_bool(machine, "HasTransparentCheckpoints", false) ? "of any program" : "of programs that take part");
        table_end_row(table);
    }
    if (table_rows(table) == 0)
        buf_text(out, "no machine matches\n");
    table_print(table, screen->width, out);
}

int run_status(const struct cli_call *call, struct error *err)
{
    return chosen_ads_show(call, "/v1/machine", "Machines", status_print, err);
}
