#!/usr/bin/env bats
# Programs that know nothing of checkpoints are checkpointed as they are, and go on.
load lib
pool_method=auto
export STINT_CRIU=${STINT_CRIU:-$project/build/criu}

# To be put before what a job's script does: counts until there is that file in the job's working directory.
counting='n=0; count() { until [ -e "$1" ]; do echo $((n++)); sleep 0.03; done; }'

# runs NAME [LINE…]: submits a script, from standard input, with these lines in its submit file; sets $id. It has printed something.
runs() {
    local name=$1
    shift
    { echo '#!/bin/bash'; echo "$counting"; cat; } >"$name.sh"
    chmod 755 "$name.sh"
    printf '%s\n' "executable = $name.sh" "output = $name.out" "error = $name.err" "log = $name.log" 'transfer_output_files = ""' "$@" \
        queue >"$name.sub"
    id=$(submit "$name.sub")
    wait_for "the job to print" prints "$id"
    wait_event "$id" running
}

# counts NAME [LINE…]: one that counts until it is told to end.
counts() { runs "$@" <<<'count gate'; }

prints() { [ -n "$(stint log "$1")" ]; }
# The directory of a job's present stint.
place() { printf '%s\n' "$STINT_DIR/jobs/$1"/stint.* | sort -V | tail -n 1; }
# A file for it in its working directory, with the text.
give() { printf '%s' "${3-}" >"$(place "$1")/work/.$2" && mv "$(place "$1")/work/.$2" "$(place "$1")/work/$2"; }
given_and_over() { give "$1" gate 2>/dev/null; state_is "$1" completed held removed; }
# ends ID [CODE]: tells it to end, and waits.
ends() {
    wait_for "the end of job $1" given_and_over "$1"
    completed "$@"
}
last() { stint log "$1" | tail -n 1; }
beyond() { [ "$(last "$1")" -gt "$2" ]; }
# goes_on ID: prints more than it has.
goes_on() {
    wait_for "job $1 to print" prints "$1"
    wait_for "job $1 to go on" beyond "$1" "$(last "$1")"
}
# evicted ID [OPTION…]: vacated and running again, from a checkpoint.
evicted() {
    local count
    count=$(story "$1" '[.Events[] | select(.Event == "running")] | length')
    stint vacate "${@:2}" "$1"
    wait_event "$1" running $((count + 1))
    goes_on "$1"
    [ "$(story "$1" '.Stints[-1].ResumedFrom')" -gt 0 ]
}
doomed() { sleep "0.$(printf '%03d' $((RANDOM % 400)))"; }
criu_gone() { stint pool stop || true; STINT_CRIU=/nonexistent stint pool start; }
criu_back() { stint pool stop || true; stint pool start; }
says() { stint show "$1" | grep -q -- "$2"; }

# ---- who asks ----

@test "a program is checkpointed while it runs, and does not notice" {
    counts a
    pid=$(pid_of_program "$id")
    run stint checkpoint "$id"
    [ "$status" = 0 ]
    [[ "$output" =~ checkpoint\ 1\ taken:.*pause\ [0-9.]+m?s ]]
    goes_on "$id"
    [ "$(pid_of_program "$id")" = "$pid" ]
    is "$id" CheckpointMethodUsed transparent
    says "$id" 'transparent'
    ends "$id"
    counts_up a.out
    [ "$(story "$id" '.Stints | length')" = 1 ]
    check_ledger
    check_stints "$id"
}

@test "periodic checkpoints are taken by themselves" {
    counts a 'checkpoint_interval = 1s'
    wait_event "$id" checkpoint_taken 2
    [ "$(story "$id" '[.Events[] | select(.Event == "checkpoint_taken") | .Why] | unique | join(" ")')" = periodic ]
    ends "$id"
    counts_up a.out
}

@test "an evicted program goes on where it was, and loses nothing" {
    counts a
    evicted "$id"
    evicted "$id"
    ends "$id"
    counts_up a.out
    [ "$(story "$id" '[.Stints[].ResumedFrom] | join(" ")')" = "0 1 2" ]
    [ "$(attr "$id" LostUs)" = "" ] || [ "$(attr "$id" LostUs)" = 0 ]
    check_ledger
    check_stints "$id"
}

@test "vacate --fast saves nothing more: the program goes on from its last checkpoint" {
    counts a
    stint checkpoint "$id"
    goes_on "$id"
    evicted "$id" --fast
    ends "$id"
    counts_up a.out
    is "$id" NumCkpts 1
    at_least "$id" LostUs 1
    check_ledger
}

@test "hold saves it, release lets it go on" {
    counts a
    stint hold "$id"
    wait_state "$id" held
    is "$id" NumCkpts 1
    nothing_in_worlds
    stint release "$id"
    wait_event "$id" running 2
    goes_on "$id"
    ends "$id"
    counts_up a.out
}
nothing_in_worlds() { ! pgrep -f "$work" >/dev/null; }

@test "a suspended program takes no checkpoint, goes on when it is continued, and is saved when it has to leave" {
    counts a
    stint suspend "$id"
    wait_state "$id" suspended
    run stint checkpoint "$id"
    [ "$status" = 1 ]
    stint continue "$id"
    goes_on "$id"
    stint suspend "$id"
    wait_state "$id" suspended
    evicted "$id"
    is "$id" NumCkpts 1
    ends "$id"
    counts_up a.out
    check_ledger
}

# stands ID: the process that takes a checkpoint has reached the point at which it stands still.
stands() { [ -e "$work/struck" ]; }
go() { pkill -CONT -x stint-worker -P "$(pid_of_runner "$1")"; }

@test "a job that is removed while a checkpoint is taken is gone" {
    STINT_FAULT=engine.frozen:stop+1 STINT_FAULT_ONCE=$work/struck stint pool start
    counts a
    stint checkpoint --no-wait "$id"
    wait_for "a frozen tree" stands
    stint rm "$id"
    go "$id"
    wait_state "$id" removed
    wait_for "nothing to be left" queue_empty
    [ -z "$(ls "$STINT_DIR/store" | grep -F "$id")" ] || wait_for "no checkpoint to be left" test ! -e "$STINT_DIR/store/$id"
    check_ledger
}

@test "a request that comes while a checkpoint is taken is met, and so is an eviction" {
    STINT_FAULT=engine.frozen:stop+1 STINT_FAULT_ONCE=$work/struck stint pool start
    counts a
    stint checkpoint --no-wait "$id"
    wait_for "a frozen tree" stands
    stint vacate "$id"
    go "$id"
    wait_event "$id" running 2
    [ "$(story "$id" '.Stints[-1].ResumedFrom')" = 2 ]
    goes_on "$id"
    ends "$id"
    counts_up a.out
}

@test "suspended while a checkpoint is taken: afterwards" {
    STINT_FAULT=engine.frozen:stop+1 STINT_FAULT_ONCE=$work/struck stint pool start
    counts a
    stint checkpoint --no-wait "$id"
    wait_for "a frozen tree" stands
    stint suspend "$id"
    go "$id"
    wait_event "$id" suspended
    is "$id" NumCkpts 1
    stint continue "$id"
    goes_on "$id"
    ends "$id"
    counts_up a.out
    check_ledger
}

# ---- what it has ----

@test "streamed output appears exactly once, whenever the program is evicted" {
    runs a 'stream_output = true' 'stream_error = true' <<<'while [ ! -e gate ]; do echo $((n++)); echo "e$n" >&2; sleep 0.02; done'
    echo "seed ${RANDOM_SEED:=$RANDOM}"
    RANDOM=$RANDOM_SEED
    for how in "" --fast ""; do
        stint checkpoint "$id"
        doomed
        evicted "$id" $how
    done
    ends "$id"
    counts_up a.out
    diff a.err <(seq -f 'e%g' 1 "$(wc -l <a.out)")
}

@test "output and error in one file stay in order" {
    runs a 'output = both' 'error = both' <<<'while [ ! -e gate ]; do echo $((n++)); echo "$n." >&2; sleep 0.02; done'
    stint checkpoint "$id"
    evicted_any() { stint vacate --fast "$id"; wait_event "$id" running 2; }
    evicted_any
    wait_for "more of it" happened "$id" running 2
    ends "$id"
    diff both <(for i in $(seq 0 $(($(wc -l <both) / 2 - 1))); do printf '%s\n%s.\n' "$i" $((i + 1)); done)
}

@test "standard input goes on where it was read to" {
    seq 0 1000 >numbers
    runs a 'input = numbers' <<<'while read -r line; do echo "$line"; [ "$line" -lt 20 ] || [ -e gate ] || sleep 0.05; done'
    wait_for "it to read" beyond "$id" 20
    evicted "$id"
    evicted "$id"
    ends "$id"
    diff a.out numbers
}

@test "files are put back as they were at the checkpoint" {
    echo input >given
    echo other >doomed
    mkdir tree && echo deep >tree/leaf
    runs a 'transfer_input_files = given, doomed, tree' 'transfer_output_files = report' <<'END'
echo one >rewritten; echo one >appended; echo one >renamed; echo one >deleted; mkdir dir; echo one >dir/file; ln -s dir link
ln dir/file hard; chmod 640 dir/file; rm doomed; exec 7>>appended; : >/tmp/t; mkdir /tmp/d; : >/dev/shm/s
count changed
echo two >rewritten; echo two >&7; mv renamed name; rm deleted; echo two >created; rm link; echo two >dir/file2; rm -r /tmp/d; : >/tmp/u
rm /dev/shm/s; echo two >given; chmod 600 dir/file
count gate
END
    stint checkpoint "$id"
    give "$id" changed
    wait_for "the changes" test -e "$(place "$id")/work/created"
    stint vacate --fast "$id"
    wait_event "$id" running 2
    goes_on "$id"
    cd "$(place "$id")/work"
    [ "$(cat rewritten appended renamed deleted dir/file given tree/leaf | tr '\n' ' ')" = "one one one one one input deep " ]
    [ ! -e created ] && [ ! -e name ] && [ ! -e dir/file2 ] && [ ! -e doomed ] && [ ! -e changed ]
    [ -L link ] && [ "$(stat -c '%h %a' dir/file)" = "2 640" ] && [ dir/file -ef hard ]
    [ -e ../tmp/t ] && [ -d ../tmp/d ] && [ ! -e ../tmp/u ]
    cd "$work"
    give "$id" changed
    wait_for "the changes, again" test -e "$(place "$id")/work/created"
    [ "$(cat "$(place "$id")/work/appended" | tr '\n' ' ')" = "one two " ]
    echo done >"$(place "$id")/work/report"
    ends "$id"
    counts_up a.out
    [ "$(cat report)" = done ]
}

@test "its own files in memory and in /tmp, and its memory, are what they were" {
    printf '%s\n' "executable = $STINT_BUILD/tests/programs/ticker" 'arguments = 10 4' 'output = a.out' 'error = a.err' \
        'transfer_output_files = ""' queue >a.sub
    id=$(submit a.sub)
    wait_for "the job to print" prints "$id"
    for how in "" --fast ""; do
        stint checkpoint "$id"
        doomed
        evicted "$id" $how
    done
    ends "$id"
    counts_up a.out
    [ ! -s a.err ]
}

@test "files outside the sandbox are put back; the directories that they are in are not touched" {
    mkdir -m 1777 sticky && mkdir -m 770 sticky/in && touch -d 2020-01-01 sticky
    modes() { stat -c '%n %a' / /tmp "$BATS_TEST_TMPDIR" "$work" "$work/sticky" "$work/sticky/in"; stat -c %y "$work/sticky"; }
    modes >before
    cd sticky/in
    runs a 'should_transfer_files = NO' <<<'exec 7>>grown; until [ -e gate ]; do echo $((n++)); echo "$n" >&7; sleep 0.03; done'
    stint checkpoint "$id"
    goes_on "$id"
    stint vacate --fast "$id"
    wait_event "$id" running 2
    goes_on "$id"
    touch gate
    completed "$id"
    counts_up a.out
    diff grown <(seq 1 "$(wc -l <a.out)")
    modes | diff "$work/before" -
}

@test "a subdirectory that it works in is there when it goes on" {
    runs a <<<'mkdir -p sub/dir; cd sub/dir; until [ -e ../../gate ]; do echo $((n++)); pwd >>where; sleep 0.03; done'
    evicted "$id"
    [ "$(sort -u "$(place "$id")/work/sub/dir/where")" = /stint/work/sub/dir ]
    ends "$id"
    counts_up a.out
}

@test "a daemon that it has left comes along, and dies with it" {
    runs a <<<'(setsid bash -c "exec >/dev/null 2>&1 </dev/null; while :; do echo x >>beats; sleep 0.03; done" &); sleep 0.1; count gate'
    evicted "$id"
    beats=$(wc -l <"$(place "$id")/work/beats")
    wait_for "the daemon to go on" lines_in "$(place "$id")/work/beats" $((beats + 3))
    ends "$id"
    counts_up a.out
    nothing_in_worlds
}

@test "a pipeline of several programs goes on" {
    runs a <<<'until [ -e gate ]; do echo $((n++)); sleep 0.02; done | sed -u s/^/x/ | tee /dev/stderr | sed -u s/^x//'
    evicted "$id"
    evicted "$id"
    ends "$id"
    counts_up a.out
    diff <(sed s/^x// a.err) a.out
}

# ---- how it ends ----

@test "exit code and signal of a resumed program are its own" {
    counts a
    evicted "$id"
    give "$id" gate
    completed "$id" 0
    runs b <<<'count gate; exit 7'
    evicted "$id"
    ends "$id" 7
    runs c <<<'count gate; kill -USR1 $$'
    evicted "$id"
    wait_for "its end" given_and_over "$id"
    state_is "$id" completed
    is "$id" ExitBySignal true
    is "$id" ExitSignal 10
    check_ledger
}

@test "a program that fails and may retry goes on from its last checkpoint" {
    runs a 'max_retries = 2' <<<'count fail; [ -e passed ] || exit 3; count gate'
    stint checkpoint "$id"
    give "$id" fail
    wait_event "$id" running 2
    [ "$(story "$id" '.Stints[-1].ResumedFrom')" = 1 ]
    is "$id" Retries 1
    goes_on "$id"
    give "$id" passed
    give "$id" fail
    ends "$id"
    counts_up a.out
}

@test "limits hold for a resumed program: more memory than it asked for" {
    stint pool start
    stint pool status | grep -q 'limits *enforced by' || skip "limits are not enforced here"
    runs a 'request_memory = 64' <<<'count more; exec python3 -c "x = bytearray(300 << 20); import time; time.sleep(60)"'
    evicted "$id"
    give "$id" more
    wait_state "$id" held
    is "$id" HoldReasonCode 34
    [[ "$(attr "$id" HoldReason)" == *"memory"* ]]
    says "$id" 'checkpoint'
}

@test "limits hold: more disk than it asked for; its images are not its own" {
    runs a 'request_disk = 2000' 'checkpoint_interval = 1s' <<<'x=$(head -c 8000000 /dev/urandom | base64 -w0); count more; head -c 5000000 /dev/zero >big; sleep 60'
    wait_event "$id" checkpoint_taken 2
    DEADLINE=20 wait_event "$id" image_size 1
    state_is "$id" running
    give "$id" more
    wait_state "$id" held
    is "$id" HoldReasonCode 34
    [[ "$(attr "$id" HoldReason)" == *"request_disk"* ]]
}

# ---- in people's hands ----

@test "a clone runs beside the original, from its checkpoint" {
    counts a
    stint checkpoint "$id"
    first=$id
    at=$(last "$id")
    second=$(stint clone -q "$id" 2>/dev/null || stint clone "$id" | grep -o '[0-9]*\.0' | tail -n 1)
    [ -n "$second" ]
    wait_event "$second" running
    goes_on "$second"
    [ "$(stint log "$second" | head -n 1)" = 0 ]
    goes_on "$first"
    state_is "$first" running
    state_is "$second" running
    evicted "$second"
    give "$second" gate
    completed "$second"
    goes_on "$first"
    ends "$first"
    counts_up a.out
    check_ledger
}

@test "a job goes back to an older checkpoint" {
    runs a <<<'exec 7>>marks; until [ -e gate ]; do echo $((n++)); echo "$n" >&7; sleep 0.03; done'
    stint checkpoint "$id"
    then=$(last "$id")
    goes_on "$id"
    stint checkpoint "$id"
    goes_on "$id"
    stint hold "$id"
    wait_state "$id" held
    run stint ckpt ls "$id"
    stint rewind "$id@2"
    stint release "$id"
    wait_event "$id" running 2
    goes_on "$id"
    ends "$id"
    counts_up a.out
}

@test "checkpoints of processes are listed, shown, verified, exported and imported" {
    counts a
    stint checkpoint "$id"
    goes_on "$id"
    stint checkpoint "$id"
    stint ckpt ls "$id" | grep -q "$id@2"
    stint ckpt show "$id@2" | tee shown
    grep -q 'engine transparent' shown
    grep -q images shown
    stint ckpt verify "$id"
    stint ckpt export "$id@2" >saved.ckpt
    ends "$id"
    counts_up a.out
    mv a.out first.out
    stint ckpt import saved.ckpt | tee said
    new=$(grep -o '[0-9][0-9]*\.0' said | tail -n 1)
    state_is "$new" held
    stint release "$new"
    wait_event "$new" running
    goes_on "$new"
    ends "$new"
    counts_up a.out
}

# ---- which method ----

@test "none, self, transparent and auto are what they say, and shown" {
    job self "GATE=$gate" <<<"$protocol"
    self=$(submit self.sub)
    wait_event "$self" running
    is "$self" CheckpointMethodUsed self
    counts auto
    is "$id" CheckpointMethodUsed transparent
    ends "$id"
    counts none 'checkpoint_method = none'
    is "$id" CheckpointMethodUsed none
    says "$id" 'Checkpoints: none'
    run stint checkpoint "$id"
    [ "$status" = 1 ]
    stint vacate "$id"
    wait_event "$id" running 2
    [ "$(story "$id" '.Stints[-1].ResumedFrom')" = 0 ]
    ends "$id"
    counts named 'checkpoint_method = transparent'
    is "$id" CheckpointMethodUsed transparent
    ends "$id"
    open_gate
    completed "$self"
}

@test "without CRIU a job runs, unless it insists, and is told why" {
    criu_gone
    counts a
    is "$id" CheckpointMethodUsed none
    [[ "$(attr "$id" CheckpointMethodReason)" == *CRIU* ]]
    says "$id" CRIU
    run stint checkpoint "$id"
    [ "$status" = 1 ]
    [[ "$output" == *CRIU* ]]
    ends "$id"
    printf '%s\n' 'executable = a.sh' 'output = b.out' 'checkpoint_method = transparent' 'transfer_output_files = ""' queue >b.sub
    id=$(submit b.sub)
    wait_state "$id" held
    [[ "$(attr "$id" HoldReason)" == *CRIU* ]]
    criu_back
    stint release "$id"
    wait_event "$id" running
    is "$id" CheckpointMethodUsed transparent
    wait_for "the job to print" prints "$id"
    ends "$id"
    counts_up b.out
}

@test "processes in a checkpoint wait for CRIU: held, and nothing is lost" {
    counts a
    stint hold "$id"
    wait_state "$id" held
    at=$(story "$id" .Job.NumCkpts)
    criu_gone
    stint release "$id"
    wait_for "it to be held again" happened "$id" held 2
    [[ "$(attr "$id" HoldReason)" == *"checkpoint 1"*CRIU* ]]
    stint ckpt verify "$id"
    criu_back
    stint release "$id"
    wait_event "$id" running
    goes_on "$id"
    [ "$(story "$id" '.Stints[-1].ResumedFrom')" = "$at" ]
    ends "$id"
    counts_up a.out
}

@test "a job whose own protocol fails is checkpointed as it is" {
    conf 'checkpoint_timeout = 1s'
    job a "ON_SIGNAL=ignore" COUNT=1000 PACE=0.03 <<<"$protocol
checkpoint_method = self, transparent"
    id=$(submit a.sub)
    wait_printed "$id" 3
    stint checkpoint "$id" || true
    wait_event "$id" checkpoint_taken
    stint vacate "$id"
    wait_event "$id" running 2
    [ "$(story "$id" '.Stints[-1].ResumedFrom')" -gt 0 ]
    goes_on "$id"
    stint hold "$id"
    wait_state "$id" held
    counts_up "$(place "$id")/std/stdout" || true
    stint rm "$id"
}

# ---- what cannot be ----

@test "what cannot be dumped is told, the job runs on, and the tries get rarer" {
    runs a 'checkpoint_interval = 1s' <<'END'
exec python3 -uc '
import ctypes, os, time
libc = ctypes.CDLL(None)
at = libc.shmget(0, 4096, 0o1600)
libc.shmat.restype = ctypes.c_void_p
assert at >= 0 and libc.shmat(at, None, 0)
n = 0
while not os.path.exists("gate"):
    print(n); n += 1; time.sleep(0.03)
'
END
    wait_event "$id" checkpoint_failed 3
    says "$id" 'shared memory'
    times=$(story "$id" '[.Events[] | select(.Event == "checkpoint_failed") | .Time] | "\(.[1] - .[0]) \(.[2] - .[1])"')
    [ "${times#* }" -gt $((${times% *} * 3 / 2)) ]
    [ "$(story "$id" '.Stints | length')" = 1 ]
    goes_on "$id"
    ends "$id"
    counts_up a.out
}
