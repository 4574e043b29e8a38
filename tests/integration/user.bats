#!/usr/bin/env bats
# A machine-wide pool, of root, for several users: each one's jobs, sandboxes and files are their own.
load lib

setup() {
    [ "$(id -u)" = 0 ] || skip "a machine-wide pool needs root"
    # bats' own directory is closed to others
    place=$(mktemp -d /tmp/stint-users.XXXXXX)
    chmod 711 "$place"
    export STINT_DIR=$place/pool
    anna=$(make_user anna) bert=$(make_user bert)
    work=$anna gate=$place/gate
    install -m 755 "$counter" "$place/counter"
    counter=$place/counter
    install -d -m 711 "$STINT_DIR"
    conf
    cd "$work"
    stint pool start
}

teardown() {
    [ -n "$place" ] || return 0
    stop_everything
    local result=$?
    rm -rf "$place"
    return $result
}

# Two accounts that every Debian has.
uid_of() { case $1 in anna) id -u games ;; bert) id -u nobody ;; *) echo "$1" ;; esac; }

# make_user NAME: a private directory of that user; prints it.
make_user() {
    mkdir "$place/$1"
    chown "$(uid_of "$1")" "$place/$1"
    chmod 700 "$place/$1"
    echo "$place/$1"
}

# as NAME COMMAND…: in that user's directory.
as() {
    (cd "$place" && HOME=$place/$1 setpriv --reuid "$(uid_of "$1")" --regid nogroup --clear-groups --inh-caps=-all -- \
        sh -c 'cd "$1" && shift && exec "$@"' sh "$place/$1" "${@:2}")
}

# submits NAME FILE LINE…: the counter, with these lines more.
submits() {
    local name=$1 file=$2
    shift 2
    printf '%s\n' "executable = $counter" "environment = \"GATE=$gate\"" "output = $file.out" "log = $file.log" "$@" queue >"$place/$name/$file.sub"
    echo "$(as "$name" "$stint" submit -q "$file.sub").0"
}

@test "a user whom the machine does not know is refused, and said so" {
    mkdir "$place/64109"
    chown 64109 "$place/64109"
    printf 'executable = /bin/true\nqueue\n' >"$place/64109/a.sub"
    run as 64109 "$stint" submit a.sub
    [ "$status" = 1 ]
    [[ "$output" == *"user 64109 is not known"* ]]
}

@test "two users' jobs run as them, in private sandboxes, and the output is theirs" {
    a=$(submits anna a) b=$(submits bert b)
    wait_printed "$a" 0
    wait_printed "$b" 0
    [ "$(ps -o uid= -p "$(pid_of_program "$a")" | xargs)" = "$(uid_of anna)" ]
    [ "$(ps -o uid= -p "$(pid_of_program "$b")" | xargs)" = "$(uid_of bert)" ]
    run as bert ls "$STINT_DIR/jobs/$a/stint.1"
    [ "$status" != 0 ]
    run as anna ls "$STINT_DIR/jobs"
    [ "$status" != 0 ]
    run as bert cat "$STINT_DIR/queue.db"
    [ "$status" != 0 ]
    open_gate
    completed "$a"
    completed "$b"
    [ "$(stat -c %u "$anna/a.out")" = "$(uid_of anna)" ]
    [ "$(stat -c %u "$bert/b.out")" = "$(uid_of bert)" ]
    [ "$(stat -c %u "$anna/a.log")" = "$(uid_of anna)" ]
    check_ledger
}

@test "nobody but the owner and root may touch a job" {
    a=$(submits anna a)
    wait_printed "$a" 0
    for what in hold vacate rm suspend checkpoint; do
        run as bert "$stint" $what "$a"
        [ "$status" = 1 ]
        [[ "$output" == *"belongs to somebody else"* ]]
    done
    run as bert "$stint" rm --all
    [ "$status" = 1 ]
    run as bert "$stint" pool stop
    [ "$status" = 1 ]
    state_is "$a" running
    as anna "$stint" hold "$a"
    wait_state "$a" held
    run as bert "$stint" release "$a"
    [ "$status" = 1 ]
    run as bert "$stint" edit "$a" priority=5
    [ "$status" = 1 ]
    as anna "$stint" release "$a"
    stint hold "$a" # root may
}

@test "nobody but the owner and root may read a job's output" {
    a=$(submits anna a)
    wait_printed "$a" 0
    run as bert "$stint" log "$a"
    [ "$status" = 1 ]
    as anna "$stint" log "$a" | grep -qx 0
}

@test "a user sees the own jobs first, and everybody's with --all" {
    submits anna a hold=true
    submits bert b hold=true
    [ "$(as anna "$stint" q --json | jq '.Jobs | length')" = 1 ]
    [ "$(as anna "$stint" q --all --json | jq '.Jobs | length')" = 2 ]
}

@test "a job can not bring in a file that its owner can not read" {
    echo secret >"$bert/secret"
    chmod 600 "$bert/secret"
    printf 'x\n' >"$anna/in"
    id=$(submits anna a "transfer_input_files = in" "hold = true")
    stint edit "$id" "TransferInput=\"$bert/secret\""
    as anna "$stint" release "$id"
    wait_state "$id" held
    is "$id" HoldReasonCode 13
    [[ "$(attr "$id" HoldReason)" == *"Permission denied"* ]]
}

@test "a job can not write its output, its stream or its log where its owner can not" {
    for line in "output = $bert/out" "log = $bert/log"; do
        printf '%s\n' "executable = /bin/echo" "arguments = x" "hold = true" queue >"$anna/x.sub"
        id=$(as anna "$stint" submit -q x.sub).0
        case $line in
        output*) stint edit "$id" "Out=\"$bert/out\"" ;;
        log*) stint edit "$id" "UserLog=\"$bert/log\"" ;;
        esac
        stint release "$id"
        wait_state "$id" held completed
    done
    [ -z "$(ls "$bert")" ]
}

@test "usage is kept for each user" {
    a=$(submits anna a) b=$(submits bert b)
    open_gate
    completed "$a"
    completed "$b"
    [ "$(stint users --json | jq '.Users | length')" = 2 ]
    [ "$(stint ledger --by user --json | jq '.Ledger | length')" = 2 ]
}

@test "a checkpoint and its files belong to the owner after an eviction" {
    a=$(submits anna a "$protocol")
    wait_printed "$a" 2
    as anna "$stint" vacate "$a"
    wait_event "$a" running 2
    wait_printed "$a" 5
    [ "$(stat -c %u "$STINT_DIR/jobs/$a/stint.2/work/state")" = "$(uid_of anna)" ]
    open_gate
    completed "$a"
    counts_up "$anna/a.out"
    is "$a" LostUs 0
}
