"""Whoever starts ordeal hands on more than words. A matrix: each signal ignored or blocked, standard
streams closed, no environment, odd umasks, limits and pid namespaces; in each cell a whole run that
pauses one process and kills another. What must not differ: the exit code, that everything is put back,
that `restore` ran once, and what the restored process was given."""
import concurrent.futures
import os
import pathlib
import pty
import signal
import subprocess
import termios
import threading
import time
import unittest

from harness import BINARIES, ORDEAL, EndToEnd, state_of, wait_until

FILE = """\
version: 1
name: parents
hypothesis: Nobody notices.
slis:
  web: {{ process: {{ argv: "sleep {paused}", every: 200ms }}, min_samples: 1 }}
steady_state: [ web.up ]
during: [ web.up ]
abort_if: [ host.memory_available < 1% ]
baseline: 400ms
warmup: 0s
method:
  - parallel:
      - {{ fault: process.pause, target: {{ process: {{ argv: "sleep {paused}" }} }}, duration: {duration} }}
      - fault: process.kill
        target: {{ process: {{ argv: "sleep {killed}" }} }}
        with: {{ restore: {{ argv: [{restore}] }} }}
        duration: {duration}
recovery: {{ within: 5s, hold: 400ms }}
"""
RESTORE = """\
#!/bin/sh
echo ran >>{folder}/ran
exec setsid --fork sleep {killed} </dev/null >/dev/null 2>&1
"""
SIGNALS = [number for number in range(1, 32) if number not in (signal.SIGKILL, signal.SIGSTOP)]
AT_ONCE = 6
numbers = iter(range(1, 1 << 20))
numbers_lock = threading.Lock()


def running(argument):
    """pids of `sleep ARGUMENT`."""
    found = []
    for line in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if line.read_bytes() == f"sleep\0{argument}\0".encode():
                found.append(int(line.parent.name))
        except OSError:
            continue
    return found


def executors_of(state):
    """pids of executors that work on this state folder."""
    found = []
    for comm in pathlib.Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text().startswith("ordeal-execut") and \
                    f"ORDEAL_STATE={state}".encode() in (comm.parent / "environ").read_bytes():
                found.append(int(comm.parent.name))
        except OSError:
            continue
    return sorted(found)


def status_of(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def shell(script):
    return ["sh", "-c", script + '; exec "$@"', "sh"]


class Cell:
    """One run with victims and a state folder of its own."""

    def __init__(self, test, duration="400ms"):
        with numbers_lock:
            number = next(numbers)
        self.test = test
        self.folder = test.folder / f"cell-{number}"
        self.folder.mkdir()
        self.folder.chmod(0o755)
        self.state = self.folder / "state"
        self.paused, self.killed = f"8640.{number}1", f"8640.{number}2"
        restore = self.folder / "restore"
        restore.write_text(RESTORE.format(folder=self.folder, killed=self.killed))
        restore.chmod(0o755)
        self.file = self.folder / "parents.yaml"
        self.file.write_text(FILE.format(paused=self.paused, killed=self.killed, restore=restore,
                                         duration=duration))
        self.victims = [subprocess.Popen(["sleep", argument], stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                        for argument in (self.paused, self.killed)]
        self.environment = {**test.environment, "ORDEAL_STATE": str(self.state)}

    def close(self):
        for victim in self.victims:
            victim.send_signal(signal.SIGCONT)
            victim.kill()
            victim.wait()
        for pid in running(self.killed):
            os.kill(pid, signal.SIGKILL)

    def run(self, parent, arguments=("run",)):
        return subprocess.run([*parent, ORDEAL, *arguments, str(self.file)], text=True,
                              env=self.environment, cwd=self.folder, timeout=60,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)

    def times_restored(self):
        ran = self.folder / "ran"
        return len(ran.read_text().splitlines()) if ran.exists() else 0

    def wrong(self):
        """What of the host is not as it should be after a run; empty: nothing."""
        out = []
        if state_of(self.victims[0].pid) != "S":
            out.append(f"the paused one is {state_of(self.victims[0].pid) or 'gone'}")
        back = [pid for pid in running(self.killed) if state_of(pid) not in "Z"]
        if len(back) != 1:
            out.append(f"{len(back)} of the killed run")
        if self.times_restored() > 1:
            out.append(f"restore ran {self.times_restored()} times")
        if self.times_restored() == 1 and back:
            given = status_of(back[0])
            for name, want in (("Umask", "0022"), ("SigBlk", "0" * 16), ("SigIgn", "0" * 16)):
                if given[name] != want:
                    out.append(f"the restored one has {name} {given[name]}")
        ends = time.monotonic() + 2
        while executors_of(self.state) and time.monotonic() < ends:
            time.sleep(0.05)
        if executors_of(self.state):
            out.append("a keeper or worker is still there")
        return out


class Parents(EndToEnd):
    def one(self, name, parent, code=0, words=""):
        """A row of the table, and what is wrong with it."""
        cell = Cell(self)
        try:
            begun = time.monotonic()
            done = cell.run(parent)
            took = time.monotonic() - begun
            wrong = cell.wrong()
            if done.returncode != code:
                wrong.append(f"exit {done.returncode} instead of {code}")
            if words not in " ".join(done.stdout.split()):
                wrong.append(f"not said: {words}")
            row = (f"| {name:34} | exit {done.returncode} | restored {cell.times_restored()} "
                   f"| {took:4.1f} s | {'; '.join(wrong) or words or 'as usual'}")
            return row, (f"{row}\n{done.stdout}" if wrong else "")
        finally:
            cell.close()

    def matrix(self, cells):
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            ended = list(pool.map(lambda cell: self.one(*cell), cells))
        print(flush=True)  # unittest's line ends here
        for row, _ in ended:
            print(row, flush=True)
        wrong = [what for _, what in ended if what]
        if wrong:
            self.fail("\n".join(wrong))

    def test_each_signal_ignored(self):
        self.matrix([(f"ignored: {signal.Signals(number).name}",
                      ["env", f"--ignore-signal={number}"]) for number in SIGNALS])

    def test_each_signal_blocked(self):
        self.matrix([(f"blocked: {signal.Signals(number).name}",
                      ["env", f"--block-signal={number}"]) for number in SIGNALS])

    def test_streams_environment_umask_limits_namespaces(self):
        proc = "another pid namespace"
        self.matrix([
            ("all ignored and blocked", ["env", "--ignore-signal", "--block-signal"]),
            ("no stdin", shell("exec <&-")),
            ("no stdout", shell("exec >&-")),
            ("no stderr", shell("exec 2>&-")),
            ("no stdin, stdout and stderr", shell("exec <&- >&- 2>&-")),
            ("no environment", ["unshare", "--mount", *shell(
                "mount -t tmpfs tmpfs /var/lib && mount -t tmpfs tmpfs /run && "
                "exec env -i \"$@\"")]),
            ("umask 0777", shell("umask 0777")),
            ("umask 0", shell("umask 0")),
            ("a session of its own", ["setsid", "--wait"]),
            ("soft limit of 20 files", shell("ulimit -Sn 20")),
            ("at most 64 files", shell("ulimit -n 64")),
            ("at most 20 files", shell("ulimit -n 20"), 3, "only 20 files may be open"),
            ("soft limit of 4 KiB in a file", shell("ulimit -Sf 8")),
            ("at most 4 KiB in a file", shell("ulimit -f 8"), 3, "File too large"),
            ("no core file", shell("ulimit -c 0")),
            ("soft limit of 1 s CPU time", shell("ulimit -St 1")),
            ("soft limit of memory", shell("ulimit -Sv 40000")),
            ("/proc of another pid namespace", ["unshare", "--pid", "--fork", "--kill-child"], 3,
             proc),
            ("no /proc", ["unshare", "--mount", *shell(
                f"export ORDEAL_EXECUTOR={BINARIES}/ordeal-executor; "
                "mount -t tmpfs tmpfs /proc")], 3,
             "/proc does not show us"),
        ])

    def test_a_dead_worker_is_seen_at_once(self):
        """Also by a keeper whose SIGCHLD was ignored, and then nothing spins."""
        print(flush=True)
        for name, parent in (("ignored", ["env", "--ignore-signal=CHLD"]),
                             ("all", ["env", "--ignore-signal", "--block-signal"])):
            with self.subTest(name):
                cell = Cell(self, duration="30s")
                self.addCleanup(cell.close)
                run = self.start(*parent, ORDEAL, "run", str(cell.file), env=cell.environment,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                wait_until(lambda: state_of(cell.victims[0].pid) == "T", 30, "paused")
                time.sleep(0.5)
                _, worker = executors_of(cell.state)
                begun = time.monotonic()
                os.kill(worker, signal.SIGKILL)
                wait_until(lambda: state_of(cell.victims[0].pid) == "S", 5, "it goes on")
                took = time.monotonic() - begun
                print(f"| worker killed, SIGCHLD {name:11} | put back after {took:.2f} s", flush=True)
                self.assertEqual(run.wait(timeout=30), 8)
                self.assertEqual(cell.wrong(), [])
                self.assertLess(took, 1)

    def test_recovery_in_a_foreign_pid_namespace_says_why_not(self):
        """There a paused process would be taken for gone."""
        cell = Cell(self, duration="30s")
        self.addCleanup(cell.close)
        run = self.start(ORDEAL, "run", str(cell.file), env=cell.environment,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: state_of(cell.victims[0].pid) == "T", 30, "paused")
        time.sleep(0.3)
        keeper, worker = executors_of(cell.state)
        for deed in (signal.SIGSTOP, signal.SIGKILL):
            for pid in (run.pid, keeper, worker):
                os.kill(pid, deed)
        run.wait()
        self.environment = cell.environment
        for command in (["recover"], ["status", "--exit-code"]):
            done = subprocess.run(["unshare", "--pid", "--fork", ORDEAL, *command], text=True,
                                  env=cell.environment, capture_output=True, timeout=30)
            said = done.stdout + done.stderr
            self.assertEqual(done.returncode, 3, said)
            self.assertIn("another pid namespace", said)
            self.assertNotIn("clean", said)
        self.assertEqual(state_of(cell.victims[0].pid), "T")
        self.assert_exit(self.ordeal("recover"), 0)
        self.assertEqual(cell.wrong(), [])
        self.assert_nothing_left()

    def test_a_run_in_the_background_of_a_terminal_is_not_stopped(self):
        """Not even where the terminal stops whoever writes from there (stty tostop)."""
        cell = Cell(self)
        self.addCleanup(cell.close)
        pid, terminal = pty.fork()
        if pid == 0:
            mode = termios.tcgetattr(0)
            mode[3] |= termios.TOSTOP
            termios.tcsetattr(0, termios.TCSANOW, mode)
            child = os.fork()
            if child == 0:
                os.setpgid(0, 0)
                os.execve(ORDEAL, [ORDEAL, "run", str(cell.file)], cell.environment)
            _, status = os.waitpid(child, os.WUNTRACED)
            os._exit(99 if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status))
        said = b""
        try:
            while more := os.read(terminal, 65536):
                said += more
        except OSError:
            pass  # the end of a terminal
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
        self.assertEqual(os.waitstatus_to_exitcode(status), 0, said.decode(errors="replace"))
        self.assertEqual(cell.wrong(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
