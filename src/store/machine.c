#include "store/machine.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/utsname.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* "x86-64" and the words of CPUID that list features: leaf 1 edx ecx, leaf 7 ebx ecx edx, leaf 0x80000001 edx ecx, what the
 * system saves of them (xgetbv 0), leaf 7.1 eax, leaf 0xd.1 eax. Elsewhere the architecture's name and the kernel's two words of capabilities. */
static void describe_cpu(char *out, size_t size)
{
#if defined(__x86_64__)
    unsigned a, b, c, d, one_c = 0, one_d = 0, seven_b = 0, seven_c = 0, seven_d = 0, ext_c = 0, ext_d = 0, xcr = 0, high, seven_one = 0, save = 0;
    if (__get_cpuid(1, &a, &b, &c, &d))
        one_c = c & ~(1u << 31), one_d = d; /* bit 31: whether this is a virtual machine */
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d))
        seven_b = b, seven_c = c, seven_d = d;
    if (__get_cpuid(0x80000001, &a, &b, &c, &d))
        ext_c = c, ext_d = d;
    if (one_c & 1u << 27)
        __asm__("xgetbv" : "=a"(xcr), "=d"(high) : "c"(0));
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d))
        seven_one = a;
    if (__get_cpuid_count(0xd, 1, &a, &b, &c, &d))
        save = a;
    snprintf(out, size, "x86-64 %08x %08x %08x %08x %08x %08x %08x %08x %08x %08x", one_d, one_c, seven_b, seven_c, seven_d, ext_d, ext_c, xcr,
             seven_one, save);
#else
    struct utsname name;
    uname(&name);
    snprintf(out, size, "%.32s %lx %lx", name.machine, getauxval(AT_HWCAP), getauxval(AT_HWCAP2));
#endif
}

void machine_describe(struct manifest *m, uid_t uid)
{
    struct utsname name;
    struct passwd pw, *found = NULL;
    char room[4096];
    if (uname(&name) == 0) {
        snprintf(m->host, sizeof m->host, "%.64s", name.nodename);
        snprintf(m->kernel, sizeof m->kernel, "%.16s %.64s", name.sysname, name.release);
    }
    describe_cpu(m->cpu, sizeof m->cpu);
    if (getpwuid_r(uid, &pw, room, sizeof room, &found) == 0 && found)
        snprintf(m->owner, sizeof m->owner, "%.63s", pw.pw_name);
    else
        snprintf(m->owner, sizeof m->owner, "uid%u", (unsigned)uid);
}
