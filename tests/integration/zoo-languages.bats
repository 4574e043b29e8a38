#!/usr/bin/env bats
# What people run: shells, interpreters, a compiler under make, MPI, a program at a terminal. Each is evicted three times at random moments, and
# resumed in a new context; nothing may be lost, nothing be done twice, and it must not notice.
load lib
load zoo

# start NAME: submits it, or says in NAME.absent why it can not be.
start() {
    local path='environment = "PATH=/usr/bin:/bin LC_ALL=C.UTF-8"'
    case $1 in
    bash-loop | bash-pipeline | terminal | make-gcc | perl-zoo)
        zoo_job "$1" "$zoo/$1" "$ZOO_SECONDS" "$path"
        ;;
    python-*) zoo_job "$1" /usr/bin/python3 "$1 $ZOO_SECONDS" "$path" "transfer_executable = false" "transfer_input_files = $zoo/$1" ;;
    r-zoo) zoo_job "$1" /usr/bin/Rscript "r-zoo.R $ZOO_SECONDS" "$path" "transfer_executable = false" "transfer_input_files = $zoo/r-zoo.R" ;;
    node-zoo) zoo_job "$1" "$(command -v node || command -v nodejs)" "node-zoo.js $ZOO_SECONDS" "$path" "transfer_executable = false" \
        "transfer_input_files = $zoo/node-zoo.js" ;;
    JavaZoo) zoo_job "$1" /usr/bin/java "JavaZoo.java $ZOO_SECONDS" "$path" "transfer_executable = false" \
        "transfer_input_files = $zoo/JavaZoo.java" "request_memory = 1024" ;;
    mpi)
        mpicc -O1 -o mpi "$zoo/mpi.c"
        # As root mpirun has to be told that it may; between its processes are connections, which only a network of the job's own keeps.
        zoo_job "$1" "$(command -v mpirun)" "--oversubscribe -n 2 mpi $ZOO_SECONDS" "transfer_executable = false" \
            "transfer_input_files = mpi" "own_network = true" \
            'environment = "PATH=/usr/bin:/bin OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"'
        ;;
    esac
}

# What each of them needs: a command, or a test.
there() {
    case $1 in
    bash-*) true ;;
    perl-zoo) perl -MTime::HiRes -e 1 ;;
    python-numpy) /usr/bin/python3 -c 'import numpy' ;;
    python-*) [ -x /usr/bin/python3 ] ;;
    r-zoo) [ -x /usr/bin/Rscript ] ;;
    node-zoo) command -v node || command -v nodejs ;;
    JavaZoo) [ -x /usr/bin/java ] && java --list-modules | grep -q jdk.compiler ;;
    make-gcc) command -v make && command -v gcc ;;
    mpi) command -v mpicc && command -v mpirun ;;
    terminal) command -v script ;;
    esac >/dev/null 2>&1
}

setup_file() {
    transparent_works || return 0
    zoo_setup_file
    local name names=()
    for name in bash-loop bash-pipeline perl-zoo python-zoo python-numpy python-multiprocessing r-zoo node-zoo JavaZoo make-gcc mpi terminal; do
        if there "$name"; then names+=("$name"); else : >"$name.absent"; fi
    done
    zoo_evict start "${names[@]}"
}

setup() { zoo_setup; }
teardown() { :; }
teardown_file() { stop_everything; }

judge() {
    [ ! -e "$1.absent" ] || skip "$2 is not installed"
    zoo_judge "$1"
}

@test "a loop of bash" { judge bash-loop bash; }
@test "a pipeline of bash with subshells and a background job" { judge bash-pipeline bash; }
@test "Perl with a child, signals and closures" { judge perl-zoo perl; }
@test "Python with threads, children and pipes" { judge python-zoo python3; }
@test "numpy" { judge python-numpy python3-numpy; }
@test "multiprocessing" { judge python-multiprocessing python3; }
@test "R" { judge r-zoo r-base-core; }
@test "Node.js" { judge node-zoo nodejs; }
@test "Java" { judge JavaZoo default-jdk-headless; }
@test "a Makefile that runs gcc" { judge make-gcc "make or gcc"; }
@test "MPI on one host" { judge mpi "openmpi-bin or libopenmpi-dev"; }
@test "a program under script" { judge terminal bsdutils; }
