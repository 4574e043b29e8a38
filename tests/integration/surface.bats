#!/usr/bin/env bats
# What the pool shows to the outside: its socket under many clients, its directory under any umask, its users to each other.
load lib

# polls N: N long polls at once; prints a line when all are sent, and dies with them open when its input ends.
polls() {
    exec python3 -c '
import resource, socket, sys, time
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
many = []
for i in range(int(sys.argv[2])):
    s = socket.socket(socket.AF_UNIX)
    s.setblocking(False)
    for attempt in range(500):
        try:
            s.connect(sys.argv[1])
            break
        except BlockingIOError: # the backlog is full at the moment
            time.sleep(0.01)
    s.sendall(b"GET /v1/events?after=999999&wait=60 HTTP/1.1\r\nHost: stint\r\n\r\n")
    many.append(s)
print(len(many), flush=True)
sys.stdin.read()
' "$STINT_DIR/pool.sock" "$1"
}

# opened N: starts polls in the background; $client is its process.
opened() {
    mkfifo "$work/end"
    polls "$1" <"$work/end" >"$work/sent" &
    client=$!
    exec 9>"$work/end"
    wait_for "the polls" test -s "$work/sent"
}

@test "clients that took every connection and died leave a pool that answers" {
    stint pool start
    opened 560
    kill -KILL "$client"
    exec 9>&-
    DEADLINE=10 wait_for "an answer" stint pool status
    timeout 10 "$stint" q
}

@test "a pool whose connections are all taken keeps some for other questions" {
    stint pool start
    opened 300
    timeout 10 "$stint" pool status
    [ "$(curl -s -o out -w '%{http_code}' --unix-socket "$STINT_DIR/pool.sock" 'http://stint/v1/events?after=999999&wait=60')" = 429 ]
    grep -q "wait for events already" out
    exec 9>&-
    wait "$client"
}

@test "a poll whose client is gone ends at once" {
    stint pool start
    opened 5
    pool=$(pid_of_pool)
    before=$(ls "/proc/$pool/fd" | wc -l)
    kill -KILL "$client"
    exec 9>&-
    fewer() { [ "$(ls "/proc/$pool/fd" | wc -l)" -le $((before - 5)) ]; }
    DEADLINE=10 wait_for "the connections' end" fewer
}

@test "a pool that was started under a narrow umask serves its users, and only them" {
    (umask 077 && stint pool start)
    want=700
    [ "$(id -u)" != 0 ] || want=711
    [ "$(stat -c %a "$STINT_DIR")" = "$want" ]
    [ "$(stat -c %a "$STINT_DIR/jobs")" = "$want" ]
    [ "$(stat -c %a "$STINT_DIR/store")" = 700 ]
}

@test "a directory that others may write is refused, and said so" {
    chmod 777 "$STINT_DIR"
    run stint pool start
    chmod 755 "$STINT_DIR"
    [ "$status" = 1 ]
    [[ "$output" == *"may be written by others"* ]]
    [ ! -e "$STINT_DIR/queue.db" ]
}

@test "a directory below one that others may write is refused, below a sticky one not" {
    mkdir -p "$work/open/pool"
    chmod 777 "$work/open"
    STINT_DIR=$work/open/pool run stint pool start
    [ "$status" = 1 ]
    [[ "$output" == *"$work/open"*"could replace"* ]]
    chmod 1777 "$work/open"
    STINT_DIR=$work/open/pool stint pool start
    STINT_DIR=$work/open/pool stint pool stop
}

@test "a directory of somebody else is refused" {
    [ "$(id -u)" = 0 ] || skip "only root gives directories away"
    chown nobody "$STINT_DIR"
    run stint pool start
    chown root "$STINT_DIR"
    [ "$status" = 1 ]
    [[ "$output" == *"belongs to user"* ]]
}

@test "the log of a job that did not print yet is not an older job's output" {
    echo old >a.out
    printf '%s\n' "executable = /bin/true" "output = a.out" "hold = true" queue >a.sub
    id=$(submit a.sub)
    run stint log "$id"
    [[ "$output" != *old* ]]
}

@test "there are as many jobs of a user as stint.conf says" {
    conf "max_jobs_per_user = 2"
    [ "$(id -u)" != 0 ] || export STINT_PRIVATE=1
    printf '%s\n' "executable = /bin/true" "hold = true" "queue 3" >a.sub
    run stint submit a.sub
    [ "$status" = 1 ]
    [[ "$output" == *"may have 2 in the queue"* ]]
    sed -i 's/queue 3/queue 2/' a.sub
    stint submit a.sub
}

@test "another user's environment, arguments and paths are not shown" {
    [ "$(id -u)" = 0 ] || skip "a machine-wide pool needs root"
    place=$(mktemp -d /tmp/stint-surface.XXXXXX)
    chmod 711 "$place"
    export STINT_DIR=$place/pool
    printf '%s\n' "executable = /bin/echo" "arguments = hush" 'environment = "KEY=hush"' "hold = true" queue >a.sub
    id=$(submit a.sub)
    other() { (cd / && setpriv --reuid nobody --regid nogroup --clear-groups -- env HOME=/ "$stint" "$@"); }
    for question in "q --all --json" "show --json $id" "events --json"; do
        stint $question | grep -q "hush\|submitted"
        other $question >out
        grep -q "ClusterId" out
        ! grep -q "hush\|$work" out
    done
    [ "$(other q --all --json -c 'Arguments == "hush"' | jq '.Jobs | length')" = 0 ]
    stop_everything
    rm -rf "$place"
}
