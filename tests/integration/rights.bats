#!/usr/bin/env bats
# A machine-wide pool works as root in directories that belong to users. What a user can not read, write or own, no job of that user's
# gets from root either, whatever links, FIFOs and names it leaves in the way.
load lib

setup() {
    [ "$(id -u)" = 0 ] || skip "a machine-wide pool needs root"
    place=$(mktemp -d /tmp/stint-rights.XXXXXX) # bats' own directory is closed to others
    chmod 711 "$place"
    export STINT_DIR=$place/pool
    user=$(id -u games) work=$place/home gate=$place/gate
    install -d -o "$user" -m 700 "$work"
    install -d -m 777 "$place/common"
    install -d -m 755 "$place/roots"
    install -m 600 /dev/null "$place/roots/secret"
    echo "top secret" >"$place/roots/secret"
    install -m 755 "$counter" "$place/counter"
    counter=$place/counter
    install -d -m 711 "$STINT_DIR"
    conf
    cd "$work"
}

teardown() {
    [ -n "$place" ] || return 0
    stop_everything
    local result=$?
    rm -rf "$place"
    return $result
}

as_user() {
    HOME=$work setpriv --reuid "$user" --regid nogroup --clear-groups --inh-caps=-all -- "$@"
}

# submits LINE…: the counter of the user, with these lines more; sets $id.
submits() {
    printf '%s\n' "executable = $counter" "output = $work/out" "log = $work/log" "$@" queue >"$work/job.sub"
    id=$(as_user "$stint" submit -q job.sub).0
}

# script LINE…: the same with a shell script.
script() {
    printf '#!/bin/bash\n' >"$work/script"
    cat >>"$work/script"
    chmod 755 "$work/script"
    submits "executable = script" "$@"
}

secret_is_safe() {
    [ "$(stat -c '%u %a' "$place/roots/secret")" = "0 600" ] && [ "$(cat "$place/roots/secret")" = "top secret" ] &&
        ! grep -rqs "top secret" "$STINT_DIR/store" "$work"
}

worker() { pgrep -x stint-worker -P "$(pid_of_runner "$id")"; }
stopped() { [ "$(ps -o stat= -p "$(worker)" | cut -c1)" = T ]; }

# fault_at POINT: starts a pool of which the first worker that gets there stands still.
fault_at() {
    STINT_FAULT="$1:stop+1" STINT_FAULT_ONCE=$place/common/struck stint pool start
}

@test "a checkpoint list can not take what the owner can not read" {
    stint pool start
    submits "should_transfer_files = NO" "initialdir = $place/roots" "environment = \"GATE=$gate ON_SIGNAL=forget\"" \
        "checkpoint_exit_code = 17" "+WantCheckpointSignal = true" '+CheckpointSig = "SIGUSR2"' "transfer_checkpoint_files = secret"
    wait_printed "$id" 0
    stint checkpoint "$id" || true
    wait_for "a checkpoint that fails" eval 'journal "$id" | grep -q "\"fail\""'
    journal "$id" | grep '"fail"' | grep "Permission denied"
    secret_is_safe
    stint vacate "$id"
    wait_event "$id" running 2
    secret_is_safe
    open_gate
    completed "$id"
}

@test "a checkpoint is not restored to where the owner can not write" {
    stint pool start
    install -d -m 777 "$place/open"
    submits "should_transfer_files = NO" "initialdir = $place/open" "environment = \"GATE=$gate\"" "$protocol"
    wait_printed "$id" 2
    stint hold "$id"
    wait_state "$id" held
    [ "$(stat -c %u "$place/open/state")" = "$user" ]
    chmod 755 "$place/open"
    rm "$place/open/state"
    stint release "$id"
    wait_for "a stint that fails" eval 'journal "$id" | grep "\"end\"" | grep -q "Permission denied"'
    [ -z "$(ls "$place/open")" ]
    chmod 777 "$place/open"
    open_gate
    completed "$id"
    counts_up "$work/out"
}

@test "a job can put nothing beside its directories" {
    stint pool start
    script "transfer_output_files = \"\"" <<'SCRIPT'
mkfifo ../fifo && echo fifo
mv ../std ../other && echo moved
ln -sf /etc/passwd ../inputs && echo linked
rm -f ../inputs; [ ! -e ../inputs ] && echo removed
cat ../inputs && echo read
ls .. && echo listed
rmdir ../work && echo gone
stat -c '%u %a' .. . ../std
SCRIPT
    completed "$id"
    [ "$(cat out)" = "0 711
$user 700
$user 700" ]
}

@test "what waits under the name of a standard file is not taken for one, nor given away" {
    for trick in "ln $place/roots/secret stdout" "ln -s $place/roots/secret stdout" "mkfifo -m 666 stdout"; do
        rm -f "$place/common/struck" "$gate"
        fault_at runner.input.copy
        submits "environment = \"GATE=$gate\"" "stream_output = true"
        wait_for "a worker that stands still" stopped
        (cd "$STINT_DIR/jobs/$id/stint.1/std" && $trick)
        kill -CONT "$(worker)"
        wait_for "the end of its stint" eval 'journal "$id" | grep "\"end\"" | grep -q stdout'
        secret_is_safe
        open_gate
        completed "$id"
        counts_up "$work/out"
        wait_for "the sandbox to go" eval "[ \$(stat -c %h '$place/roots/secret') = 1 ]"
        secret_is_safe
        stint pool stop
    done
}

@test "a standard file that a job swaps before a checkpoint is not opened by root" {
    stint pool start
    script "checkpoint_exit_code = 17" "transfer_checkpoint_files = state" "stream_output = true" <<'SCRIPT'
[ ! -e state ] || { echo again; exit 0; }
echo first
touch state
rm ../std/stdout
ln -s /etc/shadow ../std/stdout
exit 17
SCRIPT
    before=$(stat -c '%u %a %s %Y' /etc/shadow)
    wait_for "what comes of it" eval 'journal "$id" | grep "\"end\""'
    [ "$(stat -c '%u %a %s %Y' /etc/shadow)" = "$before" ]
    secret_is_safe
    stint rm "$id"
    wait_done "$id"
}

@test "a sandbox goes without a change to what its links lead to" {
    stint pool start
    install -d -m 755 "$place/roots/dir"
    script "transfer_output_files = \"\"" <<SCRIPT
ln -s $place/roots/dir link
mkdir -p a/b c && touch a/b/file && ln -s ../../../../../../roots/dir a/b/link
chmod 0 a/b a c .
SCRIPT
    completed "$id"
    wait_for "its directory to go" [ ! -e "$STINT_DIR/jobs/$id" ]
    [ "$(stat -c '%u %a' "$place/roots/dir")" = "0 755" ]
    secret_is_safe
}

@test "a worker that has taken on the owner's rights dies with its runner" {
    fault_at runner.input.copy
    submits "environment = \"GATE=$gate\""
    wait_for "a worker that stands still" stopped
    pid=$(worker)
    [ "$(ps -o euid= -p "$pid" | xargs)" = "$user" ]
    [ -z "$(find "/proc/$pid/fd" -lname 'socket:*' | grep -v '/[012]$')" ] # neither line nor listener
    kill -KILL "$(pid_of_runner "$id")"
    wait_for "the worker's end" gone "$pid"
    wait_printed "$id" 0
    open_gate
    completed "$id"
}
