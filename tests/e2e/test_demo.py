"""scripts/demo shows what it promises, and ctrl-C in the middle leaves nothing behind."""
import unittest

from apart import run_apart
from harness import BINARIES, HERE, EndToEnd

ROOT = HERE.parent.parent
LEFT = """
echo "exit: $code"
ps -e -o comm= | grep -E '^(nginx|ordeal)' && echo "LEFT: processes"
ls -d /tmp/ordeal-demo.* 2>/dev/null | grep -f /run/folder && echo "LEFT: folder"
grep ordeal-demo /proc/mounts && echo "LEFT: mount"
true
"""
WHOLE = "scripts/demo; code=$?; echo nothing > /run/folder" + LEFT
# A job of its own, as on a terminal: ctrl-C goes to all of it.
INTERRUPTED = """
set -m
scripts/demo &
sleep 18
grep -o '/tmp/ordeal-demo[^/]*' /proc/mounts > /run/folder || echo "LEFT: no demo to interrupt"
kill -INT -- -$!
wait $!
code=$?
""" + LEFT


class Demo(EndToEnd):
    def demo(self, script):
        self.environment["ORDEAL_BINARIES"] = str(BINARIES.resolve())
        for _ in range(3):
            done = run_apart(script, cwd=ROOT, environment=self.environment).stdout
            if "ordeal could not keep its rate. Exit" not in done:  # too busy to measure: again
                break
        self.assertNotIn("LEFT", done)
        return done

    def test_shows_a_fault_survived_and_an_abort(self):
        done = self.demo(WHOLE)
        self.assertRegex(done, r"(?m)^exit: 0$", done)
        self.assertIn("* UPHELD. Host clean.", done)
        self.assertIn("* ABORTED. Host clean.", done)
        self.assertIn("nothing of ordeal's is on this host", done)

    def test_leaves_nothing_when_interrupted(self):
        done = self.demo(INTERRUPTED)
        self.assertRegex(done, r"(?m)^exit: 130$", done)
        self.assertIn("INTERRUPTED. Host clean.", done)


if __name__ == "__main__":
    unittest.main(verbosity=2)
