"""Hosts that are containers: fewer capabilities, a seccomp profile, a user namespace, what cannot be written
to or is not there. A matrix: in each, the faults on processes and resources all at once, each fault on
the network, doctor, recover and status. A fault works (exit 0) or is refused with the reason (exit 3);
never is a host called dirty that nothing was done to."""
import concurrent.futures
import os
import platform
import shutil
import subprocess
import sys
import unittest

from harness import BINARIES, HERE, EndToEnd

FILE = """\
version: 1
name: container
hypothesis: It goes on.
slis:
  web: {{ http: {{ url: "http://127.0.0.1:8123/", rate: 20/s, timeout: 300ms }}, min_samples: 1 }}
steady_state: [ web.success >= 1% ]
during: [ host.memory_available > 0.1% ]
abort_if: [ host.memory_available < 0.1% ]
baseline: 1s
warmup: 0s
method:
{method}
recovery: {{ within: 10s, hold: 2s }}
blast_radius: {{ processes: 10, duration: 1m }}
"""
HOST = """\
  - parallel:
      - { fault: process.pause, target: { process: { argv: "sleep 9911" } }, duration: 2s }
      - fault: process.kill
        target: { process: { argv: "sleep 9912" } }
        with: { restore: { argv: [/usr/bin/setsid, --fork, sleep, "9912"] } }
        duration: 2s
      - { fault: cpu.load, with: { load: 5%, workers: 1 }, duration: 2s }
      - { fault: memory.load, with: { size: 8MiB, reserve: 64MiB }, duration: 2s }
      - { fault: disk.fill, with: { path: DISK, size: 8MiB, floor: 1MiB }, duration: 2s }
"""
TRAFFIC = "local_port: 8123, device: lo"
FAULTS = {
    "host": HOST,
    "loss": f"  - {{ fault: network.loss, with: {{ percent: 50%, {TRAFFIC} }}, duration: 2s }}\n",
    "delay": f"  - {{ fault: network.delay, with: {{ latency: 50ms, {TRAFFIC} }}, duration: 2s }}\n",
    "partition": f"  - {{ fault: network.partition, with: {{ {TRAFFIC} }}, duration: 2s }}\n",
}
DOCKER = ("chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw "
          "sys_chroot mknod audit_write setfcap").split()
BEGIN = """\
set -eu
ip link set lo up
mount -t tmpfs -o size=32m tmpfs "$DISK"
python3 "$SERVICE" 8123 >/dev/null 2>&1 &
sleep 9911 & sleep 9912 &
for _ in $(seq 50); do
  python3 -c 'import socket; socket.create_connection(("127.0.0.1", 8123))' 2>/dev/null && break
  sleep 0.1
done
"""
CAPABILITY = "--cap-add NET_ADMIN"


def with_capabilities(*more):
    wanted = ",".join(f"+{name}" for name in (*DOCKER, *more))
    return ["setpriv", f"--bounding-set=-all,{wanted}", "--inh-caps=-all"]


class Containers(EndToEnd):
    def setUp(self):
        super().setUp()
        self.folder.chmod(0o755)
        # Where an ordinary user can read them, wherever this checkout is.
        for name in ("ordeal", "ordeal-executor"):
            shutil.copy2(BINARIES / name, self.folder)
        shutil.copy2(HERE / "service.py", self.folder)

    def cell(self, name, command, inside, prepare="", user=None):
        """The words and the exit code of ordeal in a container of its own."""
        folder = self.folder / name
        disk = folder / "disk"
        disk.mkdir(parents=True)
        file = folder / "container.yaml"
        file.write_text(FILE.format(method=FAULTS.get(command, HOST).replace("DISK", str(disk))
                                    .rstrip("\n")))
        words = {"doctor": ["doctor"], "recover": ["recover"],
                 "status": ["status", "--exit-code"]}.get(command, ["run", str(file)])
        apart = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        if user:
            for path in (folder, disk):
                os.chown(path, user, user)
            apart = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups",
                     *apart, "--user", "--map-root-user"]
        environment = {**self.environment, "ORDEAL_STATE": str(folder / "state"),
                       "SERVICE": str(self.folder / "service.py"), "DISK": str(disk),
                       "STATE": str(folder / "state")}
        done = subprocess.run([*apart, "sh", "-c", f'{BEGIN}{prepare}\n"$@"', "sh", *inside,
                               str(self.folder / "ordeal"), *words], env=environment, text=True,
                              cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=90)
        return done.returncode, " ".join(done.stdout.split())

    def containers(self):
        """name: how one gets into it, and what each command must answer there."""
        works = {"host": (0, ""), "loss": (0, ""), "delay": (0, ""), "partition": (0, ""),
                 "recover": (0, "host clean"), "status": (0, "nothing of ordeal's"),
                 "doctor": (3, "ok nf_tables")}
        no_network = {**works, **{fault: (3, CAPABILITY) for fault in ("loss", "delay", "partition")},
                      "doctor": (3, f"mend: the container needs {CAPABILITY}")}
        unwritable = {fault: (3, "Read-only file system") for fault in FAULTS}
        unwritable.update(doctor=(3, "no state"), recover=(0, "host clean"),
                          status=(0, "nothing of ordeal's"))
        admin = with_capabilities("net_admin")
        read_only = "mount -o remount,bind,ro /\n"
        out = {
            "Docker's default": (with_capabilities(), "", None, no_network),
            "with NET_ADMIN": (admin, "", None, works),
            "user namespace, no root": ([], "", 12345, works),
            "its network is another's": (
                ["unshare", "--user", "--map-root-user"], "", None, no_network),
            "read-only root": (admin, read_only, None, unwritable),
            "read-only root, state in tmpfs": (
                admin, 'mkdir "$STATE"; mount -t tmpfs tmpfs "$STATE"\n' + read_only, None, works),
            "read-only cgroups": (admin, "for at in $(awk '$5 ~ \"^/sys/fs/cgroup\" {print $5}' "
                                  "/proc/self/mountinfo); do mount -o remount,bind,ro $at; done",
                                  None, works),
            "no /sys": (admin, "mount -t tmpfs tmpfs /sys", None, works),
        }
        if platform.machine() == "x86_64":
            seccomp = [sys.executable, str(HERE / "docker_seccomp.py")]
            out["seccomp as Docker's"] = ([*seccomp, *with_capabilities()], "", None, no_network)
            out["seccomp, NET_ADMIN"] = ([*seccomp, *admin], "", None, works)
        return out

    def test_what_runs_and_what_is_refused_and_by_which_words(self):
        cells = []
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for number, (name, (inside, prepare, user, expected)) in enumerate(
                    self.containers().items()):
                for command, wanted in expected.items():
                    done = pool.submit(self.cell, f"{number}-{command}", command, inside, prepare,
                                       user)
                    cells.append((name, command, wanted, done))
        print(flush=True)  # unittest's line ends here
        wrong = []
        for name, command, (code, words), done in cells:
            got, said = done.result()
            good = got == code and words in said and (command != "host" or "Host clean" in said
                                                      or code != 0)
            print(f"| {name:30} | {command:9} | exit {got} | "
                  f"{words or 'works' if good else 'WRONG'}", flush=True)
            if not good:
                wrong.append(f"{name}, {command}: exit {got} instead of {code}, '{words}': "
                             f"{said[-1500:]}")
        if wrong:
            self.fail("\n".join(wrong))

    def test_recovery_with_fewer_rights_than_the_run_is_not_clean(self):
        """The journal names a table that cannot be looked at: that is said, and mended with the right."""
        admin, default = (" ".join(with_capabilities(*more)) for more in (("net_admin",), ()))
        run = f"{self.folder}/ordeal run {self.folder}/1/container.yaml"
        prepare = f"""
sed -i 's/duration: 2s/duration: 60s/' {self.folder}/1/container.yaml
{admin} {run} >/dev/null 2>&1 &
for _ in $(seq 100); do
  {admin} {self.folder}/ordeal status | grep -q '^active' && break
  sleep 0.1
done
sleep 0.5
for deed in STOP KILL; do kill -$deed $(pgrep '^ordeal'); done
code=0; {default} {self.folder}/ordeal recover || code=$?
echo "with fewer: exit $code"
code=0; {default} {self.folder}/ordeal status --exit-code || code=$?
echo "status with fewer: exit $code"
"""
        code, said = self.cell("1", "loss", [*with_capabilities("net_admin"), "sh", "-c",
                                             '"$0" recover'], prepare)
        self.assertIn("with fewer: exit 9", said)
        self.assertIn("CAP_NET_ADMIN", said)
        self.assertIn("status with fewer: exit 9", said)
        self.assertEqual(code, 0, said)
        self.assertIn("host clean", said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
