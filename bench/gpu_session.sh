#!/usr/bin/env bash
# Everything that a GPU machine can tell, in one command: environment, correctness of every kernel family, sanitizers,
# hosts (a server, PyTorch), a short tune, the benchmark table. Needs no network. What for: docs/performance.md.
#
#   bench/gpu_session.sh [--out DIR] [--emulator] [--quick] [--limit SECONDS] [--fail STEP]
#
# A step that passed is not run again by the same command (same --out); one that did not is. Whenever it ends, also by a
# signal or its time limit, DIR/results.json and DIR/table.txt hold what there is. The status is 0 when all steps passed.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
root=${here%/*}
device=gpu quick='' out='' limit=580 fail=''
command_line="bench/gpu_session.sh $*"
while (($# > 0)); do
  case $1 in
    --out) out=$2; shift ;;
    --emulator) device=emulator ;;
    --quick) quick=1 ;;
    --limit) limit=$2; shift ;;
    --fail) fail=$2; shift ;; # for the test: this step fails
    *) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
  shift
done

# Beside this folder: bin/ and lib/ of a staged session, else a build.
bin=$root/bin
[[ -x $bin/osdn ]] || bin=${OSDN_BUILD:-$root/build}
[[ -x $bin/osdn && -x $bin/bench_forward ]] || {
  echo "no programs in $bin: build them (bench/stage_gpu_session.sh says which), or name the build folder in OSDN_BUILD" >&2
  exit 2
}
commit=$(cat "$root/COMMIT" 2>/dev/null || git -C "$root" describe --always --dirty 2>/dev/null || echo unknown)
[[ -n $out ]] || out=$root/bench/results/$device-$commit
mkdir -p "$out/steps" "$out/work/site" || exit 2
out=$(cd "$out" && pwd -P)
# What a session starts holds its lock, too: what is left of one that was killed writes to the same files, and is ended.
exec 9>"$out/work/lock"
if command -v flock >/dev/null && ! flock -n 9; then
  read -r owner group <"$out/work/running"
  if kill -0 "${owner:-0}" 2>/dev/null; then
    echo "another session (process $owner) works in $out: wait for it, or name another --out" >&2
    exit 2
  fi
  kill -KILL -- "-${group:-none}" 2>/dev/null
  flock -w 20 9 || { echo "what is left of a session that was killed still works in $out: end it first" >&2; exit 2; }
fi
echo "$$" >"$out/work/running"
export OSDN_CACHE_DIR=${OSDN_CACHE_DIR:-$out/work/cache} OSDN_TUNING_DIR=${OSDN_TUNING_DIR:-$out/work/tuning}

# Our programs find the libraries that travelled with them; what belongs to the machine shall not.
ours=()
[[ -d $root/lib ]] && ours=(env "LD_LIBRARY_PATH=$root/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}")

python=$(command -v python3 || true)
for wheel in "$root"/wheels/*.whl; do
  [[ -e $wheel && -n $python ]] && "$python" -m zipfile -e "$wheel" "$out/work/site"
done
export PYTHONPATH=$out/work/site${PYTHONPATH:+:$PYTHONPATH} PYTHONDONTWRITEBYTECODE=1

running='' timer='' step='' began=0
json_string() {
  local text=${1//\\/\\\\}
  text=${text//\"/\\\"}
  printf '"%s"' "${text//$'\n'/ }"
}

# note STEP STATUS SECONDS REASON: how a step ended; written whole or not at all.
note() {
  printf '{"step":%s,"status":"%s","seconds":%s,"reason":%s}\n' "$(json_string "$1")" "$2" "$3" "$(json_string "$4")" \
    >"$out/steps/.$1" && mv -f "$out/steps/.$1" "$out/steps/$1.json"
}
status_of() { sed -n 's/.*"status":"\([a-z_]*\)".*/\1/p' "$out/steps/$1.json" 2>/dev/null; }

summarize() {
  if [[ -n $python ]]; then
    "$python" "$here/summary.py" "$out"
  else
    echo "no python3: $out/steps and $out/*.jsonl hold the results, nothing sums them up" >&2
  fi
}

# Ends a step and all that it started.
stop_running() {
  [[ -n $running ]] || return 0
  kill -TERM -- "-$running" 2>/dev/null
  local i
  for ((i = 0; i < 50; ++i)); do
    kill -0 -- "-$running" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL -- "-$running" 2>/dev/null
  wait "$running" 2>/dev/null
}

interrupted() {
  trap '' TERM INT HUP
  [[ -z $timer ]] || kill -KILL -- "-$timer" 2>/dev/null
  stop_running
  [[ -z $step ]] || note "$step" interrupted "$((SECONDS - began))" "a signal ended the session"
  summarize
  exit 143
}
trap interrupted TERM INT HUP

# step NAME SECONDS COMMAND…: runs it unless it has passed before; what it prints goes to steps/NAME.log. It has a process
# group of its own, which is ended when its time is over.
set -m
step() {
  step=$1
  local most=$2 left=$((limit - SECONDS)) code
  shift 2
  [[ $(status_of "$step") == passed ]] && { step=; return; }
  began=$SECONDS
  if ((left < 5)); then
    note "$step" not_run 0 "the session's $limit s are over; run the command again"
    step=
    return
  fi
  ((most < left)) || most=$left
  [[ $step != "$fail" ]] || set -- false
  printf '== %s (at most %d s)\n' "$step" "$most" >&2
  rm -f "$out/steps/.late"
  ("$@") >"$out/steps/$step.log" 2>&1 </dev/null &
  running=$!
  echo "$$ $running" >"$out/work/running"
  (sleep "$most"; touch "$out/steps/.late"; kill -TERM -- "-$running"; sleep 5; kill -KILL -- "-$running") \
    >/dev/null 2>&1 </dev/null 9>&- &
  timer=$!
  wait "$running" 2>/dev/null
  code=$?
  running=
  kill -KILL -- "-$timer" 2>/dev/null
  wait "$timer" 2>/dev/null
  timer=
  if [[ -e $out/steps/.late ]]; then
    note "$step" timeout "$((SECONDS - began))" "not done in $most s"
  elif ((code == 0)); then
    note "$step" passed "$((SECONDS - began))" ""
  else
    note "$step" failed "$((SECONDS - began))" "status $code: $(tail -n 1 "$out/steps/$step.log" | cut -c 1-200)"
  fi
  step=
}
skip() { note "$1" skipped 0 "$2"; }

environment() {
  {
    printf '{"command":%s,"commit":%s,"date":"%s","host_kernel":%s' "$(json_string "$command_line")" \
      "$(json_string "$commit")" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$(json_string "$(uname -sr)")"
    printf ',"processors":%s' "$(nproc)"
    local field value
    for field in name driver_version clocks.sm clocks.mem clocks.max.sm clocks.max.mem power.limit temperature.gpu \
      ecc.mode.current mig.mode.current; do
      value=$([[ $device == gpu ]] && nvidia-smi --query-gpu="$field" --format=csv,noheader --id=0 2>/dev/null || true)
      printf ',%s:%s' "$(json_string "gpu_${field//./_}")" "$(json_string "$value")"
    done
    printf ',"doctor":'
    "${ours[@]}" "$bin/osdn" doctor --json || printf '{}'
    printf '}\n'
  } >"$out/.environment" && mv -f "$out/.environment" "$out/environment.json"
}

golden() {
  local cases=("$root"/tests/data/golden/*.safetensors)
  [[ -z $quick ]] || cases=("$root"/tests/data/golden/osdn_{single_token,varlen}.safetensors)
  "${ours[@]}" "$bin/osdn" verify --device "$device" --json --input "${cases[@]}" >"$out/.golden"
  local code=$?
  mv -f "$out/.golden" "$out/golden.json"
  return $code
}

# Finds bad accesses and races in whatever runs on a device; small rows, for it is slow.
sanitize() {
  rm -f "$out/work/$1.jsonl" # rows of an earlier try would not be run again
  "${ours[@]}" compute-sanitizer --tool "$1" --target-processes all --error-exitcode 1 \
    "$bin/bench_device_check" --device gpu --no-emulator --rows "$2" --patience 240 --out "$out/work/$1.jsonl"
}

tune() {
  local problem shapes budget
  problem=osdn_forward:type=bf16 shapes=("b=4,t=8192,h=32" "b=1,t=32768,h=8") budget=60,30s
  [[ -z $quick ]] || { problem=osdn_forward:k=64,v=64 shapes=("b=1,t=128,h=1,hv=2") budget=2; }
  "${ours[@]}" "$bin/osdn" tune --device "$device" --problem "$problem" --shapes "${shapes[@]}" --budget "$budget" &&
    "${ours[@]}" "$bin/osdn" db export "$out/tuning.jsonl"
}

# Ours, and the peers that can be imported, interleaved.
table() {
  local forward=("$bin/bench_forward" --device "$device" --shapes "$here/data/shapes.json" ${quick:+--quick}
    --variants default tuned each:schedule each:cut)
  local rounds=15
  # Short sequences are cut where one says so.
  [[ -z $quick ]] || { rounds=2 && forward+=("cut=fixed,segment=64,cut_d=2" "cut=automatic,segment=64,cut_fill=1000,cut_memory=1000"); }
  if [[ -n $python ]]; then
    "$python" "$here/peers.py" --out "$out/table.jsonl" --rounds "$rounds" --seconds "$1" \
      -- "${ours[@]}" "${forward[@]}"
  else
    "${ours[@]}" "${forward[@]}" --out "$out/table.jsonl" --rounds "$rounds" --seconds "$1"
  fi
}

# What stands between hosts and the kernels: streams and a recorded graph of a C++ program, and PyTorch's, with
# torch.compile, where it can be imported.
server() {
  local driver=()
  [[ $device == gpu ]] || driver=("$bin/libosdn_emulator.so")
  "${ours[@]}" "$bin/example_server" "${driver[@]}"
}
torch() {
  OSDN_LIBRARY=$bin/libosdn.so OSDN_EMULATOR_LIBRARY=$bin/libosdn_emulator.so OSDN_INCLUDE=$root/include \
    PYTHONPATH=$root/python:$PYTHONPATH "${ours[@]}" "$python" "$root/tests/python/run.py" "$root/tests/python"
}

plot() { summarize >/dev/null && "$python" "$here/plot" "$out"; }

step environment 60 environment
step family 150 "${ours[@]}" "$bin/bench_device_check" --device "$device" ${quick:+--rows 3} --out "$out/check.jsonl"
step golden 60 golden
if [[ $device == emulator ]]; then
  skip memcheck "for devices; the emulator's strict mode, which the tests use, looks for the same and more"
  skip racecheck "likewise"
elif command -v compute-sanitizer >/dev/null; then
  step memcheck 60 sanitize memcheck 12
  step racecheck 60 sanitize racecheck 12
else
  skip memcheck "compute-sanitizer is not installed here"
  skip racecheck "compute-sanitizer is not installed here"
fi
step server 30 server
if [[ -z $python ]] || ! "$python" -c 'import numpy' 2>/dev/null; then
  skip torch "there is no python3 with numpy here"
else
  step torch 90 torch
fi
step tune 80 tune
step table 240 table "$((limit - SECONDS > 270 ? 230 : limit - SECONDS - 15))"
[[ -z $python ]] || step plot 20 plot

passed=1
for name in environment family golden memcheck racecheck server torch tune table ${python:+plot}; do
  case $(status_of "$name") in passed | skipped) ;; *) passed=0 ;; esac
done
summarize
((passed))
