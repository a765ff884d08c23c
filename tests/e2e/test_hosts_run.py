"""`ordeal run --inventory` over three hosts with a real sshd each: the product as a user has it."""
import json
import os
import signal
import unittest

from harness import wait_until
from hosts import Fleet

LEASE = 15   # s, of hosts over ssh
MARGIN = 5   # s

HEAD = """\
version: 1
name: {name}
hypothesis: The shop stands it.
slis:
  first: {{ http: {{ url: "http://10.77.0.11:8080/", rate: {rate}/s, timeout: 1s }} }}
  second: {{ http: {{ url: "http://10.77.0.12:8080/", rate: {rate}/s, timeout: 1s }} }}
steady_state: [ first.success >= 90%, second.success >= 90% ]
during: [ first.success >= 90%, second.success >= 20% ]
abort_if: [ {abort} ]
warmup: 1s
baseline: 5s
recovery: {{ within: 20s, hold: 3s }}
blast_radius: {{ hosts: 3, host_share: 100% }}
method:
"""
DELAY_AND_KILL = """\
  - parallel:
      - fault: network.delay
        target: {{ hosts: {{ labels: {{ zone: a }} }} }}
        with: {{ local_port: 8080, latency: 100ms }}
        duration: 6s
      - fault: process.kill
        target: {{ hosts: {{ labels: {{ zone: {{ in: [b] }} }} }}, process: {{ argv: "*service.py 8080*" }} }}
        with: {{ restore: {{ argv: [/usr/bin/setsid, -f, /usr/bin/python3, {service}, "8080", 0.0.0.0] }} }}
        start_delay: 2s
        duration: 2s
"""
PAUSE_EVERYWHERE = """\
  - parallel:
      - fault: process.pause
        target: { hosts: {}, process: { argv: "*service.py 8080*" } }
        duration: 60s
      - fault: network.partition
        target: { hosts: {} }
        with: { remote_port: 5432, protocol: tcp }
        duration: 60s
"""


class Runs(Fleet):
    RATE = 20  # requests a second

    def experiment(self, method, abort):
        return self.write(HEAD.format(name="three-hosts", rate=self.RATE, abort=abort) + method)

    def run_it(self, method, abort="first.success < 5% over 5s"):
        return self.ordeal("run", "--inventory", self.inventory, "--report",
                           f"json={self.folder}/report.json", self.experiment(method, abort))

    def report_of_run(self):
        return self.report(self.folder / "report.json")

    def begin_and_wait(self, method):
        """A run in the middle of its faults, on every host."""
        child = self.begin("run", "--inventory", self.inventory, "--output", "json", "--report",
                           f"json={self.folder}/report.json",
                           self.experiment(method, "first.error > 99% over 5s for 60s"))
        injected = set()
        for line in child.stdout:
            event = json.loads(line)
            if event["kind"] == "step" and event["data"]["state"] == "injected":
                injected.add(event["data"]["host"])
            if len(injected) == 3:
                break
        self.assertEqual(len(injected), 3)
        for host in self.hosts:
            wait_until(host.left, 10, f"something acts on {host.name}")
        return child

    def assert_clean_within(self, seconds, hosts=None):
        for host in hosts or self.hosts:
            wait_until(lambda: not host.left(), seconds, f"{host.name} is put back: {host.left()}")

    def assert_nothing_left_anywhere(self):
        done = self.ordeal("status", "--exit-code", "--inventory", self.inventory)
        self.assert_exit(done, 0)

    def test_one_label_group_late_another_killed(self):
        method = DELAY_AND_KILL.format(service=self.hosts[1].folder / "service.py")
        done = self.run_it(method)
        self.assert_exit(done, 0)
        report = self.report_of_run()
        self.assertEqual({host["host"] for host in report["hosts"]}, {"app-1", "app-2"})
        late = next(fault for fault in report["faults"] if fault["host"] == "app-1")
        self.assertEqual(late["effect"]["seen"], "yes", late)
        self.assertIn("app-1", done.stdout)
        self.assertIn("All hosts clean.", done.stdout)
        self.assert_clean_within(1)
        self.assert_nothing_left_anywhere()

    def test_a_threshold_stops_it_on_all_hosts(self):
        done = self.run_it(PAUSE_EVERYWHERE, "second.success < 50% over 2s")
        self.assert_exit(done, 5)
        self.assert_clean_within(1)
        report = self.report_of_run()
        self.assertEqual(len(report["hosts"]), 3)
        self.assertTrue(all(host["clean"] for host in report["hosts"]), report["hosts"])
        print("measured: from the deciding sample to the last revert over 3 hosts:",
              f"{report['abort']['latency_us'] / 1000:.1f} ms (bar 250 ms)")

    def test_the_controller_is_killed(self):
        child = self.begin_and_wait(PAUSE_EVERYWHERE)
        child.kill()
        self.assert_clean_within(LEASE + MARGIN)
        for host in self.hosts:
            self.no_executor_is_left(host)
        self.assert_nothing_left_anywhere()

    def test_ctrl_c(self):
        child = self.begin_and_wait(PAUSE_EVERYWHERE)
        os.kill(child.pid, signal.SIGINT)
        child.communicate(timeout=60)
        self.assertEqual(child.returncode, 7)
        self.assert_clean_within(1)
        self.assert_nothing_left_anywhere()

    def test_a_link_is_cut(self):
        child = self.begin_and_wait(PAUSE_EVERYWHERE)
        cut = self.hosts[1]
        cut.cut()
        self.assert_clean_within(LEASE + MARGIN, [cut])
        child.communicate(timeout=200)
        self.assertEqual(child.returncode, 9, "nobody knows how it is there")
        hosts = {host["host"]: host for host in self.report_of_run()["hosts"]}
        self.assertEqual({name for name, host in hosts.items() if host["clean"]},
                         {"app-1", "app-3"})
        self.assertTrue(hosts["app-2"]["lost"], hosts)
        cut.mend()
        self.assert_clean_within(1)
        self.assert_exit(self.ordeal("recover", "--inventory", self.inventory), 0)
        self.assert_nothing_left_anywhere()

    def test_an_executor_is_killed(self):
        child = self.begin_and_wait(PAUSE_EVERYWHERE)
        os.kill(self.hosts[2].executors()[1], signal.SIGKILL)
        child.communicate(timeout=60)
        self.assertEqual(child.returncode, 8)
        self.assert_clean_within(1)
        report = self.report_of_run()
        self.assertEqual(report["verdict"]["host"], "clean", report["hosts"])
        self.assert_nothing_left_anywhere()


if __name__ == "__main__":
    unittest.main(verbosity=2)
