#!/usr/bin/env python3
"""scripts/setup finds the sections of scripts/packages. Nothing is installed: dpkg-query is one of ours,
which says that every package is there and writes down which it was asked for.

    setup_test.py SOURCE-FOLDER"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 else ".").resolve()
DPKG_QUERY = """#!/bin/sh
for package; do :; done
echo "$package" >> "$ASKED"
echo installed
"""


def sections():
    """{name: packages}, read apart from how scripts/setup reads them."""
    found = {}
    for block in re.split(r"^# (?=[a-z]+(?:$|:))", (ROOT / "scripts/packages").read_text(),
                          flags=re.MULTILINE)[1:]:
        title, *packages = block.splitlines()
        found[title.partition(":")[0]] = packages
    return found


class Setup(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.folder / "dpkg-query").write_text(DPKG_QUERY)
        (self.folder / "dpkg-query").chmod(0o755)
        self.asked = self.folder / "asked"
        self.asked.touch()

    def setup(self, *names):
        return subprocess.run([ROOT / "scripts/setup", *names], cwd="/", text=True,
                              stdin=subprocess.DEVNULL, capture_output=True,
                              env={"PATH": f"{self.folder}:{os.environ['PATH']}",
                                   "ASKED": str(self.asked)})

    def test_every_section_is_found_by_its_name(self):
        self.assertLessEqual({"build", "test", "page", "services", "lane", "package", "fresh"},
                             set(sections()))
        for name, packages in sections().items():
            self.asked.write_text("")
            done = self.setup(name)
            self.assertEqual((done.returncode, done.stderr), (0, ""), name)
            self.assertEqual(self.asked.read_text().split(), packages, name)
            self.assertGreater(len(packages), 0, name)

    def test_several_sections_and_all_of_them(self):
        self.setup("build", "services")
        found = sections()
        self.assertEqual(self.asked.read_text().split(), found["build"] + found["services"])
        self.asked.write_text("")
        self.setup()
        self.assertEqual(self.asked.read_text().split(), sum(found.values(), []))

    def test_an_unknown_section_is_an_error_that_names_those_there_are(self):
        for names in (["lanes"], ["build", "lanes"], ["Debian"], [""]):
            done = self.setup(*names)
            self.assertEqual(done.returncode, 2, names)
            self.assertIn(f"no section '{names[-1]}'", done.stderr)
            for name in sections():
                self.assertIn(name, done.stderr.partition("there are: ")[2].split())
        self.assertEqual(self.asked.read_text(), "")

    def test_what_the_scripts_ask_for_is_there(self):
        for script in (ROOT / "scripts").iterdir():
            if script.is_file():
                for names in re.findall(r"^ *scripts/setup((?: [a-z]+)+)$", script.read_text(),
                                        re.MULTILINE):
                    self.assertLessEqual(set(names.split()), set(sections()), script)


if __name__ == "__main__":
    unittest.main(verbosity=2)
