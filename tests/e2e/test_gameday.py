"""A game day by the real binaries, on real services: answers and notes from a second terminal, rules after
each verdict, death and resume, and the combined report."""
import contextlib
import json
import os
import pathlib
import pty
import re
import signal
import socket
import threading
import time

from harness import HERE, ORDEAL, EndToEnd, free_port, state_of, wait_until

EXPERIMENT = """\
version: 1
name: {name}
hypothesis: Nobody notices that {name}.
slis:
  # No rate and no bound that a machine under load could miss.
  watched: {{ process: {{ argv: "*service.py {watched}", every: 1s }} }}
steady_state: [ watched.up ]
during: [ {during} ]
abort_if: [ {abort_if} ]
baseline: 5s
warmup: 0s
method:
  - fault: process.pause
    target: {{ process: {{ argv: "*service.py {victim}" }} }}
    duration: {duration}
recovery: {{ within: 20s, hold: 1s }}
"""
BROKEN = "host.memory_available > 99.9%"  # on every machine
SERVICE = """\
version: 1
service: shared
slis:
  shared: { process: { argv: "*service.py %s", every: 1s } }
"""


class Gameday(EndToEnd):
    leads = None

    def setUp(self):
        super().setUp()
        self.victim, self.port = self.service()

    def experiment(self, name, during="watched.up", duration="5s"):
        return self.write(EXPERIMENT.format(name=name, during=during, duration=duration,
                                            victim=self.port, watched=self.port,
                                            abort_if="host.memory_available < 1%"),
                          f"{name}.yaml")

    def day(self, *agenda, **keys):
        lines = ["version: 1", "gameday: rehearsal", "title: A rehearsal"]
        lines += [f"{key}: {json.dumps(value)}" for key, value in keys.items()]
        lines += ["agenda:"] + [f"  - {json.dumps(item)}" for item in agenda]
        return self.write("\n".join(lines) + "\n", "gameday.yaml")

    def lead(self, *options):
        self.leads = self.begin("gameday", "run", *options, str(self.folder / "gameday.yaml"))
        return self.leads

    def say(self, *words, code=0):
        done = self.ordeal("gameday", *words)
        self.assert_exit(done, code)
        return done.stdout + done.stderr

    def until(self, text, seconds=90):
        """The day says of itself that it is there."""
        def there():
            self.assertIsNone(self.leads.poll(), "the day has ended")
            done = self.ordeal("gameday", "status")
            return text in done.stdout and done.stdout
        return wait_until(there, seconds, f"the day is at: {text}")

    def paused(self):
        wait_until(lambda: state_of(self.victim.pid) == "T" or (
            self.leads and self.leads.poll() is not None), 90, "the victim is paused")
        self.assertEqual(state_of(self.victim.pid), "T", "the day has ended")

    def ended(self, child, code):
        out, errors = child.communicate(timeout=120)
        self.assertEqual(child.returncode, code, out + errors)
        self.assertNotEqual(state_of(self.victim.pid), "T")
        self.assert_nothing_left()
        return out + errors

    def report(self, *options):
        return json.loads(self.ordeal("gameday", "report", "--format", "json", *options).stdout)

    def outcomes(self):
        return [item["outcome"] for item in self.report()["agenda"]]


class Files(Gameday):
    def test_mistakes_of_all_files_are_told_with_their_place(self):
        self.write("version: 1\nname: x\n", "bad.yaml")
        path = self.write("version: 1\ngameday: x\nagenda:\n  - run: bad.yaml\n  - checkpiont: x\n",
                          "gameday.yaml")
        done = self.ordeal("gameday", "validate", path)
        self.assert_exit(done, 2)
        self.assertIn("gameday.yaml:5:5: unknown key `checkpiont`", done.stderr)
        path = self.write("version: 1\ngameday: x\nabort_if: [ nobody.up ]\nagenda:\n"
                          "  - run: bad.yaml\n", "gameday.yaml")
        done = self.ordeal("gameday", "run", path)
        self.assert_exit(done, 2)
        self.assertIn("bad.yaml:1:1: an experiment needs", done.stderr)
        self.assertIn("gameday.yaml:5:10: this experiment cannot be run", done.stderr)

    def test_the_ready_made_one_is_valid(self):
        path = str(HERE.parent.parent / "experiments/gamedays/shop.yaml")
        done = self.ordeal("gameday", "validate", path)
        self.assert_exit(done, 0)
        self.assertIn("3 experiments", done.stdout)

    def test_what_the_day_brings_reaches_each_experiment(self):
        self.write(SERVICE % self.port, "service.yaml")
        self.experiment("one")
        path = self.day({"run": "one.yaml"}, service="service.yaml",
                        abort_if=["not shared.up for 10s"])
        done = self.ordeal("gameday", "validate", path)
        self.assert_exit(done, 0)
        self.assertIn("1 experiment", done.stdout)
        self.assertIn("this is a game day file", self.ordeal("validate", path).stderr)
        done = self.ordeal("gameday", "plan", path)
        self.assert_exit(done, 0)
        self.assertIn("1-process.pause", done.stdout)
        self.assertNotEqual(state_of(self.victim.pid), "T")
        self.day({"run": "one.yaml"}, abort_if=["not shared.up for 10s"])
        done = self.ordeal("gameday", "validate", path)
        self.assert_exit(done, 2)
        self.assertRegex(done.stderr, r"gameday.yaml:4:\d+: .*shared")


class Leading(Gameday):
    def test_agenda_answers_notes_and_report(self):
        self.experiment("one", duration="8s")
        self.experiment("two", during=BROKEN)
        self.day({"checkpoint": "Everybody there?"}, {"run": "one.yaml"},
                 {"checkpoint": {"ask": "Did the page come?", "answers": ["yes", "no"],
                                 "timeout": "10m"}},
                 {"break": "10m"}, {"run": "two.yaml"}, {"checkpoint": "Notes taken"},
                 roles=["lead", "scribe"], briefing="Stop word: halt")
        day = self.lead("--quiet", "--role", "lead=kim", "--report", "md=out/day.md")
        self.assertIn("waits: Everybody there?", self.until("item 1 of 6"))
        self.assertIn("game day g-", self.ordeal("status").stdout)
        self.say("continue")
        self.paused()
        self.say("note", "the", "page", "is", "late", "--by", "robin")
        self.assertIn("nothing waits", self.say("continue", code=2))
        self.until("Did the page come?")
        self.assertIn("answer yes or no", self.say("continue", "maybe", code=2))
        self.say("continue", "NO")
        self.until("break of 10m")
        self.say("continue")
        self.until("ended violated")  # the rule for it is to ask
        self.say("continue")
        self.until("Notes taken")
        self.assertIn("answer continue or stop", self.say("continue", "all", "of", "them", code=2))
        self.assertIn("item 6 of 6", self.say("note", "all", "of", "them"))
        self.say("continue")
        out = self.ended(day, 1)
        self.assertIn("VIOLATED", out)
        self.assertEqual(self.outcomes(), ["done", "UPHELD", "no", "ended early", "VIOLATED",
                                           "done"])
        report = self.report()
        self.assertEqual(report["exit"]["name"], "violated")
        self.assertEqual(report["roles"], {"lead": "kim", "scribe": ""})
        lines = report["timeline"]
        note = next(i for i, line in enumerate(lines) if line["level"] == "note")
        self.assertEqual((lines[note]["text"], lines[note]["by"]), ("the page is late", "robin"))
        self.assertTrue(any("verified" in line["text"] or "1-process.pause" in line["text"]
                            for line in lines[:note]), lines)
        markdown = (self.folder / "out/day.md").read_text()
        self.assertIn("# Postmortem (draft)", markdown)
        self.assertIn("Nobody notices that one.", markdown)
        page = pathlib.Path(re.search(r"report +(\S+report.html)", out).group(1)).read_text()
        self.assertNotIn("<script", page)
        self.assertEqual(re.findall(r"(?:src|href)=\"(?!#|https?://)", page), [])
        self.assertEqual(len(self.ordeal("runs").stdout.splitlines()), 2)
        self.assertIn("no game day", self.say("stop", code=2))

    def test_nobody_answers_in_time(self):
        self.experiment("one")
        self.day({"checkpoint": {"ask": "There?", "timeout": "2s"}}, {"run": "one.yaml"})
        out = self.ended(self.lead(), 7)
        self.assertIn("nobody answered within 2s", out)
        self.assertEqual(self.outcomes(), ["nobody answered", "not reached"])

    def test_stop_puts_back_and_resume_goes_on(self):
        self.experiment("one", duration="60s")
        self.experiment("two")
        self.day({"run": "one.yaml"}, {"run": "two.yaml"})
        day = self.lead("--quiet")
        self.paused()
        self.say("stop", "a", "real", "incident")
        self.assertIn("a real incident", self.ended(day, 7))
        self.assertEqual(self.outcomes(), ["INTERRUPTED", "not reached"])
        again = self.lead("--resume", "--quiet")
        self.until("run one.yaml was cut off")
        self.say("continue", "skip")
        out = self.ended(again, 7)  # of the first part
        self.assertIn("two", out)
        self.assertEqual(self.outcomes(), ["INTERRUPTED", "UPHELD"])
        done = self.ordeal("gameday", "run", "--resume", str(self.folder / "gameday.yaml"))
        self.assert_exit(done, 2)
        self.assertIn("is done", done.stderr)

    def test_ctrl_c_ends_the_day_and_abort_only_its_run(self):
        self.experiment("one", duration="60s")
        self.experiment("two", duration="60s")
        self.day({"run": "one.yaml"}, {"run": "two.yaml"})
        day = self.lead("--quiet")
        self.paused()
        self.assert_exit(self.ordeal("abort"), 0)
        self.until("ended interrupted")
        self.say("continue")
        self.paused()
        day.send_signal(signal.SIGINT)
        self.assertIn("ctrl-C", self.ended(day, 7))
        self.assertEqual(self.outcomes(), ["INTERRUPTED", "INTERRUPTED"])

    def test_a_dead_day_keeps_its_record_and_goes_on(self):
        self.experiment("one", duration="60s")
        self.day({"checkpoint": "There?"}, {"run": "one.yaml"}, {"checkpoint": "Done?"})
        day = self.lead("--quiet")
        self.until("There?")
        self.say("continue")
        self.paused()
        self.say("note", "it hangs")
        day.kill()
        day.wait()
        wait_until(lambda: state_of(self.victim.pid) != "T", 30, "the executor puts it back")
        partial = self.report()
        self.assertEqual(partial["headline"], "OPEN")
        self.assertIn("it hangs", [line["text"] for line in partial["timeline"]])
        self.assertIn("no game day", self.say("status"))
        record, = self.folder.glob("state/history/gamedays/*/day.jsonl")
        with record.open("a") as file:
            file.write('{"v":1,"wall_us":17')  # died in the middle of a line
        # Its own file decides what is left of it.
        self.assertIn("has changed", self.changed())
        again = self.lead("--resume", "--quiet")
        self.assertIn("run one.yaml was cut off", self.until("cut off"))
        self.say("continue", "skip")
        self.until("Done?")
        self.say("continue")
        self.ended(again, 7)
        self.assertEqual(self.outcomes(), ["done", "INTERRUPTED", "done"])
        self.assertIn("resumed", [line["text"] for line in self.report()["timeline"]])

    def test_abort_finds_the_run_that_goes_on(self):
        """Sockets of ended runs stay, and theirs may be the later name: of this minute, of last year."""
        self.experiment("one", duration="60s")
        self.day({"run": "one.yaml"})
        self.assertIn("no run goes on", self.ordeal("abort").stderr)
        day = self.lead("--quiet")
        self.paused()
        for name in ("r-1231-2359-ffff", "r-1231-2359-fffe"):
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(self.folder / f"state/run/{name}.sock"))
        done = self.ordeal("abort")
        self.assert_exit(done, 0)
        self.assertIn("is being put back", done.stdout)
        self.ended(day, 7)

    def test_nobody_at_a_control_socket_holds_others_up(self):
        self.experiment("one", duration="60s")
        self.day({"run": "one.yaml"})
        day = self.lead("--quiet")
        self.paused()
        mute = []
        for path in (self.folder / "state/run").glob("g-*/*.sock"):  # of the day and of its run
            for begin in (b"", b'{"ask":'):
                client = socket.socket(socket.AF_UNIX)
                self.addCleanup(client.close)
                client.connect(str(path))
                client.send(begin)
                mute.append(client)
        self.assertEqual(len(mute), 4)
        self.folder.chmod(0o755)
        for question in (["abort"], ["gameday", "status"]):
            stranger = self.ordeal(*question, user=65534, group=65534, extra_groups=[])
            self.assert_exit(stranger, 2)
            self.assertIn("try it with sudo", stranger.stderr)
        self.assert_exit(self.ordeal("abort"), 0)
        self.ended(day, 7)

    def test_root_works_in_no_folder_of_the_caller(self):
        """What is bound there by root and then given away could be a link to any file by then."""
        self.experiment("one")
        path = self.day({"run": "one.yaml"})
        self.lend_root()
        early, ready, over = set(), set(), threading.Event()

        def watch():
            while not over.is_set():
                for folder in (self.folder / "state/run").glob("g-*"):
                    with contextlib.suppress(FileNotFoundError):
                        given = os.stat(folder).st_uid == 65534
                        if (folder / "day.sock").exists():
                            ready.add(folder)
                        elif given and folder not in ready:
                            early.add(folder)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            for _ in range(15):
                done = self.ordeal("gameday", "run", "--role", "nobody=x", path)
                self.assertIn("no such role", done.stderr)
        finally:
            over.set()
            thread.join()
        self.assertEqual(early, set())
        self.assertGreater(len(ready), 0)

    def test_a_listener_that_never_ends_its_line_is_left(self):
        folder = self.folder / "state/run/g-1121-0000-0000"
        folder.mkdir(parents=True)
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(str(folder / "day.sock"))
        listener.listen()

        def drip():
            client, _ = listener.accept()
            with contextlib.suppress(OSError), client:
                while True:
                    client.send(b"x")
                    time.sleep(0.5)

        threading.Thread(target=drip, daemon=True).start()
        self.assert_exit(self.ordeal("status", timeout=20), 0)

    def changed(self):
        path = self.folder / "gameday.yaml"
        text = path.read_text()
        path.write_text(text + "# changed\n")
        done = self.ordeal("gameday", "run", "--resume", str(path))
        self.assert_exit(done, 2)
        path.write_text(text)
        return done.stderr

    def test_whole_day_abort_condition_stops_a_run(self):
        self.write(SERVICE % free_port(), "service.yaml")
        self.experiment("one", duration="60s")
        self.day({"run": "one.yaml"}, service="service.yaml", abort_if=["not shared.up for 3s"])
        self.ended(self.lead("--quiet"), 4)  # seen in the baseline already
        self.assertEqual(self.outcomes(), ["NOT STEADY"])


class Terminal(Gameday):
    def test_a_terminal_is_heard_but_nothing_that_was_typed_before(self):
        self.experiment("one")
        self.day({"checkpoint": "First?"}, {"run": "one.yaml"}, {"checkpoint": "Second?"},
                 roles=["lead"])
        pid, ours = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            os.execve(ORDEAL, [ORDEAL, "gameday", "run", "--quiet", "gameday.yaml"],
                      self.environment)
        self.addCleanup(self.end, pid)
        seen = ""

        def until(text, seconds=90):
            nonlocal seen
            deadline = time.monotonic() + seconds
            while text not in seen:
                self.assertLess(time.monotonic(), deadline, f"{text}:\n{seen}")
                seen += os.read(ours, 4096).decode(errors="replace")
            seen = seen.partition(text)[2]

        until("lead: ")
        os.write(ours, b"kim\n")
        until("checkpoint: First?")
        until("type continue, or stop")
        os.write(ours, b"note typed here\n")
        until("note: typed here")
        for silence in (b"\n", b"?\n", b"go\n"):
            os.write(ours, silence)
            until("answer continue or stop")
        os.write(ours, b"continue\n")
        self.paused()
        os.write(ours, b"continue\n\n")  # in the middle of the run: no answer to what comes
        until("Second?")
        until("type continue, or stop")
        time.sleep(2)
        self.assertEqual(os.waitpid(pid, os.WNOHANG), (0, 0))
        os.write(ours, b"stop enough\n")
        until("stopped: enough")
        with contextlib.suppress(OSError):
            while os.read(ours, 4096):
                pass
        self.code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        self.assertEqual(self.code, 0)  # nothing was left out
        self.assertEqual(self.report()["roles"], {"lead": "kim"})

    code = None

    def end(self, pid):
        if self.code is None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
