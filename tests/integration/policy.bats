#!/usr/bin/env bats
# Policy by expression, from the command line: what starts, and what is held, released, removed, vacated and started again.
load lib

# sub LINE…: writes a.sub of a job that ends at once unless the lines say otherwise, with a log.
sub() {
    { echo 'executable = /bin/true'; echo 'log = a.log'; printf '%s\n' "$@"; echo queue; } >a.sub
}
# go LINE…: submits it; sets $id.
go() {
    sub "$@"
    id=$(submit a.sub)
}
idle_because() { [[ "$(story "$id" .IdleReason)" == *"$1"* ]]; }
held_with() { is "$id" HoldReasonCode "$1" && is "$id" HoldReasonSubCode "$2"; }
# script NAME TEXT…: a program in the test's directory.
script() {
    printf '%s\n' '#!/bin/sh' "${@:2}" >"$1"
    chmod +x "$1"
}
fast() { conf 'periodic_interval = 200ms' "$@"; }
sleeper=('executable = /bin/sleep' 'arguments = 1000' 'transfer_executable = false' 'job_max_vacate_time = 2')

# ---- matching ----

@test "a job whose requirements are not true stays idle, and is told clause by clause why" {
    go 'requirements = (OpSys == "LINUX") && (TARGET.Memory >= 100000000) && HasUnicorns'
    wait_for "the reason" idle_because "requirements are not true on this machine"
    stint show "$id" | grep -q "explain-requirements $id"
    run stint explain-requirements "$id"
    [ "$status" = 1 ]
    [[ "$output" == *'ok    '*'OpSys == "LINUX"'* ]]
    [[ "$output" == *'FAILS '*'TARGET.Memory >= 100000000'*'is false'* ]]
    [[ "$output" == *'TARGET.Memory = '*'(the machine)'* ]]
    [[ "$output" == *"neither the job nor this machine has 'HasUnicorns'"* ]]
    stint explain-requirements --json "$id" | jq -e '.Suits == false and (.Clauses | length) == 3' || false
}

@test "an edit of the requirements lets the job start, and so does what stint.conf says of the machine" {
    conf 'machine.HasUnicorns = true'
    go 'requirements = HasUnicorns && Cpus > 100000'
    wait_for "the reason" idle_because "requirements are not true"
    curl -s --unix-socket "$STINT_DIR/pool.sock" http://pool/v1/machine | jq -e '.Machines[0] | .HasUnicorns and .OpSys == "LINUX"'
    stint edit "$id" 'Requirements=HasUnicorns' >/dev/null
    completed "$id"
    go 'requirements = (Arch == "X86_64" || Arch == "aarch64") && OpSys == "LINUX" && HasFileTransfer && Memory >= RequestMemory' 'rank = Memory'
    completed "$id"
}

@test "the machine's own start decides too, and a job without a chance does not keep others from starting" {
    conf 'start = TARGET.Owner =!= "nobody" && TARGET.WantsIn =?= true'
    sub
    first=$(submit a.sub)
    go '+WantsIn = true'
    completed "$id"
    id=$first
    wait_for "the reason" idle_because "this machine does not take it"
    run stint explain-requirements "$id"
    [ "$status" = 1 ]
    [[ "$output" == *'FAILS '*'WantsIn'* ]]
}

# ---- periodic ----

@test "periodic_hold holds an idle job, with its reason and code, and periodic_release lets it go" {
    fast
    go "${sleeper[@]}" 'requirements = false' 'periodic_hold = JobStatus == 1 && NumHolds == 0' 'periodic_hold_reason = strcat("waited as ", Owner)' \
        'periodic_hold_subcode = 40 + 2' 'periodic_release = (NumHolds == 1) && (HoldReasonCode == 3)'
    wait_event "$id" held
    wait_event "$id" released
    story "$id" '.Events[] | select(.Event == "held") | "\(.Code) \(.Subcode) \(.Reason)"' >held
    [ "$(cat held)" = "3 42 waited as $(id -un)" ]
    wait_state "$id" idle
    grep -q 'Code 3 Subcode 42' a.log
    grep -q 'The job attribute PeriodicRelease expression .* evaluated to TRUE' a.log
    [ "$(events a.log)" = "000 012 013" ]
}

@test "a person's hold is not released by an expression" {
    fast
    go 'hold = true' 'requirements = false' 'periodic_release = true' # on hold by its file (15): that it releases
    wait_state "$id" idle
    stint hold "$id" >/dev/null
    go 'hold = true' 'requirements = false' 'periodic_release = true'
    wait_state "$id" idle # an interval has passed for the other one as well
    is "${id/2./1.}" JobState held
}

@test "periodic_hold, periodic_remove and periodic_vacate reach running jobs" {
    fast
    go "${sleeper[@]}" 'periodic_hold = JobStatus == 2 && (time() - JobCurrentStartDate) >= 1'
    wait_state "$id" held
    held_with 3 0
    [[ "$(attr "$id" HoldReason)" == "The job attribute PeriodicHold expression '"*"' evaluated to TRUE" ]]
    go "${sleeper[@]}" 'periodic_vacate = NumVacates == 0 && NumJobStarts > 0' 'periodic_remove = NumVacates > 0 && NumJobStarts > 1 && JobStatus == 2' 'periodic_remove_reason = "enough"'
    wait_state "$id" removed
    is "$id" RemoveReason enough
    is "$id" NumVacates 2
    is "$id" VacateReasonCode ""
    logged() { [[ "$(events a.log)" == *" 004 001 "*"009" ]]; }
    wait_for "the log" logged
}

@test "an expression that is an error is never true, and is told" {
    fast
    go 'requirements = false' 'periodic_hold = "text" > 1 + {}'
    wait_for "the error to be told" is "$id" PeriodicError "PeriodicHold is an error, so it is never true"
    is "$id" JobState idle
    stint show "$id" | grep -q 'An expression is wrong: PeriodicHold is an error'
    stint edit "$id" PeriodicHold=undefined >/dev/null
    wait_for "the error to be gone" is "$id" PeriodicError ""
}

@test "system_periodic_… are the machine's, with code 26" {
    fast 'system_periodic_hold = Rule =?= 1' 'system_periodic_hold_reason = "not here"' 'system_periodic_hold_subcode = 7' \
        'system_periodic_remove = Rule =?= 2' 'system_periodic_release = HoldReasonSubCode == 7 && Free =?= true'
    go 'requirements = false' '+Rule = 1'
    wait_state "$id" held
    held_with 26 7
    is "$id" HoldReason "not here"
    stint edit "$id" Free=true Rule=2 >/dev/null
    wait_state "$id" removed
    [[ "$(attr "$id" RemoveReason)" == "The system macro SYSTEM_PERIODIC_REMOVE expression 'Rule =?= 2' evaluated to TRUE" ]]
}

# ---- durations ----

@test "allowed_execute_duration and allowed_job_duration hold with 47 and 46" {
    go "${sleeper[@]}" 'allowed_execute_duration = 1'
    wait_state "$id" held
    held_with 47 0
    is "$id" HoldReason "The job exceeded allowed execute duration of 00:01"
    go "${sleeper[@]}" 'allowed_job_duration = 1s'
    wait_state "$id" held
    held_with 46 0
    is "$id" HoldReason "The job exceeded allowed job duration of 00:01"
}

@test "a checkpoint begins the execute duration anew" {
    job a SELF=1 COUNT=10 PACE=0.4 <<<"$protocol
allowed_execute_duration = 3"
    id=$(submit a.sub)
    completed "$id"
}

# ---- the exit ----

@test "on_exit_hold holds with reason and code, and the output is there" {
    script s 'echo said; exit 3'
    go 'executable = s' 'output = out' 'on_exit_hold = ExitCode == 3' 'on_exit_hold_reason = strcat("it said ", string(ExitCode))' 'on_exit_hold_subcode = ExitCode' \
        'max_retries = 5'
    wait_state "$id" held
    held_with 3 3
    is "$id" HoldReason "it said 3"
    is "$id" NumJobCompletions 1
    [ "$(cat out)" = said ]
}

@test "a runner that is killed after the output is out still comes to the hold, once" {
    script s 'echo said; exit 3'
    sub 'executable = s' 'output = out' 'on_exit_hold = true'
    export STINT_FAULT_ONCE=$work/once STINT_FAULT=runner.end:kill
    id=$(submit a.sub)
    wait_state "$id" held
    [ -e once ]
    held_with 3 0
    is "$id" NumJobCompletions 1
    is "$id" NumHolds 1
    [ "$(cat out)" = said ]
}

@test "on_exit_remove keeps a job in the queue until it is true" {
    script s "echo x >>$work/runs" 'exit 1'
    go 'executable = s' 'on_exit_remove = NumJobCompletions >= 3 || ExitBySignal'
    completed "$id" 1
    lines_in runs 3
    [ "$(wc -l <runs)" = 3 ]
}

@test "retry_until may be an expression, and max_retries is 2 where only it is given" {
    script s "echo x >>$work/runs" 'exit 7'
    go 'executable = s' 'retry_until = member(ExitCode, {5, 6})'
    completed "$id" 7
    [ "$(wc -l <runs)" = 3 ]
    rm runs
    go 'executable = s' 'max_retries = 5' 'retry_until = ExitCode > 6'
    completed "$id" 7
    [ "$(wc -l <runs)" = 1 ]
}

# ---- limits ----

@test "a concurrency limit holds for running jobs, and a pool that is killed counts the same" {
    conf 'cpus = 8' 'limit.licence = 3' 'limit_default = 1'
    sub "${sleeper[@]}" 'concurrency_limits = Licence:2'
    one=$(submit a.sub)
    wait_event "$one" running
    id=$(submit a.sub)
    wait_for "the reason" idle_because "other jobs use the limit 'licence', of which there are 3"
    kill -KILL "$(pid_of_pool)"
    wait_for "the reason" idle_because "other jobs use the limit 'licence', of which there are 3"
    go 'concurrency_limits = LICENCE, other'
    completed "$id"
    go 'concurrency_limits = licence:4'
    wait_for "the reason" idle_because "it takes more of the limit 'licence' than there is (3)"
    stint rm --fast "$one" >/dev/null
    wait_state "2.0" running
}

# ---- times ----

@test "deferral_time starts the job at its time, and a missed one holds it with code 20" {
    go 'deferral_time = QDate + 2' 'deferral_window = 30' 'executable = /bin/date' 'arguments = +%s' 'output = out'
    completed "$id"
    [ "$(cat out)" -ge "$(($(attr "$id" QDate) + 2))" ]
    go 'deferral_time = QDate - 100' 'deferral_window = 50'
    wait_state "$id" held
    held_with 20 0
    is "$id" HoldReason "Job missed deferred execution time"
    go 'deferral_time = QDate - 100' 'deferral_window = 5000'
    completed "$id"
}

@test "a job whose files were not there in time is held as well" {
    sub 'deferral_time = QDate + 1'
    export STINT_FAULT_ONCE=$work/once STINT_FAULT=runner.filled:stop
    id=$(submit a.sub)
    wait_for "the runner to stop" [ -e once ]
    runner=$(pid_of_runner "$id")
    late() { [ "$(date +%s)" -gt "$(($(attr "$id" QDate) + 1))" ]; }
    wait_for "the time to pass" late
    kill -CONT "$runner"
    wait_state "$id" held
    held_with 20 0
}

@test "a job that waits for its time can be vacated and removed, and is told when it starts" {
    go 'deferral_time = QDate + 1000' 'deferral_prep_time = 10'
    wait_for "the reason" idle_because "it wants to start at "
    stint rm "$id" >/dev/null
    go 'deferral_time = QDate + 1000' 'deferral_prep_time = 2000'
    wait_state "$id" starting
    stint vacate "$id" >/dev/null
    wait_event "$id" evicted
    stint rm "$id" >/dev/null
    wait_state "$id" removed
}

@test "cron_… starts at the next time that is allowed" {
    go 'cron_minute = 30' 'cron_hour = 3' 'cron_day_of_month = 29' 'cron_month = 2' 'cron_prep_time = 10' 'on_exit_remove = false'
    wait_for "the reason" idle_because "-02-29 03:30:00"
    sub 'cron_hour = 24'
    run stint submit a.sub
    [ "$status" = 1 ]
    [[ "$output" == *"a.sub:3: cron_hour: '24' is no hour; write numbers from 0 to 23"* ]]
}

# ---- a kill in between ----

@test "a pool that is killed between decision and action does what was decided, once" {
    for point in pool.decide pool.decided; do
        rm -rf "$STINT_DIR"; mkdir -p "$STINT_DIR"
        fast
        sub "${sleeper[@]}" 'periodic_hold = JobStatus == 2' 'periodic_remove = HoldReasonCode == 3'
        STINT_FAULT_ONCE=$work/once.$point STINT_FAULT=$point:kill stint submit -q a.sub >/dev/null
        id=1.0
        wait_state "$id" removed
        [ -e "once.$point" ]
        [ "$(story "$id" '[.Events[] | select(.Event == "held")] | length')" = 1 ]
        [ "$(story "$id" '[.Events[] | select(.Event == "removed")] | length')" = 1 ]
        stop_everything
        cd "$work"
    done
}

@test "texts get the machine's values when the job gets its slot; what it has not holds the job" {
    conf 'machine.Site = "north"'
    printf '%s\n' '#!/bin/sh' 'echo "$@" "$PLACE"; cat' >show.LINUX.sh
    chmod 755 show.LINUX.sh
    echo input >in.north
    cat >a.sub <<'END'
executable  = show.$$(OpSys).sh
arguments   = $$(Arch) $$(Nope:none) $$([MY.RequestCpus + 1])
environment = PLACE=$$(Site)
input       = in.$$(Site)
output      = out.$$(Site)
queue
END
    id=$(submit a.sub)
    completed "$id"
    [ "$(cat out.north)" = "$(uname -m | tr '[:lower:]' '[:upper:]') none 2 north
input" ] || { cat out.north; false; }
    [[ "$(stint history --af Args)" == *'$$(Arch)'* ]]
    sed 's/Nope:none/Nope/' a.sub >b.sub
    id=$(submit b.sub)
    wait_state "$id" held
    [[ "$(attr "$id" HoldReason)" == *'no value for $$(Nope)'* ]]
    stint edit "$id" 'Args="x y z"'
    stint release "$id"
    completed "$id"
    grep -q '^x y z north$' out.north
}
