"""What README.md and docs/start.md tell a newcomer to do works as they say."""
import re
import shutil
import subprocess
import unittest

from apart import run_apart
from harness import HERE, ORDEAL, EndToEnd

ROOT = HERE.parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
SCRIPT = """
experiments/services/shop.sh start || exit 1
for command in validate plan run; do "$1" $command "$2" || exit 1; done
echo "== report"
"$1" report || exit 1
echo "== end"
"$1" status --exit-code && experiments/services/shop.sh stop
"""


def blocks(page, language=None):
    """The fenced blocks; of all languages without one."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [text for its, text in fences if language in (None, its)]


def labels(text):
    """The first words of the lines of a finished view: what it tells, whatever the numbers are."""
    return [line.split()[0] for line in text.splitlines() if re.match(r" {1,4}\S", line)]


class Readme(EndToEnd):
    def test_the_experiment_prints_what_it_says(self):
        if not shutil.which("nginx"):
            self.skipTest("nginx is not installed: scripts/setup services")
        experiment = blocks(ROOT / "README.md", "yaml")[0]
        shown = next(block for block in blocks(ROOT / "README.md", "") if "ordeal run" in block)
        done = run_apart(SCRIPT, ORDEAL, self.write(experiment, "shop.yaml"), cwd=ROOT,
                         environment=self.environment)
        self.assertEqual(done.returncode, 0, done.stdout)
        printed = done.stdout.partition("== report\n")[2].partition("== end")[0]
        told = [label for label in labels(shown) if label != "report"]  # the page's path: of a run
        self.assertEqual(labels(printed)[:len(told)], told, printed)

    def test_every_file_of_the_start_page_is_valid(self):
        files = [block for block in blocks(ROOT / "docs/start.md", "yaml")
                 if block.startswith("version: 1")]
        self.assertGreaterEqual(len(files), 1)
        for text in files:
            done = self.ordeal("validate", self.write(text))
            self.assert_exit(done, 0)
            self.assertEqual(done.stderr, "")

    def test_three_hosts_fit_together(self):
        inventory, experiment = blocks(ROOT / "docs/guides/three-hosts.md", "yaml")
        done = self.ordeal("validate", "--inventory", self.write(inventory, "hosts.yaml"),
                           self.write(experiment))
        self.assert_exit(done, 0)
        self.assertEqual(done.stderr, "")


class Pages(unittest.TestCase):
    def test_every_link_leads_somewhere(self):
        for page in PAGES:
            for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
                if target.startswith("http"):
                    continue
                path, _, anchor = target.partition("#")
                file = (page.parent / path).resolve() if path else page
                self.assertTrue(file.exists(), f"{page}: {target}")
                if anchor:
                    titles = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
                    anchors = {re.sub(r"[^a-z0-9 _-]", "", t.lower()).replace(" ", "-")
                               for t in titles}
                    self.assertIn(anchor, anchors, f"{page}: {target}")

    def test_every_command_and_option_exists(self):
        known = {}
        for page in PAGES:
            for command, rest in re.findall(r"\bordeal ([a-z]+)((?: +[^\s`|;&]+)*)",
                                            "\n".join(self.code_of(page))):
                if command not in known:
                    help_text = subprocess.run([ORDEAL, command, "--help"], text=True,
                                               capture_output=True)
                    known[command] = help_text.stdout
                    self.assertEqual(help_text.returncode, 0, f"{page}: ordeal {command}")
                for option in re.findall(r"(?<= )--[a-z-]+", rest):
                    self.assertIn(option, known[command], f"{page}: ordeal {command} {option}")

    def code_of(self, page):
        text = page.read_text()
        fenced = [line for block in blocks(page) for line in block.splitlines()
                  if re.match(r"\s*(- |run: |\$ )*(sudo |ordeal )", line)]
        indented = re.findall(r"^    (?:\$ )?((?:sudo )?ordeal .*)$", text, re.MULTILINE)
        spans = re.findall(r"`((?:sudo )?ordeal [^`\n]+)`", text)
        return fenced + indented + spans


if __name__ == "__main__":
    unittest.main(verbosity=2)
