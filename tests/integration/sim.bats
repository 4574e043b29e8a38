#!/usr/bin/env bats
# The simulator from the command line: what it prints and writes, and what it says of wrong input.

load lib

# No pool is needed, but for its history.

small=(--jobs 500 --users 4 --nodes 2x16x256G)

@test "a simulation prints a table of its policies" {
    run stint sim "${small[@]}" --policy stint,none --lambda 0.5,2
    [ "$status" = 0 ]
    [ "${#lines[@]}" = 5 ]
    [[ "${lines[0]}" = POLICY*LAMBDA*GOODPUT* ]]
    [[ "${lines[2]}" = none\ * ]]
    [[ "${lines[3]}" = stint\ *0.5\ * ]]
}

@test "the same options give the same numbers, another seed others" {
    stint sim "${small[@]}" >a
    stint sim "${small[@]}" >b
    stint sim "${small[@]}" --seed 2 >c
    cmp a b
    ! cmp -s a c
}

@test "results as CSV, JSON and a picture say the same" {
    stint sim "${small[@]}" --policy stint,youngest --csv a.csv --json a.json --svg a.svg --populations p.svg --episodes e.csv --users-csv u.csv
    [ "$(wc -l <a.csv)" = 3 ]
    jq -e '.Runs | length == 2' a.json
    jq -e '[.Runs[] | .GoodputCpuS + .LostCpuS + .CheckpointCpuS + .RestoreCpuS + .TransferCpuS + .IdleCpuS - .OccupiedCpuS | fabs < 0.001] | all' a.json
    jq -e '[.Runs[] | .Completions == .Jobs] | all' a.json
    [ "$(awk -F, '$1 == "youngest" { print int($9) }' a.csv)" = "$(jq '.Runs[] | select(.Policy == "youngest") | .GoodputCpuS | floor' a.json)" ]
    python3 -c 'import sys, xml.dom.minidom as x; [x.parse(f) for f in sys.argv[1:]]' a.svg p.svg
    [ "$(wc -l <u.csv)" = 5 ]
    [ "$(head -n 1 e.csv)" = time_to_fair_s,part_not_longer ]
    stint sim "${small[@]}" --populations p.csv >/dev/null
    [[ "$(head -n 1 p.csv)" = time_s,distance,missing_cpus,user1_running,user1_target,* ]]
    [ "$(stint sim "${small[@]}" --json - | jq -r '.Runs[0].Policy')" = stint ]
}

@test "a log in the Standard Workload Format is simulated" {
    {
        echo "; MaxProcs: 4"
        for i in $(seq 1 20); do
            echo "$i $((i * 10)) 0 600 $((i % 4 + 1)) -1 -1 1 -1 -1 1 $((i % 3)) -1 -1 -1 -1 -1 -1"
        done
    } >log.swf
    stint sim --swf log.swf --json - | jq -e '.Runs[0] | .Jobs == 20 and .Cpus == 4 and .Users == 3'
    stint sim --swf - --json - <log.swf | jq -e '.Runs[0].Completions == 20'
    echo "21 5 0 60" >>log.swf
    run stint sim --swf log.swf
    [ "$status" = 2 ]
    [ "$output" = "stint sim: log.swf: line 22 has 4 fields; the Standard Workload Format has 18" ]
}

@test "a pool's own history is simulated" {
    printf 'executable = /bin/sleep\narguments = 0.1\nqueue 3\n' >a.sub
    stint wait -q "$(stint submit -q a.sub)"
    stint sim --from-history --json - | jq -e '.Runs[0] | .Jobs == 3 and .Completions == 3'
    stint history --limit 0 --json >history.json
    stint sim --history history.json --json - | jq -e '.Runs[0].Jobs == 3'
    stint history --limit 0 --json | stint sim --history - --json - | jq -e '.Runs[0].Jobs == 3'
}

@test "groups get their shares" {
    stint sim "${small[@]}" --load 3 --group a=3 --group b=1 --member user1=b --users-csv u.csv >/dev/null
    [ "$(awk -F, '$1 == "user1" { print $2 }' u.csv)" = 1 ]
}

# wrong TEXT OPTION…: exit status 2, and this sentence.
wrong() {
    local text=$1
    shift
    run stint sim "$@"
    echo "$output"
    [ "$status" = 2 ] && [[ "${lines[0]}" = "stint sim: "*"$text"* ]] && [ "${#lines[@]}" -le 2 ]
}

@test "what makes no sense is told in a sentence, with status 2" {
    wrong "--lambda -1: lambda is what a cpu-second" --lambda -1
    wrong "--lambda x: a number is expected" --lambda x
    wrong "the shares of the groups sum to zero" --group a=0 --group b=0
    wrong "a share cannot be negative" --group a=-1
    wrong "there is no group of that name" "${small[@]}" --group a=1 --member user1=b
    wrong "the workload has no such user" "${small[@]}" --factor nobody=2
    wrong "a factor must be greater than zero" "${small[@]}" --factor user1=0
    wrong "a time cannot be negative" --mtbf -5s
    wrong "a time is expected" --repair soon
    wrong "half-life 0" --half-life 0
    wrong "the shares sum to zero" --kinds 0,0,0
    wrong "three shares are expected" --kinds 1,2
    wrong "there are stint, clairvoyant" --policy nice
    wrong "there are high-throughput" --model real
    wrong "COUNTxCPUSxMEMORY is expected" --nodes 4
    wrong "it must be from 1 to" --jobs 0
    wrong "a whole number is expected" --users 1.5
    wrong "exclude each other" --swf a --history b
    wrong "no option '--frob'" --frob
    wrong "'frob' is no option" frob
    wrong "needs a value" --csv
    wrong "takes no value" --sweep=1
    wrong "none of the 500 jobs fits on a node" --jobs 500 --nodes 1x1x1M
}

@test "what cannot be read or written is status 1" {
    run stint sim --swf nothing.swf
    [ "$status" = 1 ]
    [ "$output" = "stint sim: there is no file 'nothing.swf'" ]
    run stint sim "${small[@]}" --csv no/where.csv
    [ "$status" = 1 ]
    [[ "$output" == *"cannot write 'no/where.csv': No such file or directory" ]]
}

@test "help and manual page know every option" {
    stint sim --options >help
    grep -o -- '^  --[a-z-]*' help | tr -d ' ' >options
    [ "$(wc -l <options)" -gt 30 ]
    while read -r option; do
        grep -qF -- "*$option*" "$project/man/stint-sim.1.scd" || { echo "stint-sim(1) does not know $option"; false; }
    done <options
    stint sim --help | grep -q -- --options
    [[ "$(stint sim --version)" = stint-sim\ * ]]
}
