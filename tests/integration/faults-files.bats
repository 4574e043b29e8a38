#!/usr/bin/env bats
# Files that vanish, are torn or damaged, and file systems that are full.

load faults.bash

@test "an input that vanishes between submission and start holds the job, which says what is missing" {
    fault input_vanishes
}

@test "a sandbox over request_disk holds the job" {
    fault sandbox_is_filled
}

@test "one flipped byte in a stored checkpoint is found and named, and the one before is used" {
    fault pack_byte
}

@test "a truncated pack is found and named, and the checkpoint before is used" {
    fault pack_truncated
}

@test "a missing pack is found and named, and the checkpoint before is used" {
    fault pack_deleted
}

@test "one flipped byte in a manifest is found and named, and the checkpoint before is used" {
    fault manifest_byte
}

@test "a truncated manifest is found and named, and the checkpoint before is used" {
    fault manifest_truncated
}

@test "a journal torn anywhere in its last record loses no record before it" {
    fault journal_torn
}

@test "a damaged record in the middle of a journal stops no job" {
    fault journal_damaged
}

@test "a torn grant is written anew" {
    fault grant_torn
}

@test "a queue that lost the end of its log catches up from the journals" {
    fault wal_torn
}

@test "a full disk under the pool: what it refuses it says, and it goes on when there is room" {
    fault disk_full
}

@test "a full disk where the output has to go: the result waits, and the job does not run again" {
    fault output_disk_full
}
