#!/usr/bin/env bats
# The ledger: every microsecond that a slot was occupied is in one class, with its cause, in every view the same.
load lib

# cause CLASS CAUSE: the microseconds of it.
cause() { stint ledger --by cause --json | jq "[.Ledger[] | select(.Class == \"$1\" and .Cause == \"$2\") | .OccupiedUs] | add // 0"; }

@test "a job that just runs: all goodput but the transfers" {
    job a COUNT=5 </dev/null
    id=$(submit a.sub)
    completed "$id"
    check_ledger
    check_stints "$id"
    is "$id" LostUs 0
    at_least "$id" GoodputUs 200000
    [ "$(cause goodput completed)" = "$(attr "$id" GoodputUs)" ]
    [ "$(cause transfer start)" -gt 0 ]
    [ "$(cause transfer output)" -gt 0 ]
}

@test "checkpoints, evictions, suspensions, failures and removals of several jobs add up in every view" {
    conf "cpus = 4"
    job a COUNT=12 SELF=3 <<<"$protocol"
    job b "GATE=$gate" <<<"$protocol
request_cpus = 2"
    job c FAIL_AT=3 FAIL_TIMES=1 FAILED="$work/failed" <<<"max_retries = 1"
    job d "GATE=$gate" </dev/null
    a=$(submit a.sub) b=$(submit b.sub) c=$(submit c.sub) d=$(submit d.sub)
    wait_printed "$b" 1
    stint vacate "$b"
    wait_event "$b" evicted
    wait_event "$b" running 2
    stint suspend "$b"
    wait_event "$b" suspended
    stint continue "$b"
    wait_printed "$d" 1
    stint rm --fast "$d"
    open_gate
    wait_done "$a" "$b" "$c" "$d"
    check_ledger
    check_stints "$a"
    check_stints "$b" 2
    check_stints "$c"
    check_stints "$d"
    for pair in 'checkpoint self' 'checkpoint vacate' 'idle suspended' 'lost failed' 'lost remove' 'restore vacate'; do
        [ "$(cause $pair)" -gt 0 ] || { echo "nothing for $pair"; stint ledger --by cause; false; }
    done
}

@test "a stint's occupied time is the time from its grant to its end" {
    job a COUNT=3 </dev/null
    id=$(submit a.sub)
    wait_printed "$id" 0
    completed "$id"
    began=$(story "$id" '.Stints[0].GrantedBootUs')
    occupied=$(story "$id" '.Stints[0].OccupiedUs')
    wall=$(story "$id" '.Stints[0] | .EndedUs - .GrantedWallUs')
    [ "$began" -gt 0 ]
    [ $((occupied - wall)) -lt 20000 ] && [ $((wall - occupied)) -lt 20000 ] # two clocks
}

@test "work becomes goodput when its checkpoint commits, not at the end of the run" {
    running a <<<"$protocol"
    [ "$(cause goodput checkpoint)" = 0 ]
    stint checkpoint "$id"
    state_is "$id" running
    first=$(cause goodput checkpoint)
    [ "$first" -gt 0 ]
    stint checkpoint "$id"
    [ "$(cause goodput checkpoint)" -gt "$first" ]
    [ "$(attr "$id" CommittedTime)" = $(($(attr "$id" GoodputUs) / 1000000)) ]
}

@test "what is at risk is neither good nor lost, and becomes lost when the job is killed" {
    running a <<<"$protocol"
    stint checkpoint "$id"
    good=$(attr "$id" GoodputUs)
    at_least "$id" AtRiskUs 0
    is "$id" LostUs 0
    stint vacate --fast "$id"
    wait_event "$id" evicted
    [ "$(cause goodput checkpoint)" = "$good" ]
    [ "$(cause lost vacate)" -gt 0 ]
}

@test "a failed checkpoint costs its pause and no work" {
    running a ON_SIGNAL=forget <<<"$protocol"
    stint checkpoint "$id" || true
    wait_event "$id" checkpoint_failed
    open_gate
    completed "$id"
    is "$id" LostUs 0
    at_least "$id" CheckpointUs 1
    check_ledger
}

@test "two cpus count twice" {
    conf "cpus = 2"
    job a COUNT=3 <<<"request_cpus = 2"
    id=$(submit a.sub)
    completed "$id"
    check_stints "$id" 2
    check_ledger
    [ "$(stint users --json | jq '.Users[0].TotalCpuUs')" = $(($(attr "$id" OccupiedUs) * 2)) ]
}

charged() { stint users --json | jq '.Users[0].TotalCpuUs // 0'; }

@test "a user is charged for what was used, but not for what an eviction destroyed" {
    running a </dev/null
    wait_printed "$id" 5
    stint vacate --fast "$id"
    wait_event "$id" evicted
    stint hold "$id"
    wait_state "$id" held
    lost=$(cause lost vacate)
    total=$(stint ledger --by pool --json | jq '.Ledger[0].OccupiedUs')
    [ "$lost" -gt 200000 ]
    [ "$(charged)" -le $((total - lost)) ]
}

@test "what a job lost by its own failure is charged" {
    job a COUNT=6 FAIL_AT=4 FAIL_TIMES=1 FAILED="$work/failed" <<<"max_retries = 1"
    id=$(submit a.sub)
    completed "$id"
    at_least "$id" LostUs 1
    [ "$(charged)" = "$(attr "$id" OccupiedUs)" ]
}

@test "a runner's death is not charged either, and has its own cause" {
    running a </dev/null
    wait_printed "$id" 5
    kill -KILL "$(pid_of_runner "$id")"
    wait_event "$id" runner_lost
    [ "$(cause lost runner)" -gt 0 ]
    open_gate
    completed "$id"
    [ "$(charged)" = $(($(attr "$id" OccupiedUs) - $(cause lost runner))) ]
    check_ledger
}

@test "the ledger is printed by job, stint, user, cause, class, day and pool, for one job, owner and time" {
    job a COUNT=2 </dev/null
    id=$(submit a.sub)
    completed "$id"
    for view in job stint user cause class day pool; do
        stint ledger --by $view | grep -q . || { echo "nothing by $view"; false; }
    done
    stint ledger "$id" | grep -q "^ *$id"
    today=$(date -u +%F)
    [ "$(stint ledger --by day --since "$today" --json | jq '.Ledger | length')" -ge 1 ]
    [ "$(stint ledger --by day --until 2001-01-01 --json | jq '.Ledger | length')" = 0 ]
    [ "$(stint ledger --owner nobody-at-all --json | jq '.Ledger | length')" = 0 ]
    run stint ledger --by nonsense
    [ "$status" != 0 ]
    run stint ledger --since yesterday
    [ "$status" != 0 ]
}

@test "the ledger outlives its jobs and the pool" {
    job a COUNT=2 </dev/null
    id=$(submit a.sub)
    completed "$id"
    before=$(stint ledger --by stint --json)
    stint pool stop
    stint pool start
    [ "$(stint ledger --by stint --json)" = "$before" ]
    check_ledger
}
