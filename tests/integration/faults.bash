# What the tests of faults share. The work is done by programs beside this file: each makes a pool of its own in a directory of its
# own, does something to it, and then judges what is there (see invariants).

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export STINT_BUILD=${STINT_BUILD:-$here/../../build/check}
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=0}
export PYTHONDONTWRITEBYTECODE=1

# fault NAME: one of those in the program of that name.
fault() {
    run "$here/fault" "$1"
    if [ "$status" = 77 ]; then
        skip "${lines[-1]}"
    fi
    echo "$output"
    [ "$status" = 0 ]
}

root_only() {
    [ "$(id -u)" = 0 ] || skip "the same is tried as root; as an ordinary user only: $1"
}
