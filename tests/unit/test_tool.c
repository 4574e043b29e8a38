/* Other people's programs: what they say when they fail, and what is made of it. */
#include "base/file.h"
#include "base/mem.h"
#include "runner/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static void the_last_words_are_found(void **state)
{
    static const struct {
        const char *said, *words;
    } rows[] = {
        { "", "" },
        { "\n\n", "" },
        { "plain\n", "plain" },
        { "   \xE2\x80\xA2 unpacking rootfs ...     \n   \xE2\xA8\xAF create rootfs: gzip: invalid header\n", "create rootfs: gzip: invalid header" },
        { "time=\"2022\" level=fatal msg=\"initializing source \\\"x\\\": EOF\"\n", "initializing source \"x\": EOF" },
        { "time=\"2022\" level=fatal msg=\"cut off", "cut off" },
        { "a\x1b[31mb", "a [31mb" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char words[100];
        tool_last_words(rows[i].said, words, sizeof words);
        assert_string_equal(words, rows[i].words);
    }
}

/* A program of that text, run in a directory of its own. */
static int run(const char *script, struct error *err)
{
    char path[] = "/tmp/stint-tool.XXXXXX";
    struct identity me;
    assert_non_null(mkdtemp(path));
    auto_close int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(identity_of(geteuid(), &me, err), 0);
    const char *const argv[] = { "sh", "-c", script, NULL };
    struct tool tool = { .package = "dash", .argv = argv, .dir = dir, .owner = &me };
    int result = tool_run(&tool, err);
    file_remove_tree(AT_FDCWD, path, NULL);
    return result;
}

static void its_end_is_told(void **state)
{
    static const struct {
        const char *script, *text;
        int sys;
    } rows[] = {
        { "exit 0", NULL, 0 },
        { "echo much; echo more >&2", NULL, 0 },
        { "echo a >&2; echo it is broken >&2; exit 1", "sh: it is broken", 0 },
        { "exit 3", "sh: it failed and does not say why", 0 },
        { "echo 'write x: no space left on device' >&2; exit 1", "no space left", ENOSPC },
        { "echo 'disk quota exceeded' >&2; exit 1", "quota", EDQUOT },
        { "echo 'dial tcp 127.0.0.1:1: connect: connection refused' >&2; exit 1", "refused", EAGAIN },
        { "kill -KILL $$", "'sh' died of signal 9", EAGAIN },
        { "i=0; while [ $i -lt 20000 ]; do echo a line that is not the last >&2; i=$((i+1)); done; echo end >&2; exit 1", "sh: end", 0 },
        { "cat; [ \"$(pwd)\" = \"$PWD\" ] && echo \"$TMPDIR\" >&2; exit 1", "sh: .", 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct error err = { 0 };
        int result = run(rows[i].script, &err);
        assert_int_equal(result, rows[i].text ? -1 : 0);
        if (!rows[i].text)
            continue;
        if (!strstr(err.text, rows[i].text) || err.sys != rows[i].sys)
            fail_msg("row %zu: '%s' (%d)", i, err.text, err.sys);
    }
}

static void one_that_is_not_installed_is_named_with_its_package(void **state)
{
    const char *const argv[] = { "stint-no-such-tool", NULL };
    struct identity me;
    struct error err = { 0 };
    struct tool tool = { .package = "the-package", .argv = argv, .dir = AT_FDCWD, .owner = &me };
    (void)state;
    assert_int_equal(identity_of(geteuid(), &me, &err), 0);
    assert_int_equal(tool_run(&tool, &err), -1);
    assert_int_equal(err.sys, ENOENT);
    assert_string_equal(err.text, "the program 'stint-no-such-tool' is needed for this image and is not installed; as root, run: apt-get install the-package");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_words_are_found),
        cmocka_unit_test(its_end_is_told),
        cmocka_unit_test(one_that_is_not_installed_is_named_with_its_package),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
