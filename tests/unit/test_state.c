/* The table of states against docs/states.md, pair by pair, and the rules that the table must keep. */
#include "job/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const action_names[] = {
    "none", "start", "checkpoint", "suspend", "continue", "vacate", "leave", "free", "finish",
};

/* The document's line for a pair, or "" when it has none. */
static void find_line(const char *state, const char *event, char *line, size_t size)
{
    char start[64];
    FILE *f = fopen(TEST_CASES "/../../docs/states.md", "r");
    assert_non_null(f);
    snprintf(start, sizeof start, "| %s | %s |", state, event);
    while (fgets(line, (int)size, f))
        if (strncmp(line, start, strlen(start)) == 0) {
            fclose(f);
            return;
        }
    fclose(f);
    line[0] = '\0';
}

static void the_table_is_the_documents(void **state)
{
    (void)state;
    for (int s = 0; s < JOB_STATE_COUNT; s++)
        for (int e = 0; e < JOB_EVENT_COUNT; e++) {
            struct job_move m = job_step((enum job_state)s, (enum job_event)e);
            char want[256] = "", line[256];
            const char *from = job_state_name((enum job_state)s), *by = job_event_name((enum job_event)e);
            if (m.allowed)
                snprintf(want, sizeof want, "| %s | %s | %s | %s | |\n", from, by, job_state_name(m.next), action_names[m.action]);
            else if (m.refusal[0])
                snprintf(want, sizeof want, "| %s | %s | | | %s |\n", from, by, m.refusal);
            find_line(from, by, line, sizeof line);
            assert_string_equal(line, want);
        }
}

static void every_pair_moves_or_says_why_not(void **state)
{
    (void)state;
    for (int s = 0; s < JOB_STATE_COUNT; s++)
        for (int e = 0; e < JOB_EVENT_COUNT; e++) {
            struct job_move m = job_step((enum job_state)s, (enum job_event)e);
            assert_true(m.allowed || m.refusal);
        }
}

static bool is_end(enum job_event e)
{
    return e == JOB_EVENT_END_COMPLETED || e == JOB_EVENT_END_EVICTED || e == JOB_EVENT_END_FAILED || e == JOB_EVENT_END_HELD ||
           e == JOB_EVENT_LOST;
}

static void a_slot_is_freed_exactly_when_the_stint_ends(void **state)
{
    (void)state;
    for (int s = 0; s < JOB_STATE_COUNT; s++)
        for (int e = 0; e < JOB_EVENT_COUNT; e++) {
            struct job_move m = job_step((enum job_state)s, (enum job_event)e);
            if (!m.allowed)
                continue;
            bool had = job_state_occupies((enum job_state)s), has = job_state_occupies(m.next);
            assert_int_equal(had && !has, had && is_end((enum job_event)e));
            assert_int_equal(!had && has, e == JOB_EVENT_GRANT);
            assert_int_equal(m.action == JOB_ACT_FINISH, job_state_final(m.next));
        }
}

static void every_occupied_state_survives_every_end(void **state)
{
    (void)state;
    for (int s = 0; s < JOB_STATE_COUNT; s++)
        for (int e = 0; e < JOB_EVENT_COUNT; e++)
            if (job_state_occupies((enum job_state)s) && is_end((enum job_event)e))
                assert_true(job_step((enum job_state)s, (enum job_event)e).allowed);
}

static void completed_wins_over_every_wish(void **state)
{
    (void)state;
    for (int s = 0; s < JOB_STATE_COUNT; s++)
        if (job_state_occupies((enum job_state)s))
            assert_int_equal(job_step((enum job_state)s, JOB_EVENT_END_COMPLETED).next, JOB_COMPLETED);
}

static void nothing_leaves_a_final_state(void **state)
{
    (void)state;
    for (int e = 0; e < JOB_EVENT_COUNT; e++) {
        assert_false(job_step(JOB_COMPLETED, (enum job_event)e).allowed);
        assert_false(job_step(JOB_REMOVED, (enum job_event)e).allowed);
    }
}

static void names_read_back(void **state)
{
    (void)state;
    for (int s = 0; s < JOB_STATE_COUNT; s++) {
        enum job_state back;
        assert_true(job_state_from_name(job_state_name((enum job_state)s), &back));
        assert_int_equal(back, s);
    }
    enum job_state none;
    assert_false(job_state_from_name("sleeping", &none));
    assert_int_equal(job_state_status(JOB_IDLE), 1);
    assert_int_equal(job_state_status(JOB_VACATING), 2);
    assert_int_equal(job_state_status(JOB_HELD), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_the_documents),
        cmocka_unit_test(every_pair_moves_or_says_why_not),
        cmocka_unit_test(a_slot_is_freed_exactly_when_the_stint_ends),
        cmocka_unit_test(every_occupied_state_survives_every_end),
        cmocka_unit_test(completed_wins_over_every_wish),
        cmocka_unit_test(nothing_leaves_a_final_state),
        cmocka_unit_test(names_read_back),
    };
    return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
