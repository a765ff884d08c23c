"""The files of experiments/ on the services that they are written for: nginx, Redis, PostgreSQL."""
import shutil
import unittest

from apart import run_apart
from harness import HERE, ORDEAL, EndToEnd

ROOT = HERE.parent.parent
NEEDS = {"shop": "nginx", "redis": "redis-server", "postgres": "/usr/lib/postgresql/15/bin/postgres"}
SCRIPT = """
service=experiments/services/$1.sh
"$service" start || exit 77
"$2" run --report json="$4" "$3"
code=$?
"$2" status --exit-code || code="$code, and something is left"
"$service" stop || code="$code, and the service does not stop"
echo "result: $code"
"""
# This machine could not measure; that says nothing about the experiment.
TOO_BUSY = "ordeal could not keep its rate"
# File: service, exit code, and what is made shorter or smaller here than in the file.
SHORT = {"duration: 15s": "duration: 6s", "duration: 20s": "duration: 8s"}
SHOP = {"baseline: 10s": "baseline: 5s", **SHORT}
EXPERIMENTS = {
    "01-kill-one-backend": ("shop", 0, SHOP),
    "02-kill-workers-again-and-again": ("shop", 0, {"baseline: 10s": "baseline: 5s",
                                                    "duration: 20s": "duration: 12s"}),
    "03-hang-one-backend": ("shop", 0, SHOP),
    "04-slow-backend": ("shop", 0, SHOP),
    "05-lossy-backend": ("shop", 0, SHOP),
    "06-cut-off-backend": ("shop", 0, SHOP),
    "07-busy-host": ("shop", 0, {**SHOP, "load: 70%": "load: 30%"}),
    "08-little-memory": ("shop", 0, {**SHOP, "size: 20%": "size: 64MiB", "ramp: 5s": "ramp: 2s"}),
    "09-log-disk-full": ("shop", 0, {"baseline: 10s": "baseline: 5s"}),
    "10-redis-hangs": ("redis", 0, {}),
    "11-redis-stops": ("redis", 0, {}),
    "12-redis-disk-full": ("redis", 0, {}),
    "13-postgres-crash": ("postgres", 0, {}),
    "14-postgres-slow": ("postgres", 0, {}),
    "15-postgres-restart": ("postgres", 0, {}),
    "16-three-at-once": ("shop", 0, {}),
    "17-must-abort": ("shop", 5, {}),
}


class Experiments(EndToEnd):
    def run_file(self, name):
        service, code, changes = EXPERIMENTS[name]
        if not shutil.which(NEEDS[service]):
            self.skipTest(f"{NEEDS[service]} is not installed: scripts/setup services")
        text = (ROOT / "experiments" / f"{name}.yaml").read_text()
        for old, new in changes.items():
            text = text.replace(old, new)
        path = self.write(text, f"{name}.yaml")
        for _ in range(3):
            done = run_apart(SCRIPT, service, ORDEAL, path, self.folder / "report.json", cwd=ROOT,
                             environment=self.environment)
            if TOO_BUSY not in done.stdout.rpartition("\n* ")[2]:  # the line of the verdict
                break
        self.assertRegex(done.stdout, rf"(?m)^result: {code}$", done.stdout)
        report = self.report(self.folder / "report.json")
        self.assertEqual(report["verdict"]["host"], "clean")
        for fault in report["faults"]:
            self.assertEqual(fault["effect"]["seen"], "yes", fault)


def test_of(name):
    return lambda self: self.run_file(name)


for one in EXPERIMENTS:
    setattr(Experiments, "test_" + one.replace("-", "_"), test_of(one))


class Examples(EndToEnd):
    """A file of the specification, on stand-ins at the ports that it names."""

    def test_slow_database_of_the_checkout(self):
        examples = ROOT / "tests/examples"
        text = (examples / "experiments/12-ci-smoke.yaml").read_text()
        for old, new in {"../services/": "", "baseline: 10s": "baseline: 5s",
                         "duration: 20s": "duration: 8s"}.items():
            self.assertIn(old, text)
            text = text.replace(old, new)
        self.write((examples / "services/checkout.yaml").read_text(), "checkout.yaml")
        path = self.write(text)
        self.service(5432)
        self.service(8080, behind=5432)
        for _ in range(3):
            done = self.ordeal("run", "--report", "json=report.json", path)
            if TOO_BUSY not in done.stdout:
                break
        self.assert_exit(done, 0)
        report = self.report(self.folder / "report.json")
        self.assertEqual(report["verdict"]["host"], "clean")
        self.assertEqual([fault["effect"]["seen"] for fault in report["faults"]], ["yes"])
        slower = next(one for one in report["conditions"]
                      if one["text"] == "checkout.p95 <= baseline + 250ms")["fault"]["measured"]
        self.assertGreaterEqual(slower, 0.1)  # checkout feels its database
        self.assert_nothing_left()


class Complete(unittest.TestCase):
    def test_every_file_is_run(self):
        files = {path.stem for path in (ROOT / "experiments").glob("*.yaml")}
        self.assertEqual(files, set(EXPERIMENTS))


if __name__ == "__main__":
    unittest.main(verbosity=2)
