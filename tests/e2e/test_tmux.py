"""Inside tmux nothing above us leads to the SSH session that we look through: it is kept all the same
when everything else on its interface is cut."""
import contextlib
import os
import pty
import select
import shutil
import socket
import subprocess
import time
import unittest

from harness import BINARIES, wait_until
from hosts import Fleet, ip

FILE = """\
version: 1
name: cut-off
hypothesis: Who looks on goes on looking.
slis: { service: { process: { argv: "*service.py*" } } }
steady_state: [ service.up ]
abort_if: [ host.memory_available < 1% ]
baseline: 5s
warmup: 0s
method:
  - fault: network.partition
    with: { device: eth0, direction: both, allow_whole_interface: true }
    duration: 15s
recovery: { within: 20s, hold: 1s }
"""


class Terminal:
    """An ssh session with a terminal."""

    def __init__(self, test, *argv):
        self.side, other = pty.openpty()
        self.text = ""
        self.child = subprocess.Popen(argv, stdin=other, stdout=other, stderr=other,
                                      start_new_session=True,
                                      env={**os.environ, "TERM": "xterm"})
        os.close(other)
        test.children.append(self.child)
        test.addCleanup(os.close, self.side)

    def type(self, text):
        os.write(self.side, text.encode())

    def shows(self, text, within):
        deadline = time.monotonic() + within
        while time.monotonic() < deadline and text not in self.text:
            if select.select([self.side], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.side, 65536).decode(errors="replace")
                except OSError:  # the session is gone
                    return False
        return text in self.text


class Tmux(Fleet):
    HOSTS = 1
    USER = "chaos"

    def setUp(self):
        super().setUp()
        self.host = self.hosts[0]
        self.bin = self.folder / "bin"  # not below a folder that the host does not show
        self.bin.mkdir()
        for name in ("ordeal", "ordeal-executor"):
            shutil.copy(BINARIES / name, self.bin / name)
        self.home = self.host.folder / "home"
        (self.home / "cut.yaml").write_text(FILE)
        self.ordeal_there = f"sudo {self.bin}/ordeal"

    def window(self, command):
        """In a window of its own: a child of tmux's server. The way to it is not kept open."""
        done = self.ssh(self.host, f"tmux -S {self.home}/tmux new-window -d '{command}'")
        self.assertEqual(done.returncode, 0, done.stderr)

    def attach(self):
        argv = ["ssh", "-tt", "-F", str(self.ssh_config), "-o", "BatchMode=yes", "-l", self.USER,
                "--", self.host.address, f"tmux -S {self.home}/tmux -f /dev/null new-session "
                "'stty -echo; while read word; do echo heard $word; done'"]
        terminal = Terminal(self, *argv)
        self.addCleanup(self.host.run, "tmux", "-S", f"{self.home}/tmux", "kill-server",
                        check=False)
        self.assertTrue(terminal.shows("[0]", 15), terminal.text)
        terminal.type("one\r")
        self.assertTrue(terminal.shows("heard one", 10), terminal.text)
        return terminal

    def cut(self, terminal):
        """Runs it in a window; whether the terminal answers while everything else is cut."""
        ended = self.home / "ended"
        self.window(f"{self.ordeal_there} run --quiet cut.yaml >out 2>&1; echo $? >ended")
        wait_until(lambda: not self.host.answers() or ended.exists(), 60, "the interface is cut")
        self.assertFalse(ended.exists(), (self.home / "out").read_text())
        terminal.type("two\r")
        heard = terminal.shows("heard two", 5)
        self.assertFalse(self.host.answers())  # it was cut all the time
        wait_until(lambda: ended.exists() and ended.read_text(), 60, "the run ends")
        self.assertEqual(ended.read_text(), "0\n", (self.home / "out").read_text())
        self.assertTrue(self.host.answers())
        return heard

    def test_the_session_is_kept(self):
        terminal = self.attach()
        planned = self.home / "planned"
        self.window(f"{self.ordeal_there} plan cut.yaml >plan 2>&1; touch planned")
        wait_until(planned.exists, 30, "the plan")
        plan = " ".join((self.home / "plan").read_text().split())
        self.assertIn("an ssh session of yours from 10.77.0.1 port", plan)
        self.assertTrue(self.cut(terminal))

    def answers_from(self, address):
        with contextlib.suppress(OSError), socket.create_connection(
                (self.host.address, self.host.SERVICE), 1, (address, 0)):
            return True
        return False

    def test_what_is_excepted_is_kept(self):
        self.attach()
        ip("address", "add", "10.77.0.2/24", "dev", "fleet")
        (self.home / "cut.yaml").write_text(
            FILE.replace("device: eth0", "device: eth0, except_ip: 10.77.0.1"))
        self.window(f"{self.ordeal_there} run --quiet cut.yaml >out 2>&1; echo $? >ended")
        ended = self.home / "ended"
        wait_until(lambda: not self.answers_from("10.77.0.2") or ended.exists(), 60, "it is cut")
        self.assertTrue(self.answers_from("10.77.0.1"))
        self.assertFalse(self.answers_from("10.77.0.2"))
        wait_until(lambda: ended.exists() and ended.read_text(), 60, "the run ends")
        self.assertEqual(ended.read_text(), "0\n", (self.home / "out").read_text())
        self.assertTrue(self.answers_from("10.77.0.2"))


if __name__ == "__main__":
    unittest.main()
