"""Several files for one `ordeal run`: what runs, in which order, and that the report files say so of
every one of them, also of those that were not run."""
import json
import shutil
import subprocess
import sys
import unittest

sys.path.append("/usr/lib/python3/dist-packages")  # of Debian's packages, whichever python3 this is
import junitparser  # noqa: E402

from harness import BINARIES, EndToEnd, state_of  # noqa: E402

# No rate and no bound that a machine under load could miss.
FILE = """\
version: 1
name: {name}
hypothesis: Nobody notices that a process hangs.
vars: {{ watched: ~ }}
slis:
  web: {{ process: {{ argv: "*service.py ${{watched}}", every: 1s }} }}
  hung: {{ http: {{ url: "http://127.0.0.1:{victim}/", rate: 20/s, timeout: 300ms }} }}
steady_state: [ web.up ]
during: [ {during} ]
abort_if: {abort_if}
baseline: 5s
warmup: 0s
method:
  - fault: process.{fault}
    target: {{ process: {{ argv: "*service.py {victim}" }} }}
    duration: {duration}
{rest}recovery: {{ within: 20s, hold: 1s }}
"""
NOBODY = 65534
HOLDS, BROKEN = "web.up", "host.memory_available > 99.9%"  # what no machine has
KINDS = ("junit=out/junit.xml", "json=out/r.json", "md=out/r.md", "html=out/r.html",
         "events=out/r.jsonl")
REPORTS = [word for kind in KINDS for word in ("--report", kind)]
KILL = "    with: { restore: supervisor, restore_within: 1s }\n"  # and nobody supervises


class Files(EndToEnd):
    def setUp(self):
        super().setUp()
        _, self.watched = self.service()

    def experiment(self, name, during=HOLDS, abort_if="[ host.memory_available < 1% ]", victim=None,
                   fault="pause", duration="2s", rest=""):
        if victim is None:
            _, victim = self.service()
        return self.write(FILE.format(name=name, during=during, abort_if=abort_if, victim=victim,
                                      fault=fault, duration=duration, rest=rest), f"{name}.yaml")

    def run_all(self, *arguments, **options):
        return self.ordeal("run", "--quiet", "--var", f"watched={self.watched}", *REPORTS,
                           *arguments, **options)

    def out(self, name):
        return (self.folder / "out" / name).read_text()

    def suites(self):
        """Of the JUnit file: by name of the suite whether its case `run` was skipped, and why."""
        found = {}
        for suite in junitparser.JUnitXml.fromfile(str(self.folder / "out/junit.xml")):
            run = next(case for case in suite if case.name.startswith("run"))
            found[suite.name.removeprefix("ordeal.")] = [
                (type(result).__name__, result.message) for result in run.result]
        return found

    def check_not_run(self, suffix, why, name="refused", code=3):
        """That the files of one that was not run say so in every format."""
        said = json.loads(self.out(f"r{suffix}.json"))["exit"]
        self.assertEqual((said["code"], said["name"]), (code, name))
        self.assertIn(why, said["reason"])
        self.assertIn(name.upper(), self.out(f"r{suffix}.html"))
        events = [json.loads(line) for line in self.out(f"r{suffix}.jsonl").splitlines()]
        self.assertEqual([event["kind"] for event in events],
                         ["run_started", "refused", "run_ended"])
        self.assertEqual(events[-1]["data"]["verdict"]["exit_name"], name)
        self.assertIn(why, events[-1]["data"]["verdict"]["reason"])
        self.assertIn(name.upper(), self.out("r.md"))

    def test_without_root_every_file_says_that_it_was_refused(self):
        path = self.experiment("alone")
        self.folder.chmod(0o777)
        for name in ("ordeal", "ordeal-executor"):  # where anybody may start them
            shutil.copy(BINARIES / name, self.folder)
        done = subprocess.run(
            [self.folder / "ordeal", "run", "--output", "json", "--var", f"watched={self.watched}",
             *REPORTS, path], env=self.environment, cwd=self.folder, user=NOBODY, group=NOBODY,
            extra_groups=[], text=True, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
        self.assert_exit(done, 3)
        self.assertIn("needs root", done.stderr)
        (what, why), = self.suites()["alone"]
        self.assertEqual(what, "Skipped")
        self.assertIn("needs root", why)
        self.check_not_run("", "needs root")
        self.assertEqual(done.stdout, self.out("r.jsonl"))

    def test_a_broken_file_is_in_every_report(self):
        path = self.write("version: 1\nname: x\nstedy_state: []\n", "broken.yaml")
        self.assert_exit(self.ordeal("run", *REPORTS, path), 2)
        self.check_not_run("", "needs `abort_if`", "invalid", 2)
        self.assertIn("broken.yaml:1: ", json.loads(self.out("r.json"))["exit"]["reason"])
        self.assertEqual(self.suites()["broken.yaml"][0][0], "Error")

    def test_what_nobody_agreed_to_is_refused_and_the_next_one_runs(self):
        first = self.experiment("no-net", abort_if="none")
        second = self.experiment("net")
        done = self.run_all(first, second)
        self.assert_exit(done, 3)
        self.assertIn("no-net: nothing stops it early (abort_if: none); without a terminal this "
                      "needs --yes", done.stderr)
        self.check_not_run("-no-net", "needs --yes")
        self.assertEqual(json.loads(self.out("r-net.json"))["exit"]["name"], "upheld")
        self.assertEqual(self.suites()["net"], [])
        self.assertIn("needs --yes", self.suites()["no-net"][0][1])
        done = self.run_all("--fail-fast", first, second)
        self.assert_exit(done, 3)
        self.check_not_run("-net", "not started: no-net ended with exit 3 (refused)")
        self.assert_exit(self.run_all("--yes", first), 0)

    def test_each_run_has_its_files_and_the_worst_is_the_exit_code(self):
        files = [self.experiment("one"), self.experiment("two", during=BROKEN)]
        done = self.run_all("--seed", "7", *files, files[0])
        self.assert_exit(done, 1)
        starts = [line.split()[3] for line in done.stdout.splitlines()
                  if line.startswith("* ordeal ")]
        self.assertEqual(starts, ["one", "two", "one"])
        names = ["one", "two", "one-2"]
        runs = [json.loads(self.out(f"r-{name}.json")) for name in names]
        self.assertEqual([run["exit"]["name"] for run in runs],
                         ["upheld", "violated", "upheld"])
        self.assertEqual({run["seed"] for run in runs}, {"7"})
        self.assertEqual(len({run["run"] for run in runs}), 3)
        for name, run in zip(names, runs):
            self.assertIn(run["run"], self.out(f"r-{name}.html"))
            self.assertEqual(json.loads(self.out(f"r-{name}.jsonl").splitlines()[0])["run"],
                             run["run"])
            self.assertIn(run["run"], self.out("r.md"))
        self.assertEqual(len(list((self.folder / "out").iterdir())), 2 + 3 * len(names))
        for path in (self.folder / "out").iterdir():
            self.assertIn(f"* report: out/{path.name}\n", done.stdout)
        self.assertEqual(set(self.suites()), {"one", "two"})
        self.assert_nothing_left()

    def test_fail_fast_stops_at_the_first_that_is_not_upheld(self):
        done = self.run_all("--fail-fast", self.experiment("one", during=BROKEN),
                            self.experiment("two"))
        self.assert_exit(done, 1)
        self.check_not_run("-two", "not started: one ended with exit 1 (violated)")
        self.assertEqual(self.suites()["two"][0][0], "Skipped")

    def test_an_abort_does_not_stop_the_rest_and_a_dirty_host_does(self):
        files = [self.experiment("aborts", abort_if="[ hung.success < 50% over 2s ]",
                                 duration="30s"),
                 self.experiment("dirty", fault="kill", rest=KILL), self.experiment("last")]
        victim, port = self.service()
        files.append(self.experiment("not-touched", victim=port))
        done = self.run_all(*files)
        self.assert_exit(done, 9)
        self.assertEqual(json.loads(self.out("r-aborts.json"))["exit"]["name"], "aborted")
        self.assertEqual(json.loads(self.out("r-dirty.json"))["exit"]["name"], "dirty")
        for name in ("last", "not-touched"):
            self.check_not_run("-" + name, "not started: dirty ended with exit 9 (dirty)")
            self.assertEqual(self.suites()[name][0][0], "Skipped")
        self.assertNotEqual(state_of(victim.pid), "T")

    def test_nothing_runs_when_one_file_is_broken(self):
        victim, port = self.service()
        done = self.run_all(self.experiment("good", victim=port),
                            self.write("version: 1\n", "broken one.yaml"))
        self.assert_exit(done, 2)
        self.check_not_run("-broken-one", "", "invalid", 2)
        self.assertNotIn("ordeal ", done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
