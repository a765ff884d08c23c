"""kill -9 and SIGSTOP of front, worker, keeper and all of them: the machine is put back."""
import os
import pathlib
import signal
import time
import unittest

from harness import EndToEnd, state_of, wait_until
from test_exit_codes import FILE, PAUSE


def executors_below(pid):
    """(keeper, worker): ordeal-executor processes that descend from pid."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        name = text[text.index("(") + 1:text.rindex(")")]
        if name.startswith("ordeal-execut"):
            fields = text.rpartition(")")[2].split()
            found.append((int(stat.parent.name), int(fields[1])))
    keeper = next(p for p, parent in found if parent == pid)
    worker = next(p for p, parent in found if parent == keeper)
    return keeper, worker


class Crashes(EndToEnd):
    def begin_pause(self):
        victim, port = self.service()
        path = self.write(FILE.format(name="crash", port=port, during="web.success >= 99%",
                                      abort_if="[ host.memory_available < 1% ]",
                                      method=PAUSE.format(port=port, duration="40s")))
        run = self.begin("run", path)
        wait_until(lambda: state_of(victim.pid) == "T", 30, "the fault is active")
        keeper, worker = executors_below(run.pid)
        return victim, run, keeper, worker

    def assert_resumed(self, victim, seconds):
        wait_until(lambda: state_of(victim.pid) not in ("T", ""), seconds, "the victim runs again")

    def test_front_killed(self):
        victim, run, _, _ = self.begin_pause()
        run.kill()
        self.assert_resumed(victim, 1)
        wait_until(lambda: self.ordeal("status", "--exit-code").returncode == 0, 5, "clean")

    def test_worker_killed(self):
        victim, run, _, worker = self.begin_pause()
        os.kill(worker, signal.SIGKILL)
        self.assert_resumed(victim, 1)
        self.assertEqual(run.wait(timeout=60), 8)
        self.assert_nothing_left()

    def test_keeper_killed(self):
        victim, run, keeper, _ = self.begin_pause()
        os.kill(keeper, signal.SIGKILL)
        self.assert_resumed(victim, 1)
        self.assertIn(run.wait(timeout=60), (8, 9))
        self.assert_exit(self.ordeal("recover"), 0)
        self.assert_nothing_left()

    def test_worker_and_keeper_killed_then_recover(self):
        victim, run, keeper, worker = self.begin_pause()
        os.kill(worker, signal.SIGSTOP)  # so that it cannot react to the keeper's death
        os.kill(keeper, signal.SIGKILL)
        os.kill(worker, signal.SIGKILL)
        self.assertEqual(run.wait(timeout=60), 9)
        self.assertEqual(state_of(victim.pid), "T")
        self.assertEqual(self.ordeal("status", "--exit-code").returncode, 9)
        done = self.ordeal("recover")
        self.assert_exit(done, 0)
        self.assertIn("resume_process", done.stdout)
        self.assert_resumed(victim, 1)
        self.assert_nothing_left()
        self.assert_exit(self.ordeal("recover"), 0)

    def test_front_stopped(self):
        victim, run, _, _ = self.begin_pause()
        run.send_signal(signal.SIGSTOP)
        self.assert_resumed(victim, 5 + 2 + 1)  # lease + 2 s, and a little for this test
        run.send_signal(signal.SIGCONT)
        self.assertEqual(run.wait(timeout=60), 7)
        self.assert_nothing_left()

    def test_worker_stopped(self):
        victim, run, _, worker = self.begin_pause()
        os.kill(worker, signal.SIGSTOP)
        self.assert_resumed(victim, 5 + 2 + 1)
        self.assertEqual(run.wait(timeout=60), 8)
        self.assert_nothing_left()

    def test_keeper_stopped(self):
        victim, run, keeper, _ = self.begin_pause()
        os.kill(keeper, signal.SIGSTOP)
        self.assert_resumed(victim, 5 + 2 + 1)
        self.assertIn(run.wait(timeout=60), (8, 9))
        self.assert_exit(self.ordeal("recover"), 0)
        self.assert_nothing_left()


if __name__ == "__main__":
    unittest.main(verbosity=2)
