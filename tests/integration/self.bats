#!/usr/bin/env bats
# Self-service: what a job asks of its own runner, by stint-self and by libstint.
load lib

self=$STINT_BUILD/src/self/stint-self

# script NAME: makes an executable job from standard input, in which $self is stint-self; and NAME.sub with more lines from $more.
script() {
    { echo '#!/bin/bash'; cat; } >"$1"
    chmod +x "$1"
    {
        echo "executable = $1"
        echo "environment = \"self=$self work=$work\""
        echo "output = $1.out"
        echo "error = $1.err"
        echo "$more"
        echo queue
    } >"$1.sub"
    id=$(submit "$1.sub")
}

field() { attr "$id" "$1"; }
records() { journal "$id" | jq -rs --arg kind "$1" 'map(select(.Record == $kind)) | length'; }
said() { grep -qxF -- "$1" "$work/said"; }
wait_said() { wait_for "the job to say '$1'" said "$1"; }

# A job with a protocol of its own: the number of its execution is what it saves.
saver='save() { echo $((n + 1)) >state; exit 17; }
trap save USR2
n=$(cat state 2>/dev/null || echo 0)
say() { echo "$*" >>"$work/said"; }
until_there() { until [ -e "$work/$1" ]; do sleep 0.05; done; }'

@test "outside a job stint-self says so, with status 3" {
    run env -u STINT_SOCKET "$self" status
    [ "$status" = 3 ]
    [[ "$output" == *"not a job of stint"* ]]
    run env STINT_SOCKET="$work/nowhere/socket" "$self" status
    [ "$status" = 3 ]
    run "$self" checkpoint me
    [ "$status" = 2 ]
    run "$self" hold 0
    [ "$status" = 2 ]
    run env STINT_SOCKET="$work/socket" "$self" progress 2
    [ "$status" = 2 ]
}

@test "a job learns where it is" {
    more=$protocol
    script a <<JOB
$saver
"\$self" status | tr '\n' ' '; "\$self" remaining
[ "\$n" = 0 ] || exit 0
"\$self" checkpoint
while :; do sleep 0.05; done
JOB
    completed "$id"
    [ "$(cat a.out)" = "resumed_from=0 stint=1 since_checkpoint= none
asked
resumed_from=0 stint=1 since_checkpoint=$(sed -n '3s/.*since_checkpoint=\([0-9.]*\).*/\1/p' a.out) none" ] ||
        { cat a.out a.err; false; }
    is "$id" NumCkpts 1
    [ "$(story "$id" '.Checkpoints[0].Why')" = self ]
}

@test "after an eviction it learns what it was resumed from, and before it how long it has" {
    more="$protocol
job_max_vacate_time = 100"
    script a <<JOB
trap 'say "left \$("\$self" remaining)"; save' USR2
${saver/trap save USR2/}
say "began \$n: \$("\$self" status | head -n 2 | tr '\n' ' ')"
until_there go
JOB
    wait_said "began 0: resumed_from=0 stint=1 "
    run stint vacate "$id"
    wait_said "began 1: resumed_from=1 stint=2 "
    left=$(sed -n 's/^left //p' said)
    [[ "$left" =~ ^9[0-9]\.[0-9]{3}$ ]] || { cat said; false; }
    touch go
    completed "$id"
}

@test "a job that cannot be checkpointed is refused one, with the reason" {
    script a <<'JOB'
"$self" checkpoint
echo $?
"$self" status >/dev/null
JOB
    completed "$id"
    [ "$(cat a.out)" = 1 ]
    grep -q "checkpoint_exit_code" a.err
    [ "$(story "$id" '[.Events[] | select(.Event | test("^checkpoint_(taken|failed|asked|captured)"))] | length')" = 0 ]
}

@test "progress is shown, rarely written, and the last one always" {
    script a <<'JOB'
for i in $(seq 0 9); do "$self" progress 0.$i "step $i"; done
touch "$work/ten"
until [ -e "$work/go" ]; do sleep 0.05; done
"$self" progress 75% "nearly
done"
JOB
    wait_for "ten steps" test -e ten
    wait_for "the progress" is "$id" ProgressText "step 0"
    stint q | grep -q 'running 0%'
    stint show "$id" | grep -q 'It has done 0%, as it said .* ago: step 0'
    [ "$(records progress)" = 1 ]
    touch go
    completed "$id"
    [ "$(field Progress)" = 0.75 ]
    [ "$(field ProgressText)" = "nearly done" ]
    stint show "$id" | grep -q 'It has done 75%'
}

@test "a checkpoint that is asked for waits while the job holds checkpoints off" {
    more=$protocol
    script a <<JOB
$saver
[ "\$n" = 0 ] || exit 0
"\$self" hold 60 >/dev/null
say held
until_there go
say releasing
"\$self" release >>"\$work/said"
while :; do sleep 0.05; done
JOB
    wait_said held
    stint checkpoint --no-wait "$id"
    sleep 0.5 # there is nothing to wait for: nothing may happen
    [ "$(records ask)" = 0 ]
    touch go
    completed "$id"
    said released
    is "$id" NumCkpts 1
}

@test "a hold ends by itself" {
    more=$protocol
    script a <<JOB
$saver
[ "\$n" = 0 ] || { "\$self" release; exit 0; }
"\$self" hold 1
say held
while :; do sleep 0.05; done
JOB
    wait_said held
    run stint checkpoint "$id"
    [ "$status" = 0 ]
    completed "$id"
    [ "$(cat a.out)" = "held 1
expired" ]
}

@test "an eviction waits for the end of a hold, and no longer than the job may take to leave" {
    more="$protocol
job_max_vacate_time = 20"
    script a <<JOB
$saver
[ "\$n" = 0 ] || exit 0
"\$self" hold 60
say held
if [ ! -e "\$work/second" ]; then
    touch "\$work/second"
    until_there go
    "\$self" hold 60 2>>"\$work/said" || say refused
    "\$self" release
fi
while :; do sleep 0.05; done
JOB
    wait_said held
    stint vacate "$id" &
    wait_state "$id" vacating
    sleep 0.3
    [ "$(records ask)" = 0 ]
    touch go
    wait
    wait_said refused
    completed "$id"
    is "$id" NumCkpts 1
}

@test "kill_sig waits for the end of a hold too, and a job that does not end it is killed" {
    more="job_max_vacate_time = 2"
    script a <<'JOB'
echo "$BASHPID" >"$work/pid"
trap 'echo term >>"$work/said"; exit 1' TERM
[ ! -e "$work/twice" ] || exit 0
touch "$work/twice"
"$self" hold 60
echo held >>"$work/said"
while :; do sleep 0.05; done
JOB
    wait_said held
    run stint vacate "$id"
    completed "$id"
    ! said term
    is "$id" NumVacates 1
}

@test "a flood of requests does not keep the runner from its work" {
    script a <<'JOB'
exec 2>/dev/null
python3 - <<'PYTHON' &
import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
while True:
    s.sendto(b"1 %s status\n" % os.urandom(8).hex().encode(), os.environ["STINT_SOCKET"])
    s.sendto(os.urandom(200), os.environ["STINT_SOCKET"])
PYTHON
touch "$work/begun"
wait
JOB
    wait_for "the flood" test -e begun
    wait_for "many answers" sh -c "[ \$(ls '$STINT_DIR/jobs/$id/stint.1/self' | wc -l) -gt 250 ]"
    runner=$(pid_of_runner "$id")
    sleep 1
    [ "$(ls "$STINT_DIR/jobs/$id/stint.1/self" | wc -l)" -le 257 ]
    DEADLINE=10 stint suspend "$id"
    wait_state "$id" suspended
    stint rm --fast "$id"
    wait_state "$id" removed
    gone "$runner" || wait_for "the runner's end" gone "$runner"
}

@test "whatever a job puts into the directory, the runner touches nothing outside it" {
    echo precious >precious
    script a <<'JOB'
dir=${STINT_SOCKET%/*}
token=0123456789abcdef
ln -s "$work/precious" "$dir/answer.$token"
mkdir "$dir/answer.0123456789abcdee"
for t in $token 0123456789abcdee ../../../../precious; do
    python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(sys.argv[2].encode(), sys.argv[1])' \
        "$STINT_SOCKET" "1 $t status
"
done
"$self" status | sed -n 2p
rm -rf "$dir"/*
"$self" status
echo $?
JOB
    completed "$id"
    [ "$(cat a.out)" = "stint=1
3" ]
    [ "$(cat precious)" = precious ]
}

# ---- the examples ----

@test "the example in C runs, in a job and outside one" {
    run "$STINT_BUILD/tests/programs/steady" 20
    [ "$status" = 0 ]
    [[ "$output" == "this is no stint"*"the sum is 210" ]]
    cp "$STINT_BUILD/tests/programs/steady" "$project/examples/self-service/steady.sub" .
    id=$(submit steady.sub)
    completed "$id"
    grep -qx "this is stint 1" steady.out
    grep -qx "the sum is 500500" steady.out
    is "$id" Progress 1
    is "$id" ProgressText "1000 of 1000"
}

@test "the example in shell is checkpointed between its chapters only, and loses no line" {
    cp "$project"/examples/self-service/chapters* .
    sed -i "s|^environment.*|environment = \"SELF=$self PACE=0.05\"|" chapters.sub
    id=$(submit chapters.sub)
    wait_event "$id" checkpoint_taken
    stint vacate "$id"
    completed "$id"
    for chapter in $(seq 10); do printf "chapter $chapter, line %d\n" 1 2 3; done >expected
    grep -v '^going on' chapters.out | diff - expected
    grep -q '^going on after chapter 5$' chapters.out
    [ ! -s chapters.err ]
    is "$id" ProgressText "chapter 10 is written"
}
