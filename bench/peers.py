#!/usr/bin/env python3
"""Times ours and the public kernels that can be imported here, interleaved: every round samples each once.

    bench/peers.py --out table.jsonl -- build/bench_forward --device gpu --variants default tuned

What follows -- is started with --serve and answers one shape at a time. Without any peer it times ours alone.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import random
import select
import signal
import statistics
import subprocess
import sys
import threading
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


class Watch:
    """Sees whether a peer returns. Nothing ends a call that hangs in a library but a new process, without that peer."""

    def __init__(self, patience):
        self.patience, self.on_hang = patience, None

    @contextlib.contextmanager
    def over(self, peer):
        timer = threading.Timer(self.patience, lambda: self.on_hang(peer))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def reason_of(error):
    return (str(error).splitlines() or [""])[0][:300]


def load_peers(path, watch, known, write):
    """Peers that are here; writes why the others are not, unless that is known."""
    spec = importlib.util.spec_from_file_location("peers_module", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    hanging = {r["who"] for r in known if r.get("kind") == "peer" and r.get("hangs")}
    noted = {r["who"] for r in known if r.get("kind") == "peer"}
    present = []
    for peer in module.PEERS:
        if peer.name in hanging:
            continue
        try:
            with watch.over(peer):
                peer.load()
            present.append(peer)
        except Exception as error:  # noqa: BLE001: a peer that breaks while it is imported is as good as absent
            absent = f"{type(error).__name__}: {reason_of(error)}"
            print(f"{peer.name} is absent: {absent}", file=sys.stderr)
            if peer.name not in noted:
                write({"kind": "peer", "who": peer.name, "absent": absent})
    return present


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


def records_of(path):
    """What the file has by now; lines that were cut short, or that nobody of us wrote, are left out."""
    records = []
    if os.path.exists(path):
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    record = json.loads(line)
                except ValueError:
                    continue
                if isinstance(record, dict):
                    records.append(record)
    return records


def append_to(path):
    """Opens it for more lines. One that was cut short is ended, or it would take the next one with it."""
    file = open(path, "ab+")
    if file.tell() > 0:
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")
    return file


def open_peers(peers, shape, options, write, watch):
    opened = []
    for peer in peers:
        try:
            with watch.over(peer):
                opened.append((peer, peer.open(shape, options.launches), []))
        except Exception as error:  # noqa: BLE001: it takes other shapes than ours
            write({"kind": "failure", "who": peer.name, "name": shape["name"], "error": {"message": reason_of(error)}})
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


def sample_peer(turn, shape, write, watch):
    """One more sample; False: this peer broke, and is done with at this shape."""
    peer, timed, samples = turn
    try:
        with watch.over(peer):
            samples.append(timed.sample())
    except Exception as error:  # noqa: BLE001: what breaks a peer is not ours
        write({"kind": "failure", "who": peer.name, "name": shape["name"], "error": {"message": reason_of(error)}})
        return False
    return True


def measure(shape, ours, peers, options, write, watch):
    """One shape. What has been sampled when something breaks is still written."""
    # Peers first: they compile and tune themselves at length, and ours shall not hold memory meanwhile.
    # They are passes: a step is ours alone, beside a copy.
    passes = shape["problem"].startswith("osdn_forward")
    opened = open_peers(peers if passes else [], shape, options, write, watch)
    sampled = list(opened)
    passed = True
    try:
        ours.ask(do="open", name=shape["name"])
        for _ in range(options.rounds):
            turns = [None, *sampled]
            random.shuffle(turns)
            for turn in turns:
                if turn is None:
                    ours.ask(do="sample")
                elif not sample_peer(turn, shape, write, watch):
                    sampled.remove(turn)
        for record in ours.ask(do="finish")["records"]:
            passed = passed and record["gate"]["passed"]
            write(record)
    except RuntimeError as error:
        passed = False
        write({"kind": "failure", "who": "osdn", "name": shape["name"], "error": {"message": str(error)}})
    for peer, timed, samples in opened:
        if samples:
            write(peer_record(peer, timed, samples, shape))
        with contextlib.suppress(Exception):
            timed.close()
    write({"kind": "done", "name": shape["name"]})
    return passed


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="file to append JSON lines to; shapes in it are not timed again")
    parser.add_argument("--peers", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers_torch.py"))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--launches", type=int, default=8)
    parser.add_argument("--patience", type=float, default=90, help="seconds without an answer: ours or a peer hangs")
    parser.add_argument("--seconds", type=float, default=0, help="begin no further shape after so long")
    parser.add_argument("--began", type=float, default=time.monotonic(), help=argparse.SUPPRESS)
    parser.add_argument("ours", nargs="+", help="bench_forward and its options, after --")
    return parser.parse_args()


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    listed = subprocess.run(options.ours + ["--list"], check=True, capture_output=True, text=True).stdout
    shapes = [json.loads(line) for line in listed.splitlines()]
    known = records_of(options.out)
    done = {r.get("name") for r in known if r.get("kind") == "done"}
    ours = Ours(options.ours, options.patience)
    watch = Watch(options.patience)
    passed = True
    with append_to(options.out) as file:

        def write(record):
            file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
            file.flush()

        def begin_again(peer):
            print(f"{peer.name} hangs: all begins again without it", file=sys.stderr, flush=True)
            write({"kind": "peer", "who": peer.name, "absent": f"hangs: nothing for {options.patience} s", "hangs": True})
            if ours.process is not None:
                ours.process.kill()
            here = [sys.executable, os.path.abspath(__file__), "--began", str(options.began)]
            os.execv(here[0], here + sys.argv[1:])

        watch.on_hang = begin_again
        peers = load_peers(options.peers, watch, known, write)
        for shape in shapes:
            if shape["name"] in done:
                continue
            if options.seconds and time.monotonic() - options.began > options.seconds:
                print(f"{shape['name']} was not measured: --seconds {options.seconds} are over", file=sys.stderr)
                passed = False
                continue
            passed = measure(shape, ours, peers, options, write, watch) and passed
        ours.close()
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
