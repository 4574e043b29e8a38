/* What one processor has that another lacks, and checkpoints for whom that matters. */
#include "engine/cpu.h"
#include "engine/engine.h"
#include "store/machine.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define BASE "x86-64 0789fbff 00000000 00000000 00000000 00000000 2c100800 00000001 00000003"
/* avx, fma (leaf 1 ecx 28, 12), avx2 (leaf 7 ebx 5), avx registers saved */
#define AVX2 "x86-64 0789fbff 10001000 00000020 00000000 00000000 2c100800 00000001 00000007"
/* only what systems use: vmx, pcid, x2apic; smep, smap; hypervisor bits of the extended leaf */
#define SYSTEM "x86-64 0789fbff 00220020 00100080 00000000 00000000 2c100800 00000005 00000003"

static const struct {
    const char *then, *now;
    int result;
    const char *names;
} cases[] = {
    { BASE, BASE, 0, "" },
    { BASE, AVX2, 0, "" },
    { "", BASE, 0, "" },
    { AVX2, BASE, CPU_MISSING, "fma, avx, avx2, saved avx registers" },
    { SYSTEM, BASE, 0, "" },
    { "aarch64 ff 3", "aarch64 ff 3", 0, "" },
    { "aarch64 ff 3", "aarch64 fb 1", CPU_MISSING, "hwcap bit 2, hwcap2 bit 1" },
    { "aarch64 ff 3", BASE, CPU_OTHER, "it is from a machine of type aarch64, this is x86-64" },
    { "x86-64 1 2 3", BASE, CPU_OTHER, "its processor was described by another version of this program" },
    { "x86-64", BASE, CPU_OTHER, "what is recorded of its processor cannot be understood" },
    { "x86-64 zz", BASE, CPU_OTHER, "what is recorded of its processor cannot be understood" },
    { "x86-64 1 2 3 4 5 6 7 8 9 a b c d e f 10 11", BASE, CPU_OTHER, "what is recorded of its processor cannot be understood" },
    { "a-type-that-is-much-longer-than-any-machine-has 1 2", BASE, CPU_OTHER, "what is recorded of its processor cannot be understood" },
};

static void features_that_programs_use_are_compared(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf names = { 0 };
        assert_int_equal(cpu_compare(cases[i].then, cases[i].now, &names), cases[i].result);
        assert_string_equal(buf_cstr(&names), cases[i].names);
        buf_release(&names);
    }
}

static void names_are_added_to_what_is_there(void **state)
{
    struct buf names = { 0 };
    (void)state;
    buf_text(&names, "without ");
    assert_int_equal(cpu_compare(AVX2, BASE, &names), CPU_MISSING);
    assert_string_equal(buf_cstr(&names), "without fma, avx, avx2, saved avx registers");
    buf_release(&names);
}

static void this_machine_lacks_what_nobody_has(void **state)
{
    struct buf names = { 0 };
    (void)state;
    assert_int_equal(cpu_missing("", &names), 0);
    assert_int_equal(cpu_missing("vax 1 1", &names), CPU_OTHER);
    buf_release(&names);
}

/* A checkpoint of here. */
static struct manifest taken(const char *engine)
{
    struct manifest m = { .generation = 7 };
    machine_describe(&m, geteuid());
    snprintf(m.engine, sizeof m.engine, "%s", engine);
    return m;
}

/* 3dnow (extended leaf edx 31) is in no processor that has been made since 2011. */
static bool add_3dnow(struct manifest *m)
{
    char *word = m->cpu + strlen("x86-64 ") + 5 * strlen("00000000 ");
    unsigned bits;
    if (strncmp(m->cpu, "x86-64 ", 7) != 0 || sscanf(word, "%8x", &bits) != 1 || bits >> 31)
        return false;
    word[0] = "0123456789abcdef"[bits >> 28 | 8];
    return true;
}

static void processes_that_use_what_is_missing_do_not_fit(void **state)
{
    struct manifest m = taken("criu"), own = taken("self");
    struct error err = { 0 };
    (void)state;
    assert_int_equal(engine_fits(&m, &err), 0);
    if (!add_3dnow(&m) || !add_3dnow(&own))
        skip();
    assert_int_equal(engine_fits(&m, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_int_equal(err.sys, EOPNOTSUPP);
    assert_string_equal(err.text, "checkpoint 7 uses what this processor lacks: 3dnow; run the job where it is there");
    assert_int_equal(engine_fits(&own, &err), 0); /* its program is started anew, and looks what there is */
}

static void processes_of_another_kind_of_machine_do_not_fit(void **state)
{
    struct manifest m = taken("criu");
    struct error err = { 0 };
    (void)state;
    snprintf(m.cpu, sizeof m.cpu, "vax 1 1");
    assert_int_equal(engine_fits(&m, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_int_equal(err.sys, EOPNOTSUPP);
    assert_non_null(strstr(err.text, "checkpoint 7 cannot be resumed here: it is from a machine of type vax"));
    m.cpu[0] = '\0'; /* nothing is known */
    assert_int_equal(engine_fits(&m, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_that_programs_use_are_compared),
        cmocka_unit_test(names_are_added_to_what_is_there),
        cmocka_unit_test(this_machine_lacks_what_nobody_has),
        cmocka_unit_test(processes_that_use_what_is_missing_do_not_fit),
        cmocka_unit_test(processes_of_another_kind_of_machine_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
