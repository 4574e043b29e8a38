#!/usr/bin/env bats
# Processes that die, stand still, or do not want to die.

load faults.bash

@test "random kill -9 of everybody under load: all jobs complete, none ran twice at once, nothing is lost" {
    "$here/storm" 12
}

@test "runner and job root killed at the same moment: the program is dead before it is started again" {
    fault runner_and_job_root_at_once
}

@test "a killed runner takes the job's whole tree along, daemons too" {
    fault tree_dies_with_runner
}

@test "a runner killed between a commit and its record: the checkpoint counts" {
    fault runner_after_commit
}

@test "a runner that stands still keeps its job: no other is started, and it goes on" {
    fault runner_stands_still
}

@test "a pool killed before it has removed what a job left: the next one removes it" {
    fault pool_before_cleaning
}

@test "a machine that was restarted: the job resumes at its checkpoint, and the cause is the node" {
    fault reboot
}

@test "a job that ignores its signals is killed when its time is over, and a checkpoint that does not come is told" {
    fault signals_are_ignored
}

@test "grandchildren that fork away do not outlive the stint" {
    fault grandchildren_fork_away
}

@test "a job that closes all its descriptors ends like any other" {
    fault descriptors_are_closed
}

@test "a program that ends while its checkpoint is committed loses neither" {
    fault exit_during_commit
}

@test "a clock that jumps by hours and days: the ledger adds up, the log is well formed" {
    fault clock_jumps
}
