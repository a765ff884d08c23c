"""A disk that hangs while a network fault acts: the kernel ends the fault, and nobody lies.

A process that writes to a frozen file system is in uninterruptible sleep: not even kill -9 ends it.
"""
import pathlib
import subprocess
import sys
import time
import unittest

from systemd_bed import SystemdBed, reachable, wait_until

DISK = pathlib.Path("/srv/disk")
PORT = 7002
LEASE = 5
PARTITION = """\
  - fault: network.partition
    with: { remote_port: %d, device: lo }
    duration: %s
"""


def run(*argv):
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, timeout=60)


class StuckDisk(SystemdBed):
    def setUp(self):
        super().setUp()
        image = self.folder / "image"
        run("truncate", "--size=64M", str(image))
        run("mke2fs", "-q", "-t", "ext4", str(image))
        DISK.mkdir(exist_ok=True)
        run("mount", "-o", "loop", str(image), str(DISK))
        self.addCleanup(run, "umount", "--lazy", str(DISK))
        self.frozen = False
        self.addCleanup(self.thaw)

    def freeze(self):
        run("fsfreeze", "--freeze", str(DISK))
        self.frozen = True

    def thaw(self):
        if self.frozen:
            run("fsfreeze", "--unfreeze", str(DISK))
        self.frozen = False

    def begin_partition(self, duration):
        path = self.experiment(PARTITION % (PORT, duration), name="stuck")
        child = self.begin("run", "--report", "json=report.json", path)
        wait_until(lambda: not reachable(PORT), 60, "the partition acts")
        return child

    def assert_clean_after_recovery(self):
        self.thaw()
        wait_until(lambda: not any_executor(), 30, "all of ordeal is gone")
        self.assert_exit(self.ordeal("recover"), 0)
        self.assert_nothing_left()

    def test_everything_on_the_frozen_disk(self):
        self.environment["ORDEAL_STATE"] = str(DISK / "state")
        child = self.begin_partition("60s")
        self.freeze()
        frozen = time.monotonic()
        wait_until(lambda: reachable(PORT), LEASE + 2, "traffic flows with the disk still frozen")
        print(f"traffic flowed {time.monotonic() - frozen:.1f} s after the disk froze")
        time.sleep(max(0.0, frozen + 12 - time.monotonic()))
        self.assertTrue(reachable(PORT))
        self.thaw()
        said = "".join(child.communicate(timeout=60))
        self.assertEqual(child.returncode, 9, said)
        self.assertIn("ordeal did not run for", said)  # it was held up itself
        self.assertIn("the journal cannot be written", said)
        self.assert_clean_after_recovery()

    def test_journal_on_the_frozen_disk(self):
        state = self.folder / "state"
        (state / "journal").mkdir(parents=True, mode=0o700)
        run("mount", "--bind", str(DISK), str(state / "journal"))
        self.addCleanup(run, "umount", "--lazy", str(state / "journal"))
        self.environment["ORDEAL_STATE"] = str(state)
        child = self.begin_partition("8s")
        self.freeze()
        frozen = time.monotonic()
        wait_until(lambda: reachable(PORT), 8 + 2, "the step ends with the disk still frozen")
        print(f"traffic flowed {time.monotonic() - frozen:.1f} s after the disk froze")
        said = "".join(child.communicate(timeout=60))  # with the disk still frozen
        self.assertEqual(child.returncode, 9, said)
        self.assertIn("the journal cannot be written", said)
        self.assertTrue(reachable(PORT))
        self.assert_clean_after_recovery()


def any_executor():
    for comm in pathlib.Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text().strip() == "ordeal-executor":
                return True
        except OSError:
            continue
    return False


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
