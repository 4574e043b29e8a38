#!/usr/bin/env bats
# Failures: of the job, of its runner, of its files. What is tried again, from where, and what a person must mend.
load lib

# ---- the job's own failures ----

@test "a job that fails is done, with its exit code, and wait says it" {
    job a FAIL_AT=4 <<<"$protocol"
    id=$(submit a.sub)
    run stint wait -q "${id%.0}"
    [ "$status" = 3 ]
    completed "$id" 3
    is "$id" NumJobStarts 1
    counts_up a.out 4
}

@test "with max_retries a failed job goes on from its checkpoint" {
    job a SELF=3 FAIL_AT=5 FAIL_TIMES=1 FAILED="$work/failed" TRACE="$work/trace" <<<"$protocol
max_retries = 2"
    id=$(submit a.sub)
    completed "$id"
    [ "$(sed 's/start at //' trace | xargs)" = "0 3 3 6 9" ]
    counts_up a.out 10
    at_least "$id" LostUs 1
    check_ledger
}

@test "retries are counted, and when none is left the failure is the result" {
    job a FAIL_AT=2 FAILED="$work/failed" <<<"max_retries = 2"
    id=$(submit a.sub)
    completed "$id" 3
    [ "$(wc -l <failed)" = 3 ]
    is "$id" StintNumber 3
    counts_up a.out 2
}

@test "success_exit_code says what is no failure" {
    job a FAIL_AT=2 FAILED="$work/failed" <<<"max_retries = 2
success_exit_code = 3"
    id=$(submit a.sub)
    completed "$id" 3
    [ "$(wc -l <failed)" = 1 ]
}

@test "retry_until ends the retries" {
    job a FAIL_AT=2 FAIL_WITH=5 FAILED="$work/failed" <<<"max_retries = 4
retry_until = 5"
    id=$(submit a.sub)
    completed "$id" 5
    [ "$(wc -l <failed)" = 1 ]
}

@test "a job that crashes is done by signal, and wait says 128 and the signal" {
    job a FAIL_AT=2 FAIL_WITH=SEGV </dev/null
    id=$(submit a.sub)
    run stint wait -q "$id"
    [ "$status" = 139 ]
    state_is "$id" completed
    is "$id" ExitSignal 11
}

@test "a job that crashes with retries allowed goes on from its checkpoint" {
    job a SELF=3 FAIL_AT=5 FAIL_WITH=SEGV FAIL_TIMES=1 FAILED="$work/failed" TRACE="$work/trace" <<<"$protocol
max_retries = 1"
    id=$(submit a.sub)
    completed "$id"
    counts_up a.out 10
    [ "$(sed -n 3p trace)" = "start at 3" ]
}

# ---- killed by others ----

@test "a job that somebody kills goes on from its checkpoint, without any retries" {
    running a TRACE="$work/trace" <<<"$protocol"
    wait_printed "$id" 2
    stint checkpoint "$id"
    wait_for "its second start" lines_in trace 2
    kill -KILL "$(pid_of_program "$id")"
    wait_for "its third start" lines_in trace 3
    [ "$(sed -n 3p trace)" = "$(sed -n 2p trace)" ]
    wait_event "$id" running 3
    open_gate
    completed "$id"
    counts_up a.out
    [ "$(stint ledger --by cause --json | jq -r '.Ledger[] | select(.Class == "lost") | .Cause')" = killed ]
    check_ledger
}

@test "a job that is killed again and again is held, not tried for ever" {
    job a FAIL_AT=1 FAIL_WITH=KILL </dev/null
    id=$(submit a.sub)
    wait_state "$id" held
    is "$id" HoldReasonCode 1001
    is "$id" StintNumber 5
    [[ "$(attr "$id" HoldReason)" == *"5 times in a row"*"signal 9"* ]]
    stint release "$id"
    wait_event "$id" running 6
}

@test "a runner that dies is noticed in a second, and its job goes on from its checkpoint" {
    running a TRACE="$work/trace" <<<"$protocol"
    stint checkpoint "$id"
    wait_for "its second start" lines_in trace 2
    program=$(pid_of_program "$id")
    kill -KILL "$(pid_of_runner "$id")"
    wait_event "$id" runner_lost
    wait_for "its third start" lines_in trace 3
    gone "$program"
    [ "$(sed -n 3p trace)" = "$(sed -n 2p trace)" ]
    [ "$(story "$id" '.Events | (map(select(.Event == "running"))[-1].Time - map(select(.Event == "runner_lost"))[0].Time) < 2000000')" = true ]
    open_gate
    completed "$id"
    counts_up a.out
    [[ "$(events a.log | tr ' ' '\n' | grep -v 006 | xargs)" == *"022 024 001 005" ]]
    check_ledger
    check_stints "$id"
}

@test "a job root that dies takes the job with it, and the job goes on from its checkpoint" {
    running a TRACE="$work/trace" <<<"$protocol"
    stint checkpoint "$id"
    wait_for "its second start" lines_in trace 2
    program=$(pid_of_program "$id")
    kill -KILL "$(ps -o ppid= -p "$program")"
    wait_for "its third start" lines_in trace 3
    gone "$program"
    wait_state "$id" running
    open_gate
    completed "$id"
    counts_up a.out
}

@test "a runner that is asked to end by SIGTERM lets the job take its checkpoint" {
    running a <<<"$protocol"
    kill -TERM "$(pid_of_runner "$id")"
    wait_event "$id" evicted
    is "$id" NumCkpts 1
    wait_event "$id" running 2
    open_gate
    completed "$id"
    counts_up a.out
}

# ---- what a person must mend ----

@test "a program that can not be executed holds the job and says why" {
    printf '#!/no/such/interpreter\n' >prog
    chmod +x prog
    printf 'executable = prog\nlog = a.log\nqueue\n' >a.sub
    id=$(submit a.sub)
    wait_state "$id" held
    is "$id" HoldReasonCode 6
    [[ "$(attr "$id" HoldReason)" == *"cannot execute"*prog* ]]
    [ "$(events a.log)" = "000 012" ]
    printf '#!/bin/sh\nexit 0\n' >prog
    stint release "$id"
    completed "$id"
}

@test "an input that is missing holds the job, and the job runs when it is there and released" {
    echo data >input
    job a COUNT=2 <<<"transfer_input_files = input
hold = true"
    id=$(submit a.sub)
    rm input
    stint release "$id"
    wait_state "$id" held
    is "$id" HoldReasonCode 13
    is "$id" HoldReasonSubCode 2
    [[ "$(attr "$id" HoldReason)" == *input* ]]
    echo data >input
    stint release "$id"
    completed "$id"
    counts_up a.out 2
    check_ledger
}

@test "an output that is missing holds the job and names it; what was done is not thrown away" {
    job a COUNT=2 TRACE="$work/trace" <<<"transfer_output_files = result"
    id=$(submit a.sub)
    wait_state "$id" held
    is "$id" HoldReasonCode 12
    [[ "$(attr "$id" HoldReason)" == *result* ]]
    is "$id" LostUs 0
    stint edit "$id" 'TransferOutput=""'
    stint release "$id"
    completed "$id"
    counts_up a.out 2
    [ "$(wc -l <trace)" = 1 ]
    [ "$(events a.log)" = "000 001 004 012 013 005" ]
    check_ledger
}

@test "a directory for the output that has vanished holds the job; once it is back the output is delivered without a second run" {
    mkdir out
    job a COUNT=2 TRACE="$work/trace" "GATE=$gate" </dev/null
    sed -i 's/^output .*/output = out\/a.out/' a.sub
    id=$(submit a.sub)
    wait_printed "$id" 1
    rmdir out
    open_gate
    wait_state "$id" held
    is "$id" HoldReasonCode 12
    stint log "$id" | grep -qx 1
    mkdir out
    stint release "$id"
    completed "$id"
    numbers out/a.out >got
    [ "$(head -n 2 got | xargs)" = "0 1" ]
    [ "$(wc -l <trace)" = 1 ]
    check_ledger
}
