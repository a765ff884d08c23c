"""Three hosts, each a set of namespaces with a real sshd: own network, processes, host name, /etc,
/var/lib, /usr/lib and /run. The controller is whoever uses this, in the network namespace that
run.py gave it; a bridge joins them all. Everything dies with the test."""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

from harness import BINARIES, HERE, EndToEnd, state_of, wait_until

NETWORK = "10.77.0"
CONTROLLER = f"{NETWORK}.1"
UNSHARE = ["unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child",
           "--mount-proc", "--propagation", "private"]
# Arguments: name, its folder, port of the service. stdin: a line when its link is there.
BOOT = """
set -eu
name=$1 folder=$2 port=$3
for part in etc var/lib usr/lib; do
  mkdir -p "$folder/up/$part" "$folder/work/$part"
  mount -t overlay overlay -o "lowerdir=/$part,upperdir=$folder/up/$part,workdir=$folder/work/$part" \
    "/$part"
done
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=700 tmpfs /root
mkdir -p /run/sshd /etc/ordeal "$folder/home" /etc/sudoers.d
rm -rf /var/lib/ordeal /usr/lib/ordeal /etc/ordeal/policy.conf
hostname "$name"
echo "127.0.0.1 localhost $name" > /etc/hosts
echo "chaos:x:7000:7000::$folder/home:/bin/bash" >> /etc/passwd
echo "chaos:*:19000:0:99999:7:::" >> /etc/shadow
echo "chaos:x:7000:" >> /etc/group
echo "chaos ALL=(ALL) NOPASSWD: ALL" > /etc/sudoers.d/chaos
chmod 440 /etc/sudoers.d/chaos
chown 7000:7000 "$folder/home"
read -r go
/usr/sbin/sshd -D -E "$folder/sshd.log" -f "$folder/sshd_config" &
"$4" "$5" "$port" 0.0.0.0 > /dev/null 2>&1 &
wait
"""
SSHD = """\
Port 22
ListenAddress 0.0.0.0
HostKey {folder}/host_key
AuthorizedKeysFile {shared}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
LogLevel VERBOSE
"""
SSH = """\
Host *
  IdentityFile {shared}/key
  IdentitiesOnly yes
  UserKnownHostsFile {shared}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
"""


def ip(*words):
    subprocess.run(["ip", *words], check=True, stdout=subprocess.DEVNULL)


def keygen(path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)],
                   check=True)


class Host:
    SERVICE = 8080

    def __init__(self, bed, number):
        self.name = f"app-{number}"
        self.address = f"{NETWORK}.{10 + number}"
        self.link = f"veth{number}"
        self.folder = bed.folder / self.name
        self.folder.mkdir()
        keygen(self.folder / "host_key")
        (self.folder / "sshd_config").write_text(
            SSHD.format(folder=self.folder, shared=bed.folder))
        self.unshare = subprocess.Popen(
            [*UNSHARE, "bash", "-c", BOOT, "boot", self.name, str(self.folder), str(self.SERVICE),
             # Neither may lie under /root, which is covered there: this repository may.
             "/usr/bin/python3", shutil.copy(HERE / "service.py", self.folder)],
            stdin=subprocess.PIPE, stdout=sys.stderr, stderr=subprocess.STDOUT)
        children = pathlib.Path(f"/proc/{self.unshare.pid}/task/{self.unshare.pid}/children")
        self.pid = int(wait_until(lambda: children.read_text().split(), 10, "a child")[0])
        # unshare has made the namespaces before it forks.
        ip("link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns",
           str(self.pid))
        ip("link", "set", self.link, "master", "fleet", "up")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")
        self.unshare.stdin.write(b"go\n")
        self.unshare.stdin.close()

    def inside(self, *argv):
        # By hand, since nsenter --all would also join our own user and cgroup namespaces.
        return ["nsenter", "-t", str(self.pid), "-n", "-m", "-u", "-i", "-p", "--", *argv]

    def run(self, *argv, check=True, **options):
        return subprocess.run(self.inside(*argv), check=check, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, **options)

    def executor(self):
        """A copy of ordeal-executor where this host sees it."""
        return shutil.copy(EXECUTOR, self.folder)

    def public_key(self):
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])

    def processes(self, argument):
        """pids, as we see them, of processes on this host that have this argument."""
        namespace = os.readlink(f"/proc/{self.pid}/ns/pid")
        found = []
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                same = os.readlink(folder / "ns/pid") == namespace
                if same and argument.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
        return sorted(found)

    def executors(self):
        """keeper first, then worker."""
        return [pid for pid in self.processes("--stdio") if state_of(pid) not in "ZX"
                and b"ordeal-executor" in os.readlink(f"/proc/{pid}/exe").encode()]

    def service(self):
        return self.processes("0.0.0.0")[0]

    def answers(self):
        with contextlib.suppress(OSError), socket.create_connection((self.address, self.SERVICE),
                                                                    timeout=1):
            return True
        return False

    def cut(self):
        """Every packet is lost, in both directions, and nobody is told."""
        for line in ("add table inet cut",
                     "add chain inet cut in { type filter hook input priority -500; policy drop; }",
                     "add chain inet cut out { type filter hook output priority -500; policy drop; }",
                     'add rule inet cut in iif "lo" accept', 'add rule inet cut out oif "lo" accept'):
            self.run("nft", line)

    def mend(self):
        self.run("nft", "delete", "table", "inet", "cut")

    def left(self):
        """What of ordeal's acts on this host, seen without ordeal. A link that is down carries
        nothing; it goes when the run asks how the host was left."""
        out = [line for line in self.run("nft", "list", "tables").stdout.splitlines()
               if "ordeal" in line]
        out += [line for line in self.run("ip", "-brief", "link").stdout.splitlines()
                if "ordeal" in line and " DOWN " not in line]
        if state_of(self.service()) == "T":
            out.append("the service is stopped")
        return out

    def stop(self):
        self.unshare.kill()
        self.unshare.wait()


class Fleet(EndToEnd):
    """A test with `self.hosts`, an inventory file and an ssh configuration that reaches them."""
    HOSTS = 3
    USER = "root"

    def setUp(self):
        super().setUp()
        self.folder.chmod(0o755)  # sshd reads the authorized keys as the user
        ip("link", "add", "fleet", "type", "bridge")
        ip("address", "add", f"{CONTROLLER}/24", "dev", "fleet")
        ip("link", "set", "fleet", "up")
        keygen(self.folder / "key")
        (self.folder / "authorized_keys").write_text((self.folder / "key.pub").read_text())
        (self.folder / "authorized_keys").chmod(0o644)
        self.ssh_config = self.folder / "ssh_config"
        self.ssh_config.write_text(SSH.format(shared=self.folder))
        self.hosts = []
        for number in range(1, self.HOSTS + 1):
            self.hosts.append(Host(self, number))
            self.addCleanup(self.hosts[-1].stop)
        (self.folder / "known_hosts").write_text("".join(
            f"{host.address} {host.public_key()}\n" for host in self.hosts))
        self.inventory = self.write_inventory()
        for host in self.hosts:
            wait_until(lambda: self.ssh(host, "true").returncode == 0, 30, f"sshd of {host.name}")
            wait_until(host.answers, 30, f"the service of {host.name}")

    def write_inventory(self, hosts=None, user=None, sudo=False, name="hosts.yaml"):
        lines = ["version: 1", f"ssh: {{ config: {self.ssh_config} }}", "hosts:"]
        for index, host in enumerate(hosts or self.hosts):
            address = host.address if hasattr(host, "address") else host
            label = host.name if hasattr(host, "name") else f"other-{index}"
            lines.append(f"  {label}: {{ address: \"ssh://{user or self.USER}@{address}\", "
                         f"ip: {address}, sudo: {str(sudo).lower()}, "
                         f"labels: {{ role: app, zone: {'abc'[index % 3]} }} }}")
        return self.write("\n".join(lines) + "\n", name)

    def ssh(self, host, *words, user=None):
        return subprocess.run(["ssh", "-F", str(self.ssh_config), "-o", "BatchMode=yes", "-l",
                               user or self.USER, "--", host.address, *words], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=30)

    def rows(self, done):
        """{host: [state, text]} of the table that the commands over an inventory print."""
        out = {}
        for line in done.stdout.splitlines():
            if line and not line.startswith(" "):
                name, rest = line.split(None, 1)
                out[name] = rest
                last = name
            elif line:
                out[last] += "\n" + line.strip()
        return out

    def no_executor_is_left(self, host):
        wait_until(lambda: not host.executors(), 20, f"no executor on {host.name}")


EXECUTOR = BINARIES / "ordeal-executor"
SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
