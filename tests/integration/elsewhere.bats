#!/usr/bin/env bats
# Checkpoints that are resumed where the machine is another one than it was: other libraries, another program under the same name, another
# host name, another pool.
load lib

pool_method=auto
export STINT_CRIU=${STINT_CRIU:-$project/build/criu}

setup_file() {
    command -v cc >/dev/null || return 1
    [ -x "$STINT_CRIU/criu" ] || return 0 # each test says so
    export BUILDS=$BATS_FILE_TMPDIR/builds
    mkdir -p "$BUILDS"
    local n
    for n in 1 2; do
        mkdir -p "$BUILDS/$n"
        printf 'int answer(void);\nint answer(void) { return %d; }\n' $n |
            cc -shared -fPIC -Wl,--build-id -Wl,-soname,libanswer.so -o "$BUILDS/$n/libanswer.so" -x c -
        printf '%s\n' '#include <stdio.h>' '#include <unistd.h>' 'int answer(void);' 'int main(void) {' \
            '    for (int n = 0; access("gate", F_OK) != 0; n++) { printf("%d\n", n); fflush(stdout); usleep(50000); }' \
            "    printf(\"program $n, library %d\\n\", answer()); return 0; }" |
            cc -Wl,--build-id -Wl,-rpath,'$ORIGIN/../libs' -o "$BUILDS/$n/count" -x c - -x none "$BUILDS/$n/libanswer.so"
    done
}

setup_place() { # the root file system that the job gets, or a part of it
    mkdir -p "$1/bin" "$1/libs" "$1/lib64" "$1/etc"
    install_build 1 "$1" libanswer.so
    install_build 1 "$1" count
}

# install_build N PLACE FILE: as a package manager does it: a new file under the old name.
install_build() {
    local to=$2/libs/$3
    [ "$3" != count ] || to=$2/bin/count
    cp "$BUILDS/$1/$3" "$to.new"
    mv "$to.new" "$to"
}

# boxed_place PLACE: with what else a program needs that has no other root.
boxed_place() {
    local library
    setup_place "$1"
    for library in $(LD_LIBRARY_PATH=$1/libs ldd "$1/bin/count" | grep -o '/[^ ]*'); do
        case $library in
        */libanswer.so) ;;
        /lib64/*) cp -n "$library" "$1/lib64" ;;
        *) cp -n "$library" "$1/libs" ;;
        esac
    done
}

# counting LINE…: starts the counter of the root directory `tree`; sets $id.
counting() {
    printf '%s\n' "executable = /bin/count" "container_image = tree/" "checkpoint_method = transparent" "output = c.out" "error = c.err" \
        "transfer_output_files = \"\"" "$@" queue >c.sub
    id=$(submit c.sub)
    wait_printed "$id" 3
}

end_count() { : >"$(echo "$STINT_DIR"/jobs/"$id"/stint.*/work)/gate"; }
last_line() { stint log "$id" | tail -n 1; }

# goes_on N: it runs for the N-th time, and prints.
goes_on() {
    wait_event "$id" running "$1"
    wait_printed "$id" $(($(last_line) + 3))
}

# away COMMAND…: while that is done the job is on hold, with a checkpoint.
away() {
    local before
    stint hold "$id"
    wait_state "$id" held
    is "$id" HoldReasonCode 1
    "$@"
    before=$(attr "$id" StintNumber)
    stint release "$id"
    wait_for "another stint" at_least "$id" StintNumber $((before + 1))
}

ends_with() {
    end_count
    completed "$id" || { cat c.err; return 1; }
    counts_up c.out
    [ "$(tail -n 1 c.out)" = "$1" ] || { tail -n 3 c.out; return 1; }
    is "$id" LostUs 0 || { stint show "$id"; return 1; }
}

# refused_because PATTERN: held for what is different; no checkpoint is given up for it.
refused_because() {
    wait_state "$id" held completed
    is "$id" HoldReasonCode 13
    [[ "$(attr "$id" HoldReason)" == *$1* ]] || { attr "$id" HoldReason; return 1; }
    ! happened "$id" checkpoint_corrupt
    [ "$(stint ckpt ls "$id" --json | jq '.Checkpoints | length')" -ge 1 ]
}

build_id() { readelf -n "$1" | sed -n 's/.*Build ID: \(............\).*/\1/p'; }

@test "with checkpoint_bundle a job resumes with the library that it began with, again and again" {
    boxed_place tree
    counting "checkpoint_bundle = true"
    away install_build 2 tree libanswer.so
    goes_on 2
    away true
    goes_on 3
    stint vacate "$id"
    goes_on 4
    ends_with "program 1, library 1"
}

@test "with checkpoint_bundle a job resumes with the program that it began with" {
    boxed_place tree
    counting "checkpoint_bundle = true"
    away install_build 2 tree count
    goes_on 2
    away true
    goes_on 3
    ends_with "program 1, library 1"
}

@test "with checkpoint_bundle a job whose library is gone is held, and goes on where there is a place for its own" {
    boxed_place tree
    counting "checkpoint_bundle = true"
    away rm tree/libs/libanswer.so
    refused_because "there is no '/libs/libanswer.so' here"
    : >tree/libs/libanswer.so
    stint release "$id"
    goes_on 2
    away true
    goes_on 3
    ends_with "program 1, library 1"
}

@test "without a bundle a job is held where a library is another, and goes on when it is back" {
    boxed_place tree
    counting
    away install_build 2 tree libanswer.so
    refused_because "'/libs/libanswer.so' with build-id $(build_id "$BUILDS/1/libanswer.so")"
    refused_because "here it has build-id $(build_id "$BUILDS/2/libanswer.so")"
    refused_because "checkpoint_bundle = true"
    stint release "$id"
    wait_for "its next stint" at_least "$id" StintNumber 3
    refused_because "/libs/libanswer.so"
    install_build 1 tree libanswer.so
    stint release "$id"
    goes_on 2
    ends_with "program 1, library 1"
}

@test "without a bundle a job is held where its program is another, or gone, and goes on when it is back" {
    boxed_place tree
    counting
    away install_build 2 tree count
    refused_because "'/bin/count' with build-id $(build_id "$BUILDS/1/count")"
    rm tree/bin/count
    stint release "$id"
    wait_for "its next stint" at_least "$id" StintNumber 3
    refused_because "'/bin/count' with build-id"
    refused_because "which is not here"
    install_build 1 tree count
    stint release "$id"
    goes_on 2
    ends_with "program 1, library 1"
}

@test "what a program has mapped and has no build-id is known by its content" {
    boxed_place tree
    objcopy --remove-section .note.gnu.build-id tree/libs/libanswer.so
    cp tree/libs/libanswer.so kept
    counting
    spoil() { printf X | dd of=tree/libs/libanswer.so bs=1 seek=$(($(stat -c %s kept) - 1)) conv=notrunc 2>/dev/null; }
    again() { cp kept tree/libs/new && mv tree/libs/new tree/libs/libanswer.so; } # the same, but for the inode
    away again
    goes_on 2
    away spoil
    refused_because "'/libs/libanswer.so' with sha256"
    cp kept tree/libs/libanswer.so
    stint release "$id"
    goes_on 3
    ends_with "program 1, library 1"
}

# ---- without a container: a program that stays where it is ----

installed() {
    place=$(mktemp -d "${HOME:-/root}/stint-elsewhere.XXXXXX") # not below /tmp, which is the job's own
    setup_place "$place"
    printf '%s\n' "executable = $place/bin/count" "transfer_executable = false" "checkpoint_method = transparent" "output = c.out" "error = c.err" \
        "transfer_output_files = \"\"" "$@" queue >c.sub
    id=$(submit c.sub)
    wait_printed "$id" 3
}

teardown() {
    [ -z "${place:-}" ] || rm -rf "$place"
    stop_everything
}

@test "an upgrade of a program and its library on the machine does not touch a job that takes its own along" {
    installed "checkpoint_bundle = true"
    upgrade() { install_build 2 "$place" libanswer.so && install_build 2 "$place" count; }
    away upgrade
    goes_on 2
    away true
    goes_on 3
    ends_with "program 1, library 1"
}

@test "an upgrade while the job runs: it is told, it runs on, and is checkpointed again once it may be" {
    installed "checkpoint_interval = 1h"
    stint checkpoint "$id"
    install_build 2 "$place" libanswer.so
    run stint checkpoint "$id"
    if [ "$status" = 0 ]; then # then it can be resumed, too
        away true
        refused_because "libanswer.so"
    else
        [[ "$output" == *libanswer.so* ]] || { echo "$output"; false; }
        wait_printed "$id" $(($(last_line) + 3))
        stint vacate "$id" # to the checkpoint before, which needs the old library
        refused_because "libanswer.so"
    fi
    install_build 1 "$place" libanswer.so
    stint release "$id"
    goes_on 2
    end_count
    completed "$id"
    counts_up c.out
    [ "$(tail -n 1 c.out)" = "program 1, library 1" ]
}

# ---- another pool, on a machine with another name ----

# on_host NAME COMMAND…: where the host is called so.
on_host() {
    local name=$1
    shift
    if [ "$(id -u)" = 0 ]; then
        unshare --uts sh -c 'hostname "$0" && exec "$@"' "$name" "$@"
    else
        unshare --user --map-current-user --keep-caps --uts sh -c 'hostname "$0" && exec setpriv --inh-caps -all --ambient-caps -all "$@"' "$name" "$@"
    fi
}

other_pool() {
    stop_everything
    export STINT_DIR=$BATS_TEST_TMPDIR/a-pool-elsewhere
    mkdir -p "$STINT_DIR" "$BATS_TEST_TMPDIR/another-place"
    conf
    cd "$BATS_TEST_TMPDIR/another-place" || return 1
    on_host "$1" "$stint" pool start
}

@test "a checkpoint goes to another pool, another directory and another host, and the program notices nothing" {
    on_host elsewhere true 2>/dev/null || skip "no other host name can be had here"
    cat >names <<'JOB'
#!/bin/bash
n=0
until [ -e gate ]; do
    echo $n
    n=$((n + 1))
    [ -e /stint/work/notes ] && read -r first <notes || hostname >notes
    [ "$first" = "" ] || [ "$first" = "$(hostname)" ] || { echo "the host is called $(hostname), it was $first" >&2; exit 1; }
    sleep 0.05
done
pwd
JOB
    chmod +x names
    printf '%s\n' "executable = names" "output = c.out" "error = c.err" "transfer_output_files = \"\"" "log = c.log" queue >c.sub
    id=$(submit c.sub)
    wait_printed "$id" 5
    stint checkpoint "$id"
    stint ckpt export "$id" -o "$BATS_TEST_TMPDIR/a.tar"
    cp "$STINT_DIR/store.key" "$BATS_TEST_TMPDIR/key"
    last=$(last_line)
    other_pool elsewhere
    run stint ckpt import "$BATS_TEST_TMPDIR/a.tar"
    [ "$status" = 1 ]
    id=$(stint ckpt import --json "$BATS_TEST_TMPDIR/a.tar" --key "$BATS_TEST_TMPDIR/key" | jq -r .Id)
    state_is "$id" held
    stint edit "$id" "initialdir=$PWD"
    stint release "$id"
    wait_printed "$id" $((last + 10))
    # It is checkpointed there like any other, and keeps the name.
    away true
    goes_on 2
    stint vacate "$id"
    goes_on 3
    end_count
    completed "$id" || { cat c.err; false; }
    counts_up c.out
    [ "$(tail -n 1 c.out)" = /stint/work ]
    [ ! -s c.err ] || { cat c.err; false; }
    other_pool third
    id=$(stint ckpt import --json "$BATS_TEST_TMPDIR/a.tar" --unverified | jq -r .Id)
    stint edit "$id" "initialdir=$PWD"
    stint release "$id"
    wait_printed "$id" $((last + 5))
    end_count
    completed "$id"
    counts_up c.out
}
