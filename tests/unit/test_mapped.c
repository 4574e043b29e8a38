/* The machine's files that a tree has mapped: found, written down, read again, compared with another root directory. */
#include "engine/buildid.h"
#include "engine/mapped.h"
#include "scratch.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

struct fixture {
    struct scratch scratch;
    struct error err;
};

static int setup(void **state)
{
    struct fixture *f = mem_new(struct fixture);
    scratch_open(&f->scratch);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    scratch_close(&f->scratch);
    free(f);
    return 0;
}

/* ---- build-ids ---- */

struct elf {
    Elf64_Ehdr head;
    Elf64_Phdr segments[2];
    unsigned char notes[64];
};

/* An ELF file whose second segment has a note of another kind and then the id. */
static struct elf make_elf(void)
{
    static const unsigned char notes[] = {
        4, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 'G', 'N', 'U', 0, 9, 9, 9, 0,
        4, 0, 0, 0, 5, 0, 0, 0, NT_GNU_BUILD_ID, 0, 0, 0, 'G', 'N', 'U', 0, 0xab, 0x12, 0, 0xff, 0x7, 0, 0, 0,
    };
    struct elf elf = {
        .head = {
            .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB },
            .e_phoff = offsetof(struct elf, segments), .e_phnum = 2, .e_phentsize = sizeof(Elf64_Phdr),
        },
        .segments = { { .p_type = PT_LOAD }, { .p_type = PT_NOTE, .p_offset = offsetof(struct elf, notes), .p_filesz = sizeof notes } },
    };
    memcpy(elf.notes, notes, sizeof notes);
    return elf;
}

static bool id_of(struct fixture *f, const void *data, size_t len, char out[BUILDID_TEXT_MAX])
{
    scratch_write(&f->scratch, "elf", data, len);
    auto_close int fd = openat(f->scratch.fd, "elf", O_RDONLY | O_CLOEXEC);
    return buildid_of_file(fd, out);
}

static void a_build_id_is_found_behind_other_notes(void **state)
{
    struct elf elf = make_elf();
    char id[BUILDID_TEXT_MAX];
    assert_true(id_of(*state, &elf, sizeof elf, id));
    assert_string_equal(id, "ab1200ff07");
}

static void damaged_elf_files_have_none(void **state)
{
    struct elf good = make_elf(), elf;
    char id[BUILDID_TEXT_MAX];
    assert_false(id_of(*state, "", 0, id));
    assert_false(id_of(*state, "#!/bin/sh\n", 10, id));
    for (size_t len = 0; len < offsetof(struct elf, notes) + 44; len++)
        assert_false(id_of(*state, &good, len, id));
    elf = good, elf.head.e_ident[EI_DATA] = ELFDATA2MSB;
    assert_false(id_of(*state, &elf, sizeof elf, id));
    elf = good, elf.head.e_ident[EI_CLASS] = 7;
    assert_false(id_of(*state, &elf, sizeof elf, id));
    elf = good, elf.head.e_phnum = 129;
    assert_false(id_of(*state, &elf, sizeof elf, id));
    elf = good, elf.head.e_phoff = UINT64_MAX - 8;
    assert_false(id_of(*state, &elf, sizeof elf, id));
    elf = good, elf.segments[1].p_offset = UINT64_MAX - 1;
    assert_false(id_of(*state, &elf, sizeof elf, id));
    elf = good, elf.segments[1].p_filesz = UINT64_MAX;
    assert_false(id_of(*state, &elf, sizeof elf, id));
    elf = good, memset(elf.notes, 0xff, sizeof elf.notes);
    assert_false(id_of(*state, &elf, sizeof elf, id));
    elf = good, elf.notes[24] = BUILDID_MAX + 1;
    assert_false(id_of(*state, &elf, sizeof elf, id));
    elf = good, elf.notes[24] = 0;
    assert_false(id_of(*state, &elf, sizeof elf, id));
}

/* ---- what a tree has mapped ---- */

static const struct mapped_file *find(const struct mapped_list *list, const char *part)
{
    for (size_t i = 0; i < list->count; i++)
        if (strstr(list->files[i].path, part))
            return &list->files[i];
    return NULL;
}

static pid_t start(struct fixture *f)
{
    int ready[2];
    char byte = 'x', path[128];
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        snprintf(path, sizeof path, "%s/data", f->scratch.path);
        int fd = open(path, O_RDONLY);
        if (mmap(NULL, 4, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED || write(ready[1], &byte, 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

static void programs_libraries_and_data_are_listed(void **state)
{
    struct fixture *f = *state;
    auto_mapped struct mapped_list all = { 0 };
    auto_mapped struct mapped_list less = { 0 };
    auto_mapped struct mapped_list differ = { 0 };
    scratch_write(&f->scratch, "data", "data", 4);
    pid_t pid = start(f);
    assert_int_equal(mapped_collect(getpid(), NULL, NULL, &all, &f->err), 0);
    const char *captured[] = { f->scratch.path, NULL };
    assert_int_equal(mapped_collect(getpid(), captured, NULL, &less, &f->err), 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    const struct mapped_file *libc = find(&all, "libc."), *data = find(&all, "/data");
    assert_non_null(libc);
    assert_memory_equal(libc->id, "build-id:", 9);
    assert_true(libc->size > 100000);
    assert_non_null(data);
    assert_int_equal(data->size, 4);
    assert_memory_equal(data->id, "sha256:3a6eb079", 15);
    assert_int_equal(less.count, all.count - 1);
    assert_null(find(&less, "/data"));
    for (size_t i = 1; i < all.count; i++)
        assert_true(strcmp(all.files[i - 1].path, all.files[i].path) < 0);
    auto_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mapped_compare(&all, root, &differ, &f->err), 0);
    assert_int_equal(differ.count, 0);
}

/* ---- written down ---- */

static struct ad *ad_with(const char *entry)
{
    struct ad *ad = ad_new();
    ad_append_string(ad, "Mapped", entry);
    return ad;
}

static void a_list_is_read_as_it_was_written(void **state)
{
    struct fixture *f = *state;
    auto_mapped struct mapped_list list = { 0 };
    auto_ad struct ad *ad = ad_with("12 build-id:ab12 /usr/lib/a b\nc.so");
    auto_ad struct ad *again = ad_new();
    assert_int_equal(mapped_parse(ad, "Mapped", &list, &f->err), 0);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.files[0].size, 12);
    assert_string_equal(list.files[0].id, "build-id:ab12");
    assert_string_equal(list.files[0].path, "/usr/lib/a b\nc.so");
    mapped_print(&list, again, "Mapped");
    assert_true(ad_same(ad, again, "Mapped"));
}

static void an_absent_list_is_empty(void **state)
{
    struct fixture *f = *state;
    auto_mapped struct mapped_list list = { 0 };
    auto_ad struct ad *ad = ad_new();
    assert_int_equal(mapped_parse(ad, "Mapped", &list, &f->err), 0);
    assert_int_equal(list.count, 0);
}

static void damaged_lists_are_refused(void **state)
{
    static const char *const bad[] = {
        "", "x", "12", "12 build-id:ab", "12 build-id:ab usr", "-1 build-id:ab /x", "12 other:ab /x", "12  /x", "12 build-id:ab /x/../y", "12 build-id:ab /..", "99999999999999999999 sha256:a /x",
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        auto_mapped struct mapped_list list = { 0 };
        auto_ad struct ad *ad = ad_with(bad[i]);
        assert_int_equal(mapped_parse(ad, "Mapped", &list, &f->err), -1);
        assert_int_equal(f->err.kind, ERR_CORRUPT);
        assert_int_equal(list.count, 0);
    }
}

/* ---- elsewhere ---- */

static void other_and_missing_files_are_told(void **state)
{
    struct fixture *f = *state;
    auto_mapped struct mapped_list list = { 0 };
    auto_mapped struct mapped_list differ = { 0 };
    auto_ad struct ad *ad = ad_new();
    struct elf elf = make_elf();
    scratch_write(&f->scratch, "other", &elf, sizeof elf);
    scratch_write(&f->scratch, "same", &elf, sizeof elf);
    mkdirat(f->scratch.fd, "dir", 0700);
    char same[64], other[64];
    snprintf(same, sizeof same, "%zu build-id:ab1200ff07 /same", sizeof elf);
    snprintf(other, sizeof other, "%zu build-id:0000000000000000 /other", sizeof elf);
    ad_append_string(ad, "Mapped", same);
    ad_append_string(ad, "Mapped", other);
    ad_append_string(ad, "Mapped", "1992294 build-id:cd34 /usr/lib/gone.so");
    ad_append_string(ad, "Mapped", "1 sha256:cd34 /dir");
    assert_int_equal(mapped_parse(ad, "Mapped", &list, &f->err), 0);
    assert_int_equal(mapped_compare(&list, f->scratch.fd, &differ, &f->err), 0);
    assert_int_equal(differ.count, 3);
    assert_non_null(strstr(differ.files[0].why, "needs '/other' with build-id 000000000000… ("));
    assert_non_null(strstr(differ.files[0].why, "here it has build-id ab1200ff07…"));
    assert_string_equal(differ.files[1].why,
                        "needs '/usr/lib/gone.so' with build-id cd34… (1.9 MiB), which is not here: No such file or directory");
    assert_string_equal(differ.files[2].path, "/dir");
}

static void links_lead_within_the_other_root(void **state)
{
    struct fixture *f = *state;
    auto_mapped struct mapped_list list = { 0 };
    auto_mapped struct mapped_list differ = { 0 };
    auto_ad struct ad *ad = ad_with("1 sha256:00 /link");
    assert_int_equal(symlinkat("/target", f->scratch.fd, "link"), 0);
    scratch_write(&f->scratch, "target", "four", 4);
    assert_int_equal(mapped_parse(ad, "Mapped", &list, &f->err), 0);
    assert_int_equal(mapped_compare(&list, f->scratch.fd, &differ, &f->err), 0);
    assert_int_equal(differ.count, 1);
    assert_non_null(strstr(differ.files[0].why, "here it has sha256 "));
}

/* A name in a manifest must not make anybody wait. */
static void a_fifo_is_no_file(void **state)
{
    struct fixture *f = *state;
    auto_mapped struct mapped_list list = { 0 };
    auto_mapped struct mapped_list differ = { 0 };
    auto_ad struct ad *ad = ad_with("1 sha256:00 /fifo");
    assert_int_equal(mkfifoat(f->scratch.fd, "fifo", 0600), 0);
    assert_int_equal(mapped_parse(ad, "Mapped", &list, &f->err), 0);
    assert_int_equal(mapped_compare(&list, f->scratch.fd, &differ, &f->err), 0);
    assert_int_equal(differ.count, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_build_id_is_found_behind_other_notes),
        TEST(damaged_elf_files_have_none),
        TEST(programs_libraries_and_data_are_listed),
        TEST(a_list_is_read_as_it_was_written),
        TEST(an_absent_list_is_empty),
        TEST(damaged_lists_are_refused),
        TEST(other_and_missing_files_are_told),
        TEST(links_lead_within_the_other_root),
        TEST(a_fifo_is_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
