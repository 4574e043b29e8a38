#!/usr/bin/env bats
# What is chosen and what is printed: constraints on every command that takes jobs, columns of one's own, and the machine.
load lib

# Five held jobs of two clusters with attributes to choose by.
setup_jobs() {
    cat >a.sub <<'EOF'
executable = /bin/true
arguments  = "$(Process) x"
batch_name = sweep
+Depth     = $(Process) * 10
+Color     = "red"
hold       = true
queue 3
EOF
    cat >b.sub <<'EOF'
executable = /bin/false
priority   = 4
hold       = true
queue 2
EOF
    stint submit -q a.sub
    stint submit -q b.sub
}

ids() { stint q --format '%d.' ClusterId --format '%d ' ProcId "$@"; }

@test "a constraint sees all of a job's ad, and what the pool works out" {
    setup_jobs
    [ "$(ids -c 'Depth >= 10')" = "1.1 1.2 " ]
    [ "$(ids -c 'JobPrio == 4 && ProcId == 0')" = "2.0 " ]
    [ "$(ids -c 'CheckpointAge =?= undefined')" = "1.0 1.1 1.2 2.0 2.1 " ]
    [ "$(ids -c 'CheckpointAge > 3600')" = "" ]
    [ "$(ids -c 'JobBatchName == "sweep" && regexp("^[12] ", Args ?: Arguments)')" = "1.1 1.2 " ]
    [ "$(ids -c 'time() - QDate < 1000' 2)" = "2.0 2.1 " ]
}

@test "every command that takes jobs takes a constraint" {
    setup_jobs
    stint show -c 'Depth == 20' | grep -q '^Job 1.2 '
    [ "$(stint show --json -c 'ClusterId == 2' | jq -s length)" = 2 ]
    stint edit -c 'Color == "red"' priority=7 | grep -qx '3 jobs edited'
    [ "$(ids -c 'JobPrio == 7')" = "1.0 1.1 1.2 " ]
    stint hold -c 'Depth == 0' && false
    stint events -c 'Depth == 10' --json | jq -es 'length >= 2 and all(.ClusterId == 1 and .ProcId == 1)'
    stint log -c 'Depth == 10'
    stint log -c 'ClusterId == 1' && false
    stint ledger -c 'ClusterId == 2' --json | jq -e '.Ledger | length == 0'
    stint ckpt ls -c 'ClusterId == 2' --json | jq -e '.Checkpoints | length == 0'
    stint ckpt df -c 'ClusterId == 2' >/dev/null
    stint release -c 'Depth > 0' >/dev/null
    stint wait -q -c 'Depth > 0 && JobState != "held"' || [ $? = 1 ] # they may be gone already
    wait_done 1.1 1.2
    [ "$(stint history --af ProcId -c 'Depth > 10')" = 2 ]
    stint ledger -c 'ProcId == 1' --by job --json | jq -e '.Ledger | map(.ProcId) == [1]'
    stint rm -c 'Depth =!= undefined' | grep -q '^1.0: '
    [ "$(ids)" = "2.0 2.1 " ]
}

@test "a constraint that matches nothing is said, and does nothing" {
    setup_jobs
    for command in show edit log wait "ckpt ls" "ckpt verify" "ckpt pin"; do
        run stint $command -c 'Depth > 1000' $([ "$command" != edit ] || echo priority=1)
        [ "$status" = 1 ] || { echo "$command: $status"; false; }
        [[ "$output" == *"no job matches"* ]] || { echo "$command: $output"; false; }
    done
    run stint rm -c false
    [ "$status" = 1 ]
    [ "$(ids)" = "1.0 1.1 1.2 2.0 2.1 " ]
}

@test "what is wrong with a constraint is said with its column, by every command and without a pool" {
    for command in q history show hold release rm vacate checkpoint suspend continue wait events log ledger users status "ckpt ls" \
        "ckpt verify" "ckpt pin" "ckpt unpin" "ckpt df" "edit priority=1"; do
        run stint $command -c 'JobPrio > > 3'
        [ "$status" = 2 ] || { echo "$command: $status $output"; false; }
        [[ "$output" == *"column 11"* ]] || { echo "$command: $output"; false; }
    done
    [ ! -e "$STINT_DIR/pool.sock" ]
}

@test "columns: values, expressions, letters" {
    setup_jobs
    [ "$(stint q --af ClusterId ProcId 'Depth * 2' 1.2)" = "1 2 40" ]
    [ "$(stint q --af:jV Cmd 1.0)" = '1.0 "/bin/true"' ]
    [ "$(stint q --af:r Depth 1.1)" = '1 * 10' ]
    [ "$(stint q --af:l,t ProcId Color 1.1)" = $'ProcId = 1,\tColor = red' ]
    [ "$(stint q --autoformat:h ProcId Color 1.1)" = $'ProcId Color\n1      red' ]
    [ "$(stint q --af Nothing 1.1)" = undefined ]
    [ "$(stint q --af ClusterId,ProcId 2.1)" = "2 1" ]
    [ "$(stint q -f '%-5d|' Depth -f '%.1f\n' 'Depth / 4.0' 1.1)" = "10   |2.5" ]
    run stint q -f '%s%s' A
    [ "$status" = 2 ]
    [[ "$output" == *"second conversion at column 3"* ]]
    stint q -l 1.0 | grep -qx 'Color = "red"'
    [ "$(stint q -l -c 'ClusterId == 1' | grep -c '^Depth = ')" = 3 ]
}

@test "jobs are sorted and limited" {
    setup_jobs
    [ "$(ids --sort '-Depth' -n 2)" = "1.2 1.1 " ]
    [ "$(ids --sort 'ProcId')" = "1.0 2.0 1.1 2.1 1.2 " ]
    stint q --sort JobPrio >table
    [ "$(sed -n 2p table | awk '{ print $1 }')" = 1.0 ]
}

@test "the machine is shown by its ad" {
    stint pool start >/dev/null
    stint status | grep -q '^NAME'
    [ "$(stint status --af 'TotalCpus > 0')" = true ]
    [ "$(stint status --af OpSys Arch)" = "LINUX X86_64" ] || [ "$(stint status --af OpSys)" = LINUX ]
    stint status --json | jq -e '.Machines[0].TotalCpus > 0'
    stint status -l | grep -q '^Memory = '
    [ -z "$(stint status -c 'TotalCpus < 0' --af Name)" ]
}

@test "users are chosen and changed" {
    job a <<<"" && id=$(submit a.sub)
    stint rm "$id" >/dev/null
    job b COUNT=1 <<<"" && id=$(submit b.sub)
    wait_done "$id"
    stint users --af Owner | grep -qx "$(id -un)"
    stint users --set-factor "$(id -un)=3" >/dev/null
    [ "$(stint users --af Factor -c "Owner == \"$(id -un)\"")" = 3.0 ]
    stint users --reset "$(id -un)" >/dev/null
    [ "$(stint users --af TotalCpuUs)" = 0 ]
    run stint users --set-factor nobody-of-that-name=3
    [ "$status" = 1 ]
}

@test "waiting ends with the first so many, or with those that a constraint means" {
    running a
    job b COUNT=1 <<<""
    other=$(submit b.sub)
    stint wait -q -n 1 "$id" "$other"
    [ "$(attr "$other" JobState)" = completed ]
    [ "$(attr "$id" JobState)" = running ]
    run stint wait -q --timeout 1 -c 'JobState == "running"'
    [ "$status" = 124 ]
    stint rm --all >/dev/null
}
