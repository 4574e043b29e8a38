#!/usr/bin/env bats
# Jobs in container images: layouts, archives and directories, unpacked once, checkpointed and resumed like all others.
load lib

export STINT_CRIU=${STINT_CRIU:-$project/build/criu}

eval "lib_$(declare -f setup)"
setup() { lib_setup && needs_transparent; }

setup_file() {
    local tool
    transparent_works || return 0
    for tool in skopeo umoci busybox; do
        command -v $tool >/dev/null || { echo "$tool is missing; run tools/dependencies test" >&2; return 1; }
    done
    export IMAGES=$BATS_FILE_TMPDIR/images
    mkdir -p "$IMAGES"
    "$tests/programs/make-image" "$IMAGES/box" 2>"$IMAGES/log" || { cat "$IMAGES/log"; return 1; }
    skopeo --insecure-policy copy --quiet "oci:$IMAGES/box:latest" "docker-archive:$IMAGES/box.tar:box:latest"
}

# boxed NAME LINE…: writes NAME.sub: a job with these lines, and output files.
boxed() {
    local name=$1
    shift
    printf '%s\n' "$@" "output = $name.out" "error = $name.err" "log = $name.log" queue >"$name.sub"
}

# runs NAME LINE…: submits it and waits for its end with exit code 0; sets $id.
runs() {
    boxed "$@"
    id=$(submit "$1.sub")
    completed "$id" || { cat "$1.out" "$1.err"; return 1; }
}

# is_held TEXT NAME LINE…
is_held() {
    local text=$1
    shift
    boxed "$@"
    id=$(submit "$1.sub")
    wait_state "$id" held completed
    [[ "$(attr "$id" HoldReason)" == *"$text"* ]] || { echo "held because: $(attr "$id" HoldReason)"; return 1; }
    is "$id" HoldReasonCode "${code:-13}"
}

cache() { echo "$STINT_DIR/images/$(id -u)"; }
trees() { find "$(cache)" -mindepth 1 -maxdepth 1 -type d | wc -l; }
leftovers() { find "$(cache)" -mindepth 1 -maxdepth 1 \( -name 'new.*' -o -name 'copy-*' \); }

@test "without an executable the image's command runs, with the image's environment" {
    runs a "universe = docker" "docker_image = oci:$IMAGES/box:latest"
    [ "$(cat a.out)" = "hello from box" ]
    stint show "$id" | grep -qxF "Job $id of $(id -un): box:latest"
}

@test "arguments stand for the image's command, and the job's environment wins" {
    runs a "universe = container" "container_image = $IMAGES/box" "arguments = \"/bin/sh -c 'echo \$GREETING \$PATH \$HOME'\"" 'environment = "GREETING=ciao"'
    [ "$(cat a.out)" = "ciao /bin /stint/work" ]
}

@test "an executable is sent into the sandbox, which is at the same place as without a container" {
    printf '#!/bin/sh\npwd\ncat in.txt /etc/world\nls /usr 2>/dev/null\necho made >out.txt\ntouch /etc/x 2>/dev/null && echo writable\nexit 0\n' >script
    chmod +x script
    echo "an input" >in.txt
    runs a "executable = script" "container_image = $IMAGES/box:latest" "transfer_input_files = in.txt"
    [ "$(tail -n +1 a.out)" = "/stint/work
an input
box" ]
    [ "$(cat out.txt)" = made ]
    printf '#!/bin/sh\npwd\n' >script
    STINT_DIR=$STINT_DIR runs b "executable = script" "checkpoint_method = transparent"
    [ "$(cat b.out)" = /stint/work ]
}

@test "an absolute executable is the image's, by way of its links, and one that is not there is named" {
    runs a "universe = docker" "docker_image = oci:$IMAGES/box" "executable = /far/echo" "arguments = one two"
    [ "$(cat a.out)" = "one two" ]
    runs b "universe = docker" "docker_image = oci:$IMAGES/box" "executable = uname" "transfer_executable = false"
    [ "$(cat b.out)" = Linux ]
    code=6 is_held "there is no program '/usr/bin/python3' in the image" c "docker_image = oci:$IMAGES/box" "executable = /usr/bin/python3"
}

@test "a job in a container has its own processes, temporary files, shared memory and the network's names" {
    runs a "container_image = $IMAGES/box" "arguments = \"/bin/sh -c 'touch /tmp/a /var/tmp/b /dev/shm/c && test -c /dev/null && test -e /proc/self && cat /etc/hosts >hosts && id -u'\""
    [ "$(cat a.out)" = "$(id -u)" ]
    diff hosts /etc/hosts
}

@test "a docker archive is used like a layout, and shares its tree" {
    runs a "universe = docker" "docker_image = docker-archive:$IMAGES/box.tar"
    [ "$(cat a.out)" = "hello from box" ]
    cp "$IMAGES/box.tar" "with:colon and blank.tar"
    runs b "container_image = with:colon and blank.tar"
    [ "$(cat b.out)" = "hello from box" ]
    runs c "container_image = $IMAGES/box"
    [ "$(trees)" = 1 ]
    [ -z "$(leftovers)" ]
}

@test "many jobs at once unpack an image once, and convert an archive once" {
    export STINT_FAULT_TRACE=$work/trace
    conf "cpus = 8"
    boxed a "universe = docker" "docker_image = docker-archive:$IMAGES/box.tar" 'output = $(Process).out'
    sed -i '/output = a.out/d; s/^queue/queue 8/' a.sub
    id=$(submit a.sub)
    for n in 0 1 2 3 4 5 6 7; do
        completed "${id%.0}.$n"
        grep -qx "hello from box" "$n.out"
    done
    [ "$(grep -c 'image.unpack' trace)" = 1 ]
    [ "$(grep -c 'image.copy' trace)" = 1 ]
    [ "$(trees)" = 1 ]
}

@test "a directory is used in place, and stays as it is" {
    umoci raw unpack --rootless --image "$IMAGES/box:latest" tree
    echo tree >tree/etc/world
    find tree | sort >before
    runs a "container_image = tree/" "executable = /bin/sh" "arguments = \"-c 'cat /etc/world; touch /bin/x 2>/dev/null || echo read-only'\""
    [ "$(cat a.out)" = "tree
read-only" ] || { cat a.out a.err; return 1; }
    find tree | sort | diff before -
    code=6 is_held "the image does not say which program to run" b "container_image = tree"
}

@test "what is no image, or a damaged one, holds the job with a sentence, and it runs when that is mended" {
    head -c 100000 "$IMAGES/box.tar" >cut.tar
    is_held "the image 'cut.tar': it is no docker archive, or it is damaged" a "container_image = cut.tar"
    [ -z "$(leftovers)" ]
    cp "$IMAGES/box.tar" cut.tar
    stint release "$id"
    completed "$id"

    cp -r "$IMAGES/box" layout
    echo '{' >layout/index.json
    is_held "its index is not what it should be" c "container_image = layout"
    is_held "it has no tag 'old'; its tags are: latest" d "container_image = oci:$IMAGES/box:old"
    is_held "is no OCI layout" e "container_image = oci:$work"
}

@test "a damaged layer is found when the image is unpacked" {
    cp -r "$IMAGES/box" layout
    blob=$(ls -S layout/blobs/sha256/* | head -n 1)
    cp "$blob" whole
    printf XXXX | dd of="$blob" bs=1 seek=5000 conv=notrunc 2>/dev/null
    is_held "the image 'layout': it cannot be unpacked, or it is damaged (umoci: " a "container_image = layout"
    [ "$(trees)" = 0 ]
    cp whole "$blob"
    stint release "$id"
    completed "$id"
}

@test "an image that is gone when the job starts holds it" {
    cp "$IMAGES/box.tar" gone.tar
    boxed a "container_image = gone.tar" "hold = true"
    id=$(submit a.sub)
    rm gone.tar
    stint release "$id"
    wait_for "the job to be held again" is "$id" HoldReasonCode 13
    [[ "$(attr "$id" HoldReason)" == *"the image 'gone.tar': cannot open '"*"No such file"* ]]
    run stint submit a.sub
    [ "$status" != 0 ]
    [[ "$output" == *"a.sub:1: container_image: '"*"does not exist"* ]]
}

@test "a tool that is not installed is named, with the command that installs it" {
    mkdir bin
    find /bin/ /usr/bin/ -maxdepth 1 \( -type f -o -type l \) ! -name umoci -exec ln -sf -t bin {} +
    PATH=$work/bin stint pool start
    is_held "apt-get install umoci" a "container_image = $IMAGES/box"
}

@test "a runner that is killed while it unpacks leaves nothing that counts" {
    local point
    for point in image.unpack image.sync image.rename image.note.rename; do
        export STINT_FAULT=$point:kill STINT_FAULT_ONCE=$work/once.$point
        rm -rf "$STINT_DIR"/images/*
        runs a "container_image = $IMAGES/box"
        [ -e "$work/once.$point" ] || { echo "$point was not passed"; return 1; }
        [ "$(trees)" = 1 ]
        [ -z "$(leftovers)" ]
        stint pool stop
    done
}

@test "a full disk while an image is unpacked is waited out" {
    export STINT_FAULT=image.unpack:ENOSPC STINT_FAULT_ONCE=$work/once
    DEADLINE=60 runs a "container_image = $IMAGES/box"
    [ -e once ]
}

@test "images beyond image_cache go when no job uses them" {
    conf "image_cache = 0"
    WORD=second "$tests/programs/make-image" "$work/second" 2>/dev/null
    boxed a "container_image = second" "arguments = \"/bin/sh -c 'until test -e /tmp/never; do sleep 0.1; done'\""
    id=$(submit a.sub)
    first=$id
    wait_event "$id" running
    runs b "container_image = $IMAGES/box"
    wait_for "one tree to be left" eval '[ "$(trees)" = 1 ]'
    [ "$(cat "$(cache)"/*/root/etc/world)" = second ] || { ls -lR "$(cache)" | head -40; return 1; }
    stint rm --fast "$first"
    wait_state "$first" removed
    wait_for "no tree to be left" eval '[ "$(trees)" = 0 ]'
}

# ---- checkpoints ----

needs_criu() { [ -x "$STINT_CRIU/criu" ] || skip "there is no CRIU in $STINT_CRIU (tools/criu makes it)"; }

# counting LINE…: starts a counter that is a script of the image's shell; sets $id.
counting() {
    cat >count <<'END'
#!/bin/sh
n=0
until test -e "$GATE"; do
    echo $n
    n=$((n + 1))
    sleep 0.05
done
cat /etc/world
END
    chmod +x count
    boxed c "executable = count" 'environment = "GATE=/stint/work/gate"' "checkpoint_method = transparent" "$@"
    id=$(submit c.sub)
    wait_printed "$id" 5
}

end_count() { : >"$(echo "$STINT_DIR"/jobs/"$id"/stint.*/work)/gate"; }

@test "a job in a container is checkpointed and resumed, three times" {
    needs_criu
    counting "container_image = $IMAGES/box.tar"
    local n
    for n in 1 2 3; do
        stint vacate "$id"
        wait_event "$id" running $((n + 1))
        at_least "$id" NumCkpts "$n"
        last=$(stint log "$id" | tail -n 1)
        wait_printed "$id" $((last + 5))
    done
    end_count
    completed "$id"
    counts_up c.out
    [ "$(tail -n 1 c.out)" = box ]
}

@test "a job in a directory is checkpointed and resumed" {
    needs_criu
    umoci raw unpack --rootless --image "$IMAGES/box:latest" tree
    counting "container_image = tree/"
    stint vacate "$id"
    wait_event "$id" running 2
    last=$(stint log "$id" | tail -n 1)
    wait_printed "$id" $((last + 5))
    end_count
    completed "$id"
    counts_up c.out
}

# with_libraries TREE PROGRAM…: a root with these programs of the machine and the libraries they need, at other places than here.
with_libraries() {
    local tree=$1 program library
    shift
    mkdir -p "$tree/bin" "$tree/etc" "$tree/lib64" "$tree/libs"
    for program; do
        cp "$(command -v "$program")" "$tree/bin/$program"
        for library in $(ldd "$(command -v "$program")" | grep -o '/[^ ]*'); do
            case $library in
            /lib64/*) cp -n "$library" "$tree/lib64" ;;
            *) cp -n "$library" "$tree/libs" ;;
            esac
        done
    done
    ln -s bash "$tree/bin/sh"
    echo box >"$tree/etc/world"
}

@test "a program with libraries that only its image has is checkpointed and resumed" {
    needs_criu
    with_libraries tree bash sleep cat
    counting "container_image = tree/" 'environment = "GATE=/stint/work/gate LD_LIBRARY_PATH=/libs"'
    local n
    for n in 1 2; do
        stint vacate "$id"
        wait_event "$id" running $((n + 1))
        at_least "$id" NumCkpts "$n"
        last=$(stint log "$id" | tail -n 1)
        wait_printed "$id" $((last + 5))
    done
    end_count
    completed "$id"
    counts_up c.out
    is "$id" CheckpointMethodUsed transparent
}

@test "a job goes on in the image that it began with, whatever has its name by now" {
    needs_criu
    cp "$IMAGES/box.tar" mine.tar
    counting "container_image = mine.tar"
    stint hold "$id"
    wait_state "$id" held
    WORD=other "$tests/programs/make-image" other 2>/dev/null
    skopeo --insecure-policy copy --quiet oci:other:latest docker-archive:new.tar:box:latest
    mv new.tar mine.tar
    stint release "$id"
    wait_event "$id" running 2
    stint hold "$id"
    wait_state "$id" held
    chmod -R u+w "$(cache)"
    rm -rf "$(cache)"
    stint release "$id"
    wait_for "the job to be held for its image" is "$id" HoldReasonCode 13
    [[ "$(attr "$id" HoldReason)" == *"it is another one than the job began with"* ]]
    cp "$IMAGES/box.tar" mine.tar
    stint release "$id"
    wait_event "$id" running 3
    end_count
    completed "$id"
    counts_up c.out
    [ "$(tail -n 1 c.out)" = box ]
}

# ---- rarer images ----

@test "an archive of a layout, and a layout with an image for each kind of machine, are taken through skopeo" {
    skopeo --insecure-policy copy --quiet "oci:$IMAGES/box:latest" oci-archive:x.tar:latest
    runs a "container_image = oci-archive:x.tar"
    [ "$(cat a.out)" = "hello from box" ]

    cp -r "$IMAGES/box" many
    manifest=$(jq -c '.manifests[0] | del(.annotations) | .platform = {os: "linux", architecture: "amd64"}' many/index.json)
    jq -cn --argjson m "$manifest" '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [$m]}' >nested
    [ "$(uname -m)" = x86_64 ] || sed -i "s/amd64/$(dpkg --print-architecture)/" nested
    digest=$(sha256sum <nested | cut -d' ' -f1)
    size=$(wc -c <nested)
    mv nested "many/blobs/sha256/$digest"
    jq -cn --arg d "sha256:$digest" --argjson s "$size" '{schemaVersion: 2, manifests: [{mediaType: "application/vnd.oci.image.index.v1+json",
        digest: $d, size: $s, annotations: {"org.opencontainers.image.ref.name": "all"}}]}' >many/index.json
    runs b "container_image = oci:many:all"
    [ "$(cat b.out)" = "hello from box" ]
    runs c "container_image = many"
    [ "$(trees)" = 1 ]
}

@test "an image is fetched from a registry once, and again when the job says always" {
    cp -r "$IMAGES/box" served
    "$tests/programs/registry" served port >requests 2>&1 3>&- &
    server=$!
    wait_for "the registry" test -s port
    mkdir -p .config/containers
    printf '[[registry]]\nlocation = "localhost:%s"\ninsecure = true\n' "$(cat port)" >.config/containers/registries.conf
    export HOME=$work
    runs a "universe = docker" "docker_image = localhost:$(cat port)/test/box"
    [ "$(cat a.out)" = "hello from box" ]
    runs b "container_image = docker://localhost:$(cat port)/test/box:latest"
    runs c "universe = docker" "docker_image = localhost:$(cat port)/test/box"
    [ "$(grep -c blobs requests)" -gt 0 ]
    once=$(grep -c manifests requests)
    runs d "universe = docker" "docker_image = localhost:$(cat port)/test/box"
    [ "$(grep -c manifests requests)" = "$once" ]
    runs e "universe = docker" "docker_image = localhost:$(cat port)/test/box" "docker_pull_policy = always"
    [ "$(grep -c manifests requests)" -gt "$once" ]
    is_held "it cannot be fetched (skopeo: " f "universe = docker" "docker_image = localhost:$(cat port)/test/nosuch"
    kill "$server"
    wait "$server" || true
    # Nobody answers: that may mend itself, so the job waits for the next try.
    boxed g "universe = docker" "docker_image = localhost:$(cat port)/test/other"
    id=$(submit g.sub)
    wait_for "the second try" eval '[ "$(story "$id" ".Stints | length")" -ge 2 ]'
    [[ "$(attr "$id" VacateReason)" == *"connection refused"* ]]
}

# ---- whose rights ----

@test "in a machine-wide pool an image is brought, unpacked and used with its owner's rights" {
    [ "$(id -u)" = 0 ] || skip "a machine-wide pool needs root"
    place=$(mktemp -d /tmp/stint-images.XXXXXX) # bats' own directory is closed to others
    chmod 711 "$place"
    user=$(id -u games)
    install -d -o "$user" -m 700 "$place/home"
    cp -r "$IMAGES/box" "$place/home/box"
    cp "$IMAGES/box.tar" "$place/secret.tar"
    chmod 600 "$place/secret.tar"
    chown -R "$user" "$place/home"
    export STINT_DIR=$place/pool
    stint pool start
    as_user() { (cd "$place/home" && HOME=$place/home setpriv --reuid "$user" --regid games --clear-groups --inh-caps=-all -- "$@"); }
    printf '%s\n' "container_image = box" 'arguments = "/bin/sh -c '"'echo \$(id -u) \$(cat /etc/world)'"'"' "output = $place/home/out" queue |
        tee /dev/stderr >"$place/home/a.sub"
    id=$(as_user "$stint" submit -q a.sub).0
    completed "$id"
    [ "$(cat "$place/home/out")" = "$user box" ]
    [ -z "$(find "$STINT_DIR/images/$user" ! -user "$user")" ]
    [ "$(stat -c %a "$STINT_DIR/images" "$STINT_DIR/images/$user" | xargs)" = "711 700" ]
    # What the owner can not read, root does not read in the owner's place.
    printf '%s\n' "container_image = box.tar" queue >"$place/home/b.sub"
    as_user ln -s "$place/secret.tar" box.tar
    id=$(as_user "$stint" submit -q b.sub).0
    wait_state "$id" held
    [[ "$(attr "$id" HoldReason)" == *"ermission denied"* ]]
    # The tree goes with its owner's rights, too.
    printf 'image_cache = 0\n' >"$STINT_DIR/stint.conf"
    stint pool stop
    stint pool start
    stint rm "$id"
    wait_for "no tree to be left" eval '[ -z "$(find "$STINT_DIR/images/$user" -mindepth 1 -maxdepth 1 -type d)" ]'
    stop_everything
    rm -rf "$place"
}

@test "a job that is removed while its image is unpacked leaves nothing" {
    export STINT_FAULT=image.sync:stop STINT_FAULT_ONCE=$work/once
    boxed a "container_image = $IMAGES/box"
    id=$(submit a.sub)
    wait_for "the unpacking" test -e once
    stint rm --fast "$id"
    wait_state "$id" removed
    wait_for "the leftovers to be swept" eval '[ -z "$(leftovers)" ]'
}
