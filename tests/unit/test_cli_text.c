/* Tables and prose: what a reader sees of ads. */
#include "cli_fixture.h"

#include "cli/act.h"
#include "cli/edit.h"
#include "cli/ledger.h"
#include "cli/pool.h"
#include "cli/q.h"
#include "cli/story.h"
#include "cli/table.h"
#include "cli/wait.h"

#include <time.h>

#define assert_ok(call, err)                  \
    do {                                      \
        if ((call) != 0)                      \
            fail_msg("%s: %s", #call, (err).text); \
    } while (0)

#define NOW INT64_C(1795456502000000) /* 2026-11-23 17:55:02 UTC */
static const struct screen paper = { .width = 0, .now_us = NOW };

static void texts_of_others_cannot_move_the_cursor(void **state)
{
    auto_buf struct buf out = { 0 };
    (void)state;
    words_safe(&out, "a\033[2Jb\r\n\tc\x7f \xc2\x9b""31m ü …");
    assert_string_equal(buf_cstr(&out), "a?[2Jb?  c? ?31m ü …");
}

static void counts_times_and_ages_are_said_plainly(void **state)
{
    auto_buf struct buf out = { 0 };
    (void)state;
    words_count(&out, 1, "job");
    buf_char(&out, ' ');
    words_count(&out, 0, "job");
    buf_char(&out, ' ');
    words_time(&out, NOW);
    buf_char(&out, ' ');
    words_short_time(&out, NOW);
    buf_char(&out, ' ');
    words_time(&out, 0);
    buf_char(&out, ' ');
    words_age(&out, NOW - 130 * 1000000, &paper);
    buf_char(&out, ' ');
    words_age(&out, NOW + 5000000, &paper);
    buf_char(&out, ' ');
    words_age(&out, 0, &paper);
    assert_string_equal(buf_cstr(&out), "1 job 0 jobs 2026-11-23 17:55:02 11-23 17:55 - 2m10s 0s -");
}

static void states_tell_their_reason(void **state)
{
    static const struct {
        const char *job;
        const char *words;
    } rows[] = {
        { "{\"JobState\":\"running\",\"HoldReason\":\"old\"}", "running" },
        { "{\"JobState\":\"held\",\"HoldReason\":\"no\\ninput\"}", "held: no input" },
        { "{\"JobState\":\"held\"}", "held" },
        { "{\"JobState\":\"holding\",\"HoldReason\":\"by me\"}", "holding: by me" },
        { "{\"JobState\":\"removed\",\"RemoveReason\":\"done\"}", "removed: done" },
        { "{\"JobState\":\"completed\",\"ExitCode\":3}", "completed: exit 3" },
        { "{\"JobState\":\"completed\",\"ExitSignal\":11}", "completed: signal 11" },
        { "{}", "?" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        auto_ad struct ad *job = from_json(rows[i].job);
        auto_buf struct buf out = { 0 };
        words_state(&out, job);
        assert_string_equal(buf_cstr(&out), rows[i].words);
    }
}

static void events_are_clauses(void **state)
{
    static const struct {
        const char *event;
        const char *words;
    } rows[] = {
        { "{\"Event\":\"submitted\"}", "submitted" },
        { "{\"Event\":\"granted\",\"Stint\":2}", "granted a slot: stint 2" },
        { "{\"Event\":\"running\",\"Stint\":2,\"Resumed\":true,\"Generation\":3}", "running again from checkpoint 3" },
        { "{\"Event\":\"running\",\"Resumed\":false}", "running" },
        { "{\"Event\":\"checkpoint_asked\",\"Why\":\"user\"}", "asked for a checkpoint (user)" },
        { "{\"Event\":\"checkpoint_taken\",\"Generation\":3,\"Bytes\":2097152,\"NewBytes\":1048576,\"Files\":1,\"PauseUs\":12000,"
          "\"CommitUs\":3000,\"LatencyUs\":40000,\"Why\":\"periodic\"}",
          "checkpoint 3 taken: 2.0 MiB (1.0 MiB new) in 1 file, pause 12ms, commit 3.0ms, latency 40ms (periodic)" },
        { "{\"Event\":\"checkpoint_method\",\"Method\":\"transparent\"}", "checkpoints: transparent (CRIU)" },
        { "{\"Event\":\"checkpoint_method\",\"Method\":\"none\",\"Reason\":\"no\\ncriu\"}", "checkpoints: none: no criu" },
        { "{\"Event\":\"checkpoint_captured\",\"PauseUs\":43000,\"Why\":\"periodic\"}", "its state captured, pause 43ms (periodic)" },
        { "{\"Event\":\"checkpoint_captured\",\"PauseUs\":43000,\"Stopped\":true,\"Why\":\"vacate\"}",
          "stopped, and its state captured, pause 43ms (vacate)" },
        { "{\"Event\":\"checkability\",\"Problems\":[\"uses io_uring\",\"has\\u001ba device\"]}",
          "can not be checkpointed as it is: uses io_uring; has?a device" },
        { "{\"Event\":\"checkability\",\"Problems\":[]}", "nothing keeps it from being checkpointed any more" },
        { "{\"Event\":\"checkpoint_verified\",\"Generation\":3}", "checkpoint 3 verified: it was restored for trial" },
        { "{\"Event\":\"checkpoint_failed\",\"Reason\":\"no answer\",\"Why\":\"user\"}", "checkpoint failed: no answer (user)" },
        { "{\"Event\":\"checkpoint_refused\",\"Reason\":\"it cannot\"}", "checkpoint refused: it cannot" },
        { "{\"Event\":\"generation_corrupt\",\"Generation\":2,\"Reason\":\"one byte\"}", "checkpoint 2 is corrupt and was set aside: one byte" },
        { "{\"Event\":\"evicted\",\"Checkpointed\":true,\"Generation\":4,\"LostUs\":0,\"Reason\":\"for eva\"}",
          "evicted with a checkpoint (goes on from 4), 0s lost: for eva" },
        { "{\"Event\":\"evicted\",\"Checkpointed\":false,\"LostUs\":61000000}", "evicted without a checkpoint, 1m01s lost" },
        { "{\"Event\":\"vacating\",\"Reason\":\"by hand\"}", "asked to leave its slot: by hand" },
        { "{\"Event\":\"held\",\"Reason\":\"input vanished\",\"Code\":13}", "held: input vanished" },
        { "{\"Event\":\"completed\",\"ExitCode\":0}", "completed: exit 0" },
        { "{\"Event\":\"failed\",\"Reason\":\"signal 9\",\"Retry\":true}", "the stint failed: signal 9; will be tried again" },
        { "{\"Event\":\"runner_lost\",\"Reason\":\"killed\"}", "its runner was lost: killed" },
        { "{\"Event\":\"image_size\",\"Size\":9000,\"ResidentSetSize\":2048}", "uses 2.0 MiB of memory" },
        { "{\"Event\":\"edited\",\"Seq\":4,\"Time\":5,\"ClusterId\":7,\"JobPrio\":5,\"Note\":\"x\"}", "edited: JobPrio = 5, Note = \"x\"" },
        { "{}", "?" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        auto_ad struct ad *event = from_json(rows[i].event);
        auto_buf struct buf out = { 0 };
        words_event(&out, event);
        assert_string_equal(buf_cstr(&out), rows[i].words);
    }
}

/* Runs of blanks become one, so that tests do not count columns. */
static char *squeeze(const struct buf *text)
{
    char *out = mem_dup(buf_cstr(text)), *to = out;
    for (const char *p = out; *p; p++)
        if (*p != ' ' || (to > out && to[-1] != ' ' && to[-1] != '\n'))
            *to++ = *p;
    *to = '\0';
    return out;
}

static const char two_jobs[] =
    "{\"Jobs\":[{\"ClusterId\":7,\"ProcId\":0,\"Owner\":\"eva\",\"QDate\":1795453200,\"OccupiedUs\":754500000,\"JobState\":\"running\","
    "\"NumCkpts\":3,\"LastCkptTime\":1795456372,\"GoodputUs\":720000000,\"LostUs\":0,\"Cmd\":\"/home/eva/toy\",\"Arguments\":\"-n 5\","
    "\"TotalSubmitProcs\":5},"
    "{\"ClusterId\":7,\"ProcId\":1,\"Owner\":\"eva\",\"QDate\":1795453200,\"JobState\":\"held\",\"HoldReason\":\"no input\",\"LostUs\":61000000,"
    "\"Cmd\":\"toy\",\"TotalSubmitProcs\":5}]}";

/* The tables take the answer's text. */
static void print(enum q_table table, const struct ad *answer, const struct screen *screen, struct buf *out)
{
    auto_buf struct buf text = { 0 };
    struct error err;
    ad_print_json(answer, &text);
    assert_ok(q_print(table, (struct json_slice){ text.data, text.len }, screen, out, &err), err);
}

static void the_queue_is_a_table_with_totals(void **state)
{
    auto_ad struct ad *jobs = from_json(two_jobs), *none = from_json("{\"Jobs\":[]}");
    auto_buf struct buf out = { 0 }, empty = { 0 };
    (void)state;
    print(Q_TABLE_JOBS, jobs, &paper, &out);
    auto_free char *text = squeeze(&out);
    assert_string_equal(text, "ID OWNER SUBMITTED RUN STATE CKPT(AGE) SAVED LOST CMD\n"
                              "7.0 eva 11-23 17:00 12m34s running 3 (2m10s) 12m00s - toy -n 5\n"
                              "7.1 eva 11-23 17:00 0s held: no input - - 1m01s toy\n"
                              "2 jobs: 1 running, 1 held; 12m00s saved, 1m01s lost\n");
    print(Q_TABLE_JOBS, none, &paper, &empty);
    assert_string_equal(buf_cstr(&empty), "0 jobs; 0s saved, 0s lost\n");
}

static void a_narrow_screen_cuts_reasons_and_commands_only(void **state)
{
    auto_ad struct ad *jobs = from_json(two_jobs);
    auto_buf struct buf out = { 0 };
    const struct screen narrow = { .width = 80, .now_us = NOW };
    (void)state;
    ad_set_string((struct ad *)(uintptr_t)ad_list_ad(jobs, "Jobs", 1), "HoldReason",
                  "a very long reason that nobody can read in a table of eighty columns");
    print(Q_TABLE_JOBS, jobs, &narrow, &out);
    for (const char *line = buf_cstr(&out); *line; line = strchr(line, '\n') + 1)
        assert_true(strcspn(line, "\n") <= 84); /* bytes; "…" has three */
    assert_contains(buf_cstr(&out), "1m01s");
    assert_contains(buf_cstr(&out), "held: a ver");
}

static void batches_are_counted_together(void **state)
{
    auto_ad struct ad *jobs = from_json(two_jobs);
    auto_buf struct buf out = { 0 };
    (void)state;
    struct ad *other = from_json("{\"ClusterId\":9,\"ProcId\":0,\"Owner\":\"eva\",\"JobState\":\"idle\",\"JobBatchName\":\"sweep\",\"Cmd\":\"x\"}");
    struct ad *more = ad_copy(other);
    ad_set_int(more, "ClusterId", 12);
    ad_append_ad(jobs, "Jobs", other);
    ad_append_ad(jobs, "Jobs", more);
    print(Q_TABLE_BATCHES, jobs, &paper, &out);
    auto_free char *text = squeeze(&out);
    assert_contains(text, "ID: 7 eva 11-23 17:00 3 1 0 1 5 12m00s 1m01s toy -n 5\n");
    assert_contains(text, "sweep eva - - 0 2 0 2 0s 0s x\n");
    assert_contains(text, "4 jobs: 2 idle, 1 running, 1 held;");
}

static void the_history_shows_ends(void **state)
{
    auto_ad struct ad *jobs = from_json("{\"Jobs\":[{\"ClusterId\":7,\"ProcId\":0,\"Owner\":\"eva\",\"QDate\":1795453200,\"JobState\":\"completed\","
                                        "\"ExitCode\":1,\"OccupiedUs\":60000000,\"CompletionDate\":1795456502,\"NumCkpts\":2,\"GoodputUs\":60000000,"
                                        "\"Cmd\":\"toy\"}]}");
    auto_ad struct ad *none = from_json("{\"Jobs\":[]}");
    auto_buf struct buf out = { 0 };
    (void)state;
    print(Q_TABLE_PAST, jobs, &paper, &out);
    auto_free char *text = squeeze(&out);
    assert_contains(text, "7.0 eva 11-23 17:00 1m00s 11-23 17:55 completed: exit 1 2 1m00s - toy\n");
    buf_clear(&out);
    print(Q_TABLE_PAST, none, &paper, &out);
    assert_string_equal(buf_cstr(&out), "no past jobs\n");
}

static void the_ledger_adds_up_in_its_last_row(void **state)
{
    auto_ad struct ad *rows = from_json(
        "{\"Ledger\":[{\"ClusterId\":7,\"ProcId\":0,\"Stint\":1,\"Owner\":\"eva\",\"Day\":20780,\"GoodputUs\":60000000,\"LostUs\":30000000,"
        "\"CheckpointUs\":1000000,\"RestoreUs\":0,\"TransferUs\":4000000,\"IdleUs\":5000000,\"OccupiedUs\":100000000},"
        "{\"ClusterId\":8,\"ProcId\":0,\"Stint\":2,\"Owner\":\"udo\",\"Day\":20781,\"GoodputUs\":100000000,\"OccupiedUs\":100000000}]}");
    static const struct {
        const char *by;
        const char *line;
    } lines[] = {
        { "job", "7.0 1m00s 30.0s 1.0s - 4.0s 5.0s 1m40s 60.0%\n" }, { "job", "total 2m40s 30.0s 1.0s - 4.0s 5.0s 3m20s 80.0%\n" },
        { "stint", "8.0 stint 2 1m40s" }, { "user", "udo 1m40s" }, { "day", "2026-11-23 1m00s" }, { "pool", "pool 1m00s" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        auto_buf struct buf out = { 0 };
        ledger_print(rows, lines[i].by, &paper, &out);
        auto_free char *text = squeeze(&out);
        assert_contains(text, lines[i].line);
    }
}

static void causes_have_shares(void **state)
{
    auto_ad struct ad *rows = from_json("{\"Ledger\":[{\"Class\":\"lost\",\"Cause\":\"vacate\",\"OccupiedUs\":30000000},"
                                        "{\"Class\":\"goodput\",\"Cause\":\"completed\",\"OccupiedUs\":90000000}]}");
    auto_ad struct ad *none = from_json("{\"Ledger\":[]}");
    auto_buf struct buf by_class = { 0 }, by_cause = { 0 }, empty = { 0 };
    (void)state;
    ledger_print(rows, "class", &paper, &by_class);
    ledger_print(rows, "cause", &paper, &by_cause);
    ledger_print(none, "job", &paper, &empty);
    auto_free char *a = squeeze(&by_class), *b = squeeze(&by_cause);
    assert_string_equal(a, "CLASS CAUSE OCCUPIED SHARE\nlost vacate 30.0s 25.0%\ngoodput completed 1m30s 75.0%\ntotal 2m00s\n");
    assert_contains(b, "CAUSE CLASS OCCUPIED SHARE\nvacate lost");
    assert_string_equal(buf_cstr(&empty), "no time has been accounted for yet\n");
}

static void users_have_usage_and_priority(void **state)
{
    auto_ad struct ad *users = from_json("{\"Users\":[{\"Owner\":\"eva\",\"DecayedCpuS\":90.5,\"TotalCpuUs\":3600000000,\"Factor\":1000,"
                                         "\"EffectivePriority\":500.5}]}");
    auto_buf struct buf out = { 0 };
    (void)state;
    users_print(users, &paper, &out);
    auto_free char *text = squeeze(&out);
    assert_string_equal(text, "USER USAGE TOTAL FACTOR PRIORITY\neva 1m30s 1h00m 1000 500.50\n");
}

static void the_pool_is_described(void **state)
{
    auto_ad struct ad *pool = from_json("{\"Version\":\"0.1.0\",\"Pid\":42,\"Owner\":\"eva\",\"StartedUs\":1795456372000000,\"MachineWide\":true,"
                                        "\"Directory\":\"/var/lib/stint\",\"Cpus\":4,\"CpusUsed\":3,\"Memory\":2048,\"MemoryUsed\":512,\"Disk\":1048576,"
                                        "\"DiskUsed\":0,\"Jobs\":{\"idle\":2,\"running\":3,\"held\":0},\"Limits\":\"enforced by cgroup v2\"}");
    auto_buf struct buf out = { 0 };
    (void)state;
    pool_print(pool, &paper, &out);
    assert_string_equal(buf_cstr(&out), "pool       /var/lib/stint (machine-wide), of eva\n"
                                        "running    as process 42, version 0.1.0, for 2m10s\n"
                                        "cpus       3 of 4 used\n"
                                        "memory     512 MiB of 2.0 GiB used\n"
                                        "disk       0 B of 1.0 GiB used\n"
                                        "jobs       2 idle, 3 running\n"
                                        "limits     enforced by cgroup v2\n");
}

static void a_story_has_all_its_parts(void **state)
{
    auto_ad struct ad *answer = from_json(
        "{\"Job\":{\"ClusterId\":7,\"ProcId\":0,\"Owner\":\"eva\",\"Cmd\":\"/x/toy\",\"QDate\":1795453200,\"Iwd\":\"/x\",\"JobState\":\"idle\","
        "\"EnteredCurrentStatus\":1795456372,\"RequestCpus\":1,\"RequestMemory\":512,\"NumCkpts\":2,\"NumCkptsFailed\":1,"
        "\"LastCkptTimeUs\":1795456372000000,\"LastCkptBytes\":1536,\"LastCkptPauseUs\":12000,\"LastCkptCommitUs\":3000,"
        "\"LastCkptLatencyUs\":40000,\"LastCkptError\":\"disk full\",\"GoodputUs\":60000000,\"LostUs\":5000000,\"AtRiskUs\":1000000,"
        "\"NumVacates\":1,\"VacateReason\":\"by hand\"},"
        "\"IdleReason\":\"all cpus are taken\","
        "\"Stints\":[{\"Stint\":1,\"GrantedWallUs\":1795453200000000,\"OccupiedUs\":100000000,\"Outcome\":\"evicted\",\"Cause\":\"vacate\"}],"
        "\"Checkpoints\":[{\"Generation\":1,\"Bytes\":1536,\"PauseUs\":12000,\"LatencyUs\":-1,\"Why\":\"periodic\"}],"
        "\"Ledger\":[{\"Class\":\"goodput\",\"Cause\":\"checkpoint\",\"OccupiedUs\":60000000}],"
        "\"Events\":[{\"Time\":1795453200000000,\"Event\":\"submitted\"}]}");
    auto_buf struct buf out = { 0 };
    (void)state;
    story_print(answer, &paper, &out);
    auto_free char *text = squeeze(&out);
    assert_string_equal(
        text, "Job 7.0 of eva: toy\nsubmitted 2026-11-23 17:00:00 in /x\n\n"
              "It is idle, since 2026-11-23 17:52:52 (2m10s).\n"
              "Why it is idle: all cpus are taken\n"
              "It asks for 1 cpu, 512 MiB of memory.\n"
              "2 checkpoints were taken, the last one 2m10s ago: 1.5 KiB, pause 12ms, commit 3.0ms, from the signal to success 40ms; "
              "1 failed; the last error: disk full.\n"
              "Of its work 1m00s is saved, 5.0s was lost, 1.0s is at risk until the next checkpoint; it was evicted 1 time, last: by hand.\n"
              "\nStints\nSTINT BEGAN OCCUPIED OUTCOME CAUSE\n1 2026-11-23 17:00:00 1m40s evicted vacate\n"
              "\nCheckpoints\nGENERATION BYTES PAUSE LATENCY WHY\n1 1.5 KiB 12ms periodic\n"
              "\nWhere the time went\nCLASS CAUSE CPU TIME\ngoodput checkpoint 1m00s\n"
              "\nWhat happened\n2026-11-23 17:00:00 submitted\n");
}

static void a_young_jobs_story_is_short(void **state)
{
    auto_ad struct ad *answer = from_json("{\"Job\":{\"ClusterId\":7,\"ProcId\":0,\"JobState\":\"running\"},\"IdleReason\":\"old\",\"Stints\":[]}");
    auto_ad struct ad *nothing = from_json("{}");
    auto_buf struct buf out = { 0 }, none = { 0 };
    (void)state;
    story_print(answer, &paper, &out);
    assert_contains(buf_cstr(&out), "No checkpoint has been taken yet.\n");
    assert_null(strstr(buf_cstr(&out), "idle"));
    assert_null(strstr(buf_cstr(&out), "Stints"));
    story_print(nothing, &paper, &none);
    assert_string_equal(buf_cstr(&none), "");
}

static void the_story_says_how_it_is_checkpointed_and_what_stands_in_the_way(void **state)
{
    static const struct { const char *job, *says; } rows[] = {
        { "\"CheckpointMethod\":\"self, transparent\"", "Checkpoints: self, transparent\n" },
        { "\"CheckpointMethod\":\"auto\",\"CheckpointMethodUsed\":\"self\"", "Checkpoints: self (its own protocol)\n" },
        { "\"CheckpointMethodUsed\":\"transparent\"", "Checkpoints: transparent (CRIU)\n" },
        { "\"CheckpointMethodUsed\":\"none\",\"CheckpointMethodReason\":\"no criu\"", "Checkpoints: none: no criu\n" },
        { "\"CheckpointMethodUsed\":\"transparent\",\"CheckabilityTime\":1795456372,\"CheckabilityProblems\":[\"uses io_uring\",\"x\\ny\"]",
          "Checkpoints: transparent (CRIU)\nIt can not be checkpointed as it is, seen 2m10s ago (stint-transparent(7) says what helps):\n"
          "  - uses io_uring\n  - x y\n" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        auto_free char *json = mem_printf("{\"Job\":{\"ClusterId\":7,\"ProcId\":0,%s}}", rows[i].job);
        auto_ad struct ad *answer = from_json(json);
        auto_buf struct buf out = { 0 };
        story_print(answer, &paper, &out);
        assert_contains(buf_cstr(&out), rows[i].says);
    }
}

static void progress_is_one_line(void **state)
{
    auto_ad struct ad *active = from_json("{\"Jobs\":[{\"JobState\":\"running\",\"LastCkptTimeUs\":1795456372000000},"
                                          "{\"JobState\":\"running\",\"LastCkptTime\":1795450000},{\"JobState\":\"idle\"}]}");
    auto_buf struct buf out = { 0 };
    (void)state;
    wait_progress(active, 17, &paper, &out);
    assert_string_equal(buf_cstr(&out), "17 of 20 done, 1 idle, 2 running, last checkpoint 2m10s ago");
}

static void many_results_are_counted_and_few_are_listed(void **state)
{
    auto_ad struct ad *answer = ad_new();
    auto_buf struct buf out = { 0 }, problems = { 0 };
    (void)state;
    for (int i = 0; i < 100; i++) {
        struct ad *result = ad_new();
        ad_set_string(result, "Id", "7.0");
        ad_set_bool(result, "Ok", i >= 30);
        ad_append_ad(answer, "Results", result);
    }
    assert_int_equal(act_print("rm", answer, &out, &problems), 30);
    assert_string_equal(buf_cstr(&out), "70 jobs: removed\n");
    assert_contains(buf_cstr(&problems), "7.0: not done\n");
    assert_contains(buf_cstr(&problems), "… and 10 more\n");
}

static void edits_understand_units_and_expressions(void **state)
{
    static const struct {
        const char *text;
        const char *ad; /* NULL = refused */
    } rows[] = {
        { "priority=-5", "JobPrio = -5\n" },
        { "REQUEST_MEMORY=1500", "RequestMemory = 1500\n" },
        { "request_memory=1G", "RequestMemory = 1024\n" },
        { "request_memory=1B", "RequestMemory = 1\n" },
        { "request_disk=1 GiB", "RequestDisk = 1048576\n" },
        { "request_memory=MY.Size*2", "RequestMemory = MY.Size * 2\n" },
        { "checkpoint_interval=90", "CheckpointIntervalUs = 90000000\n" },
        { "checkpoint_interval=auto", "CheckpointIntervalUs = undefined\n" },
        { "checkpoint_method=self, transparent", "CheckpointMethod = \"self, transparent\"\n" },
        { "own_network=true", "OwnNetwork = true\n" },
        { "writable_paths=/a,/b", "WritablePaths = \"/a,/b\"\n" },
        { "Foo=\"a = b\"", "Foo = \"a = b\"\n" },
        { "Foo=true", "Foo = true\n" },
        { "=5", NULL },
        { "Foo", NULL },
        { "Foo=", NULL },
        { "Foo=two words", NULL },
        { "9a=5", NULL },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        auto_ad struct ad *set = ad_new();
        struct error err;
        int r = edit_parse(rows[i].text, set, &err);
        auto_free char *text = text_of(set);
        assert_int_equal(r, rows[i].ad ? 0 : CLI_BAD_USAGE);
        assert_string_equal(text, rows[i].ad ? rows[i].ad : "");
    }
}

static void a_table_without_rows_prints_nothing(void **state)
{
    static const struct table_column columns[] = { { "A", TABLE_LEFT }, { "B", TABLE_RIGHT } };
    auto_table struct table *table = table_new(columns, 2);
    auto_buf struct buf out = { 0 };
    (void)state;
    table_print(table, 0, &out);
    assert_string_equal(buf_cstr(&out), "");
    buf_text(table_cell(table), "x");
    table_end_row(table);
    buf_text(table_cell(table), "longer");
    buf_text(table_cell(table), "1");
    table_end_row(table);
    assert_int_equal(table_rows(table), 2);
    table_print(table, 0, &out);
    assert_string_equal(buf_cstr(&out), "A      B\nx\nlonger 1\n");
}

static int setup(void **state)
{
    (void)state;
    setenv("TZ", "UTC", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    tzset();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_of_others_cannot_move_the_cursor),
        cmocka_unit_test(counts_times_and_ages_are_said_plainly),
        cmocka_unit_test(states_tell_their_reason),
        cmocka_unit_test(events_are_clauses),
        cmocka_unit_test(the_queue_is_a_table_with_totals),
        cmocka_unit_test(a_narrow_screen_cuts_reasons_and_commands_only),
        cmocka_unit_test(batches_are_counted_together),
        cmocka_unit_test(the_history_shows_ends),
        cmocka_unit_test(the_ledger_adds_up_in_its_last_row),
        cmocka_unit_test(causes_have_shares),
        cmocka_unit_test(users_have_usage_and_priority),
        cmocka_unit_test(the_pool_is_described),
        cmocka_unit_test(a_story_has_all_its_parts),
        cmocka_unit_test(a_young_jobs_story_is_short),
        cmocka_unit_test(the_story_says_how_it_is_checkpointed_and_what_stands_in_the_way),
        cmocka_unit_test(progress_is_one_line),
        cmocka_unit_test(many_results_are_counted_and_few_are_listed),
        cmocka_unit_test(edits_understand_units_and_expressions),
        cmocka_unit_test(a_table_without_rows_prints_nothing),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
