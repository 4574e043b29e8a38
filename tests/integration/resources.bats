#!/usr/bin/env bats
# The order of starts, the room on the machine, and what happens to those who take more than they asked for.
load lib

running_now() { [ "$(stint pool status --json | jq .Jobs.running)" = "$1" ]; }
used() { stint pool status --json | jq "$1"; }

# order NAME PRIORITY: a held job that writes its name to $work/order when it runs.
order() {
    printf '#!/bin/sh\necho $1 >>%s/order\n' "$work" >tell
    chmod +x tell
    printf 'executable = tell\narguments = %s\npriority = %s\nhold = true\nqueue\n' "$1" "$2" >"$1.sub"
    submit "$1.sub"
}

@test "jobs start in the order of their submission" {
    conf "cpus = 1"
    stint pool start
    for name in a b c d e; do order $name 0; done
    stint release --all
    wait_for "all of them" lines_in order 5
    [ "$(xargs <order)" = "a b c d e" ]
}

@test "a higher priority comes first, then the submission" {
    conf "cpus = 1"
    running blocker </dev/null
    for job in a:0 b:5 c:-5 d:5 e:0; do order "${job%:*}" "${job#*:}"; done
    stint release --all 2>/dev/null || true
    open_gate
    wait_for "all of them" lines_in order 5
    [ "$(xargs <order)" = "b d a e c" ]
}

@test "an edited priority counts" {
    conf "cpus = 1"
    running blocker </dev/null
    order a 0
    second=$(order b 0)
    stint edit "$second" priority=3
    stint release -c 'JobStatus == 5'
    open_gate
    wait_for "both" lines_in order 2
    [ "$(xargs <order)" = "b a" ]
}

@test "no more jobs run than there are cpus, and the rest say what they wait for" {
    conf "cpus = 3"
    job a "GATE=$gate" <<<"request_cpus = 2"
    job b "GATE=$gate" </dev/null
    stint submit a.sub
    sed -i 's/^queue/queue 3/' b.sub
    stint submit b.sub
    wait_for "two of them to run" running_now 2
    [ "$(used .CpusUsed)" = 3 ]
    stint show 2.1 | grep -q 'not enough free cpus'
    open_gate
    wait_done 1.0 2.0 2.1 2.2
    [ "$(used .CpusUsed)" = 0 ]
    check_ledger
    check_stints 1.0 2
}

@test "memory is shared out by what was asked for" {
    conf "memory = 1000" "cpus = 8"
    job a "GATE=$gate" <<<"request_memory = 600"
    sed -i 's/^queue/queue 2/' a.sub
    stint submit a.sub
    wait_for "one of them to run" running_now 1
    [ "$(used .MemoryUsed)" = 600 ]
    stint show 1.1 | grep -q 'not enough free memory'
    open_gate
    wait_done 1.0 1.1
}

@test "disk is shared out by what was asked for" {
    conf "disk = 1G" "cpus = 8"
    job a "GATE=$gate" <<<"request_disk = 600 MB"
    sed -i 's/^queue/queue 2/' a.sub
    stint submit a.sub
    wait_for "one of them to run" running_now 1
    stint show 1.1 | grep -q 'not enough free disk'
    open_gate
    wait_done 1.0 1.1
}

@test "a request that the machine can never meet is explained" {
    conf "cpus = 2" "memory = 1000"
    job a <<<"request_cpus = 5"
    id=$(submit a.sub)
    stint show "$id" | grep -q 'asks for more cpus than this machine gives'
    stint edit "$id" request_cpus=1 request_memory=5000
    stint show "$id" | grep -q 'asks for more memory than this machine gives'
    stint edit "$id" request_memory=10
    completed "$id"
}

@test "a request that is not met does not keep smaller jobs from running" {
    conf "cpus = 2"
    job a <<<"request_cpus = 5"
    submit a.sub
    job b COUNT=1 </dev/null
    id=$(submit b.sub)
    completed "$id"
}

@test "requests that make no sense are refused, and expressions are evaluated" {
    for request in 'request_cpus = 0' 'request_cpus = -1' 'request_memory = -5'; do
        job a <<<"$request"
        run stint submit a.sub
        [ "$status" = 1 ]
        [[ "$output" == *"${request%% *}"* ]]
    done
    job a COUNT=1 <<<"request_memory = RequestCpus * 200"
    id=$(submit a.sub)
    completed "$id"
    is "$id" RequestMemory 200
}

@test "a suspended job keeps its slot" {
    conf "cpus = 1"
    running a </dev/null
    stint suspend "$id"
    wait_event "$id" suspended
    job b COUNT=1 </dev/null
    other=$(submit b.sub)
    state_is "$other" idle
    stint rm --fast "$id"
    completed "$other"
}

@test "a job that outgrows the disk that it asked for is held and says so" {
    printf '#!/bin/sh\nhead -c 3000000 /dev/zero >big\nwhile [ ! -e %s ]; do sleep 0.1; done\n' "$gate" >prog
    chmod +x prog
    printf 'executable = prog\nrequest_disk = 2 MB\nqueue\n' >a.sub
    id=$(submit a.sub)
    wait_state "$id" held
    is "$id" HoldReasonCode 34
    is "$id" HoldReasonSubCode 104
    [[ "$(attr "$id" HoldReason)" == *request_disk* ]]
}

@test "a job that takes more memory than it asked for is held, where the kernel keeps it to that" {
    printf 'executable = %s\narguments = 200\nrequest_memory = 64\noutput = a.out\nqueue\n' "$STINT_BUILD/tests/programs/hog" >a.sub
    id=$(submit a.sub)
    limits=$(stint pool status --json | jq -r .Limits)
    if [[ "$limits" != "enforced by"* ]]; then
        [[ "$limits" == "not enforced: "?* ]]
        skip "limits are $limits"
    fi
    wait_state "$id" held completed
    is "$id" HoldReasonCode 34
    [[ "$(attr "$id" HoldReason)" == *request_memory* ]]
    stint edit "$id" request_memory=400
    stint release "$id"
    completed "$id"
    [ "$(cat a.out)" = "got it all" ]
}

@test "a job that did not ask for memory is not limited" {
    printf 'executable = %s\narguments = 200\noutput = a.out\nqueue\n' "$STINT_BUILD/tests/programs/hog" >a.sub
    id=$(submit a.sub)
    completed "$id"
}

@test "limits = off is said" {
    conf "limits = off"
    stint pool start
    stint pool status | grep -q 'limits *not enforced: stint.conf says limits = off'
}

@test "the limits' control groups are gone when the jobs are" {
    job a COUNT=1 <<<"request_memory = 64"
    id=$(submit a.sub)
    completed "$id"
    [ -z "$(find /sys/fs/cgroup -maxdepth 6 -type d -name "stint-$id-*-$(story "$id" '.Stints[0].Pid')" 2>/dev/null)" ]
}
