#!/usr/bin/env python3
"""tidy.py is silent about a small clean tree, and finds each breach that is planted in it."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

TIDY = pathlib.Path(__file__).with_name("tidy.py")
CMAKE = """\
ordeal_library(base engine/base)
ordeal_library(model engine/model base)
ordeal_library(os engine/os model)
ordeal_library(fault engine/fault os)
ordeal_library(faults_process faults/process fault)
ordeal_library(catalogue faults faults_process)
"""
MAP = """\
| folder | holds | may include |
|---|---|---|
| engine/base | errors | nothing of ours |
| engine/model | values | base |
| engine/os | seams | model |
| engine/fault | the contract | os |
| faults/* | faults | fault |
"""
TESTS = "  ordeal_test(unit_os unit/os os)\nordeal_test(contract contract os)\n"
UNITS = "units=(unit_os\n  contract)\n"
CLEAN = {
    "CMakeLists.txt": CMAKE,
    "docs/internals/map.md": MAP,
    "engine/model/value.hpp": '#include "engine/base/error.hpp"\n',
    "engine/fault/pick.cpp": '#include "engine/model/value.hpp"\n\nint pick() {\n  return 1;\n}\n',
    "faults/process/kill.cpp": '#include "engine/fault/fault.hpp"\n',
    "tests/CMakeLists.txt": TESTS,
    "tests/unit/os/clock_test.cpp": "",
    "scripts/test": UNITS,
}
# What is planted: file, text that is added to it (or replaces it), what tidy must say.
LONG = "int long_one() {\n" + "  step();\n" * 71 + "}\n"
PLANTED = {
    "an include upwards": ("engine/model/value.hpp", '#include "engine/os/clock.hpp"\n',
                           "engine/model may not include engine/os"),
    "an include of a fault": ("engine/fault/pick.cpp", '#include "faults/catalogue.hpp"\n',
                              "engine/fault may not include faults"),
    "a system header": ("engine/fault/pick.cpp", "#include <sys/stat.h>\n",
                        "<sys/...> belongs to engine/os/linux"),
    "a shell": ("engine/fault/pick.cpp", 'auto* out = popen("tc", "r");\n', "banned here: a shell"),
    "a clock": ("engine/fault/pick.cpp", "auto now = std::chrono::steady_clock::now();\n",
                "banned here: time comes from os::Clock"),
    "a long line": ("engine/fault/pick.cpp", "// " + "x" * 98 + "\n", "101 columns, 100 allowed"),
    "a long function": ("engine/fault/pick.cpp", LONG, "function of 71 lines, 70 allowed"),
    "a named fault": ("engine/fault/pick.cpp", 'auto name = "process.kill";\n',
                      "engine names the fault process.kill"),
    "an edge too many": ("CMakeLists.txt", CMAKE.replace("model base", "model base fault"),
                         "engine/model is linked with engine/fault"),
    "an edge too few": ("CMakeLists.txt", CMAKE.replace("fault os", "fault"),
                        "engine/fault is not linked with engine/os"),
    "a library without a row": ("CMakeLists.txt", CMAKE + "ordeal_library(wire engine/wire)\n",
                                "engine/wire is a library but has no row"),
    "a row without a library": ("docs/internals/map.md", MAP + "| engine/wire | frames | model |\n",
                                "engine/wire is in the map but is no library"),
    "a test that nobody runs": ("tests/CMakeLists.txt", "ordeal_test(unit_new new os)\n",
                                "unit_new is not in its list of units"),
    "a unit that is no test": ("scripts/test", UNITS.replace("unit_os", "unit_os unit_old"),
                               "unit_old is in its list of units but no ordeal_test"),
    "a folder without a test": ("tests/unit/wire/codec_test.cpp", "int i;\n",
                                "unit/wire is no ordeal_test"),
}


def tidy(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = subprocess.run([sys.executable, str(TIDY), folder], text=True, capture_output=True)
        return done.returncode, done.stdout + done.stderr


class Tidy(unittest.TestCase):
    def test_is_silent_about_a_clean_tree(self):
        self.assertEqual(tidy(CLEAN), (0, "tidy: 0 breach(es)\n"))

    def test_finds_what_is_planted(self):
        for what, (name, text, said) in PLANTED.items():
            with self.subTest(what):
                replaces = text.startswith(("ordeal_library(", "| folder", "units="))
                before = "" if replaces else CLEAN.get(name, "")
                code, output = tidy({**CLEAN, name: before + text})
                self.assertEqual(code, 1, output)
                self.assertIn(said, output)
                self.assertIn("tidy: 1 breach(es)", output)


if __name__ == "__main__":
    unittest.main()
