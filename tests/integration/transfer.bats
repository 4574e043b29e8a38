#!/usr/bin/env bats
# Names that keep their directories, outputs that go elsewhere, and the other commands of files.
load lib
load transfer

# ---- names in and out ----

@test "relative paths are preserved when that is wanted, in both directions" {
    mkdir -p a b/deep
    echo 1 >a/file
    echo 2 >b/file
    echo 3 >b/deep/three
    prog <<<'cat a/file b/file b/deep/three; mkdir -p out/far; echo result >out/far/result; echo more >out/more; echo top >top'
    sub 'preserve_relative_paths = true' 'transfer_input_files = a/file, b/' 'transfer_output_files = out/far/result, ./out/more, top'
    runs
    [ "$(xargs <a.out)" = "1 2 3" ]
    [ "$(cat out/far/result out/more top | xargs)" = "result more top" ]
    [ ! -e result ]
    sub 'preserve_relative_paths = true' 'transfer_input_files = ../work/a/file'
    refused "a.sub:6: transfer_input_files: '../work/a/file' leads out of the sandbox"
}

@test "two inputs of one name get a warning that says what to do" {
    mkdir a b
    echo 1 >a/file
    echo 2 >b/file
    prog <<<'cat file'
    sub 'transfer_input_files = a/file, b/file'
    run stint submit a.sub
    [[ "$output" == *"two inputs are called 'file' in the sandbox"*"preserve_relative_paths = true"* ]]
}

@test "remaps give outputs other names and places, and make what is missing of them" {
    prog <<<'echo 1 >one; echo 2 >two; echo 3 >"th;r=ee"; mkdir -p d/e; echo 4 >d/four; echo 5 >d/e/five; echo 6 >six; echo seven'
    sub "transfer_output_files = one, two, th;r=ee, d, six" \
        "transfer_output_remaps = \"one = new/dir/first; two=$work/abs/second ; th\\;r\\=ee = third; d = tree; a.out = out/printed;six = file://$work/s%20x\""
    runs
    [ "$(cat new/dir/first abs/second third tree/four tree/e/five 's x' out/printed | xargs)" = "1 2 3 4 5 6 seven" ]
    [ "$(ls | xargs)" = "a.err a.log a.sub abs new out prog s x third tree" ]
}

@test "remaps count for what comes back without a list, and for names below preserved directories" {
    prog <<<'echo 1 >one; mkdir -p d/e; echo 2 >d/e/two'
    sub 'transfer_output_remaps = "one = first"'
    runs
    [ "$(cat first)" = 1 ]
    [ ! -e one ]
    sub 'preserve_relative_paths = true' 'transfer_output_files = d/e/two' 'transfer_output_remaps = "d = dd"'
    runs
    [ "$(cat dd/e/two)" = 2 ]
}

@test "bad remaps are refused where they stand" {
    prog <<<'true'
    sub 'transfer_output_remaps = "one"'
    refused "a.sub:5: transfer_output_remaps: 'one' has no new name; write 'one = new name'"
    sub 'transfer_output_remaps = "one = dir/"'
    refused "a.sub:5: transfer_output_remaps: 'one = dir/' names no file to write to"
    sub 'transfer_output_remaps = "one = s3://bucket/one"'
    refused "a.sub:5: transfer_output_remaps: 's3://bucket/one' cannot be written to"
    sub 'transfer_output_remaps = "one = two'
    refused "a.sub:5: transfer_output_remaps has a double quote at one end only"
    sub 'transfer_input_files = ftp://host/file'
    refused "a.sub:5: transfer_input_files: 'ftp://host/file' cannot be fetched"
    sub 'transfer_input_files = https://host/file#sha256=12'
    refused "is no SHA-256 digest"
    sub 'transfer_input_files = file:///absent/file'
    refused "a.sub:5: transfer_input_files: '/absent/file' does not exist"
    sub 'transfer_output_files = ../up'
    refused "a.sub:5: transfer_output_files: '../up' is not the name of a file in the sandbox"
    sub 'output_destination = here'
    refused "a.sub:5: output_destination: 'here' is not absolute"
}

@test "a directory with a slash brings back its contents, and an absolute name is what it says" {
    prog <<<"mkdir -p d/sub empty; echo 1 >d/one; echo 2 >d/sub/two; echo 3 >$BATS_TEST_TMPDIR/three"
    sub "transfer_output_files = d/, empty, $BATS_TEST_TMPDIR/three"
    runs
    [ "$(cat one sub/two three | xargs)" = "1 2 3" ]
    [ -d empty ]
    [ ! -e d ]
}

@test "output_destination takes all of the output, printed or not" {
    prog <<<'echo 1 >one; mkdir d; echo 2 >d/two; echo printed'
    sub "output_destination = file://$work/made/here" 'transfer_output_files = one, d'
    runs
    [ "$(cat made/here/one made/here/d/two made/here/a.out | xargs)" = "1 2 printed" ]
    [ ! -e one ] && [ ! -e a.out ]
}

@test "transfer_input, transfer_output and transfer_error = false name files of the sandbox" {
    seq 3 >data
    prog <<<'cat; echo oops >&2'
    sub 'transfer_input_files = data' 'input = data' 'transfer_input = false' 'transfer_output = false' 'transfer_error = false' \
        'transfer_output_files = a.out, data' 'transfer_output_remaps = "a.out = sum"'
    runs
    [ "$(xargs <sum)" = "1 2 3" ]
    [ ! -e a.out ] && [ ! -e a.err ]
}

@test "stream_input reads the file where it is" {
    seq 3 >data
    prog <<<"until [ -e $gate ]; do sleep 0.05; done; cat"
    sub 'input = data' 'stream_input = true'
    id=$(submit a.sub)
    wait_event "$id" running
    seq 4 5 >>data
    open_gate
    completed "$id"
    [ "$(xargs <a.out)" = "1 2 3 4 5" ]
}

@test "input, output and error may be anywhere, with and without a sandbox" {
    mkdir -p in out/err "$BATS_TEST_TMPDIR/abs"
    echo hello >in/data
    prog <<<'cat; echo oops >&2'
    for should in YES NO; do
        printf '%s\n' 'executable = prog' 'input = in/data' "output = $BATS_TEST_TMPDIR/abs/out" 'error = out/err/../e' "should_transfer_files = $should" queue >a.sub
        rm -f "$BATS_TEST_TMPDIR/abs/out" out/e
        runs
        [ "$(cat "$BATS_TEST_TMPDIR/abs/out" out/e | xargs)" = "hello oops" ]
    done
}

@test "a manifest records what was in the sandbox" {
    echo x >in
    prog <<<'mkdir d; echo >d/made; rm -f in'
    sub 'transfer_input_files = in' 'manifest = true' 'transfer_output_files = ""' "environment = \"A='two words'\""
    runs
    m=${id/./_}_manifest
    [ "$(xargs <"$m/in")" = "in prog" ] || { cat "$m/in"; return 1; }
    [ "$(xargs <"$m/out")" = "$m/ $m/environment $m/in d/ d/made prog" ] || { cat "$m/out"; return 1; }
    grep -qx 'A=two words' "$m/environment"
    sub 'manifest_dir = records/of/it'
    runs
    [ "$(ls records/of/it | xargs)" = "environment in out" ]
    [ ! -e "${id/./_}_manifest" ]
}

# ---- delivery ----

@test "an output that is killed or fails at any of its steps is delivered whole, once" {
    prog <<<"mkdir -p d/e; seq 1000 >d/e/big; echo 1 >one; echo run >>$work/runs"
    sub 'transfer_output_files = d, one' 'transfer_output_remaps = "d = x/y; one = z/one"'
    local point
    for point in runner.output.mkdir:kill runner.output.mkdir:kill@2 runner.output.mkdir:kill@3 runner.output.copy:kill@2 \
        runner.output.sync:kill@3 runner.output.rename:kill@2 runner.output.mkdir:ENOSPC@2; do
        stint pool stop || true
        rm -rf runs x z "$BATS_TEST_TMPDIR/struck"
        export STINT_FAULT=$point STINT_FAULT_ONCE=$BATS_TEST_TMPDIR/struck
        id=$(submit a.sub)
        wait_for "$point to strike" test -e "$BATS_TEST_TMPDIR/struck"
        wait_state "$id" completed held
        if state_is "$id" held; then
            [[ "$point" == *ENOSPC* ]] || { tell_everything; return 1; }
            stint release "$id"
        fi
        completed "$id"
        cmp x/y/e/big <(seq 1000)
        [ "$(cat z/one runs | xargs)" = "1 run" ]
        [ -z "$(find . -name '.stint*')" ]
    done
}

@test "an output that cannot be put where it should go waits, and goes elsewhere without another run" {
    echo file >file
    prog <<<"echo 1 >one; echo run >>$work/runs"
    sub 'transfer_output_remaps = "one = file/one"'
    id=$(submit a.sub)
    held_for "cannot deliver 'one': cannot open directory 'file': Not a directory" 12
    stint edit "$id" 'transfer_output_remaps=one = other/one'
    stint release "$id"
    completed "$id"
    [ "$(cat other/one runs | xargs)" = "1 run" ]
}

# ---- restarts and signals ----

@test "erase_output_and_error_on_restart begins the output anew when the job goes on from a checkpoint" {
    local erase
    for erase in true false; do
        rm -f "$gate"
        { echo "$protocol"; echo "erase_output_and_error_on_restart = $erase"; } | job "e$erase" "GATE=$gate"
        id=$(submit "e$erase.sub")
        wait_printed "$id" 0
        stint checkpoint "$id"
        stint vacate "$id"
        wait_event "$id" running 2
        open_gate
        completed "$id"
    done
    counts_up efalse.out
    [ "$(numbers etrue.out | head -n 1)" != 0 ]
}

@test "removal and hold have signals of their own, or none at all" {
    prog <<<"trap 'echo removed >>$work/signals; exit 3' USR1; trap 'echo held >>$work/signals; exit 3' USR2; trap 'echo term >>$work/signals; exit 3' TERM
echo ready; while :; do sleep 0.05; done"
    sub 'remove_kill_sig = SIGUSR1' 'hold_kill_sig = SIGUSR2' 'want_graceful_removal = true'
    id=$(submit a.sub)
    wait_printed "$id" ready
    stint hold "$id"
    wait_state "$id" held
    stint release "$id"
    wait_event "$id" running 2
    wait_printed "$id" ready
    stint rm "$id"
    wait_state "$id" removed
    [ "$(xargs <signals)" = "held removed" ]
    sub 'remove_kill_sig = SIGUSR1' 'want_graceful_removal = false'
    id=$(submit a.sub)
    wait_printed "$id" ready
    stint rm "$id"
    wait_state "$id" removed
    [ "$(xargs <signals)" = "held removed" ]
}

@test "a clone has its inputs under the names that they had" {
    mkdir a
    echo data >a/file
    printf '#!/bin/bash\n[ -e state ] || { echo x >state; exit 85; }\nuntil [ -e %s ]; do sleep 0.05; done\ncat a/file; cat\n' "$gate" >prog
    chmod +x prog
    sub 'checkpoint_exit_code = 85' 'transfer_checkpoint_files = state' 'preserve_relative_paths = true' "transfer_input_files = a/file" \
        'input = a/file' 'transfer_input = false' 'transfer_output_files = ""'
    id=$(submit a.sub)
    wait_event "$id" checkpoint_taken
    stint clone "$id"
    open_gate
    completed "$id"
    completed 2.0
    [ "$(cat a.out a.out.2.0 | xargs)" = "data data data data" ]
}
