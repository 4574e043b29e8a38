#!/usr/bin/env bats
# Everybody dies at every step of checkpoints and resumptions of programs that know nothing of it; disks are full, images damaged,
# CRIU fails. The program completes all the same, and everything that it prints is printed once.

load faults.bash
export STINT_CRIU=${STINT_CRIU:-$here/../../build/criu}

# fault NAME…: one of those in the program transparent-fault.
fault() {
    run "$here/transparent-fault" "$@"
    if [ "$status" = 77 ]; then
        skip "${lines[-1]}"
    fi
    echo "$output"
    [ "$status" = 0 ]
}

setup() {
    "$STINT_BUILD/src/cli/stint" doctor --tools "$STINT_CRIU" >/dev/null 2>&1 ||
        skip "transparent checkpoints do not work here; stint doctor says why"
    STRIKES=$([ "$(id -u)" = 0 ] && echo 22 || echo 14) # of all pairs of step and victim, those that are by chance
    export STRIKES
}

@test "kill -9 of anybody at any step of a checkpoint" {
    fault strikes checkpoint
}

@test "kill -9 of anybody at any step of a checkpoint for which the slot is wanted" {
    fault strikes vacate
}

@test "kill -9 of anybody at any step of a resumption" {
    fault strikes resume
}

@test "random kill -9 of everybody, checkpoint after checkpoint" {
    fault storm
}

@test "CRIU killed at a random moment of a dump: what becomes of the processes is not the job's end" {
    fault criu_dies
}

@test "CRIU stands still: after the timeout the job goes on from its last checkpoint" {
    fault criu_stands_still
}

@test "a full disk during a dump: the job runs on, the old checkpoint stays, the tries get rarer" {
    fault disk_full
}

@test "no room for files or images: the job runs on, and is told why" {
    fault no_room_for_files
}

@test "a checkpoint that cannot be resumed: the one before is" {
    fault resume_fails
}

@test "no checkpoint can be resumed: from the start, and it is told" {
    fault resume_never_works
}

@test "a world that cannot be made costs no checkpoint" {
    fault world_cannot_be_made
}

@test "a crash right after a resumption is not believed, once for each checkpoint" {
    fault crashes_when_resumed
}

@test "a crash of a program that was started is its end" {
    fault crashes_when_started
}

@test "one flipped bit of the images is found before CRIU sees them" {
    fault images_bit
}

@test "a second restore beside the running job is fenced off" {
    fault second_restore
}

@test "a pool that is killed and started again finds its job running" {
    fault pool_dies
}

@test "everything dies at once: the job goes on from its checkpoint" {
    fault power_fails
}

@test "a program that ends while its checkpoint is committed loses neither" {
    fault ends_during_commit
}

@test "a program that ends as soon as it is resumed has ended" {
    fault ends_at_once
}

@test "a suspended job that is evicted runs when it is resumed" {
    fault suspended_and_evicted
}

@test "a chain of checkpoints and resumptions at random moments" {
    fault chain
}

@test "a job that has to leave, or is removed, while it is resumed" {
    fault leaves_while_resumed
}
