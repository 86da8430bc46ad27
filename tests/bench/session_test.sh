#!/usr/bin/env bash
# bench/gpu_session.sh from end to end on the emulator, out of a staged folder: a step that fails and a signal in the
# middle, then the same command again. Arguments: the project's folder, the build folder.
set -uo pipefail
project=$1 build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OSDN_CACHE_DIR=$work/cache PYTHONDONTWRITEBYTECODE=1
out=$work/out

fail() {
  printf 'FAILED: %s\n' "$@" >&2
  for log in "$out"/steps/*.log; do printf -- '-- %s\n' "$log" && tail -n 5 "$log"; done >&2
  exit 1
}
status() { sed -n 's/.*"status":"\([a-z_]*\)".*/\1/p' "$out/steps/$1.json" 2>/dev/null; }
expect() { [[ $(status "$1") == "$2" ]] || fail "step $1 is '$(status "$1")', not '$2'"; }
# A value out of results.json; the file must be whole.
result() { python3 -c "import json,sys; r=json.load(open('$out/results.json')); print($1)"; }

OSDN_BUILD=$build "$project/bench/stage_gpu_session.sh" "$work/stage" >"$work/staged" || fail "nothing was staged"
command=("$work/stage/bench/gpu_session.sh" --emulator --quick --out "$out")

# Ended by SIGTERM as soon as it tunes; a step before that has failed.
"${command[@]}" --fail golden >"$work/first" 2>&1 &
session=$!
for ((i = 0; i < 600; ++i)); do
  [[ -e $out/steps/tune.log ]] && break
  kill -0 "$session" 2>/dev/null || break
  sleep 0.1
done
"${command[@]}" >"$work/other" 2>&1 && fail "two sessions work in one folder"
grep -q "another session (process $session)" "$work/other" || fail "not said who works there" "$(cat "$work/other")"
kill -TERM "$session"
wait "$session"
code=$?
((code == 143)) || fail "a session that SIGTERM ended had status $code, not 143" "$(cat "$work/first")"
expect environment passed
expect family passed
expect golden failed
expect tune interrupted
[[ -z $(status table) ]] || fail "the table was begun after SIGTERM"
[[ $(result "len(r['checks'])") == 3 ]] || fail "results.json of an interrupted session lacks the checks"
grep -q 'golden: status 1' "$out/table.txt" || fail "the table does not say why golden failed"
pgrep -f "$out" >/dev/null && fail "processes of the session outlived it: $(pgrep -fa "$out")"
before=$(stat -c %Y.%i "$out/steps/family.json")

# Killed, it ends nothing that it has begun; the next one does.
rm "$out/steps/tune.log"
"${command[@]}" >"$work/killed" 2>&1 &
session=$!
for ((i = 0; i < 600; ++i)); do
  [[ -e $out/steps/tune.log ]] && break
  sleep 0.1
done
kill -KILL "$session"
wait "$session" 2>/dev/null

# Again: what passed is not done again, the rest is.
"${command[@]}" >"$work/second" 2>&1 || fail "the resumed session failed" "$(cat "$work/second")"
[[ $(stat -c %Y.%i "$out/steps/family.json") == "$before" ]] || fail "a step that had passed was run again"
for step in environment family golden server tune table plot; do expect "$step" passed; done
expect memcheck skipped
torch=passed
python3 -c 'import numpy' 2>/dev/null || torch=skipped
expect torch $torch
[[ $(result "all(c['passed'] and c['emulator']['same_bits'] for c in r['checks'])") == True ]] || fail "a check is wrong"
[[ $(result "sorted({m['name'] for m in r['measurements']})") == "['1x128 h1/2 d64', '1x512 h1 d64', 'ragged 128 h1 d64']" ]] ||
  fail "not every shape was measured: $(result "[m['name'] for m in r['measurements']]")"
[[ $(result "sorted({m['name'] for m in r['steps_measured']})") == "['decode 2x16 h1 d64 bf16 state', 'decode 3x1 h1/2 d64']" ]] ||
  fail "not every decoding step was measured: $(result "[m['name'] for m in r['steps_measured']]")"
# Each of the two ways to cut, where it cuts: all five kernels were timed.
[[ $(result "sorted({m['variant'] for m in r['measurements'] if 'transfer' in str(m['phases'])})") == "['cut=automatic,segment=64,cut_fill=1000,cut_memory=1000', 'cut=fixed,segment=64,cut_d=2']" ]] ||
  fail "no cut pass was measured: $(result "[(m['name'], m['variant'], m['phases']) for m in r['measurements']]")"
[[ $(result "all(m['clock'] == 'modelled' and m['gate']['passed'] for m in r['measurements'] + r['steps_measured'])") == True ]] ||
  fail "times of the emulator are not called modelled, or a gate failed"
[[ $(result "len(r['golden']['cases'])") == 2 ]] || fail "the case files were not run"
grep -q 'says nothing of speed' "$out/ns_per_token_head.svg" || fail "the plot does not say that it shows no speed"
grep -q '^decode 3x1 h1/2 d64 ' "$work/second" || fail "the session's table has no decoding step"
grep -q '1x128 h1/2 d64' "$work/second" || fail "the session does not print its table last"

# What is no record of ours is left out; a damaged file of results is named.
printf '[]\n3\n{"kind":"forward"}\n{"kind":["check"]}\n{"kind":"che' >>"$out/check.jsonl"
printf '[]\n{"kind":"forward"}\n' >>"$out/table.jsonl"
echo '["x"]' >"$out/golden.json"
python3 "$project/bench/summary.py" "$out" >"$work/summary" 2>&1 || fail "damaged files stop the summary" "$(cat "$work/summary")"
grep -q '3 of 3 rows' "$work/summary" || fail "damaged lines count" "$(cat "$work/summary")"
echo '[' >"$out/results.json"
{ python3 "$project/bench/plot" "$out" 2>&1 || true; } | grep -q 'holds no results' || fail "bench/plot does not say what is damaged"

# The device check knows the kernels that only some fields or problems choose.
for kind in cut=fixed osdn_decode; do
  "$build/bench_device_check" --device emulator --no-emulator --only "$kind" --rows 1 --out "$work/$kind.jsonl" \
    >"$work/checked" 2>&1 || fail "a row of $kind is wrong" "$(cat "$work/checked")"
  grep -q '^1 rows, ' "$work/checked" || fail "the device check has no row of $kind: $(cat "$work/checked")"
done
# What is to be checked on a Hopper GPU beside the default schedule: the other one, cuts of every kind, decoding with both states.
"$work/stage/bin/bench_device_check" --device emulator --arch sm_90 --no-emulator --list >"$work/rows" 2>"$work/rows.log" ||
  fail "the rows were not listed" "$(cat "$work/rows.log")"
for key in 'schedule=hopper' 'cut=fixed' 'cut=automatic' 'preconditioner=chunked' 'b=2,t=16.*osdn_decode' \
  'b=3,t=1,.*osdn_decode:.*state_type=bf16'; do
  grep -q "^$key" "$work/rows" || fail "no row is of $key"
done

# A limit that is over before anything begins: nothing runs, and the status says so.
"$work/stage/bench/gpu_session.sh" --emulator --quick --limit 3 --out "$work/late" >"$work/third" 2>&1 && fail "no time, yet all passed"
grep -q 'not_run' "$work/third" || fail "the table does not say which steps did not run"
echo "resumed after SIGTERM and a failed step; all steps of the second run passed"
