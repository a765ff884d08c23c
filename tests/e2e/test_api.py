"""The HTTP API of `ordeal serve` by the real binaries: runs from start to report, and event streams
without gap or double."""
import contextlib
import json
import pathlib
import re
import unittest

from api_bed import Serving, Stream, kill
from harness import state_of, wait_until


class Runs(Serving):
    def test_from_mistakes_to_a_report(self):
        self.write("", "nothing")
        child = self.serve()
        self.assertEqual(self.get("/runs"), {"runs": []})
        self.assertEqual(self.ask("GET", "/runs/last").status, 404)
        text, victim = self.experiment()
        broken = text.replace("hypothesis", "hypothesys").replace("duration: 3s", "duration: 3")
        checked = self.ask("POST", "/validate", {"experiment": broken}).json()
        self.assertFalse(checked["valid"])
        lines = broken.splitlines()
        for word in ("hypothesys", "duration"):
            problem = next(one for one in checked["problems"] if word in lines[one["line"] - 1])
            self.assertGreater(problem["column"], 0)
        checked = self.ask("POST", "/validate", text, {"Content-Type": "application/yaml"}).json()
        self.assertTrue(checked["valid"], checked)
        self.assertEqual(checked["experiment"]["name"], "pause-one-of-two")
        for path in ("/plan", "/runs"):
            answer = self.ask("POST", path, {"experiment": broken})
            self.assertEqual((answer.status, answer.code()), (422, "invalid"))
            self.assertTrue(answer.json()["error"]["problems"])

        planned = self.ask("POST", "/plan", {"experiment": text, "seed": "77"}).json()
        self.assertTrue(planned["would_run"], planned)
        self.assertEqual(planned["seed"], "77")
        self.assertIn(str(victim.pid), json.dumps(planned["plan"]["steps"][0]["targets"]))
        self.assertIn("kill -CONT", json.dumps(planned["plan"]["steps"][0]["undos"]))
        self.assertIn("pause-one-of-two", planned["text"])
        self.assertNotEqual(state_of(victim.pid), "T")

        started = self.ask("POST", "/runs", {"experiment": text, "seed": "77", "file": "a.yaml"})
        self.assertEqual(started.status, 201, started.body)
        run = started.json()["run"]
        row = self.get("/runs/last")
        self.assertEqual((row["run"], row["state"], row["seed"]), (run, "running", "77"))
        self.assertEqual(self.get("/runs")["runs"][0]["run"], run)
        wait_until(lambda: state_of(victim.pid) == "T", 60, "the fault is in force")
        wait_until(lambda: self.get(f"/runs/{run}")["active"], 10, "and is told")
        self.assertEqual(self.get(f"/runs/{run}/report.json")["exit"]["name"], "unfinished")

        # The same process again: the executor refuses it, and the API says so.
        second = self.ask("POST", "/runs", {"experiment": text})
        self.assertEqual((second.status, second.code()), (409, "refused"), second.body)
        self.assertIn("already stopped", second.json()["error"]["message"])

        row = self.wait_for(run, "ended")
        self.assertEqual(row["exit"]["name"], "upheld", row)
        self.assertEqual(row["verdict"]["host"], "clean")
        self.assertEqual(self.get(f"/runs/{run}/report.json")["exit"]["name"], "upheld")
        page = self.ask("GET", f"/runs/{run}/report.html")
        self.assertIn("sandbox", page.headers["Content-Security-Policy"])
        self.assertIn("UPHELD", page.body)
        self.assert_only_a_link_opens(run)
        self.assertEqual([one["run"] for one in self.get("/runs")["runs"] if one["run"] == run], [run])
        wait_until(lambda: not list((self.folder / "state/history/submitted").iterdir()), 20,
                   "what was submitted is forgotten")
        self.assert_nothing_left()
        self.stop(child)

    def assert_only_a_link_opens(self, run):
        """Without the token: the report of this run by a fresh link, and nothing else by it."""
        link = self.ask("POST", f"/runs/{run}/report.html/link", {}).json()["address"]
        self.assertNotIn(self.token, link)
        path, ticket = link.removeprefix("/api/v1").split("?ticket=")
        self.assertIn("UPHELD", self.ask("GET", f"{path}?ticket={ticket}", token=False).body)
        until, _, seal = ticket.partition(".")
        for wrong in (f"{path}?ticket={int(until) + 1}.{seal}", f"{path}?ticket={until}.",
                      f"{path}?ticket={until}", f"{path}?ticket=", path,
                      f"/runs/{run}/report.json?ticket={ticket}", f"/runs?ticket={ticket}",
                      f"/runs/last/report.html?ticket={ticket}",
                      f"/runs/{run}/events?ticket={ticket}"):
            self.assertEqual(self.ask("GET", wrong, token=False).status, 401, wrong)

    def test_variables_are_on_no_command_line(self):
        child = self.serve()
        text, victim = self.experiment("60s")
        secret = "hunter2-0f6a"
        text = text.replace("hypothesis:", "vars: { key: ~ }\nhypothesis: '${key}: '\n#", 1)
        sent = {"experiment": text, "vars": {"key": secret}}
        planned = self.ask("POST", "/plan", sent)
        self.assertEqual(planned.status, 200, planned.body)
        answer = self.ask("POST", "/runs", sent)
        self.assertEqual(answer.status, 201, answer.body)
        run = answer.json()["run"]
        wait_until(lambda: state_of(victim.pid) == "T", 60, "the fault is in force")
        seen = 0
        for name in ("cmdline", "environ"):
            for path in pathlib.Path("/proc").glob(f"[0-9]*/{name}"):
                with contextlib.suppress(OSError):
                    words = path.read_bytes()
                    seen += b"ordeal" in words
                    self.assertNotIn(secret.encode(), words, path)
        self.assertGreater(seen, 3)
        self.assertIn(secret, self.ask("GET", f"/runs/{run}/report.json").body)
        self.assertEqual(self.ask("POST", f"/runs/{run}/abort", {}).status, 202)
        self.wait_for(run, "ended")
        self.stop(child)

    def test_abort_halt_and_consent(self):
        child = self.serve()
        run, victim = self.begin_run("60s")
        wait_until(lambda: state_of(victim.pid) == "T", 60, "the fault is in force")
        answer = self.ask("POST", f"/runs/{run}/abort", {"reason": "-v; $(id) enough"})
        self.assertEqual(answer.status, 202, answer.body)
        row = self.wait_for(run, "ended")
        self.assertEqual(row["exit"]["name"], "interrupted")
        self.assertIn("-v; $(id) enough", row["exit"]["reason"])
        self.assertNotEqual(state_of(victim.pid), "T")
        answer = self.ask("POST", f"/runs/{run}/abort", {})
        self.assertEqual((answer.status, answer.code()), (409, "not_running"))
        self.assertEqual(self.ask("POST", "/runs/r-0101-0000-0000/abort", {}).status, 404)

        run, victim = self.begin_run("60s")
        wait_until(lambda: state_of(victim.pid) == "T", 60, "the fault is in force")
        for body in ({}, {"reason": " "}, {"reason": 1}, {"why": "x"}):
            self.assertEqual(self.ask("POST", "/halt", body).status, 400, body)
        answer = self.ask("POST", "/halt", {"reason": "<b>smoke</b>"})
        self.assertEqual(answer.status, 200, answer.body)
        self.assertNotEqual(state_of(victim.pid), "T")  # when it is answered, it is done
        self.assertTrue(answer.json()["clean"], answer.body)
        self.wait_for(run, "ended")
        text, _ = self.experiment()
        refused = self.ask("POST", "/runs", {"experiment": text})
        self.assertEqual((refused.status, refused.code()), (409, "halted"))
        self.assertIn("<b>smoke</b>", refused.body)
        self.assertFalse(self.ask("POST", "/plan", {"experiment": text}).json()["would_run"])
        self.assertEqual(self.ask("DELETE", "/halt").json()["halted"], False)

        bare = re.sub(r"abort_if: .*", "abort_if: none", text)
        refused = self.ask("POST", "/runs", {"experiment": bare})
        self.assertEqual((refused.status, refused.code()), (409, "consent_required"))
        begun = self.ask("POST", "/runs", {"experiment": bare, "yes": True})
        self.assertEqual(begun.status, 201, begun.body)
        # SIGTERM: runs are put back, and serve ends when they have ended.
        self.stop(child)
        self.assert_nothing_left()

    def test_hosts_of_an_inventory(self):
        path = self.write('version: 1\nhosts:\n  here: { address: local, labels: { role: app } }\n'
                          '  gone: { address: "ssh://root@127.0.0.1:1" }\n', "inventory.yaml")
        child = self.serve("--inventory", path)
        self.assertEqual(self.get("/health")["inventory"], path)
        text, victim = self.experiment("60s")
        named = text.replace("target: {", "target: { hosts: { labels: { role: app } },")
        nobody = text.replace("target: {", "target: { hosts: { labels: { role: db } },")
        self.assertTrue(self.ask("POST", "/validate", {"experiment": named}).json()["valid"])
        answer = self.ask("POST", "/runs", {"experiment": named})
        self.assertEqual(answer.status, 201, answer.body)
        run = answer.json()["run"]
        wait_until(lambda: state_of(victim.pid) == "T", 60, "the fault is in force")
        self.assertNotEqual(self.ask("POST", "/runs", {"experiment": nobody}).status, 201)
        # Halted here, and said of the host that did not answer.
        answer = self.ask("POST", "/halt", {"reason": "everywhere"}, timeout=150).json()
        self.assertNotEqual(state_of(victim.pid), "T")
        self.assertFalse(answer["clean"])
        self.assertTrue(any(line.startswith("gone") for line in answer["left"]), answer)
        self.assertEqual(self.wait_for(run, "ended")["exit"]["name"], "interrupted")
        # A run with an inventory does not need an executor here, and is refused all the same.
        self.write(named)
        done = self.ordeal("run", "--inventory", path, "experiment.yaml")
        self.assert_exit(done, 3)
        self.assertIn("halted: everywhere", done.stderr)
        answer = self.ask("DELETE", "/halt", timeout=150).json()
        self.assertTrue(any(line.startswith("gone") for line in answer["left"]), answer)
        self.assertFalse(self.get("/halt")["halted"])
        self.stop(child)

    def test_a_run_outlives_the_server(self):
        child = self.serve()
        run, victim = self.begin_run("8s")
        stream = Stream(self.port, self.token, run)
        before = []
        for seq, name, _ in stream.frames():
            if name == "message":
                before.append(seq)
            if len(before) > 10:
                break
        wait_until(lambda: state_of(victim.pid) == "T", 60, "the fault is in force")
        kill(child)
        rest = [seq for seq, name, _ in stream.frames() if name == "message"]
        stream.close()
        self.assertEqual(state_of(victim.pid), "T")
        child = self.serve(listen=f"127.0.0.1:{self.port}")
        self.assertEqual(self.get(f"/runs/{run}")["state"], "running")
        resumed = Stream(self.port, self.token, run, last=(before + rest)[-1])
        after, last = [], None
        for seq, name, data in resumed.frames():
            if name == "message":
                after.append(seq)
                last = data
            elif name == "end":
                break
        self.assertEqual(before + rest + after, list(range(1, len(before + rest + after) + 1)))
        self.assertEqual(last["kind"], "run_ended")
        self.assertEqual(self.get(f"/runs/{run}")["exit"]["name"], "upheld")
        self.assert_nothing_left()
        self.stop(child)


class Events(Serving):
    def read(self, run, last=None, limit=None):
        """(ids, name of the end) of one stream, at most `limit` events."""
        stream = Stream(self.port, self.token, run, last)
        self.assertEqual(stream.status, 200)
        ids, end = [], None
        for seq, name, _ in stream.frames():
            if name == "message":
                ids.append(seq)
            elif name != "alive":
                end = name
            if end or (limit and len(ids) >= limit):
                break
        stream.close()
        return ids, end

    def test_resume_without_gap_or_double(self):
        self.serve()
        run, _ = self.begin_run("2s")
        ids, end = [], None
        while end is None:  # breaks off again and again while the run goes on
            more, end = self.read(run, ids[-1] if ids else None, limit=7)
            ids += more
        self.assertEqual(end, "end")
        self.assertEqual(ids, list(range(1, len(ids) + 1)))
        stored = (self.folder / f"state/history/runs/{run}/events.jsonl").read_text().splitlines()
        self.assertEqual(len(ids), len(stored))
        # Of a run that has ended: the same events, from anywhere on.
        self.assertEqual(self.read(run), (ids, "end"))
        self.assertEqual(self.read(run, 5), (ids[5:], "end"))
        self.assertEqual(self.read(run, len(ids)), ([], "end"))
        self.assertEqual(self.read(run, 10 ** 9), ([], "end"))
        self.assertEqual(self.ask("GET", f"/runs/{run}/events",
                                  headers={"Last-Event-ID": "x"}).status, 400)
        self.assertEqual(self.ask("GET", f"/runs/{run}/events?after=-1").status, 400)
        self.assertEqual(self.ask("GET", "/runs/r-0101-0000-0000/events").status, 404)
        self.assertEqual(self.ask("GET", f"/runs/{run}/events?after={len(ids)}").status, 200)

    def test_a_run_from_a_terminal_is_followed_and_its_death_is_told(self):
        self.serve()
        text, victim = self.experiment("60s")
        self.write(text)
        child = self.begin("run", "experiment.yaml")
        run = wait_until(lambda: [one["run"] for one in self.get("/runs")["runs"]], 30,
                         "it is listed")[0]
        wait_until(lambda: state_of(victim.pid) == "T", 60, "the fault is in force")
        self.assertEqual(self.get(f"/runs/{run}")["state"], "running")
        kill(child)
        path = self.folder / f"state/history/runs/{run}/events.jsonl"
        whole = len(path.read_text().splitlines())
        with path.open("a") as file:  # died in the middle of a line
            file.write('{"v":1,"seq":%d,"run":"%s","t_us":1,"kind":"run_en' % (whole + 1, run))
        ids, end = self.read(run)
        self.assertEqual((ids, end), (list(range(1, whole + 1)), "unfinished"))
        row = self.wait_for(run, "unfinished")
        self.assertEqual(row["exit"]["code"], None)
        self.assertEqual(self.get(f"/runs/{run}/report.json")["exit"]["name"], "unfinished")
        self.assertEqual(self.ask("POST", f"/runs/{run}/abort", {}).code(), "not_running")
        wait_until(lambda: state_of(victim.pid) != "T", 30, "the executor has put it back")


class Described(Serving):
    # Answers that no client can bring about on a machine that is well.
    UNREACHABLE = {("POST", "/plan", 500), ("POST", "/runs", 500), ("GET", "/host", 500),
                   ("POST", "/runs/{run}/abort", 500), ("POST", "/halt", 500),
                   ("DELETE", "/halt", 500)}

    def test_every_path_and_status(self):
        experiment, _ = self.experiment("2s")
        self.write(experiment)
        path = self.write("version: 1\nschedules:\n" + "".join(
            f"  - {json.dumps(one)}\n" for one in (
                {"name": "nightly", "run": "experiment.yaml", "cron": "30 2 * * *",
                 "time_zone": "Europe/Berlin", "windows": ["mon-fri 00:00-24:00"]},
                {"name": "often", "run": "experiment.yaml", "every": "1s", "leashed": True,
                 "time_zone": "Etc/UTC", "concurrency": "queue"})), "schedule.yaml")
        child = self.serve("--schedule", path)
        self.assertEqual(self.get("/health")["schedule"], path)
        self.assertIn("paths", self.get("/openapi.json"))
        self.assertTrue(any(one["name"] == "root" and one["ok"]
                            for one in self.get("/host")["capabilities"]))
        schedules = self.get("/schedules")["schedules"]
        self.assertEqual([one["name"] for one in schedules], ["nightly", "often"])
        firings = self.get("/firings?days=2&limit=5")
        self.assertEqual((len(firings["firings"]), firings["more"]), (5, True))
        wait_until(lambda: any(one["state"] == "ended" and one["exit_name"] == "planned"
                               for one in self.get("/firings/past?limit=5")["firings"]), 60,
                   "a plan was made")
        self.assertTrue(self.ask("POST", "/schedules/often/resume", {}).json()["resumed"])
        self.assertEqual(self.ask("POST", "/schedules/nobody/resume", {}).status, 404)
        for bad in ("/runs?limit=0", "/runs?limit=x", "/firings?days=999", "/firings?limit=-1",
                    "/firings/past?limit=0"):
            self.assertEqual(self.ask("GET", bad).code(), "bad_request", bad)
        self.every_refusal()
        started = self.ask("POST", "/runs?file=x.yaml", experiment,
                           {"Content-Type": "application/yaml"})
        self.assertEqual(started.status, 201, started.body)
        run = started.json()["run"]
        self.assertEqual(self.ask("POST", "/plan", {"experiment": "version: 1"}).status, 422)
        self.ask("POST", "/plan", {"experiment": experiment})
        self.ask("POST", "/validate", {"experiment": experiment})
        self.assertEqual(self.ask("POST", "/runs", {"experiment": "version: 1"}).status, 422)
        self.get("/runs")
        self.get(f"/runs/{run}")
        self.get(f"/runs/{run}/report.json")
        self.ask("GET", f"/runs/{run}/report.html")
        self.ask("POST", f"/runs/{run}/report.html/link", {})
        self.assertEqual(self.ask("POST", "/runs/r-0101-0000-0000/report.html/link", {}).status, 404)
        self.assertEqual(self.ask("POST", f"/runs/{run}/abort", {"reason": "seen"}).status, 202)
        self.wait_for(run, "ended")
        self.ask("GET", f"/runs/{run}/events")
        self.ask("GET", f"/runs/{run}/events?after=x")
        self.assertEqual(self.ask("POST", f"/runs/{run}/abort", {}).status, 409)
        self.get("/halt")
        self.assertEqual(self.ask("POST", "/halt", {"reason": "all seen"}).status, 200)
        self.assertEqual(self.ask("POST", "/runs", {"experiment": experiment}).status, 409)
        self.assertEqual(self.ask("DELETE", "/halt").status, 200)
        missing = self.description.operations() - self.description.seen - self.UNREACHABLE
        self.assertEqual(missing, set())
        self.stop(child)

    def every_refusal(self):
        """What every path refuses before it looks at what was asked."""
        for method, path in sorted({(method, path)
                                    for method, path, _ in self.description.operations()}):
            path = path.format(run="r-0101-0000-0000", name="x")
            self.assertEqual(self.ask(method, path, headers={"Host": "x"}).status, 403)
            if "{run}" in self.description.match(path) and method == "GET":
                self.assertEqual(self.ask(method, path).status, 404)
            self.assertEqual(self.ask(method, path, {}, token=False).status, 401)
            if method != "POST":
                continue
            self.assertEqual(self.ask(method, path, "x", {"Content-Type": "text/plain"}).status, 415)
            self.assertEqual(self.ask(method, path, "x" * (2 << 20),
                                      {"Content-Type": "application/json"}).status, 413)
            twice = {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{self.port}",
                     "origin": "http://evil.example"}
            self.assertEqual(self.ask(method, path, "{}", twice).status, 400)
        self.assertEqual(self.ask("POST", "/runs/r-0101-0000-0000/abort", {}).status, 404)


if __name__ == "__main__":
    unittest.main()
