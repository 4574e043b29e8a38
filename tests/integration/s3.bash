# A real S3 server for a file of tests: sets ENDPOINT, or NO_SERVER to the reason why there is none.
# start_s3 SECRET BUCKET…: the access key is stint:test.
start_s3() {
    local secret=$1
    shift
    if ! /usr/bin/python3 -c 'import swift.common.middleware.s3api' 2>/dev/null; then
        export NO_SERVER="no S3 server: Debian's python3-swift is not installed"
        return
    fi
    export SERVER_DIR=$BATS_FILE_TMPDIR/s3
    "$BATS_TEST_DIRNAME/s3-server" "$SERVER_DIR" stint:test "$secret" "$@" \
        >"$BATS_FILE_TMPDIR/endpoint" 2>"$BATS_FILE_TMPDIR/server.log" 3>&- &
    export SERVER_PID=$!
    local end=$((SECONDS + 30))
    until [ -s "$BATS_FILE_TMPDIR/endpoint" ]; do
        if ! kill -0 $SERVER_PID || [ $SECONDS -ge $end ]; then
            cat "$BATS_FILE_TMPDIR/server.log"
            return 1
        fi
        sleep 0.05
    done
    ENDPOINT=$(cat "$BATS_FILE_TMPDIR/endpoint")
    export ENDPOINT
}

teardown_file() {
    [ -z "${SERVER_PID:-}" ] || kill "$SERVER_PID"
}
