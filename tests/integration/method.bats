#!/usr/bin/env bats
# Which way jobs are checkpointed: what they say, what the pool says, what the machine can; and that it is told.
load lib

pool_method=auto

criu() { ls "${STINT_CRIU:-$project/build/criu}/criu" 2>/dev/null; }
need_criu() { criu >/dev/null || skip "there is no CRIU; tools/criu build/criu makes one"; }

@test "where the machine cannot, a job that says nothing runs without checkpoints, and the reason is shown" {
    conf "criu_dir = /nowhere"
    running a </dev/null
    is "$id" CheckpointMethodUsed none
    [ -n "$(attr "$id" CheckpointMethodReason)" ]
    stint show "$id" | grep -q "^Checkpoints: none: .*CRIU"
    [ "$(story "$id" '[.Events[] | select(.Event == "checkpoint_method")] | length')" = 1 ]
    run stint checkpoint "$id"
    [ "$status" = 1 ]
    [[ "$output" == *"$(attr "$id" CheckpointMethodReason)"* ]]
    open_gate
    completed "$id"
    counts_up a.out
}

@test "a job that insists on what the machine cannot do is held, and runs when it asks for less" {
    conf "criu_dir = /nowhere"
    job a <<<'checkpoint_method = transparent'
    id=$(submit a.sub)
    wait_state "$id" held
    [[ "$(attr "$id" HoldReason)" == *"stint doctor"* ]]
    run stint edit "$id" checkpoint_method=transparant
    [ "$status" != 0 ]
    [[ "$output" == *"did you mean 'transparent'?"* ]]
    stint edit "$id" checkpoint_method=auto
    stint release "$id"
    completed "$id"
    counts_up a.out
}

@test "the pool's method is for jobs that say nothing: not for those with a protocol, or a method of their own" {
    conf "criu_dir = /nowhere" "checkpoint_method = none"
    running a </dev/null
    is "$id" CheckpointMethodUsed none
    [[ "$(attr "$id" CheckpointMethodReason)" == *"the pool's checkpoint_method is none"* ]]
    local plain=$id
    running b <<<"$protocol"
    is "$id" CheckpointMethodUsed self
    stint show "$id" | grep -q '^Checkpoints: self (its own protocol), every '
    stint checkpoint "$id"
    is "$id" NumCkpts 1
    open_gate
    completed "$plain"
    completed "$id"
}

@test "checkpoint_method = none is kept to, even with a protocol and a machine that can" {
    running a <<<"checkpoint_method = none"
    is "$id" CheckpointMethodUsed none
    run stint checkpoint "$id"
    [ "$status" = 1 ]
    [[ "$output" == *"its checkpoint_method is none"* ]]
    open_gate
    completed "$id"
    is "$id" NumCkpts 0
}

# Its /tmp is its own, so there is no gate that it could see.
@test "a job that says nothing is checkpointed as it is, evicted, and goes on with every line once" {
    need_criu
    job a COUNT=100 </dev/null
    id=$(submit a.sub)
    wait_printed "$id" 3
    is "$id" CheckpointMethodUsed transparent
    stint show "$id" | grep -q '^Checkpoints: transparent (CRIU), every '
    stint checkpoint "$id"
    [ "$(stint ckpt ls "$id" --json | jq -r '.Checkpoints[0].Engine')" = criu ]
    stint vacate "$id"
    wait_event "$id" evicted
    wait_event "$id" running 2
    [ "$(story "$id" '[.Events[] | select(.Event == "checkpoint_method")] | length')" = 1 ]
    story "$id" '.Events[] | select(.Event == "checkpoint_captured") | .PauseUs' | grep -q '[1-9]'
    completed "$id"
    counts_up a.out 100
    is "$id" LostUs 0
    check_stints "$id"
    check_ledger
}

@test "a checkpoint is restored for trial beside the running job, and marked verified" {
    need_criu
    job a COUNT=100 <<<"checkpoint_trial = true"
    id=$(submit a.sub)
    wait_printed "$id" 3
    stint checkpoint "$id"
    wait_event "$id" checkpoint_verified
    [ "$(story "$id" '.Checkpoints[0].Verified')" = true ]
    stint ckpt ls "$id" | grep -q verified
    completed "$id"
    counts_up a.out 100
}

@test "a job whose own protocol fails is checkpointed transparently, if it says so" {
    need_criu
    conf "checkpoint_timeout = 1s"
    job a COUNT=200 ON_SIGNAL=ignore <<<"checkpoint_method = self, transparent
$protocol"
    id=$(submit a.sub)
    wait_printed "$id" 3
    is "$id" CheckpointMethodUsed self
    stint checkpoint "$id" || true # its own may be told as failed first
    wait_event "$id" checkpoint_taken
    [ "$(stint ckpt ls "$id" --json | jq -r '.Checkpoints[0].Engine')" = criu ]
    stint vacate "$id"
    wait_event "$id" evicted
    completed "$id"
    counts_up a.out 200
}

@test "how often is chosen by what checkpoints have cost, of this job and of others, and shown" {
    conf "criu_dir = /nowhere" "cpus = 4"
    running a <<<"$protocol"
    says_pace() { stint show "$1" | grep "^Checkpoints: .*, every .*: one costs $2"; }
    says_pace "$id" "10.0s (a guess)"
    guessed=$(attr "$id" CheckpointPaceUs)
    [ "$guessed" -gt 1200000000 ] && [ "$guessed" -lt 1400000000 ] # sqrt(2 * 10 s * 1 d), about
    stint checkpoint "$id"
    says_pace "$id" "[0-9.]*m\?s, "
    [ "$(attr "$id" CheckpointPaceUs)" -lt "$guessed" ]
    [ "$(attr "$id" CheckpointPaceBasis)" = measured ]
    first=$id
    running b <<<"$protocol"
    says_pace "$id" ".*(going by other jobs)"
    running c <<<"$protocol
checkpoint_interval = 30m"
    [ -z "$(attr "$id" CheckpointPaceUs)" ]
    ! stint show "$id" | grep -q "^Checkpoints: .*every"
    open_gate
    completed "$first"
}
