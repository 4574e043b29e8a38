#!/usr/bin/env bats
# Inputs from URLs: fetched once and whole, whatever the server and the network do.
load lib
load transfer

setup_file() {
    export web=$BATS_FILE_TMPDIR
    mkdir -p "$web/www" "$web/plain" "$web/tls"
    seq 1 20000 >"$web/www/numbers"
    echo small >"$web/www/small"
    : >"$web/www/nothing"
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
        -keyout "$web/key" -out "$web/ca" 2>/dev/null
    cat "$web/key" "$web/ca" >"$web/certificate"
    "$tests/integration/web-server" "$web/www" "$web/plain" 3>&- &
    echo $! >"$web/pids"
    "$tests/integration/web-server" "$web/www" "$web/tls" "$web/certificate" 3>&- &
    echo $! >>"$web/pids"
    wait_for "the servers" test -s "$web/plain/port" -a -s "$web/tls/port"
}

teardown_file() {
    xargs kill <"$BATS_FILE_TMPDIR/pids" || true
}

# url HOW/FILE: what HOW may be is said in web-server.
url() { echo "http://127.0.0.1:$(cat "$web/plain/port")/$1"; }
requests() { grep -F " /$1 " "$web/plain/requests"; }

# gets URL [FILE]: a job whose only input it is gets what is in that file.
gets() {
    prog <<<"cat ${2:-numbers}"
    sub "transfer_input_files = $1" 'transfer_output_files = ""'
    runs
    cmp a.out "$web/www/${2:-numbers}"
}

@test "an input comes from a URL, and the log says so" {
    gets "$(url plain/numbers)"
    wait_for "the log's end" grep -q '^005 ' a.log
    [ "$(grep -o 'transferring input files$' a.log | wc -l)" = 2 ] || { cat a.log; return 1; }
    grep -q '^040 .* Finished transferring input files' a.log
    [ ! -e "$STINT_DIR/jobs/$id/fetch" ]
    [ "$(attr "$id" TransferInBytes)" = "$(stat -c %s "$web/www/numbers")" ]
}

@test "https is checked against the authorities, and plain otherwise" {
    local port=$(cat "$web/tls/port")
    export CURL_CA_BUNDLE=$web/ca
    gets "https://localhost:$port/plain/numbers"
    stint pool stop
    unset CURL_CA_BUNDLE
    id=$(submit a.sub)
    held_for "certificate"
}

@test "a download that is cut off goes on where it was" {
    gets "$(url cut-40000/numbers)"
    [ "$(requests cut-40000/numbers | cut -d' ' -f3 | xargs)" = "- bytes=40000- bytes=80000-" ]
    gets "$(url dated-60000/numbers)"
    [ "$(requests dated-60000/numbers | cut -d' ' -f3 | xargs)" = "- bytes=60000-" ]
}

@test "what is another file by now is fetched anew" {
    prog <<<'cat numbers'
    sub "transfer_input_files = $(url change-70000/numbers)" 'transfer_output_files = ""'
    runs
    cmp a.out <(python3 -c 'import sys; sys.stdout.buffer.write(open(sys.argv[1], "rb").read()[::-1])' "$web/www/numbers")
    [ "$(requests change-70000/numbers | cut -d' ' -f3,4 | xargs)" = "- 200 bytes=70000- 200 bytes=70000- 206" ]
}

@test "redirects, chunks, slow and busy servers, and those without ranges bring it" {
    gets "$(url away/numbers)"
    gets "$(url chunks/small)" small
    gets "$(url slow/small)" small
    gets "$(url flaky-2/small)" small
    gets "$(url weak/small)" small
    gets "$(url plain/nothing)" nothing
}

@test "a digest is checked: the user's and the server's" {
    local digest=$(sha256sum "$web/www/small" | cut -d' ' -f1)
    gets "$(url plain/small)#sha256=$digest" small
    gets "$(url bare/small)#sha256=$digest" small
    gets "$(url told/small)" small
    sub "transfer_input_files = $(url plain/numbers)#sha256=$digest"
    id=$(submit a.sub)
    held_for "should have $digest"
    sub "transfer_input_files = $(url lied/small)"
    id=$(submit a.sub)
    held_for "the server says"
}

@test "what cannot be had holds the job, with one clear sentence" {
    prog <<<'true'
    sub "transfer_input_files = http://user:secret@127.0.0.1:$(cat "$web/plain/port")/plain/absent?key=secret"
    id=$(submit a.sub)
    held_for "absent': it is not there (HTTP status 404)"
    [[ "$(attr "$id" HoldReason)" != *secret* ]]
    sub "transfer_input_files = $(url status-403/small)"
    id=$(submit a.sub)
    held_for "it may not be read (HTTP status 403)"
    sub "transfer_input_files = $(url bare/small)"
    id=$(submit a.sub)
    held_for "add '#sha256='"
    sub "transfer_input_files = $(url round/small)"
    id=$(submit a.sub)
    held_for "redirects"
}

@test "a server that is not there, or promises too much, is tried again later" {
    prog <<<'true'
    sub "transfer_input_files = $(url short/small)"
    id=$(submit a.sub)
    wait_event "$id" failed
    state_is "$id" idle running
    [[ "$(story "$id" '[.Events[] | select(.Event == "failed")][0].Reason')" == *"after "*" tries"* ]]
    stint rm "$id"
}

@test "a job that has to leave while it fetches goes on with what came" {
    prog <<<'cat numbers'
    sub "transfer_input_files = $(url slow/numbers)" 'transfer_output_files = ""'
    id=$(submit a.sub)
    wait_for "a part of it" test -s "$STINT_DIR/jobs/$id/fetch/0"
    stint vacate "$id"
    completed "$id"
    cmp a.out "$web/www/numbers"
    requests slow/numbers | grep -q ' bytes=[1-9]'
    at_least "$id" NumVacates 1
}

@test "standard input comes from a URL" {
    prog <<<'cat'
    sub "input = $(url plain/small)"
    runs
    [ "$(cat a.out)" = small ]
}

@test "file: URLs are names" {
    mkdir -p 'far away/dir'
    echo one >'far away/one'
    echo two >'far away/dir/two'
    prog <<<'cat one dir/two; cat'
    sub "transfer_input_files = file://$work/far%20away/one, file:$work/far%20away/dir" "input = file://localhost$work/far%20away/one" \
        'transfer_output_files = ""'
    runs
    [ "$(xargs <a.out)" = "one two one" ]
}

@test "a fetch that is killed at any of its steps is gone on with, and the job runs once" {
    prog <<<"cat numbers; echo run >>$work/runs"
    sub "transfer_input_files = $(url cut-60000/numbers)" 'transfer_output_files = ""'
    local point
    for point in fetch.request:kill@2 fetch.write:kill@3 fetch.note.write:kill fetch.note.rename:kill runner.input.fetched:kill \
        fetch.request:ECONNREFUSED@1 fetch.write:ENOSPC@2 runner.input.fetched:EIO; do
        stint pool stop || true
        rm -f runs "$BATS_TEST_TMPDIR/struck"
        export STINT_FAULT=$point STINT_FAULT_ONCE=$BATS_TEST_TMPDIR/struck
        id=$(submit a.sub)
        wait_for "$point to strike" test -e "$BATS_TEST_TMPDIR/struck"
        wait_state "$id" completed held
        if state_is "$id" held; then
            [ "$point" = runner.input.fetched:EIO ] || { tell_everything; return 1; }
            stint release "$id"
        fi
        completed "$id"
        cmp a.out "$web/www/numbers"
        [ "$(cat runs)" = run ]
    done
}

@test "a job that is resumed as it was needs neither its URLs nor its files again" {
    needs_transparent
    stint pool stop || true
    conf 'checkpoint_method = auto'
    cp "$web/www/small" "$web/www/gone"
    echo here >near
    prog <<<'exec 3<gone; until [ -e gate ]; do sleep 0.05; done; cat <&3; cat near; echo own >/tmp/out'
    sub "transfer_input_files = $(url plain/gone), near" 'transfer_output_files = /tmp/out'
    id=$(submit a.sub)
    wait_event "$id" running
    stint checkpoint "$id"
    rm "$web/www/gone" near
    stint vacate "$id"
    wait_event "$id" running 2
    touch "$STINT_DIR/jobs/$id/stint.2/work/gate"
    completed "$id"
    [ "$(cat a.out out | xargs)" = "small here own" ]
}

@test "in a machine-wide pool files are fetched and delivered as the job's owner" {
    [ "$(id -u)" = 0 ] || skip "a machine-wide pool needs root"
    local place user=games
    place=$(mktemp -d /tmp/stint-transfer.XXXXXX)
    chmod 711 "$place"
    mkdir "$place/pool" "$place/home" "$place/other"
    chmod 711 "$place/pool"
    chown "$user" "$place/home"
    cp "$STINT_DIR/stint.conf" "$place/pool"
    export STINT_DIR=$place/pool
    cd "$place/home"
    as() { HOME=$place/home setpriv --reuid "$user" --regid nogroup --clear-groups --inh-caps=-all -- "$@"; }
    prog <<<'cat small; echo made >made'
    sub "transfer_input_files = $(url plain/small)" 'transfer_output_remaps = "made = new/made"'
    stint pool start
    id=$(as "$stint" submit -q a.sub).0
    completed "$id"
    [ "$(cat a.out new/made | xargs)" = "small made" ]
    [ "$(stat -c %U a.out new new/made | sort -u)" = "$user" ]
    sub "transfer_output_remaps = \"made = $place/other/made\""
    id=$(as "$stint" submit -q a.sub).0
    held_for "Permission denied" 12
    [ -z "$(ls "$place/other")" ]
    as "$stint" rm "$id"
    sub "transfer_input_files = $(url plain/small)" 'hold = true'
    id=$(as "$stint" submit -q a.sub).0
    mkdir -m 700 -p "$STINT_DIR/jobs/$id/fetch" # by a runner that died before it gave it away
    as "$stint" release "$id"
    completed "$id"
    stop_everything
    rm -rf "$place"
}
