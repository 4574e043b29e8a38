#!/usr/bin/env bats
# HTCondor's commands by their own names, with the command lines that scripts and workflow tools give them.
load lib

setup_file() {
    export CONDOR_BIN=$BATS_FILE_TMPDIR/bin
    mkdir -p "$CONDOR_BIN"
    for name in submit q history rm hold release vacate_job status wait userprio version; do
        ln -s "$(cd "${STINT_BUILD:-$BATS_TEST_DIRNAME/../../build/check}" && pwd)/src/cli/stint" "$CONDOR_BIN/condor_$name"
    done
}

submit_files() {
    PATH=$CONDOR_BIN:$PATH
    printf 'executable = /bin/true\narguments = $(Process)\nlog = job.log\nqueue\n' >job.sub
    printf 'executable = /bin/true\nlog = held.log\nhold = true\n' >held.sub
    printf 'executable = /bin/true\nlog = sweep.log\n' >sweep.sub
}

@test "the manual's examples print what they say" {
    submit_files
    python3 - "$project/man/stint-condor.7.scd" >examples <<'EOF'
import sys
inside = False
for line in open(sys.argv[1]):
    if line.startswith("```"):
        inside = not inside
    elif inside:
        sys.stdout.write(line.replace("\\\\", "\\"))
EOF
    [ "$(grep -c '^\$ condor_' examples)" -ge 7 ]
    local command=
    : >want
    check() {
        [ -n "$command" ] || return 0
        # quotes are the shell's; what is run stands in a file of the project
        bash -c "$command" >got 2>err </dev/null || { echo "$command"; cat got err; return 1; }
        diff want got || { echo "$command"; cat err; return 1; }
        : >want
    }
    while IFS= read -r line; do
        case $line in
        '$ '*) check; command=${line#\$ } ;;
        make*) ;;
        *) echo "$line" >>want ;;
        esac
    done <examples
    check
}

@test "condor_submit says what scripts look for" {
    submit_files
    condor_submit held.sub -queue 2 >out
    grep -qE '^2 job\(s\) submitted to cluster 1\.$' out
    [ "$(condor_submit -terse held.sub -queue 5)" = "2.0 - 2.4" ]
    [ "$(condor_submit --terse held.sub -queue | sed 's/ -.*//')" = 3.0 ]
    condor_submit -verbose held.sub -queue >out
    grep -q '^\*\* Proc 4\.0:$' out
    grep -q '^Cmd = "/bin/true"$' out
    condor_submit - <<<"$(cat held.sub; echo queue)" >out
    grep -q '^1 job(s) submitted to cluster 5\.$' out
    (cat held.sub; echo queue 2) | condor_submit -terse >out
    [ "$(cat out)" = "6.0 - 6.1" ]
    condor_submit -file held.sub -batch-name zip -append 'queue 2' >/dev/null
    [ "$(condor_q 7 -af JobBatchName | sort -u)" = zip ]
    condor_submit priority=7 -a '+Why = "x y"' held.sub -a 'arguments = $(n)' -queue n in '(3,4)' >/dev/null
    [ "$(condor_q 8 -af JobPrio Why Args | xargs)" = "7 x y 3 7 x y 4" ]
    condor_submit -dry-run ads held.sub -queue 2 | grep -q '^2 job(s) dry-run'
    [ "$(grep -c '^ProcId = ' ads)" = 2 ]
    [ "$(condor_q -af ClusterId | sort -nu | tail -n 1)" = 8 ]
}

@test "what is ignored or refused is said in a sentence" {
    submit_files
    condor_submit -spool -name here -disable job.sub 2>err >/dev/null
    [ "$(grep -c 'is ignored: ' err)" = 3 ]
    for line in "submit -remote x job.sub" "submit -interactive job.sub" "submit -maxjobs 1 held.sub -queue 2" "q -xml" "q -nonsense" "q -print-format x" \
        "q -limit" "q -format %d" "q 7x" "q -constraint 'a&&'" "rm" "rm -all 7" "hold -subcode x 1" "history -file x" "status -collector" "wait" \
        "wait no-such-log" "wait job.log x" "wait -num 0 job.log" "userprio -quotas" "userprio -setfactor eva" "submit no-such-file"; do
        run bash -c "condor_$line </dev/null"
        [ "$status" = 1 ] || { echo "$line: $status $output"; false; }
        [[ "$output" == condor_${line%% *}:* ]] || { echo "$line: $output"; false; }
    done
    for name in submit q history rm hold release vacate_job status wait userprio; do
        "condor_$name" -help | grep -q "^Usage: condor_$name" || { echo "$name"; false; }
        "condor_$name" -version | grep -qE '^\$CondorVersion: [0-9]+\.[0-9]+\.[0-9]+ .*stint.*\$$' || { echo "$name"; false; }
    done
    condor_version | grep -qE '^\$CondorPlatform: \S+ \$$'
}

@test "options may be cut short as far as HTCondor's may" {
    submit_files
    condor_submit held.sub -queue 2 >/dev/null
    [ "$(condor_q -const 'ProcId == 1' -autof ProcId)" = 1 ]
    [ "$(condor_q -cons 'ProcId == 1' -f '%d\n' ProcId)" = 1 ]
    condor_q -nob | grep -q '^ ID '
    condor_q -tot | grep -q '^Total for query: 2 jobs; 0 completed, 0 removed, 0 idle, 0 running, 2 held, 0 suspended$'
    condor_q -l -attr ProcId 1.1 | grep -qx 'ProcId = 1'
    run condor_q -no
    [ "$status" = 1 ]
}

@test "condor_q's tables have the columns that parsers count on" {
    submit_files
    condor_submit held.sub -queue 3 >/dev/null
    condor_submit -batch-name zip held.sub -queue >/dev/null
    # Nextflow: lines behind " ID" up to an empty one; the first word is the job, the sixth its state
    condor_q -nobatch | awk '/^ ID/ { on = 1; next } on && NF == 0 { exit } on { print $1, $6 }' >jobs
    [ "$(xargs <jobs)" = "1.0 H 1.1 H 1.2 H 2.0 H" ]
    condor_q -nobatch | grep -q '^-- Schedd: .* @ [0-9/]* [0-9:]*$'
    condor_q | grep -qE '^\S+ +zip +[0-9/]+ [0-9:]+ +_ +_ +_ +1 +1 2\.0$'
    condor_q | grep -qE "^\S+ +ID: 1 +[0-9/]+ +[0-9:]+ +_ +_ +_ +3 +3 1\.0-2$"
    condor_q -hold | grep -qE "^ +1\.2 .* 15/0 +submitted on hold at user's request$"
    condor_q nobody-else | grep -q '^Total for query: 0 jobs;'
    [ "$(condor_q "$(id -un)" -af ProcId -constraint 'ClusterId == 1' | xargs)" = "0 1 2" ]
    [ "$(condor_q 1.0 2 -af ClusterId | xargs)" = "1 2" ]
    [ "$(condor_q -allusers -af:j JobStatus -limit 2 | xargs)" = "1.0 5 1.1 5" ]
}

@test "ads come as JSON and as text" {
    submit_files
    condor_submit held.sub -queue 2 >/dev/null
    condor_q -json | jq -e 'length == 2 and .[1].ProcId == 1 and .[0].JobStatus == 5'
    condor_q -json -attributes ClusterId,ProcId 1.1 | jq -e '. == [{ "ClusterId": 1, "ProcId": 1 }]'
    condor_q -jsonl | jq -es 'length == 2'
    condor_q -json 99 | jq -e '. == []'
    condor_q -long 1.0 | grep -qx 'JobStatus = 5'
    [ "$(condor_q -long | grep -c '^$')" = 2 ]
}

@test "what narrows a choice counts for clusters, and -held for single jobs too" {
    submit_files
    condor_submit held.sub -queue 3 >/dev/null
    condor_submit held.sub -append 'hold = false' -append 'request_cpus = 1000' -queue 3 >/dev/null
    [ "$(condor_rm -constraint 'ProcId == 1 // the middle one' 1 | head -n 1)" = "All jobs matching constraint (ClusterId == 1) && (ProcId == 1 // the middle one" ]
    [ "$(condor_q -af:j JobStatus | tr '\n' ' ')" = "1.0 5 1.2 5 2.0 1 2.1 1 2.2 1 " ]
    run condor_rm -held 2 2.1
    [ "$status" -eq 1 ]
    [ "$(condor_rm -held 1.2)" = "All held jobs matching constraint (ClusterId == 1 && ProcId == 2) && (JobStatus == 5) have been marked for removal" ]
    [ "$(condor_rm -held)" = "All held jobs have been marked for removal" ]
    [ "$(condor_q -af:j JobStatus | tr '\n' ' ')" = "2.0 1 2.1 1 2.2 1 " ]
    condor_rm -constraint 'ProcId == 7' 2.2 2>&1 | grep -q '^condor_rm: the constraint does not count for 2.2, which is a single job$'
    [ "$(condor_q -af:j JobStatus | tr '\n' ' ')" = "2.0 1 2.1 1 " ]
}

@test "jobs are held, released, vacated and removed with HTCondor's words" {
    submit_files
    condor_submit held.sub -queue 4 >/dev/null
    [ "$(condor_release 1.0)" = "Job 1.0 released" ]
    wait_done 1.0
    [ "$(condor_hold 1.0 2>&1)" = "Job 1.0 not found" ]
    [ "$(condor_hold 1.1 2>&1)" = "Job 1.1 already held" ]
    [ "$(condor_vacate_job -fast 1.1 2>&1)" = "Job 1.1 not running to be fast-vacated" ]
    [ "$(condor_rm 1.1 1.2)" = "Job 1.1 marked for removal
Job 1.2 marked for removal" ]
    [ "$(condor_rm -constraint 'ProcId == 3')" = "All jobs matching constraint (ProcId == 3) have been marked for removal" ]
    condor_submit held.sub -queue 2 >/dev/null
    [ "$(condor_rm 2)" = "All jobs in cluster 2 have been marked for removal" ]
    [ "$(condor_rm 2 2>&1)" = "Couldn't find/remove all jobs in cluster 2" ]
    condor_submit held.sub -queue 2 >/dev/null
    [ "$(condor_rm "$(id -un)")" = "All jobs of user \"$(id -un)\" have been marked for removal" ]
    condor_submit held.sub -queue 2 >/dev/null
    [ "$(condor_rm -all)" = "All jobs have been marked for removal" ]
    run condor_rm -all
    [ "$status" = 1 ]
    printf 'executable = /bin/sleep\narguments = 60\nqueue\n' >sleep.sub
    id=$(condor_submit -terse sleep.sub | sed 's/ .*//')
    wait_state "$id" running
    [ "$(condor_hold "$id" -reason 'as a test' -subcode 9)" = "Job $id held" ]
    wait_state "$id" held
    [ "$(condor_q "$id" -af HoldReason HoldReasonCode)" = "as a test 1" ]
}

@test "the history is told in its order, up to where it is asked for" {
    submit_files
    for i in 1 2 3; do
        condor_submit job.sub >/dev/null
        wait_done "$i.0"
    done
    [ "$(condor_history -af ClusterId | xargs)" = "3 2 1" ]
    [ "$(condor_history -forwards -af ClusterId | xargs)" = "1 2 3" ]
    [ "$(condor_history -limit 1 -af ClusterId ExitCode)" = "3 0" ]
    [ "$(condor_history -match 2 -backwards -af ClusterId | xargs)" = "3 2" ]
    [ "$(condor_history -since 1.0 -af ClusterId | xargs)" = "3 2" ]
    [ "$(condor_history -since 'ClusterId == 2' -af ClusterId)" = 3 ]
    [ -z "$(condor_history -completedsince 'time() + 10' -af ClusterId)" ]
    [ "$(condor_history -completedsince 5 -af ClusterId | xargs)" = "3 2 1" ]
    [ "$(condor_history 2 -format '%d ' ClusterId -format '%s\n' JobState)" = "2 completed" ]
    condor_history -json 1 | jq -e '.[0].ClusterId == 1 and length == 1'
    condor_history | grep -qE '^ +3\.0 .* C +[0-9/]+ +[0-9:]+ true 0$'
}

@test "condor_wait reads the log itself" {
    submit_files
    : >empty.log
    run condor_wait empty.log
    [ "$status" = 1 ]
    condor_submit job.sub >/dev/null
    [ "$(condor_wait -wait 60 job.log)" = "All jobs done." ]
    condor_wait -status -wait 60 job.log 1.0 >out
    [ "$(grep -v executing out | xargs)" = "1.0.0 submitted 1.0.0 completed All jobs done." ]
    condor_wait -echo job.log | grep -q '^005 (001.000.000) '
    for id in 003.002 003.000 002.007 003.001; do
        printf '000 (%s.000) 2026-11-26 07:00:00 Job submitted from host: <x>\n...\n' $id
    done >mixed.log
    for id in 002.007 003.002 003.001; do
        printf '009 (%s.000) 2026-11-26 07:00:01 Job was aborted.\n...\n' $id
    done >>mixed.log
    [ "$(condor_wait -num 3 mixed.log)" = "Specified number of jobs (3) done." ]
    run condor_wait -wait 0 mixed.log 3
    [ "$output" = "Time expired." ]
    [ "$(condor_wait -wait 60 mixed.log 3.1)" = "All jobs done." ]
    run condor_wait job.log 2
    [ "$status" = 1 ]
    [[ "$output" == *"does not mention that job"* ]]
    printf 'executable = /bin/sleep\narguments = 60\nlog = sleep.log\nqueue 2\n' >sleep.sub
    condor_submit sleep.sub >/dev/null
    wait_for "both submissions in the log" [ -s sleep.log ]
    run condor_wait -wait 1 sleep.log
    [ "$status" = 1 ]
    [ "$output" = "Time expired." ]
    condor_wait -num 1 -wait 60 sleep.log >out &
    waiter=$!
    condor_rm 2.0 >/dev/null
    wait "$waiter"
    grep -q 'number of jobs (1) done' out
    stint pool stop >/dev/null
    cp sleep.log copy.log
    run condor_wait -wait 0 copy.log 2.0
    [ "$status" = 0 ]
}

@test "condor_status is the machine, condor_userprio are the users" {
    submit_files
    condor_submit job.sub >/dev/null
    wait_done 1.0
    condor_status | grep -qE ' LINUX +X86_64 '
    condor_status -compact | grep -q '^Machine'
    condor_status -tot | grep -qE '^ +Total +1 '
    [ "$(condor_status -af State -constraint 'TotalCpus > 0')" = Unclaimed ]
    condor_status -json -attributes Name,Cpus | jq -e 'length == 1 and (.[0] | keys) == ["Cpus", "Name"]'
    condor_status -long | grep -q '^MyType = "Machine"$'
    [ "$(condor_status -schedd -af TotalIdleJobs)" = 0 ]
    [ -z "$(condor_status nobody -af Name)" ]
    condor_userprio -all | grep -q "^$(id -un) "
    condor_userprio -setfactor "$(id -un)@here" 7 >/dev/null
    [ "$(condor_userprio -af Name PriorityFactor)" = "$(id -un) 7.0" ]
    run condor_userprio -setaccum "$(id -un)" 1e20
    [ "$status" -eq 1 ]
    condor_userprio -resetusage "$(id -un)" >/dev/null
    [ "$(condor_userprio -allusers -af AccumulatedUsage)" = 0.0 ]
}

@test "a DAG driver's command lines work" {
    submit_files
    # what condor_dagman gives condor_submit for a node
    condor_submit priority=3 -a dag_node_name=A -a "submit_event_notes=DAG Node: A" -a dagman_log=nodes.log -a 'My.DAGManNodesMask="0,1"' \
        -a My.DAGManJobId=17 -a DAGManJobId=17 -a notification=never -a n=5 job.sub >out 2>err
    cluster=$(sed -n 's/^[0-9]* job(s) submitted to cluster \([0-9]*\)\.$/\1/p' out)
    condor_wait -wait 60 job.log "$cluster" >/dev/null
    grep -q "^000 ($(printf %03d "$cluster").000.000) " job.log
    [ "$(condor_history "$cluster" -af DAGManJobId)" = 17 ]
    [ -z "$(condor_q -constraint 'DAGManJobId == 17' -af ClusterId)" ]
}

@test "Pegasus' command lines work" {
    submit_files
    (cat held.sub; echo '+pegasus_root_wf_uuid = "u-1"'; echo '+pegasus_wf_dag_job_id = "x"'; echo queue) >dag.condor.sub
    condor_submit dag.condor.sub >/dev/null
    condor_q -constraint 'pegasus_root_wf_uuid == "u-1"' -json |
        jq -e 'length == 1 and .[0].pegasus_wf_dag_job_id == "x" and .[0].JobStatus == 5 and (.[0].Iwd | length > 0)'
    condor_q -json | jq -e 'length == 1'
    [ "$(condor_q -constraint 'ClusterId == 1' -format '%s ' pegasus_root_wf_uuid -format '%s ' pegasus_wf_dag_job_id -format '%s' RemoteHost)" = "u-1 x " ]
}

@test "command lines of profiles and pilots work" {
    submit_files
    # dask-jobqueue, parsl, DIRAC, BLAHP, batchtools, snakemake profiles
    condor_submit held.sub -queue | grep -qE 'submitted to cluster [0-9]+'
    [ "$(condor_q 1.0 -af:jr JobStatus)" = "1.0 5" ]
    condor_q 1 -af:j JobStatus HoldReasonCode HoldReasonSubCode HoldReason | grep -qE "^1\.0 5 15 (0|undefined) submitted on hold at user's request$"
    condor_q -long -submitter "$(id -un)" | grep -q '^ClusterId = 1$'
    [ "$(condor_q 1 -format '%d.' ClusterId -format '%d ' ProcId -format '%-2s\n' JobStatus)" = "1.0 5 " ]
    [ "$(condor_q -af:h ClusterId JobStatus)" = "ClusterId JobStatus
1         5" ]
    [ "$(condor_q -name nowhere 1 -af ProcId 2>/dev/null)" = 0 ]
    condor_rm 1 >/dev/null
    wait_done 1.0
    [ "$(condor_history -constraint 'ClusterId==1' -format '%d ' ClusterId -format '%s ' Owner -format '%d ' JobStatus -format '%s ' Cmd -format '%s ' ExitStatus -format '%s\n' Nothing)" = "1 $(id -un) 3 /bin/true " ]
    [ "$(condor_history -limit 1 -format '%v|' NumCkpts -format '\n' EMPTY)" = "0|" ]
}

@test "the names are installed as links, and nothing else is touched" {
    run make -s -C "$project" install-condor-names DESTDIR="$work/root" PREFIX=/opt
    [ "$status" = 0 ]
    [ "$(readlink root/opt/bin/condor_q)" = stint ]
    [ "$(find root -type l | wc -l)" = 11 ]
    rm root/opt/bin/condor_q
    echo theirs >root/opt/bin/condor_q
    run make -s -C "$project" install-condor-names DESTDIR="$work/root" PREFIX=/opt
    [ "$status" != 0 ]
    [[ "$output" == *"condor_q is there and is not stint's"* ]]
    run make -s -C "$project" uninstall-condor-names DESTDIR="$work/root" PREFIX=/opt
    [ "$(ls root/opt/bin)" = condor_q ]
    [ "$(cat root/opt/bin/condor_q)" = theirs ]
}
