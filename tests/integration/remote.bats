#!/usr/bin/env bats
# The remote object layer against a real S3 server, which verifies signatures and digests, and against a directory.

load lib
load s3

access=stint:test
secret=not-to-be-seen-anywhere

setup_file() { start_s3 "$secret" bucket other; }

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    umask 077
    printf 'access_key = %s\nsecret_key = %s\n' "$access" "$secret" >keys
    place=s3://bucket/$BATS_TEST_NUMBER
}

teardown() {
    :
}

# remote [OPTION]… COMMAND…: with the bucket, as the keys' owner.
remote() {
    local options=()
    while [[ $1 = -* ]]; do
        options+=("$1" "$2")
        shift 2
    done
    "$STINT_BUILD/tests/programs/remote-tool" -e "$ENDPOINT" -c keys "${options[@]}" "$place" "$@"
}

need_server() {
    [ -z "${NO_SERVER:-}" ] || skip "$NO_SERVER"
}

# fails_with TEXT COMMAND…: exit status 2 and one line, with that text and without anything secret.
fails_with() {
    local text=$1
    shift
    run "$@"
    echo "$output"
    [ "$status" = 2 ] && [ "${#lines[@]}" = 1 ] && [[ $output = *"$text"* ]] && [[ $output != *"$secret"* ]] &&
        [[ $output != *"$access"* ]]
}

# parts_left: the names of parts on the server, by Swift's own interface, which shows what S3's hides.
parts_left() {
    local token
    token=$(curl -fsS -D - -H "X-Auth-User: $access" -H "X-Auth-Key: $secret" "$ENDPOINT/auth/v1.0" -o out |
        sed -n 's/^X-Auth-Token: \(.*\)\r$/\1/ip')
    curl -sS -H "X-Auth-Token: $token" "$ENDPOINT/v1/AUTH_stint/other+segments?prefix=$BATS_TEST_NUMBER/" | grep '/[0-9]'
}

@test "a bucket gives back what it was given" {
    need_server
    echo hello >a
    : >empty
    remote put 7.0/000001.manifest a
    remote put 7.0/empty empty
    [ "$(remote has 7.0/000001.manifest)" = 6 ]
    [ "$(remote has 7.0/empty)" = 0 ]
    remote get 7.0/000001.manifest b
    cmp a b
    remote get 7.0/empty b
    cmp empty b
    echo "something else" >a
    remote put 7.0/000001.manifest a
    remote get 7.0/000001.manifest b
    cmp a b
    [ "$(remote list | sort)" = "0 7.0/empty
15 7.0/000001.manifest" ]
    remote remove 7.0/empty
    [ "$(remote list)" = "15 7.0/000001.manifest" ]
}

@test "what a bucket does not have is absent" {
    need_server
    run remote has nothing
    [ "$status" = 1 ]
    run remote get nothing x
    [ "$status" = 1 ]
    remote remove nothing
    [ -z "$(remote list nothing)" ]
}

@test "a large object goes up in parts and comes back whole" {
    need_server
    head -c 3000001 /dev/urandom >big
    remote -p 1000000 put packs/big big
    [ "$(remote has packs/big)" = 3000001 ]
    remote get packs/big back
    cmp big back
    [ "$(remote list)" = "3000001 packs/big" ]
    head -c 2000000 /dev/urandom >big
    remote -p 1000000 put packs/big big # as many bytes as two parts
    remote get packs/big back
    cmp big back
}

@test "an object of ordinary size goes up at once" {
    need_server
    head -c 20000000 /dev/urandom >big
    remote put packs/big big
    remote get packs/big back
    cmp big back
}

@test "a list of many pages has every name once" {
    need_server
    for i in 1 2 3 4 5 6 7; do
        echo "$i" >a
        remote put "packs/$i" a
        remote put "other-$i" a
    done
    [ "$(remote -l 2 list packs/ | sort)" = "$(seq -f '2 packs/%g' 7)" ]
    [ "$(remote -l 3 list | wc -l)" = 14 ]
    [ -z "$(remote -l 3 list packs/x)" ]
}

@test "places in one bucket do not see each other" {
    need_server
    echo hello >a
    remote put x a
    place=$place/below remote put x a
    [ "$(remote list | sort)" = "6 below/x
6 x" ]
    [ "$(place=$place/below remote list)" = "6 x" ]
    [ -z "$(place=s3://bucket/nobody remote list)" ]
}

@test "wrong keys, bucket, region and endpoint are told apart, each in one sentence" {
    need_server
    echo hello >a
    sed -i 's/seen/seem/' keys
    secret=not-to-be-seem-anywhere
    fails_with "does not accept the keys (SignatureDoesNotMatch)" remote put x a
    fails_with "denies access to bucket" remote has x
    printf 'access_key = nobody\nsecret_key = %s\n' "$secret" >keys
    fails_with "does not accept the keys" remote list
    secret=not-to-be-seen-anywhere
    printf 'access_key = %s\nsecret_key = %s\n' "$access" "$secret" >keys
    place=s3://nowhere
    fails_with "there is no bucket 'nowhere' at '$ENDPOINT'" remote put x a
    fails_with "there is no bucket 'nowhere' at '$ENDPOINT'" remote get x b
    fails_with "there is no bucket 'nowhere' at '$ENDPOINT'" remote has x
    fails_with "there is no bucket 'nowhere' at '$ENDPOINT'" remote list
    fails_with "there is no bucket 'nowhere' at '$ENDPOINT'" remote remove x
    place=s3://bucket
    fails_with "does not serve bucket 'bucket' in region 'mars-1'" remote -r mars-1 list
    fails_with "gave up after 2 tries" remote -t 2 -e http://127.0.0.1:9 list
    chmod 644 keys
    fails_with "chmod 600" remote list
}

@test "a server whose certificate nobody vouches for gets no request" {
    openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj /CN=localhost -days 2 \
        -addext subjectAltName=IP:127.0.0.1 2>/dev/null
    /usr/bin/python3 - >port <<'END' 3>&- &
import ssl, sys, http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        with open("asked", "a") as asked:
            print(self.path, file=asked)
        self.send_response(200)
        self.send_header("Content-Length", "7")
        self.end_headers()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
END
    local pid=$!
    while [ ! -s port ]; do sleep 0.05; done
    ENDPOINT=https://127.0.0.1:$(cat port)
    local result=0
    fails_with "certificate" remote has x || result=1
    curl -fsS --cacert cert.pem -I "$ENDPOINT/proof" || result=1 # it does answer who trusts it
    [ "$(cat asked)" = /proof ] || result=1
    kill $pid
    [ $result = 0 ]
}

@test "requests that fail are tried again, to an end" {
    need_server
    echo hello >a
    STINT_FAULT=store.remote.request:ECONNRESET@1 remote put x a
    STINT_FAULT=store.remote.request:ECONNRESET@1 remote get x b
    cmp a b
    export STINT_FAULT=store.remote.request:ECONNRESET+1
    fails_with "gave up after 3 tries" remote -t 3 get x b
    fails_with "gave up after 3 tries" remote -t 3 put x a
}

@test "an uploader killed at any request leaves the old object or the new, and nobody sees parts" {
    need_server
    head -c 500000 /dev/urandom >new
    echo old >old
    for ((n = 1; n < 20; n++)); do
        remote put x old
        STINT_FAULT=store.remote.request:kill@$n remote -p 200000 put x new && break
        remote get x back
        cmp back old
        [ "$(remote list)" = "4 x" ]
    done
    remote get x back
    cmp back new
    [ "$n" = 6 ] # begin, three parts, the end
}

@test "an uploader that fails at any request for good throws its parts away" {
    need_server
    place=s3://other/$BATS_TEST_NUMBER
    head -c 500000 /dev/urandom >new
    for ((n = 1; n < 20; n++)); do
        STINT_FAULT=store.remote.request:ECONNRESET@$n remote -t 1 -p 200000 put x new && break
        run remote has x
        [ "$status" = 1 ]
        [ -z "$(parts_left)" ]
    done
    [ "$n" = 6 ]
    [ "$(remote list)" = "500000 x" ]
    [ "$(parts_left | wc -l)" = 3 ] # of the object itself
}

@test "a directory does all that a bucket does" {
    mkdir share
    place=$PWD/share ENDPOINT=http://nowhere
    head -c 3000000 /dev/urandom >a
    remote put packs/a a
    [ "$(remote has packs/a)" = 3000000 ]
    remote get packs/a b
    cmp a b
    [ "$(place=file://$place remote list packs/)" = "3000000 packs/a" ]
    run remote has packs/b
    [ "$status" = 1 ]
    remote remove packs/a
    [ -z "$(remote list)" ]
}
