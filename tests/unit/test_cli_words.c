/* What commands say and send, case by case: choices of jobs, answers to requests, progress, sums and stories. No pool is asked. */
#include "cli_fixture.h"

#include "cli/act.h"
#include "cli/checkpoint.h"
#include "cli/ledger.h"
#include "cli/q.h"
#include "cli/select.h"
#include "cli/story.h"
#include "cli/wait.h"

#include <time.h>

#define assert_ok(call, err)                  \
    do {                                      \
        if ((call) != 0)                      \
            fail_msg("%s: %s", #call, (err).text); \
    } while (0)

#define NOW INT64_C(1795456502000000) /* 2026-11-23 17:55:02 UTC */
static const struct screen paper = { .width = 0, .now_us = NOW };

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

/* ---- which jobs ---- */

/* The words of a command line behind its command, parted by blanks; they live in `copy`. */
static int parse(const char *line, char copy[256], char *argv[16], struct cli_call *call, struct error *err)
{
    int argc = 0;
    snprintf(copy, 256, "%s", line);
    const struct cli_command *command = cli_find(strsep(&copy, " "));
    assert_non_null(command);
    while (copy && argc < 16)
        argv[argc++] = strsep(&copy, " ");
    return cli_parse(argc, argv, command, call, err);
}

static void an_action_names_its_jobs_in_exactly_one_way(void **state)
{
    static const struct { const char *line, *body; } cases[] = {
        { "hold 7.0", "{\"Jobs\":[\"7.0\"]}" },
        { "hold 7 8.1 9.12", "{\"Jobs\":[\"7\",\"8.1\",\"9.12\"]}" },
        { "hold --all", "{\"Jobs\":[],\"Constraint\":\"true\"}" },
        { "hold -c Size>5", "{\"Jobs\":[],\"Constraint\":\"Size>5\"}" },
        { "rm --constraint=Owner==\"x\"", "{\"Jobs\":[],\"Constraint\":\"Owner==\\\"x\\\"\"}" },
        { "vacate --fast 7.0", "{\"Jobs\":[\"7.0\"]}" },
        { "hold", NULL },
        { "hold 7.0 --all", NULL },
        { "hold -c true --all", NULL },
        { "hold 7.0 -c true", NULL },
        { "hold 7.", NULL },
        { "hold .1", NULL },
        { "hold 7.0.0", NULL },
        { "hold 0.0", NULL },
        { "hold 7.0 seven", NULL },
        { "hold 99999999999.0", NULL },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_cli_call struct cli_call call = { 0 };
        auto_ad struct ad *body = ad_new();
        struct error err = { 0 };
        char copy[256], *argv[16];
        assert_int_equal(parse(cases[i].line, copy, argv, &call, &err), 0);
        int r = select_action(&call, body, &err);
        if (r != (cases[i].body ? 0 : CLI_BAD_USAGE))
            fail_msg("%s gives %d: %s", cases[i].line, r, err.text);
        auto_free char *json = json_of(body);
        if (cases[i].body)
            assert_string_equal(json, cases[i].body);
        else
            assert_true(strstr(err.text, "which jobs?") || strstr(err.text, "is not a job's ID: write 7.0"));
    }
}

/* ---- actions ---- */

static void an_answer_to_an_action_says_what_comes_next(void **state)
{
    static const struct { const char *command, *results, *out, *problems; size_t bad; } cases[] = {
        { "hold", "[{\"Id\":\"7.0\",\"Ok\":true,\"Message\":\"held\"}]",
          "7.0: held\nlet it run again with: stint release 7.0\n", "", 0 },
        { "release", "[{\"Id\":\"7.0\",\"Ok\":true}]", "7.0: released\nfollow it with: stint log -f 7.0\n", "", 0 },
        { "suspend", "[{\"Id\":\"7.0\",\"Ok\":true}]", "7.0: suspended\nlet it go on with: stint continue 7.0\n", "", 0 },
        { "continue", "[{\"Id\":\"7.0\",\"Ok\":true}]", "7.0: continued\n", "", 0 },
        { "rm", "[{\"Id\":\"7.0\",\"Ok\":true},{\"Id\":\"7.1\",\"Ok\":true}]", "7.0: removed\n7.1: removed\n", "", 0 },
        { "rm", "[{\"Id\":\"7.0\",\"Ok\":false,\"Message\":\"it belongs to somebody else\"},{\"Id\":\"7.1\",\"Ok\":true}]",
          "7.1: removed\n", "7.0: it belongs to somebody else\n", 1 },
        { "hold", "[{\"Id\":\"7.0\",\"Ok\":false,\"Message\":\"7.0: it is held already\"}]", "", "7.0: it is held already\n", 1 },
        { "hold", "[{\"Id\":\"7.0\",\"Ok\":false,\"Message\":\"a\\u001b[2Jb\\nc\"}]", "", "7.0: a?[2Jb c\n", 1 },
        { "vacate", "[]", "", "no job matches\n", 1 },
        { "vacate", "[{}]", "", "?: not done\n", 1 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_free char *json = mem_printf("{\"Results\":%s}", cases[i].results);
        auto_ad struct ad *answer = from_json(json);
        auto_buf struct buf out = { 0 }, problems = { 0 };
        assert_int_equal(act_print(cases[i].command, answer, &out, &problems), cases[i].bad);
        assert_string_equal(buf_cstr(&out), cases[i].out);
        assert_string_equal(buf_cstr(&problems), cases[i].problems);
    }
}

/* ---- a checkpoint's answer ---- */

#define ASKED "{\"Results\":[{\"Id\":\"7.0\",\"Ok\":true,\"Seq\":10},{\"Id\":\"7.1\",\"Ok\":true,\"Seq\":8}]}"
#define EVENT(seq, proc, rest) "{\"Events\":[{\"Seq\":" #seq ",\"ClusterId\":7,\"ProcId\":" #proc "," rest "}]}"

static void what_ends_the_waiting_for_a_checkpoint(void **state)
{
    static const struct { const char *event, *says; size_t pending, failed; } cases[] = {
        { EVENT(11, 0, "\"Event\":\"checkpoint_taken\",\"Generation\":2,\"Bytes\":0"), "7.0: checkpoint 2 taken: 0 B\n", 1, 0 },
        { EVENT(11, 0, "\"Event\":\"checkpoint_failed\",\"Reason\":\"full\""), "7.0: checkpoint failed: full\n", 1, 1 },
        { EVENT(11, 0, "\"Event\":\"checkpoint_refused\",\"Reason\":\"no\""), "7.0: checkpoint refused: no\n", 1, 1 },
        { EVENT(11, 1, "\"Event\":\"evicted\",\"Checkpointed\":true"), "7.1: evicted with a checkpoint\n", 1, 0 },
        { EVENT(11, 1, "\"Event\":\"evicted\",\"Checkpointed\":false"), "7.1: evicted without a checkpoint\n", 1, 1 },
        { EVENT(11, 0, "\"Event\":\"completed\",\"ExitCode\":0"), "7.0: completed: exit 0\n", 1, 0 },
        { EVENT(11, 0, "\"Event\":\"runner_lost\",\"Reason\":\"killed\""), "7.0: its runner was lost: killed\n", 1, 1 },
        { EVENT(11, 0, "\"Event\":\"removed\""), "7.0: removed\n", 1, 1 },
        { EVENT(10, 0, "\"Event\":\"checkpoint_taken\""), "", 2, 0 }, /* before it was asked for */
        { EVENT(9, 1, "\"Event\":\"held\""), "7.1: held\n", 1, 1 },
        { EVENT(11, 2, "\"Event\":\"checkpoint_taken\""), "", 2, 0 }, /* of another job */
        { EVENT(11, 0, "\"Event\":\"checkpoint_asked\""), "", 2, 0 },
        { EVENT(11, 0, "\"Event\":\"running\""), "", 2, 0 },
        { "{\"Events\":[]}", "", 2, 0 },
        { "{\"Events\":[7,\"x\"]}", "", 2, 0 },
        { "{}", "", 2, 0 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct checkpoint_wait wait = { 0 };
        auto_ad struct ad *results = from_json(ASKED), *events = from_json(cases[i].event);
        auto_buf struct buf out = { 0 };
        checkpoint_wait_begin(&wait, results, &out);
        assert_int_equal(wait.seq, 8);
        assert_null(checkpoint_wait_only(&wait));
        checkpoint_wait_events(&wait, events, &out);
        assert_string_equal(buf_cstr(&out), cases[i].says);
        assert_int_equal(wait.pending, cases[i].pending);
        assert_int_equal(wait.failed, cases[i].failed);
        checkpoint_wait_events(&wait, events, &out); /* an answer that comes twice counts once */
        assert_int_equal(wait.pending, cases[i].pending);
        checkpoint_wait_release(&wait);
    }
}

static void what_was_refused_at_once_is_not_waited_for(void **state)
{
    struct checkpoint_wait wait = { 0 }, none = { 0 };
    auto_ad struct ad *results = from_json("{\"Results\":[{\"Id\":\"7.0\",\"Ok\":false,\"Message\":\"it is not running\"},"
                                           "{\"Id\":\"7.1\",\"Ok\":true,\"Seq\":4},{\"Id\":\"junk\",\"Ok\":true}]}");
    auto_ad struct ad *empty = from_json("{}");
    auto_buf struct buf out = { 0 }, nobody = { 0 };
    (void)state;
    checkpoint_wait_begin(&wait, results, &out);
    assert_string_equal(buf_cstr(&out), "7.0: refused: it is not running\njunk: refused: the pool does not say why\n");
    assert_int_equal(wait.pending, 1);
    assert_int_equal(wait.failed, 2);
    assert_string_equal(checkpoint_wait_only(&wait), "7.1");
    checkpoint_wait_begin(&none, empty, &nobody);
    assert_string_equal(buf_cstr(&nobody), "no job matches\n");
    assert_int_equal(none.failed, 1);
    checkpoint_wait_release(&wait);
    checkpoint_wait_release(&none);
}

/* ---- waiting ---- */

static void progress_counts_states_and_finds_the_last_checkpoint(void **state)
{
    static const struct { const char *jobs; size_t past; const char *words; } cases[] = {
        { "[]", 0, "0 of 0 done" },
        { "[]", 5, "5 of 5 done" },
        { "[{\"JobState\":\"held\"},{\"JobState\":\"held\"}]", 1, "1 of 3 done, 2 held" },
        { "[{\"JobState\":\"vacating\",\"LastCkptTime\":1795456500}]", 0, "0 of 1 done, 1 vacating, last checkpoint 2.0s ago" },
        { "[{\"JobState\":\"suspended\",\"LastCkptTimeUs\":1795456509000000}]", 0, "0 of 1 done, 1 suspended, last checkpoint 0s ago" },
        { "[{\"JobState\":\"dreaming\"},{}]", 0, "0 of 2 done" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_free char *json = mem_printf("{\"Jobs\":%s}", cases[i].jobs);
        auto_ad struct ad *active = from_json(json);
        auto_buf struct buf out = { 0 };
        wait_progress(active, cases[i].past, &paper, &out);
        assert_string_equal(buf_cstr(&out), cases[i].words);
    }
}

static void an_end_has_the_status_that_a_shell_would_give_it(void **state)
{
    static const struct { const char *job; int status; } cases[] = {
        { "{\"JobState\":\"completed\",\"ExitCode\":0}", 0 },    { "{\"JobState\":\"completed\",\"ExitCode\":3}", 3 },
        { "{\"JobState\":\"completed\",\"ExitCode\":259}", 3 },  { "{\"JobState\":\"completed\",\"ExitSignal\":9}", 137 },
        { "{\"JobState\":\"completed\",\"ExitSignal\":15,\"ExitCode\":0}", 143 }, { "{\"JobState\":\"completed\"}", 1 },
        { "{\"JobState\":\"removed\",\"ExitCode\":0}", 1 },      { "{}", 1 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_ad struct ad *job = from_json(cases[i].job);
        assert_int_equal(wait_exit_status(job), cases[i].status);
    }
}

/* ---- sums ---- */

static void every_view_of_the_ledger_has_its_columns(void **state)
{
    static const struct { const char *by, *rows, *text; } cases[] = {
        { "job", "[]", "no time has been accounted for yet\n" },
        { "job", "[{\"ClusterId\":7,\"ProcId\":0,\"GoodputUs\":60000000,\"LostUs\":20000000,\"OccupiedUs\":80000000}]",
          "JOB GOODPUT LOST CHECKPOINT RESTORE TRANSFER IDLE OCCUPIED GOOD\n7.0 1m00s 20.0s - - - - 1m20s 75.0%\n" },
        { "stint", "[{\"ClusterId\":7,\"ProcId\":0,\"Stint\":2,\"RestoreUs\":5000000,\"OccupiedUs\":5000000}]",
          "JOB GOODPUT LOST CHECKPOINT RESTORE TRANSFER IDLE OCCUPIED GOOD\n7.0 stint 2 - - - 5.0s - - 5.0s 0.0%\n" },
        { "user", "[{\"Owner\":\"eva\"},{\"Owner\":\"bob\",\"IdleUs\":1000,\"OccupiedUs\":1000}]",
          "USER GOODPUT LOST CHECKPOINT RESTORE TRANSFER IDLE OCCUPIED GOOD\neva - - - - - - - -\n"
          "bob - - - - - 1.0ms 1.0ms 0.0%\ntotal - - - - - 1.0ms 1.0ms 0.0%\n" },
        { "day", "[{\"Day\":20780,\"TransferUs\":2000000,\"OccupiedUs\":2000000}]",
          "DAY GOODPUT LOST CHECKPOINT RESTORE TRANSFER IDLE OCCUPIED GOOD\n2026-11-23 - - - - 2.0s - 2.0s 0.0%\n" },
        { "pool", "[{\"GoodputUs\":1000000,\"OccupiedUs\":1000000}]",
          "POOL GOODPUT LOST CHECKPOINT RESTORE TRANSFER IDLE OCCUPIED GOOD\npool 1.0s - - - - - 1.0s 100.0%\n" },
        { "class", "[{\"Class\":\"goodput\",\"OccupiedUs\":3000000},{\"Class\":\"lost\",\"OccupiedUs\":1000000}]",
          "CLASS CAUSE OCCUPIED SHARE\ngoodput - 3.0s 75.0%\nlost - 1.0s 25.0%\ntotal 4.0s\n" },
        { "cause", "[{\"Class\":\"lost\",\"Cause\":\"vacate\",\"OccupiedUs\":1000000}]",
          "CAUSE CLASS OCCUPIED SHARE\nvacate lost 1.0s 100.0%\n" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_free char *json = mem_printf("{\"Ledger\":%s}", cases[i].rows);
        auto_ad struct ad *answer = from_json(json);
        auto_buf struct buf out = { 0 };
        ledger_print(answer, cases[i].by, &paper, &out);
        auto_free char *text = squeeze(&out);
        assert_string_equal(text, cases[i].text);
    }
}

/* ---- stories ---- */

static void a_storys_sentences_fit_what_there_is(void **state)
{
    static const struct { const char *job, *sentence; } cases[] = {
        { "\"NumCkpts\":1,\"LastCkptTimeUs\":1795456492000000", "1 checkpoint was taken 10.0s ago.\n" },
        { "\"NumCkpts\":0,\"NumCkptsFailed\":3", "No checkpoint has been taken yet; 3 failed.\n" },
        { "\"NumCkpts\":1,\"LastCkptTimeUs\":1795456492000000,\"LastCkptLatencyUs\":-1", "1 checkpoint was taken 10.0s ago.\n" },
        { "\"NumCkpts\":0,\"LastCkptError\":\"no\\nspace\"", "No checkpoint has been taken yet; the last error: no space.\n" },
        { "\"GoodputUs\":0", "Of its work 0s is saved, 0s was lost.\n" },
        { "\"NumVacates\":2", "; it was evicted 2 times.\n" },
        { "\"RequestCpus\":4,\"RequestDisk\":2048", "It asks for 4 cpus, 2.0 MiB of disk.\n" },
        { "\"ResidentSetSize\":1024,\"JobPrio\":-3", "It asks for 1 cpu; it used 1.0 MiB of memory; its priority is -3.\n" },
        { "\"JobState\":\"held\",\"HoldReason\":\"no input\"", "It is held: no input.\n" },
        { "\"JobState\":\"completed\",\"ExitCode\":2", "It is completed: exit 2.\n" },
        { "\"Owner\":\"e\\u001bva\",\"Cmd\":\"toy\",\"Arguments\":\"-n 5\"", "Job 7.0 of e?va: toy -n 5\n" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_free char *json = mem_printf("{\"Job\":{\"ClusterId\":7,\"ProcId\":0,%s}}", cases[i].job);
        auto_ad struct ad *answer = from_json(json);
        auto_buf struct buf out = { 0 };
        story_print(answer, &paper, &out);
        assert_contains(buf_cstr(&out), cases[i].sentence);
    }
}

static void every_event_that_a_pool_makes_has_words(void **state)
{
    static const struct { const char *event, *line; } cases[] = {
        { "\"Event\":\"running\",\"Execution\":2,\"Stint\":1", "running again in its sandbox, after a checkpoint" },
        { "\"Event\":\"running\",\"Execution\":1,\"Resumed\":false,\"Stint\":1", "running" },
        { "\"Event\":\"suspended\",\"Stint\":1", "suspended" },
        { "\"Event\":\"continued\",\"Stint\":1", "continued" },
        { "\"Event\":\"released\",\"Reason\":\"by eva\"", "released: by eva" },
        { "\"Event\":\"removed\",\"Reason\":\"\"", "removed" },
        { "\"Event\":\"completed\",\"ExitBySignal\":true,\"ExitSignal\":9,\"Stint\":1", "completed: signal 9" },
        { "\"Event\":\"note\",\"Text\":\"limits are not enforced\",\"Stint\":1", "note: limits are not enforced" },
        { "\"Event\":\"disconnected\"", "the pool that looked after it ended; the job went on" },
        { "\"Event\":\"reconnected\"", "found running by the new pool" },
        { "\"Event\":\"edited\"", "edited" },
        { "\"Event\":\"fresh_idea\",\"Depth\":3", "fresh_idea: Depth = 3" },
        { "\"Event\":\"held\",\"Reason\":\"\\u001b]0;x\\u0007\"", "held: ?]0;x?" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        auto_free char *json = mem_printf("{\"Time\":%lld,\"ClusterId\":7,\"ProcId\":1,\"Seq\":3,%s}", (long long)NOW, cases[i].event);
        auto_free char *want = mem_printf("2026-11-23 17:55:02  %-8s  %s\n", "7.1", cases[i].line);
        auto_ad struct ad *event = from_json(json);
        auto_buf struct buf out = { 0 };
        story_event_line(event, &out);
        assert_string_equal(buf_cstr(&out), want);
    }
}

/* ---- the queue's table ---- */

static void damaged_rows_do_not_end_a_table(void **state)
{
    static const char text[] = "{\"Jobs\":[7,{},null,{\"ClusterId\":1,\"ProcId\":0,\"JobState\":5,\"Cmd\":[]}]}";
    const struct json_slice jobs = { text, sizeof text - 1 };
    struct error err;
    auto_buf struct buf q = { 0 }, history = { 0 }, batches = { 0 };
    (void)state;
    assert_ok(q_print(Q_TABLE_JOBS, jobs, &paper, &q, &err), err);
    assert_ok(q_print(Q_TABLE_PAST, jobs, &paper, &history, &err), err);
    assert_ok(q_print(Q_TABLE_BATCHES, jobs, &paper, &batches, &err), err);
    assert_contains(buf_cstr(&q), "2 jobs");
    assert_contains(buf_cstr(&history), "1.0");
    assert_contains(buf_cstr(&batches), "2 jobs");
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
        cmocka_unit_test(an_action_names_its_jobs_in_exactly_one_way),
        cmocka_unit_test(an_answer_to_an_action_says_what_comes_next),
        cmocka_unit_test(what_ends_the_waiting_for_a_checkpoint),
        cmocka_unit_test(what_was_refused_at_once_is_not_waited_for),
        cmocka_unit_test(progress_counts_states_and_finds_the_last_checkpoint),
        cmocka_unit_test(an_end_has_the_status_that_a_shell_would_give_it),
        cmocka_unit_test(every_view_of_the_ledger_has_its_columns),
        cmocka_unit_test(a_storys_sentences_fit_what_there_is),
        cmocka_unit_test(every_event_that_a_pool_makes_has_words),
        cmocka_unit_test(damaged_rows_do_not_end_a_table),
    };
    return cmocka_run_group_tests_name("cli_words", tests, setup, NULL);
}
