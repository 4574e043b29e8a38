#!/bin/sh
# Checks what the table of modules forbids: who includes whom, what only one module may name, what a pure module may do, which
# functions nobody calls, and how long a file may be. Prints every violation as FILE:LINE: WHAT.
#
#   layers.sh ROOT [LIBRARY…]   LIBRARY: a pure module's archive, which must have no mutable globals
#   layers.sh --self-test       breaks every rule in a tree of its own and looks whether that is found
set -u
LC_ALL=C
export LC_ALL

# The table. A module may include its own headers and those of the modules in its row.
row() {
    case $1 in
    base | lib) ;;
    self) echo lib ;;
    ad | store | context | fetch) echo base ;;
    job) echo base ad ;;
    policy | queue | backend | cli) echo base ad job ;;
    engine) echo base ad job store context ;;
    runner) echo base ad job policy store context engine ;;
    pool) echo base ad store context job policy queue engine backend ;;
    sim) echo base ad job policy ;;
    *) return 1 ;;
    esac
}

max_lines=600
pure='ad|job|policy'
# Headers of a pure module: no files, no clock, no processes. signal.h is there for the names of signals.
pure_headers='assert|ctype|errno|float|inttypes|limits|math|search|signal|stdarg|stdbool|stddef|stdint|stdio|stdlib|string|strings|sys/types'
pure_libraries='json-c/[a-z_]*|pcre2'
impure_base='clock|fault|file|identity|journal|log|loop'
banned='strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|system|popen'
namespaces='unshare|setns|clone|clone3|mount|umount|umount2|pivot_root|open_tree|move_mount|fsopen|fsmount|mount_setattr'
impure='hcreate|hsearch|hdestroy|time|clock|clock_gettime|gettimeofday|localtime|localtime_r|mktime|open|openat|creat|read|write|pread|pwrite|close|stat|fstat|lstat|fopen|fdopen|freopen|fclose|fread|fwrite|fprintf|vfprintf|printf|vprintf|puts|putchar|fputs|fputc|putc|fgets|fgetc|getline|perror|scanf|fscanf|getenv|secure_getenv|setenv|putenv|unsetenv|rand|random|srand|getpid|getuid|fork|kill|sleep|usleep|exit|_exit'

# Every line as FILE:LINE:TEXT, comments removed, in $work/text; and in $work/code with the contents of literals removed, too.
strip_comments() {
    find src tests -name '*.[ch]' -exec awk -v text_file="$work/text" -v code_file="$work/code" '
        FNR == 1 { comment = 0 }
        {
            rest = $0; code = ""; text = ""
            while (rest != "") {
                if (comment) {
                    end = index(rest, "*/")
                    if (!end) break
                    comment = 0; rest = substr(rest, end + 2); code = code " "; text = text " "
                    continue
                }
                if (!match(rest, /["\047]|\/\*|\/\//)) { code = code rest; text = text rest; break }
                head = substr(rest, 1, RSTART - 1); token = substr(rest, RSTART, RLENGTH)
                rest = substr(rest, RSTART + RLENGTH); code = code head; text = text head
                if (token == "//") break
                if (token == "/*") { comment = 1; continue }
                for (i = 1; i <= length(rest); i++) {
                    c = substr(rest, i, 1)
                    if (c == "\\") i++
                    else if (c == token) break
                }
                text = text token substr(rest, 1, i); code = code token token; rest = substr(rest, i + 1)
            }
            print FILENAME ":" FNR ":" text > text_file
            print FILENAME ":" FNR ":" code > code_file
        }' {} +
}

# Prints FILE:LINE: MESSAGE for each FILE:LINE:TEXT that comes in.
report() {
    sed "s|^\([^:]*:[0-9]*\):.*|\1: $1|"
}

check_includes() {
    grep -E '^src/[^:]*:[0-9]+:[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$work/text" |
        sed 's|^src/\([^/:]*\)/\([^:]*:[0-9]*\):[^"]*"\([^"]*\)".*|\1 \2 \3|' | while read -r module where header; do
        case $header in
        */*) ;;
        *) echo "src/$module/$where: include \"$header\" by its module's name" && continue ;;
        esac
        case " $module $(row "$module") " in
        *" ${header%%/*} "*) ;;
        *) echo "src/$module/$where: $module may not include \"$header\"" ;;
        esac
    done
    for directory in src/*/; do
        module=$(basename "$directory")
        row "$module" >"$work/row" || echo "src/$module:0: this module has no row in the table"
    done
}

check_names() {
    grep -E '^src/' "$work/text" | grep -vE '^src/queue/' | grep -E 'include.*sqlite3' | report 'sqlite3.h is for queue/ only'
    grep -E '^src/' "$work/text" | grep -vE '^src/(context/|engine/affinity\.c)' | grep -E 'include.*<(sched|sys/mount|linux/mount)\.h>' |
        report 'this header is for context/ only'
    grep -E '^src/' "$work/code" | grep -vE '^src/context/' |
        grep -E "(:|[^A-Za-z0-9_.>])($namespaces)[[:space:]]*\\(|CLONE_NEW|SYS_($namespaces)[^a-z_0-9]" |
        report 'namespaces and mounts are for context/ only'
    # What the pool hands over and what people read may say the name; how it is run may not.
    sed -E 's/[Cc]riu_?[Dd]ir|WantCriuPipe|criu_pipe|\(CRIU\)//g' "$work/text" | grep -iE '^src/[^:]*:[0-9]+:.*criu' |
        grep -vE '^src/(engine/|pool/criu\.c)' | report 'criu is named in engine/ only'
    grep -iE '^src/[^:]*:[0-9]+:.*sbatch' "$work/text" | grep -vE '^src/backend/' | report 'sbatch is named in backend/ only'
}

check_pure() {
    grep -E "^src/($pure)/" "$work/text" | grep -E ':[[:space:]]*#[[:space:]]*include[[:space:]]*<' |
        grep -vE "<(($pure_headers)|($pure_libraries))(\\.h)?>" | report 'a pure module may not include this'
    grep -E "^src/($pure)/" "$work/text" | grep -E "include[[:space:]]*\"base/($impure_base)\\.h\"" |
        report 'a pure module may not include this'
    grep -E "^src/($pure)/" "$work/code" |
        grep -E "(:|[^A-Za-z0-9_.>])($impure)[[:space:]]*\\(|[^A-Za-z0-9_](stdin|stdout|stderr|environ)([^A-Za-z0-9_]|\$)" |
        report 'a pure module has no I/O, clock or environment'
}

check_everywhere() {
    grep -E '^src/' "$work/code" | grep -E "(:|[^A-Za-z0-9_.>])($banned)[[:space:]]*\\(" | report 'this function is banned'
    find src tests -name '*.[ch]' -exec awk -v max=$max_lines '
        FNR == max + 1 { print FILENAME ":" FNR ": a file of more than " max " lines has two subjects" }' {} +
}

# Sections other than .data and .bss hold what the linker makes constant. __odr_asan: the address sanitizer's own.
check_globals() {
    for library; do
        [ -r "$library" ] || echo "$library:0: no such library"
        nm -A -f sysv "$library" 2>"$work/nm" | awk -F'|' '
            $7 ~ /^(\.data|\.bss|\.tdata|\.tbss|\*COM\*)/ && $7 !~ /^\.data\.rel\.ro/ && $1 !~ /__odr_asan/ {
                sub(/ *$/, "", $1); print $1 ": a pure module has no mutable globals"
            }'
    done
}

check() {
    root=$1
    shift
    work=$(mktemp -d) || exit 2
    (
        cd "$root" || exit 2
        : >"$work/text"
        : >"$work/code"
        strip_comments
        check_includes
        check_names
        check_pure
        check_everywhere
    ) >"$work/found"
    check_globals "$@" >>"$work/found"
    sort -t: -k1,1 -k2,2n "$work/found"
    found=$(wc -l <"$work/found")
    rm -rf "$work"
    [ "$found" -eq 0 ]
}

# ---- the check's own test ----

make_tree() {
    rm -rf "$tree"
    for module in base ad store context job policy queue engine backend runner pool cli sim; do
        mkdir -p "$tree/src/$module"
        echo '#pragma once' >"$tree/src/$module/$module.h"
    done
    mkdir -p "$tree/tests/unit"
    cat >"$tree/src/job/good.c" <<'END'
#include "job/job.h"
#include "ad/ad.h"
#include <stdio.h>
/* time() and printf() and strcpy(), criu, sbatch: all in a comment
   of two lines, with "a quote */
static const char *const names[] = { "time(NULL) \" strcpy(a, b)", "/* no comment */" }; // getenv("X")
int good(struct thing *x) { return x->read(x) + x->time + snprintf(0, 0, "%s", names[0]) + '"' + runtime(1); }
END
    printf '#include <sqlite3.h>\n' >"$tree/src/queue/good.c"
    printf '#include <sched.h>\nint f(void) { return unshare(CLONE_NEWNS); }\n' >"$tree/src/context/good.c"
    printf 'const char *f = "criu";\n' >"$tree/src/engine/good.c"
    printf 'const char *f = "sbatch";\n' >"$tree/src/backend/good.c"
    printf '#include <time.h>\n#include <stdlib.h>\nlong f(void) { return time(0) + (getenv("X") != 0); }\n' \
        >"$tree/src/base/good.c"
}

tests=0
failed=0
result() {
    tests=$((tests + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $tests - $2"
    else
        echo "not ok $tests - $2"
        failed=1
    fi
}

# finds NAME FILE CONTENT EXPECTED: the file breaks a rule, and nothing else is reported
finds() {
    make_tree
    printf "$3" >"$tree/$2"
    output=$(check "$tree") && output="nothing was found"
    case $output in
    *"
"*) ;;
    "$2:$4"*) result 0 "$1" && return ;;
    esac
    echo "# $output"
    result 1 "$1"
}

finds_globals() {
    printf "$2" >"$tree/x.c"
    ${CC:-cc} -fPIC -c "$tree/x.c" -o "$tree/x.o" && rm -f "$tree/libx.a" && ar rc "$tree/libx.a" "$tree/x.o"
    make_status=$?
    output=$(cd / && check_globals "$tree/libx.a")
    case $make_status,$output in
    "0,"$3) result 0 "$1" ;;
    *) echo "# $output" && result 1 "$1" ;;
    esac
}

self_test() {
    tree=$(mktemp -d) || exit 2
    make_tree
    output=$(check "$tree")
    result $? "a tree that keeps the rules passes"
    [ -z "$output" ] || echo "# $output"
    finds "base includes nobody" src/base/x.c '#include "ad/ad.h"\n' '1: base may not include'
    finds "policy cannot see the store" src/policy/x.h '\n  #  include "store/store.h"\n' '2: policy may not include'
    finds "the simulator cannot see the queue" src/sim/x.c '#include "queue/queue.h"\n' '1: sim may not include'
    finds "the pool cannot see the runner" src/pool/x.c '#include "runner/runner.h"\n' '1: pool may not include'
    finds "the queue cannot see the policy" src/queue/x.c '#include "policy/policy.h"\n' '1: queue may not include'
    finds "headers are included by module" src/ad/x.c '#include "ad.h"\n' '1: include "ad.h" by'
    finds "sqlite3 is the queue's" src/pool/x.c '#include <sqlite3.h>\n' '1: sqlite3.h is for queue'
    finds "mount.h is context's" src/runner/x.c '#include <sys/mount.h>\n' '1: this header is for context'
    finds "unshare is context's" src/runner/x.c 'int f(void) {\n  return unshare (0); }\n' '2: namespaces and mounts'
    finds "clone flags are context's" src/engine/x.c 'int f = CLONE_NEWPID;\n' '1: namespaces and mounts'
    finds "raw system calls are no way around" src/engine/x.c 'int f = SYS_setns;\n' '1: namespaces and mounts'
    finds "criu is engine's" src/runner/x.c 'const char *f = "/usr/sbin/CRIU";\n' '1: criu is named'
    finds "sbatch is backend's" src/pool/x.c 'const char *f = "sbatch";\n' '1: sbatch is named'
    finds "pure modules have no clock" src/policy/x.c 'long f(void) { return time(0); }\n' '1: a pure module has no'
    finds "pure modules have no clock header" src/job/x.c '#include <time.h>\n' '1: a pure module may not'
    finds "pure modules have no files" src/ad/x.c 'int f(void) { return open("x", 0); }\n' '1: a pure module has no'
    finds "pure modules do not print" src/ad/x.c 'int f(void) { return fprintf(f, ""); }\n' '1: a pure module has no'
    finds "pure modules have no streams" src/ad/x.c 'void *f(void) { return stderr; }\n' '1: a pure module has no'
    finds "pure modules have no environment" src/job/x.c 'int f(void) { return !getenv("X"); }\n' '1: a pure module has no'
    finds "pure modules have no loop" src/policy/x.c '#include "base/loop.h"\n' '1: a pure module may not'
    for function in strcpy strcat sprintf gets strtok atoi system popen; do
        finds "$function is banned" src/cli/x.c "int f(void) { return $function(x); }\n" '1: this function is banned'
    done
    finds "a comment's end is seen" src/cli/x.c '/* a\n*/ int f = atoi(x);\n' '2: this function is banned'
    finds "a literal's end is seen" src/cli/x.c 'int f = g("\\\\" "a\\"b", atoi(x));\n' '1: this function is banned'
    finds "files are short" tests/unit/x.c "$(yes '' | head -n 601 | tr '\n' 'x' | sed 's/x/\\n/g')" '601: a file of more'
    make_tree
    mkdir "$tree/src/util"
    output=$(check "$tree")
    [ "$output" = "src/util:0: this module has no row in the table" ]
    result $? "a module needs a row in the table"
    make_tree
    finds_globals "constants are no globals" 'static const char *const a[] = { "x" }; const char *f(int i) { return a[i]; }\n' ''
    finds_globals "a static variable is found" 'int f(void) { static int seen; return seen++; }\n' '*seen*no mutable globals'
    finds_globals "an initialized variable is found" 'int counter = 5;\n' '*counter*no mutable globals'
    finds_globals "a mutable table is found" 'static const char *a[2]; const char **f(void) { return a; }\n' '*:a: *no mutable globals'
    output=$(check_globals "$tree/nothing.a")
    [ "$output" = "$tree/nothing.a:0: no such library" ]
    result $? "a library that is not there is found missing"
    rm -rf "$tree"
    echo "1..$tests"
    return $failed
}

case ${1:-} in
--self-test)
    work=$(mktemp -d) || exit 2
    self_test
    status=$?
    rm -rf "$work"
    exit $status
    ;;
'')
    echo "usage: $0 ROOT [LIBRARY…] | --self-test" >&2
    exit 2
    ;;
*) check "$@" ;;
esac
