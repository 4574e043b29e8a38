#include "engine/cpu.h"

#include "store/machine.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The words of an x86-64 text, in their order. */
enum { ONE_D, ONE_C, SEVEN_B, SEVEN_C, SEVEN_D, EXT_D, EXT_C, SAVED, SEVEN_ONE, SAVE, X86_WORDS, X86_OLD_WORDS = SEVEN_ONE };
enum { WORDS_MAX = 16, TYPE_MAX = 40 };

/* Intel's and AMD's manuals; names as in the kernel's cpufeatures. */
static const struct {
    unsigned char word, bit;
    const char *name;
} x86_features[] = {
    { ONE_D, 0, "fpu" }, { ONE_D, 4, "tsc" }, { ONE_D, 8, "cx8" }, { ONE_D, 15, "cmov" }, { ONE_D, 19, "clflush" }, { ONE_D, 23, "mmx" },
    { ONE_D, 24, "fxsr" }, { ONE_D, 25, "sse" }, { ONE_D, 26, "sse2" },
    { ONE_C, 0, "sse3" }, { ONE_C, 1, "pclmulqdq" }, { ONE_C, 9, "ssse3" }, { ONE_C, 12, "fma" }, { ONE_C, 13, "cx16" },
    { ONE_C, 19, "sse4_1" }, { ONE_C, 20, "sse4_2" }, { ONE_C, 22, "movbe" }, { ONE_C, 23, "popcnt" }, { ONE_C, 25, "aes" },
    { ONE_C, 26, "xsave" }, { ONE_C, 27, "osxsave" }, { ONE_C, 28, "avx" }, { ONE_C, 29, "f16c" }, { ONE_C, 30, "rdrand" },
    { SEVEN_B, 0, "fsgsbase" }, { SEVEN_B, 3, "bmi1" }, { SEVEN_B, 4, "hle" }, { SEVEN_B, 5, "avx2" }, { SEVEN_B, 8, "bmi2" },
    { SEVEN_B, 9, "erms" }, { SEVEN_B, 11, "rtm" }, { SEVEN_B, 16, "avx512f" }, { SEVEN_B, 17, "avx512dq" }, { SEVEN_B, 18, "rdseed" },
    { SEVEN_B, 19, "adx" }, { SEVEN_B, 21, "avx512ifma" }, { SEVEN_B, 23, "clflushopt" }, { SEVEN_B, 24, "clwb" },
    { SEVEN_B, 26, "avx512pf" }, { SEVEN_B, 27, "avx512er" }, { SEVEN_B, 28, "avx512cd" }, { SEVEN_B, 29, "sha_ni" },
    { SEVEN_B, 30, "avx512bw" }, { SEVEN_B, 31, "avx512vl" },
    { SEVEN_C, 0, "prefetchwt1" }, { SEVEN_C, 1, "avx512vbmi" }, { SEVEN_C, 4, "ospke" }, { SEVEN_C, 5, "waitpkg" },
    { SEVEN_C, 6, "avx512_vbmi2" }, { SEVEN_C, 8, "gfni" }, { SEVEN_C, 9, "vaes" }, { SEVEN_C, 10, "vpclmulqdq" },
    { SEVEN_C, 11, "avx512_vnni" }, { SEVEN_C, 12, "avx512_bitalg" }, { SEVEN_C, 14, "avx512_vpopcntdq" }, { SEVEN_C, 22, "rdpid" },
    { SEVEN_C, 25, "cldemote" }, { SEVEN_C, 27, "movdiri" }, { SEVEN_C, 28, "movdir64b" },
    { SEVEN_D, 2, "avx512_4vnniw" }, { SEVEN_D, 3, "avx512_4fmaps" }, { SEVEN_D, 4, "fsrm" }, { SEVEN_D, 8, "avx512_vp2intersect" },
    { SEVEN_D, 14, "serialize" }, { SEVEN_D, 16, "tsxldtrk" }, { SEVEN_D, 22, "amx_bf16" }, { SEVEN_D, 23, "avx512_fp16" },
    { SEVEN_D, 24, "amx_tile" }, { SEVEN_D, 25, "amx_int8" },
    { EXT_D, 11, "syscall" }, { EXT_D, 22, "mmxext" }, { EXT_D, 27, "rdtscp" }, { EXT_D, 29, "lm" }, { EXT_D, 30, "3dnowext" },
    { EXT_D, 31, "3dnow" },
    { EXT_C, 0, "lahf_lm" }, { EXT_C, 5, "abm" }, { EXT_C, 6, "sse4a" }, { EXT_C, 8, "3dnowprefetch" }, { EXT_C, 11, "xop" },
    { EXT_C, 16, "fma4" }, { EXT_C, 21, "tbm" }, { EXT_C, 29, "mwaitx" },
    { SAVED, 1, "saved sse registers" }, { SAVED, 2, "saved avx registers" }, { SAVED, 5, "saved avx512 masks" },
    { SAVED, 6, "saved avx512 registers" }, { SAVED, 7, "saved avx512 registers 16-31" }, { SAVED, 9, "saved protection keys" },
    { SAVED, 17, "saved amx configuration" }, { SAVED, 18, "saved amx tiles" },
    { SEVEN_ONE, 4, "avx_vnni" }, { SEVEN_ONE, 5, "avx512_bf16" }, { SEVEN_ONE, 7, "cmpccxadd" }, { SEVEN_ONE, 10, "fzrm" },
    { SEVEN_ONE, 11, "fsrs" }, { SEVEN_ONE, 12, "fsrc" }, { SEVEN_ONE, 21, "amx_fp16" }, { SEVEN_ONE, 23, "avx_ifma" },
    { SAVE, 0, "xsaveopt" }, { SAVE, 1, "xsavec" }, { SAVE, 2, "xgetbv1" },
};

struct text {
    char type[TYPE_MAX];
    uint64_t words[WORDS_MAX];
    size_t count;
};

static bool read_text(const char *from, struct text *out)
{
    size_t len = strcspn(from, " ");
    *out = (struct text){ 0 };
    if (len == 0 || len >= sizeof out->type)
        return false;
    memcpy(out->type, from, len);
    for (const char *at = from + len; *at; out->count++) {
        char *end;
        if (*at != ' ' || out->count == WORDS_MAX)
            return false;
        out->words[out->count] = strtoull(at + 1, &end, 16);
        if (end == at + 1)
            return false;
        at = end;
    }
    return out->count > 0;
}

static void add_name(struct buf *names, const char *name)
{
    buf_printf(names, "%s%s", names->len ? ", " : "", name);
}

static void compare_x86(const struct text *then, const struct text *now, struct buf *names)
{
    for (size_t i = 0; i < sizeof x86_features / sizeof x86_features[0]; i++) {
        uint64_t bit = UINT64_C(1) << x86_features[i].bit;
        if (then->words[x86_features[i].word] & bit & ~now->words[x86_features[i].word])
            add_name(names, x86_features[i].name);
    }
}

/* Elsewhere the words are AT_HWCAP and AT_HWCAP2, which have only what is for programs. */
static void compare_capabilities(const struct text *then, const struct text *now, struct buf *names)
{
    for (size_t word = 0; word < then->count; word++)
        for (int bit = 0; bit < 64; bit++)
            if (then->words[word] >> bit & 1 && !(now->words[word] >> bit & 1)) {
                char name[32];
                snprintf(name, sizeof name, "hwcap%s bit %d", word ? "2" : "", bit);
                add_name(names, name);
            }
}

int cpu_compare(const char *then, const char *now, struct buf *names)
{
    struct text a, b;
    size_t before = names->len;
    if (!*then)
        return 0;
    if (!read_text(then, &a) || !read_text(now, &b)) {
        buf_text(names, "what is recorded of its processor cannot be understood");
        return CPU_OTHER;
    }
    if (strcmp(a.type, b.type) != 0) {
        buf_printf(names, "it is from a machine of type %s, this is %s", a.type, b.type);
        return CPU_OTHER;
    }
    bool x86 = strcmp(a.type, "x86-64") == 0;
    bool old = x86 && a.count == X86_OLD_WORDS && b.count == X86_WORDS; /* what it does not say is not asked */
    if (!old && (a.count != b.count || (x86 && a.count != X86_WORDS && a.count != X86_OLD_WORDS))) {
        buf_text(names, "its processor was described by another version of this program");
        return CPU_OTHER;
    }
    struct buf found = { 0 };
    if (x86)
        compare_x86(&a, &b, &found);
    else
        compare_capabilities(&a, &b, &found);
    buf_add(names, buf_cstr(&found), found.len);
    buf_release(&found);
    return names->len > before ? CPU_MISSING : 0;
}

int cpu_missing(const char *then, struct buf *names)
{
    struct manifest here = { 0 };
    machine_describe(&here, geteuid());
    return cpu_compare(then, here.cpu, names);
}
