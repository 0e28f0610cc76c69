# SPDX-License-Identifier: Apache-2.0
# How much has moved, how fast, and where the time went.
load helpers

setup() {
    common_setup
    dockerfile << 'END'
FROM base AS one
RUN sleep 0.3; echo 1 > /one
FROM base AS two
RUN sleep 0.3; echo 2 > /two
FROM base
COPY --from=one /one /
COPY --from=two /two /
COPY weights /weights
END
    head -c 3000000 /dev/urandom > "$CTX/weights"
}

@test "plain: bytes of the context, of COPY, of an archive" {
    ok mlb -o image.tar "$CTX"
    line() { grep -qE -- "$1" <<< "$output" || { echo "no line $1"; return 1; }; }
    line '^#[0-9]+ reading context 3\.00MB / 3\.00MB [0-9.]+s.* done$'
    line '^#[0-9]+ copying 3\.00MB / 3\.00MB [0-9.]+s.* done$'
    ok mlb -o image.tar "$CTX"
    line '^#[0-9]+ writing [0-9.]+MB / [0-9.]+MB [0-9.]+s.* done$'
    says_not "reading context" "copying"
}

@test "rawjson: bytes with their times" {
    ok "$MLBUILD" --progress=rawjson --build-context "base=oci-layout://$BASE" -o image.tar "$CTX"
    echo "$output" > log
    python3 - << 'EOF'
import json
events = [json.loads(line) for line in open("log")]
names = {v["digest"]: v["name"] for e in events for v in e.get("vertexes", [])}
statuses = [s for e in events for s in e.get("statuses", [])]
copying = [s for s in statuses if s["name"] == "copying"][-1]
assert names[copying["vertex"]].endswith("COPY weights /weights"), copying
assert copying["current"] == copying["total"] >= 3000000, copying
assert copying["started"] <= copying["timestamp"] <= copying["completed"], copying
EOF
}

@test "--timings: a table at the end, of all phases" {
    run --separate-stderr mlb -q --timings -t img "$CTX"
    [ "$status" -eq 0 ]
    same "standard output" "$output" "$(id_of img)"
    row() { grep -qE -- "$1" <<< "$stderr" || { echo "no row $1 in:"; echo "$stderr"; return 1; }; }
    row '^ *wall +share +sum +bytes +rate +phase$'
    row '^ +[0-9.]+s +[0-9.]+% +[0-9.]+s +dockerfile$'
    row '^ +[0-9.]+s +[0-9.]+% +[0-9.]+s +3\.00MB .* context$'
    row '^ +[0-9.]+s +[0-9.]+% +[0-9.]+s +.*steps \(5\)$'
    row '^ +[0-9.]+s +\[one 2/2\] RUN sleep 0\.3; echo 1 > /one$'
    row ' export( \([0-9]+\))?$'
    row ' sync$'
    row '^ +[0-9.]+s +100\.0% +build$'
    # Two stages side by side: less wall time than in sum.
    read -r wall sum <<< "$(awk '/ steps \(5\)$/ { print $1 + 0, $3 + 0 }' <<< "$stderr")"
    [ "$(awk -v wall="$wall" -v sum="$sum" 'BEGIN { print (sum > wall) }')" -eq 1 ]
    ok mlb --timings -t img "$CTX"
    says " CACHED" " build"
}

@test "--timings and --trace: also when the build fails" {
    printf 'FROM base\nRUN true\nRUN exit 7\n' | dockerfile
    fails 1 mlb --timings --trace trace.json "$CTX"
    says "exit code: 7" " steps (2)"
    python3 - << 'EOF'
import json
results = {e["name"]: e["args"]["result"] for e in json.load(open("trace.json")) if e["ph"] == "X"}
assert results["[3/3] RUN exit 7"] == "failed", results
assert results["[2/3] RUN true"] == "done", results
EOF
}

@test "--trace: valid JSON, all steps, both processes, lanes that do not overlap" {
    ok mlb --trace trace.json -o image.tar "$CTX"
    says_not " wall "
    grep -oE '^#[0-9]+ (\[|exporting).*' <<< "$output" | sort -u | cut -d' ' -f2- > steps
    python3 - << 'EOF'
import collections, json
trace = json.load(open("trace.json"))
spans = [e for e in trace if e["ph"] == "X"]
shown = {line.rstrip("\n") for line in open("steps")}
missing = {s for s in shown if not s.startswith("exporting manifest")} - {e["name"] for e in spans}
assert not missing, missing
processes = {e["args"]["name"]: e["pid"] for e in trace if e["name"] == "process_name"}
assert set(processes) == {"planner", "builder"}, processes
by_name = {e["name"]: e["pid"] for e in spans}
assert by_name["[one 2/2] RUN sleep 0.3; echo 1 > /one"] == processes["builder"]
assert by_name["[internal] sync the store"] == processes["planner"]
lanes = collections.defaultdict(list)
for e in spans:
    lanes[e["pid"], e["tid"]].append((e["ts"], e["ts"] + e["dur"]))
for lane in lanes.values():
    lane.sort()
    assert all(a[1] <= b[0] + 1 for a, b in zip(lane, lane[1:])), lane
assert any(e["ph"] == "C" and e["args"]["bytes"] > 3000000 for e in trace)
EOF
    ok mlb -q --trace - "$CTX"
    python3 -c 'import json, sys; json.loads(sys.argv[1].split("\n", 1)[1])' "$output"
}

@test "--timings is not for rawjson; --trace says what it cannot write" {
    fails 2 mlb --progress=rawjson --timings "$CTX"
    says "--timings prints a table" "hint: the same as JSON: --trace FILE"
    fails 1 mlb --trace /nonexistent/trace.json "$CTX"
    says "--trace: open the directory /nonexistent"
}
