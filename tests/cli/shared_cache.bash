# SPDX-License-Identifier: Apache-2.0
# What the shared_cache*.bats have in common: builders with stores of their own.

# on STORE COMMAND...: as another builder
on() { MLBUILD_STORE=$BATS_TEST_TMPDIR/store-$1 "${@:2}"; }

# Names of steps that did not end as cached, in the last output.
steps_run() {
    awk '/^#[0-9]+ \[.*\] (RUN|COPY|WORKDIR)/ { name[$1] = $0 } /^#[0-9]+ DONE/ && ($1 in name) { print name[$1] }' <<< "$output"
}

cached() { says "CACHED"; same "steps that ran" "$(steps_run)" ""; }
