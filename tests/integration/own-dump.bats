#!/usr/bin/env bats
# Programs that have themselves dumped by CRIU's RPC, through a socket criu_pipe in their working directory.
load lib

pool_method=auto
export STINT_CRIU=${STINT_CRIU:-$project/build/criu}

setup_file() {
    [ -x "$STINT_CRIU/criu" ] || return 0 # each test says so
}

# own NAME COUNT WORD…: submits the program own, which counts; a word N=DEED says what it does at number N. More lines of the submit
# file come from standard input.
own() {
    local name=$1
    shift
    cp "$tests/programs/own" own
    printf '%s\n' "executable = own" "arguments = \"$*\"" "criu_pipe = true" "output = $name.out" "error = $name.err" "log = $name.log" \
        "transfer_output_files = \"\"" >"$name.sub"
    cat >>"$name.sub"
    echo queue >>"$name.sub"
    id=$(submit "$name.sub")
}

said() { stint log "$id" | grep -qxF -- "$1"; }
wait_said() { wait_for "the job to say '$1'" said "$1"; }
times_said() { [ "$(grep -cxF -- "$2" "$1")" = "$3" ] || { cat "$1"; return 1; }; }

# is_content NAME COUNT: it has ended well, and every number is there once.
is_content() {
    completed "$id" || { tail -n 5 "$1.err"; return 1; }
    counts_up "$1.out" "$2" || { cat "$1.out" "$1.err"; return 1; }
    [ ! -s "$1.err" ] || { cat "$1.err"; return 1; }
}

alive() { ps -o stat= -p "$1" | grep -q '^[RSD]'; }

@test "a program is told that it was dumped, and after an eviction that it is restored; twice" {
    own a 80 10=dump 40=dump </dev/null
    wait_said "10 dumped"
    wait_event "$id" checkpoint_taken
    is "$id" CheckpointMethodUsed transparent
    [ "$(story "$id" '.Checkpoints[0].Why')" = self ]
    wait_printed "$id" 15
    stint vacate --fast "$id"
    wait_event "$id" running 2
    wait_said "10 restored"
    ! said "10 dumped"
    wait_said "40 dumped"
    wait_event "$id" checkpoint_taken 2
    wait_printed "$id" 45
    stint vacate --fast "$id"
    wait_event "$id" running 3
    wait_said "40 restored"
    ! said "40 dumped"
    is_content a 80
    times_said a.out "10 restored" 1
    times_said a.out "40 restored" 1
    is "$id" NumCkpts 2
    check_stints "$id"
    check_ledger
}

@test "checkpoints of other kinds go before it and after it" {
    own a 90 25=dump 55=dump </dev/null
    wait_printed "$id" 3
    stint checkpoint "$id"
    stint vacate "$id"
    wait_event "$id" running 2
    wait_said "25 dumped"
    wait_event "$id" checkpoint_taken 3
    stint checkpoint "$id"
    stint vacate "$id"
    wait_event "$id" running 3
    wait_said "55 dumped"
    wait_event "$id" checkpoint_taken 6
    stint vacate --fast "$id"
    wait_event "$id" running 4
    wait_said "55 restored"
    stint checkpoint "$id" # a tree that began with the asker
    stint vacate "$id"
    wait_event "$id" running 5
    is_content a 90
    times_said a.out "25 dumped" 1
    times_said a.out "55 restored" 1
}

@test "periodic checkpoints are taken all the time, and it is dumped in between" {
    own a 100 15=dump 30=dump 45=dump 60=dump <<<"checkpoint_interval = 1s"
    wait_said "30 dumped"
    kill -KILL "$(pid_of_runner "$id")"
    wait_event "$id" running 2
    wait_said "60 dumped"
    stint vacate "$id"
    is_content a 100
    [ "$(grep -cE '^(15|30|45|60) (dumped|restored)$' a.out)" = 4 ] || { cat a.out; false; }
}

@test "an eviction while it asks: it goes on once, wherever that is" {
    local n
    own a 30 $(for n in $(seq 5 25); do echo "$n=dump"; done) </dev/null
    for n in 2 3; do
        wait_printed "$id" $((n * 7))
        stint vacate "$id"
        wait_event "$id" running $n
    done
    is_content a 30
    [ "$(grep -cE '^[0-9]+ (dumped|restored)$' a.out)" = 21 ] || { cat a.out; false; }
}

@test "one that does not want to run on is resumed in another stint" {
    own a 40 10=leave </dev/null
    wait_event "$id" running 2
    wait_said "10 restored"
    is_content a 40
    ! said "10 dumped"
    is "$id" NumCkpts 1
}

@test "the runner is killed after the dump: the program goes on from it" {
    own a 60 10=dump </dev/null
    wait_said "10 dumped"
    wait_event "$id" checkpoint_taken
    wait_printed "$id" 14
    kill -KILL "$(pid_of_runner "$id")"
    wait_event "$id" running 2
    wait_said "10 restored"
    is_content a 60
    times_said a.out "10 dumped" 0
}

@test "the runner is killed during the dump: the program goes on from what there is" {
    local point
    for point in engine.frozen engine.own.answered; do
        export STINT_FAULT=$point:kill STINT_FAULT_ONCE=$work/once.$point
        own "$point" 40 10=dump 20=dump </dev/null
        wait_for "the strike" test -e "$work/once.$point"
        is_content "$point" 40
        [ "$(grep -cE '^(10|20) (dumped|restored|refused)$' "$point.out")" = 2 ] || { cat "$point.out"; false; }
        stint pool stop
    done
}

@test "nonsense does no harm: the connection is closed, the job runs on, and is dumped when it asks properly" {
    own a 60 3=garbage 4=empty 5=long 6=check 7=restore 8=nothing 9=no-fd 10=not-a-fd 11=huge 20=dump 40=dump </dev/null
    wait_said "40 dumped"
    wait_event "$id" checkpoint_taken 2
    stint vacate --fast "$id"
    wait_event "$id" running 2
    is_content a 60
    for n in 3 4 5 6 7 8 9 10 11; do times_said a.out "$n closed" 1; done
    times_said a.out "20 dumped" 1
    times_said a.out "40 restored" 1
    grep -q "criu_pipe is not served" "$STINT_DIR/pool.log" || grep -rq "criu_pipe is not served" "$STINT_DIR"
}

@test "whoever is not the job's own program, or asks for another, is not dumped" {
    own a 40 5=parent 10=myself 30=parent </dev/null
    wait_said "10 dumped"
    wait_event "$id" checkpoint_taken
    stint vacate --fast "$id"
    wait_event "$id" running 2
    is_content a 40
    times_said a.out "5 closed" 1
    times_said a.out "10 restored" 1
    times_said a.out "30 closed" 1
    printf '%s\n' '#!/bin/bash' './own 30 5=dump || exit' 'echo the wrapper ends' >wrap
    chmod +x wrap
    printf '%s\n' "executable = wrap" "transfer_input_files = own" "criu_pipe = true" "output = b.out" "error = b.err" 'transfer_output_files = ""' \
        queue >b.sub
    id=$(submit b.sub)
    wait_said "5 closed"
    stint vacate "$id" # as all other jobs are
    wait_event "$id" running 2
    is_content b 30
    [ "$(tail -n 1 b.out)" = "the wrapper ends" ]
    is "$id" LostUs 0
}

@test "images go nowhere but into the sandbox" {
    mkdir "$work/outside"
    own a 50 3=in:/tmp 4=in:/etc 5=in:/stint/std 6=in:/stint/world 7=in:link 8=removed 9=in:/stint/images 10=file 25=in:deep/er </dev/null
    wait_said "25 dumped"
    wait_event "$id" checkpoint_taken
    stint vacate --fast "$id"
    wait_event "$id" running 2
    is_content a 50
    for n in 3 4 5 6 7 9; do times_said a.out "$n closed" 1; done
    grep -qE '^8 (closed|refused)$' a.out
    grep -qE '^10 (closed|refused)$' a.out
    times_said a.out "25 restored" 1
    is "$id" NumCkpts 1
}

@test "the working directory itself is good enough for images" {
    own a 40 10=in:. </dev/null
    wait_said "10 dumped"
    wait_event "$id" checkpoint_taken
    stint vacate --fast "$id"
    is_content a 40
    times_said a.out "10 restored" 1
}

@test "whoever hangs up, says nothing, or comes in a crowd is survived" {
    own a 70 3=hang-up 4=silent-hang-up 5=connect 15=silent-end 20=crowd 40=dump </dev/null
    wait_said "40 dumped"
    wait_event "$id" checkpoint_taken
    runner=$(pid_of_runner "$id")
    stint vacate --fast "$id"
    wait_event "$id" running 2
    is_content a 70
    times_said a.out "40 restored" 1
}

@test "a second connection waits for the first one without keeping the runner busy" {
    own a 100 3=connect 4=connect2 90=silent-end </dev/null
    wait_printed "$id" 6
    runner=$(pid_of_runner "$id")
    ticks() { awk '{ print $14 + $15 }' "/proc/$runner/stat"; }
    before=$(ticks)
    wait_printed "$id" 46
    [ $(($(ticks) - before)) -lt 50 ]
    is_content a 100
}

@test "a job without criu_pipe has no such socket in its directory, and one in /stint/self" {
    printf '%s\n' "executable = /bin/sh" "arguments = \"-c 'test ! -e criu_pipe && test -S /stint/self/criu_pipe'\"" "transfer_executable = false" \
        "transfer_output_files = \"\"" queue >a.sub
    id=$(submit a.sub)
    completed "$id"
}
