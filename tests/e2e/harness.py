"""Runs the real binaries against services of its own, with a state folder of its own."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
BINARIES = pathlib.Path(os.environ.get("ORDEAL_BINARIES", HERE.parent.parent / "build/release"))
ORDEAL = str(BINARIES / "ordeal")
NOBODY = 65534
# Arguments: the folder, then a command.
APART = """
set -eu
folder=$1; shift
mkdir -p "$folder/state/run" "$folder/etc" "$folder/work"
mount -t tmpfs tmpfs /run && mkdir /run/ordeal && mount --bind "$folder/state/run" /run/ordeal
mount -t tmpfs tmpfs /var/lib && mkdir /var/lib/ordeal && mount --bind "$folder/state" /var/lib/ordeal
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$folder/etc,workdir=$folder/work" /etc
exec "$@"
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")


def answers(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1) as answer:
            return answer.status == 200
    except OSError:
        return False


def state_of(pid):
    """The state letter of /proc/PID/stat, or '' when it is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


class EndToEnd(unittest.TestCase):
    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("needs root: the executor signals processes and makes nf_tables objects")
        # Whatever TMPDIR says: other users and other mount namespaces must find it.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ordeal-e2e-", dir="/tmp"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("SUDO_")}
        self.environment.update(ORDEAL_STATE=str(self.folder / "state"),
                                ORDEAL_POLICY=str(self.folder / "policy.conf"), TERM="dumb")
        self.environment.pop("CI", None)
        self.prefix = []
        self.children = []
        self.addCleanup(self.stop_children)

    def stop_children(self):
        for child in self.children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGCONT)
                child.kill()
            child.wait()

    def lend_root(self):
        """As if `nobody` asked through sudo. ORDEAL_* do not count then, so what we start gets its
        state folder by a mount namespace."""
        self.folder.chmod(0o755)
        self.environment.update(SUDO_UID=str(NOBODY), SUDO_GID=str(NOBODY), SUDO_USER="nobody")
        self.prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-c", APART, "apart",
                       str(self.folder)]

    def start(self, *argv, **options):
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, **options)
        self.children.append(child)
        return child

    def service(self, port=None, behind=None):
        """Answers with 200; `behind` is the port of another one that it asks before."""
        port = port or free_port()
        more = ["127.0.0.1", str(behind)] if behind else []
        child = self.start(sys.executable, str(HERE / "service.py"), str(port), *more)
        wait_until(lambda: answers(port), 10, "the service answers")
        return child, port

    def write(self, text, name="experiment.yaml"):
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def ordeal(self, *arguments, timeout=120, **options):
        return subprocess.run([*self.prefix, ORDEAL, *arguments], env=self.environment, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout,
                              cwd=self.folder, **options)

    def begin(self, *arguments):
        child = subprocess.Popen([ORDEAL, *arguments], env=self.environment, text=True,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, cwd=self.folder)
        self.children.append(child)
        return child

    def assert_exit(self, done, code):
        self.assertEqual(done.returncode, code, f"\n{done.stdout}\n{done.stderr}")

    def report(self, path):
        return json.loads(pathlib.Path(path).read_text())

    def assert_nothing_left(self):
        done = self.ordeal("status", "--exit-code")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
