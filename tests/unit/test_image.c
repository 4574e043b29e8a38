/* Names of images: what a text stands for. */
#include "base/mem.h"
#include "job/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void names_are_told_apart(void **state)
{
    static const struct {
        const char *text;
        bool docker;
        enum image_kind kind;
        const char *place, *tag;
    } rows[] = {
        { "debian", true, IMAGE_REGISTRY, "debian", NULL },
        { "debian:12", true, IMAGE_REGISTRY, "debian:12", NULL },
        { "host:5000/a/b@sha256:0f", true, IMAGE_REGISTRY, "host:5000/a/b@sha256:0f", NULL },
        { "docker://debian:12", false, IMAGE_REGISTRY, "debian:12", NULL },
        { "docker://debian:12", true, IMAGE_REGISTRY, "debian:12", NULL },
        { "debian", false, IMAGE_PATH, "debian", NULL },
        { "images/tools:new", false, IMAGE_PATH, "images/tools:new", NULL },
        { "./debian", true, IMAGE_PATH, "./debian", NULL },
        { "/srv/debian", true, IMAGE_PATH, "/srv/debian", NULL },
        { "tools.tar", true, IMAGE_PATH, "tools.tar", NULL },
        { "tree/", true, IMAGE_PATH, "tree/", NULL },
        { "oci:tools", false, IMAGE_LAYOUT, "tools", NULL },
        { "oci:tools:1.2", true, IMAGE_LAYOUT, "tools", "1.2" },
        { "oci:/a:b/tools", false, IMAGE_LAYOUT, "/a:b/tools", NULL },
        { "docker-archive:t.tar", false, IMAGE_ARCHIVE, "t.tar", NULL },
        { "oci-archive:t.tar:x", false, IMAGE_ARCHIVE, "t.tar", "x" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        auto_image_name struct image_name name = { 0 };
        struct error err;
        if (image_name_parse(rows[i].text, rows[i].docker, &name, &err) < 0)
            fail_msg("row %zu: %s", i, err.text);
        if (name.kind != rows[i].kind || strcmp(name.place, rows[i].place) != 0 || !name.tag != !rows[i].tag)
            fail_msg("row %zu: kind %d, '%s', tag '%s'", i, name.kind, name.place, name.tag ? name.tag : "none");
        if (name.tag)
            assert_string_equal(name.tag, rows[i].tag);
    }
}

static void what_is_no_name_is_refused(void **state)
{
    static const char *const texts[] = { "docker://", "docker://-x", "docker://a b", "docker://a;b", "oci:", "docker-archive:", "http://x/y", "x.sif" };
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct image_name name = { .kind = IMAGE_TREE };
        struct error err;
        if (image_name_parse(texts[i], true, &name, &err) == 0)
            fail_msg("'%s' is taken for a name", texts[i]);
        assert_int_equal(err.kind, ERR_INVALID);
        assert_int_equal(name.kind, IMAGE_TREE);
    }
}

static void a_relative_path_is_made_whole(void **state)
{
    static const struct {
        const char *attribute, *text, *whole;
    } rows[] = {
        { "ContainerImage", "tools", "/home/tools" },
        { "ContainerImage", "/srv/tools", "/srv/tools" },
        { "ContainerImage", "oci:tools:1", "oci:/home/tools:1" },
        { "ContainerImage", "docker-archive:t.tar", "docker-archive:/home/t.tar" },
        { "DockerImage", "tools", "tools" },
        { "DockerImage", "./tools", "/home/./tools" },
        { "DockerImage", "docker://tools", "docker://tools" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        auto_ad struct ad *job = ad_new();
        ad_set_string(job, rows[i].attribute, rows[i].text);
        image_make_absolute(job, "/home");
        assert_string_equal(ad_string(job, rows[i].attribute, ""), rows[i].whole);
    }
}

static void a_job_has_an_image_or_none(void **state)
{
    auto_ad struct ad *job = ad_new();
    bool docker;
    (void)state;
    assert_null(image_of_job(job, &docker));
    ad_set_string(job, "ContainerImage", "x");
    assert_string_equal(image_of_job(job, &docker), "x");
    assert_false(docker);
    ad_set_string(job, "DockerImage", "y");
    assert_string_equal(image_of_job(job, &docker), "y");
    assert_true(docker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_told_apart),
        cmocka_unit_test(what_is_no_name_is_refused),
        cmocka_unit_test(a_relative_path_is_made_whole),
        cmocka_unit_test(a_job_has_an_image_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
