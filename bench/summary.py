#!/usr/bin/env python3
"""Sums up what bench/gpu_session.sh found: DIR/results.json, DIR/table.txt, and the table on stdout."""

import json
import os
import sys

STEPS = ["environment", "family", "golden", "memcheck", "racecheck", "tune", "table", "plot"]
NEEDED = {
    "check": {"key", "passed"},
    "forward": {"name", "who", "seconds", "clock"},
    "decode": {"name", "who", "seconds", "clock"},
    "peer": {"who", "absent"},
    "failure": {"who", "name", "error"},
}


def lines(path):
    """Records of a file of JSON lines; a line that was cut short, or is no record of ours, is left out."""
    if not os.path.exists(path):
        return []
    out = []
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict) and NEEDED.get(str(record.get("kind")), {None}) <= record.keys():
                out.append(record)
    return out


def whole(path):
    try:
        with open(path, encoding="utf-8") as file:
            read = json.load(file)
            return read if isinstance(read, dict) else None
    except (OSError, ValueError):
        return None


def collect(folder):
    steps = [whole(os.path.join(folder, "steps", name + ".json")) for name in STEPS]
    checks = lines(os.path.join(folder, "check.jsonl"))
    golden = whole(os.path.join(folder, "golden.json"))
    table = lines(os.path.join(folder, "table.jsonl"))
    return {
        "format": 1,
        "environment": whole(os.path.join(folder, "environment.json")),
        "steps": [s for s in steps if s],
        "checks": checks,
        "golden": golden,
        "measurements": [r for r in table if r.get("kind") == "forward"],
        "steps_measured": [r for r in table if r.get("kind") == "decode"],
        "peers_absent": [r for r in table if r.get("kind") == "peer"],
        "failures": [r for r in table if r.get("kind") == "failure"],
    }


def aligned(rows):
    """Columns padded; the first to the left, numbers to the right."""
    width = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    out = []
    for row in rows:
        cells = [c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, width))]
        out.append("  ".join(cells).rstrip())
    return "\n".join(out)


def device_of(results):
    environment = results["environment"] or {}
    name = environment.get("gpu_name")
    if name:
        return f"{name}, driver {environment.get('gpu_driver_version')}, commit {environment.get('commit')}"
    return f"no GPU: the emulator, whose times are modelled and say nothing of speed; commit {environment.get('commit')}"


def by_shape(measurements):
    shapes = {}
    for record in measurements:
        shapes.setdefault(record["name"], []).append(record)
    return shapes


def best_of_ours(records):
    ours = [r for r in records if r["who"] == "osdn" and r["gate"]["passed"]]
    return min(ours, key=lambda r: r["seconds"]["median"], default=None)


def table(results):
    shapes = by_shape(results["measurements"])
    peers = sorted({r["who"] for r in results["measurements"] if r["who"] != "osdn"})
    rows = [["shape", "ms", "± %", "ns/th", "× copy", "GB/s", "TFLOP/s", "ws %", "variant"]]
    rows[0] += [f"× {p}" for p in peers]
    for name, records in shapes.items():
        best = best_of_ours(records)
        if best is None:
            rows.append([name, "WRONG" if any(r["who"] == "osdn" for r in records) else "-"] + ["-"] * (len(rows[0]) - 2))
            continue
        seconds = best["seconds"]
        # What a software device did is no bandwidth and no rate of anything.
        timed = best["clock"] == "device events"
        ratio = best.get("ratio_to_copy") if timed else None
        row = [
            name,
            f"{1e3 * seconds['median']:.4f}",
            f"{100 * seconds['relative_spread']:.1f}",
            f"{best['ns_per_token_head']:.3f}",
            f"{ratio:.2f}" if ratio else "-",
            f"{best['gb_per_s']:.0f}" if timed else "-",
            f"{best['tensor_tflop_per_s']:.0f}" if timed else "-",
            f"{100 * best['workspace_of_tensors']:.1f}",
            best["variant"],
        ]
        for peer in peers:
            other = [r for r in records if r["who"] == peer]
            row.append(f"{other[0]['seconds']['median'] / seconds['median']:.2f}" if other else "-")
        rows.append(row)
    return aligned(rows) if len(rows) > 1 else "nothing was measured"


def decoding(results):
    """Steps: what a state costs on its way in and out, beside a copy of the same bytes."""
    rows = [["decoding step", "ms", "± %", "ns/head-step", "B/head-step", "GB/s", "× copy", "variant"]]
    for name, records in by_shape(results["steps_measured"]).items():
        best = best_of_ours(records)
        if best is None:
            rows.append([name, "WRONG"] + ["-"] * (len(rows[0]) - 2))
            continue
        seconds = best["seconds"]
        timed = best["clock"] == "device events"
        ratio = best.get("ratio_to_copy") if timed else None
        rows.append(
            [
                name,
                f"{1e3 * seconds['median']:.4f}",
                f"{100 * seconds['relative_spread']:.1f}",
                f"{best['ns_per_head_step']:.2f}",
                f"{best['bytes_per_head_step']:.0f}",
                f"{best['gb_per_s']:.0f}" if timed else "-",
                f"{ratio:.2f}" if ratio else "-",
                best["variant"],
            ]
        )
    return aligned(rows) if len(rows) > 1 else "no step was measured"


def phases(results):
    rows = [["kernels alone, ms", "phase", "ms"]]
    for name, records in by_shape(results["measurements"]).items():
        best = best_of_ours(records)
        for phase in best["phases"] if best else []:
            rows.append([name, phase["phase"], f"{1e3 * phase['seconds']['median']:.4f}"])
    return aligned(rows) if len(rows) > 1 else ""


def correctness(results):
    checks = results["checks"]
    wrong = [c["key"] for c in checks if not c["passed"]]
    out = f"{len(checks) - len(wrong)} of {len(checks)} rows of the kernel family within tolerance of float64"
    compared = [c["emulator"] for c in checks if "emulator" in c]
    if compared:
        worst = max((x for c in compared for x in c["difference"].values() if x == x), default=0)
        same = sum(c["same_bits"] for c in compared)
        out += f"; {same} of {len(compared)} the emulator's bits, else at most {worst:.1e} of relative RMS from it"
    for key in wrong[:10]:
        out += f"\n  WRONG {key}"
    golden = results["golden"]
    if golden and isinstance(golden.get("cases"), list):
        right = sum(c["passed"] for c in golden["cases"])
        out += f"\n{right} of {len(golden['cases'])} case files within tolerance"
    return out


def text(results):
    out = [device_of(results), ""]
    out.append(aligned([["step", "", "s"]] + [[s["step"], s["status"], str(s["seconds"])] for s in results["steps"]]))
    out += [f"  {s['step']}: {s['reason']}" for s in results["steps"] if s["reason"]]
    clocks = {r["clock"] for r in results["measurements"] + results["steps_measured"] if r["who"] == "osdn"}
    absent = [f"{p['who']} ({p['absent']})" for p in results["peers_absent"]]
    out += ["", correctness(results), ""]
    out.append(f"clock: {', '.join(sorted(clocks)) or '-'}; best variant of ours; × peer: the peer's time over ours")
    out += [table(results), "", decoding(results), "", phases(results)]
    if absent:
        out.append("absent: " + ", ".join(absent))
    for failure in results["failures"]:
        out.append(f"not measured: {failure['who']} at {failure['name']}: {failure['error']['message'][:120]}")
    return "\n".join(out) + "\n"


def write(path, content):
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(content)
    os.replace(path + ".new", path)


def main():
    folder = sys.argv[1]
    results = collect(folder)
    write(os.path.join(folder, "results.json"), json.dumps(results, ensure_ascii=False, indent=1) + "\n")
    readable = text(results)
    write(os.path.join(folder, "table.txt"), readable)
    sys.stdout.write(readable)


if __name__ == "__main__":
    main()
