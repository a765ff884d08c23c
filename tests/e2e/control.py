#!/usr/bin/env python3
"""Starts and stops service.py as an init script would. Usage: control.py PORT start|stop"""
import os
import pathlib
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent


def running(port):
    for line in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = line.read_bytes().split(b"\0")
        except OSError:
            continue
        if port.encode() in words and str(HERE / "service.py").encode() in words:
            yield int(line.parent.name)


port, verb = sys.argv[1:]
if verb == "start":
    if not any(running(port)):
        subprocess.Popen([sys.executable, str(HERE / "service.py"), port], cwd="/",
                         start_new_session=True, stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
else:
    for pid in running(port):
        os.kill(pid, signal.SIGTERM)
    for _ in range(100):
        if not any(running(port)):
            break
        time.sleep(0.05)
