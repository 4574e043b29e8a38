# What the integration tests share. Every test has a pool of its own, in a directory of its own, and works in $work. A test
# waits for a condition (wait_for), never for a time; what it waits in vain for ends it with the story of all its jobs.

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
project=$(dirname "$tests")
STINT_BUILD=$(cd "${STINT_BUILD:-$project/build/check}" && pwd) || { echo "set STINT_BUILD to a build directory" >&2; exit 1; }
stint=$STINT_BUILD/src/cli/stint
counter=$tests/programs/counter
: "${DEADLINE:=30}" # seconds that a condition may take
# How jobs are checkpointed that do not say it. Most suites are about those that checkpoint themselves or not at all; one that is
# about the others sets it after loading this.
pool_method=none

# A leak that a sanitizer finds at a program's end must not look like a failure of what the program did.
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=0}
export LC_ALL=C.UTF-8 TZ=UTC

# A protocol for the counter: by signal, exit code 17, one file. Nothing goes home but the standard files.
protocol='checkpoint_exit_code      = 17
+WantCheckpointSignal     = true
+CheckpointSig            = "SIGUSR2"
transfer_checkpoint_files = state
transfer_output_files     = ""'

# Whether CRIU and namespaces work here; stint doctor says what does not. A file's setup (setup_file) cannot skip its tests.
transparent_works() {
    [ ! -e "$BATS_RUN_TMPDIR/transparent-works" ] || return 0
    doctor_said=$("$stint" doctor --tools "${STINT_CRIU:-$project/build/criu}" 2>&1) && : >"$BATS_RUN_TMPDIR/transparent-works"
}
needs_transparent() {
    transparent_works || skip "transparent checkpoints do not work here: $(grep -m 1 '^no ' <<<"$doctor_said" | tr -s ' ')"
}

setup() {
    work=$BATS_TEST_TMPDIR/work
    export STINT_DIR=$BATS_TEST_TMPDIR/pool
    [ "$pool_method" = none ] || needs_transparent
    mkdir -p "$work" "$STINT_DIR"
    conf
    cd "$work" || return 1
    gate=$work/gate
}

teardown() {
    stop_everything
}

stint() {
    "$stint" "$@"
}

# conf [LINE…]: writes the pool's configuration; before the pool is started.
conf() {
    {
        [ $# = 0 ] || printf '%s\n' "$@"
        [[ "$*" == *checkpoint_method* ]] || echo "checkpoint_method = $pool_method"
    } >"$STINT_DIR/stint.conf"
}

# job NAME [VARIABLE=VALUE…]: writes NAME.sub, the counter with that environment; more lines come from standard input.
job() {
    local name=$1
    shift
    {
        echo "executable  = $counter"
        echo "environment = \"$*\""
        echo "output      = $name.out"
        echo "error       = $name.err"
        echo "log         = $name.log"
        cat
        echo queue
    } >"$name.sub"
}

# submit FILE: prints the ID of the (first) job.
submit() {
    local cluster
    cluster=$(stint submit -q "$1") || return 1
    echo "$cluster.0"
}

# attr ID NAME: an attribute of a job, present or past; nothing when it has none.
attr() {
    stint show --json "$1" | jq -r --arg name "$2" '.Job[$name] | if . == null then empty else . end'
}

is() { [ "$(attr "$1" "$2")" = "$3" ]; }
at_least() { [ "$(attr "$1" "$2")" -ge "$3" ] 2>/dev/null; }
state_is() { [[ " ${*:2} " == *" $(attr "$1" JobState) "* ]]; }

# story ID FILTER: asks the job's story with jq.
story() {
    stint show --json "$1" | jq -r "$2"
}

# happened ID EVENT [COUNT]: that many events of that name, or more.
happened() {
    [ "$(story "$1" "[.Events[] | select(.Event == \"$2\")] | length")" -ge "${3:-1}" ]
}

# printed ID TEXT: a line of the job's output is this text.
printed() {
    stint log "$1" | grep -qxF -- "$2"
}

# lines_in FILE N: that many lines, or more.
lines_in() { [ "$(wc -l <"$1")" -ge "$2" ]; }

tell_everything() {
    stint q --all || true
    local id
    for id in $( (stint q --all --af ClusterId,ProcId; stint history --all --af ClusterId,ProcId) 2>/dev/null | tr ' \t' '..'); do
        stint show "$id" || true
    done
    tail -n 30 "$STINT_DIR/pool.log" || true
}

# wait_for WHAT COMMAND…: until the command succeeds.
wait_for() {
    local what=$1 end=$((SECONDS + DEADLINE))
    shift
    until "$@" >/dev/null 2>&1; do
        if [ $SECONDS -ge $end ]; then
            echo "waited ${DEADLINE} s in vain for: $what"
            tell_everything
            return 1
        fi
        sleep 0.05
    done
}

wait_state() { wait_for "job $1 to be $2" state_is "$@"; }
wait_printed() { wait_for "job $1 to print '$2'" printed "$1" "$2"; }
wait_event() { wait_for "event $2 of job $1" happened "$@"; }

# wait_done ID…: until they are in the history; prints nothing. The exit status is not looked at.
wait_done() {
    local id
    for id; do
        wait_state "$id" completed removed
    done
}

# running NAME [VARIABLE=VALUE…]: submits the counter, which then runs until open_gate; sets $id. It has said its first number.
running() {
    local name=$1
    shift
    job "$name" "GATE=$gate" "$@"
    id=$(submit "$name.sub")
    wait_printed "$id" 0
    wait_event "$id" running # the pool knows it too
}

open_gate() { : >"$gate"; }

# numbers FILE: only the numbers in it.
numbers() { grep -x '[0-9]*' "$1"; }

# counts_up FILE [N]: every number from 0 on is there, once, in order; N of them if that is said.
counts_up() {
    local n
    n=$(numbers "$1" | wc -l)
    [ "$n" -gt 0 ] && [ "${2:-$n}" = "$n" ] && diff <(numbers "$1") <(seq 0 $((n - 1)))
}

# completed ID [CODE]: waits, and compares the exit code.
completed() {
    wait_state "$1" completed removed held
    state_is "$1" completed || { tell_everything; return 1; }
    [ "$(attr "$1" ExitCode)" = "${2:-0}" ] || { tell_everything; return 1; }
}


# journal ID: its records, one JSON object a line, without their checksums.
journal() { grep -oa '{.*}' "$STINT_DIR/jobs/$1/journal"; }
pid_of_program() { journal "$1" | jq -rs 'map(select(.Record == "run"))[-1].Pid'; }
pid_of_runner() { journal "$1" | jq -rs 'map(select(.Record == "begin"))[-1].Pid'; }
pid_of_pool() { stint pool status --json | jq -r .Pid; }
gone() { ! kill -0 "$1" 2>/dev/null || [ "$(ps -o stat= -p "$1" | cut -c1)" = Z ]; }

# The ledger's classes add up to the time that slots were occupied, in every view, to the microsecond.
check_ledger() {
    local view sum='(.GoodputUs + .LostUs + .CheckpointUs + .RestoreUs + .TransferUs + .IdleUs)'
    for view in job stint user day pool; do
        stint ledger --by "$view" --json >"ledger.$view" || return 1
        jq -e "[.Ledger[] | $sum == .OccupiedUs] | all" "ledger.$view" >/dev/null || { cat "ledger.$view"; return 1; }
    done
    local all
    all=$(jq '[.Ledger[].OccupiedUs] | add' ledger.pool)
    for view in job stint user day class cause; do
        stint ledger --by "$view" --json >"ledger.$view" || return 1
        [ "$(jq '[.Ledger[].OccupiedUs] | add' "ledger.$view")" = "$all" ] || { echo "by $view is not $all"; cat "ledger.$view"; return 1; }
    done
}

# check_stints ID [CPUS]: every stint of a job that is over adds up to the time from its grant to its end, and they to the job's.
check_stints() {
    local cpus=${2:-1}
    stint show --json "$1" >story.json
    jq -e '[.Stints[] | ((.GoodputUs // 0) + (.LostUs // 0) + (.CheckpointUs // 0) + (.RestoreUs // 0) + (.TransferUs // 0) +
            (.IdleUs // 0)) == .OccupiedUs] | all' story.json >/dev/null || { jq .Stints story.json; return 1; }
    jq -e '([.Stints[].OccupiedUs] | add) == .Job.OccupiedUs' story.json >/dev/null || { jq '.Job.OccupiedUs, .Stints' story.json; return 1; }
    [ "$(stint ledger "$1" --by job --json | jq '.Ledger[0].OccupiedUs')" = "$(jq ".Job.OccupiedUs * $cpus" story.json)" ]
}

# events FILE: the numbers of the events in a user log that is well formed ("000 001 005"); fails and says why when it is not.
events() { python3 "$tests/programs/check-log" "$@"; }

# ---- the end ----

# Processes that belong to this test's pool: by their arguments, or by where they work. Never this shell and its own.
left_behind() {
    local pid
    for pid in $(pgrep -f -- "$STINT_DIR/") $(pgrep -f -- "$STINT_DIR\$") $(find /proc/[0-9]*/cwd -lname "$STINT_DIR/*" 2>/dev/null | cut -d/ -f3); do
        [ "$pid" = $$ ] || [ "$pid" = "$BASHPID" ] || gone "$pid" || echo "$pid"
    done | sort -u
}
nothing_left() { [ -z "$(left_behind)" ]; }
queue_empty() { [ "$(stint q --all --json | jq '.Jobs | length')" = 0 ]; }

stop_everything() {
    local result=0 pid
    [ -n "$STINT_DIR" ] || return 0 # nothing was started
    cd / || return 1
    if [ -e "$STINT_DIR/queue.db" ] && stint pool start >/dev/null 2>&1; then
        stint rm --all --fast >/dev/null 2>&1 || true
        DEADLINE=15 wait_for "an empty queue" queue_empty || result=1
        stint pool stop >/dev/null || result=1
    fi
    DEADLINE=10 wait_for "the end of all processes" nothing_left || result=1
    for pid in $(left_behind); do
        echo "left behind: $(ps -o pid=,ppid=,stat=,args= -p "$pid")"
        kill -KILL "$pid" 2>/dev/null || true
        result=1
    done
    if [ -e "$STINT_DIR/pool.log" ] && grep -aE 'Sanitizer|runtime error' "$STINT_DIR/pool.log"; then
        echo "a sanitizer found something"
        result=1
    fi
    return $result
}
