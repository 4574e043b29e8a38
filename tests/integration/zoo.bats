#!/usr/bin/env bats
# Programs that each have one kind of state that a checkpoint must preserve, and look at it all the time. Each is evicted three times at random
# moments, and resumed in a new context; nothing may be lost, nothing be done twice, and it must not notice.
load lib
load zoo

setup_file() {
    transparent_works || return 0
    zoo_setup_file
    start() { zoo_job "$1" "$zoo_program" "$1 $ZOO_SECONDS"; }
    # shellcheck disable=SC2046 # a list of words
    zoo_evict start $("$zoo_program" --kept)
}

setup() { zoo_setup; }
teardown() { :; }
teardown_file() { stop_everything; }


files="append dirs fifo files_tmp links offsets o_tmpfile unlinked"
locks="lock_flock lock_ofd lock_posix"
memory="heap map_anon map_private map_shared memfd pages shm"
unnamed="sem_named sem_unlinked shm_unlinked"
channels="epoll eventfd inotify pipes signalfd"
unix="unix_dgram unix_listen unix_named unix_rights unix_seqpacket unix_stream"
inet="tcp_listen tcp_stream udp"
timers="alarm_clock itimer_prof itimer_real itimer_virtual timer_signal timerfd"
clocks="clocks sleep_absolute sleep_relative"
signals="altstack blocked handlers pending polls queued"
processes="deep groups pty zombies"
daemons="daemon_child"
attributes="affinity attributes limits names nice_level"
threads="barrier condition fpu futex_robust mutex_shared threads thread_signals"

@test "every program belongs to a group" {
    diff <("$zoo_program" --kept | sort) \
        <(printf '%s\n' $files $locks $memory $unnamed $channels $unix $inet $timers $clocks $signals $processes $daemons $attributes $threads | sort)
}

# shellcheck disable=SC2086 # lists of words
@test "open files, their offsets and names" { zoo_judge $files; }
@test "locks of files" { zoo_judge $locks; }
@test "memory, shared and private" { zoo_judge $memory; }
@test "semaphores and shared memory whose names are gone" { zoo_judge $unnamed; }
@test "pipes, events, watches" { zoo_judge $channels; }
@test "Unix sockets" { zoo_judge $unix; }
@test "sockets of the network" { zoo_judge $inet; }
@test "timers" { zoo_judge $timers; }
@test "clocks and sleep" { zoo_judge $clocks; }
@test "signals and waits" { zoo_judge $signals; }
@test "trees, groups, zombies, terminals" { zoo_judge $processes; }
@test "daemons" { zoo_judge $daemons; }
@test "attributes of processes" { zoo_judge $attributes; }
@test "threads and what they wait for" { zoo_judge $threads; }
