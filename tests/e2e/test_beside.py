"""`ordeal recover` beside a run that lives: by a second ordeal with a state directory of its own, and
with a table of descriptors that is full at every point in turn. Nothing of the run is touched.

ORDEAL_BESIDE=500 is how often the second ordeal recovers, ORDEAL_ERRNO=100 up to which call each
kind of call is made to fail; CI asks for fewer."""
import os
import shutil
import subprocess
import time
import unittest

from crash_bed import EVERYTHING, Bed
from harness import EndToEnd, ORDEAL

TIMES = int(os.environ.get("ORDEAL_BESIDE", "20"))
UP_TO = int(os.environ.get("ORDEAL_ERRNO", "12"))
CALLS = ("openat", "getdents64", "fcntl", "sendto", "read")
# What lasts without anybody's hand is no sign that nothing was touched.
LASTING = {"kill", "service"}
EXECUTOR = os.path.join(os.path.dirname(ORDEAL), "ordeal-executor")


class Beside(EndToEnd):
    def begin_everything(self):
        bed = Bed(self)
        run = self.begin("run", self.write(bed.file()))
        deadline = time.monotonic() + 60
        while EVERYTHING - bed.acting() and time.monotonic() < deadline and run.poll() is None:
            time.sleep(0.2)
        self.assertEqual(EVERYTHING - bed.acting(), set(), "not everything took hold")
        return bed, run

    def assert_untouched(self, bed, run, what):
        self.assertIsNone(run.poll(), f"{what}: the run has ended")
        missing = EVERYTHING - LASTING - bed.acting()
        if missing:  # a look at a packet may come at a bad moment
            missing = EVERYTHING - LASTING - bed.acting()
        self.assertEqual(missing, set(), what)

    def recover(self, state, limit=None):
        before = ["prlimit", f"--nofile={limit}:{limit}"] if limit else []
        return subprocess.run([*before, EXECUTOR, "--recover"], text=True, capture_output=True,
                              timeout=60, env=dict(self.environment, ORDEAL_STATE=str(state)))

    def test_a_second_ordeal_touches_nothing_of_a_running_one(self):
        bed, run = self.begin_everything()
        other = self.folder / "other"
        other.mkdir(mode=0o700)
        for _ in range(TIMES):
            done = self.recover(other)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertNotIn("undone", done.stdout)
            self.assertIn("# left alone: ordeal-", done.stdout)
        self.assert_untouched(bed, run, f"after {TIMES} recoveries")
        run.terminate()
        run.wait(timeout=60)
        self.assert_nothing_left()

    def test_a_full_table_of_descriptors_is_never_an_empty_host(self):
        bed, run = self.begin_everything()
        said = set()
        for limit in range(3, 24):
            done = self.recover(self.environment["ORDEAL_STATE"], limit)
            self.assertNotIn("undone", done.stdout, f"with {limit} descriptors")
            if "host clean" in done.stdout.splitlines():
                self.assertIn("# live: ", done.stdout, f"with {limit} descriptors")
            said.add("host clean" in done.stdout)
        self.assertIn(False, said, "no limit was met")
        self.assert_untouched(bed, run, "after all limits")
        run.terminate()
        run.wait(timeout=60)
        self.assert_nothing_left()

    @unittest.skipUnless(shutil.which("strace"), "strace is not here")
    def test_a_call_that_fails_is_never_an_empty_host(self):
        bed, run = self.begin_everything()
        count = dirty = 0
        end = time.monotonic() + 40
        for number in range(1, UP_TO + 1):
            for call in CALLS:
                for error in ("EMFILE", "ENOMEM", "EPERM"):
                    if time.monotonic() > end:
                        break
                    done = subprocess.run(
                        ["strace", "-qq", "-o", "/dev/null", f"--trace={call}",
                         f"--inject={call}:error={error}:when={number}", EXECUTOR, "--recover"],
                        text=True, capture_output=True, timeout=60, env=self.environment)
                    what = f"{error} of {call} {number}: {done.stdout}{done.stderr}"
                    self.assertNotIn("undone", done.stdout, what)
                    self.assertNotIn("FAILED  kill_helper", done.stdout, what)
                    if "host clean" in done.stdout.splitlines():
                        self.assertIn("# live: ", done.stdout, what)
                    count += 1
                    dirty += done.returncode != 0
        self.assertGreater(dirty, 0, "no call that failed was met")
        self.assertGreater(count, 50)
        self.assert_untouched(bed, run, f"after {count} calls that failed")
        run.terminate()
        run.wait(timeout=60)
        self.assert_nothing_left()
