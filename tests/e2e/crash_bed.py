"""Every fault at once on things of its own, and how to see from outside which of them still act."""
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

from harness import HERE, free_port, state_of

FILE = """\
version: 1
name: everything-at-once
hypothesis: Every fault acts at the same time and none of them stays.
slis:
  web: {{ http: {{ url: "http://127.0.0.1:{web}/", rate: 20/s, timeout: 300ms }} }}
steady_state: [ web.success >= 90% ]
during: [ host.memory_available > 1% ]
abort_if: [ host.memory_available < 1% ]
baseline: 10s
warmup: 0s
method:
  - parallel:
{parts}
recovery: {{ within: 20s, hold: 5s }}
blast_radius: {{ processes: 10, duration: 2m }}
"""

TIMED_OUT = 0.6
MET = 0.3  # a connection that takes longer was met by a fault
ROLES = {"cpu", "memory", "disk", "shaper"}
EVERYTHING = {"pause", "kill", "service", "filled", "delay", "loss", "partition",
              *(f"{role} helper" for role in ROLES)}


def processes(argument):
    """pids of processes that have this argument."""
    found = []
    for line in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if argument.encode() in line.read_bytes().split(b"\0"):
                found.append(int(line.parent.name))
        except OSError:
            continue
    return found


def helpers():
    """Roles of the helper processes of ordeal that are alive: cpu, memory, shaper and so on."""
    roles = set()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            argv = (process / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        # Dead ones have no argv left: pid 1 of a test reaps nobody.
        if argv[0] == "ordeal-executor" and "--helper" in argv:
            roles.add(argv[argv.index("--helper") + 1])
    return roles


def seconds_to_connect(port):
    begun = time.monotonic()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=TIMED_OUT):
            pass
    except OSError:
        return TIMED_OUT
    return time.monotonic() - begun


class Bed:
    """Victims for every fault. `test` is an EndToEnd."""

    def __init__(self, test):
        self.test = test
        _, self.web = test.service()
        self.paused, self.paused_port = test.service()
        # Started by its own script so that `restore` can start it again.
        self.killed_port, self.stopped_port = free_port(), free_port()
        for port in (self.killed_port, self.stopped_port):
            subprocess.run([*self.control(port, "start")], check=True)
            test.addCleanup(subprocess.run, self.control(port, "stop"), check=False)
        self.ports = {}
        for name in ("delay", "loss", "partition"):
            _, self.ports[name] = test.service()
        self.disk = test.folder / "disk"
        self.disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(self.disk)],
                       check=True)
        test.addCleanup(subprocess.run, ["umount", "--lazy", str(self.disk)], check=False)
        self.free_before = self.free()

    @staticmethod
    def control(port, verb):
        return [sys.executable, str(HERE / "control.py"), str(port), verb]

    def free(self):
        about = os.statvfs(self.disk)
        return about.f_bavail * about.f_frsize

    def argv(self, port, verb):
        return "[" + ", ".join(f'"{word}"' for word in self.control(port, verb)) + "]"

    def file(self, without=()):
        def ports(name):
            return f"remote_port: {self.ports[name]}, device: lo"
        faults = {
            "pause": f'process.pause, target: {{ process: {{ argv: "*service.py {self.paused_port}" }} }}',
            "kill": f'process.kill, target: {{ process: {{ argv: "*service.py {self.killed_port}" }} }}, '
                    f"with: {{ restore: {{ argv: {self.argv(self.killed_port, 'start')} }} }}",
            "delay": f"network.delay, with: {{ latency: 400ms, {ports('delay')} }}",
            "loss": f"network.loss, with: {{ percent: 100%, {ports('loss')} }}",
            "partition": f"network.partition, with: {{ {ports('partition')} }}",
            "cpu": "cpu.load, with: { load: 5%, workers: 1 }",
            "memory": "memory.load, with: { size: 32MiB, reserve: 64MiB }",
            "disk": f"disk.fill, with: {{ path: {self.disk}, size: 32MiB, floor: 1MiB }}",
            "service": f'service.stop, target: {{ process: {{ argv: "*service.py {self.stopped_port}" }} }}, '
                       f"with: {{ stop: {self.argv(self.stopped_port, 'stop')}, "
                       f"start: {self.argv(self.stopped_port, 'start')} }}",
        }
        parts = "".join(f"      - {{ name: {name}, fault: {fault}, duration: 60s }}\n"
                        for name, fault in faults.items() if name not in without)
        return FILE.format(web=self.web, parts=parts.rstrip("\n"))

    def acting(self):
        """Names of the faults whose effect can be seen from outside now."""
        out = set()
        if state_of(self.paused.pid) == "T":
            out.add("pause")
        for name, port in (("kill", self.killed_port), ("service", self.stopped_port)):
            if not processes(str(port)):
                out.add(name)
        if self.free_before - self.free() > 16 << 20:
            out.add("filled")
        out |= {f"{role} helper" for role in helpers()}
        slow = {}

        def look(name):
            slow[name] = seconds_to_connect(self.ports[name])
        threads = [threading.Thread(target=look, args=(name,)) for name in self.ports]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return out | {name for name, seconds in slow.items() if seconds > MET}
