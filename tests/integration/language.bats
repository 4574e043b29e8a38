#!/usr/bin/env bats
# The submit language where it meets the world: files, commands, patterns, the environment, the command line.
load lib

sub() { printf '%s\n' "$@" >a.sub; }

dry() { stint submit --dry-run --json "$@"; }

# args OPTION…: the arguments of all jobs, one a line.
args() {
    dry "$@" | jq -r '.Ad.Args as $first | (.Procs // [{}])[] | .Args // $first'
}

# fails TEXT OPTION…: status 1, one clear sentence on standard error, nothing on standard output.
fails() {
    local text=$1 status=0
    shift
    timeout 60 "$stint" submit --dry-run "$@" >out 2>err || status=$?
    [ "$status" = 1 ] || { echo "status $status"; cat err; return 1; }
    [[ "$(tail -n 1 err)" == *"$text"* ]] || { cat err; return 1; }
    [ ! -s out ] && [ "$(grep -c ^stint err)" = 1 ]
}

@test "jobs of a file's lines run, each with its own values" {
    printf 'one, 1\ntwo 2\n\nthree,3\n' >list.txt
    sub 'executable = /bin/echo' 'arguments = $(name)=$(number)' 'output = $(name).out' 'queue name, number from list.txt'
    [ "$(stint submit -q a.sub)" = 1 ]
    wait_done 1.0 1.1 1.2
    [ "$(cat one.out two.out three.out | xargs)" = "one=1 two=2 three=3" ]
}

@test "jobs of a command's lines, and the command runs once though the file is parsed twice" {
    printf '#!/bin/sh\necho ran >>ran\nseq 7 9\n' >items
    chmod +x items
    sub 'executable = /bin/echo' 'arguments = $(Item)' 'output = $(Cluster).$(ItemIndex).out' 'queue from ./items |'
    stint submit -q a.sub
    wait_done 1.0 1.1 1.2
    [ "$(cat 1.0.out 1.1.out 1.2.out | xargs)" = "7 8 9" ]
    [ "$(wc -l <ran)" = 1 ]
}

@test "a command's shell sees pipes and quotes; what it says on standard error is seen" {
    [ "$(args executable=/bin/echo 'arguments=$(x)' -queue "x from printf 'a b\nc\n' | tac |" | xargs)" = "c a b" ]
    fails "failed with exit code 3" executable=/bin/echo -queue 'x from echo oh dear >&2; exit 3 |'
    grep -q 'oh dear' err
}

@test "jobs of the names that match" {
    mkdir -p run/sub.dat deep/a deep/b
    touch run/b.dat run/a.dat run/.hidden.dat run/c.txt deep/a/x.in deep/b/y.in
    sub 'executable = /bin/echo' 'arguments = $(f)'
    [ "$(args a.sub -queue 'f matching run/*.dat' | xargs)" = "run/a.dat run/b.dat run/sub.dat" ]
    [ "$(args a.sub -queue 'f matching files run/*.dat' | xargs)" = "run/a.dat run/b.dat" ]
    [ "$(args a.sub -queue 'f matching dirs run/*' | xargs)" = "run/sub.dat" ]
    [ "$(args a.sub -queue 'f matching run/.*' | xargs)" = "run/.hidden.dat" ]
    [ "$(args a.sub -queue 'f matching */*/?.in' | xargs)" = "deep/a/x.in deep/b/y.in" ]
    [ "$(args a.sub -queue "f matching $PWD/run/[ac].*" | xargs)" = "$PWD/run/a.dat $PWD/run/c.txt" ]
    [ "$(args a.sub -queue 'f matching [1:] run/[abc]*' | xargs)" = "run/b.dat run/c.txt" ]
    fails "the file makes no job" a.sub -queue 'f matching none*'
}

@test "the environment, the day and the machine" {
    export FRUIT=pear
    [ "$(args executable=/bin/echo 'arguments=$ENV(FRUIT) $ENV(NO_SUCH_FRUIT:plum)' -queue)" = "pear plum" ]
    [ "$(args executable=/bin/echo 'arguments=$(YEAR)-$(MONTH)-$(DAY)' -queue)" = "$(date +%Y-%m-%d)" ]
    [ "$(args executable=/bin/echo 'arguments=$(OPSYS) $(IsLinux)' -queue)" = "LINUX true" ]
    sub 'executable = /bin/echo' 'arguments = $(SUBMIT_FILE)' queue
    [ "$(args a.sub)" = "$PWD/a.sub" ]
    [ "$(args - <a.sub)" = "" ] || [ "$(args - <a.sub)" = null ]
}

@test "random choices: one for each job, the same wherever it is used, also when the file is parsed twice" {
    sub 'executable = /bin/echo' 'R = $RANDOM_INTEGER(1,1000000000)' 'arguments = $(R)' 'output = $(R).$(Cluster)' 'queue 2'
    stint submit -q a.sub
    wait_done 1.0 1.1
    [ "$(ls -- *.1 | wc -l)" = 2 ]
    for f in *.1; do [ "$(cat "$f")" = "${f%.1}" ]; done
}

@test "included files and commands" {
    mkdir inc
    echo 'NAME = from-inc' >inc/one.sub
    echo 'include : inc/one.sub' >inc/two.sub
    sub 'executable = /bin/echo' 'include : inc/two.sub' 'include ifexist : inc/none.sub' 'include : echo X = 5 |' 'arguments = $(NAME) $(X)' queue
    [ "$(args a.sub)" = "from-inc 5" ]
    sub 'executable = /bin/echo' 'include : inc/none.sub' queue
    fails "a.sub:2: 'inc/none.sub' does not exist" a.sub
    echo 'outptu = x' >inc/one.sub
    sub 'executable = /bin/echo' 'include : inc/two.sub' queue
    stint submit --dry-run a.sub 2>&1 | grep -q "^inc/one.sub:1: warning: unknown command 'outptu'"
    echo 'priority = high' >inc/one.sub
    fails "inc/one.sub:1: priority = high" a.sub
}

@test "a file that includes itself, and files that include each other" {
    sub 'executable = /bin/echo' 'include : a.sub' queue
    fails "include each other more than 16 deep; does 'a.sub' include itself?" a.sub
    printf 'include : b.sub\ninclude : b.sub\n' >c.sub
    printf 'include : c.sub\ninclude : c.sub\n' >b.sub
    fails "include each other more than 16 deep" c.sub
}

@test "conditions by the command line" {
    sub 'executable = /bin/echo' 'if defined X' 'arguments = -n $(X)' else 'arguments = -n 1 -debug' endif queue
    [ "$(args a.sub)" = "-n 1 -debug" ]
    [ "$(args X=3 a.sub)" = "-n 3" ]
    [ "$(args a.sub X=3)" = "-n 3" ]
}

@test "lines of the command line" {
    sub 'executable = /bin/echo' 'arguments = $(A) $(B:b)' 'priority = 1' queue
    [ "$(args a.sub A=1 'B = 2')" = "1 2" ]
    [ "$(dry a.sub A=1 -a 'priority = 7' -append 'log = x.log' | jq -c '[.Ad.JobPrio, .Ad.UserLog]')" = '[7,"x.log"]' ]
    [ "$(dry a.sub A=1 --append='priority = 7' --batch-name night | jq -c '[.Ad.JobPrio, .Ad.JobBatchName]')" = '[7,"night"]' ]
    [ "$(dry A=1 -batch-name night -file a.sub | jq -r .Ad.JobBatchName)" = night ]
    fails "the file has a 'queue' statement already" a.sub A=1 -queue 3
    run stint submit --dry-run a.sub -append
    [ "$status" = 2 ]
    sub 'executable = /bin/echo' 'arguments = $(x)'
    [ "$(args a.sub -queue x in '(a,b)' | xargs)" = "a b" ]
    [ "$(args a.sub -queue 2 x in a, b --quiet | xargs)" = "a a b b" ]
    [ "$(args a.sub -a 'queue x in (c, d)' | xargs)" = "c d" ]
    fails "command line:1: 'queue many' is not understood" a.sub -queue many
    fails "command line:2: 'nonsense here' is no statement" a.sub -a 'log = l' -a 'nonsense here' -queue
}

@test "two queue statements of the command line" {
    fails "the command line has two 'queue' statements" executable=/bin/true -a queue -append ' Queue 2'
    fails "the command line has two 'queue' statements" executable=/bin/true -a queue -queue 2
}

@test "standard input: the file when none is named, or the items" {
    [ "$(printf 'executable = /bin/echo\narguments = $(x)\nqueue x in (1 2)\n' | args | xargs)" = "1 2" ]
    [ "$(printf 'a\nb\n' | args executable=/bin/echo 'arguments=$(x)' -queue x from - | xargs)" = "a b" ]
    printf 'executable = /bin/echo\nqueue x from -\n' | fails "standard input was read already" -
}

@test "the manual's command lines" {
    cp "$tests/cases/submit/command-line.sub" .
    printf '#!/bin/sh\n' >simulate
    chmod +x simulate
    grep '^stint submit .*\(queue\|SIZE\)' "$project/man/stint-submit.5.scd" >lines
    [ "$(wc -l <lines)" = 3 ]
    [ "$(eval "$(sed -n 1p lines)" --dry-run --json | jq -c '[.Count, .Ad.Args]')" = '[10,"--size 200"]' ]
    [ "$(eval "$(sed -n 2p lines)" --dry-run --json | jq -c '[.Count, .Ad.Args, .Ad.UserLog]')" = '[1,"--size 200","size.log"]' ]
    [ "$(eval "$(sed -n 3p lines)" --dry-run --json | jq -c '[.Count, .Ad.Args, .Procs[1].Args]')" = '[2,"hello","world"]' ]
}

@test "items that are no file, too many, or without end" {
    local job=(executable=/bin/true 'arguments=$(x)')
    mkfifo fifo
    mkdir dir
    fails "'fifo' is not a file but a pipe" "${job[@]}" -queue x from fifo
    fails "'dir' is not a file but a directory" "${job[@]}" -queue x from dir
    fails "'/dev/zero' is not a file but a device" "${job[@]}" -queue x from /dev/zero
    fails "the output of 'cat /dev/zero' is longer than 64 MiB; the command was ended" "${job[@]}" -queue 'x from cat /dev/zero |'
    fails "the output of 'yes' is longer than 64 MiB" "${job[@]}" -queue 'x from yes |'
    fails "'none' does not exist" "${job[@]}" -queue x from none
    fails "the list has more than 1000000 items; split it" "${job[@]}" -queue 'x from seq 1000001 |'
    fails "more than 1000000 jobs in one submission" "${job[@]}" -queue '500001 x in a b'
    sub 'executable = /bin/true' 'include : fifo' queue
    fails "a.sub:2: 'fifo' is not a file but a pipe" a.sub
    sub 'executable = /bin/true' 'include : yes |' queue
    fails "is longer than 16 MiB" a.sub
}

@test "a command that was ended leaves no process behind" {
    fails "is longer than 64 MiB" executable=/bin/true -queue "x from echo \$\$ >pid; sh -c 'echo \$\$ >child; exec cat /dev/zero' |"
    wait_for "the shell's end" gone "$(cat pid)"
    wait_for "its child's end" gone "$(cat child)"
    rm child
    "$stint" submit --dry-run executable=/bin/true -queue "x from sh -c 'echo \$\$ >child; exec sleep 300' |" &
    wait_for "the command" test -s child
    kill -TERM $!
    wait_for "the command's end" gone "$(cat child)"
}

@test "a command that closes its output is waited for all the same" {
    "$stint" submit --dry-run executable=/bin/true 'arguments=$(x)' -queue 'x from seq 2; exec >&-; sleep 0.3; : >late |' >/dev/null
    [ -e late ]
    fails "failed with exit code 3" executable=/bin/true -queue 'x from seq 2; exec >&-; sleep 0.1; exit 3 |'
}

@test "lines that are too long, bytes that are no text" {
    head -c 100000000 /dev/zero | tr '\0' x >long
    fails "'long': longer than 16777216 bytes" long
    fails "longer than 67108864 bytes" executable=/bin/true -queue x from long
    printf 'executable = a\nx = b\0c\nqueue\n' >nul
    fails "nul:2: the line has a NUL byte" nul
    printf 'a\nb\xff\n' >items
    fails "items:2: byte 2 of the line (0xFF) is not UTF-8" executable=/bin/true -queue x from items
    sub 'executable = /bin/true' 'A = $(B)$(B)' 'B = $(A)' 'arguments = $(A)' queue
    fails "a.sub:4:13: in the expansion of \$(A) of line 2, \$(B) of line 3: '\$(A)' refers to itself" a.sub
}
