#!/usr/bin/env bats
# The pool: it starts by itself, goes away without the jobs noticing, and refuses what it can not do well.
load lib

@test "the pool starts by itself with the first submission, and not by looking" {
    run stint q
    [ "$status" = 1 ]
    [[ "$output" == *"no pool is running"* ]]
    run stint pool status
    [ "$status" = 1 ]
    printf 'executable = /bin/true\nqueue\n' >a.sub
    completed "$(submit a.sub)"
    stint pool status | grep -q '^running'
}

@test "start twice says that it runs already; stop says that it has stopped" {
    run stint pool start
    [ "$status" = 0 ]
    [[ "$output" == *"is running"* ]]
    run stint pool start
    [ "$status" = 0 ]
    [[ "$output" == *"already"* ]]
    run stint pool stop
    [ "$status" = 0 ]
    [[ "$output" == *"has stopped"* ]]
    run stint pool stop
    [ "$status" = 1 ]
}

@test "two pools in one directory: the second one refuses" {
    stint pool start
    run "$STINT_BUILD/src/pool/stint-pool" run "$STINT_DIR"
    [ "$status" != 0 ]
    [[ "$output" == *"a pool runs in"*"already"* ]]
    stint pool status
}

@test "many first submissions at once make one pool and lose no job" {
    printf 'executable = /bin/true\nqueue\n' >a.sub
    for i in 1 2 3 4 5 6; do
        stint submit -q a.sub >"out.$i" 2>"err.$i" &
    done
    wait
    cat err.*
    [ "$(sort -n out.* | xargs)" = "1 2 3 4 5 6" ]
    for i in 1 2 3 4 5 6; do wait_done $i.0; done
    [ "$(pgrep -fc "stint-pool start $STINT_DIR")" -le 2 ] # the pool and its keeper
}

@test "after stop and start the runners are found again and nothing is started twice" {
    running a TRACE="$work/trace" <<<"$protocol"
    program=$(pid_of_program "$id")
    run stint pool stop
    [[ "$output" == *"1 running job goes on"* ]]
    ! gone "$program"
    stint pool start
    wait_state "$id" running
    [ "$(pid_of_program "$id")" = "$program" ]
    stint checkpoint "$id"
    open_gate
    completed "$id"
    counts_up a.out
    is "$id" StintNumber 1
    [ "$(wc -l <trace)" = 2 ] # the start and the one after the checkpoint
}

@test "a job that ends while the pool is away is done when it is back" {
    running a </dev/null
    runner=$(pid_of_runner "$id")
    stint pool stop
    open_gate
    wait_for "its runner to end" gone "$runner"
    stint pool start
    completed "$id"
    counts_up a.out
    check_ledger
    check_stints "$id"
}

@test "a job that checkpoints while the pool is away has its checkpoint when it is back" {
    running a <<<"$protocol
checkpoint_interval = 1"
    stint pool stop
    journal_has_commit() { journal "$id" | grep -q '"Record":"commit"'; }
    wait_for "a commit" journal_has_commit
    stint pool start
    wait_event "$id" checkpoint_taken
    open_gate
    completed "$id"
    counts_up a.out
}

@test "a pool that is killed comes back by itself, and its jobs never knew" {
    running a TRACE="$work/trace" <<<"$protocol"
    pool=$(pid_of_pool)
    kill -KILL "$pool"
    another_pool() { [ "$(pid_of_pool)" != "$pool" ] && stint pool status; }
    wait_for "another pool" another_pool
    wait_state "$id" running
    stint checkpoint "$id"
    open_gate
    completed "$id"
    counts_up a.out
    is "$id" StintNumber 1
}

@test "stop --vacate lets the jobs take their checkpoints and leave first; start goes on from them" {
    running a TRACE="$work/trace" <<<"$protocol"
    wait_printed "$id" 3
    runner=$(pid_of_runner "$id")
    run stint pool stop --vacate
    [ "$status" = 0 ]
    pool_gone() { ! stint pool status; }
    wait_for "the pool's end" pool_gone
    gone "$runner"
    stint pool start
    wait_event "$id" running 2
    [ "$(tail -n 1 trace)" != "start at 0" ]
    open_gate
    completed "$id"
    counts_up a.out
    is "$id" LostUs 0
}

@test "an idle job and a held one are there after a restart" {
    conf "cpus = 1"
    running a </dev/null
    job b COUNT=1 </dev/null
    b=$(submit b.sub)
    job c <<<"hold = true"
    c=$(submit c.sub)
    stint pool stop
    stint pool start
    state_is "$b" idle
    state_is "$c" held
    open_gate
    completed "$b"
}

@test "a suspended job is suspended after a restart" {
    running a </dev/null
    stint suspend "$id"
    wait_event "$id" suspended
    stint pool stop
    stint pool start
    wait_state "$id" suspended
    stint continue "$id"
    open_gate
    completed "$id"
}

@test "status tells of cpus, memory, disk, jobs and limits" {
    conf "cpus = 7" "memory = 3 GiB" "disk = 5 GiB"
    running a </dev/null
    run stint pool status
    [[ "$output" == *"cpus       1 of 7 used"* ]]
    [[ "$output" == *"of 3.0 GiB used"* ]]
    [[ "$output" == *"of 5.0 GiB used"* ]]
    [[ "$output" == *"jobs       1 running"* ]]
    [[ "$output" == *"limits     "* ]]
}

@test "a configuration that makes no sense keeps the pool from starting, with its line" {
    conf "cpus = 2" "chekpoint_interval = 5"
    run stint pool start
    [ "$status" = 1 ]
    [[ "$output" == *"stint.conf:2"*"chekpoint_interval"* ]]
    conf "memory = lots"
    run stint pool start
    [ "$status" = 1 ]
    [[ "$output" == *"stint.conf:1"* ]]
    rm "$STINT_DIR/stint.conf"
    stint pool start
}

@test "the database of a newer version is refused, and not touched" {
    command -v sqlite3 >/dev/null || python3 -c 'import sqlite3' 2>/dev/null || skip "neither sqlite3 nor Python's is here"
    stint pool start
    stint pool stop
    sql() { sqlite3 "$STINT_DIR/queue.db" "$1" 2>/dev/null || python3 -c 'import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); print(*[r[0] for r in c.execute(sys.argv[2])]); c.commit()' "$STINT_DIR/queue.db" "$1"; }
    version=$(sql "PRAGMA user_version")
    sql "PRAGMA user_version = 1000"
    run stint pool start
    [ "$status" = 1 ]
    [[ "$output" == *newer* ]]
    [ "$(sql "PRAGMA user_version")" = 1000 ]
    sql "PRAGMA user_version = $version"
    stint pool start
}

@test "a directory that can not be written is named" {
    [ "$(id -u)" != 0 ] || skip "root may write everywhere"
    STINT_DIR=/proc/nowhere run stint pool start
    [ "$status" = 1 ]
    [[ "$output" == */proc/nowhere* ]]
}

@test "the pool's directory shows nothing to others" {
    running a <<<"$protocol"
    stint checkpoint "$id"
    [ "$(stat -c %a "$STINT_DIR/store")" = 700 ]
    [ "$(find "$STINT_DIR" -type f -perm /077 ! -path '*/work/*' ! -name stint.conf | wc -l)" = 0 ] || { find "$STINT_DIR" -type f -perm /077 -ls; false; }
}

@test "q tells of a batch, an owner, a constraint and chosen attributes" {
    job a <<<"hold = true"
    sed -i 's/^queue/queue 3/' a.sub
    stint submit a.sub
    [ "$(stint q --af ProcId -c 'ProcId > 0' | xargs)" = "1 2" ]
    [ "$(stint q --owner nobody-at-all --json | jq '.Jobs | length')" = 0 ]
    [ "$(stint q --batch | grep -c counter)" = 1 ]
    [ "$(stint q 1.1 --json | jq '.Jobs | length')" = 1 ]
}

@test "history tells of the past, the newest first, and wait of the present" {
    printf 'executable = /bin/true\nqueue\n' >a.sub
    for i in 1 2 3; do completed "$(submit a.sub)"; done
    [ "$(stint history --af ClusterId | xargs)" = "3 2 1" ]
    [ "$(stint history -n 1 --af ClusterId)" = 3 ]
    stint wait 1 2>/dev/null
    run stint wait 9
    [ "$status" = 1 ]
    running b </dev/null
    run stint wait --timeout 1 "$id"
    [ "$status" = 124 ]
}

@test "events tells what happened, and follows it" {
    running a <<<"$protocol"
    stint events -f "$id" >followed &
    follower=$!
    stint checkpoint "$id"
    open_gate
    completed "$id"
    wait_for "the follower" grep -q completed followed
    kill $follower 2>/dev/null || true
    stint events --json | jq -es 'map(.Event) | contains(["submitted", "running", "checkpoint_taken", "completed"])'
}

@test "log prints and follows the output of a job, present and past" {
    running a <<<"$protocol"
    stint log -f "$id" >followed &
    stint vacate "$id"
    wait_event "$id" running 2
    open_gate
    completed "$id"
    wait
    counts_up followed
    diff followed a.out
    stint log "$id" >past || true
    [ ! -s past ] || diff past a.out
}
