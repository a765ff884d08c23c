"""Root that was lent through sudo: it opens, makes and removes nothing that its borrower names, in any
command, and takes none of its settings from him. Each command runs under strace, in a mount namespace
with folders of its own at /var/lib/ordeal, /run/ordeal and /etc/ordeal."""
import os
import pathlib
import re
import shutil
import socket
import subprocess
import unittest

from harness import BINARIES, NOBODY, ORDEAL, EndToEnd

EXECUTOR = str(BINARIES / "ordeal-executor")
EXPERIMENT = """\
version: 1
name: lent
hypothesis: Nobody notices.
slis: { far: { process: { argv: "*nobody-has-such-a-command-line*" } } }
steady_state: [ far.up ]
abort_if: [ host.memory_available < 1% ]
baseline: 5s
warmup: 0s
method:
  - fault: process.pause
    target: { process: { argv: "*nobody-has-such-a-command-line*" } }
    duration: 1s
recovery: { within: 5s, hold: 1s }
"""
SECRET = "a-secret-that-only-root-may-read"


class LentRoot(EndToEnd):
    def setUp(self):
        super().setUp()
        self.folder.chmod(0o755)
        self.closed = self.folder / "closed"  # whoever has given root up finds nothing below it
        self.closed.mkdir(mode=0o700)
        self.theirs = self.folder / "theirs"
        self.theirs.mkdir()
        for name in ("secret.yaml", "day.yaml", "hosts.yaml", "schedule.yaml", "events.jsonl"):
            (self.closed / name).write_text(f"{SECRET}\n")
            (self.theirs / f"link-{name}").symlink_to(self.closed / name)
        self.mine("good.yaml", EXPERIMENT)
        self.mine("hosts.yaml", "version: 1\nhosts: { here: { address: local } }\n")
        self.marker = self.theirs / "was-run-as-root"
        evil = self.mine("executor", f"#!/bin/sh\nid -u > {self.marker}\n")
        evil.chmod(0o755)
        self.lend_root()
        self.environment.update(
            XDG_STATE_HOME=str(self.theirs), HOME=str(self.theirs), GITHUB_ACTIONS="true",
            GITHUB_STEP_SUMMARY=str(self.closed / "summary.md"),
            ORDEAL_STATE=str(self.closed / "state"), ORDEAL_EXECUTOR=str(evil),
            ORDEAL_POLICY=str(self.closed / "policy.conf"))
        os.chown(self.theirs, NOBODY, NOBODY)

    def mine(self, name, text):
        path = self.theirs / name
        path.write_text(text)
        os.chown(path, NOBODY, NOBODY)
        return path

    def apart(self, *argv):
        return subprocess.run([*self.prefix, *argv], env=self.environment, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
                              cwd=self.theirs)

    def without_settings(self):
        for name in ("ORDEAL_STATE", "ORDEAL_EXECUTOR", "ORDEAL_POLICY"):
            del self.environment[name]

    def tree(self):
        return sorted(path.relative_to(self.closed) for path in self.closed.rglob("*"))

    def check(self, *arguments, touches=True):
        """Runs it; nothing of `closed` was opened, made or removed. `touches`: and it was tried."""
        before = self.tree()
        trace = self.folder / "trace"
        done = self.apart("strace", "-f", "-qq", "-s", "300", "-o", str(trace), "-e",
                          "trace=%file,connect,bind", ORDEAL, *map(str, arguments))
        words = " ".join(map(str, arguments))
        said = done.stdout + done.stderr
        self.assertNotIn(SECRET, said, words)
        self.assertNotIn("strace:", said, words)
        self.assertEqual(self.tree(), before, words)
        self.assertFalse(self.marker.exists(), words)
        lines = trace.read_text(errors="replace").splitlines()
        # The link itself may be looked at; what it leads to is answered with EACCES.
        tried = [line for line in lines if re.search(r'(closed/|theirs/link-)', line)
                 and "execve(" not in line]
        got = [line for line in tried
               if not re.search(r"= -1 E|readlink|lstat|AT_SYMLINK_NOFOLLOW|unfinished", line)]
        self.assertEqual(got, [], words)
        if touches:
            self.assertTrue(tried, f"{words}: {said}")
        return done

    def test_files_that_are_read(self):
        bad = {name: [self.closed / f"{name}.yaml", self.theirs / f"link-{name}.yaml"]
               for name in ("secret", "day", "hosts", "schedule")}
        for path in bad["secret"]:
            for command in (["validate"], ["plan"], ["run"], ["gameday", "validate"],
                            ["gameday", "plan"], ["gameday", "run"], ["schedule", "validate"],
                            ["schedule", "forecast"]):
                with self.subTest(command=command, path=path.name):
                    done = self.check(*command, path)
                    self.assertIn("ermission denied", done.stdout + done.stderr)
        for path in bad["hosts"]:
            for command in (["doctor"], ["status"], ["recover"], ["halt"], ["halt", "--lift"],
                            ["recover", "--print"], ["validate", "good.yaml"],
                            ["plan", "good.yaml"], ["run", "good.yaml"]):
                with self.subTest(command=command, path=path.name):
                    done = self.check(*command, "--inventory", path)
                    self.assertIn("ermission denied", done.stdout + done.stderr)
        self.assertNotIn("HALTED", self.check("status", touches=False).stdout)

    def test_files_named_in_files(self):
        secret = self.closed / "secret.yaml"
        day = self.mine("day.yaml", "version: 1\ngameday: d\ntitle: A day\nagenda:\n"
                                    f"  - run: {secret}\n")
        schedule = self.mine("schedule.yaml", "version: 1\nschedules:\n  - name: one\n"
                             f"    time_zone: Etc/UTC\n    every: 1h\n    run: {secret}\n")
        service = self.mine("service.yaml", EXPERIMENT + f"service: {secret}\n")
        hosts = self.mine("ssh.yaml", f"version: 1\nssh: {{ config: {secret} }}\n"
                          "hosts: { far: { address: 'ssh://127.0.0.1:9' } }\n")
        for command in (["gameday", "validate", day], ["gameday", "plan", day],
                        ["gameday", "run", day], ["schedule", "validate", schedule],
                        ["schedule", "forecast", schedule], ["validate", service],
                        ["plan", service], ["doctor", "--inventory", hosts]):
            with self.subTest(command=command):
                self.check(*command)

    def test_files_that_are_written(self):
        for kind in ("json", "junit", "md", "html", "events"):
            with self.subTest(kind=kind):
                self.check("run", "--report", f"{kind}={self.closed}/new/report", "bad.yaml")
        done = self.check("run", "--quiet", "--report", f"md={self.closed}/report.md", "good.yaml")
        self.assertIn("report not written", done.stderr)
        self.assertEqual((self.theirs / "ordeal/runs").stat().st_uid, NOBODY)

    def test_history(self):
        self.apart(ORDEAL, "run", "--quiet", "good.yaml")
        self.assertIn("lent", self.check("runs", touches=False).stdout)
        events = next((self.theirs / "ordeal/runs").glob("*/events.jsonl"))
        events.unlink()
        events.symlink_to(self.closed / "events.jsonl")
        for form in ("events", "text", "json"):
            with self.subTest(form=form):
                done = self.check("report", "--format", form, touches=False)
                self.assertIn("ermission denied", done.stdout + done.stderr)
        shutil.rmtree(self.theirs / "ordeal")
        (self.theirs / "ordeal").symlink_to(self.closed / "history")
        for command in (["runs"], ["report"], ["gameday", "report"], ["gameday", "status"]):
            with self.subTest(command=command):
                self.check(*command, touches=False)

    def test_names_that_are_no_ids(self):
        self.without_settings()
        self.apart("true")  # makes the folders
        path = self.closed / "dead.sock"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))  # nobody listens: a run that is over, whose socket is removed
        up = "../" * 8 + str(path)[1:-len(".sock")]
        for name in (up, str(path), "", ".", "..", "/", "day/../" + up, "serve"):
            with self.subTest(name=name):
                done = self.check("abort", name, touches=False)
                self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
                self.check("report", name, touches=False)
                self.check("gameday", "report", name, touches=False)
                self.check("schedule", "resume", name, touches=False)
        self.assertTrue(path.exists())

    def test_a_day_of_theirs_leads_root_to_no_other_socket(self):
        """The folder of a game day belongs to who leads it, and everybody's `status` asks there."""
        self.without_settings()
        self.apart("true")
        folder = self.folder / "state/run/g-1121-0000-0000"
        folder.mkdir()
        os.chown(folder, NOBODY, NOBODY)
        with socket.socket(socket.AF_UNIX) as others:
            others.bind(str(self.closed / "others.sock"))
            others.listen()
            (folder / "day.sock").symlink_to(self.closed / "others.sock")
            (folder / "r-1121-0000-0000.sock").symlink_to(self.closed / "others.sock")
            for command in (["status"], ["abort"], ["gameday", "status"], ["gameday", "stop"]):
                with self.subTest(command=command):
                    done = self.apart(ORDEAL, *command)
                    others.settimeout(0.1)
                    with self.assertRaises(TimeoutError, msg=done.stdout + done.stderr):
                        others.accept()

    def test_serve(self):
        for path in (self.closed / "schedule.yaml", self.theirs / "link-schedule.yaml"):
            done = self.check("serve", "--schedule", path, touches=False)
            self.assertEqual(done.returncode, 3)
            self.assertIn("systemctl start ordeal", done.stderr)

    def test_settings_do_not_count(self):
        (self.closed / "policy.conf").write_text("allow = *\n")
        self.apart("true")
        real = self.folder / "etc/ordeal"
        real.mkdir()
        (real / "policy.conf").write_text("deny = process.*\n")
        victim = self.start("sleep", "1000")
        self.mine("good.yaml", EXPERIMENT.replace('"*nobody-has-such-a-command-line*"', '"sleep 1000"'))
        done = self.check("plan", "good.yaml", touches=False)
        self.assertIn("the policy of this host does not allow process.pause",
                      done.stdout + done.stderr)
        self.assertIsNone(victim.poll())
        # The executor itself, which sudo may start on a host that is reached over ssh.
        (self.folder / "state/halt").write_text("a reason\n")
        done = self.apart(EXECUTOR, "--status", "--json")
        self.assertIn("a reason", done.stdout)
        for lent in ({"PKEXEC_UID": str(NOBODY)}, {"DOAS_USER": "nobody"}):
            with self.subTest(lent=lent):
                for name in ("SUDO_UID", "SUDO_GID", "SUDO_USER", "PKEXEC_UID", "DOAS_USER"):
                    self.environment.pop(name, None)
                self.environment.update(lent)
                self.assertIn("a reason", self.check("status", touches=False).stdout)
                self.assertIn("ermission denied",
                              self.check("validate", self.closed / "secret.yaml").stderr)

    def test_what_needs_root_has_it(self):
        inventory = ["--inventory", "hosts.yaml"]
        done = self.check("halt", "--reason", "enough of it", *inventory, touches=False)
        self.assertIn("HALTED", done.stdout + done.stderr)
        self.assertIn("enough of it", (self.folder / "state/halt").read_text())
        for more in ([], inventory):
            self.assertIn("enough of it", self.check("status", *more, touches=False).stdout)
        done = self.check("halt", "--lift", *inventory, touches=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertFalse((self.folder / "state/halt").exists())
        done = self.check("recover", *inventory, touches=False)
        self.assertIn("clean", done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("here", self.check("doctor", *inventory, touches=False).stdout)
        self.assertIn("nothing of ordeal's", self.check("status", touches=False).stdout)
        schedule = self.mine("schedule.yaml", "version: 1\nschedules:\n  - name: one\n"
                             "    time_zone: Etc/UTC\n    every: 1h\n    run: good.yaml\n")
        done = self.check("schedule", "forecast", schedule, touches=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("not known", done.stderr)


if __name__ == "__main__":
    unittest.main()
