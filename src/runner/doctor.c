/*
 * stint-runner --doctor [TOOLS-DIR [POOL-DIR]]: prints what this machine can do, as JSON; see engine/doctor.h. Exit status 0 if
 * unmodified programs can be checkpointed here, 1 otherwise. Without TOOLS-DIR (or with ""): see
 * engine/tools.h.
 */
#include "base/mem.h"
#include "engine/doctor.h"
#include "engine/tools.h"
#include "runner/runner.h"

#include <stdio.h>
#include <stdlib.h>

int doctor_main(int argc, char **argv)
{
    auto_free char *self = realpath("/proc/self/exe", NULL);
    auto_free char *tools = argc > 0 && argv[0][0] ? mem_dup(argv[0]) : tools_find(self);
    struct doctor_place place = { .tools = tools, .pool = argc > 1 ? argv[1] : NULL };
    auto_ad struct ad *report = ad_new();
    auto_buf struct buf text = { 0 };
    struct error err;
    if (context_adopt_orphans(&err) < 0) {
        fprintf(stderr, "stint-runner: %s\n", err.text);
        return RUNNER_FAILED;
    }
    doctor_run(&place, report);
    ad_print_json(report, &text);
    printf("%s\n", buf_cstr(&text));
    return ad_bool(report, "Transparent", false) ? 0 : 1;
}
