#!/usr/bin/env python3
"""Runs each test of the named modules in a network and process namespace of its own, several at a
time: they mostly wait. A test that was skipped says why; anything else that is not `ok` fails.

    run.py MODULE|MODULE.CLASS.TEST ..."""
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
AT_ONCE = int(os.environ.get("ORDEAL_TESTS_AT_ONCE", "5"))
# A namespace of its own, so that no test sees what another one injected.
APART = ["unshare", "--net", "--pid", "--fork", "--mount-proc", "--kill-child", "--",
         "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


def names_of(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from names_of(test)
        else:
            yield test.id()


def run(name):
    begun = time.monotonic()
    apart = APART if os.geteuid() == 0 else []
    done = subprocess.run([*apart, sys.executable, "-W", "ignore", "-m", "unittest", "-v", name],
                          cwd=HERE, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return name, done, time.monotonic() - begun


def main():
    sys.path.insert(0, str(HERE))
    os.chdir(HERE)
    tests = list(names_of(unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:])))
    if not tests or not shutil.which("unshare"):
        sys.exit("no tests, or no unshare (util-linux)")
    failed = skipped = 0
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for ended in concurrent.futures.as_completed([pool.submit(run, test) for test in tests]):
            name, done, seconds = ended.result()
            skip = "skipped=" in done.stdout
            word = "FAIL" if done.returncode else "skip" if skip else "ok"
            print(f"{word:4} {seconds:6.1f} s  {name}", flush=True)
            for line in done.stdout.splitlines() if word == "ok" else []:
                if "measured: " in line:
                    print("     " + line[line.index("measured: "):], flush=True)
                elif line.startswith("| "):  # a row of a table
                    print("     " + line, flush=True)
            if word != "ok":
                print(done.stdout, flush=True)
            failed += bool(done.returncode)
            skipped += skip and not done.returncode
    print(f"{len(tests)} tests, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
