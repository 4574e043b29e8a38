#!/usr/bin/env bats
# One strike at each fault point that a whole life of a job passes: submitted, two checkpoints by hand, vacated, resumed, completed.

load faults.bash

@test "kill -9 at the first pass of every fault point costs nothing" {
    "$here/sweep" kill submit
}

@test "kill -9 at every fault point after the first checkpoint costs nothing" {
    root_only "the first pass of every point"
    "$here/sweep" kill checkpoint
}

@test "kill -9 at every fault point of an eviction and a resumption costs nothing" {
    root_only "the first pass of every point"
    "$here/sweep" kill vacate
}

@test "no room at the first pass of any fault point: it is told, and nothing is lost" {
    root_only "no room during checkpoints and an eviction"
    "$here/sweep" ENOSPC submit
}

@test "no room at any one point during checkpoints and an eviction: all goes on when there is room again" {
    "$here/sweep" ENOSPC full
}

@test "an input/output error at the first pass of any fault point: it is told, and nothing is lost" {
    root_only "no room during checkpoints and an eviction"
    "$here/sweep" EIO submit
}
