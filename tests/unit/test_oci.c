/* OCI layouts: what is read from them, and what is refused. */
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "runner/oci.h"
#include "store/digest.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define LAYER "sha256:ee12d1de11dcebb2145276b8bc72e58fea55f4024e351bde6583f50fc39a007a"
#define MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define INDEX_TYPE "application/vnd.oci.image.index.v1+json"

static int open_place(void **state)
{
    struct scratch *place = mem_new(struct scratch);
    scratch_open(place);
    mkdirat(place->fd, "blobs", 0755);
    mkdirat(place->fd, "blobs/sha256", 0755);
    *state = place;
    return 0;
}

static int close_place(void **state)
{
    struct scratch *place = *state;
    scratch_close(place);
    free(place);
    return 0;
}

static void put(struct scratch *place, const char *name, const char *text)
{
    scratch_write(place, name, text, strlen(text));
}

/* Yours: "sha256:…". */
static char *put_blob(struct scratch *place, const char *text)
{
    struct digest digest;
    char hex[65];
    digest_of(text, strlen(text), &digest);
    auto_free char *name = mem_printf("blobs/sha256/%s", digest_print(&digest, hex));
    put(place, name, text);
    return mem_printf("sha256:%s", hex);
}

/* A manifest over that configuration. Yours. */
static char *put_image(struct scratch *place, const char *config)
{
    auto_free char *digest = put_blob(place, config);
    auto_free char *manifest = mem_printf("{\"schemaVersion\":2,\"config\":{\"digest\":\"%s\"},\"layers\":[]}", digest);
    return put_blob(place, manifest);
}

static char *entry(const char *digest, const char *tag, const char *type)
{
    if (!tag)
        return mem_printf("{\"mediaType\":\"%s\",\"digest\":\"%s\"}", type, digest);
    return mem_printf("{\"mediaType\":\"%s\",\"digest\":\"%s\",\"annotations\":{\"org.opencontainers.image.ref.name\":\"%s\"}}", type, digest, tag);
}

static void put_index(struct scratch *place, const char *entries)
{
    auto_free char *index = mem_printf("{\"schemaVersion\":2,\"manifests\":[%s]}", entries);
    put(place, "index.json", index);
}

static void put_one(struct scratch *place, const char *config)
{
    auto_free char *digest = put_image(place, config);
    auto_free char *one = entry(digest, "latest", MANIFEST_TYPE);
    put_index(place, one);
}

static const char good[] = "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Env\":[\"PATH=/bin\",\"A=b c\"],\"Entrypoint\":[\"/bin/sh\",\"-c\"],"
                           "\"Cmd\":[\"echo \\u00e4\"],\"WorkingDir\":\"/opt\",\"User\":\"nobody\",\"Labels\":{\"a-b/c\":\"d\"},\"ExposedPorts\":{\"80/tcp\":{}}},"
                           "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" LAYER "\"]}}";

static void an_image_is_read(void **state)
{
    struct scratch *place = *state;
    struct error err;
    for (int i = 0; i < 2; i++) {
        auto_oci_image struct oci_image image = { 0 };
        put_one(place, good);
        if (oci_read(place->fd, i ? "latest" : NULL, &image, &err) != 0)
            fail_msg("%s", err.text);
        assert_string_equal(image.tag, "latest");
        assert_int_equal(image.env.count, 2);
        assert_string_equal(image.env.items[1], "A=b c");
        assert_int_equal(image.entrypoint.count, 2);
        assert_string_equal(image.cmd.items[0], "echo ä");
        assert_string_equal(image.workdir, "/opt");
        assert_string_equal(image.user, "nobody");
        assert_int_equal(strlen(image.key), 64);
        assert_int_equal(strncmp(image.digest, "sha256:", 7), 0);
    }
}

static void the_content_is_what_the_layers_are(void **state)
{
    static const char *const same[] = {
        "{\"rootfs\":{\"diff_ids\":[\"" LAYER "\"]}}",
        "{\"config\":null,\"rootfs\":{\"diff_ids\":[\"" LAYER "\"]}}",
        "{\"config\":{\"Cmd\":null,\"Env\":[]},\"rootfs\":{\"diff_ids\":[\"" LAYER "\"]},\"x\":1}",
    };
    struct scratch *place = *state;
    auto_oci_image struct oci_image first = { 0 }, two = { 0 };
    struct error err;
    put_one(place, good);
    assert_int_equal(oci_read(place->fd, NULL, &first, &err), 0);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        auto_oci_image struct oci_image image = { 0 };
        put_one(place, same[i]);
        if (oci_read(place->fd, NULL, &image, &err) != 0)
            fail_msg("row %zu: %s", i, err.text);
        assert_string_equal(image.key, first.key);
        assert_string_not_equal(image.digest, first.digest);
        assert_int_equal(image.cmd.count, 0);
    }
    put_one(place, "{\"rootfs\":{\"diff_ids\":[\"" LAYER "\",\"" LAYER "\"]}}");
    assert_int_equal(oci_read(place->fd, NULL, &two, &err), 0);
    assert_string_not_equal(two.key, first.key);
}

static void tags_choose(void **state)
{
    struct scratch *place = *state;
    struct error err;
    auto_free char *a = put_image(place, good);
    auto_free char *b = put_image(place, "{\"rootfs\":{\"diff_ids\":[\"" LAYER "\"]}}");
    auto_free char *one = entry(a, "old", MANIFEST_TYPE), *two = entry(b, "new", MANIFEST_TYPE), *bare = entry(a, NULL, MANIFEST_TYPE);
    auto_free char *many = entry(a, "many", INDEX_TYPE);
    auto_free char *all = mem_printf("%s,%s,%s,%s", one, two, bare, many);
    auto_oci_image struct oci_image image = { 0 };
    put_index(place, all);
    assert_int_equal(oci_read(place->fd, "new", &image, &err), 0);
    assert_string_equal(image.digest, b);
    assert_int_equal(oci_read(place->fd, "many", &image, &err), OCI_INDIRECT);
    assert_int_equal(oci_read(place->fd, "none", &image, &err), -1);
    assert_string_equal(err.text, "it has no tag 'none'; its tags are: old, new, many");
    assert_int_equal(oci_read(place->fd, NULL, &image, &err), -1);
    assert_non_null(strstr(err.text, "it has several images"));
    put_index(place, bare);
    assert_int_equal(oci_read(place->fd, NULL, &image, &err), OCI_INDIRECT);
    put_index(place, "");
    assert_int_equal(oci_read(place->fd, NULL, &image, &err), -1);
    assert_string_equal(err.text, "it has no image");
}

static void what_is_damaged_is_told(void **state)
{
    static const struct {
        const char *config, *sentence;
    } rows[] = {
        { "{", "its configuration is not what it should be" },
        { "[]", "its configuration is not what it should be" },
        { "{}", "it has no layers" },
        { "{\"rootfs\":{\"diff_ids\":[]}}", "it has no layers" },
        { "{\"rootfs\":{\"diff_ids\":[\"sha256:12\"]}}", "it does not say what its layers are" },
        { "{\"rootfs\":{\"diff_ids\":[7]}}", "it does not say what its layers are" },
        { "{\"config\":{\"Cmd\":[7]},\"rootfs\":{\"diff_ids\":[\"" LAYER "\"]}}", "its Cmd is not a list of words" },
        { "{\"config\":{\"Env\":[\"a\\u0000b\"]},\"rootfs\":{\"diff_ids\":[\"" LAYER "\"]}}", "its Env is not a list of words" },
    };
    struct scratch *place = *state;
    auto_oci_image struct oci_image image = { 0 };
    struct error err;
    assert_int_equal(oci_read(place->fd, NULL, &image, &err), -1);
    assert_string_equal(err.text, "its index is missing");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put_one(place, rows[i].config);
        assert_int_equal(oci_read(place->fd, NULL, &image, &err), -1);
        assert_string_equal(err.text, rows[i].sentence);
        assert_null(image.tag);
    }
    put(place, "index.json", "not JSON");
    assert_int_equal(oci_read(place->fd, NULL, &image, &err), -1);
    assert_string_equal(err.text, "its index is not what it should be");
    put_index(place, "{\"digest\":\"sha256:../../../etc/passwd\",\"annotations\":{\"org.opencontainers.image.ref.name\":\"x\"}}");
    assert_int_equal(oci_read(place->fd, NULL, &image, &err), -1);
    assert_string_equal(err.text, "it does not say which its manifest is");
}

/* One byte of manifest or configuration is another. */
static void a_blob_is_verified(void **state)
{
    struct scratch *place = *state;
    auto_oci_image struct oci_image image = { 0 };
    struct error err;
    auto_free char *digest = put_image(place, good);
    auto_free char *one = entry(digest, "latest", MANIFEST_TYPE);
    auto_free char *name = mem_printf("blobs/sha256/%s", digest + 7);
    put_index(place, one);
    put(place, name, "{}");
    assert_int_equal(oci_read(place->fd, NULL, &image, &err), -1);
    assert_string_equal(err.text, "its manifest is damaged");
    unlinkat(place->fd, name, 0);
    assert_int_equal(oci_read(place->fd, NULL, &image, &err), -1);
    assert_string_equal(err.text, "its manifest is missing");
}

#define place_test(name) cmocka_unit_test_setup_teardown(name, open_place, close_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        place_test(an_image_is_read),
        place_test(the_content_is_what_the_layers_are),
        place_test(tags_choose),
        place_test(what_is_damaged_is_told),
        place_test(a_blob_is_verified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
