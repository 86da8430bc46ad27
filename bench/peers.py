#!/usr/bin/env python3
"""Times ours and the public kernels that can be imported here, interleaved: every round samples each once.

    bench/peers.py --out table.jsonl -- build/bench_forward --device gpu --variants default tuned

What follows -- is started with --serve and answers one shape at a time. Without any peer it times ours alone.
"""

import argparse
import importlib.util
import json
import os
import random
import select
import signal
import statistics
import subprocess
import sys
import time


def summary(samples):
    ordered = sorted(samples)
    quarter = statistics.quantiles(ordered, n=4) if len(ordered) > 1 else [ordered[0]] * 3
    median = statistics.median(ordered)
    return {
        "median": median,
        "least": ordered[0],
        "most": ordered[-1],
        "relative_spread": (quarter[2] - quarter[0]) / 2 / median,
        "samples": len(ordered),
    }


def load_peers(path):
    """Peers that are here, and why the others are not."""
    spec = importlib.util.spec_from_file_location("peers_module", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    present, absent = [], []
    for peer in module.PEERS:
        try:
            peer.load()
            present.append(peer)
        except Exception as error:  # noqa: BLE001: a peer that breaks while it is imported is as good as absent
            reason = (str(error).splitlines() or [""])[0]
            absent.append({"kind": "peer", "who": peer.name, "absent": f"{type(error).__name__}: {reason}"})
    return present, absent


class Ours:
    """bench_forward --serve at the other end of two pipes."""

    def __init__(self, command, patience):
        self.command, self.patience = command, patience
        self.process = None

    def ask(self, **request):
        """The answer; RuntimeError with ours' own message, or when the process is gone."""
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(
                self.command + ["--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            # One answer a request: nothing is left in a buffer that select would not see.
            ready, _, _ = select.select([self.process.stdout], [], [], self.patience)
            if not ready:
                self.process.kill()
                self.process.wait()
                self.process = None
                raise RuntimeError(f"bench_forward said nothing for {self.patience} s: a kernel may hang")
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            status = self.process.wait()
            self.process = None
            raise RuntimeError(f"bench_forward ended with status {status}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()


def known_names(path):
    """Shapes that need no further measurement: ours has been timed or has failed."""
    names = set()
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            for line in file:
                try:
                    record = json.loads(line)
                except ValueError:
                    continue  # a line that was cut short
                if record.get("kind") == "done":
                    names.add(record["name"])
    return names


def open_peers(peers, shape, launches, write):
    opened = []
    for peer in peers:
        try:
            opened.append((peer, peer.open(shape, launches), []))
        except Exception as error:  # noqa: BLE001: it takes other shapes than ours
            reason = (str(error).splitlines() or [""])[0]
            write({"kind": "failure", "who": peer.name, "name": shape["name"], "error": {"message": reason[:300]}})
    return opened


def peer_record(peer, timed, samples, shape):
    seconds = summary(samples)
    rows = shape["b"] * shape["t"] * shape["hv"]
    return {
        "kind": "forward",
        "who": peer.name,
        "version": peer.version,
        "variant": "public",
        "name": shape["name"],
        "group": shape["group"],
        "clock": "device events",
        "seconds": seconds,
        "ns_per_token_head": 1e9 * seconds["median"] / rows,
        **timed.notes,
    }


def measure(shape, ours, peers, options, write):
    """One shape. What has been sampled when something breaks is still written."""
    # Peers first: they compile and tune themselves at length, and ours shall not hold memory meanwhile.
    opened = open_peers(peers, shape, options.launches, write)
    passed = True
    try:
        ours.ask(do="open", name=shape["name"])
        for _ in range(options.rounds):
            turns = [None] + list(range(len(opened)))
            random.shuffle(turns)
            for turn in turns:
                if turn is None:
                    ours.ask(do="sample")
                else:
                    opened[turn][2].append(opened[turn][1].sample())
        for record in ours.ask(do="finish")["records"]:
            passed = passed and record["gate"]["passed"]
            write(record)
    except RuntimeError as error:
        passed = False
        write({"kind": "failure", "who": "osdn", "name": shape["name"], "error": {"message": str(error)}})
    for peer, timed, samples in opened:
        if samples:
            write(peer_record(peer, timed, samples, shape))
        timed.close()
    write({"kind": "done", "name": shape["name"]})
    return passed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="file to append JSON lines to; shapes in it are not timed again")
    parser.add_argument("--peers", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers_torch.py"))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--launches", type=int, default=8)
    parser.add_argument("--patience", type=float, default=90, help="seconds without an answer: ours hangs")
    parser.add_argument("--seconds", type=float, default=0, help="begin no further shape after so long")
    parser.add_argument("ours", nargs="+", help="bench_forward and its options, after --")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    start = time.monotonic()
    listed = subprocess.run(options.ours + ["--list"], check=True, capture_output=True, text=True).stdout
    shapes = [json.loads(line) for line in listed.splitlines()]
    known = known_names(options.out)
    peers, absent = load_peers(options.peers)
    for one in absent:
        print(f"{one['who']} is absent: {one['absent']}", file=sys.stderr)
    passed = True
    with open(options.out, "a", encoding="utf-8") as file:

        def write(record):
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
            file.flush()

        for one in absent if not known else []:
            write(one)
        ours = Ours(options.ours, options.patience)
        for shape in shapes:
            if shape["name"] in known:
                continue
            if options.seconds and time.monotonic() - start > options.seconds:
                print(f"{shape['name']} was not measured: --seconds {options.seconds} are over", file=sys.stderr)
                passed = False
                continue
            passed = measure(shape, ours, peers, options, write) and passed
        ours.close()
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
