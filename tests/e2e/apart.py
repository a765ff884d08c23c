"""Runs commands in network, mount and process namespaces of their own, where all ports are free,
/var/lib/ordeal-services is an empty folder, and whatever is left at the end dies."""
import subprocess

BEGIN = """
set -u
mount -t tmpfs tmpfs /run
mkdir -p /var/lib/ordeal-services
mount -t tmpfs tmpfs /var/lib/ordeal-services
ip link set lo up
"""
UNSHARE = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
           "--propagation", "private"]


def run_apart(script, *arguments, cwd, environment, timeout=150):
    """`script` is Bash; its exit code is the result's."""
    return subprocess.run([*UNSHARE, "bash", "-c", BEGIN + script, "apart", *map(str, arguments)],
                          cwd=cwd, env=environment, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
