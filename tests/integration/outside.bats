#!/usr/bin/env bats
# What transparent jobs see and touch outside of their sandbox: the submitter's directory, writable paths, a host that is read-only
# otherwise, networks, temporary files.
load lib

pool_method=transparent
export STINT_CRIU=${STINT_CRIU:-$project/build/criu}

setup_file() {
    [ -x "$STINT_CRIU/criu" ] || return 0 # each test says so
}

teardown() {
    local result=0
    [ -z "${server:-}" ] || kill "$server" || true
    stop_everything || result=1
    [ -z "${place:-}" ] || rm -rf "$place"
    return $result
}

# somewhere: a directory that is not below /tmp, which is the job's own; sets $place.
somewhere() { place=$(mktemp -d "${HOME:-/root}/stint-outside.XXXXXX"); }

# prog NAME LINE…: a program from standard input, that is run with these lines; sets $id.
prog() {
    local name=$1
    shift
    cat >"$name"
    chmod +x "$name"
    printf '%s\n' "executable = $name" "output = $name.out" "error = $name.err" "log = $name.log" "$@" queue >"$name.sub"
    id=$(submit "$name.sub")
}

last_line() { stint log "$id" | tail -n 1; }
goes_on() {
    wait_event "$id" running "$1"
    wait_printed "$id" $(($(last_line) + 3))
}

content() {
    completed "$id" || { tail -n 5 "$1.out" "$1.err"; return 1; }
    [ ! -s "$1.err" ] || { cat "$1.err"; return 1; }
    counts_up "$1.out" || { cat "$1.out"; return 1; }
}

writer='#!/usr/bin/python3
import os, sys, time
place = sys.argv[1] if len(sys.argv) > 1 else "."
kept = open(place + "/kept", "a")
table = os.open(place + "/table", os.O_RDWR | os.O_CREAT, 0o644)
n = 0
while not os.path.exists(place + "/gate"):
    print(n, flush=True)
    print(n, file=kept, flush=True)
    os.pwrite(table, b"%07d\n" % n, 8 * n)
    with open(place + "/closed", "a") as file:
        print(n, file=file)
    n += 1
    time.sleep(0.05)
assert os.fstat(table).st_size == 8 * n and os.stat(place + "/kept").st_ino == os.fstat(kept.fileno()).st_ino
'

# kept_once PLACE: what was open is as the program believes; what was closed has all, and may have some of it twice.
kept_once() {
    counts_up "$1/kept" || { cat "$1/kept"; return 1; }
    diff <(tail -n +1 "$1/table" | sed 's/^0*\(.\)/\1/') "$1/kept"
    diff <(sort -nu "$1/closed" | head -n "$(wc -l <"$1/kept")") "$1/kept"
    diff "$2" "$1/kept"
}

# modes: of all directories from the root to the job's.
modes() {
    local dir
    for dir in "$work"/. "$work"/.. "$work"/../.. "$work"/../../.. "$work"/../../../.. /; do stat -c '%a %u' "$dir"; done
}

# ---- should_transfer_files = NO ----

@test "in the submitter's directory, files that are open for writing go back with the job; directories stay as they are" {
    chmod 1771 .
    modes >"$BATS_TEST_TMPDIR/modes"
    prog w "should_transfer_files = NO" <<<"$writer"
    wait_printed "$id" 5
    stint checkpoint "$id"
    at=$(last_line)
    wait_printed "$id" $((at + 8))
    stint vacate --fast "$id"
    goes_on 2
    stint vacate "$id"
    goes_on 3
    kill -KILL "$(pid_of_runner "$id")"
    goes_on 4
    : >gate
    content w
    kept_once . w.out
    modes | diff "$BATS_TEST_TMPDIR/modes" -
    [ "$(wc -l <closed)" -gt "$(wc -l <kept)" ] # what was closed did not go back
}

@test "in the submitter's directory, what somebody removed or changed meanwhile is put back if it was open" {
    mkdir deep
    prog w "should_transfer_files = NO" "arguments = deep" <<<"$writer"
    wait_printed "$id" 5
    echo mine >other
    stint hold "$id"
    wait_state "$id" held
    rm deep/kept
    echo spoilt >deep/table
    echo still mine >other
    stint release "$id"
    goes_on 2
    stint hold "$id"
    wait_state "$id" held
    rm -r deep
    stint release "$id"
    goes_on 3
    : >deep/gate
    content w
    counts_up deep/kept
    diff deep/kept w.out
    [ "$(cat other)" = "still mine" ]
}

@test "in the submitter's directory a job sees the host's files, and what its owner may write it may" {
    somewhere
    prog s "should_transfer_files = NO" "arguments = $place" <<'JOB'
#!/bin/bash
pwd
echo made >made
echo made >"$1/made"
echo made >"/tmp/${1##*/}"
cat /etc/hostname >/dev/null
JOB
    completed "$id"
    [ "$(cat s.out)" = "$(realpath "$PWD")" ]
    [ "$(cat made "$place/made" "/tmp/${place##*/}")" = "$(printf 'made\nmade\nmade')" ]
    rm "/tmp/${place##*/}"
    [ ! -s s.err ]
}

# ---- a host that is read-only ----

@test "outside of its sandbox a job writes nothing, and sees why" {
    somewhere
    echo read >"$place/readable"
    prog s "arguments = $place" <<'JOB'
#!/bin/bash
cat "$1/readable"
for file in "$1/new" "$1/readable" /usr/new /etc/new /new /stint/new /sys/new /var/new; do
    ( : >>"$file" ) && echo "$file could be written"
done
: >here && : >/tmp/there && : >/var/tmp/there && : >/dev/shm/there && echo sandbox
mv "$1/readable" "$1/moved"
rm "$1/readable"
exit 0
JOB
    completed "$id"
    [ "$(cat s.out)" = "$(printf 'read\nsandbox')" ] || { cat s.out s.err; false; }
    grep -q "$place/new: Read-only file system" s.err || { cat s.err; false; }
    grep -q "$place/readable: Read-only file system" s.err
    [ "$(grep -c 'Read-only file system' s.err)" -ge 5 ] || { cat s.err; false; }
    [ "$(ls "$place")" = readable ]
}

@test "its own temporary files are private, survive an eviction, and are gone with the job" {
    local name=stint-private.$$
    prog a "arguments = $name" <<'JOB'
#!/bin/bash
for place in /tmp /dev/shm; do
    [ -z "$(ls -A $place)" ] || ls -A $place >&2
    echo "$place" >"$place/$1"
done
[ "$(ls -A /var/tmp)" = "$1" ] || ls -A /var/tmp >&2 # which is /tmp
exec 5>>"/tmp/$1.open"
n=0
until [ -e gate ]; do
    echo $n
    echo $n >&5
    n=$((n + 1))
    sleep 0.05
done
for place in /tmp /dev/shm; do [ "$(cat "$place/$1")" = "$place" ] || echo "$place/$1 has changed" >&2; done
diff "/tmp/$1.open" <(seq 0 $((n - 1))) >&2
JOB
    first=$id
    wait_printed "$id" 3
    prog b "arguments = $name" <<<'#!/bin/bash
for place in /tmp /var/tmp /dev/shm; do [ ! -e "$place/$1" ] || echo "it sees $place" >&2; done
echo 0'
    content b
    id=$first
    for place in /tmp /var/tmp /dev/shm; do [ ! -e "$place/$name" ]; done
    unset place
    stint vacate "$id"
    goes_on 2
    stint vacate --fast "$id"
    goes_on 3
    : >"$(echo "$STINT_DIR"/jobs/"$id"/stint.*/work)/gate"
    content a
}

# ---- writable paths ----

@test "a writable path is written on the host, and what was open there goes back with the job" {
    somewhere
    mkdir "$place/results" "$place/others"
    prog w "writable_paths = $place/results" "arguments = $place/results" "transfer_output_files = \"\"" <<<"$writer"
    wait_printed "$id" 5
    stint checkpoint "$id"
    lines_in "$place/results/kept" 5
    at=$(last_line)
    wait_printed "$id" $((at + 8))
    stint vacate --fast "$id"
    goes_on 2
    stint vacate "$id"
    goes_on 3
    : >"$place/results/gate"
    content w
    kept_once "$place/results" w.out
    [ -z "$(ls "$place/others")" ]
}

@test "writable paths may be several, below others, by way of a link, and in /tmp; beside them nothing is writable" {
    somewhere
    mkdir -p "$place/a" "$place/real" "$work/in-tmp"
    ln -s real "$place/link"
    prog s "writable_paths = $place/a, $place/link, $work/in-tmp" "arguments = $place $work" "transfer_output_files = \"\"" <<'JOB'
#!/bin/bash
for file in "$1/a/x" "$1/link/x" "$1/real/y" "$2/in-tmp/x"; do echo written >"$file"; done
( : >"$1/x" ) || echo refused
( : >"$1/../stint-outside.x" ) || echo refused
: >"$2/x" # in its own /tmp, where that directory is only a place for the other
JOB
    completed "$id"
    [ "$(cat s.out)" = "$(printf 'refused\nrefused')" ] || { cat s.out s.err; false; }
    [ "$(cat "$place/a/x" "$place/real/x" "$place/real/y" "$work/in-tmp/x" | sort -u)" = written ]
    [ ! -e "$work/x" ]
    [ ! -e "$place/x" ]
}

@test "a writable path that is gone holds the job with its name, and it runs when it is made" {
    somewhere
    mkdir "$place/later"
    prog s "hold = true" "writable_paths = $place/later" "arguments = $place/later" "transfer_output_files = \"\"" <<<'#!/bin/bash
echo 0 | tee "$1/file"'
    rmdir "$place/later"
    stint release "$id"
    wait_for "another reason to hold it" eval '[[ "$(attr "$id" HoldReason)" == *"$place/later"* ]]'
    [[ "$(attr "$id" HoldReason)" == *"writable_paths: '$place/later' is no directory here: No such file"* ]] || { attr "$id" HoldReason; false; }
    state_is "$id" held
    mkdir "$place/later"
    stint release "$id"
    content s
    [ "$(cat "$place/later/file")" = 0 ]
    rm -r "$place/later"
    run stint submit s.sub
    [ "$status" != 0 ]
    [[ "$output" == *"writable_paths: '$place/later' does not exist"* ]]
}

@test "a writable path that the owner may not write is refused at once" {
    [ "$(id -u)" != 0 ] || skip "root may write everywhere"
    printf '%s\n' "executable = /bin/true" "writable_paths = /usr" queue >s.sub
    run stint submit s.sub
    [ "$status" != 0 ]
    [[ "$output" == *"s.sub:2: writable_paths: cannot write in directory '/usr': Permission denied"* ]]
}

# ---- the network ----

# A server and a client, two processes: the client counts what the server echoes, and notes when it has to connect anew.
pair='#!/usr/bin/python3
import os, socket, sys, time
listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
if os.fork() == 0:
    parent = os.getppid()
    while os.getppid() == parent:
        try:
            connection = listener.accept()[0]
            while data := connection.recv(100):
                connection.sendall(data)
        except OSError:
            pass
    os._exit(0)
listener.close()
connects, connection, n = 0, None, 0
while not os.path.exists("gate"):
    try:
        if not connection:
            connection = socket.create_connection(("127.0.0.1", port), 20)
            connects += 1
        connection.sendall(b"%07d" % n)
        answer = b""
        while len(answer) < 7:
            part = connection.recv(7 - len(answer))
            if not part:
                raise OSError("the other side has gone")
            answer += part
        assert answer == b"%07d" % n, answer
    except OSError:
        connection = None
        continue
    print(n, flush=True)
    n += 1
    time.sleep(0.05)
open("connects", "w").write("%d\n" % connects)
'

# through_evictions CONNECTS: the pair is checkpointed, and evicted twice.
through_evictions() {
    wait_printed "$id" 5
    stint checkpoint "$id"
    wait_printed "$id" $(($(last_line) + 3))
    stint vacate "$id"
    goes_on 2
    stint checkpoint "$id"
    stint vacate --fast "$id"
    goes_on 3
    : >"$(echo "$STINT_DIR"/jobs/"$id"/stint.*/work)/gate"
    content p
    [ "$(cat connects)" = "$1" ] || { cat connects; return 1; }
    is "$id" StintNumber 3
}

@test "a connection within the job survives with own_network" {
    prog p "own_network = true" "transfer_output_files = connects" <<<"$pair"
    through_evictions 1
}

@test "without own_network a connection is closed by a resume, not by a checkpoint, and the program connects anew" {
    prog p "transfer_output_files = connects" <<<"$pair"
    through_evictions 3
}

@test "with own_network there is nothing but the loopback, and without it the host's network" {
    python3 -c '
import socket
s = socket.create_server(("127.0.0.1", 0))
open("port.new", "w").write(str(s.getsockname()[1]))
import os; os.rename("port.new", "port")
while True: s.accept()[0].close()' 3>&- &
    server=$!
    wait_for "the server" test -e port
    look='#!/bin/bash
(exec 5<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && echo reached || echo refused
tail -n +3 /proc/net/dev | cut -d: -f1 | xargs'
    prog a "own_network = true" "arguments = $(cat port)" <<<"$look"
    completed "$id"
    [ "$(cat a.out)" = "$(printf 'refused\nlo')" ] || { cat a.out; false; }
    prog b "arguments = $(cat port)" <<<"$look"
    completed "$id"
    [ "$(head -n 1 b.out)" = reached ]
}
