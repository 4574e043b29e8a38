#include "engine/buildid.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HEADERS_MAX = 128, NOTES_MAX = 65536 };

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
enum { OWN_ORDER = ELFDATA2LSB };
#else
enum { OWN_ORDER = ELFDATA2MSB };
#endif

/* What the notes' place is taken from, for both classes. */
struct segment {
    uint32_t type;
    uint64_t offset, size;
};

struct table {
    uint64_t offset;
    unsigned count, entry;
    bool wide;
};

static bool read_table(buildid_read *read_at, void *data, struct table *out)
{
    union {
        unsigned char ident[EI_NIDENT];
        Elf32_Ehdr narrow;
        Elf64_Ehdr wide;
    } head;
    if (!read_at(data, 0, head.ident, sizeof head.ident) || memcmp(head.ident, ELFMAG, SELFMAG) != 0 || head.ident[EI_DATA] != OWN_ORDER)
        return false;
    if (head.ident[EI_CLASS] == ELFCLASS64 && read_at(data, 0, &head.wide, sizeof head.wide))
        *out = (struct table){ head.wide.e_phoff, head.wide.e_phnum, head.wide.e_phentsize, true };
    else if (head.ident[EI_CLASS] == ELFCLASS32 && read_at(data, 0, &head.narrow, sizeof head.narrow))
        *out = (struct table){ head.narrow.e_phoff, head.narrow.e_phnum, head.narrow.e_phentsize, false };
    else
        return false;
    return out->count <= HEADERS_MAX && out->entry == (out->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr));
}

static bool read_segment(buildid_read *read_at, void *data, const struct table *t, unsigned i, struct segment *out)
{
    Elf64_Phdr wide;
    Elf32_Phdr narrow;
    uint64_t offset;
    if (__builtin_add_overflow(t->offset, (uint64_t)i * t->entry, &offset))
        return false;
    if (t->wide) {
        if (!read_at(data, offset, &wide, sizeof wide))
            return false;
        *out = (struct segment){ wide.p_type, wide.p_offset, wide.p_filesz };
        return true;
    }
    if (!read_at(data, offset, &narrow, sizeof narrow))
        return false;
    *out = (struct segment){ narrow.p_type, narrow.p_offset, narrow.p_filesz };
    return true;
}

static void print_hex(const unsigned char *bytes, size_t len, char *out)
{
    for (size_t i = 0; i < len; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

/* note = namesz descsz type name desc, both padded to 4 (the notes that are padded to 8 are of another segment and hold no id). */
static bool find_in_notes(const unsigned char *notes, size_t len, char *out)
{
    size_t at = 0;
    while (len - at >= 12) {
        uint32_t head[3];
        memcpy(head, notes + at, sizeof head);
        at += sizeof head;
        size_t name = ((size_t)head[0] + 3) & ~(size_t)3, desc = ((size_t)head[1] + 3) & ~(size_t)3;
        if (name > len - at || desc > len - at - name)
            return false;
        if (head[2] == NT_GNU_BUILD_ID && head[0] == 4 && memcmp(notes + at, "GNU", 4) == 0 && head[1] > 0 && head[1] <= BUILDID_MAX) {
            print_hex(notes + at + name, head[1], out);
            return true;
        }
        at += name + desc;
    }
    return false;
}

bool buildid_parse(buildid_read *read_at, void *data, char out[BUILDID_TEXT_MAX])
{
    unsigned char notes[NOTES_MAX];
    struct table table;
    struct segment segment;
    if (!read_table(read_at, data, &table))
        return false;
    for (unsigned i = 0; i < table.count; i++) {
        if (!read_segment(read_at, data, &table, i, &segment))
            return false;
        if (segment.type != PT_NOTE || segment.size > sizeof notes || !read_at(data, segment.offset, notes, (size_t)segment.size))
            continue;
        if (find_in_notes(notes, (size_t)segment.size, out))
            return true;
    }
    return false;
}

static bool read_file(void *data, uint64_t offset, void *out, size_t len)
{
    return offset <= INT64_MAX && pread(*(int *)data, out, len, (off_t)offset) == (ssize_t)len;
}

bool buildid_of_file(int fd, char out[BUILDID_TEXT_MAX])
{
    return buildid_parse(read_file, &fd, out);
}
