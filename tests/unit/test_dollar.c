/* What a job's texts leave open for the machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "policy/dollar.h"

#include <string.h>

static const struct dollar_case {
    const char *text, *want; /* want: NULL where it fails */
} cases[] = {
    { "plain $(x) $$ $$x $$", "plain $(x) $$ $$x $$" },
    { "povray.$$(OpSys).$$(ARCH)", "povray.LINUX.X86_64" },
    { "$$(Memory)", "4096" },
    { "$$(Ratio)", "1.5" },
    { "$$(HasIt)", "true" },
    { "$$(Nope:none) $$(Nope:)|$$(Memory:7)", "none |4096" },
    { "$$(Nope:/usr/a:b(c))", "/usr/a:b(c)" },
    { "$$([TARGET.Memory / 2])", "2048" },
    { "$$([strcat(MY.Owner, \"-\", (1 + 2))])", "eva-3" },
    { "$$(DOLLARDOLLAR)(x)", "$$(x)" },
    { "$$(OfJob)", "512" }, /* the machine's expression looks at the job */
    { "$$(open", "$$(open" },
    { "a $$(Nope) b", NULL },
    { "$$([Nope])", NULL },
    { "$$([1 +])", NULL },
    { "$$(Broken)", NULL },
    { "$$()", NULL },
};

static void texts_get_the_machines_values(void **state)
{
    (void)state;
    auto_ad struct ad *machine = ad_new();
    ad_set_string(machine, "OpSys", "LINUX");
    ad_set_string(machine, "Arch", "X86_64");
    ad_set_int(machine, "Memory", 4096);
    ad_set_real(machine, "Ratio", 1.5);
    ad_set_bool(machine, "HasIt", true);
    assert_int_equal(ad_set_expr(machine, "OfJob", "TARGET.RequestMemory", NULL), 0);
    assert_int_equal(ad_set_expr(machine, "Broken", "1 / 0", NULL), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        auto_ad struct ad *job = ad_new();
        struct ad_scope scope = { .my = job, .target = machine };
        struct error err;
        ad_set_string(job, "Owner", "eva");
        ad_set_int(job, "RequestMemory", 512);
        ad_set_string(job, "Args", cases[i].text);
        ad_set_string(job, "JobDescription", "$$(Memory)"); /* for people */
        assert_int_equal(dollar_is_in(job), strstr(cases[i].text, "$$(") != NULL);
        int r = dollar_expand(job, &scope, &err);
        if ((r == 0) != (cases[i].want != NULL) || (r == 0 && strcmp(ad_string(job, "Args", ""), cases[i].want) != 0))
            fail_msg("'%s' became '%s' (%s)", cases[i].text, ad_string(job, "Args", ""), r < 0 ? err.text : "good");
        if (r < 0)
            assert_non_null(strstr(err.text, "which Args names"));
        assert_string_equal(ad_string(job, "JobDescription", ""), "$$(Memory)");
    }
}

static void what_grows_without_end_is_refused(void **state)
{
    (void)state;
    struct error err;
    auto_ad struct ad *job = ad_new(), *machine = ad_new();
    auto_buf struct buf text = { 0 };
    struct ad_scope scope = { .my = job, .target = machine };
    auto_free char *large = mem_zero(1000001, 1);
    memset(large, 'x', 1000000);
    ad_set_string(machine, "Large", large);
    for (int i = 0; i < 10000; i++)
        buf_text(&text, "$$(Large)");
    ad_set_string(job, "Out", buf_cstr(&text));
    assert_int_equal(dollar_expand(job, &scope, &err), -1);
    assert_non_null(strstr(err.text, "Out becomes longer"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_get_the_machines_values),
        cmocka_unit_test(what_grows_without_end_is_refused),
    };
    return cmocka_run_group_tests_name("dollar", tests, NULL, NULL);
}
