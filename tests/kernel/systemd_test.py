"""service.stop, process.kill, recovery and cgroups under a real systemd.

The second half, AfterPowerCut, runs after the machine was reset in the middle of a run.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import time
import unittest

from systemd_bed import (EXPERIMENT, ORDEAL, ROOT, STOP, Sampler, SystemdBed, active, answers,
                         executors, kill_everything, main_pid, reachable, state_of, systemctl,
                         wait_until, write_unit)

TOO_BUSY = "ordeal could not keep its rate"  # this machine's fault, not that of what is tested
CUT = pathlib.Path("/var/lib/power-was-cut")
PAUSE = """\
  - fault: process.pause
    target: { process: { unit: %s } }
    duration: %s
"""
PAUSE_AND_PARTITION = """\
  - parallel:
      - fault: process.pause
        target: { process: { unit: victim.service } }
        duration: 60s
      - fault: network.partition
        with: { remote_port: 7001, device: lo }
        duration: 60s
"""


def install_recovery():
    for name in ("ordeal", "ordeal-executor"):
        link = pathlib.Path("/usr/bin") / name
        if not link.exists():
            link.symlink_to(ROOT / "build/release" / name)
    shutil.copy(ROOT / "scripts/systemd/ordeal-recover.service", "/usr/lib/systemd/system/")
    systemctl("daemon-reload")
    systemctl("enable", "ordeal-recover.service")


class ServiceStop(SystemdBed):
    def test_unit_is_down_during_the_fault_and_started_after(self):
        self.units(victim={})
        before = main_pid("victim.service")
        run = self.begin("run", "--report", "json=report.json",
                         self.experiment(STOP % ("victim.service", "5s")))
        self.until_stopped("victim.service")
        self.assertFalse(pathlib.Path(f"/proc/{before}").exists())
        self.assertEqual(run.wait(timeout=90), 0, run.stderr.read())
        self.assertEqual(active("victim.service"), "active")
        self.assertNotIn(main_pid("victim.service"), (0, before))
        self.assert_nothing_left()

    def test_restart_always_does_not_bring_it_back_early(self):
        self.units(victim={"service": "Restart=always\nRestartSec=100ms"})
        run = self.begin("run", self.experiment(STOP % ("victim.service", "6s")))
        self.until_stopped("victim.service")
        down = time.monotonic()
        sampler = Sampler(lambda: (time.monotonic(), active("victim.service")))
        self.assertEqual(run.wait(timeout=90), 0)
        held = [state for at, state in sampler.stop() if at < down + 5]
        self.assertGreater(len(held), 5)
        self.assertEqual(set(held), {"inactive"})
        self.assertEqual(active("victim.service"), "active")

    def test_inactive_unit_is_refused_and_not_started(self):
        write_unit("victim.service")
        systemctl("daemon-reload")
        done = self.ordeal("run", self.experiment(STOP % ("victim.service", "5s")))
        self.assert_exit(done, 3)
        self.assertIn("nothing to stop", done.stdout + done.stderr)
        self.assertEqual(active("victim.service"), "inactive")

    def test_dependents_are_started_again_but_not_those_that_were_down(self):
        needs = "Requires=victim.service\nAfter=victim.service"
        self.units(victim={}, needing={"unit": needs})
        write_unit("idle.service", unit=needs)
        systemctl("daemon-reload")
        run = self.begin("run", self.experiment(STOP % ("victim.service", "3s")))
        self.until_stopped("needing.service")
        self.assertEqual(run.wait(timeout=90), 0)
        self.assertEqual(active("victim.service"), "active")
        self.assertEqual(active("needing.service"), "active")
        self.assertEqual(active("idle.service"), "inactive")


class ProcessKill(SystemdBed):
    METHOD = """\
  - fault: process.kill
    target: { process: { unit: victim.service } }
    with: { restore: unit }
    duration: 3s
"""

    def test_unit_is_started_again(self):
        self.units(victim={})
        before = main_pid("victim.service")
        run = self.begin("run", self.experiment(self.METHOD))
        wait_until(lambda: active("victim.service") == "failed", 60, "the unit has failed")
        self.assertEqual(run.wait(timeout=90), 0, run.stderr.read())
        self.assertEqual(active("victim.service"), "active")
        self.assertNotIn(main_pid("victim.service"), (0, before))
        self.assert_nothing_left()


class Example(SystemdBed):
    """A file of the specification, on stand-ins for its nginx and backends."""

    # An emulated processor answers late, and is asked less.
    CHANGES = {"rate: 50/s": "rate: 5/s", "over 3s": "over 5s", "timeout: 1s": "timeout: 5s",
               "baseline: 20s": "baseline: 10s", "duration: 30s": "duration: 8s",
               "1.5x baseline + 5ms": "3x baseline + 500ms"}

    def test_one_dead_backend(self):
        text = (ROOT / "tests/examples/experiments/01-kill-one-nginx-backend.yaml").read_text()
        for old, new in self.CHANGES.items():
            self.assertIn(old, text)
            text = text.replace(old, new)
        program = f"/usr/bin/python3 {ROOT}/tests/e2e/service.py"
        write_unit("shop-backend@.service", program=f"{program} %i")
        write_unit("shop.service", program=f"{program} 8080 127.0.0.1 8082 8081")
        systemctl("daemon-reload")
        units = ["shop-backend@8081.service", "shop-backend@8082.service", "shop.service"]
        for unit in units:
            systemctl("start", unit)
            self.addCleanup(systemctl, "stop", unit)
        wait_until(lambda: all(map(answers, (8080, 8081, 8082))), 60, "all three answer")
        before = main_pid(units[1])
        for _ in range(3):
            done = self.ordeal("run", "--report", "json=report.json", self.write(text), timeout=180)
            if TOO_BUSY not in done.stdout:
                break
        self.assert_exit(done, 0)
        report = self.report(self.folder / "report.json")
        self.assertEqual(report["verdict"]["host"], "clean")
        self.assertEqual([fault["effect"]["seen"] for fault in report["faults"]], ["yes"])
        self.assertEqual(active(units[1]), "active")
        self.assertNotIn(main_pid(units[1]), (0, before))
        self.assert_nothing_left()


class Recovery(SystemdBed):
    def begin_pause(self, *before):
        """A run whose victim stands still."""
        self.units(victim={})
        path = self.experiment(PAUSE % ("victim.service", "60s"))
        run = self.start(*before, ORDEAL, "run", path, env=self.environment, cwd=self.folder,
                         stdout=subprocess.DEVNULL)
        victim = main_pid("victim.service")
        wait_until(lambda: self.paused(victim), 60, "the victim is paused")
        return run, victim

    @staticmethod
    def paused(pid):
        events = pathlib.Path("/sys/fs/cgroup/system.slice/victim.service/cgroup.events")
        return state_of(pid) == "T" or "frozen 1" in events.read_text()

    def test_unit_puts_back_what_dead_processes_left(self):
        self.units(victim={})
        victim = main_pid("victim.service")
        run = self.begin("run", self.experiment(PAUSE_AND_PARTITION))
        wait_until(lambda: self.paused(victim) and not reachable(7001), 60, "both faults act")
        kill_everything(run.pid)
        wait_until(lambda: reachable(7001), 2, "the partition ends with its owner")
        self.assertTrue(self.paused(victim))
        systemctl("start", "ordeal-recover.service")
        self.assertFalse(self.paused(victim))
        self.assertEqual(main_pid("victim.service"), victim)
        log = self.log_of_recovery()
        self.assertRegex(log, "undone .*(resume|thaw)")
        self.assertIn("host clean", log)
        self.assert_nothing_left()

    def test_unit_is_quiet_when_there_is_nothing(self):
        systemctl("start", "ordeal-recover.service")
        before = self.log_of_recovery()
        systemctl("start", "ordeal-recover.service")
        said = self.log_of_recovery()[len(before):].splitlines()
        self.assertEqual([line for line in said if not line.startswith(
            ("Starting", "Finished", "ordeal-recover.service: "))], [])

    def begin_job(self, name):
        """The same in a cgroup of its own, as a CI runner would start it."""
        _, victim = self.begin_pause("systemd-run", "--quiet", "--wait", "--collect",
                                     f"--working-directory={self.folder}", f"--unit={name}")
        return victim

    def test_death_of_the_cgroup_of_the_job_leaves_nothing(self):
        victim = self.begin_job("job-killed.service")
        group = pathlib.Path("/sys/fs/cgroup/system.slice/job-killed.service")
        (group / "cgroup.kill").write_text("1")  # all at once: nobody sees another one die
        wait_until(lambda: not self.paused(victim), 5, "the victim runs again")
        wait_until(lambda: self.ordeal("status", "--exit-code").returncode == 0, 10, "clean")

    def test_stop_of_the_job_leaves_nothing(self):
        victim = self.begin_job("job-stopped.service")
        systemctl("stop", "job-stopped.service")
        wait_until(lambda: not self.paused(victim), 5, "the victim runs again")
        wait_until(lambda: self.ordeal("status", "--exit-code").returncode == 0, 10, "clean")

    def test_executor_has_a_scope_of_its_own(self):
        run, victim = self.begin_pause()
        for pid in executors():
            group = pathlib.Path(f"/proc/{pid}/cgroup").read_text()
            self.assertRegex(group, r"/ordeal\.slice/.*\.scope")
        run.terminate()
        self.assertEqual(run.wait(timeout=60), 7)
        self.assertFalse(self.paused(victim))
        wait_until(lambda: not systemctl("list-units", "--plain", "--no-legend", "run-*.scope"),
                   10, "the scope is gone")


class AfterPowerCut(SystemdBed):
    def test_boot_starts_the_service_that_a_run_had_stopped(self):
        self.assertEqual(active("victim.service"), "active")
        self.assertEqual(systemctl("show", "--property=Result", "--value",
                                   "ordeal-recover.service"), "success")
        log = self.log_of_recovery()
        self.assertRegex(log, "undone .*victim.service")
        self.assert_nothing_left()


def cut_power():
    """Resets the machine while victim.service, which no boot starts, is held down."""
    write_unit("victim.service")
    systemctl("daemon-reload")
    systemctl("start", "victim.service")
    path = pathlib.Path("/root/experiment.yaml")
    SystemdBed.setUpClass()
    path.write_text(EXPERIMENT.format(name="cut", method=STOP % ("victim.service", "60s")))
    CUT.touch()
    subprocess.run(["sync"], check=True)
    subprocess.Popen([ORDEAL, "run", str(path)], stdout=subprocess.DEVNULL)
    wait_until(lambda: active("victim.service") == "inactive", 60, "victim.service is stopped")
    print("cutting the power", flush=True)
    pathlib.Path("/proc/sysrq-trigger").write_text("b")
    time.sleep(60)


if __name__ == "__main__":
    if CUT.exists():
        unittest.main(defaultTest="AfterPowerCut", verbosity=2, warnings="ignore")
    install_recovery()
    first = unittest.main(defaultTest=["ServiceStop", "ProcessKill", "Example", "Recovery"],
                          verbosity=2, warnings="ignore", exit=False)
    if not first.result.wasSuccessful():
        sys.exit(1)
    cut_power()
