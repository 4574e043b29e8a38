#!/usr/bin/env bats
# Submitting: what is said about a file before anything runs, and what becomes of it.
load lib

dry() { run stint submit --dry-run "$@"; }

# fails STATUS TEXT FILE: one clear sentence on standard error, nothing on standard output, nothing submitted.
fails() {
    local status=0
    stint submit "$3" >out 2>err || status=$?
    [ "$status" = "$1" ] || { echo "status $status"; cat err; return 1; }
    [[ "$(cat err)" == *"$2"* ]] || { cat err; return 1; }
    [ ! -s out ] && grep -q '^stint' err
}

sub() { printf '%s\n' "$@" >a.sub; }

@test "the answer names the cluster, counts the jobs and says how to go on" {
    sub 'executable = /bin/true' queue
    run stint submit a.sub
    [ "$status" = 0 ]
    [ "${lines[0]}" = "1 job submitted to cluster 1." ]
    [[ "${lines[1]}" == *"stint log -f 1.0" ]]
    sub 'executable = /bin/true' 'queue 3'
    run stint submit a.sub
    [ "${lines[0]}" = "3 jobs submitted to cluster 2." ]
    [ "$(stint submit -q a.sub)" = 3 ]
    [ "$(stint submit --json a.sub | jq -c '[.ClusterId, .Jobs]')" = "[4,3]" ]
}

@test "a file comes from standard input too" {
    printf 'executable = /bin/true\nqueue\n' | stint submit -
}

@test "--dry-run prints the ads, submits nothing and starts no pool" {
    sub 'executable = /bin/echo' 'arguments = hello' '+Note = "x"' queue
    dry a.sub
    [ "$status" = 0 ]
    [[ "$output" == *'Cmd = "/bin/echo"'* ]]
    [[ "$output" == *'Note = "x"'* ]]
    [ ! -e "$STINT_DIR/queue.db" ]
    stint submit --dry-run --json a.sub | jq -e '.Count == 1 and .Ad.Args == "hello"'
}

@test "the names of 8.5 and of today come out of --dry-run as they are understood" {
    sub 'executable = /bin/true' 'checkpoint_exit_code = 17' '+WantCheckpointSignal = true' '+CheckpointSig = "SIGUSR2"' queue
    stint submit --dry-run --json a.sub | jq -e '.Ad.SuccessCheckpointExitCode == 17 and .Ad.WantFTOnCheckpoint == true'
    sub 'executable = /bin/true' '+CheckpointExitCode = 17' '+CheckpointExitBySignal = false' '+CheckpointExitSignal = 12' queue
    dry a.sub
    [ "$status" = 0 ]
    [[ "$output" != *warning* ]]
    [[ "$output" == *'CheckpointExitCode = 17'* ]]
}

@test "macros: defaults, own names, process and cluster numbers, dollar signs" {
    sub 'NAME = n' 'executable = /bin/echo' 'arguments = $(NAME)-$(Process)-$(SIZE:7)-$(Cluster)-$(DOLLAR)' 'output = $(NAME).$(Cluster).$(Process)' 'queue 2'
    stint submit -q a.sub
    wait_done 1.0 1.1
    [ "$(cat n.1.0)" = 'n-0-7-1-$' ]
    [ "$(cat n.1.1)" = 'n-1-7-1-$' ]
}

@test "continuation lines, comments and values that change between queues" {
    sub '# a comment' 'executable = /bin/echo' 'arguments = one \' '   two' 'output = $(Process)' queue 'arguments = three' 'queue 2'
    stint submit -q a.sub
    wait_done 1.0 1.1 1.2
    [ "$(cat 0)" = "one two" ]
    [ "$(cat 1 2 | xargs)" = "three three" ]
}

@test "what is not known is warned of with its line, and a like name is proposed" {
    sub 'executabel = x' 'executable = /bin/true' '+WantCheckpointSignl = true' 'frobnicate = 1' queue
    run stint submit a.sub
    [ "$status" = 0 ]
    [[ "$output" == *"a.sub:1: warning: unknown command 'executabel' is ignored; did you mean 'executable'?"* ]]
    [[ "$output" == *"a.sub:3: warning:"*"did you mean '+WantCheckpointSignal'?"* ]]
    [[ "$output" == *"a.sub:4: warning: unknown command 'frobnicate' is ignored"* ]]
}

@test "the standard universe is taken as vanilla, others are refused" {
    sub 'executable = /bin/true' 'universe = standard' queue
    dry a.sub
    [ "$status" = 0 ]
    [[ "$output" == *"run as vanilla"* ]]
    sub 'executable = /bin/true' 'universe = java' queue
    fails 1 "a.sub:2: universe = java" a.sub
}

@test "a file that is not there, not readable or no file" {
    fails 1 "cannot open 'nope.sub'" nope.sub
    mkdir dir
    fails 1 "'dir' is not a submit file but a directory" dir
    : >empty
    fails 1 "there is no 'queue' statement" empty
    head -c 10000 /dev/urandom >noise
    fails 1 "noise" noise
}

@test "a file without executable, or with one that is not there or can not be executed" {
    sub queue
    fails 1 "no executable is set" a.sub
    sub 'executable = /no/such' queue
    fails 1 "a.sub:1: executable: '/no/such' does not exist" a.sub
    touch plain
    chmod 644 plain
    echo x >plain
    sub 'executable = plain' queue
    fails 1 "chmod +x" a.sub
}

@test "inputs and places for outputs are looked at before anything is submitted" {
    sub 'executable = /bin/true' 'transfer_input_files = nope' queue
    fails 1 "a.sub:2: transfer_input_files: '$work/nope' does not exist" a.sub
    sub 'executable = /bin/true' 'output = no/such/dir/out' queue
    fails 1 "a.sub:2: output:" a.sub
    sub 'executable = /bin/true' 'initialdir = nowhere' queue
    fails 1 "initialdir" a.sub
}

@test "values that make no sense name their line" {
    sub 'executable = /bin/true' 'queue abc' && fails 1 "a.sub:2:" a.sub
    sub 'executable = /bin/true' 'checkpoint_exit_code = 300' queue && fails 1 "a.sub:2: checkpoint_exit_code" a.sub
    sub 'executable = /bin/true' 'kill_sig = SIGNOPE' queue && fails 1 "a.sub:2: kill_sig" a.sub
    sub 'executable = /bin/true' 'hold = maybe' queue && fails 1 "a.sub:2: hold" a.sub
    sub 'executable = /bin/true' 'just words' queue && fails 1 "a.sub:2:" a.sub
    sub 'executable = /bin/true' '+Bad = (1 +' queue && fails 1 "a.sub:2:" a.sub
    sub 'executable = $(executable)' queue && fails 1 "a.sub:1:" a.sub
}

@test "a wrong command line is status 2, with the usage" {
    run stint submit a.sub b.sub
    [ "$status" = 2 ]
    [[ "$output" == *"usage: stint submit"* ]]
    run stint submit --nope a.sub
    [ "$status" = 2 ]
    run stint sumbit a.sub
    [ "$status" = 2 ]
    [[ "$output" == *"did you mean 'submit'?"* ]]
}

@test "hold = true submits a job that waits" {
    sub 'executable = /bin/true' 'hold = true' queue
    run stint submit a.sub
    [[ "$output" == *"It is held"* ]]
    is 1.0 JobStatus 5
}

@test "queue N makes N jobs that all run" {
    conf "cpus = 8"
    sub 'executable = /bin/echo' 'arguments = $(Process)' 'output = out.$(Process)' 'queue 20'
    stint submit -q a.sub
    stint wait -q 1
    [ "$(cat out.* | sort -n | xargs)" = "$(seq 0 19 | xargs)" ]
}

@test "a thousand jobs are one transaction: all or none" {
    sub 'executable = /bin/true' 'hold = true' 'queue 1000'
    stint submit -q a.sub
    [ "$(stint q --json | jq '.Jobs | length')" = 1000 ]
    stint rm 1 >/dev/null
    [ "$(stint q --json | jq '.Jobs | length')" = 0 ]
    [ "$(stint history -n 0 --json | jq '.Jobs | length')" = 1000 ]
}

@test "getenv copies the environment, environment adds to it" {
    sub 'executable = /usr/bin/env' 'getenv = true' 'environment = "ADDED=1"' 'output = out' queue
    HERE=yes stint submit -q a.sub
    wait_done 1.0
    grep -qx HERE=yes out
    grep -qx ADDED=1 out
}

@test "attributes of the pool's own can not be submitted" {
    sub 'executable = /bin/true' '+Owner = "someone"' queue
    fails 1 "a.sub:2: Owner is the pool's to set" a.sub
    sub 'executable = /bin/true' 'hold = true' '+GoodputUs = 1000000' '+LastGeneration = 5' queue
    stint submit -q a.sub
    is 1.0 GoodputUs 0
    is 1.0 Owner "$(id -un)"
}
