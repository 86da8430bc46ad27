#!/usr/bin/env bash
# bench/peers.py with peers that need no GPU: interleaved, absent, refusing a shape; resumed; and without ours.
set -uo pipefail
project=$1 build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OSDN_CACHE_DIR=$work/cache PYTHONDONTWRITEBYTECODE=1
fail() { printf 'FAILED: %s\n' "$@" >&2; exit 1; }
peers() {
  python3 "$project/bench/peers.py" --out "$work/table.jsonl" --rounds 3 --patience "${patience:-90}" --peers "${stubs:-$project/tests/bench/stub_peers.py}" \
    -- "$@" --device emulator --quick 2>>"$work/log"
}
found() { python3 -c "
import json
r = [json.loads(line) for line in open('$work/table.jsonl')]
print($1)"; }
is() { [[ $(found "$1") == "$2" ]] || fail "$1 is $(found "$1"), not $2" "$(cat "$work/log")"; }

peers "$build/bench_forward" || fail "peers.py failed" "$(cat "$work/log")"
is "[(x['who'], x['name']) for x in r if x['kind'] == 'forward']" \
  "[('osdn', '1x128 h1/2 d64'), ('stub', '1x128 h1/2 d64'), ('stub_unpacked', '1x128 h1/2 d64'), ('osdn', 'ragged 128 h1 d64'), ('stub', 'ragged 128 h1 d64'), ('osdn', '1x512 h1 d64'), ('stub', '1x512 h1 d64'), ('stub_unpacked', '1x512 h1 d64')]"
# Steps are ours alone.
is "{x['who'] for x in r if x['kind'] == 'decode'}" "{'osdn'}"
is "[x['who'] for x in r if x['kind'] == 'peer']" "['stub_absent']"
is "[(x['who'], x['error']['message']) for x in r if x['kind'] == 'failure']" "[('stub_unpacked', 'packed batches are not for me')]"
# The stub counts its samples: 8 ms, 8 ms + 1 ns, … of which the median of three is the second.
is "[round(x['seconds']['median'] * 1e9) for x in r if x.get('who') == 'stub']" "[8000002, 8000002, 8000002]"
is "{x['seconds']['samples'] for x in r if x.get('who') == 'osdn' and x['kind'] == 'forward'}" "{4}"
lines=$(wc -l <"$work/table.jsonl")

# All is known; a line that was cut short is not.
sed -i '/"kind": "done", "name": "ragged/d' "$work/table.jsonl"
printf '{"kind": "done", "na' >>"$work/table.jsonl"
echo >>"$work/table.jsonl"
peers "$build/bench_forward" || fail "a second run failed" "$(cat "$work/log")"
sed -i '/"na$/d' "$work/table.jsonl"
is "sum(x['kind'] == 'done' for x in r)" 5
((lines + 3 == $(wc -l <"$work/table.jsonl"))) || fail "a second run measured more than the shape that was missing"

# Ours dies: said, and the peers' samples are kept.
rm "$work/table.jsonl"
printf '#!/bin/sh\ncase "$*" in *--list*) exec %q "$@";; *) exit 9;; esac\n' "$build/bench_forward" >"$work/broken"
chmod +x "$work/broken"
peers "$work/broken" && fail "a dead bench_forward passes"
is "[x['error']['message'] for x in r if x.get('who') == 'osdn']" "$(found "['bench_forward ended with status 9'] * 5")"

# Ours hangs: given up, and the next shape begins a process of its own.
rm "$work/table.jsonl"
sed -i 's/exit 9/exec sleep 60/' "$work/broken"
patience=1 peers "$work/broken" && fail "a hanging bench_forward passes"
is "{x['error']['message'][:33] for x in r if x.get('who') == 'osdn'}" "{'bench_forward said nothing for 1.'}"
# Peers that break or hang while they are timed, or when they are loaded: ours is measured all the same, and is not blamed.
# A line that was cut short before does not take the next one with it.
printf '{"kind": "done", "na' >"$work/table.jsonl"
stubs=$project/tests/bench/bad_peers.py patience=10 peers "$build/bench_forward" ||
  fail "peers that hang or break let ours fail" "$(cat "$work/log")"
sed -i 1d "$work/table.jsonl"
is "sorted((x['who'], x['absent']) for x in r if x['kind'] == 'peer')" \
  "[('stub_hangs_loaded', 'hangs: nothing for 10.0 s'), ('stub_hangs_timed', 'hangs: nothing for 10.0 s')]"
is "[(x['who'], x['error']['message']) for x in r if x['kind'] == 'failure'][-2:]" \
  "[('stub_breaks', 'no more'), ('stub_breaks', 'no more')]"
is "[x['name'] for x in r if x['kind'] == 'forward' and x['who'] == 'osdn']" "['1x128 h1/2 d64', 'ragged 128 h1 d64', '1x512 h1 d64']"
is "sum(x['kind'] == 'done' for x in r)" 5
echo "interleaved, resumed, and honest about what is absent"
