#!/usr/bin/env bats
# The toy model of the talk, unmodified, and the one of our examples.
load lib

# Two evictions after different numbers; then every number in order, with a repeat of one for each checkpoint at most.
evict_twice() {
    wait_printed "$id" 3
    stint vacate "$id"
    wait_event "$id" evicted
    wait_printed "$id" 9
    stint vacate "$id"
    wait_event "$id" evicted 2
    completed "$id"
    is "$id" NumCkpts 2
    is "$id" NumVacates 2
}

@test "the talk's submit file is run as it is: two evictions lose nothing" {
    talk=$project/../shared/cases/talk
    [ -d "$talk" ] || skip "../shared/cases/talk is not here"
    cp "$talk"/* .
    chmod u+w ./*
    run stint submit --dry-run counting.sub
    [ "$status" = 0 ]
    sed -i '/^queue/i environment = COUNTING_SLEEP=0.15' counting.sub
    id=$(submit counting.sub)
    evict_twice
    numbers out.log >got
    [ "$(uniq got)" = "$(seq 0 29)" ]
    [ "$(uniq -d got | wc -l)" = 2 ]
    [ "$(wc -l <got)" = 32 ]
    [ "$(grep -c 'Saving state' out.log)" = 2 ]
    [ ! -s error.log ]
    [ "$(events job.log)" = "000 001 003 004 001 003 004 001 005" ] || [ "$(events job.log | tr ' ' '\n' | grep -v 006 | xargs)" = "000 001 003 004 001 003 004 001 005" ]
    check_ledger
    [ "$(attr "$id" LostUs)" = 0 ]
}

@test "the talk's job is checkpointed by request while it runs, and resumes with one repeat" {
    talk=$project/../shared/cases/talk
    [ -d "$talk" ] || skip "../shared/cases/talk is not here"
    cp "$talk"/* .
    chmod u+w ./*
    sed -i '/^queue/i environment = COUNTING_SLEEP=0.1' counting.sub
    id=$(submit counting.sub)
    wait_printed "$id" 2
    stint checkpoint "$id"
    completed "$id"
    [ "$(numbers out.log | uniq)" = "$(seq 0 29)" ]
    [ "$(numbers out.log | wc -l)" = 31 ]
    is "$id" StintNumber 1
    [ "$(cat saved-state)" -ge 2 ]
}

@test "the example's toy is evicted twice and has every number once" {
    cp "$project"/examples/toy/{counting,toy.sub} .
    sed -i 's/COUNTING_SLEEP=[0-9.]*/COUNTING_SLEEP=0.15/' toy.sub
    id=$(submit toy.sub)
    evict_twice
    counts_up toy.out 30
    check_ledger
    check_stints "$id"
    [ "$(attr "$id" LostUs)" = 0 ]
}

@test "the example's demo runs to its end" {
    HOME=$work TMPDIR=$work "$project/examples/toy/demo" "$STINT_BUILD"
}
