"""Real units under a real systemd, for the real binaries. Only ever run inside scripts/lane-systemd."""
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))

from harness import EndToEnd, ORDEAL, answers, state_of, wait_until  # noqa: E402,F401

UNITS = pathlib.Path("/etc/systemd/system")
STATE = pathlib.Path("/var/lib/ordeal")  # the standard one: the recovery unit knows no other

EXPERIMENT = """\
version: 1
name: {name}
hypothesis: The bystander does not notice.
slis: {{ bystander: {{ process: {{ unit: bystander.service }} }} }}
steady_state: [ bystander.up ]
abort_if: [ host.memory_available < 1% ]
baseline: 5s
warmup: 0s
method:
{method}
recovery: {{ within: 20s, hold: 5s }}
"""

STOP = """\
  - fault: service.stop
    target: { unit: %s }
    duration: %s
"""


def systemctl(*arguments, check=True):
    return subprocess.run(["systemctl", *arguments], check=check, text=True,
                          capture_output=True, timeout=120).stdout.strip()


def active(unit):
    return systemctl("is-active", unit, check=False)


def main_pid(unit):
    return int(systemctl("show", "--property=MainPID", "--value", unit))


def write_unit(name, service="", unit="", program="/usr/bin/sleep infinity"):
    (UNITS / name).write_text(f"[Unit]\n{unit}\n[Service]\nExecStart={program}\n{service}\n")


def executors():
    """(keeper, worker) of the only run there is."""
    found = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        if text[text.index("(") + 1:text.rindex(")")] == "ordeal-executor":
            found[int(stat.parent.name)] = int(text.rpartition(")")[2].split()[1])
    worker = next(pid for pid, parent in found.items() if parent in found)
    return found[worker], worker


def kill_everything(front):
    """kill -9 of all of ordeal; stopped first, so that none can react to another's death."""
    victims = [front, *executors()]
    for deed in (signal.SIGSTOP, signal.SIGKILL):
        for pid in victims:
            os.kill(pid, deed)


def reachable(port):
    """Whether an UDP packet to this port of this host arrives."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
        there.settimeout(0.2)
        there.bind(("127.0.0.1", port))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
            here.sendto(b"x", ("127.0.0.1", port))
        try:
            return there.recv(9) == b"x"
        except TimeoutError:
            return False


class Sampler:
    """Asks again and again until it is stopped; `seen` is what was answered, in order."""

    def __init__(self, question, pause=0.1):
        self.seen = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._loop, args=(question, pause))
        self._thread.start()

    def _loop(self, question, pause):
        while not self._end.wait(pause):
            self.seen.append(question())

    def stop(self):
        self._end.set()
        self._thread.join()
        return self.seen


class SystemdBed(EndToEnd):
    @classmethod
    def setUpClass(cls):
        if pathlib.Path("/proc/1/comm").read_text().strip() != "systemd" or ROOT != \
                pathlib.Path("/ordeal"):
            raise AssertionError("run me by scripts/lane-systemd")
        write_unit("bystander.service")
        systemctl("daemon-reload")
        systemctl("start", "bystander.service")

    def setUp(self):
        super().setUp()
        del self.environment["ORDEAL_STATE"]

    def units(self, **units):
        """Writes and starts units; names without `.service`."""
        for name, parts in units.items():
            write_unit(f"{name}.service", **parts)
            self.addCleanup(systemctl, "stop", f"{name}.service", check=False)
        systemctl("daemon-reload")
        for name in units:
            systemctl("start", f"{name}.service")

    def experiment(self, method, name="lane"):
        return self.write(EXPERIMENT.format(name=name, method=method))

    def until_stopped(self, unit):
        wait_until(lambda: active(unit) in ("inactive", "failed"), 60, f"{unit} is stopped")

    def log_of_recovery(self):
        systemctl("start", "systemd-journald", check=False)
        subprocess.run(["journalctl", "--sync"], check=True)
        return subprocess.run(["journalctl", "--unit=ordeal-recover", "--output=cat", "--boot"],
                              check=True, text=True, capture_output=True).stdout
