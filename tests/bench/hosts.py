#!/usr/bin/env python3
"""One `ordeal run` over many hosts: from the first order to the last host injected, to the last one
reverted, and the controller's memory. The executors are simulated by this process, which answers
at once with what a real one said; `ssh` is replaced, so what is measured is the controller.

    hosts.py ORDEAL ORDEAL-EXECUTOR [ROUNDS]"""
import copy
import json
import os
import pathlib
import selectors
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading

from wire import Executor

# Stands in for ssh: hands its standard streams over, and stays until it is killed.
SSH = """#!/usr/bin/python3 -SE
import os, signal, socket
wire = socket.socket(socket.AF_UNIX)
wire.connect(os.environ["ORDEAL_BENCH_SOCKET"])
socket.send_fds(wire, [b"."], [0])
signal.pause()
"""
EXPERIMENT = """\
version: 1
name: many-hosts
hypothesis: The controller is no bottleneck.
slis: { self: { exec: { argv: [/bin/true], every: 100ms, timeout: 5s, mode: ok } } }
steady_state: [ self.success >= 50% ]
abort_if: [ self.success < 10% over 5s ]
baseline: 5s
warmup: 0s
method:
  - fault: process.pause
    target: { hosts: {}, process: { name: sleep } }
    with: { method: signal }
    duration: 3s
recovery: { within: 10s, hold: 5s }
blast_radius: { hosts: 1000, host_share: 100%, processes: 1000 }
"""


def recorded(executor, folder):
    """What a real executor says of itself and of one step."""
    victim = subprocess.Popen(["sleep", "4343434"])
    real = Executor(executor, folder / "state")
    real.prepare("method.0", "process.pause", {"method": "signal"},
                 {"process": {"argv": "sleep 4343434"}})
    prepared = real.last_prepared
    real.bye()
    victim.kill()
    victim.wait()
    return real.hello, prepared


class Fleet(threading.Thread):
    """Every simulated executor, on one thread."""

    def __init__(self, path, hello, prepared):
        super().__init__(daemon=True)
        self.hello, self.prepared = hello, prepared
        self.selector = selectors.DefaultSelector()
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind(str(path))
        self.door.listen(1000)
        self.selector.register(self.door, selectors.EVENT_READ, None)
        self.active = {}

    def run(self):
        while True:
            for key, _ in self.selector.select():
                if key.data is None:
                    self.greet()
                else:
                    self.hear(key.fileobj, key.data)

    def greet(self):
        caller, _ = self.door.accept()
        _, descriptors, _, _ = socket.recv_fds(caller, 16, 1)
        caller.close()
        wire = socket.socket(fileno=descriptors[0])
        wire.setblocking(True)
        wire.sendall(b"ordeal-ssh ready found /simulated\n")
        self.selector.register(wire, selectors.EVENT_READ, {"buffer": b"", "seq": 0, "steps": set()})

    def hear(self, wire, state):
        more = wire.recv(1 << 16)
        if not more:
            self.selector.unregister(wire)
            wire.close()
            return
        state["buffer"] += more
        while len(state["buffer"]) >= 4:
            size = struct.unpack(">I", state["buffer"][:4])[0]
            if len(state["buffer"]) < 4 + size:
                return
            order = json.loads(state["buffer"][4:4 + size])
            state["buffer"] = state["buffer"][4 + size:]
            self.answer(wire, state, order)

    def tell(self, wire, state, re, kind, **members):
        state["seq"] += 1
        text = json.dumps({"v": 1, "kind": kind, "seq": state["seq"], "re": re, **members}).encode()
        wire.sendall(struct.pack(">I", len(text)) + text)

    def answer(self, wire, state, order):
        seen = {"seen": "yes", "text": "1 of 1 stopped"}
        kind, step = order["kind"], order.get("step", "")
        members = {}
        if kind == "hello":
            members = {k: v for k, v in self.hello.items() if k not in ("v", "kind", "seq", "re")}
        elif kind == "prepare":
            kind, plan = "prepared", copy.deepcopy(self.prepared["plan"])
            plan["step"] = order["request"]["step"]
            members = {"plan": plan, "digest": self.prepared["digest"]}
        elif kind == "inject":
            kind = "injected"
            state["steps"].add(step)
            members = {"step": step, "took": 100, "kernel_took": 10, "effect": seen}
        elif kind == "read_effect":
            kind, members = "effect_read", {"step": step, "effect": seen}
        elif kind == "revert":
            for one in order["steps"] or sorted(state["steps"]):
                state["steps"].discard(one)
                self.tell(wire, state, 0, "step_reverted", step=one, ok=True, took=100,
                          last_effect=seen, undos=[], why="ordered")
            kind, members = "all_reverted", {"ok": True, "took": 100}
        elif kind == "check_host":
            kind = "host_report"
            members = {"clean": True, "residue": [], "changed_by_others": [], "kept": []}
        else:
            kind = "done"
        self.tell(wire, state, order["id"], kind, **members)


def peak_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0


def run(ordeal, folder, hosts):
    inventory = folder / "hosts.yaml"
    inventory.write_text("version: 1\nhosts:\n" + "".join(
        f'  h{i}: {{ address: "ssh://root@10.{i // 250}.0.{i % 250 + 1}" }}\n'
        for i in range(hosts)))
    child = subprocess.Popen(
        [ordeal, "run", "--output", "json", "--inventory", inventory, folder / "many.yaml"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}",
             "ORDEAL_STATE": str(folder / "state"), "ORDEAL_BENCH_SOCKET": str(folder / "socket")})
    at, memory = {}, 0.0
    for line in child.stdout:
        event = json.loads(line)
        if event["kind"] == "plan_made":
            at["planned"] = event["t_us"]
        if event["kind"] == "phase_started" and event["data"]["phase"] == "recovery":
            memory = peak_mib(child.pid)
        if event["kind"] != "step":
            continue
        state = event["data"]["state"]
        if state in ("injecting", "reverting"):
            at.setdefault(state, event["t_us"])
        else:
            at[state] = event["t_us"]
    errors = child.stderr.read()
    if child.wait() != 0:
        sys.exit(f"the run over {hosts} hosts failed: {errors}")
    return (at["planned"] / 1e3, (at["injected"] - at["injecting"]) / 1e3,
            (at["reverted"] - at["reverting"]) / 1e3, memory)


def main():
    ordeal, executor = sys.argv[1:3]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = pathlib.Path(name)
        (folder / "ssh").write_text(SSH)
        (folder / "ssh").chmod(0o755)
        (folder / "many.yaml").write_text(EXPERIMENT)
        Fleet(folder / "socket", *recorded(executor, folder)).start()
        sizes = (1, 10, 100)
        values = {size: [] for size in sizes}
        for _ in range(rounds):
            for size in sizes:
                values[size].append(run(ordeal, folder, size))
    print(f"one run over many simulated hosts, {rounds} rounds, interleaved")
    for size in sizes:
        for column, what in enumerate(("connected, planned", "first order to last injected",
                                       "first order to last reverted", "controller, peak memory")):
            numbers = [value[column] for value in values[size]]
            unit = "MiB" if column == 3 else "ms"
            print(f"  {f'{size} hosts: {what}':<46} {statistics.median(numbers):.1f} {unit} "
                  f"({min(numbers):.1f} to {max(numbers):.1f})")


if __name__ == "__main__":
    main()
