"""Every exit code 0 to 10, by the real binaries on a real service."""
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest

from harness import BINARIES, HERE, EndToEnd, answers, free_port, state_of, wait_until

FILE = """\
version: 1
name: {name}
hypothesis: The service stays well.
slis:
  web: {{ http: {{ url: "http://127.0.0.1:{port}/", rate: 50/s, timeout: 300ms }} }}
steady_state: [ web.success >= 99% ]
during: [ {during} ]
abort_if: {abort_if}
baseline: 10s
warmup: 0s
method:
{method}
recovery: {{ within: 8s, hold: 5s }}
"""

PAUSE = """\
  - fault: process.pause
    target: {{ process: {{ argv: "*service.py {port}" }} }}
    duration: {duration}
"""


class ExitCodes(EndToEnd):
    def experiment(self, method, port, during="web.success >= 99%", abort_if="[]", name="exit"):
        if abort_if == "[]":
            abort_if = "[ host.memory_available < 1% ]"
        return self.write(FILE.format(name=name, port=port, method=method, during=during,
                                      abort_if=abort_if))

    def test_0_upheld(self):
        _, port = self.service()
        victim, other = self.service()
        done = self.ordeal("run", "--report", "json=out/report.json", "--report",
                           "junit=out/junit.xml",
                           self.experiment(PAUSE.format(port=other, duration="3s"), port))
        self.assert_exit(done, 0)
        self.assertNotEqual(state_of(victim.pid), "T")
        self.assertEqual(self.report(self.folder / "out/report.json")["exit"]["name"], "upheld")
        self.assert_nothing_left()

    def test_1_violated(self):
        victim, port = self.service()
        done = self.ordeal("run", self.experiment(PAUSE.format(port=port, duration="3s"), port))
        self.assert_exit(done, 1)
        self.assertNotEqual(state_of(victim.pid), "T")
        self.assert_nothing_left()

    def test_2_invalid(self):
        path = self.write("version: 1\nname: x\nstedy_state: []\n")
        done = self.ordeal("run", path)
        self.assert_exit(done, 2)
        self.assertIn("experiment.yaml:3:1:", done.stderr)
        self.assertIn("steady_state", done.stderr)
        self.assert_exit(self.ordeal("run"), 2)

    def test_2_words_that_a_command_does_not_know(self):
        for words, told in (
                (["schema", "gamedy"], "expected experiment, schedule, inventory or gameday; did you "
                                       "mean gameday?"),
                (["help", "nonsense"], "unknown command nonsense"),
                (["help", "pln"], "did you mean plan?"),
                (["run", "--baseline-only", "--control", "x.yaml"], "give one"),
                (["runs", "--limit", "-1"], "--limit -1: expected 1 or more")):
            done = self.ordeal(*words)
            self.assert_exit(done, 2)
            self.assertIn(told, done.stderr)
            self.assertEqual(done.stdout, "")
        for words in (["help", "plan"], ["help"], ["schema"], ["schema", "experiment"]):
            self.assert_exit(self.ordeal(*words), 0)
        done = self.ordeal("run", "/no-such.yaml")
        self.assert_exit(done, 2)
        self.assertEqual(done.stderr, "/no-such.yaml: No such file or directory\n")

    def test_3_refused_when_nothing_matches(self):
        _, port = self.service()
        done = self.ordeal("run", self.experiment(
            PAUSE.format(port="no-such-port", duration="3s"), port))
        self.assert_exit(done, 3)
        self.assert_nothing_left()

    def test_doctor_is_3_only_for_what_nothing_replaces(self):
        done = self.ordeal("doctor")
        words = [line.split()[0] for line in done.stdout.splitlines() if not line.startswith(" ")]
        self.assertLessEqual(set(words), {"ok", "other", "no"}, done.stdout)
        self.assertEqual(len(words), 9, done.stdout)
        self.assert_exit(done, 3 if "no" in words else 0)
        self.assertEqual(words.count("other"), done.stdout.count("instead: "), done.stdout)
        self.assertNotIn("mount -t cgroup2", done.stdout)  # here it would hide what is mounted

    def test_plan_as_anybody_where_root_has_used_ordeal(self):
        _, port = self.service()
        _, other = self.service()
        path = self.experiment(PAUSE.format(port=other, duration="3s"), port)
        self.assert_exit(self.ordeal("plan", path), 0)
        self.assertTrue((self.folder / "state/journal").is_dir())
        self.folder.chmod(0o755)
        for name in ("ordeal", "ordeal-executor"):  # where anybody may start them
            shutil.copy(BINARIES / name, self.folder)

        def plan(*arguments):
            return subprocess.run([self.folder / "ordeal", "plan", *arguments, path],
                                  env=self.environment, cwd="/", user=65534, group=65534,
                                  extra_groups=[], text=True, capture_output=True, timeout=60,
                                  stdin=subprocess.DEVNULL)

        done = plan()
        self.assert_exit(done, 0)
        self.assertIn("what earlier runs left: needs root", done.stdout)
        self.assert_exit(plan("--strict"), 3)

    def test_a_report_that_could_not_be_stored_is_not_named(self):
        _, port = self.service()
        _, other = self.service()
        path = self.experiment(PAUSE.format(port=other, duration="3s"), port)
        history = self.folder / "state/history"
        history.parent.mkdir()
        history.write_text("where the folder would be")
        done = self.ordeal("run", "--baseline-only", path)
        self.assertNotIn("report.html", done.stdout)
        self.assertIn("Report: not stored: ", done.stdout)
        self.assertIn("history not stored: ", done.stderr)
        history.unlink()
        done = self.ordeal("run", "--baseline-only", path)
        named = done.stdout.partition("Report: ")[2].strip()
        self.assertTrue(named.endswith("report.html") and os.path.exists(named), done.stdout)

    def test_4_not_steady(self):
        victim, other = self.service()
        done = self.ordeal("run", self.experiment(PAUSE.format(port=other, duration="3s"),
                                                  free_port()))
        self.assert_exit(done, 4)
        self.assertNotEqual(state_of(victim.pid), "T")
        self.assert_nothing_left()

    def test_5_aborted(self):
        victim, port = self.service()
        done = self.ordeal("run", self.experiment(
            PAUSE.format(port=port, duration="20s"), port,
            abort_if="[ web.success < 80% over 2s ]"))
        self.assert_exit(done, 5)
        self.assertNotEqual(state_of(victim.pid), "T")
        self.assert_nothing_left()

    def test_6_inconclusive_when_no_packet_matched(self):
        _, port = self.service()
        method = f"""\
  - fault: network.partition
    with: {{ remote_ip: 127.0.0.1, remote_port: {free_port()}, device: lo }}
    duration: 3s
"""
        done = self.ordeal("run", self.experiment(method, port))
        self.assert_exit(done, 6)
        self.assert_nothing_left()

    def test_7_interrupted(self):
        victim, port = self.service()
        run = self.begin("run", self.experiment(PAUSE.format(port=port, duration="30s"), port))
        wait_until(lambda: state_of(victim.pid) == "T", 30, "the fault is active")
        run.send_signal(signal.SIGINT)
        for _ in range(5):  # impatience must not spoil the rollback
            time.sleep(0.01)
            run.send_signal(signal.SIGINT)
        self.assertEqual(run.wait(timeout=30), 7)
        self.assertNotEqual(state_of(victim.pid), "T")
        self.assert_nothing_left()

    def test_7_interrupted_by_halt_then_3_until_lifted(self):
        victim, port = self.service()
        path = self.experiment(PAUSE.format(port=port, duration="30s"), port)
        run = self.begin("run", path)
        wait_until(lambda: state_of(victim.pid) == "T", 30, "the fault is active")
        self.assert_exit(self.ordeal("halt", "--reason", "test"), 0)
        self.assertEqual(run.wait(timeout=30), 7)
        self.assertNotEqual(state_of(victim.pid), "T")
        self.assert_exit(self.ordeal("run", path), 3)
        self.assert_exit(self.ordeal("halt", "--lift"), 0)
        self.assert_nothing_left()

    def test_8_error_when_the_target_is_gone_at_injection(self):
        _, port = self.service()
        victim, other = self.service()
        run = self.begin("run", self.experiment(PAUSE.format(port=other, duration="3s"), port))
        time.sleep(5)
        victim.kill()
        victim.wait()
        self.assertEqual(run.wait(timeout=60), 8)
        self.assert_nothing_left()

    def test_9_dirty_when_nobody_brings_the_process_back(self):
        _, port = self.service()
        _, other = self.service()
        method = f"""\
  - fault: process.kill
    target: {{ process: {{ argv: "*service.py {other}" }} }}
    with: {{ restore: supervisor, restore_within: 2s }}
    duration: 2s
"""
        done = self.ordeal("run", self.experiment(method, port))
        self.assert_exit(done, 9)
        self.assertIn("NOT CLEAN", done.stdout)

    def test_10_not_recovered(self):
        _, port = self.service()
        method = f"""\
  - fault: process.kill
    target: {{ process: {{ argv: "*service.py {port}" }} }}
    with: {{ restore: none }}
    duration: 2s
"""
        path = self.experiment(method, port)
        self.assert_exit(self.ordeal("run", path), 3)  # without a net and without a terminal
        done = self.ordeal("run", "--yes", path)
        self.assert_exit(done, 10)
        self.assertFalse(answers(port))


if __name__ == "__main__":
    unittest.main(verbosity=2)
