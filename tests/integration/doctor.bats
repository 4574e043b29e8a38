#!/usr/bin/env bats
load lib

# Needs no pool: setup makes only directories, and nothing is started.

tools=${STINT_CRIU:-$STINT_BUILD/../criu}

able() {
    [ -x "$tools/criu" ] || skip "there is no CRIU: tools/criu build/criu"
    stint doctor --tools "$tools" >report.txt || skip "this machine cannot: $(grep MISSING report.txt | head -n 1)"
}

@test "the doctor says of each thing what it is for" {
    run stint doctor --json
    [ "$status" = 0 ] || [ "$status" = 1 ]
    jq -e '.Checks | length >= 12' <<<"$output"
    jq -e '[.Checks[] | has("Name") and has("Ok") and has("Essential") and has("For") and has("Found")] | all' <<<"$output"
    jq -e '[.Checks[] | select(.Ok) | has("Change")] | any | not' <<<"$output"
    jq -e '.Transparent == ([.Checks[] | select(.Essential) | .Ok] | all)' <<<"$output"
}

@test "the doctor's exit status is the answer" {
    able
    run stint doctor --tools "$tools"
    [ "$status" = 0 ]
    [[ "$output" == *"can be checkpointed and resumed here"* ]]
    [[ "$output" == *"a process was checkpointed and resumed"* ]]
    run stint doctor --tools /nonexistent
    [ "$status" = 1 ]
    [[ "$output" == *"MISSING  CRIU"*"tools/criu DIR"* ]]
}

@test "the doctor finds CRIU where the pool is told that it is" {
    able
    conf "criu_dir = $tools"
    STINT_CRIU=/nonexistent stint doctor --json >report.json
    [ "$(jq -r .Tools report.json)" = "$tools" ]
}

@test "the doctor leaves nothing behind" {
    able
    stint doctor --tools "$tools" >/dev/null
    ls -A "$STINT_DIR" | grep -v -x stint.conf >after || true
    [ ! -s after ]
}

@test "a sick CRIU is told from none" {
    mkdir sick
    printf '#!/bin/sh\necho Version: 3.17.1\n' >sick/loader
    chmod +x sick/loader
    run stint doctor --tools "$PWD/sick" --json
    [ "$status" = 1 ]
    jq -e '.Checks[] | select(.Name == "criu") | .Found | test("3.17.1.*too old")' <<<"$output"
}
