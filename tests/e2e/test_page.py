"""The page of `ordeal serve` in a real Chromium: what it shows is what the API says, also when the
server is gone; and everything on it can be done with a keyboard. Screenshots are left in
$ORDEAL_SHOTS, when that is set."""
import json
import os
import pathlib
import signal
import sys
import time
import unittest

from api_bed import Serving, kill
from browser import CHROMIUM, Browser, Page
from harness import state_of, wait_until

EVIL = "<img src=x onerror=alert(1)>"


@unittest.skipUnless(CHROMIUM, "needs chromium")
class Pages(Serving):
    def setUp(self):
        super().setUp()
        self.browser = Browser()
        self.addCleanup(self.browser.close)

    def page(self, path="", token=True, **options):
        page = Page(self.browser, **options)
        if token:
            page.ask("Page.addScriptToEvaluateOnNewDocument", {
                "source": f"sessionStorage.setItem('ordeal.token', {json.dumps(self.token)})"})
        page.open(f"http://127.0.0.1:{self.port}/{path}")
        if not token:
            page.wait("!!document.querySelector('dialog #token')", 60, "it asks for the token")
            return page
        page.wait("document.querySelector('#link')?.textContent === 'live'", 60, "it is live")
        return page

    def shot(self, page, name, whole=True):
        if folder := os.environ.get("ORDEAL_SHOTS"):
            pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
            page.run("new Promise(done => setTimeout(done, 400))")
            page.shot(pathlib.Path(folder) / f"{name}.png", whole)

    def shots(self, page, name):
        """Wide and narrow, light and dark; and nothing may stick out at the side."""
        for scheme in ("light", "dark"):
            page.ask("Emulation.setEmulatedMedia", {"features": [
                {"name": "prefers-color-scheme", "value": scheme}]})
            for width, height in ((1280, 900), (390, 844)):
                page.size(width, height)
                page.run("new Promise(done => setTimeout(done, 300))")
                self.assertLessEqual(page.run("document.documentElement.scrollWidth"), width,
                                     f"{name} at {width}")
                self.shot(page, f"{name}-{width}-{scheme}")
        page.size(1280, 900)
        page.ask("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": "light"}]})

    def assert_well(self, page):
        self.assertEqual(page.problems(), [])
        own = f"http://127.0.0.1:{self.port}/"
        self.assertEqual([url for url in page.requested()
                          if not url.startswith((own, "about:", "data:"))], [])

    def test_start_watch_and_report(self):
        text, victim = self.experiment("12s")
        text = text.replace("The one who looks does not notice.", EVIL)
        self.write(text)
        path = self.write("version: 1\nschedules:\n" + "".join(
            f"  - {json.dumps(one)}\n" for one in (
                {"name": "nightly-smoke", "run": "experiment.yaml", "cron": "30 2 * * *",
                 "time_zone": "Europe/Berlin"},
                {"name": "monkey", "run": "experiment.yaml", "time_zone": "America/New_York",
                 "random": {"mean_time_between": "2d", "min_gap": "1d"},
                 "windows": ["mon-thu 09:00-15:00"]})), "schedule.yaml")
        child = self.serve("--schedule", path)
        page = self.page(token=False)
        self.assertNotIn("nightly-smoke", page.text())
        page.key("Escape")
        page.wait_text("Give the token")
        page.click("#give-token")
        page.wait("!!document.querySelector('dialog #token')", 20, "it asks again")
        page.type("wrong")
        page.key("Enter")
        page.wait_text("That was not the token")
        self.shots(page, "token")
        page.type(self.token)
        page.key("Enter")
        page.wait("document.querySelector('#link')?.textContent === 'live'", 60, "it is live")
        page.wait_text("No run goes on")
        page.wait_text("nightly-smoke")

        # Mistakes at their lines, then the plan, and only then a start.
        page.open(f"http://127.0.0.1:{self.port}/#/new")
        page.wait("!!document.querySelector('#experiment')", 20, "the form")
        page.run("document.querySelector('#experiment').focus()")
        page.type(text.replace("steady_state", "steady_stat"))
        page.run("[...document.querySelectorAll('button')].find(b => b.textContent === 'Check').id"
                 " = 'check'")
        page.click("#check")
        page.wait_text("did you mean `steady_state`?")
        line = text[:text.index("steady_state")].count("\n") + 1
        self.assertEqual(page.run("document.querySelector('.numbers .wrong').textContent"),
                         str(line))
        self.shots(page, "mistakes")
        page.run("document.querySelector('.problems button').focus()")
        page.key("Enter")
        at = page.run("document.activeElement.selectionStart")
        self.assertEqual(text[:at].count("\n") + 1, line)
        page.run(f"""(() => {{ const one = document.querySelector('#experiment');
            one.value = {json.dumps(text)}; one.dispatchEvent(new Event('input')); }})()""")
        self.assertFalse(page.run("document.body.innerText.includes('Start this run')"))
        page.run("[...document.querySelectorAll('button')].find(b => b.textContent === "
                 "'Show the plan').id = 'show'")
        page.click("#show")
        page.wait_text("WOULD RUN", 90)
        page.wait_text(f"pid {victim.pid}")
        self.assertNotEqual(state_of(victim.pid), "T")
        self.shots(page, "plan")
        # What was planned is what is started: another text hides the plan.
        page.run("""(() => { const one = document.querySelector('#experiment');
            one.value += '\\n'; one.dispatchEvent(new Event('input')); })()""")
        self.assertFalse(page.run("document.body.innerText.includes('Start this run')"))
        page.click("#show")
        page.wait_text("WOULD RUN", 90)
        page.run("[...document.querySelectorAll('button')].find(b => b.textContent === "
                 "'Start this run').id = 'start'")
        page.click("#start")
        page.wait("location.hash.startsWith('#/run/r-')", 60, "the run is shown")
        run = page.run("location.hash.slice(6)")
        page.wait_text("Abort this run")
        page.wait("/(\\d+ s|[\\d:]+) of \\d+ s, \\d+ s left/.test(document.body.innerText)", 30,
                  "a countdown")
        wait_until(lambda: state_of(victim.pid) == "T", 60, "the fault is in force")
        page.wait_text("in force", 20)
        page.wait("document.querySelectorAll('.chart canvas').length >= 3", 20, "charts")
        time.sleep(3)
        self.shots(page, "live")
        # Foreign text is text.
        self.assertIn(EVIL, page.text())
        self.assertFalse(page.run("!!document.querySelector('main img')"))
        home = self.page()
        home.wait_text("in force: 1-process.pause")
        self.shots(home, "home")
        page.wait_text("UPHELD", 90)
        page.wait_text("Host clean. Service recovered.")
        self.shots(page, "ended")
        self.compare(page, run)
        home.wait("document.querySelector('.badge.good')?.textContent === 'UPHELD'", 30, "it ended")
        home.open(f"http://127.0.0.1:{self.port}/#/schedule")
        home.wait_text("America/New_York")
        self.shots(home, "schedule")
        home.open(f"http://127.0.0.1:{self.port}/#/host")
        home.wait_text("Nothing of ordeal's is on this host", 60)
        self.shots(home, "host")
        # The report is a page of its own, which has no rights here.
        link = self.ask("POST", f"/runs/{run}/report.html/link", {}).json()["address"]
        report = Page(self.browser)
        report.open(f"http://127.0.0.1:{self.port}{link}")
        report.wait_text("UPHELD")
        self.assertEqual(report.run("origin"), "null")
        for one in (page, home, report):
            self.assert_well(one)
        self.stop(child)

    def compare(self, page, run):
        """The page's own fold says what the report says."""
        report = self.get(f"/runs/{run}/report.json")
        fold = page.run("""(() => { const f = view.fold; return {
            run: f.about.run, exit: f.verdict.exit, samples: f.samples, lost: f.lost,
            phases: f.phases.map(p => [p.phase, p.from, p.to]),
            conditions: f.conditions.map(c => [c.id, c.latest.truth]),
            series: [...f.series.values()].map(s => [s.sli, [...s.seconds].map(([at, one]) =>
                [at * 1e6, s.request ? one.attempts : null, s.request ? one.good : null,
                 s.request ? quantile(one.buckets, 0.95) : one.value])]) }; })()""")
        self.assertEqual((fold["run"], fold["exit"], fold["lost"]), (run, 0, False))
        self.assertEqual(fold["samples"], report["samples"])
        self.assertEqual(fold["phases"], [[one["phase"], one["from_us"], one["to_us"]]
                                          for one in report["phases"]])
        self.assertEqual(dict(fold["conditions"]),
                         {one["id"]: one["truth"] for one in report["conditions"]})
        theirs = {one["sli"]: one["points"] for one in report["series"]}
        self.assertEqual(set(theirs), {name for name, _ in fold["series"]})
        for name, points in fold["series"]:
            self.assertEqual([point[0] for point in points],
                             [point["at_us"] for point in theirs[name]], name)
            for mine, other in zip(points, theirs[name]):
                if "attempts" in other:
                    self.assertEqual(mine[1:3], [other["attempts"], other["good"]], name)
                    if other["p95_us"] is not None:  # both are the middle of one bucket
                        self.assertLess(abs(mine[3] / other["p95_us"] - 1), 0.05, (name, mine, other))
                else:
                    self.assertEqual(mine[3], other["value"], name)

    def test_halt_and_abort_by_keyboard(self):
        child = self.serve()
        run, victim = self.begin_run("90s")
        page = self.page(f"#/run/{run}")
        wait_until(lambda: state_of(victim.pid) == "T", 60, "the fault is in force")

        def focus(name):
            for _ in range(60):
                page.key("Tab")
                if page.run("document.activeElement.textContent").strip() == name:
                    outline = page.run("getComputedStyle(document.activeElement).outlineWidth")
                    self.assertEqual(outline, "3px", "the focus is seen")
                    return
            raise AssertionError(f"{name} is not reached by Tab")
        focus("Abort this run")
        page.key("Enter")
        page.wait("!!document.querySelector('dialog')", 10, "a dialog")
        page.key("Escape")
        page.wait("!document.querySelector('dialog')", 10, "Escape closes it")
        self.assertEqual(page.run("document.activeElement.textContent"), "Abort this run")
        self.assertEqual(state_of(victim.pid), "T")

        focus("Halt")
        page.key("Enter")
        page.wait("!!document.querySelector('dialog #reason')", 10, "it asks for a reason")
        self.shots(page, "halt-dialog")
        page.key("Enter")
        page.wait("document.querySelector('dialog')?.textContent.includes('A reason is needed') || "
                  "!document.querySelector('#reason').checkValidity()", 10, "a reason is needed")
        self.assertFalse((self.folder / "state/halt").exists())
        page.type(f"smoke in the rack {EVIL}")
        page.key("Enter")
        page.wait("!document.querySelector('#halted').hidden", 90, "it is halted")
        self.assertNotEqual(state_of(victim.pid), "T")
        page.wait_text(f"smoke in the rack {EVIL}")
        page.wait("document.querySelector('#halt').hidden", 10, "and says so")
        page.wait_text("INTERRUPTED", 60)
        self.shots(page, "halted")
        page.open(f"http://127.0.0.1:{self.port}/#/")
        page.wait_text("INTERRUPTED", 60)
        focus("Lift the halt")
        page.key("Enter")
        page.wait("document.querySelector('dialog h1')?.textContent === 'Lift the halt'", 10, "asked")
        page.key("Enter") if page.run("document.activeElement.type === 'submit'") else page.click(
            "dialog button[type=submit]")
        page.wait("document.querySelector('#halted').hidden", 30, "it is lifted")
        self.assertFalse((self.folder / "state/halt").exists())
        self.assert_well(page)
        self.stop(child)

    def test_says_that_it_is_stale_and_takes_up_again(self):
        child = self.serve()
        run, victim = self.begin_run("25s")
        page = self.page(f"#/run/{run}")
        wait_until(lambda: state_of(victim.pid) == "T", 60, "the fault is in force")
        page.wait_text("in force")
        child.send_signal(signal.SIGSTOP)  # connected, but nobody is there
        page.wait("!document.querySelector('#stale').hidden", 60, "it says that it is stale")
        page.wait_text("last known")
        self.assertIn("no answer for", page.text())
        self.shots(page, "stale")
        child.send_signal(signal.SIGCONT)
        page.wait("document.querySelector('#stale').hidden", 60, "it is live again")
        kill(child)
        page.wait("!document.querySelector('#stale').hidden", 60, "it says so again")
        child = self.serve(listen=f"127.0.0.1:{self.port}")
        page.wait("document.querySelector('#stale').hidden", 60, "it found the new server")
        page.wait_text("UPHELD", 120)
        count = self.get(f"/runs/{run}/report.json")
        self.assertFalse(count["events_lost"])
        self.assertEqual(page.run("view.fold.lost"), False)
        lines = (self.folder / f"state/history/runs/{run}/events.jsonl").read_text().splitlines()
        self.assertEqual(page.run("view.fold.lastSeq"), len(lines))
        # What a run's process leaves when it dies is no verdict.
        text, victim = self.experiment("60s")
        self.write(text)
        front = self.begin("run", "experiment.yaml")
        page.open(f"http://127.0.0.1:{self.port}/#/")
        page.wait("!!document.querySelector('.badge.live')", 60, "it is listed")
        wait_until(lambda: state_of(victim.pid) == "T", 60, "the fault is in force")
        page.click("a.row")
        page.wait_text("Abort this run")
        kill(front)
        page.wait_text("UNFINISHED", 60)
        page.wait_text("1 fault not known to be put back")
        self.assertNotIn("in force", page.text())
        self.shots(page, "unfinished")
        self.assert_well(page)
        self.stop(child)


if __name__ == "__main__":
    unittest.main()
