/*
 * The machine as an ad: what requirements of jobs look at, with HTCondor's names. What is always the same is found out once; load and
 * time of day are those of the moment. stint.conf has the last word (machine.NAME = …).
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/tools.h"
#include "pool/request.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { OS_RELEASE_MAX = 1 << 16, FRESH_US = 1000000 };

/* The value of NAME=value or NAME="value" in os-release's text; yours, "" when there is none. */
static char *release_value(const char *text, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, len) != 0 || line[len] != '=')
            continue;
        const char *value = line + len + 1;
        value += *value == '"';
        return mem_dup_n(value, strcspn(value, "\"\n"));
    }
    return mem_dup("");
}

/* HTCondor's spelling. */
static char *short_name(const char *id)
{
    static const struct { const char *id, *name; } known[] = {
        { "rhel", "RedHat" }, { "centos", "CentOS" }, { "almalinux", "AlmaLinux" }, { "opensuse-leap", "openSUSE" },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].id, id) == 0)
            return mem_dup(known[i].name);
    char *name = mem_dup(*id ? id : "Linux");
    *name = (char)toupper((unsigned char)*name);
    return name;
}

static void set_system(struct ad *ad)
{
    auto_buf struct buf text = { .max = OS_RELEASE_MAX };
    struct error ignored;
    struct utsname system;
    if (file_read(AT_FDCWD, "/etc/os-release", &text, &ignored) != 0)
        buf_clear(&text);
    auto_free char *id = release_value(buf_cstr(&text), "ID");
    auto_free char *version = release_value(buf_cstr(&text), "VERSION_ID");
    auto_free char *pretty = release_value(buf_cstr(&text), "PRETTY_NAME");
    auto_free char *name = short_name(id);
    int major = (int)strtol(version, NULL, 10);
    auto_free char *with_version = mem_printf("%s%d", name, major);
    ad_set_string(ad, "OpSys", "LINUX");
    ad_set_string(ad, "OpSysShortName", name);
    ad_set_string(ad, "OpSysName", name);
    ad_set_string(ad, "OpSysLongName", pretty);
    ad_set_string(ad, "OpSysAndVer", with_version);
    ad_set_int(ad, "OpSysMajorVer", major);
    bool known = uname(&system) == 0;
    ad_set_string(ad, "Arch", !known || strcmp(system.machine, "x86_64") == 0 ? "X86_64" : system.machine);
    ad_set_string(ad, "KernelVersion", known ? system.release : "");
}

static void set_names(struct ad *ad)
{
    char host[128];
    if (gethostname(host, sizeof host) < 0)
        snprintf(host, sizeof host, "localhost");
    host[sizeof host - 1] = '\0';
    static const char *const names[] = { "Name", "Machine", "FileSystemDomain", "UidDomain" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        ad_set_string(ad, names[i], host);
}

static void set_resources(const struct pool *p, struct ad *ad)
{
    const struct config *c = &p->config;
    static const char *const cpus[] = { "Cpus", "TotalCpus", "TotalSlotCpus" };
    static const char *const memory[] = { "Memory", "TotalMemory", "TotalSlotMemory" };
    static const char *const disk[] = { "Disk", "TotalDisk", "TotalSlotDisk" };
    for (size_t i = 0; i < 3; i++) {
        ad_set_int(ad, cpus[i], c->cpus);
        ad_set_int(ad, memory[i], c->memory_mb);
        ad_set_int(ad, disk[i], c->disk_kb);
    }
    ad_set_int(ad, "DetectedCpus", sysconf(_SC_NPROCESSORS_ONLN));
    ad_set_int(ad, "DetectedMemory", (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) >> 20);
}

char *pool_tools(const struct pool *p)
{
    return p->config.criu_dir[0] ? mem_dup(p->config.criu_dir) : tools_find(p->runner_path);
}

static struct ad *make(const struct pool *p)
{
    struct ad *ad = ad_new();
    ad_set_string(ad, "MyType", "Machine");
    ad_set_string(ad, "SlotType", "Partitionable");
    set_names(ad);
    set_system(ad);
    set_resources(p, ad);
    ad_set_bool(ad, "HasFileTransfer", true);
    ad_set_bool(ad, "HasSelfCheckpointTransfers", true);
    auto_free char *tools = pool_tools(p);
    ad_set_bool(ad, "HasTransparentCheckpoints", tools != NULL);
    ad_set_string(ad, "StintVersion", STINT_VERSION);
    return ad;
}

static void set_moment(const struct pool *p, int64_t wall_us, struct ad *ad)
{
    time_t now = (time_t)(wall_us / CLOCK_SECOND_US);
    double load[1] = { 0 };
    struct tm tm;
    getloadavg(load, 1);
    localtime_r(&now, &tm);
    ad_set_real(ad, "LoadAvg", load[0]);
    ad_set_int(ad, "ClockMin", tm.tm_hour * 60 + tm.tm_min);
    ad_set_int(ad, "ClockDay", tm.tm_wday);
    ad_set_int(ad, "MyCurrentTime", now);
    ad_set_int(ad, "CurrentTime", now);
    ad_set_string(ad, "State", p->active ? "Claimed" : "Unclaimed");
    ad_set_string(ad, "Activity", p->active ? "Busy" : "Idle");
}

const struct ad *machine_now(struct pool *p)
{
    int64_t boot = clock_boot_us();
    if (p->machine && boot < p->machine_fresh_us)
        return p->machine;
    if (!p->machine)
        p->machine = make(p);
    set_moment(p, clock_wall_us(), p->machine);
    if (p->config.machine)
        ad_update(p->machine, p->config.machine);
    p->machine_fresh_us = boot + FRESH_US;
    return p->machine;
}

struct ad *pool_machine_ad(const struct pool *p)
{
    struct ad *ad = make(p);
    set_moment(p, clock_wall_us(), ad);
    if (p->config.machine)
        ad_update(ad, p->config.machine);
    return ad;
}

int machine_get(struct request *rq, struct ad *answer, struct error *err)
{
    (void)err;
    ad_append_ad(answer, "Machines", pool_machine_ad(rq->pool));
    return 0;
}
