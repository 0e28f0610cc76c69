# SPDX-License-Identifier: Apache-2.0
# Credentials: where they are found, login and logout.
load helpers
load registry

setup() { registry_setup; }
teardown() { registry_teardown; }

config() { cat "$HOME/.docker/config.json"; }

# A helper that keeps what it is told in $PWD/kept.
make_helper() {
    mkdir -p bin
    cat > bin/docker-credential-fake << END
#!/bin/sh
cd "$PWD" || exit 1
case \$1 in
store) cat > kept ;;
get) [ -s kept ] || { echo "credentials not found in native keychain"; exit 1; }; cat kept ;;
erase) rm kept ;;
esac
END
    chmod +x bin/docker-credential-fake
    PATH=$PWD/bin:$PATH
}

@test "login: tries the password, keeps it with mode 0600 beside what is there, and is used; logout" {
    start_closed
    mkdir "$HOME/.docker"
    echo '{"psFormat": "x", "auths": {"other.example": {"auth": "YTpi"}}, "credHelpers": {"h.example": "nothing"}}' > "$HOME/.docker/config.json"
    chmod 644 "$HOME/.docker/config.json"
    fails 4 "$MLBUILD" login -u user --password-stdin "$closed" <<< wrong
    says "ERROR: $closed: log in: not authorised" "from this login"
    config | grep -v "$closed" > /dev/null
    ok "$MLBUILD" login -u user --password-stdin "$closed" <<< secret
    says "Login Succeeded" "credentials for $closed are in $HOME/.docker/config.json"
    says_not secret WARNING
    same mode "$(stat -c %a "$HOME/.docker/config.json")" 600
    same auth "$(config | json "d['auths']['$closed']['auth']")" "$(basic user:secret)"
    same rest "$(config | json "d['psFormat'] + d['auths']['other.example']['auth'] + d['credHelpers']['h.example']")" xYTpinothing
    ok mlb -t "$closed/a:1" --push "$CTX"
    ok skopeo inspect --tls-verify=false --authfile "$HOME/.docker/config.json" "docker://$closed/a:1"
    ok "$MLBUILD" logout "https://$closed/v2/"
    says "Removed the credentials for $closed"
    ok "$MLBUILD" logout "$closed"
    says "Not logged in to $closed"
    fails 4 "$MLBUILD" pull "$closed/a:1"
    says "no credentials for $closed were found" "mlbuild login $closed"
    ok "$MLBUILD" logout --all
    same auths "$(config | json "d['auths']")" "{}"
    same rest "$(config | json "d['psFormat']")" x
}

@test "login: through a helper, and out of it" {
    start_closed
    make_helper
    mkdir "$HOME/.docker"
    echo '{"credsStore": "fake"}' > "$HOME/.docker/config.json"
    ok "$MLBUILD" login -u user --password-stdin "$closed" <<< secret
    says "docker-credential-fake"
    same kept "$(json "d['ServerURL'] + ' ' + d['Username'] + ' ' + d['Secret']" < kept)" "$closed user secret"
    config | json "d['auths']['$closed']" | grep -qx "{}"
    ! config | grep -q "$(basic user:secret)"
    ok "$MLBUILD" push --debug "$(mlb -q -t "$closed/a:1" "$CTX" > /dev/null; echo "$closed/a:1")"
    says "DEBUG: credentials for $closed: user from docker-credential-fake (named in $HOME/.docker/config.json)"
    ok "$MLBUILD" logout "$closed"
    [ ! -e kept ]
    same auths "$(config | json "d['auths']")" "{}"
    echo '{"credsStore": "gone"}' > "$HOME/.docker/config.json"
    fails 1 "$MLBUILD" login -u user --password-stdin "$closed" <<< secret
    says "docker-credential-gone"
}

@test "login: what the command line may not say; asked for on a terminal, without echo" {
    start_closed
    fails 2 "$MLBUILD" login "$closed" < /dev/null
    says "no terminal" "hint: mlbuild login -u USER --password-stdin HOST"
    fails 2 "$MLBUILD" login --password-stdin "$closed" <<< x
    fails 2 "$MLBUILD" login -u user --password-stdin "$closed" < /dev/null
    says "the password is empty"
    fails 2 "$MLBUILD" login -u user --password-stdin "not a host" <<< x
    fails 2 "$MLBUILD" logout a b
    ok "$MLBUILD" login -u user -p secret "$closed"
    says "WARNING: others on this host may see a password"
    ok "$MLBUILD" logout "$closed"
    # what the terminal shows: the questions and the user's name, not the password
    (sleep 1; echo user; sleep 1; echo secret; sleep 1) | script -qec "$MLBUILD login $closed" typescript > shown
    run cat shown
    says "Username: " "Password: " "Login Succeeded"
    says_not "secret"
    same auth "$(config | json "d['auths']['$closed']['auth']")" "$(basic user:secret)"
    config | grep -q "$closed"
}

@test "login: a file that is not ours to change" {
    start_closed
    mkdir "$HOME/.docker"
    echo '{"auths":' > "$HOME/.docker/config.json"
    fails 1 "$MLBUILD" login -u user --password-stdin "$closed" <<< secret
    says "$HOME/.docker/config.json"
    same file "$(config)" '{"auths":'
    rm "$HOME/.docker/config.json"
    mkdir elsewhere
    echo '{"a": 1}' > elsewhere/real.json
    ln -s "$PWD/elsewhere/real.json" "$HOME/.docker/config.json"
    ok "$MLBUILD" login -u user --password-stdin "$closed" <<< secret
    [ -L "$HOME/.docker/config.json" ]
    same auth "$(json "d['auths']['$closed']['auth']" < elsewhere/real.json)" "$(basic user:secret)"
    export DOCKER_AUTH_CONFIG="{\"auths\": {\"$closed\": {\"auth\": \"$(basic other:x)\"}}}"
    ok "$MLBUILD" login -u user --password-stdin "$closed" <<< secret
    says "WARNING: the credentials for $closed in \$DOCKER_AUTH_CONFIG come first"
}

@test "credentials: each place is found, and named" {
    start_closed
    ok mlb -t "$closed/team/a:1" "$CTX"
    try() { # PLACE
        fails 4 "$MLBUILD" push "$closed/team/a:1"
        says "used the credentials for $closed from $1"
        says_not wrong
        ok "$MLBUILD" push --debug "$closed/team/a:1"
        says "DEBUG: credentials for $closed: user from $1"
    }
    auths() { echo "{\"auths\": {\"$1\": {\"auth\": \"$(basic "$2")\"}}}"; }
    at() { # FILE
        mkdir -p "$(dirname "$1")"
        auths "$closed" user:wrong > "$1"
        fails 4 "$MLBUILD" push "$closed/team/a:1"
        says "used the credentials for $closed from $1"
        says_not wrong
        # the longest key counts
        echo "{\"auths\": {\"$closed\": {\"auth\": \"$(basic user:wrong)\"}, \"$closed/team\": {\"auth\": \"$(basic user:secret)\"}}}" > "$1"
        ok "$MLBUILD" push --debug "$closed/team/a:1"
        says "DEBUG: credentials for $closed: user from $1"
    }
    # each comes before the one above
    at "$HOME/.config/containers/auth.json"
    XDG_CONFIG_HOME=$PWD/xdg at "$PWD/xdg/containers/auth.json"
    at "$XDG_RUNTIME_DIR/containers/auth.json"
    export REGISTRY_AUTH_FILE=$PWD/auth-file
    at "$REGISTRY_AUTH_FILE"
    at "$HOME/.docker/config.json"
    export DOCKER_CONFIG=$PWD/docker
    at "$PWD/docker/config.json"
    export DOCKER_AUTH_CONFIG=$(auths "$closed" user:wrong)
    fails 4 "$MLBUILD" push "$closed/team/a:1"
    says "from \$DOCKER_AUTH_CONFIG"
    DOCKER_AUTH_CONFIG=$(auths "$closed" user:secret)
    ok "$MLBUILD" push "$closed/team/a:1"
}

@test "tokens: anonymous, with a password, expiring; a mount asks for its source" {
    start_tokens get 300
    ok mlb -t "$tokens/public/a:1" "$CTX"
    fails 4 "$MLBUILD" push "$tokens/public/a:1"
    says "no credentials for $tokens were found"
    fails 4 "$MLBUILD" login -u user --password-stdin "$tokens" <<< wrong
    says "incorrect username or password"
    ok "$MLBUILD" login -u user --password-stdin "$tokens" <<< secret
    ok "$MLBUILD" push "$tokens/public/a:1"
    grep -q "get user repository:public/a:pull,push" token.log
    ok "$MLBUILD" logout "$tokens"
    MLBUILD_STORE=$PWD/store2 ok "$MLBUILD" pull "$tokens/public/a:1"
    fails 4 "$MLBUILD" pull "$tokens/private/a:1"
    ok "$MLBUILD" login -u user --password-stdin "$tokens" <<< secret
    dockerfile << END
FROM $tokens/public/a:1
COPY file /other
END
    ok "$MLBUILD" build --progress=plain -t "$tokens/b:1" --push "$CTX"
    grep -q "get user repository:b:pull,push repository:public/a:pull" token.log
}

@test "tokens: OAuth2 with a password, and with an identity token" {
    start_tokens post
    ok "$MLBUILD" login -u user --password-stdin "$tokens" <<< secret
    ok mlb -t "$tokens/a:1" --push "$CTX"
    grep -q "post user repository:a:pull,push" token.log
    echo "{\"auths\": {\"$tokens\": {\"identitytoken\": \"identity\"}}}" > "$HOME/.docker/config.json"
    MLBUILD_STORE=$PWD/store2 ok "$MLBUILD" pull "$tokens/a:1"
    echo "{\"auths\": {\"$tokens\": {\"identitytoken\": \"revoked\"}}}" > "$HOME/.docker/config.json"
    MLBUILD_STORE=$PWD/store3 fails 4 "$MLBUILD" pull "$tokens/a:1"
    says "used the credentials for $tokens from $HOME/.docker/config.json"
    says_not revoked
}

@test "tokens: a login leaves the identity token that it was given, in the file or with a helper" {
    for way in get-offline post-offline; do
        start_tokens $way
        ok "$MLBUILD" login -u user --password-stdin "$tokens" <<< secret
        says_not WARNING
        same entry "$(config | json "d['auths']['$tokens']")" \
            "{\"auth\": \"$(basic user:)\", \"identitytoken\": \"identity\"}"
        ! config | grep -q "$(basic user:secret)"
        ok mlb -t "$tokens/a:1" --push "$CTX"
        MLBUILD_STORE=$PWD/$way ok "$MLBUILD" pull "$tokens/a:1"
        grep -q "post user repository:a:pull,push" token.log
        ok "$MLBUILD" logout "$tokens"
        rm token.port token.log
    done
    make_helper
    echo '{"credsStore": "fake"}' > "$HOME/.docker/config.json"
    ok "$MLBUILD" login -u user --password-stdin "$tokens" <<< secret
    says_not WARNING
    same kept "$(json "d['Username'] + ' ' + d['Secret']" < kept)" "<token> identity"
    ok "$MLBUILD" push "$tokens/a:1"
}
