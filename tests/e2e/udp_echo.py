#!/usr/bin/env python3
"""Echoes UDP and accepts TCP on the named ports. Usage: udp_echo.py PORT ..."""
import selectors
import socket
import sys

waiting = selectors.DefaultSelector()
for port in map(int, sys.argv[1:]):
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("0.0.0.0", port))
    waiting.register(datagrams, selectors.EVENT_READ)
    waiting.register(socket.create_server(("0.0.0.0", port)), selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in waiting.select():
        if key.fileobj.type == socket.SOCK_DGRAM:
            key.fileobj.sendto(*key.fileobj.recvfrom(64))
        else:
            key.fileobj.accept()[0].close()
