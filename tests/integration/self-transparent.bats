#!/usr/bin/env bats
# Self-service of jobs that are checkpointed as they are: what they ask for crosses checkpoints, and is answered once.
load lib

pool_method=transparent
export STINT_CRIU=${STINT_CRIU:-$project/build/criu}

# Built anew without sanitizers, whose memory would be in every checkpoint.
setup_file() {
    command -v cc >/dev/null || return 1
    [ -x "$STINT_CRIU/criu" ] || return 0 # each test says so
    export BUILT=$BATS_FILE_TMPDIR
    cc -O1 -D_GNU_SOURCE '-DSTINT_VERSION="a test"' -I"$project/src" -o "$BUILT/stint-self" "$project"/src/self/main.c "$project"/src/lib/stint.c
    cc -O1 -D_GNU_SOURCE -pthread -I"$project/src" -o "$BUILT/crossing" "$tests/programs/crossing.c" "$project"/src/lib/stint.c
}

# script NAME LINE…: makes an executable job from standard input, beside which stint-self lies, and NAME.sub with these lines; sets $id.
script() {
    local name=$1
    shift
    { echo '#!/bin/bash'; echo 'until_there() { until [ -e "$1" ]; do sleep 0.05; done; }'; cat; } >"$name"
    chmod +x "$name"
    printf '%s\n' "executable = $name" "transfer_input_files = $BUILT/stint-self" "output = $name.out" "error = $name.err" \
        "transfer_output_files = \"\"" "$@" queue >"$name.sub"
    id=$(submit "$name.sub")
}

# tell WORD: makes that file in the job's working directory, where until_there waits for it.
tell() {
    local places=("$STINT_DIR"/jobs/"$id"/stint.*/work)
    : >"${places[-1]}/$1"
}

said() { stint log "$id" | grep -qxF -- "$1"; }
wait_said() { wait_for "the job to say '$1'" said "$1"; }

content() {
    completed "$id" || { cat "$1.out" "$1.err"; return 1; }
    [ ! -s "$1.err" ] || { cat "$1.err"; return 1; }
}

@test "a checkpoint that the job asks for is taken in the original, and restored after a resume" {
    script a <<'JOB'
for n in $(seq 0 5); do echo $n; sleep 0.02; done
./stint-self checkpoint
./stint-self status | head -n 2 | xargs
for n in $(seq 6 9); do echo $n; done
until_there go
./stint-self checkpoint --timeout 20
for n in $(seq 10 15); do echo $n; done
JOB
    wait_said "taken 1"
    wait_printed "$id" 9
    [ "$(story "$id" '.Checkpoints[0].Why')" = self ]
    stint vacate --fast "$id"
    wait_event "$id" running 2
    wait_said "restored 1"
    wait_said "resumed_from=1 stint=2"
    ! said "taken 1"
    wait_printed "$id" 9
    tell go
    content a
    counts_up a.out 16
    grep -qx "taken 2" a.out
    [ "$(grep -c restored a.out)" = 1 ]
    is "$id" NumCkpts 2
}

@test "a hold delays the checkpoints that others want, and they come at its end" {
    script a "checkpoint_interval = 1s" <<'JOB'
./stint-self hold 60
until_there go
./stint-self release
until_there end
JOB
    wait_said "held 60"
    stint checkpoint --no-wait "$id"
    sleep 1.5 # in which a checkpoint would be due, too: nothing may happen
    [ "$(attr "$id" NumCkpts)" = "" ] || is "$id" NumCkpts 0
    ! happened "$id" checkpoint_captured
    tell go
    wait_said released
    wait_event "$id" checkpoint_taken
    tell end
    content a
}

@test "a hold ends by itself, and what waited for that comes" {
    script a <<'JOB'
./stint-self hold 1
until_there end
./stint-self release
JOB
    wait_said "held 1"
    stint checkpoint "$id"
    is "$id" NumCkpts 1
    tell end
    content a
    [ "$(cat a.out)" = "held 1
expired" ]
}

@test "an eviction waits for the end of a hold, and the job sees how long it has" {
    script a "job_max_vacate_time = 100" <<'JOB'
echo "at first $(./stint-self remaining)"
./stint-self hold 60
until left=$(./stint-self remaining) && [ "$left" != none ]; do sleep 0.05; done
echo "left $left"
./stint-self hold 10 2>/dev/null || echo refused
until_there go
echo section done
./stint-self release
until [ "$(./stint-self remaining)" = none ]; do sleep 0.05; done
echo "at last $(./stint-self status | head -n 2 | xargs)"
JOB
    wait_said "held 60"
    stint vacate "$id" &
    wait_said refused
    state_is "$id" vacating
    ! happened "$id" checkpoint_captured
    left=$(stint log "$id" | sed -n 's/^left //p')
    [[ "$left" =~ ^9[0-9]\.[0-9]{3}$ ]] || { echo "$left"; false; }
    tell go
    wait
    content a
    [ "$(grep -v '^left' a.out)" = "at first none
held 60
refused
section done
released
at last resumed_from=1 stint=2" ] || { cat a.out; false; }
    is "$id" NumCkpts 1
    is "$id" LostUs 0
}

@test "a hold that is not released in time costs the job what it did since its last checkpoint, and no more" {
    script a "job_max_vacate_time = 2" <<'JOB'
./stint-self checkpoint
[ "$(./stint-self status | head -n 2 | xargs)" = "resumed_from=0 stint=1" ] || exit 0
./stint-self hold 60
echo never seen
while :; do sleep 0.1; done
JOB
    wait_said "never seen"
    stint vacate "$id"
    content a
    [ "$(cat a.out)" = "restored 1" ]
    is "$id" NumVacates 1
    at_least "$id" LostUs 1
}

@test "progress is shown, and still after an eviction" {
    script a <<'JOB'
./stint-self progress 0.5 "half of it"
until_there go
./stint-self progress 100% "all of it"
JOB
    wait_for "the progress" is "$id" Progress 0.5
    stint show "$id" | grep -q 'It has done 50%, as it said .* ago: half of it'
    stint vacate "$id"
    wait_event "$id" running 2
    is "$id" ProgressText "half of it"
    stint q | grep -q 'running 50%'
    tell go
    content a
    is "$id" Progress 1
    is "$id" ProgressText "all of it"
}

# ---- requests that cross checkpoints ----

# beset TIMES: checkpoints every 0.3 s, and every fifth time an eviction, while the job runs; until it is over, or so often.
beset() {
    local n before
    for ((n = 1; n <= $1; n++)); do
        state_is "$id" completed held && return
        if [ $((n % 5)) = 0 ]; then
            before=$(attr "$id" StintNumber)
            stint vacate "$id" >/dev/null 2>&1 || true
            wait_for "another stint, or the end" later "$before" || return 1
        else
            stint checkpoint --timeout 10s "$id" >/dev/null 2>&1 || true
        fi
        sleep 0.3
    done
}
later() { state_is "$id" completed held || { at_least "$id" StintNumber $(($1 + 1)) && state_is "$id" running; }; }

@test "a script that asks all the time, while it is checkpointed and evicted, is always answered" {
    script a <<'JOB'
n=0
until [ -e go ]; do
    echo $n
    n=$((n + 1))
    timeout -k 1 40 ./stint-self status >status || { echo "status failed with $? at $n" >&2; exit 1; }
    [ "$(wc -l <status)" = 3 ] || { cat status >&2; exit 1; }
    timeout -k 1 40 ./stint-self progress 0.5 "$n" >/dev/null || { echo "progress failed with $? at $n" >&2; exit 1; }
done
JOB
    wait_printed "$id" 3
    beset 20
    at_least "$id" NumVacates 3
    tell go
    content a
    counts_up a.out
    is "$id" LostUs 0 || { stint show "$id"; false; }
}

@test "a script that asks for checkpoints while others take them and evict it is told of each" {
    script a <<'JOB'
for n in $(seq 0 24); do
    said=$(timeout -k 1 60 ./stint-self checkpoint) || { echo "failed with $? at $n: $said" >&2; exit 1; }
    echo $n
    [[ "$said" =~ ^(taken|restored)\ [0-9]+$ ]] || { echo "$said at $n" >&2; exit 1; }
done
JOB
    wait_printed "$id" 2
    beset 15
    content a
    counts_up a.out 25
}

@test "a program with threads that ask all the time, with libstint, is always answered" {
    cp "$BUILT/crossing" .
    printf '%s\n' "executable = crossing" "arguments = 30" "output = a.out" "error = a.err" queue >a.sub
    id=$(submit a.sub)
    wait_for "some checkpoints" at_least "$id" NumCkpts 3
    beset 15
    content a
    [ "$(cut -d' ' -f1 a.out)" = "$(seq 0 29)" ]
}
