"""The pipelines of docs/guides run as they are written: their files parse, their shell steps do what the
guide says, on a service that holds, one that breaks and one that is not there."""
import os
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.append("/usr/lib/python3/dist-packages")  # of Debian's packages, whichever python3 this is
import junitparser  # noqa: E402
import yaml  # noqa: E402

from harness import HERE, ORDEAL, EndToEnd, free_port, state_of  # noqa: E402

GUIDES = HERE.parent.parent / "docs/guides"
EXPERIMENT = """\
version: 1
name: one-hangs
hypothesis: The web does not notice that somebody hangs.
slis:
  # No rate and no bound that a machine under load could miss.
  web: {{ process: {{ argv: "*service.py {watched}", every: 1s }} }}
steady_state: [ web.up ]
during: [ {during} ]
abort_if: [ host.memory_available < 1% ]
baseline: 5s
warmup: 0s
method:
  - fault: process.pause
    target: {{ process: {{ argv: "*service.py {victim}" }} }}
    duration: 5s
recovery: {{ within: 20s, hold: 1s }}
"""
# What no machine has: broken on every one.
BROKEN = "host.memory_available > 99.9%"
# What a runner has and this machine need not: each does its part as far as a test can tell.
SHIMS = {"sudo": '#!/bin/sh\ncase $1 in --preserve-env=*) shift ;; esac\nexec "$@"\n',
         "apt-get": '#!/bin/sh\necho "$@" >> "$SHIM_LOG"\n'}


def block(guide, language, which=0):
    text = (GUIDES / guide).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[which]


def classes(page):
    """`1 5 10` and the like, by the first word of its class."""
    text = page.read_text()
    found = re.findall(r"^\| (the service|not run|the file|a person|page)\b.*?\| ([\d ]+) \|", text,
                       re.MULTILINE)
    return {word: codes.split() for word, codes in found}


class Guides(unittest.TestCase):
    def test_every_pipeline_parses(self):
        github = yaml.safe_load(block("github-actions.md", "yaml"))
        self.assertEqual(set(github["jobs"]), {"files", "resilience"})
        self.assertIn("pull_request", github[True])  # `on` is true in YAML 1.1
        for job in github["jobs"].values():
            for step in job["steps"]:
                self.assertTrue("run" in step or "uses" in step, step)
        gitlab = yaml.safe_load(block("gitlab-ci.md", "yaml"))
        for name in ("experiments", "resilience"):
            self.assertIn(gitlab[name]["stage"], gitlab["stages"])
        self.assertEqual(gitlab["resilience"]["allow_failure"], {"exit_codes": [3, 4, 6]})
        self.assertEqual(gitlab["resilience"]["artifacts"]["when"], "always")
        groovy = block("jenkins.md", "groovy")
        for left, right in ("{}", "()", "[]"):
            self.assertEqual(groovy.count(left), groovy.count(right))
        self.assertIn("code in [3, 4, 6]", groovy)

    def test_all_tell_the_same_classes_as_the_reference(self):
        text = (GUIDES.parent / "reference/exit-codes.md").read_text()
        line = next(line for line in text.splitlines() if line.startswith("**failed**"))
        told = [group.split() for group in re.findall(r"\*\* ([\d ]+)", line)]
        for page in GUIDES.glob("*.md"):
            if "exit-codes.md" in page.read_text() and "JUnit" in page.read_text():
                found = classes(page)
                self.assertEqual([found[key] for key in ("the service", "not run", "the file",
                                                         "a person", "page")], told, page)


class Pipeline(EndToEnd):
    def setUp(self):
        super().setUp()
        tools = self.folder / "tools"
        tools.mkdir()
        for name, text in SHIMS.items():
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)
        (tools / "ordeal").symlink_to(ORDEAL)
        self.environment.update(PATH=f"{tools}:{os.environ['PATH']}", CI="true",
                                SHIM_LOG=str(self.folder / "shims"))
        (self.folder / "experiments").mkdir()
        (self.folder / "shims").touch()

    def service_that(self, holds):
        """Writes the experiment; `holds` is None: there is no service."""
        victim, port = self.service()
        self.write(EXPERIMENT.format(watched=free_port() if holds is None else port, victim=port,
                                     during=BROKEN if holds is False else "web.up"),
                   "experiments/hang.yaml")
        return victim

    def step(self, script, *shell):
        done = subprocess.run([*(shell or ("bash", "-e")), "-c", script], cwd=self.folder, text=True,
                              env=self.environment, stdin=subprocess.DEVNULL, timeout=150,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout

    def junit(self):
        return junitparser.JUnitXml.fromfile(str(self.folder / "out/junit.xml"))

    def check_end(self, victim):
        self.assertNotEqual(state_of(victim.pid), "T")
        self.assert_nothing_left()


class GitHub(Pipeline):
    def setUp(self):
        super().setUp()
        self.summary = self.folder / "summary.md"
        self.environment.update(GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(self.summary))
        jobs = yaml.safe_load(block("github-actions.md", "yaml"))["jobs"]
        self.steps = [step for job in jobs.values() for step in job["steps"] if "run" in step]

    def play(self):
        """As a runner does: after a failure only what is `always()`. Exit codes and logs by name."""
        codes, logs, failed = {}, {}, False
        for step in self.steps:
            if failed and step.get("if") != "always()":
                continue
            code, logs[step["name"]] = self.step(step["run"])
            codes[step["name"]] = code
            failed = failed or code != 0
        return codes, logs

    def test_a_service_that_holds_is_green(self):
        victim = self.service_that(holds=True)
        codes, logs = self.play()
        self.assertEqual(len(codes), 5)
        self.assertEqual(set(codes.values()), {0}, logs)
        self.assertIn("ordeal_", (self.folder / "shims").read_text())
        self.assertTrue(all(line.startswith("* ") for line in logs["Break it"].splitlines()), logs)
        self.assertIn("UPHELD", self.summary.read_text())
        self.assertIn("UPHELD", (self.folder / "out/summary.md").read_text())
        self.assertTrue((self.folder / "out/report.html").exists())
        self.assertEqual((self.junit().failures, self.junit().errors), (0, 0))
        self.check_end(victim)

    def test_a_service_that_breaks_is_red_and_marked_at_its_line(self):
        victim = self.service_that(holds=False)
        codes, logs = self.play()
        self.assertEqual(codes["Break it"], 1, logs)
        self.assertEqual(codes["Is the machine clean?"], 0, logs)
        text = (self.folder / "experiments/hang.yaml").read_text().splitlines()
        line = 1 + next(i for i, row in enumerate(text) if row.startswith("during:"))
        self.assertRegex(logs["Break it"],
                         rf"(?m)^::error file=experiments/hang.yaml,line={line},title=VIOLATED::")
        self.assertIn("VIOLATED", self.summary.read_text())
        self.assertGreater(self.junit().failures, 0)
        self.check_end(victim)

    def test_an_absent_service_is_a_warning_where_the_guide_says_so(self):
        victim = self.service_that(holds=None)
        codes, logs = self.play()
        self.assertEqual(codes["Is the service well enough to be broken?"], 4, logs)
        self.assertNotIn("Break it", codes)
        tolerant, = yaml.safe_load(block("github-actions.md", "yaml", 1))
        code, log = self.step(tolerant["run"])
        self.assertEqual(code, 0, log)
        self.assertIn("::warning title=resilience::not run, or cannot tell (exit 4)", log)
        self.assertGreater(self.junit().skipped, 0)
        self.assertEqual(self.junit().failures, 0)
        self.check_end(victim)


class GitLab(Pipeline):
    def play(self, job):
        """One shell for `script`, as GitLab has; `after_script` whatever happened."""
        pipeline = yaml.safe_load(block("gitlab-ci.md", "yaml"))[job]
        code, log = self.step("set -eo pipefail\n" + "\n".join(pipeline["script"]))
        after, said = self.step("\n".join(pipeline.get("after_script", [])))
        self.assertEqual(after, 0, said)
        return code, log

    def test_exit_codes_decide(self):
        victim = self.service_that(holds=True)
        self.assertEqual(self.play("experiments")[0], 0)
        code, log = self.play("resilience")
        self.assertEqual(code, 0, log)
        self.assertEqual((self.junit().failures, self.junit().errors), (0, 0))
        self.check_end(victim)

    def test_junit_carries_its_message_as_text(self):
        victim = self.service_that(holds=False)
        code, log = self.play("resilience")
        self.assertEqual(code, 1, log)
        said = [result.text for suite in self.junit() for case in suite for result in case.result]
        self.assertTrue(any("host.memory_available" in text for text in said if text), said)
        self.check_end(victim)


class Jenkins(Pipeline):
    def scripts(self):
        """The shell steps in their order; Groovy's ''' turns two backslashes into one."""
        groovy = block("jenkins.md", "groovy")
        found = re.findall(r"sh(?: |\().*?(?:'''(.*?)'''|'(.*?)')", groovy, re.DOTALL)
        return [(long or short).replace("\\\\", "\\") for long, short in found]

    def test_shell_steps(self):
        victim = self.service_that(holds=False)
        validate, clear, run, after = self.scripts()
        self.assertEqual(self.step(validate, "sh", "-xe")[0], 0)
        (self.folder / "out").mkdir()
        self.assertEqual(self.step(clear, "sh", "-xe")[0], 0)
        self.assertFalse((self.folder / "out").exists())
        code, log = self.step(run, "sh", "-xe")
        self.assertEqual(code, 1, log)
        self.assertGreater(self.junit().failures, 0)
        self.assertIn("VIOLATED", (self.folder / "out/summary.md").read_text())
        self.assertEqual(self.step(after, "sh", "-xe")[0], 0)
        self.check_end(victim)


class Packages(unittest.TestCase):
    def test_what_is_imported_here_is_installed_by_the_tests(self):
        wanted = (pathlib.Path(HERE).parent.parent / "scripts/packages").read_text().splitlines()
        self.assertLessEqual({"python3-yaml", "python3-junitparser"}, set(wanted))


if __name__ == "__main__":
    unittest.main(verbosity=2)
