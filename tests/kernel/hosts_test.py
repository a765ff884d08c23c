"""Three hosts with a real sshd each on the stock Debian kernel, so that network faults go through its
netem: one label group is late and another killed, and a threshold stops it on all of them. The same
tests as in tests/e2e/test_hosts_run.py, which runs on whatever kernel is there."""
import os
import pathlib
import sys

from systemd_bed import ROOT  # finds tests/e2e

import test_hosts_run  # noqa: E402


class StockKernel(test_hosts_run.Runs):
    RATE = 10  # an emulated processor for three services, three sshd and the controller

    def run_it(self, *arguments, **options):
        done = super().run_it(*arguments, **options)
        self.assertNotIn("nfqueue", done.stdout)
        return done


TESTS = ["test_one_label_group_late_another_killed", "test_a_threshold_stops_it_on_all_hosts"]

if __name__ == "__main__":
    os.environ.update(PYTHONPATH=str(pathlib.Path(__file__).parent), ORDEAL_TESTS_AT_ONCE="1")
    run = str(ROOT / "tests/e2e/run.py")
    os.execv(sys.executable,
             [sys.executable, run, *(f"hosts_test.StockKernel.{test}" for test in TESTS)])
