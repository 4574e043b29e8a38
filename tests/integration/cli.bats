#!/usr/bin/env bats
# The command line itself: help, JSON, completion, manual pages, and what is said when something is wrong.
load lib

commands() { stint help | sed -n 's/^  *\([a-z][a-z]*\)  .*/\1/p'; }

@test "help lists the commands, and every command has a help of its own" {
    [ "$(commands | wc -l)" -ge 20 ]
    for command in $(commands); do
        stint help "$command" | grep -q "stint $command" || { echo "help $command"; false; }
        stint "$command" --help >"$command.help" || { echo "$command --help"; false; }
        grep -q "^usage: stint $command" "$command.help" || { cat "$command.help"; false; }
    done
}

@test "every command that takes --json prints JSON" {
    running a <<<"$protocol"
    stint checkpoint --json "$id" | jq -es 'length >= 1'
    job b <<<"hold = true"
    stint submit --json b.sub | jq -e .ClusterId
    stint edit --json 2.0 priority=3 >edit.json
    [ ! -s edit.json ] || jq -e . edit.json
    for command in q history ledger users "show $id" "pool status" "suspend $id" "continue $id" "vacate $id" "hold $id" \
        "release $id" reschedule "rm 2.0" "ledger --by cause" "ledger --by class" "ledger --by day" "ledger --by pool"; do
        stint $command --json >out.json || { echo "stint $command --json"; false; }
        jq -e . out.json >/dev/null || { echo "$command"; cat out.json; false; }
    done
    stint events --json | jq -es 'length > 3'
    open_gate
    stint wait --json "$id" | jq -e .
}

@test "JSON stays JSON whatever a user writes into names and values" {
    cp "$counter" $'odd \t"name"\\'
    printf 'executable = odd \t"name"\\\\\narguments = "ü <&> ''%%s''"\n+Note = "line\\nbreak \\"quoted\\""\nhold = true\nqueue\n' >a.sub
    stint submit -q a.sub || { printf 'executable = /bin/true\narguments = "ü <&>"\n+Note = "a\\"b\\\\c"\nhold = true\nqueue\n' >a.sub; stint submit -q a.sub; }
    stint q --json | jq -e '.Jobs | length == 1'
    stint show --json 1.0 | jq -e .Job.Note
    stint q >/dev/null
    stint show 1.0 >/dev/null
}

@test "completion scripts parse in their shells" {
    stint completion bash >c.bash
    bash -n c.bash
    grep -q vacate c.bash
    stint completion zsh >c.zsh
    stint completion fish >c.fish
    [ -s c.zsh ] && [ -s c.fish ]
    ! command -v zsh >/dev/null || zsh -n c.zsh
    ! command -v fish >/dev/null || fish -n c.fish
    run stint completion tcsh
    [ "$status" = 2 ]
}

@test "bash completes commands and options" {
    stint completion bash >c.bash
    complete_line() { bash -c 'source ./c.bash; COMP_WORDS=('"$1"' ""); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); [ -z "'"$2"'" ] || COMP_WORDS[COMP_CWORD]='"$2"'
        f=$(complete -p stint | sed "s/.*-F \([^ ]*\).*/\1/"); $f stint; echo "${COMPREPLY[@]}"'; }
    PATH=$(dirname "$stint"):$PATH
    [[ " $(complete_line stint va) " == *" vacate"* ]]
    [[ " $(complete_line "stint vacate" --f) " == *"--fast"* ]]
}

@test "every manual page renders without a warning, and names every command and option" {
    for page in "$project"/man/*.scd; do
        roff=$(basename "$page" .scd)
        scdoc <"$page" >"$roff" || { echo "$page"; false; }
        MANWIDTH=300 man --warnings -l -Tascii "./$roff" 2>"$roff.warnings" | sed 's/.\x08//g' >"$roff.txt"
        [ ! -s "$roff.warnings" ] || { cat "$roff.warnings"; false; }
        [ "$(wc -l <"$roff.txt")" -gt 10 ]
    done
    for command in $(commands); do
        grep -q "$command" stint.1.txt || { echo "stint(1) does not know $command"; false; }
        for option in $(stint help "$command" | grep -o -- '--[a-z][a-z-]*' | sort -u); do
            grep -q -- "$option" stint.1.txt || { echo "stint(1) does not know $option"; false; }
        done
    done
}

@test "every setting that the pool knows is in stint.conf(5)" {
    for setting in cpus memory disk checkpoint_interval checkpoint_timeout max_vacate_time keep_generations history usage_halflife limits checkpoint_method criu_dir; do
        grep -q "$setting" "$project/man/stint.conf.5.scd" || { echo "$setting"; false; }
    done
    conf "cpus = 2" "memory = 1 GiB" "disk = 1 GiB" "checkpoint_interval = 20m" "checkpoint_timeout = 1m" "max_vacate_time = 1m" \
        "keep_generations = 3" "history = 90d" "usage_halflife = 7d" "limits = auto" "checkpoint_method = self, transparent" "criu_dir = /opt/criu"
    stint pool start
}

@test "mistakes on the command line are status 2, with the nearest right word" {
    for line in "" "frobnicate" "q --nope" "vacate" "show" "show x" "wait" "edit 1.0" "ledger 1 2" "pool" "pool dance" "history -n x" "log"; do
        run stint $line
        [ "$status" = 2 ] || { [ -z "$line" ] && [ "$status" = 0 ]; } || { echo "stint $line: $status $output"; false; }
    done
    run stint vaccate 1
    [[ "$output" == *"did you mean 'vacate'?"* ]]
    run stint q --jsno
    [[ "$output" == *"did you mean '--json'?"* ]]
}

@test "options may stand anywhere, have short forms, and -- ends them" {
    job a <<<"hold = true"
    submit a.sub
    stint rm --reason=why 1.0 --json | jq -e '.Results[0].Ok'
    submit a.sub
    stint q -c 'ClusterId == 2' --json | jq -e '.Jobs | length == 1'
    run stint rm -- --fast
    [ "$status" = 2 ]
}

@test "output that nobody reads is no crash" {
    job a <<<"hold = true"
    sed -i 's/^queue/queue 2000/' a.sub
    stint submit -q a.sub
    stint q | head -n 1 >/dev/null
    stint q --json | head -c 10 >/dev/null
    stint q >/dev/full && false || true
}

@test "version and help need no pool" {
    stint version | grep -Eq '[0-9]+\.[0-9]+'
    stint --version >/dev/null || stint version
    stint help >/dev/null
    [ ! -e "$STINT_DIR/queue.db" ]
}

@test "the API answers curl, and refuses nonsense with JSON" {
    running a <<<"$protocol"
    api() { curl -sS --unix-socket "$STINT_DIR/pool.sock" "$@"; }
    api http://localhost/v1/jobs | jq -e '.Jobs | length == 1'
    api "http://localhost/v1/jobs/$id" | jq -e .Job.Cmd
    api http://localhost/v1/pool | jq -e .Pid
    api "http://localhost/v1/jobs/$id/output" | grep -qx 0
    [ "$(api -o out -w '%{http_code}' http://localhost/v1/nothing)" = 404 ]
    jq -e .Error out
    [ "$(api -o out -w '%{http_code}' http://localhost/v1/jobs/9.9)" = 404 ]
    [ "$(api -o out -w '%{http_code}' -d '{' http://localhost/v1/actions)" = 400 ]
    jq -e .Error out
    [ "$(api -o out -w '%{http_code}' -d '{"Action":"dance","Jobs":["1.0"]}' http://localhost/v1/actions)" = 400 ]
    [ "$(api -o out -w '%{http_code}' 'http://localhost/v1/jobs?constraint=1%2B')" = 400 ]
    [ "$(api -o out -w '%{http_code}' 'http://localhost/v1/ledger?by=nonsense')" = 400 ]
    head -c 100000 /dev/urandom | timeout 5 curl -sS --unix-socket "$STINT_DIR/pool.sock" --data-binary @- http://localhost/v1/clusters -o out || true
    stint pool status
}

@test "events after a number are as many as were asked for" {
    job a <<<"hold = true"
    id=$(submit a.sub)
    stint release "$id"
    wait_event "$id" running
    [ "$(stint events --after 0 -n 2 | wc -l)" = 2 ]
    [ "$(stint events --after 0 | wc -l)" -gt 2 ]
}
