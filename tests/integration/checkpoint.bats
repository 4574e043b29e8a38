#!/usr/bin/env bats
# Checkpoints: who asks for them, what counts as one, what belongs to it, and what a failure costs.
load lib

# ---- asked for ----

@test "a checkpoint that is asked for is taken, and said so with its size, pause and latency" {
    running a <<<"$protocol"
    run stint checkpoint "$id"
    [ "$status" = 0 ]
    [[ "$output" =~ ^$id:\ checkpoint\ 1\ taken:\ [0-9]+\ B\ in\ [0-9]+\ files,\ pause\ [0-9.]+m?s,\ commit\ .*,\ latency\ .*\(user\)$ ]]
    is "$id" NumCkpts 1
    at_least "$id" LastCkptBytes 1
    at_least "$id" LastCkptPauseUs 1
    at_least "$id" LastCkptLatencyUs 1
    state_is "$id" running
    open_gate
    completed "$id"
    counts_up a.out
}

@test "a job without a protocol refuses a checkpoint and says what is missing" {
    running a </dev/null
    run stint checkpoint "$id"
    [ "$status" = 1 ]
    [[ "$output" == *"checkpoint_exit_code"* ]]
    state_is "$id" running
    is "$id" NumCkptsFailed 0
}

@test "a job that checkpoints by itself only is not sent a signal" {
    running a <<<'checkpoint_exit_code = 17'
    run stint checkpoint "$id"
    [ "$status" = 1 ]
    [[ "$output" == *"wants no signal"* ]]
    state_is "$id" running
}

@test "a job that does not run refuses a checkpoint" {
    job a <<<"hold = true"
    id=$(submit a.sub)
    run stint checkpoint "$id"
    [ "$status" = 1 ]
    [[ "$output" == *"held"* ]]
    run stint checkpoint 99.0
    [ "$status" = 1 ]
    [[ "$output" == *"no such job"* ]]
}

@test "a checkpoint without its file fails, and the job goes on where it was" {
    running a ON_SIGNAL=forget TRACE="$work/trace" <<<"$protocol"
    run stint checkpoint "$id"
    [ "$status" = 1 ]
    [[ "$output" == *"failed"*"state"* ]]
    is "$id" NumCkpts 0
    is "$id" NumCkptsFailed 1
    wait_for "it to be started again" lines_in trace 2
    wait_state "$id" running
    open_gate
    completed "$id"
}

@test "the signal waits until the program has its handler, which it would kill without" {
    cat >slow <<'PROGRAM'
#!/bin/bash
[ -f state ] && [ "$(cat state)" = 2 ] && exit 0
touch "$STARTED.$(cat state 2>/dev/null || echo 0)"
until [ -e "$GO" ]; do sleep 0.05; done
trap 'echo $(($(cat state 2>/dev/null || echo 0) + 1)) >state; exit 17' USR2
while :; do sleep 0.05; done
PROGRAM
    chmod +x slow
    printf '%s\n' "executable = slow" "environment = \"GO=$work/go STARTED=$work/started\"" "$protocol" queue >slow.sub
    id=$(submit slow.sub)
    wait_for "the program to start" test -e started.0
    stint checkpoint --no-wait "$id"
    state_is "$id" running
    touch go
    wait_event "$id" checkpoint_taken
    wait_for "the program to start again" test -e started.1
    run stint checkpoint "$id"
    [ "$status" = 0 ]
    completed "$id"
}

@test "a program that never handles the signal is not killed by it, and the request fails with the reason" {
    conf 'checkpoint_timeout = 1s'
    printf '%s\n' "executable = /bin/sleep" "arguments = 1000" "$protocol" queue >deaf.sub
    id=$(submit deaf.sub)
    wait_state "$id" running
    run stint checkpoint "$id"
    [ "$status" = 1 ]
    [[ "$output" == *"no handler for SIGUSR2"* ]]
    state_is "$id" running
    is "$id" NumCkptsFailed 1
}

@test "checkpoint --no-wait asks and returns" {
    running a <<<"$protocol"
    run stint checkpoint --no-wait "$id"
    [ "$status" = 0 ]
    wait_event "$id" checkpoint_taken
}

@test "checkpoint --timeout gives up with status 124, and the request stays" {
    running a ON_SIGNAL=late LATE="$work/late" <<<"$protocol"
    run stint checkpoint --timeout 1 "$id"
    [ "$status" = 124 ]
    touch late
    wait_event "$id" checkpoint_taken
}

# ---- by interval ----

@test "the signal is sent at the job's interval, again and again" {
    running a <<<"$protocol
checkpoint_interval = 1"
    wait_event "$id" checkpoint_taken 2
    [ "$(story "$id" '[.Checkpoints[].Why] | unique | join(",")')" = periodic ]
    open_gate
    completed "$id"
    counts_up a.out
}

@test "the pool's interval holds for a job that names none" {
    conf "checkpoint_interval = 1"
    running a <<<"$protocol"
    wait_event "$id" checkpoint_taken
    is "$id" CheckpointIntervalUs "" # not the job's own
}

# ---- by the job itself ----

@test "a job that exits with its code has checkpointed and is started again in the same sandbox" {
    job a SELF=3 COUNT=9 TRACE="$work/trace" <<<"$protocol"
    id=$(submit a.sub)
    completed "$id"
    counts_up a.out 9
    [ "$(cat trace)" = "$(printf 'start at 0\nstart at 3\nstart at 6')" ]
    [ "$(story "$id" '[.Checkpoints[].Why] | join(",")')" = self,self ]
    is "$id" StintNumber 1
}

@test "a program that judges itself finds its arguments, files, output and sum after every checkpoint" {
    cat >a.sub <<SUB
executable = $STINT_BUILD/tests/programs/steps
arguments = 40 9 85 2
output = a.out
checkpoint_exit_code = 85
transfer_output_files = ""
transfer_checkpoint_files = steps.state, steps.work
queue
SUB
    id=$(submit a.sub)
    completed "$id"
    [ "$(tail -n 1 a.out)" = PASS ]
    counts_up a.out 40
    is "$id" NumCkpts 4
}

@test "a program that judges itself finds the same after evictions" {
    cat >a.sub <<SUB
executable = $STINT_BUILD/tests/programs/steps
arguments = 60 5 85 30
output = a.out
stream_output = true
checkpoint_exit_code = 85
queue
SUB
    id=$(submit a.sub)
    wait_event "$id" checkpoint_taken
    stint vacate --fast "$id"
    wait_event "$id" evicted
    wait_event "$id" checkpoint_taken 3
    stint vacate "$id"
    completed "$id"
    [ "$(tail -n 1 a.out)" = PASS ]
    counts_up a.out 60
    check_ledger
}

@test "checkpoint_exit_code = 0 is a code like any other" {
    cat >prog <<'SH'
#!/bin/bash
[ ! -f state ] || exit 5
echo x >state
exit 0
SH
    chmod +x prog
    printf 'executable = prog\ncheckpoint_exit_code = 0\nqueue\n' >a.sub
    id=$(submit a.sub)
    completed "$id" 5
    is "$id" NumCkpts 1
}

# ---- by signal, under either name ----

@test "a job that dies of its checkpoint signal has checkpointed" {
    running a SAVE_BY=signal <<<'+WantCheckpointSignal = true
+CheckpointSig = "SIGUSR2"
+SuccessCheckpointExitBySignal = true
+SuccessCheckpointExitSignal = "SIGUSR1"
transfer_checkpoint_files = state
transfer_output_files = ""'
    stint checkpoint "$id"
    open_gate
    completed "$id"
    counts_up a.out
    is "$id" NumCkpts 1
}

@test "the names of HTCondor 8.5 mean the same, by signal" {
    running a SAVE_BY=signal <<<'+WantCheckpointSignal = true
+CheckpointSig = "SIGUSR2"
+CheckpointExitBySignal = true
+CheckpointExitSignal = 10
transfer_checkpoint_files = state
transfer_output_files = ""'
    stint checkpoint "$id"
    is "$id" NumCkpts 1
}

@test "the names of HTCondor 8.5 mean the same, by exit code" {
    running a <<<'+WantCheckpointSignal = true
+CheckpointSig = "SIGUSR2"
+CheckpointExitBySignal = false
+CheckpointExitCode = 17
+WantFTOnCheckpoint = true
transfer_output_files = state'
    stint checkpoint "$id"
    is "$id" NumCkpts 1
}

@test "another exit code than the declared one is the job's end" {
    job a SELF=3 COUNT=9 <<<"checkpoint_exit_code = 18"
    id=$(submit a.sub)
    completed "$id" 17
    is "$id" NumCkpts 0
}

# ---- what belongs to it ----

@test "without any list what is new or changed belongs to the checkpoint, directories too" {
    cat >prog <<SH
#!/bin/bash
if [ -f new ]; then
    cat new same d/f
    [ -d empty ] && exit 0
fi
mkdir d empty; echo new >new; echo deep >d/f; exit 17
SH
    chmod +x prog
    echo same >same
    printf 'executable = prog\ntransfer_input_files = same\noutput = a.out\nhold = true\ncheckpoint_exit_code = 17\nqueue\n' >a.sub
    id=$(submit a.sub)
    stint release "$id"
    completed "$id"
    [ "$(cat a.out | xargs)" = "new same deep" ]
    is "$id" NumCkpts 1
    [ "$(story "$id" '.Checkpoints[0].Bytes')" = 9 ] # new, d/f, and two empty standard files; not "same", not the program
}

@test "what the list does not name is not in the sandbox of the next stint" {
    running a TRACE="$work/trace" <<<'checkpoint_exit_code = 17
+WantCheckpointSignal = true
+CheckpointSig = "SIGUSR2"
transfer_checkpoint_files = nothing-else
transfer_output_files = ""'
    run stint checkpoint "$id"
    [ "$status" = 1 ]
    [[ "$output" == *nothing-else* ]]
    stint vacate --fast "$id"
    wait_event "$id" evicted
    wait_event "$id" running 2
    wait_for "a start from 0" eval '[ "$(tail -n 1 trace)" = "start at 0" ]' # its own line comes after the record
}

@test "the output list serves as the checkpoint list, and may miss at the end" {
    job a COUNT=5 <<<'checkpoint_exit_code = 17
transfer_output_files = state'
    id=$(submit a.sub)
    completed "$id"
    [ ! -e state ]
}

# ---- no answer ----

@test "a signal that is ignored counts as failed after the timeout, and is tried again" {
    conf "checkpoint_timeout = 1"
    running a ON_SIGNAL=ignore <<<"$protocol
checkpoint_interval = 1"
    wait_event "$id" checkpoint_failed 2
    is "$id" NumCkpts 0
    [[ "$(attr "$id" LastCkptError)" == *"within 1 s"* ]]
    state_is "$id" running
    open_gate
    completed "$id"
}

@test "an ignored signal by request is answered with the failure" {
    conf "checkpoint_timeout = 1"
    running a ON_SIGNAL=ignore <<<"$protocol"
    run stint checkpoint "$id"
    [ "$status" = 1 ]
    [[ "$output" == *"failed"*"within 1 s"* ]]
}

@test "a success that comes after the timeout counts" {
    conf "checkpoint_timeout = 1"
    running a ON_SIGNAL=late LATE="$work/late" <<<"$protocol"
    run stint checkpoint "$id"
    [ "$status" = 1 ]
    touch late
    wait_event "$id" checkpoint_taken
    is "$id" NumCkpts 1
    is "$id" NumCkptsFailed 1
    open_gate
    completed "$id"
    counts_up a.out
}

@test "a job that finishes after it was signalled is finished" {
    running a ON_SIGNAL=finish <<<"$protocol"
    run stint checkpoint "$id"
    completed "$id"
    is "$id" NumCkpts 0
    [ "$(tail -n 1 a.out)" = finished ]
    check_ledger
    [ "$(attr "$id" LostUs)" = 0 ]
}

@test "a job that dies in the middle of its checkpoint goes on from the one before" {
    running a ON_SIGNAL=torn TRACE="$work/trace" <<<"$protocol"
    run stint checkpoint "$id"
    [ "$status" = 1 ]
    wait_event "$id" running 2
    wait_state "$id" running
    open_gate
    completed "$id"
    counts_up a.out
}

# ---- what is shown ----

@test "q, show and the ad tell of checkpoints: number, failures, time, bytes, pause, latency" {
    running a <<<"$protocol"
    stint checkpoint "$id"
    stint q | grep -Eq ' 1 *\([0-9.]+m?s\)'
    stint show "$id" | grep -q '^1 checkpoint was taken .* ago: .*pause .*from the signal to success'
    stint show "$id" | grep -Eq '^ +1 .*checkpoint .* user$'
    for name in NumCkpts NumCkptsFailed LastCkptTime LastCkptBytes LastCkptPauseUs LastCkptCommitUs LastCkptLatencyUs; do
        [ -n "$(attr "$id" $name)" ] || { echo "no $name"; false; }
    done
}

@test "committed time grows at the checkpoint, not at the job's end" {
    running a <<<"$protocol"
    is "$id" GoodputUs 0
    stint checkpoint "$id"
    at_least "$id" GoodputUs 1
    at_least "$id" AtRiskUs 0
    state_is "$id" running
}
