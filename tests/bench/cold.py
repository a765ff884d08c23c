#!/usr/bin/env python3
"""How long a cold `ordeal run` takes until the baseline begins, and from the end of the baseline to the
first change: what ordeal itself adds to an experiment's own times.

    cold.py ORDEAL [ROUNDS]"""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

FILE = """\
version: 1
name: cold
hypothesis: Nothing.
slis: { self: { exec: { argv: [/bin/true], every: 100ms, timeout: 1s, mode: ok } } }
steady_state: [ self.success >= 50% ]
during: [ self.success >= 50% ]
abort_if: [ host.memory_available < 1% ]
baseline: 10s
warmup: 0s
method:
  - fault: process.pause
    target: { process: { argv: "sleep 4242424" } }
    duration: 3s
recovery: { within: 10s, hold: 5s }
"""


def run(ordeal, folder):
    victim = subprocess.Popen(["sleep", "4242424"])
    begun = time.monotonic()
    child = subprocess.Popen([ordeal, "run", "--output", "json", str(folder / "cold.yaml")],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             env={**os.environ, "ORDEAL_STATE": str(folder / "state")})
    planned = injected = ended = None
    for line in child.stdout:
        event = json.loads(line)
        data = event["data"]
        if event["kind"] == "phase_started" and data["phase"] == "baseline":
            planned = time.monotonic() - begun
        if event["kind"] == "phase_started" and data["phase"] == "inject":
            ended = event["t_us"]
        if event["kind"] == "step" and data["state"] == "injected" and injected is None:
            injected = event["t_us"]
    child.wait()
    victim.kill()
    victim.wait()
    if injected is None:
        sys.exit(child.stderr.read())
    return planned * 1e3, (injected - ended) / 1e3


def main():
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = pathlib.Path(name)
        (folder / "cold.yaml").write_text(FILE)
        values = [run(sys.argv[1], folder) for _ in range(rounds)]
    print(f"a cold `ordeal run`, {rounds} rounds")
    for text, column in (("start to planned, probes begin", 0),
                         ("end of the baseline to the first change", 1)):
        numbers = [value[column] for value in values]
        print(f"  {text:<46} {statistics.median(numbers):.1f} ms "
              f"({min(numbers):.1f} to {max(numbers):.1f})")


if __name__ == "__main__":
    main()
