#!/usr/bin/env bats
# The places to which output goes: their modes, long names, links, FIFOs and devices.
load lib

# prints FILE LINE…: submits a job that prints three lines into there; sets $id.
prints() {
    printf '%s\n' "executable = /bin/sh" "arguments = \"-c 'seq 0 2'\"" "output = $1" "transfer_executable = false" \
        "transfer_output_files = \"\"" "${@:2}" queue >job.sub
    id=$(submit job.sub)
}

notes() { journal "$1" | grep '"note"'; }

@test "delivered and streamed output have the same mode, and a file that is replaced keeps its own" {
    umask 022
    prints delivered
    completed "$id"
    prints streamed "stream_output = true"
    completed "$id"
    [ "$(stat -c %a delivered streamed)" = "$(printf '644\n644')" ]
    install -m 640 /dev/null mine
    prints mine
    completed "$id"
    [ "$(stat -c %a mine)" = 640 ]
    counts_up mine 3
}

@test "a name as long as the file system takes is delivered" {
    name=$(printf 'n%.0s' $(seq 255))
    prints "$name"
    completed "$id"
    counts_up "$name" 3
    [ -z "$(find . -name '.stint-*')" ]
}

@test "a link is followed: what it leads to is replaced, or made" {
    mkdir deep
    echo old >deep/target
    ln -s deep/target one
    ln -s "$PWD/one" two
    ln -s deep/new three
    prints two
    completed "$id"
    prints three
    completed "$id"
    [ -L one ] && [ -L two ] && [ -L three ]
    counts_up deep/target 3
    counts_up deep/new 3
    ln -s loop loop
    prints loop
    wait_state "$id" held
    [[ "$(attr "$id" HoldReason)" == *loop* ]]
}

@test "a FIFO that somebody reads gets all of it" {
    mkfifo fifo
    for line in "" "stream_output = true"; do
        cat fifo >read &
        printf '%s\n' "executable = /bin/sh" "arguments = \"-c 'seq 0 199999'\"" "output = fifo" "transfer_executable = false" \
            "transfer_output_files = \"\"" "$line" queue >job.sub
        id=$(submit job.sub)
        completed "$id"
        wait "$!"
        counts_up read 200000
    done
}

@test "a FIFO that nobody empties does not hold a job that is done; it is noted" {
    mkfifo fifo
    stint pool start # which would inherit the FIFO otherwise
    exec 7<>fifo
    for line in "" "stream_output = true"; do
        printf '%s\n' "executable = /bin/sh" "arguments = \"-c 'seq 0 199999'\"" "output = fifo" "transfer_executable = false" \
            "transfer_output_files = \"\"" "$line" queue >job.sub
        id=$(submit job.sub)
        completed "$id"
        stint show "$id" | grep "nobody read"
    done
    exec 7>&-
    prints fifo # not even opened by a reader
    completed "$id"
    stint show "$id" | grep "nobody read"
}

@test "a program that prints without end does not keep its runner from listening" {
    printf '%s\n' "executable = /bin/sh" "arguments = \"-c 'ulimit -f 4000000; exec yes'\"" "output = out" "transfer_executable = false" \
        "stream_output = true" "request_disk = 8G" queue >job.sub
    id=$(submit job.sub)
    wait_state "$id" running
    wait_for "output" [ -s out ]
    DEADLINE=5
    stint suspend "$id"
    wait_event "$id" suspended
    stint rm --fast "$id"
    wait_done "$id"
}
