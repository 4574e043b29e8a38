/*
 * How many times a second one core evaluates a requirements expression of a job against a machine's ad, and how many it parses.
 *
 *   bench-expr COUNT     prints: evaluations per second, parsings per second
 */
#include "ad/ad.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char machine_text[] =
    "MyType = \"Machine\"\nName = \"slot1@node17.cluster.example.org\"\nMachine = \"node17.cluster.example.org\"\n"
    "State = \"Unclaimed\"\nActivity = \"Idle\"\nLoadAvg = 0.25\nKeyboardIdle = 171003\nTotalCpus = 64\nCpus = 64\n"
    "TotalMemory = 257000\nMemory = 257000\nTotalDisk = 940000000\nDisk = 940000000\nTotalSlots = 64\nKFlops = 1900000\n"
    "Mips = 26000\nHasFileTransfer = true\nHasTransparentCheckpoints = true\nHasSingularity = false\nHasDocker = false\n"
    "OpSysAndVer = \"Debian12\"\nOpSysMajorVer = 12\nOpSysName = \"Debian\"\nOpSysVer = 1200\nOpSysLegacy = \"LINUX\"\n"
    "OpSys = \"LINUX\"\nArch = \"X86_64\"\nMicroarch = \"x86_64-v3\"\nFileSystemDomain = \"cluster.example.org\"\n"
    "UidDomain = \"cluster.example.org\"\nStintVersion = \"0.1.0\"\nDetectedCpus = 64\nDetectedMemory = 257000\nGPUs = 0\n"
    "CUDACapability = 0.0\nSite = \"basement\"\nOwner = undefined\nMonitorSelfAge = 86400\nDaemonStartTime = 1700000000\n"
    "Start = true\nRank = 0.0\n";

static const char job_text[] =
    "ClusterId = 17\nProcId = 3\nOwner = \"alice\"\nUser = \"alice@cluster.example.org\"\nCmd = \"/home/alice/simulate\"\n"
    "Arguments = \"--seed 3\"\nIwd = \"/home/alice/runs\"\nJobUniverse = 5\nJobStatus = 1\nQDate = 1700000000\n"
    "RequestCpus = 4\nRequestMemory = 4096\nRequestDisk = DiskUsage\nDiskUsage = 250000\nJobPrio = 0\nNumJobStarts = 0\n"
    "ShouldTransferFiles = \"YES\"\nWhenToTransferOutput = \"ON_EXIT\"\nIn = \"/dev/null\"\nOut = \"out.3\"\nErr = \"err.3\"\n"
    "Requirements = (TARGET.Arch == \"X86_64\") && (TARGET.OpSys == \"LINUX\") && (TARGET.Disk >= RequestDisk) && "
    "(TARGET.Memory >= RequestMemory) && (TARGET.Cpus >= RequestCpus) && (TARGET.HasFileTransfer)\n";

/* Time of the processor: what else runs on the machine does not count. */
static double now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static struct ad *ad_of(const char *text)
{
    struct error err;
    struct ad *ad = ad_new();
    if (ad_parse(ad, text, strlen(text), &err) < 0) {
        fprintf(stderr, "bench-expr: %s\n", err.text);
        exit(1);
    }
    return ad;
}

static double evaluate(const struct ad *job, const struct ad *machine, long count)
{
    struct ad_scope scope = { .my = job, .target = machine, .now = 1700000000 };
    long matches = 0;
    double begun = now_s();
    for (long i = 0; i < count; i++) {
        struct value value;
        ad_eval(&scope, "Requirements", &value);
        matches += value.kind == VALUE_BOOL && value.boolean;
        value_release(&value);
    }
    double rate = (double)count / (now_s() - begun);
    if (matches != count) {
        fprintf(stderr, "bench-expr: the job does not match\n");
        exit(1);
    }
    return rate;
}

static double parse(const struct ad *job, long count)
{
    auto_buf struct buf text = { 0 };
    ad_print_expr(job, "Requirements", &text);
    double begun = now_s();
    for (long i = 0; i < count; i++) {
        struct ad_expr *expr;
        if (ad_expr_parse(buf_cstr(&text), &expr, NULL) < 0)
            exit(1);
        ad_expr_free(expr);
    }
    return (double)count / (now_s() - begun);
}

int main(int argc, char **argv)
{
    long count = argc == 2 ? atol(argv[1]) : 0;
    if (count < 10) {
        fprintf(stderr, "usage: bench-expr COUNT\n");
        return 1;
    }
    auto_ad struct ad *job = ad_of(job_text);
    auto_ad struct ad *machine = ad_of(machine_text);
    printf("%.0f %.0f\n", evaluate(job, machine, count), parse(job, count / 10));
    return 0;
}
