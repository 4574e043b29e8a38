#!/usr/bin/env bats
# Late materialisation: jobs enter the queue as others leave it, none twice, none forgotten.
load lib

# factory NAME N LINE…: N jobs of /bin/true in NAME.sub, with those lines, on one cpu.
factory() {
    local name=$1 n=$2
    shift 2
    {
        printf 'executable = /bin/true\ntransfer_executable = false\nlog = %s.log\narguments = $(Process)\n' "$name"
        printf '%s\n' "$@"
        echo "queue $n"
    } >"$name.sub"
}
active() { stint q --all --json | jq '.Jobs | length'; }
to_come() { stint q --all --json | jq .ToCome; }
active_is() { [ "$(active)" = "$1" ]; }
to_come_is() { [ "$(to_come)" = "$1" ]; }
procs() { stint "$1" --json "${@:3}" "$2" | jq -r '.Jobs[].ProcId' | sort -n; }

# every_job_once CLUSTER N: in the history, with contiguous numbers, each submitted and terminated once in the log.
every_job_once() {
    diff <(procs history "$1" --limit 0) <(seq 0 $(($2 - 1))) || return 1
    events f.log >/dev/null || return 1
    [ "$(grep -c '^000 ' f.log)" = "$2" ] && [ "$(grep -c '^005 ' f.log)" = "$2" ]
}

@test "max_idle: that many are in the queue, the others come as they leave it, and wait waits for all" {
    conf "cpus = 2"
    factory f 12 "max_idle = 3"
    cluster=$(stint submit -q f.sub)
    stint wait "$cluster" | grep -q '12 jobs done'
    every_job_once "$cluster" 12
    wait_for "the cluster's end in the log" grep -q '^036 ' f.log
    grep -q "^035 ($(printf %03d "$cluster").-01.000) .* Cluster submitted from host: <" f.log
    grep -q 'Materialized 12 jobs from 12 items.	Complete' f.log
    [ "$(to_come)" = 0 ]
}

@test "jobs on hold count as not running: no more are made, and q says how many are to come" {
    factory f 10 "max_idle = 4" "hold = true"
    cluster=$(stint submit -q f.sub)
    [ "$(active)" = 4 ]
    [ "$(to_come)" = 6 ]
    stint q | grep -q "cluster $cluster: 6 jobs still to come"
    diff <(procs q "$cluster") <(seq 0 3)
    stint rm "$cluster.1"
    wait_for "one more" active_is 4
    diff <(procs q "$cluster") <(printf '%s\n' 0 2 3 4)
    [ "$(attr "$cluster.4" TotalSubmitProcs)" = 10 ]
    [ "$(attr "$cluster.4" QDate)" = "$(attr "$cluster.0" QDate)" ]
}

@test "max_materialize: that many are there at a time, running or not" {
    conf "cpus = 4"
    job f "GATE=$gate" </dev/null
    sed -i 's/^queue/max_materialize = 2\nqueue 5/' f.sub
    cluster=$(stint submit -q f.sub)
    wait_state "$cluster.0" running
    wait_state "$cluster.1" running
    [ "$(active)" = 2 ]
    open_gate
    stint wait -q "$cluster"
    every_job_once "$cluster" 5
}

@test "each job gets what its own lines say, though they are made late" {
    factory f 6 "max_idle = 1" 'output = out.$(Process)'
    sed -i 's,/bin/true,/bin/echo,' f.sub
    cluster=$(stint submit -q f.sub)
    stint wait -q "$cluster"
    for i in 0 1 2 3 4 5; do
        [ "$(cat "out.$i")" = "$i" ]
    done
}

@test "removing the cluster makes no more jobs and tells so in the log; removing one job does not" {
    factory f 50 "max_idle = 2" "hold = true"
    cluster=$(stint submit -q f.sub)
    stint rm "$cluster" | grep -q "makes no more jobs"
    wait_for "its end" grep -q '^036 ' f.log
    grep -q 'Materialized 2 jobs from 2 items.	Incomplete' f.log
    [ "$(active)" = 0 ]
    [ "$(to_come)" = 0 ]
    diff <(procs history "$cluster") <(seq 0 1)
    run stint rm "$cluster"
    [ "$status" = 1 ]
}

@test "rm --all and a constraint reach what makes jobs as well" {
    factory f 50 "max_idle = 2" "hold = true"
    stint submit -q f.sub
    stint submit -q f.sub
    stint rm -c 'ClusterId == 1'
    [ "$(to_come)" = 48 ]
    stint rm -c 'ProcId == 1'
    wait_for "another job" to_come_is 47
    stint rm --all
    [ "$(to_come)" = 0 ]
    [ "$(active)" = 0 ]
}

@test "holding the cluster pauses it, releasing it resumes it, and the log has both" {
    conf "cpus = 1"
    factory f 9 "max_idle = 2" "hold = true"
    cluster=$(stint submit -q f.sub)
    stint hold --reason "not now" "$cluster" || true # the jobs are held already
    stint q | grep -q "7 jobs still to come; paused: not now"
    stint rm "$cluster.0"
    [ "$(stint q --json "$cluster" | jq '.Jobs | length')" = 1 ]
    stint release "$cluster"
    wait_for "the log" grep -q '^038 ' f.log
    grep -A 2 '^037 ' f.log | grep -q 'not now'
    grep -A 2 '^037 ' f.log | grep -q 'PauseCode 1'
    wait_for "the next jobs, which are held" to_come_is 5
}

@test "a restarted pool goes on where it was" {
    factory f 20 "max_idle = 3" "hold = true"
    cluster=$(stint submit -q f.sub)
    stint pool stop
    stint pool start
    [ "$(active)" = 3 ]
    stint rm "$cluster.0" "$cluster.1"
    wait_for "two more" to_come_is 15
    diff <(procs q "$cluster") <(seq 2 4)
}

@test "a job of the factory that could not be made is refused at submission, and nothing enters the queue" {
    factory f 3 "max_idle = 1" '+RequestCpus = ifThenElse($(Process) == 2, -1, 1)'
    run stint submit f.sub
    [ "$status" != 0 ]
    [[ "$output" == *"job 2 of the submission: RequestCpus is not a number"* ]]
    [ "$(active)" = 0 ]
    [ "$(to_come)" = 0 ]
}

@test "wait knows a job that is still to come" {
    conf "cpus = 1"
    factory f 5 "max_idle = 1"
    cluster=$(stint submit -q f.sub)
    stint wait -q "$cluster.4"
    state_is "$cluster.4" completed
}

# ---- crashes ----

@test "a disk that is full at some step: no job is made twice, none is forgotten, and all goes on" {
    conf "cpus = 2"
    for point in factory.make:ENOSPC@2 queue.begin:ENOSPC@3 queue.commit:ENOSPC@3; do
        rm -f f.log
        factory f 6 "max_idle = 2"
        cluster=$(STINT_FAULT=$point STINT_FAULT_ONCE="$work/full.$point" stint submit -q f.sub)
        wait_for "the jobs" stint wait -q "$cluster"
        every_job_once "$cluster" 6 || { echo "at $point"; return 1; }
        [ -e "full.$point" ] || { echo "nothing struck at $point"; return 1; }
        stint pool stop
    done
}

@test "a pool that is killed at any step makes no job twice and forgets none" {
    local point n=0
    conf "cpus = 2"
    factory f 7 "max_idle = 2" 'environment = "N=$(Process)"'
    for point in queue.begin@3 queue.commit@2 queue.commit@4 queue.committed@1 queue.committed@2 factory.make@1 factory.make@4 \
            factory.made@1; do
        rm -f f.log
        cluster=$(STINT_FAULT="${point%@*}:kill@${point#*@}" STINT_FAULT_ONCE="$work/once.$n" stint submit -q f.sub) ||
            cluster=$(stint q --all --json | jq -r '.Factories[0].ClusterId // empty')
        if [ -n "$cluster" ]; then
            wait_for "the jobs, while the pool dies and is back" stint wait -q "$cluster"
            every_job_once "$cluster" 7 || { echo "at $point"; return 1; }
        fi
        [ "$(to_come)" = 0 ]
        [ -e "once.$n" ] || { echo "nothing struck at $point"; return 1; }
        stint pool stop
        n=$((n + 1))
    done
}
