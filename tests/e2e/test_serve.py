"""`ordeal schedule` and `ordeal serve` by the real binaries: what fires, what is recorded, and what is
left after a crash at any point."""
import contextlib
import datetime
import fcntl
import json
import os
import pathlib
import random
import signal
import sqlite3
import time
import unittest

from harness import ORDEAL, EndToEnd, state_of, wait_until

EXPERIMENT = """\
version: 1
name: pause-it
hypothesis: The one who looks does not notice.
slis:
  # No rate and no bound that a machine under load could miss.
  watched: {{ process: {{ argv: "*service.py {port}", every: 1s }} }}
steady_state: [ watched.up ]
abort_if: [ host.memory_available < 1% ]
baseline: 5s
warmup: 0s
method:
  - fault: process.pause
    target: {{ process: {{ argv: "*service.py {other}" }} }}
    duration: {duration}
recovery: {{ within: 5s, hold: 1s }}
"""

# Nothing in it has to be there: it is only planned.
PLANNED = EXPERIMENT.format(port=1, other="nobody", duration="2s").replace(
    "process.pause", "disk.fill").replace(
    '    target: { process: { argv: "*service.py nobody" } }\n', "").replace(
    "    duration", "    with: { path: /dev/shm, size: 1MiB }\n    duration")

COLUMNS = ("schedule", "due_us", "state", "experiment", "leashed", "reason", "decided_us", "ended_us",
           "run", "exit", "exit_name")


def local(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime(
        "%Y-%m-%d %H:%M:%S")


class Serving(EndToEnd):
    def schedule(self, *schedules, blackout=()):
        lines = ["version: 1", "schedules:"]
        for one in schedules:
            lines.append("  - " + json.dumps({"time_zone": "Etc/UTC", **one}))
        if blackout:
            lines += ["blackout:"] + ["  - " + json.dumps(one) for one in blackout]
        return self.write("\n".join(lines) + "\n", "schedule.yaml")

    def serve(self):
        child = self.begin("serve", "--schedule", str(self.folder / "schedule.yaml"))
        self.lines_of(child, "serving")
        return child

    def lines_of(self, child, word):
        """Reads what `serve` prints up to a line with this word."""
        while True:
            line = child.stdout.readline()
            if not line:
                raise AssertionError(f"serve ended before it said {word}: {child.stderr.read()}")
            if word in line:
                return line

    def stop(self, child, code=0):
        child.send_signal(signal.SIGTERM)
        try:
            out, errors = child.communicate(timeout=60)
        finally:
            child.kill()
        self.assertEqual(child.returncode, code, out + errors)
        return out

    def ledger(self):
        return self.folder / "state/history/schedule.db"

    def rows(self, where="1", path=None):
        if not self.ledger().exists():
            return []
        with contextlib.closing(sqlite3.connect(self.ledger(), timeout=10)) as database:
            with contextlib.suppress(sqlite3.OperationalError):  # no tables yet
                found = database.execute(f"SELECT {','.join(COLUMNS)} FROM firing WHERE {where} "
                                         "ORDER BY due_us, schedule").fetchall()
                return [dict(zip(COLUMNS, row)) for row in found]
        return []

    def insert(self, due, state, name="planned", experiment="experiment.yaml", leashed=1):
        with contextlib.closing(sqlite3.connect(self.ledger(), timeout=10)) as database:
            database.execute("INSERT INTO firing VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                             (name, due * 1_000_000, state, experiment, leashed, "", due * 1_000_000,
                              0, "", -1, ""))
            database.execute("INSERT OR REPLACE INTO progress VALUES (?,?)",
                             (name, int(time.time()) * 1_000_000))
            database.commit()

    def ended(self, count=1, seconds=60):
        def enough():
            found = self.rows("state = 'ended'")
            return found if len(found) >= count else None
        return wait_until(enough, seconds, f"{count} runs ended: {self.rows()}")

    def counted(self):
        """Every start of an executor, and so of a run or plan, leaves a line in a file."""
        count = self.folder / "starts"
        count.touch()
        wrapper = self.folder / "executor"
        real = pathlib.Path(ORDEAL).parent / "ordeal-executor"
        wrapper.write_text(f"#!/bin/sh\necho start >> {count}\nexec {real} \"$@\"\n")
        wrapper.chmod(0o755)
        self.environment["ORDEAL_EXECUTOR"] = str(wrapper)
        return lambda: len(count.read_text().splitlines())

    def real_run(self, duration="4s", delay=2, **options):
        """A schedule that pauses a victim once; returns the victim."""
        _, port = self.service()
        victim, other = self.service()
        self.write(EXPERIMENT.format(port=port, other=other, duration=duration))
        self.schedule({"name": "once", "run": "experiment.yaml",
                       "at": local(int(time.time()) + delay), "start_deadline": "60s", **options})
        return victim


    def active(self, victim):
        try:
            wait_until(lambda: state_of(victim.pid) == "T", 60, "the fault is active")
        except AssertionError as late:
            raise AssertionError(f"{late}; {self.rows()}") from None


class Files(Serving):
    def test_validate_and_forecast(self):
        self.write(PLANNED)
        path = self.schedule(
            {"name": "nightly", "run": "experiment.yaml", "cron": "30 2 * * 1-5",
             "time_zone": "Europe/Berlin"},
            {"name": "monkey", "run": "experiment.yaml",
             "random": {"mean_time_between": "2d", "min_gap": "1d"},
             "time_zone": "America/New_York", "windows": ["mon-thu 09:00-15:00"]},
            blackout=[{"dates": "2026-11-23..2026-12-01", "reason": "Black Friday freeze"}])
        done = self.ordeal("schedule", "validate", path)
        self.assert_exit(done, 0)
        self.assertIn("ok: nightly", done.stdout)
        done = self.ordeal("schedule", "forecast", path, "--from", "2026-11-19T00:00:00Z",
                           "--days", "20")
        self.assert_exit(done, 0)
        lines = [line.split("  ") for line in done.stdout.splitlines()]
        nights = [line for line in done.stdout.splitlines() if " nightly " in line]
        self.assertEqual(len(nights), 14)
        self.assertTrue(nights[0].startswith("2026-11-19 02:30:00 +01:00  2026-11-19T01:30:00Z  "))
        self.assertEqual(sum("blackout 2026-11-23..2026-12-01: Black Friday freeze" in line
                             for line in nights), 7)
        monkeys = [line for line in done.stdout.splitlines() if " monkey " in line]
        self.assertGreater(len(monkeys), 3)
        self.assertTrue(all("leashed" in line or "blackout" in line for line in monkeys), monkeys)
        again = self.ordeal("schedule", "forecast", path, "--from", "2026-11-19T00:00:00Z",
                            "--days", "20", "--limit", "3")
        self.assertEqual(again.stdout.splitlines()[1:4], done.stdout.splitlines()[1:4])
        self.assertIn("there are more", again.stdout)

    def test_mistakes_are_told_with_their_place(self):
        self.write("version: 1\nname: x\n")
        path = self.schedule({"name": "a", "run": "experiment.yaml", "every": "5m"})
        done = self.ordeal("schedule", "validate", path)
        self.assert_exit(done, 2)
        self.assertIn("experiment.yaml:1:1: an experiment needs", done.stderr)
        self.assertIn("schedule.yaml:3:", done.stderr)
        self.write("version: 1\nschedules:\n  - nmae: a\n", "schedule.yaml")
        for arguments in (["schedule", "validate", path], ["schedule", "forecast", path],
                          ["serve", "--schedule", path]):
            done = self.ordeal(*arguments)
            self.assert_exit(done, 2)
            self.assertIn("schedule.yaml:3:5: unknown key `nmae` in a schedule; did you mean "
                          "`name`?", done.stderr)
        self.assertIn("did you mean forecast?", self.ordeal("schedule", "forcast", path).stderr)


class Firing(Serving):
    def test_every_firing_has_its_record(self):
        self.write(PLANNED)
        self.schedule({"name": "planned", "run": "experiment.yaml", "every": "1s",
                       "leashed": True, "concurrency": "queue"},
                      {"name": "never", "run": "experiment.yaml", "every": "1s",
                       "windows": [self.window_elsewhere()]})
        server = self.serve()
        second = self.ordeal("serve", "--schedule", str(self.folder / "schedule.yaml"))
        self.assert_exit(second, 3)
        self.assertIn("another ordeal serve", second.stderr)
        self.ended(3)
        self.stop(server)
        for name, states in (("planned", {"ended", "skipped", "missed"}), ("never", {"skipped"})):
            rows = self.rows(f"schedule = '{name}'")
            dues = [row["due_us"] // 1_000_000 for row in rows]
            self.assertEqual(dues, list(range(dues[0], dues[0] + len(dues))))
            self.assertLessEqual({row["state"] for row in rows}, states, rows)
        for row in self.rows("schedule = 'never'"):
            self.assertIn("outside its windows", row["reason"])
        for row in self.rows("schedule = 'planned' AND state = 'ended'"):
            self.assertEqual((row["exit_name"], row["exit"]), ("planned", 0))
        log = self.ordeal("schedule", "log")
        self.assert_exit(log, 0)
        self.assertIn("planned", log.stdout)

    @staticmethod
    def window_elsewhere():
        now = datetime.datetime.now(datetime.timezone.utc)
        begin = now + datetime.timedelta(hours=6)
        return f"{begin:%H:%M}-{begin + datetime.timedelta(hours=1):%H:%M}"

    def test_runs_and_records_the_verdict(self):
        victim = self.real_run(duration="2s")
        server = self.serve()
        row = self.ended()[0]
        self.assertEqual((row["exit_name"], row["exit"]), ("upheld", 0), row)
        self.assertIn(row["run"], self.ordeal("runs").stdout)
        self.assertNotEqual(state_of(victim.pid), "T")
        self.stop(server)
        self.assert_nothing_left()

    def test_stop_interrupts_runs_and_waits_for_them(self):
        victim = self.real_run(duration="60s")
        server = self.serve()
        self.active(victim)
        self.stop(server)
        self.assertNotEqual(state_of(victim.pid), "T")
        row, = self.rows()
        self.assertEqual((row["state"], row["exit_name"]), ("ended", "interrupted"), row)
        self.assert_nothing_left()

    def test_replace_interrupts_and_starts(self):
        begin = int(time.time()) + 2
        victim = self.real_run(duration="60s", concurrency="replace",
                               at=[local(begin), local(begin + 25)])
        server = self.serve()
        self.active(victim)
        wait_until(lambda: self.rows("state = 'ended'"), 40, "the first run is interrupted")
        self.active(victim)
        first, second = self.rows()
        self.assertEqual((first["exit_name"], second["state"]), ("interrupted", "running"))
        self.assertIn("replaced by the firing of", first["reason"])
        self.stop(server)
        self.assert_nothing_left()

    def test_pauses_and_resumes(self):
        self.write(PLANNED)
        self.schedule({"name": "planned", "run": "experiment.yaml", "every": "1s",
                       "leashed": True, "pause_after": {"invalid": 1}})
        server = self.serve()
        self.ended(1)
        self.write("version: 1\n")  # the next one finds a broken file
        wait_until(lambda: self.rows("exit_name = 'invalid'"), 40, "a run is invalid")
        wait_until(lambda: self.rows("reason LIKE 'paused%'"), 40, "it is paused")
        self.assertEqual(len(self.rows("exit_name = 'invalid'")), 1)
        self.write(PLANNED)
        before = len(self.rows("exit_name = 'planned'"))
        forecast = self.ordeal("schedule", "forecast", str(self.folder / "schedule.yaml"),
                               "--limit", "1")
        self.assertIn("paused: 1 run ended invalid", forecast.stdout)
        self.assert_exit(self.ordeal("schedule", "resume", "plonned"), 2)
        self.assert_exit(self.ordeal("schedule", "resume", "planned"), 0)
        self.ended(before + 2)
        self.stop(server)

    def test_hangup_reads_the_file_again(self):
        victim = self.real_run(duration="8s")
        server = self.serve()
        self.active(victim)
        self.write("version: 1\nschedules:\n  - nmae: a\n", "schedule.yaml")
        server.send_signal(signal.SIGHUP)
        time.sleep(1)
        self.assertIsNone(server.poll())
        self.write(PLANNED, "planned.yaml")
        self.schedule({"name": "planned", "run": "planned.yaml", "every": "1s", "leashed": True})
        server.send_signal(signal.SIGHUP)
        self.lines_of(server, "was read again: 1 schedule")
        wait_until(lambda: self.rows("exit_name = 'planned'"), 40, "the new schedule fires")
        wait_until(lambda: self.rows("exit_name = 'upheld'"), 40, "the old run ended by itself")
        server.send_signal(signal.SIGTERM)
        out, errors = server.communicate(timeout=60)
        self.assertEqual(server.returncode, 0, out + errors)
        self.assertIn("schedule.yaml:3:5: unknown key `nmae`", errors)
        self.assertIn("the schedules stay as they were", errors)
        self.assert_nothing_left()


class Crashes(Serving):
    def test_a_run_outlives_serve_and_is_found_again(self):
        victim = self.real_run(duration="6s")
        starts = self.counted()
        server = self.serve()
        self.active(victim)
        server.kill()
        server.wait()
        time.sleep(0.5)
        self.assertEqual(state_of(victim.pid), "T", "the run goes on")
        server = self.serve()
        row = self.ended()[0]
        self.assertEqual(row["exit_name"], "upheld", row)
        self.assertEqual(starts(), 1)
        self.stop(server)
        self.assertEqual(len(self.rows()), 1)
        self.assert_nothing_left()

    def test_a_run_that_was_found_again_can_be_stopped(self):
        victim = self.real_run(duration="60s")
        server = self.serve()
        self.active(victim)
        server.kill()
        server.wait()
        server = self.serve()
        self.stop(server)
        self.assertNotEqual(state_of(victim.pid), "T")
        row, = self.rows()
        self.assertEqual(row["exit_name"], "interrupted", row)
        self.assertIn("ordeal serve was stopped", row["reason"])
        self.assert_nothing_left()

    def test_a_run_that_ended_in_between_is_recorded_from_its_events(self):
        victim = self.real_run(duration="2s")
        server = self.serve()
        self.active(victim)
        server.kill()
        server.wait()
        wait_until(lambda: "upheld" in self.ordeal("runs").stdout, 60, "the run ended by itself")
        self.assertEqual(self.rows()[0]["state"], "running")
        server = self.serve()
        row = self.ended()[0]
        self.assertEqual((row["exit_name"], row["exit"]), ("upheld", 0), row)
        self.stop(server)

    def test_a_run_that_was_killed_as_well_is_unfinished(self):
        victim = self.real_run(duration="60s")
        server = self.serve()
        self.active(victim)
        front = [int(entry.name) for entry in pathlib.Path("/proc").iterdir()
                 if entry.name.isdigit() and self.is_front(entry)]
        self.assertEqual(len(front), 1)
        server.kill()
        server.wait()
        os.kill(front[0], signal.SIGKILL)
        server = self.serve()
        row = self.ended()[0]
        self.assertEqual((row["exit_name"], row["exit"]), ("unfinished", -1), row)
        self.assertTrue(row["run"].startswith("r-"))
        wait_until(lambda: state_of(victim.pid) != "T", 20, "the executor puts it back")
        self.stop(server)
        self.assertEqual(len(self.rows()), 1)

    def is_front(self, entry):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            return words[0] == ORDEAL.encode() and b"run" in words[1:2]
        return False

    def test_recorded_but_never_started(self):
        """Death between the record and the start: started once when in time, else missed."""
        self.write(PLANNED)
        starts = self.counted()
        far = local(int(time.time()) + 10_000)
        self.schedule({"name": "planned", "run": "experiment.yaml", "at": far, "leashed": True,
                       "start_deadline": "60s"})
        self.stop(self.serve())
        now = int(time.time())
        self.insert(now - 3600, "starting")
        self.insert(now - 2, "starting")
        self.insert(now - 1, "waiting", name="gone")
        server = self.serve()
        self.ended(1)
        self.stop(server)
        late, gone_or_new, third = self.rows()
        self.assertEqual((late["state"], late["due_us"]), ("missed", (now - 3600) * 1_000_000))
        self.assertIn("died before it was started", late["reason"])
        self.assertEqual((gone_or_new["state"], gone_or_new["exit_name"]), ("ended", "planned"))
        self.assertEqual((third["schedule"], third["state"]), ("gone", "missed"))
        self.assertEqual(starts(), 1)

    def test_started_but_not_recorded_as_started(self):
        """Death between the start and its record: the lock on its output tells that it lives."""
        self.write(PLANNED)
        starts = self.counted()
        self.schedule({"name": "planned", "run": "experiment.yaml", "leashed": False,
                       "at": local(int(time.time()) + 10_000), "start_deadline": "60s"})
        self.stop(self.serve())
        now = int(time.time())
        self.insert(now - 1, "starting", leashed=0)
        folder = self.folder / "state/history/schedule"
        with open(folder / f"planned-{(now - 1) * 1_000_000}.jsonl", "w") as output:
            fcntl.flock(output, fcntl.LOCK_EX)  # as the run would hold it
            server = self.serve()
            time.sleep(1)
            self.assertEqual(self.rows()[0]["state"], "starting")
            verdict = {"hypothesis": "violated", "run": "completed", "host": "clean",
                       "service": "recovered", "exit": 1, "exit_name": "violated", "reason": "x"}
            output.write(json.dumps({"v": 1, "seq": 1, "run": "r-1", "t_us": 1, "kind": "run_ended",
                                     "data": {"verdict": verdict}}, separators=(",", ":")) + "\n")
            output.flush()
        row = self.ended()[0]
        self.assertEqual((row["exit_name"], row["run"]), ("violated", "r-1"))
        self.stop(server)
        self.assertEqual(starts(), 0)

    def test_what_was_due_while_nobody_served(self):
        self.write(PLANNED)
        starts = self.counted()
        self.schedule({"name": "planned", "run": "experiment.yaml", "every": "1s", "leashed": True,
                       "start_deadline": "2s"})
        server = self.serve()
        self.ended(1)
        server.kill()
        server.wait()
        time.sleep(5)
        server = self.serve()
        self.ended(3)
        self.stop(server)
        rows = self.rows()
        dues = [row["due_us"] // 1_000_000 for row in rows]
        self.assertEqual(dues, list(range(dues[0], dues[0] + len(dues))))
        missed = [row for row in rows if row["state"] == "missed"]
        self.assertGreaterEqual(len(missed), 3)
        self.assertTrue(any("late, start_deadline is 2s" in row["reason"] for row in missed), missed)
        self.assertEqual(starts(), sum(row["state"] == "ended" for row in rows))

    def test_killed_again_and_again(self):
        """At any moment: every firing has one record, and every start is a record that ended."""
        self.write(PLANNED)
        starts = self.counted()
        self.schedule({"name": "planned", "run": "experiment.yaml", "every": "1s", "leashed": True,
                       "start_deadline": "3s", "concurrency": "queue"})
        chance = random.Random(7)
        for _ in range(15):
            server = self.serve()
            time.sleep(chance.uniform(0, 1.5))
            server.kill()
            server.communicate()
        server = self.serve()
        self.ended(len(self.rows("state = 'ended'")) + 2)
        self.stop(server)
        rows = self.rows()
        dues = [row["due_us"] // 1_000_000 for row in rows]
        self.assertEqual(dues, list(range(dues[0], dues[0] + len(dues))))
        self.assertLessEqual({row["state"] for row in rows}, {"ended", "skipped", "missed"}, rows)
        self.assertEqual(starts(), sum(row["state"] == "ended" for row in rows), rows)

    def test_nothing_starts_that_cannot_be_recorded(self):
        self.write(PLANNED)
        starts = self.counted()
        self.schedule({"name": "planned", "run": "experiment.yaml", "leashed": True,
                       "at": local(int(time.time()) + 3), "start_deadline": "60s"})
        server = self.serve()
        with contextlib.closing(sqlite3.connect(self.ledger(), isolation_level=None)) as database:
            database.execute("BEGIN EXCLUSIVE")  # longer than serve waits for another writer
            out, errors = server.communicate(timeout=60)
            self.assertEqual(server.returncode, 8, out + errors)
            self.assertIn("nothing is started", errors)
            self.assertEqual(starts(), 0)
            database.execute("ROLLBACK")
        server = self.serve()
        self.ended(1)
        self.stop(server)
        self.assertEqual(starts(), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
