#!/usr/bin/env bats
# What people do to jobs: hold, release, rm, suspend, continue, edit; in every state.
load lib

refused() { # refused TEXT COMMAND…
    local text=$1
    shift
    run stint "$@"
    [ "$status" = 1 ] && [[ "$output" == *"$text"* ]] || { echo "status $status: $output"; return 1; }
}

held_job() {
    job "$1" "GATE=$gate" <<<"$protocol
hold = true"
    id=$(submit "$1.sub")
}

@test "a running job that is held takes its checkpoint, and goes on from it when it is released" {
    running a <<<"$protocol"
    wait_printed "$id" 3
    stint hold --reason "for a test" "$id"
    wait_state "$id" held
    is "$id" HoldReason "for a test"
    is "$id" HoldReasonCode 1
    is "$id" NumCkpts 1
    stint q | grep -q held
    stint release "$id"
    open_gate
    completed "$id"
    counts_up a.out
    is "$id" LostUs 0
    check_ledger
}

@test "a job submitted on hold says so and waits" {
    held_job a
    is "$id" HoldReasonCode 15
    stint show "$id" | grep -q 'It is held.*submitted on hold'
    stint release "$id"
    wait_printed "$id" 0
}

@test "holding and releasing are refused where they make no sense" {
    held_job a
    refused "held already" hold "$id"
    refused "release it first" suspend "$id"
    refused "release it first" continue "$id"
    stint release "$id"
    wait_state "$id" running
    refused "not held" release "$id"
    refused "not suspended" continue "$id"
}

@test "what was done without a protocol is lost when a job is held, and charged to the hold" {
    running a </dev/null
    stint hold "$id"
    wait_state "$id" held
    at_least "$id" LostUs 1
    [ "$(stint ledger --by cause --json | jq -r '.Ledger[] | select(.Class == "lost") | .Cause')" = hold ]
}

@test "a job that is released while it is still leaving for its hold goes on" {
    running a ON_SIGNAL=late LATE="$work/late" <<<"$protocol"
    stint hold "$id"
    wait_state "$id" holding
    stint release "$id"
    touch late
    wait_event "$id" running 2
    wait_state "$id" running
    open_gate
    completed "$id"
    counts_up a.out
}

# ---- rm ----

removed() {
    wait_state "$1" removed
    wait_for "its directory to be removed" test ! -e "$STINT_DIR/jobs/$1"
    wait_for "its checkpoints to be removed" test ! -e "$STINT_DIR/store/$1"
}

@test "rm of a held job" {
    held_job a
    run stint rm --reason "not needed" "$id"
    [ "$status" = 0 ]
    removed "$id"
    is "$id" RemoveReason "not needed"
    stint history | grep -q removed
}

@test "rm of an idle job" {
    conf "cpus = 1"
    running a </dev/null
    job b </dev/null
    id=$(submit b.sub)
    stint rm "$id"
    removed "$id"
    [ "$(story "$id" '.Stints | length')" = 0 ]
}

@test "rm of a running job kills it, takes no checkpoint, and cleans up" {
    running a ON_TERM=ignore ON_SIGNAL=save <<<"$protocol"
    stint checkpoint "$id"
    pid=$(pid_of_program "$id")
    stint rm --fast "$id"
    removed "$id"
    gone "$pid"
    is "$id" NumCkpts 1
    [ ! -e a.out ]
}

@test "rm of a suspended job" {
    running a </dev/null
    stint suspend "$id"
    wait_event "$id" suspended
    stint rm "$id"
    removed "$id"
}

@test "rm of a job that is leaving slowly" {
    running a ON_SIGNAL=ignore ON_TERM=ignore <<<"$protocol"
    stint vacate "$id"
    wait_state "$id" vacating
    stint rm --fast "$id"
    removed "$id"
}

@test "rm of a job that is being started" {
    job a "GATE=$gate" </dev/null
    id=$(submit a.sub)
    stint rm --fast "$id"
    removed "$id"
    check_ledger
}

@test "rm gives a job the time to leave, and --fast hurries it" {
    running a ON_TERM=ignore </dev/null
    stint rm "$id"
    wait_state "$id" removing
    refused "being removed" hold "$id"
    refused "being removed" suspend "$id"
    stint rm --fast "$id"
    removed "$id"
}

@test "a job that is done or was never there can not be removed" {
    job a COUNT=1 </dev/null
    id=$(submit a.sub)
    completed "$id"
    refused "no such job" rm "$id"
    refused "no such job" rm 77
    run stint rm seven
    [ "$status" = 2 ]
}

@test "jobs are chosen by cluster, by constraint, and all at once" {
    job a </dev/null
    sed -i 's/^queue/hold = true\nqueue 4/' a.sub
    stint submit a.sub
    job b <<<"hold = true"
    stint submit b.sub
    stint rm -c 'ProcId >= 2'
    [ "$(stint q --json | jq '.Jobs | length')" = 3 ]
    stint rm 1
    [ "$(stint q --json | jq -r '.Jobs[] | .ClusterId')" = 2 ]
    stint rm --all
    [ "$(stint q --json | jq '.Jobs | length')" = 0 ]
    refused "no job matches" rm -c 'ProcId == 9'
    run stint rm
    [ "$status" = 2 ]
    run stint rm -c 'ProcId >='
    [ "$status" != 0 ]
}

# ---- suspend, continue ----

stopped() { [ "$(ps -o stat= -p "$1" | cut -c1)" = T ]; }

@test "a suspended job stands still in its slot, and continues where it was" {
    running a TRACE="$work/trace" <<<"$protocol"
    pid=$(pid_of_program "$id")
    stint suspend "$id"
    wait_event "$id" suspended
    wait_for "the program to be stopped" stopped "$pid"
    state_is "$id" suspended
    [ "$(stint pool status --json | jq .CpusUsed)" = 1 ]
    refused "suspended" checkpoint "$id"
    refused "suspended already" suspend "$id"
    stint continue "$id"
    wait_event "$id" continued
    state_is "$id" running
    open_gate
    completed "$id"
    counts_up a.out
    [ "$(wc -l <trace)" = 1 ]
    at_least "$id" IdleUs 1
    check_ledger
    check_stints "$id"
}

@test "the interval's signal is not sent to a suspended job" {
    running a <<<"$protocol
checkpoint_interval = 1"
    stint suspend "$id"
    wait_event "$id" suspended
    asked=$(story "$id" '[.Events[] | select(.Event == "checkpoint_asked")] | length')
    sleep 1.5 # more than the interval: nothing must happen
    [ "$(story "$id" '[.Events[] | select(.Event == "checkpoint_asked")] | length')" = "$asked" ]
    stint continue "$id"
    wait_event "$id" checkpoint_taken
}

@test "a suspended job can be held, and goes on from its checkpoint" {
    running a <<<"$protocol"
    stint suspend "$id"
    wait_event "$id" suspended
    stint hold "$id"
    wait_state "$id" held
    is "$id" NumCkpts 1
    stint release "$id"
    wait_event "$id" running 2
    open_gate
    completed "$id"
    counts_up a.out
}

# ---- edit ----

@test "an idle or held job's attributes can be edited, and count from then on" {
    held_job a
    run stint edit "$id" priority=7 request_memory=64 'Note="hello"'
    [ "$status" = 0 ]
    is "$id" JobPrio 7
    is "$id" RequestMemory 64
    is "$id" Note hello
    happened "$id" edited
}

@test "an edited environment is the one that the job gets" {
    job a COUNT=3 <<<"hold = true"
    id=$(submit a.sub)
    stint edit "$id" 'Environment="COUNT=5"'
    stint release "$id"
    completed "$id"
    counts_up a.out 5
}

@test "a running job, the pool's own attributes and nonsense can not be edited" {
    held_job a
    refused "the pool's own" edit "$id" GoodputUs=1
    refused "" edit "$id" request_cpus=0
    run stint edit "$id" 'JobPrio='
    [ "$status" -ge 1 ]
    run stint edit "$id" 'not a name=1'
    [ "$status" -ge 1 ]
    is "$id" JobPrio 0
    stint release "$id"
    wait_state "$id" running
    refused "only an idle or held job" edit "$id" priority=1
    refused "" edit 99.0 priority=1
}

@test "a second removal does not overwrite the reason of the first" {
    running a ON_TERM=ignore <<<'job_max_vacate_time = 1'
    stint rm --reason "no need" "$id" | grep -q "is being removed"
    stint rm "$id" || true
    wait_state "$id" removed
    is "$id" RemoveReason "no need"
}

@test "an edit takes no number that is none" {
    job a <<<"hold = true"
    id=$(submit a.sub)
    stint edit "$id" JobPrio=3
    run stint edit "$id" 'JobPrio="hi"'
    [ "$status" != 0 ]
    [[ "$output" == *"JobPrio must be a whole number"* ]]
    is "$id" JobPrio 3
}
