#!/usr/bin/env bats
# What once went wrong with transparent checkpoints.
load lib

pool_method=auto
export STINT_CRIU=${STINT_CRIU:-$project/build/criu}

setup_file() {
    [ -x "$STINT_CRIU/criu" ] || return 0 # each test says so
}

# runs NAME [LINE…]: submits a program of standard input, in Python, with these lines in its submit file; sets $id. It counts in
# a function step().
runs() {
    local name=$1
    shift
    { printf '%s\n' '#!/usr/bin/python3 -u' 'import itertools, os, signal, socket, sys, time' 'numbers = itertools.count()' \
        'def step():' '    print(next(numbers))' '    time.sleep(0.03)' '    if os.path.exists("gate"): sys.exit(0)'; cat; } >"$name.py"
    chmod 755 "$name.py"
    printf '%s\n' "executable = $name.py" "output = $name.out" "error = $name.err" "log = $name.log" 'transfer_output_files = ""' "$@" \
        queue >"$name.sub"
    id=$(submit "$name.sub")
    wait_printed "$id" 3
    wait_event "$id" running
}

place() { printf '%s\n' "$STINT_DIR/jobs/$1"/stint.* | sort -V | tail -n 1; }
ends() {
    : >"$(place "$id")/work/gate"
    completed "$id" && counts_up "$1.out"
}
last() { stint log "$id" | tail -n 1; }
beyond() { [ "$(last)" -gt "$1" ]; }
goes_on() { wait_for "the job to go on" beyond "$(last)"; }

@test "a trial of a job that listens on a port and on an abstract socket passes" {
    runs a "checkpoint_trial = true" <<'END'
tcp = socket.create_server(("127.0.0.1", 0))
unix = socket.socket(socket.AF_UNIX)
unix.bind("\0stint-mended-%d" % os.getuid())
unix.listen()
while True: step()
END
    stint checkpoint "$id"
    wait_event "$id" checkpoint_verified
    goes_on
    ends a
}

@test "a process that the program has started cannot have itself dumped; the program can" {
    cp "$tests/programs/own" own
    printf '%s\n' "executable = own" "arguments = \"60 10=child 20=dump\"" "criu_pipe = true" "output = a.out" "error = a.err" "log = a.log" \
        "transfer_output_files = \"\"" queue >a.sub
    id=$(submit a.sub)
    wait_printed "$id" "20 dumped"
    wait_event "$id" checkpoint_taken
    printed "$id" "10 closed"
    stint vacate --fast "$id"
    completed "$id"
    grep -qx "20 restored" a.out
    is "$id" NumCkpts 1
}

# For the program: asks its runner, and does not wait for the answer.
asking='def ask(what):
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"1 %s %s\n" % (os.urandom(8).hex().encode(), what), os.environ["STINT_SOCKET"])'

@test "a checkpoint whose hold ends in a suspension is taken when the job continues, and comes back running" {
    runs a <<END
$asking
ask(b"hold 3")
ask(b"checkpoint")
while True: step()
END
    stint suspend "$id"
    wait_event "$id" suspended
    sleep 4
    ! happened "$id" checkpoint_taken
    ! happened "$id" checkpoint_failed
    stint continue "$id"
    wait_event "$id" checkpoint_taken
    stint vacate --fast "$id"
    wait_event "$id" running 2
    goes_on
    ends a
}

@test "a file elsewhere that the job has open is put back for the job itself, and left alone by its clone" {
    shared=$(mktemp -d ~/.stint-mended.XXXXXX) # not below /tmp, which a job does not see
    echo old >"$shared/data"
    runs a "writable_paths = $shared" <<END
data = open("$shared/data", "r+")
while True: step()
END
    stint checkpoint "$id"
    wait_event "$id" checkpoint_taken
    echo new >"$shared/data"
    stint vacate --fast "$id"
    wait_event "$id" running 2
    goes_on
    [ "$(cat "$shared/data")" = old ]
    echo new >"$shared/data"
    first=$id
    stint clone "$id"
    id=$(stint q --json | jq -r '.Jobs[] | select(.ClonedFrom) | "\(.ClusterId).\(.ProcId)"')
    wait_event "$id" running
    goes_on
    [ "$(cat "$shared/data")" = new ]
    story "$id" '.Events[]' | grep -q "are left as they are"
    is "$id" NumCkpts 1
    stint rm --fast "$id" "$first"
    rm -r "$shared"
}

@test "a file elsewhere that the job may not write any more is not put back: it is held" {
    shared=$(mktemp -d ~/.stint-mended.XXXXXX)
    mkdir "$shared/other"
    echo old >"$shared/data"
    runs a "writable_paths = $shared" <<END
data = open("$shared/data", "r+")
while True: step()
END
    stint checkpoint "$id"
    wait_event "$id" checkpoint_taken
    stint hold "$id"
    wait_state "$id" held
    echo new >"$shared/data"
    stint edit "$id" "writable_paths=$shared/other"
    stint release "$id"
    wait_event "$id" held 2
    [[ "$(attr "$id" HoldReason)" == *"'$shared/data', which is not below the job's writable_paths"* ]]
    [ "$(cat "$shared/data")" = new ]
    rm -r "$shared"
}

# It has a handler, and never answers; its memory is large, so that a checkpoint takes a while.
deaf='signal.signal(signal.SIGUSR2, lambda *_: None)
memory = bytearray(os.urandom(1 << 27))
while True: step()'

@test "an eviction that comes while the fallback takes a checkpoint gets one of its own" {
    conf "checkpoint_timeout = 1s"
    runs a "checkpoint_method = self, transparent" "checkpoint_exit_code = 17" "+WantCheckpointSignal = true" '+CheckpointSig = "SIGUSR2"' \
        "transfer_checkpoint_files = gate" "checkpoint_interval = 1s" "job_max_vacate_time = 30" <<<"$deaf"
    wait_event "$id" checkpoint_captured
    stint vacate "$id"
    wait_event "$id" evicted
    [ "$(story "$id" '[.Events[] | select(.Event == "evicted")][0].Checkpointed')" = true ]
    wait_event "$id" running 2
    goes_on
    ends a
}
