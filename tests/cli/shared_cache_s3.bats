# SPDX-License-Identifier: Apache-2.0
# Steps shared between builders through a bucket: --cache-to, --cache-from type=s3.
load helpers
load shared_cache

setup() {
    common_setup
    unset "${!AWS_@}"
    : > requests
    mkdir bucket
    python3 "$HERE/s3_server.py" "$PWD/port" "$PWD/requests" "$PWD/bucket" 2> server.errors 3>&- &
    server=$!
    wait_until 10 test -s port
    PLACE=type=s3,region=eu-test-1,bucket=cache,endpoint_url=http://localhost:$(cat port)
    S3=$PLACE,use_path_style=true
    export AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=secret/of+tests
    echo content > "$CTX/file"
    dockerfile << 'END'
FROM base
RUN cat /proc/sys/kernel/random/uuid > /a
COPY file /file
RUN cat /a /file > /b
END
}

teardown() {
    kill "$server"
    wait "$server" || true
    cat server.errors
    common_teardown
}

fault() { echo "$1 $2" > bucket/.fault; }
fault_is_over() { same "faults left" "$(cut -d' ' -f2 bucket/.fault)" 0; }
requests() { grep -cE "$1" requests || true; }

# A layer of so many bytes that no compression helps.
large() {
    head -c "$1" /dev/urandom > "$CTX/large"
    printf 'FROM base\nCOPY large /large\n' > "$CTX/Dockerfile"
}

@test "a second builder with a store of its own runs nothing, and has the same image" {
    ok on one mlb -t img --cache-to "$S3" "$CTX"
    same entries "$(ls bucket/manifests | grep -cE '^mlbuild-[0-9a-f]{64}$')" 3
    same "other objects" "$(ls -A bucket | sort | xargs)" ".uploads blobs manifests"
    local blob
    for blob in bucket/blobs/sha256:*; do echo "${blob##*:}  $blob"; done | sha256sum --check --quiet
    ok on two mlb -t img -o two.tar --cache-from "$S3" "$CTX"
    cached
    same id "$(on two id_of img)" "$(on one id_of img)"
    ok on one mlb -o one.tar "$CTX"
    same manifest "$(image manifest two.tar)" "$(image manifest one.tar)"
}

@test "what is there is not sent again" {
    ok on one mlb --cache-to "$S3,mode=max" "$CTX"
    local blobs=$(ls bucket/blobs | wc -l)
    same "blobs sent" "$(requests '^PUT .*/blobs/')" "$blobs"
    same "blobs asked for" "$(requests '^HEAD ')" "$blobs"
    echo 'RUN echo more > /more' >> "$CTX/Dockerfile"
    ok on two mlb --cache-from "$S3" --cache-to "$S3,mode=max" "$CTX"
    same "steps that ran" "$(steps_run | wc -l)" 1
    same "blobs sent" "$(requests '^PUT .*/blobs/')" $((blobs + 2)) # a layer, a configuration
}

@test "virtual hosts, prefixes, names" {
    local place=$PLACE,prefix=team/,blobs_prefix=b/,manifests_prefix=m/
    ok on one mlb --cache-to "$place,name=main;branch" "$CTX"
    same folders "$(ls bucket/team | xargs)" "b m"
    same names "$(ls bucket/team/m | sed 's/-.*//' | sort | uniq -c | xargs)" "3 branch 3 main"
    same hosts "$(requests ' /cache/')" 0
    ok on two mlb --cache-from "$place,name=other;branch" "$CTX"
    cached
    ok on three mlb --cache-from "$place,name=other" "$CTX"
    same "steps that ran" "$(steps_run | wc -l)" 3
}

@test "keys: of the option, of a profile, of a session" {
    unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
    fails 1 on one mlb --cache-to "$S3" "$CTX"
    says "no keys for S3 were found" "hint: set AWS_ACCESS_KEY_ID" "instance metadata is not asked"
    ok on one mlb --cache-to "$S3,access_key_id=AKIDTEST,secret_access_key=secret/of+tests" "$CTX"
    mkdir "$HOME/.aws"
    cat > "$HOME/.aws/credentials" << 'END'
[default]
aws_access_key_id = OTHER
aws_secret_access_key = other
# a comment
[ci]
aws_access_key_id = AKIDTEST
aws_secret_access_key = secret/of+tests
aws_session_token = a+token/==
END
    ok on two mlb --cache-from "$S3" "$CTX"
    says "WARNING: the cache in s3://cache/manifests/mlbuild at localhost is left alone" "InvalidAccessKeyId"
    export AWS_PROFILE=ci
    ok on three mlb --cache-from "$S3" "$CTX"
    cached
    echo a+token/== > bucket/.token
    ok on four mlb --cache-from "$S3" "$CTX"
    cached
    ok on five mlb --cache-from "$S3,access_key_id=AKIDTEST,secret_access_key=secret/of+tests" "$CTX"
    says "InvalidToken"
    same "steps that ran" "$(steps_run | wc -l)" 3
    mv "$HOME/.aws/credentials" elsewhere
    AWS_SHARED_CREDENTIALS_FILE=elsewhere ok on six mlb --cache-from "$S3" "$CTX"
    cached
}

@test "region, bucket and endpoint of the environment" {
    export AWS_REGION=eu-test-1 AWS_S3_BUCKET=cache AWS_ENDPOINT_URL=http://127.0.0.1:$(cat port)
    ok on one mlb --cache-to type=s3 "$CTX"
    ok on two mlb --cache-from type=s3 "$CTX"
    cached
}

@test "a wrong secret, and none of it in what is said" {
    local wrong=secret_access_key=wr0ng+secret,access_key_id=AKIDTEST,session_token=t0ken
    fails 4 on one mlb --debug --cache-to "$S3,$wrong" "$CTX"
    says "export the cache to s3://cache/" "access denied (SignatureDoesNotMatch:  [31mcheck your key)" "hint: the secret access key is another one"
    says_not wr0ng t0ken
    ok on two mlb --debug --cache-to "$S3,$wrong,ignore-error=true" --cache-from "$S3,$wrong" "$CTX"
    says "WARNING: the cache in s3://cache/" "WARNING: export the cache to s3://cache/"
    says_not wr0ng t0ken
    fails 2 mlb --cache-to "$S3,$wrong,wr0ng" "$CTX"
    says_not wr0ng t0ken
    fails 2 mlb --cache-to "$S3,$wrong,\"x" "$CTX"
    says_not wr0ng t0ken
    ! grep -rqE 'wr0ng|t0ken' store-one store-two
}

@test "a server that is too busy is asked again" {
    fault slow 3
    ok on one mlb --debug --cache-to "$S3" "$CTX"
    says "once more: localhost:$(cat port): " "server error" "(HTTP 503)"
    fault_is_over
    fault slow 2
    ok on two mlb --cache-from "$S3" "$CTX"
    cached
    fault_is_over
}

@test "the bucket is elsewhere, the clock is wrong, there is no bucket, no right to list" {
    fails 4 on one mlb --cache-to "${S3/eu-test/us-test}" "$CTX"
    says "AuthorizationHeaderMalformed" "hint: the bucket is in region=eu-test-1, not us-test-1"
    fault moved 1000
    fails 4 on one mlb --cache-to "$S3" "$CTX"
    says "the bucket is somewhere else" "hint: the bucket is in region=us-far-1, not eu-test-1"
    fault skew 1000
    fails 4 on one mlb --cache-to "$S3" "$CTX"
    says "RequestTimeTooSkewed" "hint: set the clock"
    rm bucket/.fault
    fails 4 on one mlb --cache-to "${S3/bucket=cache/bucket=none}" "$CTX"
    says "NoSuchBucket" "hint: make the bucket first"
    ok on two mlb --cache-from "${S3/bucket=cache/bucket=none}" "$CTX"
    says "is left alone"
    touch bucket/.no-list
    ok on one mlb --cache-to "$S3" "$CTX"
    ok on three mlb --cache-from "$S3" "$CTX"
    cached
}

@test "large blobs go in parts" {
    large 1000000
    export MLBUILD_TEST_S3_PART_SIZE=65536
    ok on one mlb -t img --cache-to "$S3,compression=uncompressed,upload_parallelism=3" "$CTX"
    same parts "$(requests '^PUT .*partNumber=.* 200')" 16
    same "uploads left" "$(ls bucket/.uploads)" ""
    ok on two mlb -t img --cache-from "$S3" "$CTX"
    cached
    ok on two mlb -t img -o two.tar --cache-from "$S3" "$CTX"
    image cat two.tar /large | cmp - "$CTX/large"
}

@test "parts that fail, and ends that are not told" {
    export MLBUILD_TEST_S3_PART_SIZE=65536
    large 400000
    fault part 1
    fails 4 on one mlb --cache-to "$S3,compression=uncompressed" "$CTX"
    says "AccessDenied"
    same "uploads left" "$(ls bucket/.uploads)" ""
    same entries "$(ls bucket/manifests 2> /dev/null)" ""
    fault late 2
    ok on one mlb --cache-to "$S3,compression=uncompressed" "$CTX"
    fault_is_over
    large 400000
    fault lost 1
    ok on one mlb --cache-to "$S3,compression=uncompressed" "$CTX"
    fault_is_over
    ok on two mlb --cache-from "$S3" "$CTX"
    cached
}

@test "a build that is stopped leaves no parts behind" {
    export MLBUILD_TEST_S3_PART_SIZE=65536
    large 400000
    fault stall 1
    mlb_in_background --cache-to "$S3,compression=uncompressed" "$CTX"
    local pid=$! code=0
    wait_until 20 grep -q 'stall 0' bucket/.fault
    [ -n "$(ls bucket/.uploads)" ]
    kill -TERM "$pid"
    wait "$pid" || code=$?
    same "exit code" "$code" 143
    same "uploads left" "$(ls bucket/.uploads)" ""
}

@test "a transfer that breaks off goes on where it stopped" {
    large 70000000
    ok on one mlb --cache-to "$S3,compression=uncompressed" "$CTX"
    fault cut 2
    printf 'RUN sha256sum /large\n' >> "$CTX/Dockerfile"
    : > requests
    ok on two mlb --cache-from "$S3" "$CTX"
    says "$(sha256sum < "$CTX/large" | cut -d' ' -f1)"
    fault_is_over
    same "ranges" "$(grep -oE 'bytes=[0-9]+' requests | sort -u | wc -l)" 5 # three, two of them twice
    fault cut 1
    sed -i '$d' "$CTX/Dockerfile"
    : > requests
    ok on three mlb -o three.tar --cache-from "$S3" "$CTX"
    fault_is_over
    image cat three.tar /large | cmp - "$CTX/large"
}

@test "an object that is not what its name says" {
    ok on one mlb --cache-to "$S3,compression=uncompressed" "$CTX"
    local blob
    for blob in bucket/blobs/*; do # the same size, other bytes
        grep -q mlbuild.cache "$blob" && continue
        python3 -c 'import sys; p = sys.argv[1]; b = bytearray(open(p, "rb").read()); b[600] ^= 1; open(p, "wb").write(b)' "$blob"
    done
    run on two mlb -t img -o x.tar --cache-from "$S3" "$CTX"
    [ "$status" -eq 1 ] || [ "$status" -eq 4 ]
    says "not sha256:"
    for blob in bucket/manifests/*; do echo '{"schemaVersion": 2, "layers": 3}' > "$blob"; done
    ok on three mlb -t img --cache-from "$S3" "$CTX"
    says "WARNING: the cache in"
    same "steps that ran" "$(steps_run | wc -l)" 3
}

@test "what a rule of the bucket has removed counts as not shared" {
    ok on one mlb --cache-to "$S3" "$CTX"
    local blob
    for blob in bucket/blobs/*; do grep -q mlbuild.cache "$blob" || rm "$blob"; done
    ok on one mlb --cache-from "$S3" "$CTX"
    cached
    ok on two mlb -t img -o img.tar --cache-from "$S3" --cache-to "$S3" "$CTX"
    same "steps that ran" "$(steps_run | wc -l)" 3
    ok on three mlb -t img -o img.tar --cache-from "$S3" "$CTX"
    cached
    rm bucket/blobs/*
    ok on four mlb --cache-from "$S3" "$CTX"
    says_not WARNING
    same "steps that ran" "$(steps_run | wc -l)" 3
}

@test "what the server takes is what others sign" {
    local object="http://localhost:$(cat port)/cache/a/sha256%3Ab"
    local sign=(--aws-sigv4 aws:amz:eu-test-1:s3 -H "x-amz-content-sha256: $(sha256sum < "$CTX/file" | cut -d' ' -f1)")
    ok curl -sS --fail "${sign[@]}" -u AKIDTEST:secret/of+tests -T "$CTX/file" "$object"
    same object "$(cat bucket/a/sha256:b)" content
    fails 22 curl -sS --fail "${sign[@]}" -u AKIDTEST:other -T "$CTX/file" "$object"
    says 403
}

@test "what can be said wrong about buckets" {
    fails 2 mlb --cache-to type=s3,bucket=b "$CTX"
    says "region is missing" "hint: give region=NAME or set AWS_REGION"
    fails 2 mlb --cache-from type=s3,region=r "$CTX"
    says "bucket is missing"
    fails 2 mlb --cache-to type=s3,region=r,bucket=b/c "$CTX"
    says '"b/c" is no bucket'
    fails 2 mlb --cache-to "$S3,access_key_id=x" "$CTX"
    says "belong together"
    fails 2 mlb --cache-to "$S3,endpoint_url=ftp://x" "$CTX"
    says "endpoint_url"
    fails 2 mlb --cache-to "$S3,prefix=a/../b" "$CTX"
    says 'no "." or ".."'
    fails 2 mlb --cache-to "$S3,upload_parallelism=0" "$CTX"
    says "1 to 64"
    fails 2 mlb --cache-to "$S3,use_path_style=yes" "$CTX"
    says "use_path_style: true or false"
    fails 2 mlb --cache-to "$S3,name=a;;b" "$CTX"
    says "one is empty"
    fails 2 mlb --cache-to "$S3,endpoint_url=http://localhost/?x=y" "$CTX"
    says "endpoint_url has a query"
    fails 2 mlb --cache-to "$S3,touch_refresh=24h" "$CTX"
    says "unknown attribute touch_refresh" "hint: leave it out"
    fails 2 mlb --cache-to type=local,dest=x,bucket=b "$CTX"
    says "bucket is for type=s3"
}
