"""What signals and a closed stdout do to `ordeal run` while a fault is active."""
import signal
import subprocess
import time
import unittest

from harness import ORDEAL, EndToEnd, state_of, wait_until

FILE = """\
version: 1
name: signals
hypothesis: The web does not notice that somebody hangs.
slis:
  web: {{ process: {{ argv: "*service.py {watched}", every: 1s }} }}
steady_state: [ web.up ]
during: [ web.up ]
abort_if: [ host.memory_available < 1% ]
baseline: 5s
warmup: 0s
method:
  - fault: process.pause
    target: {{ process: {{ argv: "*service.py {victim}" }} }}
    duration: {duration}
recovery: {{ within: 20s, hold: 1s }}
"""


class Signals(EndToEnd):
    def setUp(self):
        super().setUp()
        _, self.watched = self.service()
        self.victim, self.port = self.service()

    def in_the_fault(self, duration, **options):
        path = self.write(FILE.format(watched=self.watched, victim=self.port, duration=duration))
        run = self.start(ORDEAL, "run", path, env=self.environment, cwd=self.folder, text=True,
                         stderr=subprocess.PIPE, **{"stdout": subprocess.PIPE, **options})
        wait_until(lambda: state_of(self.victim.pid) == "T", 30, "the fault is active")
        return run

    def check_put_back(self):
        self.assertNotEqual(state_of(self.victim.pid), "T")
        self.assert_nothing_left()

    def interrupt(self, number, word):
        run = self.in_the_fault("30s")
        run.send_signal(number)
        out, _ = run.communicate(timeout=30)
        self.assertEqual(run.returncode, 7, out)
        self.assertIn("STOPPED: " + word, out)
        self.check_put_back()

    def test_a_closed_terminal_interrupts(self):
        self.interrupt(signal.SIGHUP, "SIGHUP: the terminal is gone")

    def test_ctrl_backslash_interrupts(self):
        self.interrupt(signal.SIGQUIT, "ctrl-\\")

    def test_ctrl_z_does_not_stop_the_run(self):
        run = self.in_the_fault("4s")
        run.send_signal(signal.SIGTSTP)
        time.sleep(1)
        self.assertNotEqual(state_of(run.pid), "T")
        self.assertEqual(state_of(self.victim.pid), "T")
        out, _ = run.communicate(timeout=60)
        self.assertEqual(run.returncode, 0, out)
        self.assertIn("ctrl-Z is off during a run", out)
        self.check_put_back()

    def test_who_reads_no_further_does_not_end_the_run(self):
        head = subprocess.Popen(["head", "-n", "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                text=True)
        run = self.in_the_fault("3s", stdout=head.stdin)
        head.stdin.close()
        with head.stdout:
            self.assertIn("signals", head.stdout.read())
        head.wait(timeout=10)  # it left when the plan was said, before the fault began
        _, errors = run.communicate(timeout=60)
        self.assertEqual(run.returncode, 0, errors)
        self.check_put_back()
        self.assertIn("upheld", self.ordeal("runs").stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
