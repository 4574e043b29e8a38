# What the suites of programs that must not notice a checkpoint share. All programs of a file run at the same time in one pool; that is
# set up once (setup_file), and every test judges its own ones. ZOO_SEED repeats the moments of a run that failed.

zoo=$tests/programs/zoo
zoo_program=$STINT_BUILD/tests/programs/zoo
: "${ZOO_ROUNDS:=3}" "${ZOO_SECONDS:=15}" "${ZOO_TOGETHER:=16}"
pool_method=transparent
export PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin # the system's interpreters, whatever others there are

zoo_setup_file() {
    export STINT_DIR=$BATS_FILE_TMPDIR/pool work=$BATS_FILE_TMPDIR/work
    mkdir -p "$work" "$STINT_DIR"
    cd "$work" || return 1
    conf "cpus = 200" "memory = 65536" "$@"
}

zoo_setup() {
    export STINT_DIR=$BATS_FILE_TMPDIR/pool work=$BATS_FILE_TMPDIR/work
    needs_transparent
    cd "$work" || return 1
}

# zoo_job NAME EXECUTABLE ARGUMENTS [LINE…]: submits a program; notes its ID in NAME.id.
zoo_job() {
    local name=$1
    {
        printf '%s\n' "executable = $2" "arguments = $3" "output = $name.out" "error = $name.err" "log = $name.log" \
            "transfer_output_files = \"\"" "checkpoint_method = transparent"
        shift 3
        [ $# = 0 ] || printf '%s\n' "$@"
        echo queue
    } >"$name.sub"
    submit "$name.sub" >"$name.id"
}

# zoo_evict START NAME…: `START NAME` submits each of them; some at a time, they are evicted ZOO_ROUNDS times, and run to their end.
zoo_evict() {
    local seed=${ZOO_SEED:-$RANDOM$RANDOM} start=$1 at name ids
    shift
    echo "# ZOO_SEED=$seed" >&3
    for ((at = 1; at <= $#; at += ZOO_TOGETHER)); do
        ids=()
        for name in "${@:at:ZOO_TOGETHER}"; do
            "$start" "$name" || return 1
            ids+=("$(cat "$name.id")")
        done
        "$tests/integration/evict" "$stint" "$ZOO_ROUNDS" "$seed" "${ids[@]}" >>evictions 2>&1 || tail -n 1 evictions >&3
        zoo_wait "${@:at:ZOO_TOGETHER}" || return 1
    done
}

zoo_wait() {
    local name
    for name; do
        DEADLINE=$((ZOO_SECONDS * 4 + 60)) wait_state "$(cat "$name.id")" completed removed held || return 1
    done
}

# zoo_complete FILE NAME SECONDS: its output is all there, each line once, and it was content.
zoo_complete() {
    local lines=$(($3 * 20))
    [ "$(tail -n 1 "$1")" = "ok $2" ] || { echo "$2 does not say that it is content"; return 1; }
    diff <(head -n -1 "$1") <(seq 0 $((lines - 1))) >"$1.diff" || { echo "$2 has lost or doubled lines"; head -n 5 "$1.diff"; return 1; }
}

# zoo_content NAME [SAYS [SECONDS]]: the job has ended well, and its output is complete.
zoo_content() {
    local id
    id=$(cat "$1.id")
    state_is "$id" completed && is "$id" ExitCode 0 && zoo_complete "$1.out" "${2:-$1}" "${3:-$ZOO_SECONDS}" && return
    echo "---- $1"
    stint show "$id"
    tail -n 3 "$1.out" "$1.err"
    return 1
}

# zoo_resumed NAME: it was evicted as often as it was to be, and each time went on from a checkpoint.
zoo_resumed() {
    local id
    id=$(cat "$1.id")
    [ "$(story "$id" '[.Stints[] | select((.ResumedFrom // 0) > 0)] | length')" = "$ZOO_ROUNDS" ] && is "$id" LostUs 0 && return
    echo "---- $1 was not evicted and resumed $ZOO_ROUNDS times"
    stint show "$id"
    return 1
}

# zoo_judge NAME…: all of them, so that one sees all that fail.
zoo_judge() {
    local name failed=
    for name; do
        { zoo_content "$name" && zoo_resumed "$name"; } || failed="$failed $name"
    done
    [ -z "$failed" ] || { echo "failed:$failed"; return 1; }
}
