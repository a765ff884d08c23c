#!/usr/bin/env python3
"""What the executor costs: aborts with 20 faults, order to active, memory, idle wake-ups, and the load
faults next to stress-ng. Run by scripts/bench in namespaces of its own.

    executor.py ORDEAL-EXECUTOR [ROUNDS]"""
import contextlib
import mmap
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from wire import Executor

MIB = 1 << 20
GIB = 1 << 30


def say(name, text):
    print(f"  {name:<46} {text}", flush=True)


def spread(values, unit="ms", scale=1.0, digits=2):
    values = [value * scale for value in values]
    return (f"{statistics.median(values):.{digits}f} {unit} "
            f"({min(values):.{digits}f} to {max(values):.{digits}f})")


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def partition(port):
    return {"remote_port": [{"first": port, "last": port}], "device": "lo", "protocol": ["all"],
            "allow_whole_interface": False}


def delay(port):
    return {**partition(port), "latency": 100_000, "jitter": 0, "correlation": 0, "limit": 0}


class Machine:
    """Victims, a scratch file system in memory and the executor."""

    def __init__(self, path, folder):
        self.path = path
        self.folder = folder
        self.disk = folder / "disk"
        self.disk.mkdir()
        image = folder / "disk.image"
        with open(image, "wb") as file:
            file.truncate(2 * GIB)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, self.disk], check=True)
        self.victims = [subprocess.Popen(["sleep", str(40_000_000 + i)]) for i in range(6)]
        self.executor = Executor(path, folder / "state")

    def close(self):
        self.executor.bye()
        for victim in self.victims:
            victim.kill()
            victim.wait()
        subprocess.run(["umount", self.disk], check=True)

    def steps(self, memory, delays):
        """(step, fault, with, target) of 20 faults; cpu, disk and memory can be claimed only once."""
        for i in range(delays):
            yield f"delay.{i}", "network.delay", delay(2100 + i), None
        for i in range((11 if memory else 12) - delays):
            yield f"partition.{i}", "network.partition", partition(2000 + i), None
        for i in range(6):
            target = {"process": {"argv": f"sleep {40_000_000 + i}"}}
            yield f"pause.{i}", "process.pause", {"method": "signal"}, target
        yield "cpu", "cpu.load", {"load": 10_000, "workers": 1}, None
        yield "disk", "disk.fill", {"path": str(self.disk), "size": GIB, "floor": MIB}, None
        if memory:
            yield "memory", "memory.load", {"size": {"bytes": GIB}, "reserve": 256 * MIB, "ramp": 0}, None

    def backend(self):
        """What carries network.delay here: netem, or nfqueue where this kernel has no netem."""
        self.executor.prepare("delay.0", "network.delay", delay(2100))
        backend = self.executor.last_prepared["plan"]["backend"]
        self.executor.revert()
        return backend

    def inject_all(self, memory, delays=0):
        ex = self.executor
        ex.inject(*[(step, ex.prepare(step, fault, with_, target))
                    for step, fault, with_, target in self.steps(memory, delays)])
        while memory and ex.ask("read_effect", step="memory")["effect"]["seen"] != "yes":
            time.sleep(0.01)


def aborts(machine, rounds):
    print(f"abort with 20 faults, {rounds} rounds (order to the last `reverted`)")
    # An nfqueue delay ends with its rules, but the kernel takes 5 ms to close a queue.
    mixes = (("without memory", False, 0, " (bar: 10 ms)"),
             ("with memory.load of 1 GiB", True, 0, " (bar: 25 ms)"),
             (f"with 4 delays by {machine.backend()}", False, 4, ""))
    for name, memory, delays, bar in mixes:
        waited, shares = [], {}
        for _ in range(rounds):
            machine.inject_all(memory, delays)
            _, facts, seconds = machine.executor.revert()
            waited.append(seconds * 1e3)
            machine.executor.ask("check_host")  # removes what a revert leaves idle
            for fact in facts:
                took = sum(undo["took"] for undo in fact["undos"]) / 1e3
                shares.setdefault(fact["step"].split(".")[0], []).append(took)
        say(name, f"p50 {percentile(waited, 0.5):.2f} ms, p99 {percentile(waited, 0.99):.2f} ms{bar}")
        for fault, values in shares.items():
            say(f"    undo of one {fault}", spread(values))


def fdatasyncs(folder, count=50):
    """Times to write and sync 4 KiB in place, in seconds."""
    path = folder / "sync"
    out = []
    with open(path, "wb", buffering=0) as file:
        file.write(bytes(MIB))
        os.fsync(file.fileno())
        for i in range(count):
            begun = time.monotonic()
            os.pwrite(file.fileno(), bytes(4096), 4096 * (i % 64))
            os.fdatasync(file.fileno())
            out.append(time.monotonic() - begun)
    return out


def active(machine, rounds):
    print(f"order to active, without the kernel's own calls ({rounds} rounds of 50, interleaved)")
    ex = machine.executor
    bars = {"process.pause": 3, "network.partition": 3, "network.delay": 8}
    ratios = {fault: [] for fault in bars}
    sync_ms = []
    for _ in range(rounds):
        sync = statistics.median(fdatasyncs(machine.folder)) * 1e6
        sync_ms.append(sync / 1e3)
        for fault, with_, target in (
                ("process.pause", {"method": "signal"}, {"process": {"argv": "sleep 40000000"}}),
                ("network.partition", partition(3000), None),
                ("network.delay", delay(3001), None)):
            own = []
            for i in range(50):
                done, = ex.inject(("active", ex.prepare("active", fault, with_, target)))
                own.append(done["took"] - done["kernel_took"])
                ex.revert()
            ratios[fault].append(statistics.median(own) / sync)
    say("one fdatasync of 4 KiB", spread(sync_ms, digits=3))
    for fault, values in ratios.items():
        say(fault, spread(values, "x fdatasync") + f" (bar: {bars[fault]}x)")


def pss_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise RuntimeError("no Pss")


def switches(pids):
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            for line in (task / "status").read_text().splitlines():
                if "ctxt_switches" in line:
                    total += int(line.split()[1])
    return total


def footprint(machine):
    print("memory and idle wake-ups of worker and keeper")
    machine.inject_all(memory=True)
    pids = machine.executor.processes()
    total = sum(pss_kib(pid) for pid in pids) / 1024
    say("Pss with 20 faults active", f"{total:.2f} MiB (bar: 6 MiB)")
    machine.executor.revert()
    time.sleep(10)  # what a revert leaves idle is removed a little later
    before = switches(pids)
    time.sleep(60)
    say("wake-ups while idle", f"{(switches(pids) - before) / 60:.2f} /s over 60 s (bar: 0.1 /s)")


def cpu_seconds(pid):
    text = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(text[11]) + int(text[12])) / os.sysconf("SC_CLK_TCK")


def helper_of(machine):
    worker = machine.executor.processes()[1]
    return int(pathlib.Path(f"/proc/{worker}/task/{worker}/children").read_text().split()[0])


def busy_error(pids, wanted, seconds=5):
    """How far the load is off, in points of one machine."""
    time.sleep(1)  # both have a start to get over
    begun, before = time.monotonic(), sum(map(cpu_seconds, pids))
    time.sleep(seconds)
    share = (sum(map(cpu_seconds, pids)) - before) / (time.monotonic() - begun) / os.cpu_count()
    return abs(share * 100 - wanted)


def cpu(machine, rounds):
    print(f"cpu.load of 30 %: how far off, in points ({rounds} interleaved windows of 5 s)")
    ours, theirs = [], []
    ex = machine.executor
    for _ in range(rounds):
        ex.inject(("cpu", ex.prepare("cpu", "cpu.load", {"load": 300_000})))
        ours.append(busy_error([helper_of(machine)], 30))
        ex.revert()
        peer = subprocess.Popen(["stress-ng", "--quiet", "--cpu", str(os.cpu_count()),
                                 "--cpu-load", "30", "--timeout", "60"])
        time.sleep(0.5)
        children = pathlib.Path(f"/proc/{peer.pid}/task/{peer.pid}/children").read_text().split()
        theirs.append(busy_error([int(child) for child in children], 30))
        peer.terminate()
        peer.wait()
    say("ordeal", spread(ours, "points"))
    say("stress-ng", spread(theirs, "points"))


def resident(pid):
    with contextlib.suppress(OSError):
        return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * mmap.PAGESIZE
    return 0


def touch(size):
    """Seconds to touch so much memory in huge pages: what the kernel alone takes."""
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_HUGEPAGE)
    begun = time.monotonic()
    for at in range(0, size, 2 * MIB):
        memory[at] = 1
    took = time.monotonic() - begun
    memory.close()
    return took


def until_resident(pids, size):
    begun = time.monotonic()
    while sum(resident(pid) for pid in pids()) < size * 0.99:
        if time.monotonic() - begun > 120:
            raise RuntimeError("never got so much memory")
        time.sleep(0.002)
    return time.monotonic() - begun


def memory(machine, rounds, size=4 * GIB):
    print(f"memory.load of {size // GIB} GiB ({rounds} rounds, interleaved)")
    to_peer, to_touch = [], []
    ex = machine.executor
    touch(size)  # a virtual machine gets its memory from its host at the first touch
    for _ in range(rounds):
        limit = touch(size)
        digest = ex.prepare("memory", "memory.load",
                            {"size": {"bytes": size}, "reserve": 256 * MIB, "ramp": 0})
        begun = time.monotonic()
        ex.inject(("memory", digest))
        pid = helper_of(machine)
        until_resident(lambda: [pid], size)
        ours = time.monotonic() - begun
        ex.revert()
        begun = time.monotonic()
        peer = subprocess.Popen(["stress-ng", "--quiet", "--vm", "1", "--vm-bytes", str(size),
                                 "--vm-keep", "--timeout", "120"])

        def children(pid=peer.pid):
            found = [pid]
            for one in found:
                with contextlib.suppress(OSError):
                    path = pathlib.Path(f"/proc/{one}/task/{one}/children")
                    found += [int(word) for word in path.read_text().split()]
            return found
        until_resident(children, size)
        theirs = time.monotonic() - begun
        peer.terminate()
        peer.wait()
        to_peer.append(theirs / ours)
        to_touch.append(limit / ours)
    say("faster than stress-ng --vm", spread(to_peer, "x") + " (bar: 5x)")
    say("speed against touching huge pages", spread(to_touch, "x") + " (bar: 0.8x)")


def main():
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    only = sys.argv[3:]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ordeal-bench-", dir="/var/tmp"))
    machine = Machine(sys.argv[1], folder)
    try:
        # The footprint first: every run has an executor of its own, and this one has hundreds.
        for part, call in (("footprint", lambda: footprint(machine)),
                           ("aborts", lambda: aborts(machine, 20 * rounds)),
                           ("active", lambda: active(machine, rounds)),
                           ("cpu", lambda: cpu(machine, 2 * rounds)),
                           ("memory", lambda: memory(machine, rounds))):
            if not only or part in only:
                call()
    finally:
        machine.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
