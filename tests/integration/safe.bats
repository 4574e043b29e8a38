#!/usr/bin/env bats
# Checkpoints that outlive the machine: a remote store behind the local one, in a directory and on a real S3 server.
load lib
load s3

setup_file() { start_s3 hidden-secret bucket; }

remote_directory() {
    mkdir "$work/far"
    conf "remote_store = $work/far" "$@"
}

remote_bucket() {
    [ -z "${NO_SERVER:-}" ] || skip "$NO_SERVER"
    (umask 077 && printf 'access_key = stint:test\nsecret_key = hidden-secret\n' >"$work/keys")
    conf "remote_store = s3://bucket/$BATS_TEST_NUMBER" "remote_store_endpoint = $ENDPOINT" "remote_store_credentials = $work/keys" "$@"
}

safe() { [ "$(attr "$1" SafeGeneration)" = "$2" ]; }
wait_safe() { wait_for "checkpoint $2 of job $1 to be safe" safe "$@"; }
started_from() { [ "$(story "$1" '.Stints[-1].ResumedFrom')" = "$2" ]; }

# Two checkpoints, both safe; then held.
two_safe_checkpoints() {
    running a PACE=0.05 "TRACE=$work/trace" <<<"$protocol"
    stint checkpoint "$id"
    wait_safe "$id" 1
    wait_printed "$id" 5
    stint hold "$id"
    wait_state "$id" held
    wait_safe "$id" 2
}

# It goes on from its second checkpoint, and everything is there once.
goes_on() {
    stint release "$id"
    wait_for "its next stint" started_from "$id" 2
    open_gate
    completed "$id"
    counts_up a.out
    check_ledger
}

@test "a checkpoint counts at once and is safe when it is in the directory; who looks is told" {
    remote_directory
    two_safe_checkpoints
    [ -f "far/$id/000002.manifest" ]
    [ -n "$(ls "far/$id/packs")" ]
    [ "$(story "$id" '.Checkpoints[] | select(.Generation == 2) | .Safe')" = true ]
    stint show "$id" | grep -q 'checkpoint 2 is safe: it is in the remote store as well'
    stint ckpt ls "$id" | grep "@2 " | grep -q safe
    goes_on
}

@test "a job whose local checkpoints are all lost goes on from the directory" {
    remote_directory
    two_safe_checkpoints
    rm -r "$STINT_DIR/store/$id"
    goes_on
}

@test "a job whose local checkpoints are all lost goes on from the bucket" {
    remote_bucket
    two_safe_checkpoints
    rm -r "$STINT_DIR/store/$id"
    goes_on
}

@test "a damaged checkpoint is named, fetched from the bucket again, and used" {
    remote_bucket
    two_safe_checkpoints
    for pack in "$STINT_DIR/store/$id"/packs/*; do
        printf 'XXXX' | dd of="$pack" bs=1 seek=66 conv=notrunc status=none
    done
    goes_on
    [[ "$(story "$id" '.Events[] | select(.Event == "generation_corrupt") | "\(.Generation) \(.Reason)"')" == "2 "*"fetched again"* ]]
    ! grep -q hidden-secret "$STINT_DIR/pool.log"
}

@test "while the remote store cannot be reached the job and its checkpoints go on; they become safe later" {
    remote_directory
    mv far away
    running a PACE=0.05 <<<"$protocol"
    stint checkpoint "$id"
    [ -z "$(attr "$id" SafeGeneration)" ]
    wait_for "the failure to be told" grep -q "far" "$STINT_DIR/pool.log"
    mv away far
    stint pool stop
    stint pool start # the next try would come a minute later
    wait_safe "$id" 1
    open_gate
    completed "$id"
    counts_up a.out
}

@test "what is removed here is removed there: old generations, and a job that is done" {
    remote_directory "keep_generations = 1"
    two_safe_checkpoints
    [ ! -e "far/$id/000001.manifest" ]
    goes_on
    wait_for "the remote store to forget the job" test ! -e "far/$id"
}

@test "a checkpoint that somebody removes is removed there too, and does not come back" {
    remote_directory
    two_safe_checkpoints
    mv far away # nobody can tell it now
    stint ckpt rm --force "$id@1" "$id@2"
    mv away far
    stint pool stop
    stint pool start
    wait_for "the remote store to forget them" test ! -e "far/$id/000002.manifest"
    stint release "$id"
    wait_for "its next stint" started_from "$id" 0
    open_gate
    completed "$id"
    counts_up a.out
}

@test "a pool that is killed while it sends goes on where it was" {
    remote_directory
    running a PACE=0.05 <<<"$protocol"
    for n in 1 2 3; do
        stint checkpoint "$id"
        kill -KILL "$(pid_of_pool)"
        wait_for "the pool" stint pool status
    done
    wait_safe "$id" 3
    open_gate
    completed "$id"
    counts_up a.out
}

@test "a remote store that makes no sense is refused with its line" {
    conf "remote_store = ftp://somewhere"
    run stint pool start
    [ "$status" -ne 0 ]
    [[ "$output" == *"stint.conf:1:"*remote_store* ]]
}
