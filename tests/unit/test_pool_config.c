/* stint.conf: every setting, what has no sense, and what is not there. */
#include "pool_fixture.h"

#include <sys/statvfs.h>

#define S INT64_C(1000000)

struct place {
    struct scratch scratch;
    struct pool pool;
};

static int open_place(void **state)
{
    struct place *l = mem_new(struct place);
    scratch_open(&l->scratch);
    l->pool.dir = l->scratch.fd;
    *state = l;
    return 0;
}

static int close_place(void **state)
{
    struct place *l = *state;
    scratch_close(&l->scratch);
    free(l);
    return 0;
}

static int read_text(struct place *l, const char *text, struct error *err)
{
    scratch_write(&l->scratch, "stint.conf", text, strlen(text));
    return config_read(&l->pool, err);
}

static void every_setting_is_taken(void **state)
{
    struct place *l = *state;
    struct config *c = &l->pool.config;
    struct error err = { 0 };
    assert_ok(read_text(l,
                        "# a comment\n\n   \t\n  # another one\n"
                        "cpus = 3\nmemory=2G\n  disk\t=\t 512 MiB \ncheckpoint_interval = 15m\r\nCheckpoint_Timeout = 90\n"
                        "max_vacate_time = 1h30m\nkeep_generations = 5\ncheckpoint_method = Self,Transparent\ncriu_dir = /opt/criu dir\nhistory = 1d\nusage_halflife = 2:30:00\nlimits = OFF\n"
                        "store_quota = 2T\nstore_quota_per_user = 512 MiB\nstore_low_space = 1000\ncheckpoint_tail = 8\nstore_verify = 3d\n"
                        "remote_store = s3://my-bucket/some/where\nremote_store_endpoint = https://minio.example.org:9000\n"
                        "image_cache = 5G\n"
                        "leave_in_queue_interval = 2m\nnotify_command = /usr/local/bin/tell them\n"
                        "remote_store_region = eu-central-1\nremote_store_credentials = /etc/stint keys\n",
                        &err), err);
    assert_int_equal(c->cpus, 3);
    assert_int_equal(c->memory_mb, 2048);
    assert_int_equal(c->disk_kb, 512 * 1024);
    assert_int_equal(c->checkpoint_interval_us, 900 * S);
    assert_int_equal(c->checkpoint_timeout_us, 90 * S);
    assert_int_equal(c->max_vacate_us, 5400 * S);
    assert_int_equal(c->keep_generations, 5);
    assert_string_equal(c->checkpoint_method, "self, transparent");
    assert_string_equal(c->criu_dir, "/opt/criu dir");
    assert_int_equal(c->history_us, 86400 * S);
    assert_int_equal(c->usage_halflife_us, 9000 * S);
    assert_false(c->limits);
    assert_int_equal(c->store_quota, INT64_C(2) << 40);
    assert_int_equal(c->store_user_quota, 512 << 20);
    assert_int_equal(c->store_low_space, 1000);
    assert_int_equal(c->checkpoint_tail, 8);
    assert_int_equal(c->store_verify_us, 3 * 86400 * S);
    assert_int_equal(c->image_cache, INT64_C(5) << 30);
    assert_string_equal(c->remote_store, "s3://my-bucket/some/where");
    assert_string_equal(c->remote_endpoint, "https://minio.example.org:9000");
    assert_string_equal(c->remote_region, "eu-central-1");
    assert_string_equal(c->remote_credentials, "/etc/stint keys");
    assert_int_equal(c->leave_interval_us, 120 * S);
    assert_string_equal(c->notify_command, "/usr/local/bin/tell them");
    assert_null(l->pool.limits);
    assert_contains(l->pool.limits_reason.text, "limits = off");
}

static void a_number_alone_has_the_settings_unit(void **state)
{
    struct place *l = *state;
    struct error err = { 0 };
    assert_ok(read_text(l, "memory = 100\ndisk = 100\nhistory = 100\n", &err), err);
    assert_int_equal(l->pool.config.memory_mb, 100);
    assert_int_equal(l->pool.config.disk_kb, 100);
    assert_int_equal(l->pool.config.history_us, 100 * S);
}

static void the_last_of_equal_settings_counts(void **state)
{
    struct place *l = *state;
    struct error err = { 0 };
    assert_ok(read_text(l, "cpus = 2\nCPUS = 7\n", &err), err);
    assert_int_equal(l->pool.config.cpus, 7);
}

/* The manual's defaults (stint.conf(5)). */
static void assert_defaults(const struct place *l)
{
    const struct config *c = &l->pool.config;
    struct statvfs fs;
    assert_int_equal(c->cpus, sysconf(_SC_NPROCESSORS_ONLN));
    assert_int_equal(c->memory_mb, (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) >> 20);
    assert_int_equal(fstatvfs(l->pool.dir, &fs), 0);
    assert_true(c->disk_kb > 0 && c->disk_kb <= (int64_t)fs.f_blocks * (int64_t)fs.f_frsize / 1024);
    assert_int_equal(c->checkpoint_interval_us, -1); /* by what is measured */
    assert_int_equal(c->checkpoint_timeout_us, 600 * S);
    assert_int_equal(c->max_vacate_us, 600 * S);
    assert_int_equal(c->keep_generations, 2);
    assert_int_equal(c->history_us, 30 * 86400 * S);
    assert_int_equal(c->usage_halflife_us, 86400 * S);
    assert_int_equal(c->store_quota, 0);
    assert_int_equal(c->image_cache, INT64_C(20) << 30);
    assert_int_equal(c->store_user_quota, 0);
    assert_int_equal(c->store_low_space, -1);
    assert_int_equal(c->checkpoint_tail, 0);
    assert_int_equal(c->store_verify_us, 7 * 86400 * S);
    assert_string_equal(c->remote_store, "");
    assert_string_equal(c->checkpoint_method, "auto");
    assert_string_equal(c->criu_dir, "");
    assert_int_equal(c->leave_interval_us, 60 * S);
    assert_string_equal(c->notify_command, "");
    assert_true(c->limits);
    assert_true(l->pool.limits || l->pool.limits_reason.text[0]);
}

static void without_a_file_everything_has_a_default(void **state)
{
    struct place *l = *state;
    struct error err = { 0 };
    assert_ok(config_read(&l->pool, &err), err);
    assert_defaults(l);
    assert_ok(read_text(l, "", &err), err);
    assert_defaults(l);
}

static void what_has_no_sense_is_named_with_its_line(void **state)
{
    static const struct { const char *text, *at, *says; } cases[] = {
        { "cpus = 0", "stint.conf:1:", "'0' is no value for cpus" },
        { "cpus = -1", "stint.conf:1:", "'-1'" },
        { "cpus = two", "stint.conf:1:", "'two'" },
        { "cpus = 2 4", "stint.conf:1:", "'2 4'" },
        { "cpus = 100001", "stint.conf:1:", "cpus" },
        { "cpus = 99999999999999999999", "stint.conf:1:", "cpus" },
        { "cpus =", "stint.conf:1:", "'' is no value" },
        { "\n\nkeep_generations = 0", "stint.conf:3:", "keep_generations" },
        { "max_jobs_per_user = 0", "stint.conf:1:", "max_jobs_per_user" },
        { "# x\nmemory = much", "stint.conf:2:", "'much' is no value for memory" },
        { "memory = 0", "stint.conf:1:", "memory" },
        { "memory = 1K", "stint.conf:1:", "memory" },
        { "memory = -2G", "stint.conf:1:", "memory" },
        { "disk = 1e40", "stint.conf:1:", "disk" },
        { "cpus = 1\nhistory = soon", "stint.conf:2:", "'soon' is no value for history" },
        { "checkpoint_interval = -5m", "stint.conf:1:", "checkpoint_interval" },
        { "checkpoint_timeout = 5 parsecs", "stint.conf:1:", "checkpoint_timeout" },
        { "max_vacate_time = ", "stint.conf:1:", "max_vacate_time" },
        { "usage_halflife = nan", "stint.conf:1:", "usage_halflife" },
        { "limits = on", "stint.conf:1:", "'on' is no value for limits" },
        { "store_quota = lots", "stint.conf:1:", "'lots' is no value for store_quota" },
        { "store_quota = -1", "stint.conf:1:", "store_quota" },
        { "store_quota = auto", "stint.conf:1:", "store_quota" },
        { "store_quota_per_user =", "stint.conf:1:", "store_quota_per_user" },
        { "store_low_space = automatic", "stint.conf:1:", "store_low_space" },
        { "checkpoint_tail = -1", "stint.conf:1:", "checkpoint_tail" },
        { "checkpoint_tail = all", "stint.conf:1:", "checkpoint_tail" },
        { "cpus = 1\nremote_store = backup", "stint.conf:2:", "'backup' is no value for remote_store" },
        { "remote_store = file://backup", "stint.conf:1:", "remote_store" },
        { "remote_store = s3://", "stint.conf:1:", "remote_store" },
        { "remote_store = s3://B", "stint.conf:1:", "remote_store" },
        { "remote_store = http://host/", "stint.conf:1:", "remote_store" },
        { "remote_store_endpoint = minio:9000", "stint.conf:1:", "remote_store_endpoint" },
        { "remote_store_endpoint = https://", "stint.conf:1:", "remote_store_endpoint" },
        { "remote_store_region = a b", "stint.conf:1:", "remote_store_region" },
        { "remote_store_credentials = keys", "stint.conf:1:", "remote_store_credentials" },
        { "checkpoint_method = magic", "stint.conf:1:", "'magic' is no value for checkpoint_method" },
        { "checkpoint_method =", "stint.conf:1:", "checkpoint_method" },
        { "criu_dir = criu", "stint.conf:1:", "criu_dir" },
        { "cpu = 4", "stint.conf:1:", "there is no setting 'cpu'" },
        { "= 4", "stint.conf:1:", "there is no setting ''" },
        { "cpus = 1\ncpus 4", "stint.conf:2:", "expected 'name = value'" },
    };
    struct place *l = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err = { 0 };
        assert_int_equal(read_text(l, cases[i].text, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
        assert_memory_equal(err.text, cases[i].at, strlen(cases[i].at));
        assert_contains(err.text, cases[i].says);
        assert_true(strstr(err.text, "see stint.conf(5)") || strstr(err.text, "expected"));
    }
}

static void a_file_that_is_no_text_of_settings_is_an_error(void **state)
{
    struct place *l = *state;
    struct error err = { 0 };
    auto_free char *much = repeated("# comment\n", 120000, "", "");
    assert_int_equal(read_text(l, much, &err), -1);
    assert_int_equal(err.kind, ERR_LIMIT);
    unlinkat(l->scratch.fd, "stint.conf", 0);
    assert_int_equal(mkdirat(l->scratch.fd, "stint.conf", 0700), 0);
    assert_int_equal(config_read(&l->pool, &err), -1);
}

static void a_pool_does_not_start_with_a_wrong_file(void **state)
{
    struct place *l = *state;
    struct pool pool;
    struct error err = { 0 };
    scratch_write(&l->scratch, "stint.conf", "cpus = many\n", 12);
    assert_int_equal(pool_open_state(&pool, l->scratch.path, &err), POOL_CONFIG);
    assert_contains(err.text, "stint.conf:1:");
    pool_close(&pool);
}

static void the_manual_names_every_setting(void **state)
{
    static const char *const names[] = {
        "cpus", "memory", "disk", "limits", "checkpoint_interval", "checkpoint_timeout", "max_vacate_time", "keep_generations",
        "history", "usage_halflife", "store_quota", "store_quota_per_user", "store_low_space", "checkpoint_tail", "store_verify", "image_cache", "remote_store",
        "remote_store_endpoint", "remote_store_region", "remote_store_credentials", "start", "periodic_interval", "limit_default", "limit.NAME",
        "machine.NAME", "system_periodic_hold", "system_periodic_hold_reason", "system_periodic_hold_subcode", "system_periodic_remove",
        "system_periodic_release", "system_periodic_vacate",
    };
    auto_buf struct buf manual = { 0 };
    struct error err = { 0 };
    (void)state;
    assert_ok(file_read(AT_FDCWD, TEST_CASES "/../../man/stint.conf.5.scd", &manual, &err), err);
    for (size_t i = 0; i < COUNT(names); i++) {
        auto_free char *entry = mem_printf("\n*%s* = ", names[i]);
        assert_contains(buf_cstr(&manual), entry);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_setting_is_taken, open_place, close_place),
        cmocka_unit_test_setup_teardown(a_number_alone_has_the_settings_unit, open_place, close_place),
        cmocka_unit_test_setup_teardown(the_last_of_equal_settings_counts, open_place, close_place),
        cmocka_unit_test_setup_teardown(without_a_file_everything_has_a_default, open_place, close_place),
        cmocka_unit_test_setup_teardown(what_has_no_sense_is_named_with_its_line, open_place, close_place),
        cmocka_unit_test_setup_teardown(a_file_that_is_no_text_of_settings_is_an_error, open_place, close_place),
        cmocka_unit_test_setup_teardown(a_pool_does_not_start_with_a_wrong_file, open_place, close_place),
        cmocka_unit_test(the_manual_names_every_setting),
    };
    return cmocka_run_group_tests_name("pool_config", tests, NULL, NULL);
}
