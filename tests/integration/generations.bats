#!/usr/bin/env bats
# Generations of checkpoints: how many are kept, and what happens when the newest one is damaged.
load lib

manifests() { find "$STINT_DIR/store/$1" -name '*.manifest' | wc -l; }
manifests_are() { [ "$(manifests "$1")" = "$2" ]; }
last_manifest() { find "$STINT_DIR/store/$1" -name '*.manifest' | sort | tail -n 1; }
# packs MANIFEST: the names of those that it needs.
packs() { sed -n 's/^pack \([0-9a-f]*\) .*/\1/p' "$1"; }
# own_packs ID: the paths of those that only the newest generation needs.
own_packs() {
    local manifest pack newest
    newest=$(last_manifest "$1")
    for pack in $(packs "$newest"); do
        for manifest in "$STINT_DIR/store/$1"/*.manifest; do
            [ "$manifest" = "$newest" ] || ! grep -q "^pack $pack " "$manifest" || continue 2
        done
        echo "$STINT_DIR/store/$1/packs/$pack"
    done
}
# An "X" in the place of the first byte that a pack holds.
damage_pack() { printf 'X' | dd of="$1" bs=1 seek=64 conv=notrunc status=none; }

@test "two generations are kept, or as many as the configuration says" {
    job a SELF=2 COUNT=14 "GATE=$gate" PACE=0.01 <<<"$protocol"
    id=$(submit a.sub)
    wait_event "$id" checkpoint_taken 6
    wait_for "two generations" manifests_are "$id" 2
}

@test "keep_generations = 1 keeps one" {
    conf "keep_generations = 1"
    job a SELF=2 COUNT=14 "GATE=$gate" PACE=0.01 <<<"$protocol"
    id=$(submit a.sub)
    wait_event "$id" checkpoint_taken 4
    wait_printed "$id" 13
    [ "$(manifests "$id")" -le 2 ] # the newest, and for a moment the one before
}

# Two generations, then held: $first and $second are the numbers that they saved.
two_generations() {
    running a PACE=0.1 "TRACE=$work/trace" <<<"$protocol"
    stint checkpoint "$id"
    wait_printed "$id" 5
    stint hold "$id"
    wait_state "$id" held
    wait_for "two generations" manifests_are "$id" 2
    newest=$(last_manifest "$id")
    pack=$(own_packs "$id")
    [ -f "$pack" ]
    first=$(sed -n 's/^start at //p' trace | sed -n 2p)
}

# The job goes on from the first of its two generations, says why, and its output is right all the same.
falls_back() {
    stint release "$id"
    wait_event "$id" running 3
    wait_for "its third start" lines_in trace 3
    [ "$(sed -n 3p trace)" = "start at $first" ]
    [ "$(story "$id" '.Stints[-1].ResumedFrom')" = 1 ]
    open_gate
    completed "$id"
    counts_up a.out
    check_ledger
}

@test "one byte of a stored checkpoint that changes is found and named, and the one before is used" {
    two_generations
    damage_pack "$pack"
    falls_back
    [[ "$(story "$id" '.Events[] | select(.Event == "generation_corrupt") | "\(.Generation) \(.Reason)"')" == "2 "*"$(basename "$pack")"* ]]
    stint show "$id" | grep -q 'checkpoint 2'
}

@test "a pack that is cut short falls back to the generation before" {
    two_generations
    : >"$pack"
    falls_back
}

@test "a pack that is missing falls back to the generation before" {
    two_generations
    rm "$pack"
    falls_back
}

@test "a manifest that is garbled falls back to the generation before" {
    two_generations
    sed -i 's/^kind checkpoint/kind chEckpoint/' "$newest"
    falls_back
    happened "$id" generation_corrupt
}

@test "a manifest that is half there falls back to the generation before" {
    two_generations
    truncate -s 100 "$newest"
    falls_back
    happened "$id" generation_corrupt
}

@test "a manifest that is missing falls back to the generation before" {
    two_generations
    rm "$newest"
    falls_back
}

@test "when no generation is good the job begins from the start, and nothing of them is left in its sandbox" {
    two_generations
    for pack in "$STINT_DIR/store/$id/packs"/*; do printf '#' >>"$pack"; done
    stint release "$id"
    wait_for "its third start" lines_in trace 3
    [ "$(sed -n 3p trace)" = "start at 0" ]
    [ "$(story "$id" '[.Events[] | select(.Event == "generation_corrupt")] | length')" = 2 ]
    open_gate
    completed "$id"
    counts_up a.out
}

@test "a damaged generation does not take the place of a good one among those that are kept" {
    two_generations
    damage_pack "$pack"
    stint release "$id"
    wait_for "its third start" lines_in trace 3
    stint checkpoint "$id"
    stint hold "$id"
    wait_state "$id" held
    for manifest in $(find "$STINT_DIR/store/$id" -name '*.manifest' | sort | tail -n 2); do
        [ "$(basename "$manifest")" != 000002.manifest ] || { ls "$STINT_DIR/store/$id"; false; }
    done
    open_gate
    stint release "$id"
    completed "$id"
    counts_up a.out
}

@test "after a fallback the next checkpoint's damage falls back to the good one again" {
    two_generations
    damage_pack "$pack"
    stint release "$id"
    wait_for "its third start" lines_in trace 3
    wait_state "$id" running
    stint hold "$id"
    wait_state "$id" held
    newest=$(last_manifest "$id")
    [ "$(basename "$newest")" = 000003.manifest ]
    damage_pack "$(own_packs "$id")"
    stint release "$id"
    wait_for "its fourth start" lines_in trace 4
    [ "$(tail -n 1 trace)" = "start at $first" ]
    open_gate
    completed "$id"
    counts_up a.out
}
