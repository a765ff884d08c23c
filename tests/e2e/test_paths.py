"""A link that is turned at the right moment puts no fill where the policy or the journal forbids it."""
import ctypes
import os
import pathlib
import subprocess
import sys
import threading
import time

import harness

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "bench"))
import wire  # noqa: E402

SECONDS = float(os.environ.get("ORDEAL_ATTACK_SECONDS", "6"))
RENAME_EXCHANGE = 2
SIZE = 8 << 20


class Paths(harness.EndToEnd):
    def mount(self, name):
        folder = self.folder / name
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", str(folder)], check=True)
        return folder

    def test_no_fill_is_led_elsewhere(self):
        state, other = self.mount("state"), self.mount("other")
        (other / "spot").mkdir()
        (other / "link").symlink_to(state)
        spot, link = str(other / "spot").encode(), str(other / "link").encode()
        libc = ctypes.CDLL(None, use_errno=True)
        over = threading.Event()

        def turn():
            while not over.is_set():
                libc.renameat2(-100, spot, -100, link, RENAME_EXCHANGE)

        executor = wire.Executor(str(harness.BINARIES / "ordeal-executor"), state)
        attacker = threading.Thread(target=turn)
        attacker.start()
        injected = refused = escaped = 0
        free = lambda: os.statvfs(state).f_bavail * os.statvfs(state).f_frsize  # noqa: E731
        before = free()
        end = time.monotonic() + SECONDS
        try:
            while time.monotonic() < end:
                try:
                    digest = executor.prepare("method.0", "disk.fill", {
                        "path": str(other / "spot"), "size": SIZE, "floor": 1 << 20})
                    executor.inject(("method.0", digest), lease=5_000_000)
                    injected += 1
                    escaped += free() < before - SIZE // 2
                except wire.Refused:
                    refused += 1
                executor.revert()
        finally:
            over.set()
            attacker.join()
        executor.bye()
        print(f"measured: {injected} fills, {refused} refused, {escaped} led elsewhere", flush=True)
        self.assertEqual(escaped, 0)
        self.assertGreater(injected, 0)
        self.assertGreater(refused, 0)
