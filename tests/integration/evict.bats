#!/usr/bin/env bats
# Evictions: what is asked, how long it may take, what is kept, and that the output is the same as without them.
load lib

evicted() { wait_event "$1" evicted "${2:-1}"; }
last_eviction() { story "$1" "[.Events[] | select(.Event == \"evicted\")][-1].$2"; }

@test "a job with a protocol leaves with a checkpoint and goes on from it" {
    running a TRACE="$work/trace" <<<"$protocol"
    wait_printed "$id" 3
    run stint vacate "$id"
    [ "$status" = 0 ]
    evicted "$id"
    [ "$(last_eviction "$id" Checkpointed)" = true ]
    wait_for "its second start" lines_in trace 2
    [ "$(sed 's/start at //' trace | tail -n 1)" -ge 4 ]
    wait_state "$id" running
    [ "$(story "$id" '.Stints[-1].ResumedFrom')" = 1 ]
    open_gate
    completed "$id"
    counts_up a.out
    is "$id" LostUs 0
    check_ledger
}

@test "a job without a protocol is asked with SIGTERM, and begins again" {
    running a TRACE="$work/trace" </dev/null
    stint vacate "$id"
    evicted "$id"
    [ "$(last_eviction "$id" Checkpointed)" = false ]
    wait_for "its second start" lines_in trace 2
    [ "$(tail -n 1 trace)" = "start at 0" ]
    open_gate
    completed "$id"
    counts_up a.out
    at_least "$id" LostUs 1
    [ "$(stint ledger --by cause --json | jq -r '.Ledger[] | select(.Class == "lost") | .Cause')" = vacate ]
}

@test "kill_sig is the signal that asks a job to leave" {
    running a ON_SIGNAL=finish <<<"kill_sig = SIGUSR2
when_to_transfer_output = ON_EXIT_OR_EVICT"
    stint vacate "$id"
    evicted "$id"
    [ "$(story "$id" '.Checkpoints[0].Kind')" = evicted ]
}

@test "a checkpoint that a job takes at SIGTERM counts, though no signal for it was declared" {
    running a ON_TERM=save TRACE="$work/trace" <<<'checkpoint_exit_code = 17
transfer_checkpoint_files = state'
    wait_printed "$id" 3
    stint vacate "$id"
    evicted "$id"
    [ "$(last_eviction "$id" Checkpointed)" = true ]
    is "$id" NumCkpts 1
    wait_for "its second start" lines_in trace 2
    [ "$(tail -n 1 trace)" != "start at 0" ]
    open_gate
    completed "$id"
    counts_up a.out
    is "$id" LostUs 0
}

@test "after job_max_vacate_time a job that ignores everything is killed" {
    running a ON_SIGNAL=ignore ON_TERM=ignore <<<"$protocol
job_max_vacate_time = 1"
    stint vacate "$id"
    wait_state "$id" vacating
    evicted "$id"
    [ "$(last_eviction "$id" Checkpointed)" = false ]
    wait_event "$id" running 2
    is "$id" NumCkpts 0
}

@test "max_vacate_time of the pool is the longest that a job may name" {
    conf "max_vacate_time = 1"
    running a ON_SIGNAL=ignore ON_TERM=ignore <<<"$protocol
job_max_vacate_time = 1h"
    stint vacate "$id"
    evicted "$id"
}

@test "a job that is killed at its eviction still has its last checkpoint" {
    running a ON_SIGNAL=save TRACE="$work/trace" <<<"$protocol"
    wait_printed "$id" 2
    stint checkpoint "$id"
    saved=$(sed -n 's/start at //p' trace | tail -n 1)
    wait_printed "$id" $((saved + 3))
    stint vacate --fast "$id"
    evicted "$id"
    wait_for "its third start" lines_in trace 3
    [ "$(tail -n 1 trace)" = "start at $(sed -n 's/start at //p' trace | sed -n 2p)" ]
    at_least "$id" LostUs 1
    open_gate
    completed "$id"
    counts_up a.out
}

@test "--fast asks nothing and takes no checkpoint" {
    running a ON_SIGNAL=ignore ON_TERM=ignore <<<"$protocol"
    stint vacate --fast "$id"
    evicted "$id"
    is "$id" NumCkpts 0
    ! happened "$id" checkpoint_asked
}

@test "--fast hurries a job that is leaving slowly already" {
    running a ON_SIGNAL=ignore ON_TERM=ignore <<<"$protocol"
    stint vacate "$id"
    wait_state "$id" vacating
    stint vacate --fast "$id"
    evicted "$id"
}

@test "a job that obeys the soft kill with exit code 0 is not finished" {
    running a ON_TERM=leave TRACE="$work/trace" </dev/null
    stint vacate "$id"
    evicted "$id"
    wait_for "its second start" lines_in trace 2
    wait_state "$id" running
    open_gate
    completed "$id"
    counts_up a.out
}

@test "a job that finishes at the checkpoint signal of its eviction is finished" {
    running a ON_SIGNAL=finish <<<"$protocol"
    stint vacate "$id"
    completed "$id"
    [ "$(tail -n 1 a.out)" = finished ]
}

@test "ON_EXIT_OR_EVICT keeps what an eviction leaves and gives it to the next stint" {
    cat >prog <<SH
#!/bin/bash
trap 'echo saved >part; exit 0' TERM
[ ! -f part ] || { cat part; exit 0; }
echo ready >>$work/ready
while :; do sleep 0.05; done
SH
    chmod +x prog
    printf 'executable = prog\noutput = a.out\nwhen_to_transfer_output = ON_EXIT_OR_EVICT\nqueue\n' >a.sub
    id=$(submit a.sub)
    wait_for "its start" test -s ready
    stint vacate "$id"
    completed "$id"
    [ "$(cat a.out)" = saved ]
    [ "$(story "$id" '.Checkpoints | map(.Kind) | join(",")')" = evicted ]
    [ "$(story "$id" '.Checkpoints[0].Files')" -ge 1 ]
}

@test "without ON_EXIT_OR_EVICT nothing of an eviction is kept" {
    running a ON_TERM=leave </dev/null
    stint vacate "$id"
    evicted "$id"
    [ "$(story "$id" '.Checkpoints | length')" = 0 ]
}

@test "what an eviction leaves never takes the place of a committed checkpoint" {
    running a TRACE="$work/trace" PACE=0.1 ON_SIGNAL=late LATE="$work/late" <<<"$protocol
job_max_vacate_time = 1
when_to_transfer_output = ON_EXIT_OR_EVICT"
    touch late
    stint checkpoint "$id"
    wait_for "its second start" lines_in trace 2
    rm late
    saved=$(tail -n 1 trace)
    stint vacate "$id"
    evicted "$id"
    [ "$(story "$id" '[.Checkpoints[].Kind] | join(",")')" = checkpoint,evicted ]
    wait_for "its third start" lines_in trace 3
    [ "$(tail -n 1 trace)" = "$saved" ]
    touch late
    open_gate
    completed "$id"
    counts_up a.out
}

@test "the output is exactly once over evictions, not streamed, and appears at the end only" {
    running a <<<"$protocol"
    for i in 1 2 3; do
        wait_printed "$id" $((i * 3))
        stint vacate "$id"
        evicted "$id" $i
    done
    [ ! -e a.out ]
    open_gate
    completed "$id"
    counts_up a.out
}

@test "the output is exactly once over evictions, streamed, also what came after the checkpoint" {
    running a PACE=0.02 <<<"$protocol
stream_output = true
stream_error = true"
    wait_for "streamed output" grep -qx 2 a.out
    stint checkpoint "$id"
    for i in 1 2; do
        wait_for "more streamed output" lines_in a.out $((i * 20 + 10))
        stint vacate --fast "$id"
        evicted "$id" $i
    done
    wait_event "$id" running 4
    wait_state "$id" running
    open_gate
    completed "$id"
    counts_up a.out
}

@test "what was streamed after the checkpoint is cut off when the next stint says less" {
    running a PACE=0.02 <<<"$protocol
stream_output = true"
    stint checkpoint "$id"
    wait_for "more streamed output" lines_in a.out 30
    stint suspend "$id" # so that it does not see the gate
    wait_event "$id" suspended
    open_gate
    stint vacate --fast "$id"
    completed "$id"
    counts_up a.out
    [ "$(wc -l <a.out)" -lt 30 ]
}

@test "an eviction while a checkpoint is being taken waits for it and counts it" {
    running a ON_SIGNAL=late LATE="$work/late" <<<"$protocol"
    stint checkpoint --no-wait "$id"
    wait_event "$id" checkpoint_asked
    stint vacate "$id"
    wait_state "$id" vacating
    touch late
    evicted "$id"
    [ "$(last_eviction "$id" Checkpointed)" = true ]
    is "$id" NumCkpts 1
}

@test "a job that checkpoints by itself while it is leaving yields, having lost nothing" {
    running a SELF=4 PACE=0.1 ON_TERM=ignore <<<"checkpoint_exit_code = 17
transfer_checkpoint_files = state"
    stint vacate "$id"
    evicted "$id"
    [ "$(last_eviction "$id" Checkpointed)" = true ]
    open_gate
    completed "$id"
    is "$id" LostUs 0
    counts_up a.out
}

@test "a suspended job that is evicted continues, takes its checkpoint, and leaves" {
    running a <<<"$protocol"
    stint suspend "$id"
    wait_event "$id" suspended
    stint vacate "$id"
    evicted "$id"
    [ "$(last_eviction "$id" Checkpointed)" = true ]
}

@test "what does not run can not be evicted" {
    job a <<<"hold = true"
    id=$(submit a.sub)
    run stint vacate "$id"
    [ "$status" = 1 ]
    [[ "$output" == *"not running"* ]]
}

@test "vacated to running again takes a moment, not a cycle" {
    running a TRACE="$work/trace" <<<"$protocol"
    stint vacate "$id"
    wait_event "$id" running 2
    [ "$(story "$id" '(.Stints[1].GrantedBootUs - (.Stints[0].GrantedBootUs + .Stints[0].OccupiedUs)) < 2000000')" = true ]
}
