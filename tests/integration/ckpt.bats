#!/usr/bin/env bats
# Stored checkpoints in people's hands: looked at, verified, kept, removed, gone back to, cloned, and carried to another pool.
load lib

# counting [LINE…]: a job with two checkpoints, held; $id. `trace` has the number that each start began with.
counting() {
    { printf '%s\n' "$@"; echo "$protocol"; } >more
    job a "GATE=$gate" PACE=0.05 "TRACE=$work/trace" <more
    id=$(submit a.sub)
    wait_printed "$id" 2
    stint checkpoint "$id"
    wait_printed "$id" 6
    stint checkpoint "$id"
    stint hold "$id" # a third one
    wait_state "$id" held
    cluster=${id%.0}
}

# The number that a checkpoint has saved.
saved() { stint ckpt cat "$1" state; }
count_of() { stint ckpt ls -q "$1" | wc -l; }
# Those of this pool that are at work with its store; fails when there is none.
children() {
    local pid
    for pid in $(pgrep -x stint-ckpt); do
        ! grep -qaF "$STINT_DIR" "/proc/$pid/cmdline" || gone "$pid" || echo "$pid"
    done 2>/dev/null | grep .
}
no_children() { [ -z "$(children)" ]; }
packs_of() { find "$STINT_DIR/store/$1/packs" -type f | sort; }
# Changes the first byte that a pack holds of a file.
damage() {
    chmod u+w "$1"
    printf '\377' | dd of="$1" bs=1 seek=64 conv=notrunc status=none
}
fails() { ! "$@"; }

# large: a job whose checkpoint has 24 MB that can not be made smaller, held.
large() {
    head -c 24000000 /dev/urandom >big
    sed 's/= state$/= state,big/' <<<"$protocol" >more
    echo "transfer_input_files = big" >>more
    job a "GATE=$gate" PACE=0.05 <more
    id=$(submit a.sub)
    wait_printed "$id" 2
    stint hold "$id"
    wait_state "$id" held
}

@test "checkpoints are listed, shown, compared and measured" {
    counting
    stint ckpt ls "$id" >out
    grep -q "^$id@3 .*checkpoint  *2 " out
    [ "$(stint ckpt ls -q "$cluster")" = "$(printf '%s\n' "$id@2" "$id@3")" ] || [ "$(count_of "$id")" = 3 ]
    stint ckpt show "$id@2" >out
    grep -q "Checkpoint $id@2 of" out
    grep -q "after checkpoint 1" out
    grep -q "work/state" out
    grep -q "std/stdout" out
    stint ckpt diff "$id@2" "$id@3" >out
    grep -q "changed .*work/state" out
    [ "$(stint ckpt diff "$id@2" "$id@2")" = "$id@2 and $id@2 are the same" ]
    stint ckpt df >out
    grep -q "^$id " out
    grep -q "are free" out
}

@test "everything that prints has JSON, one object each" {
    counting
    stint ckpt ls --json | jq -e '.Checkpoints | length >= 2'
    stint ckpt show --json "$id@3" | jq -e '.Checkpoint.Generation == 3 and ([.Files[].Name] | index("work/state") != null)'
    stint ckpt diff --json "$id@2" "$id@3" | jq -e '.Same == false and (.Differences[] | select(.Name == "work/state" and .What == "c") | .Length > 0)'
    stint ckpt diff --json "$id@2" "$id@2" | jq -e '.Same and .Differences == []'
    stint ckpt verify --json "$id" | jq -e '.Damaged == 0 and (.Checkpoints | length) == .Whole'
    stint ckpt df --json | jq -e '.Jobs[0].StoredBytes > 0 and .Total.FreeBytes > 0'
    stint ckpt pin --json "$id@3" | jq -e '.Problems == 0 and .Results[0].Generation == 3'
    stint ckpt unpin --json "$id@3" | jq -e '.Problems == 0'
    stint ckpt gc --json | jq -e '.FreedBytes >= 0'
    mkdir x
    stint ckpt extract --json -C x "$id@3" | jq -e '.Files == 1'
    stint ckpt export --json -o a.tar "$id@3" | jq -e '.File == "a.tar" and .Generation == 3'
    stint ckpt import --json a.tar | jq -e '.Id == "2.0"'
    stint rewind --json "$id" --to 2 | jq -e '.To == 2 and .Generation == 4'
    stint clone --json "$id" --at 2 hold=true | jq -e '.Id == "3.0" and .From == "'"$id"'@2"'
    stint ckpt rm --json "$id@3" | jq -e '.Problems == 0'
}

@test "what is not there is said in one sentence" {
    counting
    for words in "show $id@9" "cat $id@2 nothing" "show 77.0" "show 77" "extract $id@2 -C /nowhere" "import /nowhere.tar"; do
        run stint ckpt $words
        [ "$status" = 1 ]
        [ "$(wc -l <<<"$output")" = 1 ]
        [[ "$output" == "stint: "* ]]
    done
    run stint ckpt show "$id@9"
    [[ "$output" == *"has no checkpoint 9; there is "*2*3 ]]
    run stint rewind "$id" --to 9
    [ "$status" = 1 ]
    run stint rewind "$id" --to 3
    [[ "$output" == *"goes on from checkpoint 3 already"* ]]
    run stint clone "$id" --at 9
    [ "$status" = 1 ]
    [ "$(stint q --json | jq '.Jobs | length')" = 1 ]
    job b "GATE=$gate" <<<"hold = true"
    other=$(submit b.sub)
    run stint clone "$other"
    [ "$status" = 1 ]
    [[ "$output" == *"has no checkpoints"* ]]
    [ "$(stint ckpt ls "$other")" = "no checkpoints" ]
}

@test "verify names checkpoint, file and place of damage, and goes on with the others" {
    counting
    stint clone "$id" --at 2 hold=true
    stint ckpt verify
    for pack in $(packs_of "$id"); do damage "$pack"; done
    run stint ckpt verify
    echo "$output"
    [ "$status" = 1 ]
    [[ "$output" == *"$id@2 is damaged: "*"work/state"* ]] || [[ "$output" == *"$id@2 is damaged: "*"std/stdout"* ]]
    [[ "$output" == *"$id@3 is damaged: "* ]]
    [[ "$output" == *"2.0@1 is damaged: "* ]]
    [[ "$output" == *"0 checkpoints are whole, 3 are damaged"* ]]
    run stint ckpt verify "$id@3"
    [ "$status" = 1 ]
}

@test "verify and ls name a manifest that is damaged" {
    counting
    manifest=$STINT_DIR/store/$id/000002.manifest
    chmod u+w "$manifest"
    sed -i 's/^kind checkpoint/kind chEckpoint/' "$manifest"
    run stint ckpt verify "$id"
    [ "$status" = 1 ]
    [[ "$output" == *"$id@2 is damaged: "* ]]
    [[ "$output" != *"$id@3 is damaged"* ]]
    stint ckpt ls "$id" | grep "$id@2.*damaged"
    stint ckpt rm "$id@2"
    stint ckpt verify "$id"
}

@test "files come out of a checkpoint, and replace nothing unasked" {
    counting
    mkdir there
    stint ckpt extract -C there "$id@2"
    [ "$(ls there)" = state ]
    [ "$(cat there/state)" = "$(saved "$id@2")" ]
    run stint ckpt extract -C there "$id@3"
    [ "$status" = 1 ]
    [[ "$output" == *"'state' is in"*"already"* ]]
    [ "$(cat there/state)" = "$(saved "$id@2")" ]
    stint ckpt extract -C there --force "$id@3"
    [ "$(cat there/state)" = "$(saved "$id@3")" ]
    mkdir output
    stint ckpt extract -C output "$id@3" std/stdout
    [ "$(ls output)" = stdout ]
    counts_up output/stdout "$(saved "$id@3")"
    (cd output && stint ckpt extract "$id" work/state && [ -e state ])
    run stint ckpt extract -C there "$id@3" nothing
    [ "$status" = 1 ]
}

@test "a pinned checkpoint outlives its turn, its job and its pool; an unpinned one goes" {
    conf "keep_generations = 1"
    running a PACE=0.05 <<<"$protocol"
    stint checkpoint "$id"
    stint ckpt pin "$id@1"
    stint checkpoint "$id"
    stint checkpoint "$id"
    stint ckpt ls "$id" | grep "$id@1 .*pinned"
    [ "$(count_of "$id")" = 2 ]
    stint rm "$id"
    wait_done "$id"
    only_first() { [ "$(stint ckpt ls -q "$id")" = "$id@1" ]; }
    wait_for "the others' removal" only_first
    stint pool stop
    stint pool start
    only_first
    stint ckpt verify "$id"
    stint ckpt unpin "$id@1" | grep "its job is done"
    stint pool stop
    stint pool start
    nothing_stored() { [ ! -e "$STINT_DIR/store/$id" ]; }
    wait_for "its removal" nothing_stored
}

@test "keep_checkpoints keeps what a job leaves, until it is removed" {
    counting "keep_checkpoints = true"
    open_gate
    stint release "$id"
    completed "$id"
    stint ckpt ls "$id" | grep "$id@3 .*pinned"
    stint pool stop
    stint pool start
    stint ckpt verify "$id"
    run stint ckpt rm "$id@3"
    [ "$status" = 1 ]
    [[ "$output" == *"it is pinned"* ]]
    stint ckpt unpin "$id@3"
    stint ckpt rm "$id@3"
    stint ckpt rm --force "$id@2"
    fails stint ckpt show "$id"
}

@test "a crash between a job's end and its cleaning loses nothing that is to be kept" {
    export STINT_FAULT=pool.clean:kill
    counting "keep_checkpoints = true"
    unset STINT_FAULT
    open_gate
    stint release "$id"
    completed "$id"
    wait_for "the pinned checkpoint" eval 'stint ckpt ls "$id" | grep "$id@3 .*pinned"'
}

@test "rm takes what may go, and not the last hope of a job without being told" {
    counting
    stint ckpt rm "$id@2"
    [ "$(stint ckpt ls -q "$id" | grep -c "@2")" = 0 ]
    happened "$id" checkpoint_removed
    for n in $(stint ckpt ls -q "$id" | grep -v "@3"); do stint ckpt rm "$n"; done
    run stint ckpt rm "$id@3"
    [ "$status" = 1 ]
    [[ "$output" == *"the only checkpoint"*"--force"* ]]
    stint ckpt rm --force "$id@3"
    is "$id" CheckpointGeneration 0
    run stint ckpt rm "$id@3"
    [ "$status" = 1 ]
    open_gate
    stint release "$id"
    completed "$id"
    counts_up a.out
    [ "$(tail -n 1 trace)" = "start at 0" ]
}

@test "removing a running job's newest checkpoint leaves it the one before" {
    running a PACE=0.05 "TRACE=$work/trace" <<<"$protocol"
    stint checkpoint "$id"
    stint checkpoint "$id"
    first=$(saved "$id@1")
    stint ckpt rm "$id@2"
    kill -KILL "$(pid_of_runner "$id")"
    wait_for "its next start" eval 'tail -n 1 trace | grep -qx "start at $first"'
    open_gate
    completed "$id"
    counts_up a.out
}

@test "a job rewound counts on from there, and its output is right" {
    counting
    first=$(saved "$id@2")
    run stint rewind "$id" --to 2
    [ "$status" = 0 ]
    [[ "$output" == "$id goes on from checkpoint 2, which is checkpoint 4 from now on" ]]
    is "$id" CheckpointGeneration 4
    [ "$(saved "$id")" = "$first" ]
    stint show "$id" | grep "rewound from checkpoint 3 to 2"
    [ "$(story "$id" '.Checkpoints[-1] | "\(.Generation) \(.Why) \(.From)"')" = "4 rewind 2" ]
    stint release "$id"
    wait_for "its next start" eval '[ "$(tail -n 1 trace)" = "start at $first" ]'
    open_gate
    completed "$id"
    counts_up a.out
    check_ledger
}

@test "what runs is not rewound, and says what to do" {
    running a PACE=0.05 <<<"$protocol"
    stint checkpoint "$id"
    run stint rewind "$id" --to 1
    [ "$status" = 1 ]
    [[ "$output" == *"is running; let it leave its slot first: stint hold $id"* ]]
    open_gate
    completed "$id"
    run stint rewind "$id" --to 1
    [ "$status" = 1 ]
}

@test "a damaged checkpoint is not gone back to" {
    counting
    for pack in $(packs_of "$id"); do damage "$pack"; done
    run stint rewind "$id" --to 2
    [ "$status" = 1 ]
    [[ "$output" == *"$id@2"* ]]
    is "$id" CheckpointGeneration 3
    run stint clone "$id" --at 2
    [ "$status" = 1 ]
    [ ! -e "$STINT_DIR/store/2.0" ]
}

@test "a pool that dies in the middle of a rewind has done it, or not" {
    export STINT_FAULT=pool.rewind:kill
    counting
    unset STINT_FAULT
    first=$(saved "$id@2")
    fails stint rewind "$id" --to 2
    DEADLINE=10 wait_for "the pool" stint pool status
    stint release "$id"
    wait_for "its next start" eval '[ "$(tail -n 1 trace)" = "start at $first" ]'
    open_gate
    completed "$id"
    counts_up a.out
    is "$id" LastGeneration 4
}

@test "a clone goes on beside its source, each with its own output" {
    running a PACE=0.05 "TRACE=$work/trace" <<<"$protocol"
    wait_printed "$id" 3
    stint checkpoint "$id"
    first=$(saved "$id")
    stint clone "$id" >out
    grep -q "job 2.0 goes on from $id@1" out
    grep -q "its output goes to '$work/a.out.2.0'" out
    wait_for "its start" eval 'tail -n 1 trace | grep -qx "start at $first"'
    is 2.0 ClonedFrom "$id@1"
    stint show 2.0 | grep "a clone of $id@1"
    stint q | grep "^2.0 .*1 ("
    [ "$(stint ckpt df --json | jq '.Jobs[1].SharedBytes > 0')" = true ]
    open_gate
    completed "$id"
    completed 2.0
    counts_up a.out
    counts_up a.out.2.0
    events a.log >/dev/null
}

@test "what a job of the past has left can be cloned, into another directory" {
    echo input >in.txt
    counting "keep_checkpoints = true" "transfer_input_files = in.txt"
    first=$(saved "$id@2")
    open_gate
    stint release "$id"
    completed "$id"
    mkdir other
    stint clone "$id" --at 2 initialdir=other batch_name=again arguments='"x y"' priority=3 >out
    fails grep -q "replace those" out
    completed 2.0
    counts_up other/a.out
    is 2.0 JobBatchName again
    is 2.0 JobPrio 3
    is 2.0 TransferInput "$work/in.txt"
    [ "$(sed -n '$p' trace)" = "start at $first" ]
    counts_up a.out
}

@test "the first stint of a clone resumes also after a crash of the pool, and an orphan is removed" {
    export STINT_FAULT=pool.branch:kill
    counting
    unset STINT_FAULT
    fails stint clone "$id"
    DEADLINE=10 wait_for "the pool" stint pool status
    orphan_gone() { [ ! -e "$STINT_DIR/store/2.0" ]; }
    wait_for "the orphan's removal" orphan_gone
    [ "$(stint q --json | jq '.Jobs | length')" = 1 ]
    stint clone "$id" hold=true
    stint pool stop
    stint pool start
    stint ckpt ls -q 3.0 | grep 3.0@1
}

@test "a clone counts like any other job" {
    [ "$(id -u)" != 0 ] || export STINT_PRIVATE=1
    conf "max_jobs_per_user = 1"
    counting
    run stint clone "$id"
    [ "$status" = 1 ]
    [[ "$output" == *"may have 1 in the queue"* ]]
    [ ! -e "$STINT_DIR/store/2.0" ]
}

# other_pool: from here on another pool, with a key of its own; its directory was $first_pool's neighbour.
other_pool() {
    first_pool=$STINT_DIR
    stop_everything
    export STINT_DIR=$BATS_TEST_TMPDIR/pool2
    mkdir -p "$STINT_DIR"
    cd "$work"
}

@test "a checkpoint goes to another pool with its key, or unverified, and counts on there" {
    counting
    last=$(saved "$id@3")
    stint ckpt export "$id@3" -o a.tar
    stint ckpt export "$id@3" >b.tar
    stint ckpt export "$id@3" -o - >c.tar
    tar tf a.tar >/dev/null
    tar tf b.tar >/dev/null
    tar tf c.tar >/dev/null
    cp "$STINT_DIR/store.key" key
    other_pool
    stint pool start
    run stint ckpt import a.tar
    [ "$status" = 1 ]
    [[ "$output" == *"a.tar"* ]]
    [ "$(stint q --json | jq '.Jobs | length')" = 0 ]
    [ -z "$(stint ckpt ls -q)" ]
    stint ckpt import a.tar --key key >out
    imported=$(sed -n 's/^job \([^ ]*\) .*/\1/p' out)
    state_is "$imported" held
    is "$imported" ImportedFrom "$id@3"
    stint show "$imported" | grep "imported; release it when its paths are right"
    stint ckpt verify
    open_gate
    stint release "$imported"
    completed "$imported"
    counts_up a.out
    grep -qx "start at $last" trace
    stint ckpt import a.tar --unverified
}

@test "an archive that was changed or cut is refused, with nothing kept" {
    counting
    stint ckpt export "$id@3" -o a.tar
    cp a.tar bad.tar
    offset=$(grep -abo 'work/state' bad.tar | head -n 1 | cut -d: -f1)
    printf 'X' | dd of=bad.tar bs=1 seek="$offset" conv=notrunc status=none
    head -c 700 a.tar >short.tar
    echo "no archive" >text.tar
    for file in bad.tar short.tar text.tar "$work"; do
        run stint ckpt import "$file"
        [ "$status" = 1 ]
        [ "$(wc -l <<<"$output")" = 1 ]
    done
    run stint ckpt import --unverified bad.tar # what it says of itself is believed: it is one of the two
    [ "$(stint ckpt ls -q | grep -c -v "^$id@")" -le 1 ]
    alone() { [ "$(find "$STINT_DIR/store" -maxdepth 1 -name '[0-9]*' | wc -l)" -le 2 ]; }
    wait_for "the removal of what is half there" alone
}

@test "an export replaces nothing unasked, and fails whole" {
    counting
    echo mine >a.tar
    run stint ckpt export "$id@2" -o a.tar
    [ "$status" = 1 ]
    [[ "$output" == *"there already"*"--force"* ]]
    [ "$(cat a.tar)" = mine ]
    for fault in write:ENOSPC sync:EIO rename:EIO; do
        run env STINT_FAULT="cli.export.$fault" "$stint" ckpt export "$id@2" -o b.tar
        [ "$status" = 1 ]
        [ -z "$(ls -A | grep b.tar)" ]
    done
    run env STINT_FAULT=cli.export.rename:kill "$stint" ckpt export "$id@2" -o b.tar
    [ ! -e b.tar ]
    stint ckpt export "$id@2" -o a.tar --force
    tar tf a.tar >/dev/null
    (cd / && run stint ckpt export "$id@2" -o "$work/nowhere/a.tar" && [ "$status" = 1 ])
    script -qec "$stint ckpt export $id@2" /dev/null >out </dev/null
    tar tf "$id@2.stint.tar" >/dev/null
}

@test "what is large comes whole, through a slow reader too" {
    large
    timeout 60 "$stint" ckpt cat "$id" big | cmp - big
    timeout 60 "$stint" ckpt export "$id" | (sleep 1; cat) >a.tar
    tar tf a.tar | grep -q packs
    mkdir x
    timeout 60 "$stint" ckpt extract -C x "$id"
    cmp x/big big
    timeout 60 "$stint" ckpt import a.tar
    timeout 60 "$stint" ckpt verify
    stint ckpt diff "$id" 2.0 | grep "are the same"
    curl -sS --max-time 60 --unix-socket "$STINT_DIR/pool.sock" -d '{"Checkpoints":["2.0"]}' http://stint/v1/checkpoints/export | wc -c >count
    [ "$(cat count)" -gt 24000000 ]
}

@test "an export whose client is interrupted or killed leaves no archive and no child" {
    large
    for signal in INT TERM KILL; do
        STINT_FAULT=cli.export.write:stop "$stint" ckpt export "$id" -o a.tar &
        client=$!
        stopped() { [ "$(ps -o stat= -p "$client" | cut -c1)" = T ]; }
        wait_for "the client in its middle" stopped
        [ -n "$(children)" ]
        kill -"$signal" "$client"
        kill -CONT "$client" || true
        ! wait "$client"
        [ ! -e a.tar ]
        [ $signal = KILL ] || [ -z "$(ls -A | grep 'a.tar')" ]
        wait_for "the child's end" no_children
    done
    stint ckpt verify "$id"
}

@test "a pool that is killed while somebody waits for it takes its child along, and says so" {
    export STINT_FAULT=pool.task:stop
    large
    unset STINT_FAULT
    "$stint" ckpt verify "$id" >out 2>&1 &
    client=$!
    wait_for "the child" children
    kill -KILL "$(pid_of_pool)"
    fails wait "$client"
    grep -q "broke off" out
    wait_for "the child's end" no_children
    DEADLINE=10 wait_for "the next pool" stint pool status
    stint ckpt verify "$id"
}

# What a child of the pool does with the store; whatever of it fails is said, and the rest goes on.
do_everything() {
    stint rewind "$id" --to 2 || true
    stint clone "$id@2" hold=true || true
    stint ckpt import a.tar || true
    stint ckpt pin "$id@2" || true
    stint ckpt unpin "$id@2" || true
    stint ckpt rm --force "$(stint ckpt ls -q | tail -n 1)" || true
    stint ckpt gc || true
}

# Everything that is stored is whole and belongs to a job that knows of it.
check_everything() {
    stint ckpt verify || return 1
    stint q --json | jq -r '.Jobs[] | select(.CheckpointGeneration > 0) | "\(.ClusterId).\(.ProcId)@\(.CheckpointGeneration)"' >known
    while read -r name; do stint ckpt show "$name" >/dev/null || return 1; done <known
    stint q --json | jq -r '.Jobs[] | "\(.ClusterId).\(.ProcId)"' | sort >jobs
    no_orphan() { [ -z "$(find "$STINT_DIR/store" -maxdepth 1 -name '[0-9]*' -printf '%f\n' | sort | comm -23 - jobs)" ]; }
    wait_for "the removal of orphans" no_orphan
}

@test "killed at any step of the store, a rewind, clone, import or removal is done or not" {
    counting
    stint ckpt export "$id@3" -o a.tar
    stint pool stop
    STINT_FAULT_TRACE=$work/passed stint pool start
    do_everything
    stint pool stop
    grep -o 'store\.[a-z.]*' passed | sort -u >points
    lines_in points 5
    while read -r point; do
        STINT_FAULT=$point:kill STINT_FAULT_ONCE=$work/struck.$point stint pool start
        do_everything </dev/null
        stint pool stop || true
        wait_for "the pool's end" eval '! stint pool status'
        stint pool start
        check_everything </dev/null || { echo "after a kill at $point"; return 1; }
        for job in $(grep -vx "$id" jobs); do stint rm "$job"; done
        stint pool stop
    done <points
    stint pool start
    open_gate
    stint release "$id"
    completed "$id"
    counts_up a.out
}

@test "a pool that is stopped ends what is at work" {
    export STINT_FAULT=pool.task:stop
    counting
    unset STINT_FAULT
    "$stint" ckpt ls >out 2>&1 &
    client=$!
    wait_for "the child" children
    stint pool stop
    fails wait "$client"
    wait_for "the child's end" no_children
}

@test "there are as many of them at once as a pool can bear, and the pool goes on" {
    export STINT_FAULT=pool.task:stop
    stint pool start
    unset STINT_FAULT
    for i in 1 2 3 4 5 6 7 8; do "$stint" ckpt ls >"out.$i" 2>&1 & done
    eight() { [ "$(children | wc -l)" = 8 ]; }
    wait_for "eight children" eight
    run stint ckpt ls
    [ "$status" = 1 ]
    [[ "$output" == *"too many questions about checkpoints"* ]]
    stint pool status
    kill %1 %2 %3 %4 %5 %6 %7 %8
    wait_for "the children's end" no_children
}

@test "an edit takes the submit language's words, and a directory from here" {
    job a "GATE=$gate" <<<"hold = true"
    id=$(submit a.sub)
    mkdir sub
    stint edit "$id" initialdir=sub output=other.out 'error="b c"' arguments='--a \"b\" c' keep_checkpoints=true
    is "$id" Iwd "$work/sub"
    is "$id" Out other.out
    is "$id" Err "b c"
    is "$id" Args '--a "b" c'
    is "$id" KeepCheckpoints true
    stint edit "$id" 'arguments="x ""y"""'
    is "$id" Arguments 'x "y"'
}

@test "users see and change the checkpoints of their own jobs only" {
    [ "$(id -u)" = 0 ] || skip "a machine-wide pool needs root"
    place=$(mktemp -d /tmp/stint-ckpt.XXXXXX)
    chmod 755 "$place"
    export STINT_DIR=$place/pool
    counting "accounting_group = physics"
    is "$id" AccountingGroup "physics.$(id -un)"
    stint ckpt export "$id@3" -o "$place/a.tar"
    chmod 600 "$place/a.tar"
    other() { (cd / && setpriv --reuid nobody --regid nogroup --clear-groups -- env HOME=/ "$stint" "$@"); }
    for words in "ls $id" "show $id" "cat $id state" "verify $id" "df $id" "pin $id@2" "rm $id@2" "rm --force $id@2" "export $id -o -" \
        "extract $id -C /tmp" "diff $id@2 $id@3"; do
        run other ckpt $words
        [ "$status" = 1 ]
        [[ "$output" == *"belongs to somebody else"* ]]
    done
    run other ckpt gc
    [ "$status" = 1 ]
    [[ "$output" == *"only 'root' may do that"* ]]
    [ -z "$(other ckpt ls -q)" ]
    [ "$(other ckpt df --json | jq -c .)" = '{"Jobs":[]}' ]
    other ckpt verify | grep "^0 checkpoints are whole"
    run other rewind "$id" --to 2
    [ "$status" = 1 ]
    run other clone "$id"
    [ "$status" = 1 ]
    run other ckpt import "$place/a.tar" # which only root may read
    [ "$status" = 1 ]
    [[ "$output" == *"Permission denied"* ]]
    run other ckpt import "$place/a.tar" --key "$STINT_DIR/store.key"
    [ "$status" = 1 ]
    chmod 644 "$place/a.tar"
    other ckpt import "$place/a.tar" >out
    imported=$(sed -n 's/^job \([^ ]*\) .*/\1/p' out)
    is "$imported" Owner nobody
    is "$imported" AccountingGroup physics.nobody
    run other clone "$imported" 'AcctGroupUser="root"'
    [ "$status" = 1 ]
    [[ "$output" == *"can not let 'root' be charged"* ]]
    mkdir "$place/theirs" "$place/mine"
    chown nobody "$place/theirs"
    other ckpt extract "$imported" -C "$place/theirs"
    [ "$(stat -c %U "$place/theirs/state")" = nobody ]
    run other ckpt extract "$imported" -C "$place/mine"
    [ "$status" = 1 ]
    [[ "$output" == *"cannot write into"* ]]
    stint ckpt ls -q | grep "$imported@1"
    stop_everything
    rm -rf "$place"
}
