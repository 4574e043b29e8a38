/* CRIU's log as one sentence. The lines are those of real failures of CRIU 4.2.1, unless a test says otherwise. */
#include "engine/criu_log.h"
#include "scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

/* What comes with every run without root, before the error and after it. */
#define NOISE "Error (criu/net.c:1253): net: Unexpected error: -1(Operation not permitted)\n" \
    "Error (criu/util.c:1534): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted\n"
#define DUMP_FILES "Error (criu/cr-dump.c:1545): Dump files (pid: 1001) failed with -1\n"
#define DUMP_FAILED "Error (criu/cr-dump.c:1975): Dumping FAILED.\n"
#define RESTORE_FAILED "Error (criu/cr-restore.c:1265): 1001 exited, status=1\nError (criu/cr-restore.c:2331): Restoring FAILED.\n"
#define NO_MAP "Error (criu/proc_parse.c:738): Can't open 1002's mapfile link 7fa92d229000: No such file or directory\n" \
    "Error (criu/cr-dump.c:1440): Collect mappings (pid: 1002) failed with -1\n"

struct row {
    const char *log, *name, *text;
    bool passing;
};

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct criu_cause cause;
        criu_log_explain_text(rows[i].log, strlen(rows[i].log), &cause);
        if (strcmp(cause.text, rows[i].text) != 0 || strcmp(cause.name, rows[i].name) != 0 || cause.passing != rows[i].passing)
            fail_msg("row %zu: [%s] %s%s, not [%s] %s", i, cause.name, cause.text, cause.passing ? " (passing)" : "", rows[i].name, rows[i].text);
    }
}

#define CHECK(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

static void what_cannot_be_dumped_is_named_with_its_process(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { NOISE "pie: 1001: Error (criu/pie/parasite.c:588): send_fds failed (-22)\npie: 1001: Close the control socket for writing\n"
          "Error (criu/parasite-syscall.c:280): Can't retrieve FDs from socket\n"
          "Error (compel/src/lib/infect-rpc.c:44): Message reply from daemon is trimmed (12/0)\n" DUMP_FILES DUMP_FAILED,
          "io_uring", "process 1001 uses io_uring, which cannot be checkpointed" },
        { NOISE "Error (criu/cr-dump.c:478): Task 1055 with SysVIPC shmem map @7f7927ae8000 doesn't live in IPC ns\n"
          "Error (criu/cr-dump.c:1621): Dump mappings (pid: 1055) failed with -1\n" DUMP_FAILED,
          "sysv-shm", "process 1055 uses System V shared memory (shmget), which cannot be checkpointed" },
        { NOISE "Error (compel/src/lib/ptrace.c:27): suspending seccomp failed: Operation not permitted\n"
          "Error (compel/src/lib/infect.c:417): Unable to detach from 1138: No such process\n" DUMP_FAILED,
          "seccomp", "a process has a seccomp filter (a sandbox of its own), which cannot be checkpointed" },
        { NOISE "Error (criu/namespaces.c:460): Can't dump nested user namespace for 1885\nError (criu/namespaces.c:754): Can't make userns id\n" DUMP_FAILED,
          "namespace", "process 1885 has a namespace of its own (user), which cannot be checkpointed" },
        { NOISE "Error (criu/namespaces.c:931): Unable to convert uid or gid\n"
          "Error (criu/namespaces.c:997): One or more namespaces doesn't belong to the target user namespace\n" DUMP_FAILED,
          "namespace", "a process has a user namespace of its own, which cannot be checkpointed" },
        { NOISE "Error (criu/proc_parse.c:376): Can't open mapped [/[aio] (deleted)]: No such file or directory\n" NO_MAP DUMP_FAILED,
          "aio", "process 1002 uses asynchronous I/O of the kernel (io_setup), which cannot be checkpointed without root" },
        { NOISE "Error (criu/proc_parse.c:376): Can't open mapped [/secretmem (deleted)]: No such file or directory\n" NO_MAP DUMP_FAILED,
          "memfd-secret", "process 1002 uses secret memory (memfd_secret), which cannot be checkpointed" },
        { NOISE "Error (criu/proc_parse.c:376): Can't open mapped [/run/oddcopy (deleted)]: No such file or directory\n" NO_MAP DUMP_FAILED,
          "deleted-mapping", "'/run/oddcopy' was deleted or replaced while process 1002 has it mapped" },
        { NOISE "Error (criu/files-ext.c:94): Can't dump file 3 of that type [600] (anon anon_inode:[perf_event])\n" DUMP_FILES DUMP_FAILED,
          "descriptor", "descriptor 3 of process 1001 is a perf_event, which cannot be checkpointed" },
        { NOISE "Error (criu/files-ext.c:94): Can't dump file 3 of that type [20600] (chr 10:229 /dev/fuse)\n" DUMP_FILES DUMP_FAILED,
          "device", "descriptor 3 of process 1001 is a device (/dev/fuse), which cannot be checkpointed" }, /* by its format */
        { NOISE "Error (criu/files-reg.c:1031): Can't dump ghost file /run/#40 of 200704 size, increase limit\n" DUMP_FILES DUMP_FAILED,
          "ghost-file", "the deleted file '/run/#40' is still open and too large (200704 bytes) to be kept" },
        { NOISE "Error (criu/files-reg.c:1122): Can't create link remap for /run/l1. Use link-remap option.\n" DUMP_FILES DUMP_FAILED,
          "ghost-file", "'/run/l1' was deleted while process 1001 has it open" },
        { NOISE "Error (criu/files-reg.c:1790): Can't lookup mount=24 for fd=10 path=/dev/null\n" DUMP_FILES DUMP_FAILED,
          "outside-file", "descriptor 10 of process 1001 ('/dev/null') is of a file system outside of the job" },
        { NOISE "Warn  (criu/fsnotify.c:281): fsnotify: \tHandle 0x29:0x39 cannot be opened\n"
          "Warn  (criu/irmap.c:140): irmap: Can't open /etc/ssl/private: Permission denied\n"
          "Error (criu/fsnotify.c:284): fsnotify: \tCan't dump that handle\n" DUMP_FILES DUMP_FAILED,
          "watch", "process 1001 watches a file (inotify or fanotify) whose name cannot be found again" },
        { NOISE "Error (criu/pidfd.c:97): pidfd: pidfd pid 1 is not a part of process tree..\n" DUMP_FILES DUMP_FAILED,
          "pidfd", "process 1001 has a pidfd of a process outside of the job" },
        { NOISE "Error (criu/file-lock.c:110): Some file locks are hold by dumping tasks! You can try --file-locks to dump them.\n" DUMP_FAILED,
          "locks", "the job holds file locks, which were not to be kept" },
    };
    CHECK(rows);
}

static void what_reaches_out_of_the_job_is_named(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { NOISE "Error (criu/sk-inet.c:200): inet: Connected TCP socket, consider using --tcp-established option.\n" DUMP_FILES DUMP_FAILED,
          "tcp", "process 1001 has an open TCP connection, which cannot be kept" },
        { NOISE "Error (soccr/soccr.c:94): Can't turn TCP repair mode ON: Operation not permitted\n" DUMP_FILES DUMP_FAILED,
          "tcp", "process 1001 has a TCP connection that is just being made, or must be kept", true },
        { NOISE "Error (criu/sk-inet.c:185): inet: In-flight connection (l) for 40cfb2\n"
          "Error (criu/sk-inet.c:186): inet: In-flight connections can be ignored with the --skip-in-flight option.\n" DUMP_FILES DUMP_FAILED,
          "tcp", "a TCP connection is just being made", true },
        { NOISE "Error (criu/sk-unix.c:874): unix: External socket is used. Consider using --ext-unix-sk option.\n" DUMP_FAILED,
          "unix-socket", "a process is connected to a Unix socket of a program outside of the job" },
        { NOISE "Error (criu/sk-unix.c:881): unix: Can't dump half of stream unix connection. name: /run/a; peer name: /run/b\n" DUMP_FAILED,
          "unix-socket", "a process is connected to a Unix socket of a program outside of the job (/run/b)" }, /* by its format */
        { NOISE "Error (criu/sockets.c:767): sockets: BUG! Unknown socket collected (family 40)\n" DUMP_FILES DUMP_FAILED,
          "socket", "process 1001 has a socket of a kind (family 40) that cannot be checkpointed" },
        { NOISE "Error (criu/sk-inet.c:137): inet: Unsupported proto 262 for socket 1f\n" DUMP_FILES DUMP_FAILED, /* by its format */
          "socket", "process 1001 uses multipath TCP, which cannot be checkpointed (a Go program does not with GODEBUG=multipathtcp=0)" },
        { NOISE "Warn  (compel/arch/x86/src/lib/infect.c:419): Will restore 1003 with interrupted system call\n"
          "Error (criu/cr-dump.c:1528): A session leader of 1003(1003) is outside of its pid namespace\n" DUMP_FAILED,
          "session", "process 1003 belongs to a session that was begun outside of the job" },
        { NOISE "Error (criu/tty.c:410): tty: Found slave peer index 0 without correspond master peer\n" DUMP_FAILED,
          "terminal", "a process uses a terminal that is not the job's own" },
    };
    CHECK(rows);
}

static void what_may_pass_is_told_from_what_stays(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { NOISE "Error (criu/page-xfer.c:263): page-xfer: Unable to spice data: No space left on device\n"
          "Error (criu/bfd.c:131): bfd: Error flushing image: No space left on device\nError (criu/mem.c:718): Can't dump page with parasite\n" DUMP_FAILED,
          "disk-full", "no space is left on the disk for the memory of the job", true },
        { NOISE "Warn  (compel/src/lib/infect.c:132): Unable to interrupt task: 1001 (Operation not permitted)\n"
          "Error (compel/src/lib/infect.c:417): Unable to detach from 1001: No such process\n" DUMP_FAILED,
          "traced", "process 1001 is under a debugger or tracer", true },
        { NOISE "Warn  (compel/src/lib/infect.c:132): Unable to interrupt task: 1003 (Operation not permitted)\n"
          "Error (compel/src/lib/infect.c:262): Unseizable non-zombie 1003 found, state S, err -1/10\n" DUMP_FAILED,
          "traced", "process 1003 is under a debugger or tracer", true }, /* by another process of the job */
        { NOISE "Warn  (compel/src/lib/infect.c:132): Unable to interrupt task: 4000 (No such process)\n"
          "Error (compel/src/lib/infect.c:417): Unable to detach from 4000: No such process\n" DUMP_FAILED,
          "ended", "process 4000 has ended", true },
        { NOISE "Error (criu/cr-dump.c:1655): Timeout reached. Try to interrupt: 0\n"
          "Error (compel/src/lib/infect.c:262): Unseizable non-zombie 1642 found, state D, err -1/4\n"
          "Error (compel/src/lib/infect.c:417): Unable to detach from 1642: No such process\n" DUMP_FAILED,
          "unstoppable", "process 1642 does not stop (state D: it waits in the kernel)", true },
    };
    CHECK(rows);
}

static void what_is_not_as_it_was_is_named(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { NOISE "  1001: Error (criu/files-reg.c:2353): Can't open file run/file on restore: No such file or directory\n"
          "  1001: Error (criu/files-reg.c:2267): Can't open file run/file: No such file or directory\n"
          "  1001: Error (criu/files.c:1221): Unable to open fd=3 id=0x6\n" RESTORE_FAILED,
          "file-missing", "cannot open '/run/file': No such file or directory" },
        { NOISE "  1001: Error (criu/files-reg.c:2175): File run/file has bad size 11 (expect 6)\n"
          "  1001: Error (criu/files.c:1221): Unable to open fd=3 id=0x6\nError (criu/cr-restore.c:1269): 1001 killed by signal 9: Killed\n",
          "file-changed", "the file '/run/file' is not as it was: it has 11 bytes and had 6" },
        { NOISE "  1001: Error (criu/files-reg.c:2294): File run/file has bad mode 0100644 (expect 0100600)\n"
          "File r/w/x checks can be skipped with the --skip-file-rwx-check option\n" RESTORE_FAILED,
          "file-changed", "the file '/run/file' is not as it was: it has mode 0100644 and had 0100600" },
        { NOISE "  1001: Error (criu/files-reg.c:2153): File usr/lib/libc.so.6 has bad build-ID\n" RESTORE_FAILED, /* by its format */
          "file-changed", "the file '/usr/lib/libc.so.6' is another build than the one of the checkpoint" },
        { NOISE "  1001: Error (criu/fifo.c:98): Can't open fake fifo 0x6 [run/fifo]: No such file or directory\n" RESTORE_FAILED,
          "file-missing", "cannot open '/run/fifo': No such file or directory" },
        { NOISE "Error (criu/cr-restore.c:1237): Can't fork for 1001: File exists\n" RESTORE_FAILED,
          "pid-taken", "process number 1001 is taken" },
        { NOISE "  1001: Error (criu/sk-inet.c:1059): inet: Can't bind inet socket (id 11): Address already in use\n" RESTORE_FAILED,
          "address-taken", "the program's network address cannot be taken again: Address already in use", true },
        { NOISE "Error (criu/pstree.c:969): Can't restore sub-task in NS (cflags 20000)\n",
          "namespace", "a process had a namespace of its own, which cannot be restored" },
        { NOISE "Error (criu/image.c:554): Head magic doesn't match for pstree.img\n", "images", "the image 'pstree.img' is damaged" },
        { NOISE "Error (criu/protobuf.c:93): Read 88 bytes while 2297 expected from /stint/images/core-1001.img: No such file or directory\n",
          "images", "the image '/stint/images/core-1001.img' is damaged" },
        { NOISE "Error (criu/protobuf.c:72): Unexpected EOF on (empty-image)\n", "images", "an image is damaged or missing" },
        { NOISE "pie: 1001: Error (criu/pie/restorer.c:1907): Can't read pages data (-9)\npie: 1001: Error (criu/pie/restorer.c:2332): Restorer fail 1001\n",
          "images", "the images of the memory are damaged" },
        { NOISE "Error (criu/arch/x86/cpu.c:230): cpu: CPU xsave size mismatch (2432/832)\n", /* by its format */
          "cpu", "this machine's processor keeps its registers in another form than the one of the checkpoint" },
        { "Error (criu/vdso.c:390): vdso: Unexpected rt vDSO area bounds\n", "too-old", "this criu is too old for this kernel" }, /* of 3.17 */
    };
    CHECK(rows);
}

static void the_unknown_comes_as_criu_said_it_first(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { NOISE "(00.012345)   1001: Error (criu/new.c:1): new: \tCan't frobnicate 7\nError (criu/other.c:1): and so on\n" DUMP_FILES DUMP_FAILED,
          "", "criu says: new: ?Can't frobnicate 7" },
        { "Error (criu/new.c:1): \tindented\n", "", "criu says: indented" },
        { "Error (criu/new.c:1): no end of line", "", "criu says: no end of line" },
        { NOISE DUMP_FAILED, "", "criu does not say why" },
        { "", "", "criu does not say why" },
        { "Error (", "", "criu does not say why" },
        { "all is well\nWarn  (criu/x.c:1): but\n", "", "criu does not say why" },
    };
    struct criu_cause cause;
    CHECK(rows);
    criu_log_explain_text(NULL, 0, &cause);
    assert_string_equal(cause.text, "criu does not say why");
}

static void a_zombie_s_warning_does_not_hide_an_error(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { NOISE "Warn  (compel/src/lib/infect.c:132): Unable to interrupt task: 1033 (Operation not permitted)\n"
          "Error (criu/new.c:1): Can't frobnicate\n" DUMP_FAILED, "", "criu says: Can't frobnicate" },
    };
    CHECK(rows);
}

static void names_are_cut_and_cleaned(void **state)
{
    (void)state;
    struct criu_cause cause;
    auto_buf struct buf log = { 0 };
    buf_text(&log, "Error (x): Can't create link remap for /run/a\x1b[31m");
    for (int i = 0; i < 1000; i++)
        buf_char(&log, 'x');
    buf_text(&log, ". Use link-remap option.\n");
    criu_log_explain_text(log.data, log.len, &cause);
    assert_string_equal(cause.name, "ghost-file");
    assert_non_null(strstr(cause.text, "'/run/a?[31mxxx"));
    assert_non_null(strstr(cause.text, "x' was deleted while a process has it open"));
    assert_true(strlen(cause.text) < sizeof cause.text);
}

static void of_a_long_log_the_end_is_read(void **state)
{
    (void)state;
    struct scratch s;
    struct criu_cause cause;
    auto_buf struct buf log = { 0 };
    scratch_open(&s);
    buf_text(&log, "Error (criu/new.c:1): long ago\n");
    while (log.len < 3 << 20)
        buf_text(&log, "(00.204001) page-xfer: \tbuf 100/1\n");
    buf_text(&log, "(00.204001) Error (criu/mem.c:1): at last\n");
    scratch_write(&s, "log", log.data, log.len);
    auto_close int fd = openat(s.fd, "log", O_RDONLY | O_CLOEXEC);
    criu_log_explain(fd, &cause);
    assert_string_equal(cause.text, "criu says: at last");
    criu_log_explain(s.fd, &cause);
    assert_string_equal(cause.text, "criu left no log");
    criu_log_explain(-1, &cause);
    assert_string_equal(cause.text, "criu left no log");
    scratch_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_dumped_is_named_with_its_process),
        cmocka_unit_test(what_reaches_out_of_the_job_is_named),
        cmocka_unit_test(what_may_pass_is_told_from_what_stays),
        cmocka_unit_test(what_is_not_as_it_was_is_named),
        cmocka_unit_test(the_unknown_comes_as_criu_said_it_first),
        cmocka_unit_test(a_zombie_s_warning_does_not_hide_an_error),
        cmocka_unit_test(names_are_cut_and_cleaned),
        cmocka_unit_test(of_a_long_log_the_end_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
