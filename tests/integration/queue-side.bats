#!/usr/bin/env bats
# What is said about a job's place in the queue: staying after its end, accounts, notices, its environment, what the log says beside.
load lib

plain() { # plain NAME LINE…: /bin/true, or what "executable" among the lines says
    local name=$1
    shift
    {
        printf 'executable = /bin/true\ntransfer_executable = false\nlog = %s.log\n' "$name"
        printf '%s\n' "$@"
        echo queue
    } >"$name.sub"
}
in_queue() { [ "$(stint q --all --json | jq '.Jobs | length')" = "$1" ]; }
in_history() { [ "$(stint history --all --json | jq '.Jobs | length')" = "$1" ]; }

# ---- leave_in_queue ----

@test "a finished job stays in the queue while leave_in_queue is true, and rm takes it away" {
    plain a 'leave_in_queue = true'
    id=$(submit a.sub)
    stint wait -q "$id"
    in_queue 1
    in_history 0
    is "$id" JobStatus 4
    stint q | grep -q completed
    run stint hold "$id"
    [ "$status" = 1 ]
    stint rm "$id" | grep -q 'taken out of the queue'
    in_queue 0
    in_history 1
    is "$id" JobState completed
    wait_for "its directory to be removed" test ! -e "$STINT_DIR/jobs/$id"
}

@test "it is asked again at intervals" {
    conf "leave_in_queue_interval = 1s"
    plain a 'leave_in_queue = time() - CompletionDate < 2'
    id=$(submit a.sub)
    stint wait -q "$id"
    wait_for "it to leave" in_history 1
    in_queue 0
}

@test "a job that is removed stays as well, with JobStatus 3; an edit of the expression lets it go" {
    plain a 'leave_in_queue = JobStatus == 3' 'hold = true'
    id=$(submit a.sub)
    stint rm "$id"
    in_queue 1
    is "$id" JobStatus 3
    stint pool stop
    stint pool start
    in_queue 1
    stint edit "$id" LeaveJobInQueue=false
    in_queue 0
    in_history 1
}

@test "a job whose expression is not true at its end leaves at once" {
    plain a 'leave_in_queue = JobStatus == 3'
    id=$(submit a.sub)
    stint wait -q "$id"
    in_queue 0
    in_history 1
}

@test "a pool that dies when a job leaves its place cleans up all the same" {
    plain a 'leave_in_queue = true'
    STINT_FAULT=pool.left:kill STINT_FAULT_ONCE=$work/once stint pool start
    id=$(submit a.sub)
    stint wait -q "$id"
    stint edit "$id" LeaveJobInQueue=false || true # whose answer dies with the pool
    wait_for "the fault" test -e once
    wait_for "it to leave" in_history 1
    wait_for "its directory to be removed" test ! -e "$STINT_DIR/jobs/$id"
}

# ---- accounts ----

used() { stint users --json | jq -r --arg name "$1" '.Users[] | select(.Owner == $name) | .TotalCpuUs'; }

@test "usage is charged to GROUP.USER, and to the user all the same" {
    me=$(id -un)
    plain a 'accounting_group = group_physics.theory'
    id=$(submit a.sub)
    completed "$id"
    is "$id" AccountingGroup "group_physics.theory.$me"
    is "$id" AcctGroup group_physics.theory
    is "$id" AcctGroupUser "$me"
    [ "$(used "group_physics.theory.$me")" -gt 0 ]
    [ "$(used "group_physics.theory.$me")" = "$(used "$me")" ]
    plain b
    id=$(submit b.sub)
    completed "$id"
    [ "$(used "$me")" -gt "$(used "group_physics.theory.$me")" ]
    stint users | grep -q "group_physics.theory.$me"
}

@test "nobody but root is charged to somebody else" {
    [ "$(id -u)" != 0 ] || skip "root may"
    plain a 'accounting_group_user = somebody'
    run stint submit a.sub
    [ "$status" = 1 ]
    [[ "$output" == *"can not let 'somebody' be charged; leave accounting_group_user out, or ask root"* ]]
    plain b "+AccountingGroup = \"group.somebody\""
    run stint submit b.sub
    [ "$status" = 1 ]
    plain c 'hold = true'
    id=$(submit c.sub)
    run stint edit "$id" 'AcctGroupUser="somebody"'
    [ "$status" = 1 ]
    stint edit "$id" 'AcctGroup="mine"'
    is "$id" AccountingGroup "mine.$(id -un)"
}

@test "a nice user's jobs come after all others, whatever their priority" {
    conf "cpus = 1"
    job first "GATE=$gate" </dev/null
    first=$(submit first.sub)
    wait_state "$first" running
    plain nice 'nice_user = true' 'priority = 100'
    plain other 'priority = -5'
    nice=$(submit nice.sub)
    other=$(submit other.sub)
    is "$nice" JobPrio 100
    is "$nice" AccountingGroup "nice-user.$(id -un)"
    open_gate
    stint wait -q "$nice" "$other"
    [ "$(attr "$nice" LastStintStartUs)" -gt "$(attr "$other" LastStintStartUs)" ]
    [ "$(stint users --json | jq -r '.Users[] | select(.Owner | startswith("nice-user")) | .Factor')" = 10000000000 ]
}

# ---- notification ----

notifier() {
    cat >"$work/tell" <<EOF
#!/bin/sh
exec >>"$work/told.\$STINT_JOB.\$STINT_EVENT" 2>&1
env
id -un
cat
$1
EOF
    chmod 755 "$work/tell"
    conf "notify_command = $work/tell"
}
told() { cat "$work/told.$1.$2"; }

@test "notification: the command gets the job's ad, as its owner, and who is to be told" {
    notifier
    plain a 'notification = complete' 'notify_user = ann@example.org'
    id=$(submit a.sub 2>warnings)
    [ ! -s warnings ]
    stint wait -q "$id"
    wait_for "the notice" test -e "told.$id.completed"
    wait_for "its end" grep -q '^JobState = "completed"' "told.$id.completed"
    told "$id" completed | grep -q '^STINT_NOTIFY_USER=ann@example.org$'
    told "$id" completed | grep -qx "$(id -un)"
    told "$id" completed | grep -q '^ExitCode = 0$'
}

@test "notification = error: of failures only, and not of a hold that was wanted; never: of nothing" {
    notifier
    plain good 'notification = error' 'success_exit_code = 0'
    plain bad 'notification = error' 'success_exit_code = 0'
    sed -i 's,/bin/true,/bin/false,' bad.sub
    plain quiet 'notification = never'
    good=$(submit good.sub) bad=$(submit bad.sub) quiet=$(submit quiet.sub)
    plain held 'notification = error' 'hold = true'
    held=$(submit held.sub)
    stint wait -q "$good" "$bad" "$quiet" || true
    wait_for "the notice" test -e "told.$bad.completed"
    [ ! -e "told.$good.completed" ]
    [ ! -e "told.$quiet.completed" ]
    [ ! -e "told.$held.held" ]
}

@test "a command that takes too long or fails keeps nobody waiting" {
    notifier 'sleep 1000'
    plain a 'notification = always'
    id=$(submit a.sub)
    stint wait -q "$id"
    wait_for "the notice" test -e "told.$id.completed"
    plain b
    id=$(submit b.sub)
    completed "$id"
}

@test "without a command a submission says so, and which setting it is" {
    plain a 'notification = complete'
    stint submit a.sub 2>warnings
    grep -q "a.sub: warning: notification: nothing is sent, for there is no notify_command; see stint.conf(5)" warnings
}

@test "a pool that dies before or while the command runs has it told again" {
    local point n=0
    notifier
    for point in notify.start notify.ended; do
        plain a 'notification = complete'
        STINT_FAULT=$point:kill STINT_FAULT_ONCE=$work/once.$n stint pool start
        id=$(submit a.sub)
        stint wait -q "$id"
        wait_for "the fault" test -e "once.$n"
        wait_for "the notice" test -e "told.$id.completed"
        wait_for "its end" grep -q '^JobState = "completed"' "told.$id.completed"
        stint pool stop
        n=$((n + 1))
    done
    [ "$(grep -c '^JobState' told.2.0.completed)" -ge 1 ]
}

# ---- environment ----

@test "getenv: names, patterns and refusals, below the job's own environment" {
    plain a 'getenv = COLOUR, LD_*, !LD_SECRET*' 'environment = "LD_ONE=own"' 'output = a.out'
    sed -i 's,/bin/true,/usr/bin/env,' a.sub
    id=$(colour=x COLOUR=red SIZE=big LD_ONE=1 LD_TWO=2 LD_SECRETS=3 stint submit -q a.sub).0
    completed "$id"
    grep -qx COLOUR=red a.out
    grep -qx LD_ONE=own a.out
    grep -qx LD_TWO=2 a.out
    ! grep -q 'LD_SECRETS\|SIZE' a.out
}

# ---- the log ----

informed() { [ "$(grep -c '^028' a.log)" -ge "$1" ]; }

@test "submit_event_notes and job_ad_information_attrs are in the event log" {
    plain a 'submit_event_notes = DAG Node: a' 'job_ad_information_attrs = Owner, JobStatus, Twice, Nothing' '+Twice = 2 * 21'
    id=$(submit a.sub)
    completed "$id"
    wait_for "the end" grep -q '^005' a.log
    grep -q '^    DAG Node: a$' a.log
    wait_for "the last information" informed 3
    events a.log | grep -q '^000 028 001 028'
    grep -A 6 '^028' a.log | grep -q '^TriggerEventTypeName = "ULOG_SUBMIT"$'
    grep -q '^Twice = 42$' a.log
    grep -q "^Owner = \"$(id -un)\"$" a.log
}

@test "holds and releases are counted, and the last reason is kept" {
    plain a 'hold = true' 'batch_name = tries' 'description = a text'
    id=$(submit a.sub)
    is "$id" NumHolds 1
    is "$id" JobDescription "a text"
    stint q --batch | grep -q tries
    stint release "$id"
    completed "$id"
    is "$id" NumReleases 1
    [[ "$(attr "$id" LastHoldReason)" == *"submitted on hold"* ]]
    is "$id" LastHoldReasonCode 15
}

# ---- keep_sandbox ----

@test "keep_sandbox: a held job's sandbox stays until its next stint, and its room is not given away" {
    running a "TRACE=trace" <<<"keep_sandbox = true
request_disk = 2 GB"
    stint hold "$id"
    wait_state "$id" held
    kept=$(attr "$id" KeptSandbox)
    [ "$kept" = "$STINT_DIR/jobs/$id/stint.1/work" ]
    [ -e "$kept/trace" ]
    stint show "$id" | grep -qF "$kept"
    [ "$(stint pool status --json | jq .DiskKept)" = 2097152 ]
    stint pool stop
    stint pool start
    [ "$(stint pool status --json | jq .DiskKept)" = 2097152 ]
    stint release "$id"
    wait_event "$id" running 2
    [ ! -e "$kept" ]
    [ -z "$(attr "$id" KeptSandbox)" ]
    [ "$(stint pool status --json | jq .DiskKept)" = 0 ]
    open_gate
    completed "$id"
}

@test "keep_sandbox: rm takes it along, and an eviction keeps nothing" {
    running a <<<"keep_sandbox = true"
    stint vacate "$id"
    wait_event "$id" running 2
    [ ! -e "$STINT_DIR/jobs/$id/stint.1" ]
    stint hold "$id"
    wait_state "$id" held
    [ -d "$(attr "$id" KeptSandbox)" ]
    stint rm "$id"
    wait_for "its directory to be removed" test ! -e "$STINT_DIR/jobs/$id"
    [ "$(stint pool status --json | jq .DiskKept)" = 0 ]
}

@test "without keep_sandbox a held job has none" {
    running a </dev/null
    stint hold "$id"
    wait_state "$id" held
    wait_for "the sandbox to go" test ! -e "$STINT_DIR/jobs/$id/stint.1"
    [ -z "$(attr "$id" KeptSandbox)" ]
}

@test "keep_sandbox: a job that on_exit_hold holds keeps its sandbox, one that is done and stays in the queue has none" {
    plain a 'keep_sandbox = true' 'on_exit_hold = ExitCode == 3' "arguments = \"-c 'echo 1 >trace; exit 3'\"" 'executable = /bin/sh'
    id=$(submit a.sub)
    wait_state "$id" held
    kept=$(attr "$id" KeptSandbox)
    [ -e "$kept/trace" ]
    [ "$(stint pool status --json | jq .DiskKept)" -gt 0 ]
    plain b 'keep_sandbox = true' 'leave_in_queue = true'
    other=$(submit b.sub)
    stint wait -q "$other"
    is "$other" JobState completed
    [ -z "$(attr "$other" KeptSandbox)" ]
    stint rm "$id" "$other"
    wait_for "the sandbox to go" test ! -e "$kept"
    [ "$(stint pool status --json | jq .DiskKept)" = 0 ]
}
