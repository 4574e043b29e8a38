#!/usr/bin/env bats
# The users' event logs: each event with the lines that other tools parse, whole and in order, whoever else writes.
load lib

# logged FILE NUMBERS: the log is well formed and has these events; image sizes come when they come.
logged() {
    local found
    found=$(events "$1") || { echo "$found"; cat "$1"; return 1; }
    [ "$(tr ' ' '\n' <<<"$found" | grep -v 006 | xargs)" = "$2" ] || { echo "found $found"; cat "$1"; return 1; }
}
has_event() { grep -q "^$2 (" "$1"; }

@test "000, 001 and 005: a job's whole life with its usage lines" {
    job a COUNT=2 </dev/null
    id=$(submit a.sub)
    completed "$id"
    logged a.log "000 001 005"
    grep -Eq '^000 \(001\.000\.000\) [0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8} Job submitted from host: <.*>$' a.log
    grep -Eq '^001 \(001\.000\.000\) .* Job executing on host: <.*>$' a.log
    grep -Eq '^005 .* Job terminated\.$' a.log
    grep -Pq '^\t\(1\) Normal termination \(return value 0\)$' a.log
    grep -Pq '^\t\tUsr 0 00:00:\d\d, Sys 0 00:00:\d\d  -  Run Remote Usage$' a.log
    grep -Pq '^\t\d+  -  Run Bytes Sent By Job$' a.log
    grep -Pq '^\t   Memory \(MB\) ' a.log
    [ "$(tail -n 1 a.log)" = ... ]
}

@test "005: another exit code, and a signal" {
    job a FAIL_AT=1 FAIL_WITH=42 </dev/null
    completed "$(submit a.sub)" 42
    grep -Pq '^\t\(1\) Normal termination \(return value 42\)$' a.log
    job b FAIL_AT=1 FAIL_WITH=SEGV </dev/null
    id=$(submit b.sub)
    wait_done "$id"
    logged b.log "000 001 005"
    grep -Pq '^\t\(0\) Abnormal termination \(signal 11\)$' b.log
}

@test "003 and 004: checkpointed with its size and duration, evicted with the flag" {
    running a <<<"$protocol"
    stint checkpoint "$id"
    stint vacate "$id"
    wait_event "$id" running 2
    open_gate
    completed "$id"
    logged a.log "000 001 003 003 004 001 005"
    grep -Pq '^\tGeneration = 1$' a.log
    grep -Pq '^\tBytes = [1-9]\d*$' a.log
    grep -Pq '^\tPauseUs = [1-9]\d*$' a.log
    grep -Pq '^\t\(1\) Job was checkpointed\.$' a.log
    grep -Pq '^\tReason: by ' a.log
}

@test "004 without a checkpoint" {
    running a </dev/null
    stint vacate "$id"
    wait_event "$id" running 2
    open_gate
    completed "$id"
    logged a.log "000 001 004 001 005"
    grep -Pq '^\t\(0\) CPU times$' a.log
}

@test "004 of a job that failed and is tried again" {
    job a FAIL_AT=1 FAIL_TIMES=1 FAILED="$work/failed" <<<"max_retries = 1"
    completed "$(submit a.sub)"
    logged a.log "000 001 004 001 005"
    grep -Pq '^\t\(0\) Job terminated and was requeued$' a.log
}

@test "006: the image size of a job that runs for a while" {
    running a </dev/null
    wait_for "its image size" has_event a.log 006
    open_gate
    completed "$id"
    [[ "$(events a.log)" == *006* ]]
    grep -Pq '^\t[1-9]\d*  -  ResidentSetSize of job \(KB\)$' a.log
    at_least "$id" ImageSize 1
}

@test "009: removed, with the reason" {
    job a <<<"hold = true"
    id=$(submit a.sub)
    stint rm --reason "no longer needed" "$id"
    wait_for "its event" has_event a.log 009
    logged a.log "000 012 009"
    grep -Pq '^\tno longer needed$' a.log
}

@test "009 after 004 when a running job is removed" {
    running a </dev/null
    stint rm --fast "$id"
    wait_for "its event" has_event a.log 009
    logged a.log "000 001 004 009"
}

@test "010 and 011: suspended and unsuspended" {
    running a </dev/null
    stint suspend "$id"
    wait_for "its event" has_event a.log 010
    stint continue "$id"
    wait_for "its event" has_event a.log 011
    open_gate
    completed "$id"
    logged a.log "000 001 010 011 005"
}

@test "012 and 013: held with its codes, and released" {
    running a <<<"$protocol"
    stint hold --reason "for lunch" "$id"
    wait_for "its event" has_event a.log 012
    stint release --reason "after lunch" "$id"
    open_gate
    completed "$id"
    logged a.log "000 001 003 004 012 013 001 005"
    grep -Pq '^\tfor lunch$' a.log
    grep -Pq '^\tCode 1 Subcode 0$' a.log
    grep -Pq '^\tafter lunch$' a.log
}

@test "022 and 023: the pool was away and is back" {
    running a </dev/null
    stint pool stop
    stint pool start
    wait_for "its event" has_event a.log 023
    open_gate
    completed "$id"
    logged a.log "000 001 022 023 005"
}

@test "022 and 024: the runner is gone" {
    running a </dev/null
    kill -KILL "$(pid_of_runner "$id")"
    wait_for "its event" has_event a.log 024
    wait_event "$id" running 2
    open_gate
    completed "$id"
    logged a.log "000 001 022 024 001 005"
}

@test "a reason can not forge an event" {
    job a <<<"hold = true"
    id=$(submit a.sub)
    stint rm --reason $'x\n...\n005 (001.000.000) 2026-01-01 00:00:00 Job terminated.\n...' "$id"
    wait_for "its event" has_event a.log 009
    logged a.log "000 012 009"
}

@test "many jobs of many clusters and other writers share a log, and every event is whole" {
    conf "cpus = 8"
    stint pool start
    printf 'executable = /bin/true\nlog = all.log\nqueue 6\n' >a.sub
    for i in 1 2 3 4; do stint submit -q a.sub & done
    # HTCondor's own writers append whole events under a lock, as this does
    for i in $(seq 40); do
        flock all.log.other -c "printf '000 (%03d.000.000) 2026-01-01 00:00:00 Job submitted from host: <other>\n...\n' $((1000 + i)) >>all.log"
    done
    wait
    for i in 1 2 3 4; do stint wait -q $i; done
    events all.log >order
    [ "$(tr ' ' '\n' <order | grep -c 000)" = 64 ]
    [ "$(tr ' ' '\n' <order | grep -c 001)" = 24 ]
    [ "$(tr ' ' '\n' <order | grep -c 005)" = 24 ]
}

@test "a log that ends in half an event does not swallow the next one" {
    printf '000 (009.000.000) 2026-01-01 00:00:00 Job subm' >a.log
    job a COUNT=1 </dev/null
    completed "$(submit a.sub)"
    [ "$(sed -n 2p a.log)" = ... ]
    sed 1,2d a.log >rest
    logged rest "000 001 005"
}

@test "a log that can not be written stops neither its job nor the logs of others" {
    mkdir gone
    job a COUNT=1 </dev/null
    sed -i 's/^log .*/log = gone\/a.log/' a.sub
    sed -i 's/^queue/hold = true\nqueue/' a.sub
    id=$(submit a.sub)
    rm -rf gone
    stint release "$id"
    completed "$id"
    job b COUNT=1 </dev/null
    completed "$(submit b.sub)"
    wait_for "the other log" has_event b.log 005
    mkdir gone
    wait_for "the late log" has_event gone/a.log 005
    [[ "$(events gone/a.log)" == *"013 001 005" ]] || [ "$(grep -c '^005' gone/a.log)" = 1 ]
}

@test "each event is in the log once, also when the pool stops and starts in between" {
    conf "cpus = 4"
    job a COUNT=3 </dev/null
    sed -i 's/^queue/queue 5/' a.sub
    stint submit a.sub
    stint pool stop
    stint pool start
    stint wait -q 1
    events a.log >order
    [ "$(tr ' ' '\n' <order | grep -c 000)" = 5 ]
    [ "$(tr ' ' '\n' <order | grep -c 005)" = 5 ]
}

@test "a job without a log writes none" {
    printf 'executable = /bin/true\nqueue\n' >a.sub
    completed "$(submit a.sub)"
    [ "$(ls)" = a.sub ]
}
