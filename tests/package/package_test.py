#!/usr/bin/env python3
"""The Debian package: what is in it, and that dpkg installs, upgrades, removes and purges it cleanly.

    package_test.py BUILD-FOLDER [TEST ...]

dpkg runs for real, as root, on a throw-away root: an overlay over this machine's own, in mount, pid
and network namespaces of its own. Whatever it does is gone afterwards. Exits with 77 where no
overlay can be mounted."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

SKIPPED = 77
BUILD = pathlib.Path(os.environ.get("ORDEAL_BUILD", "build/release")).resolve()
WORK = pathlib.Path(os.environ.get("ORDEAL_WORK", "/nonexistent"))
ROOT = WORK / "root"
NEXT = "9.9.9"
BEFORE = "0.0.9"
HERE = pathlib.Path(__file__).resolve().parent
UNITS = ("ordeal.service", "ordeal-recover.service")
EXPERIMENT = """\
version: 1
name: hang
hypothesis: Nobody looks.
slis: { victim: { process: { argv: "*sleep 4711", every: 1s } } }
steady_state: [ victim.up ]
abort_if: [ host.memory_available < 1% ]
baseline: 5s
warmup: 0s
method:
  - fault: process.pause
    target: { process: { argv: "*sleep 4711" } }
    duration: 60s
recovery: { within: 5s, hold: 1s }
"""


def pack_as_before():
    """This package as the version before: its number, and its scripts, which dpkg runs in part when
    that is replaced. They are kept in `before`, as they were."""
    parts, folder = WORK / "parts", WORK / "before"
    folder.mkdir()
    subprocess.run(["dpkg-deb", "--raw-extract", str(package("this")), str(parts)], check=True)
    for script in (HERE / "before").iterdir():
        shutil.copy(script, parts / "DEBIAN")
        (parts / "DEBIAN" / script.name).chmod(0o755)
    control = parts / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^Version: .*$", f"Version: {BEFORE}", control.read_text()))
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", str(parts), str(folder)],
                   check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(parts)


def build_packages():
    """The package of this build, the same with a higher version, and the version before. They stay
    in the build folder, for scripts/lane-systemd and for a machine that has nothing else."""
    for folder, options in (("this", []), ("next", ["-D", f"CPACK_PACKAGE_VERSION={NEXT}"])):
        done = subprocess.run(["cpack", "-G", "DEB", "-B", str(WORK / folder), *options], cwd=BUILD,
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            sys.exit(done.stdout)
    kept = BUILD / "package"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir()
    shutil.copy(package("this"), kept)
    pack_as_before()
    for folder in ("before", "next"):
        (kept / folder).mkdir()
        shutil.copy(package(folder), kept / folder)


def package(folder):
    found, = (WORK / folder).glob("ordeal_*.deb")
    return found


def mount_root():
    """An overlay: reads come from this machine's files, writes go to a tmpfs."""
    def mount(*arguments):
        return subprocess.run(["mount", *arguments]).returncode == 0
    layers = WORK / "layers"
    layers.mkdir()
    if not mount("-t", "tmpfs", "tmpfs", str(layers)):
        return False
    for name in ("upper", "work"):
        (layers / name).mkdir()
    ROOT.mkdir()
    if not mount("-t", "overlay", "overlay", "-o",
                 f"lowerdir=/,upperdir={layers}/upper,workdir={layers}/work", str(ROOT)):
        return False
    for name in ("dev", "sys"):
        mount("--rbind", f"/{name}", str(ROOT / name))
    mount("-t", "proc", "proc", str(ROOT / "proc"))
    for name in ("run", "tmp"):
        mount("-t", "tmpfs", "tmpfs", str(ROOT / name))
    for folder in ("before", "this", "next"):
        (ROOT / "tmp" / folder).mkdir()
        shutil.copy(package(folder), ROOT / "tmp" / folder)
    return True


def inside(*argv, check=True, **options):
    done = subprocess.run(["chroot", str(ROOT), *argv], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
                          env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
                               "DEBIAN_FRONTEND": "noninteractive", "TERM": "dumb"}, **options)
    if check and done.returncode:
        raise AssertionError(f"{argv}: exit {done.returncode}\n{done.stdout}")
    return done


def install(folder):
    return inside("dpkg", "--install", f"/tmp/{folder}/{package(folder).name}")


def state():
    return inside("dpkg-query", "--show", "--showformat=${db:Status-Abbrev}", "ordeal",
                  check=False).stdout.strip()


def files_outside():
    """Every path of the throw-away root that differs from this machine's, but for dpkg's own."""
    upper = WORK / "layers/upper"
    found = {str(path.relative_to(upper)) for path in upper.rglob("*") if not path.is_dir()}
    own = re.compile(r"var/(lib/dpkg|log|cache|backups)/|etc/(group|gshadow|passwd|shadow)|"
                     r"etc/subuid|etc/subgid|etc/ld.so.cache|etc/\.pwd\.lock|.*\.pyc$")
    return {path for path in found if not own.match(path)}


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}")


class Contents(unittest.TestCase):
    def fields(self):
        text = subprocess.run(["dpkg-deb", "--field", str(package("this"))], check=True, text=True,
                              capture_output=True).stdout
        return dict(re.findall(r"^([A-Z][\w-]*): (.*)$", text, re.MULTILINE))

    def test_control(self):
        fields = self.fields()
        self.assertEqual(fields["Package"], "ordeal")
        told = subprocess.run([str(BUILD / "ordeal"), "version"], check=True, text=True,
                              capture_output=True).stdout.split()[1]
        self.assertEqual(fields["Version"], told)
        architecture = subprocess.run(["dpkg", "--print-architecture"], check=True, text=True,
                                      capture_output=True).stdout.strip()
        self.assertEqual(fields["Architecture"], architecture)
        for library in ("libc6", "libsqlite3-0", "libssl3", "tzdata"):
            self.assertIn(library, fields["Depends"])
        higher = subprocess.run(["dpkg-deb", "--field", str(package("next")), "Version"],
                                check=True, text=True, capture_output=True).stdout.strip()
        self.assertEqual(higher, NEXT)

    def test_none_is_made_where_its_dependencies_cannot_be_computed(self):
        for missing in ("file", "dpkg-shlibdeps"):
            tools = pathlib.Path(tempfile.mkdtemp(dir=WORK))
            for folder in ("/usr/bin", "/usr/sbin"):
                for tool in pathlib.Path(folder).iterdir():
                    if tool.name != missing and not (tools / tool.name).is_symlink():
                        (tools / tool.name).symlink_to(tool)
            out = WORK / f"without-{missing}"
            # The prefixes that cmake looks into by itself are those of where its program is.
            done = subprocess.run(
                ["cpack", "-G", "DEB", "-B", str(out), "-D", "CMAKE_FIND_USE_CMAKE_SYSTEM_PATH=OFF"],
                cwd=BUILD, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                env={**os.environ, "PATH": str(tools)})
            self.assertNotEqual(done.returncode, 0, done.stdout)
            self.assertIn(f"needs `{missing}`", done.stdout)
            self.assertEqual(list(out.glob("*.deb")), [])

    def test_files_belong_to_root_and_are_what_they_should_be(self):
        listing = subprocess.run(["dpkg-deb", "--contents", str(package("this"))], check=True,
                                 text=True, capture_output=True).stdout
        modes = {}
        for line in listing.splitlines():
            mode, owner, _, _, _, path = line.split(None, 5)
            path = path.removeprefix("./")
            modes[path] = mode
            self.assertEqual(owner, "root/root", line)
            self.assertRegex(mode, r"^[d-]rwxr-xr-x$|^-rw-r--r--$", line)
        for path, mode in (("usr/bin/ordeal", "-rwxr-xr-x"),
                           ("usr/lib/ordeal/ordeal-executor", "-rwxr-xr-x"),
                           ("usr/lib/systemd/system/ordeal.service", "-rw-r--r--"),
                           ("usr/lib/systemd/system/ordeal-recover.service", "-rw-r--r--"),
                           ("usr/lib/sysusers.d/ordeal.conf", "-rw-r--r--"),
                           ("usr/lib/tmpfiles.d/ordeal.conf", "-rw-r--r--"),
                           ("etc/ordeal/policy.conf", "-rw-r--r--"),
                           ("usr/share/ordeal/experiment.schema.json", "-rw-r--r--"),
                           ("usr/share/bash-completion/completions/ordeal", "-rw-r--r--"),
                           ("usr/share/doc/ordeal/copyright", "-rw-r--r--"),
                           ("usr/share/doc/ordeal/start.md", "-rw-r--r--"),
                           ("usr/share/doc/ordeal/examples/01-kill-one-backend.yaml",
                            "-rw-r--r--")):
            self.assertEqual(modes.get(path), mode, path)
        stray = [path for path in modes if not path.endswith("/") and not path.startswith(
            ("usr/bin/", "usr/lib/ordeal/", "usr/lib/systemd/system/", "usr/lib/sysusers.d/",
             "usr/lib/tmpfiles.d/", "usr/share/doc/ordeal/", "usr/share/ordeal/",
             "usr/share/bash-completion/", "etc/ordeal/", "etc/default/"))]
        self.assertEqual(stray, [])

    def test_scripts_are_sound(self):
        scripts = pathlib.Path(tempfile.mkdtemp(dir=WORK))
        subprocess.run(["dpkg-deb", "--control", str(package("this")), str(scripts)], check=True)
        for name in ("postinst", "prerm", "postrm"):
            self.assertTrue(os.access(scripts / name, os.X_OK), name)
            subprocess.run(["sh", "-n", str(scripts / name)], check=True)
        self.assertEqual((scripts / "conffiles").read_text(),
                         "/etc/ordeal/policy.conf\n/etc/default/ordeal\n")
        self.assertIn("usr/bin/ordeal", (scripts / "md5sums").read_text())


class Life(unittest.TestCase):
    """dpkg on the throw-away root; each test begins and ends without the package."""

    def setUp(self):
        inside("dpkg", "--purge", "--force-all", "ordeal", check=False)
        inside("rm", "-rf", "/var/lib/ordeal", "/etc/ordeal")
        self.before = files_outside()
        self.children = []
        self.addCleanup(self.end_children)

    def end_children(self):
        for child in self.children:
            child.kill()
            child.wait()

    def start(self, *argv):
        with open(WORK / "said", "w") as said:
            child = subprocess.Popen(["chroot", str(ROOT), *argv], stdin=subprocess.DEVNULL,
                                     stdout=said, stderr=said)
        self.children.append(child)
        return child

    def begin_run(self):
        """A victim that stands still, and the run that holds it."""
        (ROOT / "tmp/hang.yaml").write_text(EXPERIMENT)
        victim = self.start("sleep", "4711")
        run = self.start("ordeal", "run", "--quiet", "/tmp/hang.yaml")
        wait_until(lambda: self.state_of(victim) == "T" or run.poll() is not None, 60,
                   "the victim is paused")
        self.assertIsNone(run.poll(), (WORK / "said").read_text())
        return victim, run

    @staticmethod
    def state_of(child):
        text = pathlib.Path(f"/proc/{child.pid}/stat").read_text()
        return text.rpartition(")")[2].split()[0]

    def kill_all_of_ordeal(self):
        for deed in (signal.SIGSTOP, signal.SIGKILL):
            for stat in pathlib.Path("/proc").glob("[0-9]*/comm"):
                if stat.read_text().strip() in ("ordeal", "ordeal-executor"):
                    os.kill(int(stat.parent.name), deed)

    def test_install_works_and_purge_leaves_nothing(self):
        install("this")
        self.assertEqual(state(), "ii")
        self.assertTrue(inside("ordeal", "version").stdout.startswith("ordeal "))
        self.assertIn("process.kill", inside("ordeal", "faults").stdout)
        self.assertIn("nothing of ordeal's", inside("ordeal", "status").stdout)
        self.assertIn("ordeal", inside("getent", "group", "ordeal").stdout)
        inside("ordeal", "validate", "/usr/share/doc/ordeal/examples/01-kill-one-backend.yaml")
        completed = inside("bash", "-c", ". /usr/share/bash-completion/completions/ordeal; "
                           "COMP_WORDS=(ordeal sch); COMP_CWORD=1; _ordeal; "
                           "echo ${COMPREPLY[@]}; COMP_WORDS=(ordeal run --rep); COMP_CWORD=2; "
                           "_ordeal; echo ${COMPREPLY[@]}").stdout.split()
        self.assertEqual(completed, ["schema", "schedule", "--report"])
        for unit in UNITS:
            self.assertTrue((ROOT / "etc/systemd/system/multi-user.target.wants" / unit).is_symlink())
        self.assertEqual((ROOT / "var/lib/ordeal").stat().st_mode & 0o777, 0o755)
        inside("dpkg", "--remove", "ordeal")
        self.assertEqual(state(), "rc")
        self.assertFalse((ROOT / "usr/bin/ordeal").exists())
        self.assertTrue((ROOT / "etc/ordeal/policy.conf").exists())
        inside("dpkg", "--purge", "ordeal")
        self.assertFalse((ROOT / "var/lib/ordeal").exists())
        self.assertFalse((ROOT / "etc/ordeal").exists())
        self.assertEqual(files_outside() - self.before, set())

    def test_upgrade_keeps_state_and_the_administrators_policy(self):
        install("this")
        policy = ROOT / "etc/ordeal/policy.conf"
        policy.write_text("max_duration = 5m\n")
        history = ROOT / "var/lib/ordeal/history"
        history.mkdir(parents=True)
        (history / "kept").write_text("x")
        install("next")
        self.assertIn(NEXT, inside("dpkg-query", "--show", "ordeal").stdout)
        self.assertEqual(policy.read_text(), "max_duration = 5m\n")
        self.assertTrue((history / "kept").exists())
        for unit in UNITS:
            self.assertTrue((ROOT / "etc/systemd/system/multi-user.target.wants" / unit).is_symlink())
        inside("dpkg", "--remove", "ordeal")
        install("this")  # back again, configuration and history found
        self.assertEqual(policy.read_text(), "max_duration = 5m\n")
        self.assertTrue((history / "kept").exists())
        inside("dpkg", "--purge", "ordeal")
        self.assertFalse(history.exists())

    def test_upgrade_from_the_version_before(self):
        install("before")
        self.assertIn(BEFORE, inside("dpkg-query", "--show", "ordeal").stdout)
        policy = ROOT / "etc/ordeal/policy.conf"
        policy.write_text("max_duration = 5m\n")
        install("this")
        self.assertEqual(state(), "ii")
        self.assertNotIn(BEFORE, inside("dpkg-query", "--show", "ordeal").stdout)
        self.assertEqual(policy.read_text(), "max_duration = 5m\n")
        for unit in UNITS:
            self.assertTrue((ROOT / "etc/systemd/system/multi-user.target.wants" / unit).is_symlink())
        inside("dpkg", "--purge", "ordeal")
        self.assertEqual(files_outside() - self.before, set())

    def break_program(self):
        """As where a library is missing. A new file: the old one may run."""
        (ROOT / "usr/bin/ordeal").unlink()
        (ROOT / "usr/bin/ordeal").write_text("#!/bin/sh\nexit 127\n")
        (ROOT / "usr/bin/ordeal").chmod(0o755)

    def test_a_program_that_does_not_start_does_not_hold_its_removal(self):
        install("this")
        self.break_program()
        inside("dpkg", "--remove", "ordeal")
        self.assertEqual(state(), "rc")
        inside("dpkg", "--purge", "ordeal")
        self.assertEqual(files_outside() - self.before, set())

    def test_where_it_does_not_start_its_executor_puts_back_what_a_crash_left(self):
        install("this")
        victim, _ = self.begin_run()
        self.break_program()
        done = inside("dpkg", "--remove", "ordeal", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("an experiment goes on", done.stdout)
        self.assertEqual(self.state_of(victim), "T")  # nobody disturbed it
        self.kill_all_of_ordeal()
        said = inside("dpkg", "--remove", "ordeal").stdout
        self.assertIn("undone", said)
        self.assertNotEqual(self.state_of(victim), "T")
        self.assertEqual(state(), "rc")

    def test_a_journal_holds_a_removal_when_nothing_starts(self):
        install("this")
        self.break_program()
        (ROOT / "usr/lib/ordeal/ordeal-executor").write_text("#!/bin/sh\nexit 127\n")
        journal = ROOT / "var/lib/ordeal/journal" / "aaaaaaaa"
        journal.parent.mkdir(parents=True)
        journal.write_bytes(b"half a journal")
        done = inside("dpkg", "--remove", "ordeal", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("/var/lib/ordeal/journal/aaaaaaaa", done.stdout)
        self.assertEqual(state(), "ri")
        journal.unlink()
        inside("dpkg", "--remove", "ordeal")
        self.assertEqual(state(), "rc")

    def test_a_unit_that_was_disabled_stays_so(self):
        install("this")
        inside("env", "SYSTEMD_OFFLINE=1", "systemctl", "disable", "ordeal.service")
        install("next")
        wants = ROOT / "etc/systemd/system/multi-user.target.wants"
        self.assertFalse((wants / "ordeal.service").is_symlink())
        self.assertTrue((wants / "ordeal-recover.service").is_symlink())
        inside("dpkg", "--purge", "ordeal")

    def test_removal_puts_back_what_a_crash_left(self):
        install("this")
        victim, _ = self.begin_run()
        self.kill_all_of_ordeal()
        self.assertEqual(self.state_of(victim), "T")
        said = inside("dpkg", "--remove", "ordeal").stdout
        self.assertIn("undone", said)
        self.assertNotEqual(self.state_of(victim), "T")
        self.assertEqual(state(), "rc")
        inside("dpkg", "--purge", "ordeal")

    def test_removal_is_refused_while_an_experiment_goes_on(self):
        install("this")
        victim, run = self.begin_run()
        done = inside("dpkg", "--remove", "ordeal", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("an experiment goes on", done.stdout)
        self.assertEqual(self.state_of(victim), "T")  # nobody disturbed it
        self.assertEqual(state(), "ri")
        run.send_signal(signal.SIGTERM)
        self.assertEqual(run.wait(60), 7)
        inside("dpkg", "--purge", "ordeal")

    def test_removal_is_refused_on_a_dirty_host_and_no_journal_is_purged(self):
        install("this")
        journal = ROOT / "var/lib/ordeal/journal" / "aaaaaaaa"
        journal.parent.mkdir(parents=True)
        journal.write_bytes(b"half a journal")
        done = inside("dpkg", "--remove", "ordeal", check=False)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertIn("this host is not clean", done.stdout)
        self.assertEqual(state(), "ri")  # removal is wanted, and it is installed
        self.assertTrue(journal.exists())
        journal.unlink()
        inside("dpkg", "--remove", "ordeal")
        journal.write_bytes(b"half a journal")
        (ROOT / "var/lib/ordeal/halt").write_text("x")
        said = inside("dpkg", "--purge", "ordeal").stdout
        self.assertIn("not undone", said)
        self.assertTrue(journal.exists())
        self.assertFalse((ROOT / "var/lib/ordeal/halt").exists())


def main():
    if os.environ.get("ORDEAL_APART") == "yes":
        if not mount_root():
            print("no overlay can be mounted here")
            sys.exit(SKIPPED)
        unittest.main(argv=sys.argv, verbosity=2, warnings="ignore")
    if os.geteuid() != 0 or not shutil.which("cpack") or not shutil.which("unshare"):
        print("needs root, cpack and unshare")
        sys.exit(SKIPPED)
    work = tempfile.mkdtemp(prefix="ordeal-package-")
    environment = {**os.environ, "ORDEAL_WORK": work, "ORDEAL_APART": "yes",
                   "ORDEAL_BUILD": str(pathlib.Path(sys.argv[1]).resolve())}
    globals().update(WORK=pathlib.Path(work), BUILD=pathlib.Path(environment["ORDEAL_BUILD"]))
    try:
        build_packages()
        done = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child",
                               "--mount-proc", "--propagation", "private", sys.executable,
                               os.path.abspath(__file__), *sys.argv[2:]], env=environment, cwd="/")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
