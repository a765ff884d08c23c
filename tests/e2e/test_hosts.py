"""Hosts over a real OpenSSH: how they are reached, what is copied there, and the commands that ask
all of them. run.py gives each test a network of its own."""
import shutil
import time
import unittest

from hosts import Fleet

QUICK = 9  # s: ssh gives up on a dead host after 10


class Reaching(Fleet):
    HOSTS = 1

    def doctor(self, inventory=None):
        return self.ordeal("doctor", "--inventory", inventory or self.inventory)

    def row(self, done):
        self.assertIn(done.returncode, (0, 3), done.stdout + done.stderr)
        return next(iter(self.rows(done).values()))

    def copies(self, home="/root"):
        done = self.hosts[0].run("ls", f"{home}/.cache/ordeal", check=False)
        return done.stdout.split()

    def test_copies_once_and_mends(self):
        self.assertIn("copied now", self.row(self.doctor()))
        names = self.copies()
        self.assertEqual(len(names), 1)
        self.assertIn("copied before", self.row(self.doctor()))
        path = f"/root/.cache/ordeal/{names[0]}"
        self.hosts[0].run("truncate", "-s", "-1", path)
        self.assertIn("copied now", self.row(self.doctor()))
        self.hosts[0].run("cmp", path, self.hosts[0].executor())
        self.hosts[0].run("touch", "-d", "-9 days", "/root/.cache/ordeal/ordeal-executor-old")
        self.doctor()
        self.assertEqual(self.copies(), names)

    def test_prefers_what_root_installed(self):
        host = self.hosts[0]
        host.run("install", "-D", "-m", "755", host.executor(), "/usr/lib/ordeal/ordeal-executor")
        self.assertIn("installed: /usr/lib/ordeal/ordeal-executor", self.row(self.doctor()))
        self.assertEqual(self.copies(), [])
        for path in ("/usr/lib/ordeal", "/usr/lib/ordeal/ordeal-executor"):
            host.run("chmod", "g+w", path)
            self.assertIn("copied", self.row(self.doctor()), path)
            host.run("chmod", "g-w", path)
        host.run("chown", "chaos", "/usr/lib/ordeal/ordeal-executor")
        self.assertIn("copied", self.row(self.doctor()))

    def test_another_protocol_is_not_used(self):
        path = "/usr/lib/ordeal/ordeal-executor"
        script = self.write("#!/bin/sh\necho protocol 8 9\n", "other")
        self.hosts[0].run("install", "-D", "-m", "755", script, path)
        self.assertIn("copied now", self.row(self.doctor()))

    def test_sudo(self):
        host = self.hosts[0]
        with_sudo = self.write_inventory(user="chaos", sudo=True, name="sudo.yaml")
        row = self.row(self.doctor(with_sudo))
        self.assertIn(f"copied now: {host.folder}/home/.cache/ordeal/ordeal-executor-", row)
        self.assertIn("may do everything through sudo", row)
        self.assertNotIn("no root", row)
        without = self.write_inventory(user="chaos", name="plain.yaml")
        self.assertIn("no root", self.row(self.doctor(without)))
        host.run("rm", "/etc/sudoers.d/chaos")
        row = self.row(self.doctor(with_sudo))
        self.assertIn("no answer", row)
        self.assertIn("chaos may not start ordeal-executor there through sudo", row)

    def test_ssh_runs_as_who_asked(self):
        seen = self.folder / "who"
        seen.touch()
        seen.chmod(0o666)
        for readable in ("key", "known_hosts"):
            (self.folder / readable).chmod(0o644)  # root's own; ssh is strict about its user's
        self.ssh_config.write_text(f'Match exec "id -u > {seen}"\n' + self.ssh_config.read_text())
        self.lend_root()
        self.assertIn("copied now", self.row(self.doctor()))
        self.assertEqual(seen.read_text(), "65534\n")

    def test_home_where_nothing_may_run(self):
        host = self.hosts[0]
        host.run("mount", "-o", "remount,noexec", "/root")
        row = self.row(self.doctor())
        self.assertIn("/root/.cache/ordeal: programs cannot run there", row)
        self.assertIn("install the package ordeal", row)
        host.run("mkdir", "-p", "/run/user/0")
        self.assertIn("copied now: /run/user/0/ordeal/ordeal-executor-", self.row(self.doctor()))

    def test_full_home(self):
        self.hosts[0].run("mount", "-o", "remount,size=64k", "/root")
        self.assertIn("is the disk full?", self.row(self.doctor()))
        self.assertEqual(self.copies(), [])

    def test_login_scripts_that_print(self):
        (self.hosts[0].folder / "home/.bashrc").write_text("echo Welcome; echo ordeal-ssh maybe\n")
        greeted = self.write_inventory(user="chaos", sudo=True, name="sudo.yaml")
        self.assertIn("copied now", self.row(self.doctor(greeted)))

    def test_wrong_key(self):
        (self.folder / "authorized_keys").write_text("")
        row = self.row(self.doctor())
        self.assertIn("no answer", row)
        self.assertIn("Permission denied (publickey", row)
        self.assertIn(f"ssh -F {self.ssh_config} -l root {self.hosts[0].address}", row)

    def test_unknown_host_key(self):
        (self.folder / "known_hosts").write_text("")
        row = self.row(self.doctor())
        self.assertIn("Host key verification failed", row)
        self.assertIn("its host key is not known", row)

    def test_changed_host_key(self):
        other = (self.folder / "key.pub").read_text().split()[:2]
        (self.folder / "known_hosts").write_text(f"{self.hosts[0].address} {' '.join(other)}\n")
        self.assertIn("find out why before you go on", self.row(self.doctor()))



class SharedHome(Fleet):
    def test_hosts_that_share_a_home_do_not_race_on_the_copy(self):
        """NFS homes: each host has processes of the same numbers, and all copy at once."""
        home = self.folder / "shared-home"
        home.mkdir(mode=0o700)
        for host in self.hosts:
            host.run("mount", "--bind", str(home), "/root")
        for _ in range(4):
            shutil.rmtree(home / ".cache", ignore_errors=True)
            for host in self.hosts:
                host.run("sh", "-c", "echo 20000 > /proc/sys/kernel/ns_last_pid")
            done = self.ordeal("doctor", "--inventory", self.inventory)
            rows = self.rows(done)
            self.assertEqual(len(rows), 3, done.stdout + done.stderr)
            for row in rows.values():
                self.assertIn("copied", row)
            self.assertEqual(len(list((home / ".cache/ordeal").iterdir())), 1)

class Asking(Fleet):
    def test_a_dead_host_holds_nobody_up(self):
        dead = self.hosts[1]
        dead.cut()
        child = self.begin("doctor", "--inventory", self.inventory)
        begun = time.monotonic()
        times = {}
        for line in child.stdout:
            if not line.startswith(" "):
                times[line.split()[0]] = time.monotonic() - begun
        self.assertEqual(child.wait(), 3)
        self.assertEqual(set(times), {host.name for host in self.hosts})
        self.assertLess(times[self.hosts[0].name], QUICK)
        self.assertLess(times[self.hosts[2].name], QUICK)
        self.assertGreater(times[dead.name], QUICK)
        self.assertLess(times[dead.name], 40)

    def test_halt_and_lift(self):
        done = self.ordeal("halt", "--inventory", self.inventory, "--reason",
                           "it's $(reboot) `now`; \"quoted\" \\ *")
        self.assert_exit(done, 0)
        for host in self.hosts:
            self.assertEqual(self.rows(done)[host.name].split(), ["HALTED"])
            self.assertIn("it's $(reboot) `now`; \"quoted\" \\ *",
                          host.run("cat", "/var/lib/ordeal/halt").stdout)
        # One that cannot be told is not halted, and that is said.
        self.hosts[2].cut()
        done = self.ordeal("halt", "--inventory", self.inventory)
        self.assert_exit(done, 9)
        self.assertIn("no answer", self.rows(done)["app-3"])
        self.hosts[2].mend()
        self.assert_exit(self.ordeal("halt", "--lift", "--inventory", self.inventory), 0)
        for host in self.hosts:
            self.assertFalse(host.run("ls", "/var/lib/ordeal/halt", check=False).stdout)

    def test_recover(self):
        self.assert_exit(self.ordeal("status", "--exit-code", "--inventory", self.inventory), 0)
        done = self.ordeal("recover", "--inventory", self.inventory)
        self.assert_exit(done, 0)
        self.assertEqual({row.split()[0] for row in self.rows(done).values()}, {"clean"})
        # A table that bears our mark and is in no journal: swept on that host and seen on no other.
        self.hosts[0].run("nft", "add table inet ordeal-abcdefgh")
        done = self.ordeal("status", "--exit-code", "--inventory", self.inventory)
        self.assert_exit(done, 9)
        rows = self.rows(done)
        self.assertIn("LEFT", rows["app-1"])
        self.assertEqual(rows["app-2"].split(), ["nothing"])
        done = self.ordeal("recover", "--inventory", self.inventory)
        self.assert_exit(done, 0)
        self.assertIn("undone", self.rows(done)["app-1"])
        self.assertNotIn("undone", self.rows(done)["app-2"])
        self.assertEqual(self.hosts[0].left(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
