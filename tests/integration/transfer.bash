# What the tests of files share.

# prog: a program from standard input.
prog() {
    { echo '#!/bin/bash'; cat; } >prog
    chmod +x prog
}

# sub LINE…: a submit file for it.
sub() {
    printf '%s\n' 'executable = prog' 'output = a.out' 'error = a.err' 'log = a.log' "$@" queue >a.sub
}

runs() {
    id=$(submit a.sub)
    completed "$id"
}

# held_for TEXT [CODE]: the job is held with it.
held_for() {
    wait_state "$id" held completed
    [ "$(attr "$id" HoldReasonCode)" = "${2:-13}" ] || { tell_everything; return 1; }
    [[ "$(attr "$id" HoldReason)" == *"$1"* ]] || { attr "$id" HoldReason; return 1; }
}

# refused TEXT: submission fails with it.
refused() {
    run stint submit a.sub
    [ "$status" = 1 ]
    [[ "$output" == *"$1"* ]] || { echo "$output"; return 1; }
}
