"""The package under a real systemd: it installs, `ordeal serve` starts hardened, its runs can still do
to this host whatever a fault does, and it stops, restarts and is removed cleanly.

The package is the one that tests/package/package_test.py leaves in the build folder."""
import grp
import pathlib
import re
import subprocess
import sys
import time
import unittest

from systemd_bed import (ROOT, SystemdBed, active, main_pid, systemctl, wait_until,
                         write_unit)

SKIPPED = 77
SCHEDULE = pathlib.Path("/etc/ordeal/schedule.yaml")
PROBE = pathlib.Path("/srv/probe.sh")
CHATTER = pathlib.Path("/srv/chatter.sh")
SEEN = pathlib.Path("/srv/seen-by-the-probe")
FULL = pathlib.Path("/root/full")
EVERY_KIND = """\
  - fault: process.pause
    target: { process: { unit: victim.service } }
    duration: 2s
  - fault: process.kill
    target: { process: { unit: victim.service } }
    with: { restore: unit }
    duration: 2s
  - fault: service.stop
    target: { unit: victim.service }
    duration: 2s
  - fault: cpu.load
    target: { unit: victim.service }
    with: { load: 20%, of: unit }
    duration: 5s
  - fault: memory.load
    with: { size: 20MiB }
    duration: 3s
  - fault: disk.fill
    with: { path: /root/full, size: 1MiB }
    duration: 2s
  - fault: network.partition
    with: { remote_port: 7001, device: lo }
    duration: 3s
  - fault: network.delay
    with: { remote_port: 7001, device: lo, latency: 20ms }
    duration: 3s
"""
SLIS = """\
slis:
  bystander: { process: { unit: bystander.service } }
  look: { exec: { argv: [/bin/bash, /srv/probe.sh], every: 1s, timeout: 5s } }
"""


def package():
    return next((ROOT / "build/release/package").glob("ordeal_*.deb"), None)


def dpkg(*arguments, check=True):
    """This image has files of packages, and no package database but ours."""
    done = subprocess.run(["dpkg", "--force-depends", *arguments], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    if check and done.returncode:
        raise AssertionError(done.stdout)
    return done


def journal_of(unit):
    return subprocess.run(["journalctl", f"--unit={unit}", "--output=cat", "--boot", "--no-pager"],
                          text=True, capture_output=True).stdout


class Package(SystemdBed):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        database = pathlib.Path("/var/lib/dpkg")
        for folder in ("info", "updates", "alternatives"):
            (database / folder).mkdir(parents=True, exist_ok=True)
        (database / "status").touch()
        dpkg("--install", str(package()))

    def setUp(self):
        super().setUp()
        self.addCleanup(SCHEDULE.unlink, missing_ok=True)
        self.addCleanup(systemctl, "stop", "ordeal.service", check=False)

    def schedule(self, method, slis="", name="run"):
        path = self.experiment(method, name=name)
        if slis:
            text = pathlib.Path(path).read_text()
            pathlib.Path(path).write_text(re.sub(r"^slis:.*\n", slis, text, flags=re.MULTILINE))
        done = self.ordeal("validate", path)
        self.assert_exit(done, 0)
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + 8))
        SCHEDULE.write_text("version: 1\nschedules:\n"
                            f"  - {{ name: {name}, run: {path}, at: \"{when}\", "
                            "time_zone: Etc/UTC, start_deadline: 60s }\n")

    def until_ended(self, name, seconds):
        def ended():
            found = re.search(rf"^.* {name}: .*? (upheld|violated|aborted|inconclusive|refused|error"
                              r"|dirty|interrupted|not_recovered|unsteady).*$",
                              journal_of("ordeal.service"), re.MULTILINE)
            return found and found.group(0)
        return wait_until(ended, seconds, f"{name} has ended: {self.log()}")

    def log(self):
        return self.ordeal("schedule", "log").stdout + journal_of("ordeal.service")

    def test_1_nothing_runs_without_a_schedule(self):
        for unit in ("ordeal.service", "ordeal-recover.service"):
            self.assertEqual(systemctl("is-enabled", unit), "enabled")
        self.assertEqual(active("ordeal.service"), "inactive")
        systemctl("start", "ordeal.service")  # its condition says no; that is no failure
        self.assertEqual(active("ordeal.service"), "inactive")
        systemctl("start", "ordeal-recover.service")
        done = subprocess.run(["systemd-analyze", "verify", "ordeal.service",
                               "ordeal-recover.service"], text=True, capture_output=True)
        self.assertNotIn("ordeal", done.stderr)

    def test_2_a_hardened_service_still_injects_every_kind_of_fault(self):
        self.units(victim={"service": "Restart=no"})
        write_unit("chatter.service", program="/bin/bash /srv/chatter.sh")  # sends what is cut off
        PROBE.parent.mkdir(exist_ok=True)
        CHATTER.write_text("while :; do echo x > /dev/udp/127.0.0.1/7001; sleep 0.2; done\n")
        self.addCleanup(systemctl, "stop", "chatter.service")
        systemctl("start", "chatter.service")
        # Few programs, and much time for them: this machine is emulated, beside other lanes.
        PROBE.write_text("{ readlink /proc/self/ns/mnt; nice; "
                         "grep -e Seccomp: -e CapBnd: /proc/self/status; } > /srv/seen.$$\n"
                         "mv /srv/seen.$$ /srv/seen-by-the-probe\necho 1\n")
        FULL.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(FULL)], check=True)
        self.addCleanup(subprocess.run, ["umount", str(FULL)])
        self.schedule(EVERY_KIND, SLIS, "every")
        systemctl("start", "ordeal.service")
        self.assertEqual(active("ordeal.service"), "active")
        self.assertIn("upheld", self.until_ended("every", 240), self.log())
        self.assertEqual(active("victim.service"), "active")
        mounts, niceness, rights, filtered = SEEN.read_text().splitlines()
        self.assertEqual(mounts, str(pathlib.Path("/proc/1/ns/mnt").readlink()),
                         "what `restore` mounts must be the host's")
        self.assertEqual(niceness, "0", "programs of an experiment do not go before others")
        self.assertEqual(filtered.split()[1], "2")
        self.assertEqual(int(rights.split()[1], 16) & (1 << 22 | 1 << 17), 0, "boot, rawio")
        self.assert_nothing_left()

    def test_3_a_crash_leaves_the_run_alone_and_a_stop_puts_everything_back(self):
        self.units(victim={})
        self.schedule("  - fault: process.pause\n    target: { process: { unit: victim.service } }\n"
                      "    duration: 120s\n", name="long")
        systemctl("start", "ordeal.service")
        frozen = pathlib.Path("/sys/fs/cgroup/system.slice/victim.service/cgroup.events")
        def paused():
            return "frozen 1" in frozen.read_text()
        wait_until(paused, 90, f"the victim is paused: {self.log()}")
        socket = pathlib.Path("/run/ordeal/serve.sock").stat()
        self.assertEqual((socket.st_uid, socket.st_gid, socket.st_mode & 0o777),
                         (0, grp.getgrnam("ordeal").gr_gid, 0o660))
        first = main_pid("ordeal.service")
        systemctl("kill", "--signal=KILL", "--kill-whom=main", "ordeal.service")
        wait_until(lambda: main_pid("ordeal.service") not in (0, first), 60, "it is restarted")
        self.assertTrue(paused())
        wait_until(lambda: "its run goes on" in journal_of("ordeal.service"), 30, "it is found again")
        systemctl("reload", "ordeal.service")
        wait_until(lambda: "was read again" in journal_of("ordeal.service"), 30, "a reload")
        self.assertTrue(paused())
        refused = dpkg("--install", "--no-act", str(package()))
        self.assertEqual(refused.returncode, 0)
        systemctl("stop", "ordeal.service")
        self.assertFalse(paused())
        self.assertIn("interrupted", self.log())
        self.assert_nothing_left()

    def test_4_reinstallation_restarts_and_purge_leaves_nothing(self):
        self.schedule("  - fault: disk.fill\n    with: { path: /root, size: 1MiB }\n"
                      "    duration: 2s\n", name="later")
        SCHEDULE.write_text(re.sub('at: "[^"]*"', 'at: "2099-01-01 00:00"', SCHEDULE.read_text()))
        systemctl("start", "ordeal.service")
        first = main_pid("ordeal.service")
        dpkg("--install", str(package()))
        self.assertEqual(active("ordeal.service"), "active")
        self.assertNotEqual(main_pid("ordeal.service"), first)
        SCHEDULE.unlink()
        dpkg("--remove", "ordeal")
        self.assertEqual(active("ordeal.service"), "inactive")
        self.assertFalse(pathlib.Path("/usr/bin/ordeal").exists())
        dpkg("--purge", "ordeal")
        self.assertFalse(pathlib.Path("/var/lib/ordeal").exists())
        self.assertFalse(pathlib.Path("/run/ordeal").exists())
        self.assertFalse(pathlib.Path("/etc/ordeal").exists())


if __name__ == "__main__":
    if package() is None:
        print("no package in the build folder: run tests/package/package_test.py first")
        sys.exit(SKIPPED)
    unittest.main(verbosity=2, warnings="ignore")
