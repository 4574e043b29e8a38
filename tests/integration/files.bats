#!/usr/bin/env bats
# The sandbox: what comes in, what goes out, and that nothing else is touched.
load lib

# prog: a program from standard input.
prog() {
    { echo '#!/bin/bash'; cat; } >prog
    chmod +x prog
}

# sub LINE…: a submit file for it.
sub() {
    printf '%s\n' 'executable = prog' 'output = a.out' 'error = a.err' "$@" queue >a.sub
}

runs() {
    id=$(submit a.sub)
    completed "$id"
}

snapshot() { find . -mindepth 1 -printf '%P %y %m %s\n' | sort; }

# ---- in ----

@test "files, directories and contents of directories come in, with their modes" {
    mkdir -p dir/deep more
    echo one >one
    echo two >dir/deep/two
    echo three >more/three
    printf '#!/bin/sh\necho tool\n' >tool
    chmod 755 tool
    prog <<<'cat one dir/deep/two three; ./tool; [ ! -e more ]; [ -x dir ] && find . -type f | sort'
    sub 'transfer_input_files = one, dir, more/, tool' 'transfer_output_files = ""'
    runs
    [ "$(cat a.out)" = "$(printf '%s\n' one two three tool ./dir/deep/two ./one ./prog ./three ./tool)" ]
}

@test "an input keeps its last name only, and absolute names are taken" {
    mkdir -p far/away
    echo here >far/away/file
    echo there >"$BATS_TEST_TMPDIR/absolute"
    prog <<<'cat file absolute'
    sub "transfer_input_files = far/away/file, $BATS_TEST_TMPDIR/absolute" 'transfer_output_files = ""'
    runs
    [ "$(cat a.out)" = "$(printf 'here\nthere')" ]
}

@test "standard input comes from a file, or is empty" {
    echo hello >in
    prog <<<'cat; echo end'
    sub 'input = in'
    runs
    [ "$(cat a.out)" = "$(printf 'hello\nend')" ]
    sub
    runs
    [ "$(cat a.out)" = end ]
}

@test "arguments and environment arrive as they are written" {
    prog <<<'printf "<%s>" "$@"; echo "$A-$B"; [ "$HOME" != "" ]; echo "$STINT_JOB"'
    sub "arguments = \"one 'two words' it''s \"\"q\"\"\"" "environment = \"A=1 B='x y'\""
    runs
    [ "$(head -n 1 a.out)" = '<one><two words><its><"q">1-x y' ] || [ "$(head -n 1 a.out)" = "<one><two words><it's><\"q\">1-x y" ] || cat a.out
    [ "$(tail -n 1 a.out)" = "$id" ]
}

@test "an executable that is not transferred runs where it is" {
    printf 'executable = /bin/echo\ntransfer_executable = false\narguments = hello\noutput = a.out\nqueue\n' >a.sub
    runs
    [ "$(cat a.out)" = hello ]
}

@test "a program sees none of the submitter's descriptors and a small environment" {
    prog <<<'ls /proc/self/fd | wc -l; env | cut -d= -f1 | sort | xargs'
    sub
    SECRET=1 runs
    [ "$(head -n 1 a.out)" -le 4 ]
    ! grep -q SECRET a.out
}

# ---- out ----

@test "everything that is new or changed comes back, and inputs that are as they were do not" {
    echo same >same
    echo old >changed
    prog <<<'echo new >changed; echo new >new; mkdir d; echo deep >d/f'
    sub 'transfer_input_files = same, changed'
    touch -d '2001-01-01' same
    runs
    [ "$(cat changed new)" = "$(printf 'new\nnew')" ]
    [ "$(stat -c %y same | cut -c1-4)" = 2001 ]
    [ "$(ls | xargs)" = "a.err a.out a.sub changed new prog same" ] # directories must be named, as in HTCondor
}

@test "with a list only what it names comes back, under its last name" {
    prog <<<'mkdir d; echo a >d/a; echo b >b; echo c >c; mkdir e; echo e >e/e'
    sub 'transfer_output_files = d/a, b, e'
    runs
    [ "$(cat a b e/e | xargs)" = "a b e" ]
    [ ! -e c ]
    [ ! -e d ]
}

@test "an empty list brings back nothing but the standard files" {
    prog <<<'echo x >x; echo out; echo err >&2'
    sub 'transfer_output_files = ""'
    runs
    [ ! -e x ]
    [ "$(cat a.out a.err | xargs)" = "out err" ]
}

@test "nothing else in the submit directory is touched" {
    mkdir keep
    echo 1 >keep/one
    echo 2 >two
    ln -s two link
    prog <<<'rm -f two; echo x >result; mkdir -p keep; echo bad >keep/one'
    sub 'transfer_output_files = result'
    snapshot >"$BATS_TEST_TMPDIR/before"
    runs
    rm result a.out a.err
    snapshot | diff "$BATS_TEST_TMPDIR/before" -
}

@test "an output takes the place of the old file at once, and leaves no temporary name" {
    echo old >result
    ln result kept
    prog <<<'echo new >result'
    sub 'transfer_output_files = result'
    runs
    [ "$(cat kept)" = old ]
    [ "$(cat result)" = new ]
    [ -z "$(find . -name '.*' -type f)" ]
}

@test "an output that exists is what it was until the job is done" {
    echo old >a.out
    prog <<<"echo new; until [ -e $work/gate ]; do sleep 0.05; done"
    sub
    id=$(submit a.sub)
    wait_printed "$id" new
    [ "$(cat a.out)" = old ]
    open_gate
    completed "$id"
    [ "$(cat a.out)" = new ]
}

@test "modes come back: what is executable stays so" {
    prog <<<'printf "#!/bin/sh\necho made\n" >made; chmod 755 made; echo x >plain; chmod 640 plain'
    sub
    runs
    [ "$(./made)" = made ]
    [ "$(stat -c %a plain)" = 640 ]
}

@test "names with blanks, quotes and other scripts come and go" {
    mkdir 'a dir'
    echo x >'a dir/ü "q" file'
    prog <<<'cat "a dir/"*; echo y >"neu äöü"; echo z >"-dash"'
    sub 'transfer_input_files = a dir'
    runs
    [ "$(cat a.out)" = x ]
    [ "$(cat 'neu äöü')" = y ]
    [ "$(cat ./-dash)" = z ]
}

@test "output and error may be one file" {
    prog <<<'echo 1; echo 2 >&2; echo 3'
    printf 'executable = prog\noutput = both\nerror = both\nqueue\n' >a.sub
    runs
    [ "$(xargs <both)" = "1 2 3" ]
}

@test "output may be nothing, /dev/null, absolute, or in another directory" {
    mkdir sub
    prog <<<'echo out; echo err >&2'
    printf 'executable = prog\noutput = /dev/null\nerror = sub/err\nqueue\noutput = %s/absolute\nerror =\nqueue\n' "$work" >a.sub
    stint submit a.sub
    stint wait -q 1 2>/dev/null || true
    wait_done 1.0
    [ "$(cat sub/err)" = err ]
    wait_for "the other job's output" test -s absolute
    [ -c /dev/null ]
}

@test "initialdir is where names start" {
    mkdir there
    echo data >there/in
    prog <<<'cat in; echo out >out'
    sub 'initialdir = there' 'transfer_input_files = in'
    cp prog there
    runs
    [ "$(cat there/a.out)" = data ]
    [ "$(cat there/out)" = out ]
    [ ! -e a.out ]
}

@test "when_to_transfer_output = ON_SUCCESS brings nothing back from a failure" {
    prog <<<'echo x >result; exit 4'
    sub 'when_to_transfer_output = ON_SUCCESS'
    id=$(submit a.sub)
    completed "$id" 4
    [ ! -e result ]
}

@test "an output that leads out of the sandbox is not followed" {
    echo secret >"$BATS_TEST_TMPDIR/secret"
    prog <<<"ln -s $BATS_TEST_TMPDIR/secret result"
    sub 'transfer_output_files = result'
    id=$(submit a.sub)
    wait_state "$id" held completed
    ! grep -q secret result
}

@test "what is no file and nobody named is not delivered, said so, and does no harm to the rest" {
    prog <<<'mkfifo fifo; ln -s nowhere dangling; ln -s /etc/passwd out; mkdir empty; echo fine >fine; ln -s fine good'
    sub
    runs
    [ "$(cat fine good | xargs)" = "fine fine" ]
    [ "$(ls | xargs)" = "a.err a.out a.sub fine good prog" ]
    happened "$id" note
}

# ---- the sandbox ----

@test "a job works in a private directory, which is gone when it is done" {
    prog <<<'pwd; stat -c %a .'
    sub
    runs
    sandbox=$(head -n 1 a.out)
    [[ "$sandbox" == "$STINT_DIR"/* ]]
    [ "$(tail -n 1 a.out)" = 700 ]
    wait_for "the sandbox to be removed" test ! -e "$sandbox"
}

@test "should_transfer_files = NO runs in the submit directory and moves no files" {
    echo data >data
    prog <<<'cat data; pwd; echo made >made'
    sub 'should_transfer_files = NO'
    runs
    [ "$(head -n 1 a.out)" = data ]
    [ "$(tail -n 1 a.out)" = "$(realpath "$work")" ]
    [ "$(cat made)" = made ]
}

@test "a job that daemonizes, closes its descriptors and ends is done, and its daemon is gone" {
    printf 'executable = %s\narguments = %s/daemon\nqueue\n' "$STINT_BUILD/tests/programs/escape" "$work" >a.sub
    runs
    [ -s daemon ]
    gone "$(cat daemon)"
}

@test "a job that leaves its sandbox without rights to it can be cleaned up" {
    prog <<<'mkdir -p a/b; echo x >a/b/c; chmod 000 a/b; chmod 500 a'
    sub 'transfer_output_files = ""'
    runs
    wait_for "the sandbox to be removed" test ! -e "$STINT_DIR/jobs/$id"
}

@test "streamed output is there while the job runs" {
    prog <<<"echo early; until [ -e $work/gate ]; do sleep 0.05; done; echo late"
    sub 'stream_output = true'
    id=$(submit a.sub)
    wait_for "the early line" grep -qx early a.out
    open_gate
    completed "$id"
    [ "$(xargs <a.out)" = "early late" ]
}
