"""kill -9 and SIGSTOP of front, worker, keeper and of all of them, with every fault active at once:
the machine is put back, and the exit code says what happened."""
import os
import pathlib
import signal
import time
import unittest

from crash_bed import EVERYTHING, Bed, processes
from harness import EndToEnd, wait_until

LEASE = 5


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
    def begin_everything(self):
        bed = Bed(self)
        run = self.begin("run", self.write(bed.file()))
        missing = EVERYTHING
        deadline = time.monotonic() + 40
        while missing and time.monotonic() < deadline and run.poll() is None:
            time.sleep(0.2)
            missing = EVERYTHING - bed.acting()
        if missing:
            run.terminate()
            self.fail(f"not acting: {missing}\n{run.communicate()}")
        return bed, run, *executors_below(run.pid)

    def assert_ended(self, run, codes):
        try:
            said = "".join(run.communicate(timeout=90))
        finally:
            run.kill()
        self.assertIn(run.returncode, codes, said)

    def assert_gone(self, bed, seconds, but=frozenset()):
        begun = time.monotonic()
        acting = bed.acting()
        while acting - but and time.monotonic() - begun < seconds:
            time.sleep(0.01)
            acting = bed.acting()
        self.assertEqual(acting - but, set(), f"still there after {seconds} s")

    # What must be started again takes as long as it takes to start.
    STARTING = frozenset({"kill", "service"})

    def assert_put_back(self, bed, seconds):
        self.assert_gone(bed, seconds, but=self.STARTING)
        self.assert_gone(bed, 5)
        for port in (bed.killed_port, bed.stopped_port):
            for pid in processes(str(port)):
                status = pathlib.Path(f"/proc/{pid}/status").read_text()
                self.assertIn("Umask:\t0022", status, "started as systemd starts a service")

    def test_front_killed(self):
        bed, run, _, _ = self.begin_everything()
        run.kill()
        self.assert_put_back(bed, 1)
        wait_until(lambda: self.ordeal("status", "--exit-code").returncode == 0, 5, "clean")

    def test_worker_killed(self):
        bed, run, _, worker = self.begin_everything()
        os.kill(worker, signal.SIGKILL)
        self.assert_put_back(bed, 1)
        self.assert_ended(run, {8})
        self.assert_nothing_left()

    def test_keeper_killed(self):
        bed, run, keeper, _ = self.begin_everything()
        os.kill(keeper, signal.SIGKILL)
        self.assert_put_back(bed, 1)
        self.assert_ended(run, {8})
        self.assert_nothing_left()

    # Nobody is left to act: what the kernel frees by itself is gone, the rest is said.
    NEEDS_RECOVER = frozenset({"pause", "kill", "service"})

    def assert_recovered(self, bed):
        self.assertEqual(bed.acting(), self.NEEDS_RECOVER)
        self.assertEqual(self.ordeal("status", "--exit-code").returncode, 9)
        done = self.ordeal("recover")
        self.assert_exit(done, 0)
        self.assertIn("resume_process", done.stdout)
        self.assert_gone(bed, 5)
        self.assert_nothing_left()
        self.assert_exit(self.ordeal("recover"), 0)

    def test_worker_and_keeper_killed_then_recover(self):
        bed, run, keeper, worker = self.begin_everything()
        os.kill(worker, signal.SIGSTOP)  # so that it cannot react to the keeper's death
        os.kill(keeper, signal.SIGKILL)
        os.kill(worker, signal.SIGKILL)
        self.assert_gone(bed, 1, but=self.NEEDS_RECOVER)
        self.assert_ended(run, {9})
        self.assert_recovered(bed)

    def test_worker_and_keeper_stopped_then_recover(self):
        bed, run, keeper, worker = self.begin_everything()
        for process in (keeper, worker):
            os.kill(process, signal.SIGSTOP)
        # Their own timers kill them when the lease was not renewed.
        self.assert_gone(bed, LEASE + 2, but=self.NEEDS_RECOVER)
        self.assert_ended(run, {9})
        self.assert_recovered(bed)

    def test_all_three_killed_then_recover(self):
        bed, run, keeper, worker = self.begin_everything()
        for process in (run.pid, keeper, worker):
            os.kill(process, signal.SIGSTOP)  # so that none can react to another one's death
        for process in (run.pid, keeper, worker):
            os.kill(process, signal.SIGKILL)
        self.assert_gone(bed, 1, but=self.NEEDS_RECOVER)
        self.assert_recovered(bed)

    def test_front_stopped(self):
        bed, run, _, _ = self.begin_everything()
        run.send_signal(signal.SIGSTOP)
        self.assert_put_back(bed, LEASE + 2)
        run.send_signal(signal.SIGCONT)
        self.assert_ended(run, {7})
        self.assert_nothing_left()

    def test_worker_stopped(self):
        bed, run, _, worker = self.begin_everything()
        os.kill(worker, signal.SIGSTOP)
        self.assert_put_back(bed, LEASE + 2)
        self.assert_ended(run, {8})
        self.assert_nothing_left()

    def test_keeper_stopped(self):
        bed, run, keeper, _ = self.begin_everything()
        os.kill(keeper, signal.SIGSTOP)
        self.assert_put_back(bed, LEASE + 2)
        self.assert_ended(run, {8})
        self.assert_nothing_left()


if __name__ == "__main__":
    unittest.main(verbosity=2)
