#!/usr/bin/env bats
# The checkability report must be neither silent nor cry wolf: of everything that it knows, CRIU is asked as well.
load lib

setup_file() {
    export TOOLS=${STINT_CRIU:-$STINT_BUILD/../criu}
}

# The tests are about what an ordinary user can do; root has rights that change the answers.
ordinary() {
    [ -x "$TOOLS/criu" ] || skip "there is no CRIU: tools/criu build/criu"
    [ "$(id -u)" != 0 ] || skip "for an ordinary user; root's CRIU can do more"
    unshare --user --map-root-user --mount true 2>/dev/null || skip "no user namespaces here"
    export ODD=$STINT_BUILD/tests/programs/odd LOOK=$STINT_BUILD/tests/programs/look
}

# compare KIND [ARGUMENT]: says what became of it, and sets $line to "REPORT ENGINE".
compare() {
    "$tests/programs/compare-odd" "$TOOLS" "$@" >compared 2>&1 || true
    cat compared
    line=$(head -n 1 compared | cut -d' ' -f2-)
}

# Each of them is refused by CRIU, and the report says so; or the machine has no such thing.
refused() {
    local kind
    for kind; do
        compare "$kind"
        case $line in
        "blocks dump" | "blocks restore" | skip*) ;;
        *) return 1 ;;
        esac
    done
}

# Each of them comes back, and the report is silent.
fine() {
    local kind
    for kind; do
        compare "$kind"
        case $line in
        "fine works" | skip*) ;;
        *) return 1 ;;
        esac
    done
}

@test "kernel objects that cannot be captured are reported, the others are not" {
    ordinary
    refused io_uring perf bpf uffd landlock mqueue
    fine nothing events pidfd fanotify fifo pipes pty proc_self proc_dead locks lock_ofd
}

@test "mappings that cannot be captured are reported, the others are not" {
    ordinary
    refused sysv_shm deleted_map deleted_map_open deleted_map_private replaced_map huge memfd_huge secret aio
    fine shm map_shared map_shared_file memfd_closed device_map locked_memory
}

@test "removed files are reported when they are too large" {
    ordinary
    refused deleted_large_full
    fine deleted_small deleted_large deleted_linked deleted_dir deleted_cwd tmpfile_ renamed directory path_only full
}

@test "processes that cannot be looked into are reported, the others are not" {
    ordinary
    refused seccomp_filter seccomp_in_thread nested_user nested_user_mount traced
    fine undumpable stopped zombie threads unshared_files batch mdwe
    cp "$ODD" hidden
    chmod 0111 hidden # one's own is no problem
    ODD=$PWD/hidden compare nothing
    [ "$line" = "fine works" ]
}

@test "sockets that cannot be captured are reported, the others are not" {
    ordinary
    refused mptcp vsock alg sctp ping unix_unlinked unix_moved
    fine tcp_listen tcp6_listen tcp_unconnected udp udp_unbound udplite netlink netlink_unbound unix_pair unix_half unix_listen unix_backlog \
        unix_dgram unix_abstract
}

@test "TCP connections are reported as what changes" {
    ordinary
    local kind
    for kind in tcp_reuse tcp_no_listener tcp_no_listener_reuse; do
        compare $kind
        [ "$line" = "changes works" ]
    done
    compare tcp # its port is free again after a minute
    [[ "$line" = "changes "* ]]
    grep -q '^# changes tcp_port' compared
}

@test "in a network of its own TCP connections are kept" {
    ordinary
    export OWN_NETWORK=1
    fine tcp tcp_reuse tcp_no_listener unix_pair udp netlink
    refused mptcp unix_unlinked
}

@test "Unix sockets to the outside are reported" {
    ordinary
    python3 - <<'END' 3>&- &
import socket, time
stream = socket.socket(socket.AF_UNIX); stream.bind('s'); stream.listen(5)
datagram = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); datagram.bind('d')
open('listening', 'w').close()
time.sleep(60)
END
    local server=$!
    wait_for "a server" test -e listening
    compare unix_outside "$PWD/s"
    [ "$line" = "blocks restore" ]
    compare unix_outside_dgram "$PWD/d"
    [ "$line" = "blocks dump" ]
    kill $server
}

@test "what is watched must be in the sandbox" {
    ordinary
    fine inotify
    compare inotify /etc
    [ "$line" = "fine works" ]
    compare inotify /usr/bin
    [ "$line" = "blocks dump" ]
}

@test "SysV objects are lost, and reported" {
    ordinary
    local kind
    for kind in sysv_sem sysv_msg sysv_shm_detached; do
        AFTER='cat /proc/sysvipc/* | grep -c "^ *[0-9]"' compare $kind
        [[ "$line" = "blocks "* ]] || [[ "$line" = skip* ]]
        [[ "$line" = skip* ]] || grep -qx '# after: 0' compared
    done
}

@test "devices are reported, harmless ones are not" {
    ordinary
    fine full
    local device
    for device in /dev/net/tun /dev/fuse /dev/kvm; do
        compare device $device
        [[ "$line" = skip* ]] || [ "$line" = "blocks dump" ]
    done
}

@test "leases are reported" {
    ordinary
    # CRIU has to open the file, for which the kernel gives the program a signal and 45 s: all that time the tree is frozen.
    ONLY_REPORT=1 compare lease
    [[ "$line" = skip* ]] || [[ "$line" = "blocks "* ]]
}

@test "a program on an overlay of several file systems is reported" {
    ordinary
    mkdir lower merged
    cp "$ODD" lower/odd
    export lower=$PWD/lower merged=$PWD/merged
    export PREPARE='mount -t tmpfs up /mnt && mkdir /mnt/up /mnt/work && mount -t overlay -o "lowerdir=$lower,upperdir=/mnt/up,workdir=/mnt/work,userxattr" o "$merged" || exit 3'
    ODD=$PWD/merged/odd compare nothing
    [[ "$line" = skip* ]] || [[ "$line" = "blocks dump" ]] || [ "$line" = "fine works" ]
}

@test "files written outside of the sandbox are found" {
    ordinary
    mkdir elsewhere
    compare outside "$PWD/elsewhere/file"
    [ "$line" = "fine works" ]
    grep -qxF "# outside own $PWD/elsewhere/file" compared
}

@test "a thousand threads and two hundred processes are looked at quickly" {
    ordinary
    compare many
    [[ "$line" = "fine works" ]]
}
