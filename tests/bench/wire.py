"""A front in a few lines: starts a real ordeal-executor and speaks its wire (engine/wire)."""
import json
import os
import socket
import struct
import subprocess
import time


class Refused(Exception):
    pass


class Executor:
    def __init__(self, path, state):
        self.start([path, "--stdio"], stderr=subprocess.DEVNULL, env={
            "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "ORDEAL_STATE": str(state),
            "ORDEAL_POLICY": str(state / "no-policy.conf")})

    def start(self, argv, **options):
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(argv, stdin=theirs, stdout=theirs, **options)
        theirs.close()
        self.wire = ours
        self.buffer = b""
        self.last_id = 0
        self.pushed = []
        self.answers = {}
        self.hello = self.ask("hello", protocol_min=1, protocol_max=1, version="bench",
                              run="r-bench", seed=1)

    def order(self, kind, **members):
        self.last_id += 1
        text = json.dumps({"v": 1, "kind": kind, "id": self.last_id, **members}).encode()
        self.wire.sendall(struct.pack(">I", len(text)) + text)
        return self.last_id

    def answer(self, order):
        while order not in self.answers:
            fact = self.read()
            if fact["re"]:
                self.answers[fact["re"]] = fact
            elif fact["kind"] == "refused":  # it could not even be read
                raise Refused(fact["text"])
            else:
                self.pushed.append(fact)
        fact = self.answers.pop(order)
        if fact["kind"] == "refused":
            raise Refused(fact["text"])
        return fact

    def ask(self, kind, **members):
        return self.answer(self.order(kind, **members))

    def read(self):
        while len(self.buffer) < 4 or len(self.buffer) < 4 + self.size():
            more = self.wire.recv(1 << 16)
            if not more:
                raise EOFError("the executor is gone")
            self.buffer += more
        size = self.size()
        text, self.buffer = self.buffer[4:4 + size], self.buffer[4 + size:]
        return json.loads(text)

    def size(self):
        return struct.unpack(">I", self.buffer[:4])[0]

    def prepare(self, step, fault, with_, target=None):
        members = {"unit": None, "process": None, "mode": "all", "value_count": None,
                   "value_share": None, "where": None, **(target or {})}
        about = next(one for one in self.hello["faults"] if one["name"] == fault)
        defaults = {one["name"]: one["default_text"] for one in about["parameters"]
                    if one["choices"] and one["default_text"] and one["kind"] != "list"}
        request = {"step": step, "name": fault, "fault": fault, "target": members,
                   "with": {**defaults, **with_},
                   "duration": 600_000_000, "seed": 1, "zero_magnitude": False,
                   "beside": []}
        self.last_prepared = self.ask("prepare", request=request)
        digest = self.last_prepared["digest"]
        self.ask("ready", step=step, digest=digest)
        return digest

    def inject(self, *steps, lease=60_000_000):
        """Each step is (path, digest); all orders are out before the first answer is read."""
        orders = [self.order("inject", step=step, digest=digest, lease=lease)
                  for step, digest in steps]
        return [self.answer(order) for order in orders]

    def revert(self, *steps):
        """(all_reverted, the step_reverted facts, seconds that the caller waited)"""
        self.pushed.clear()
        begun = time.monotonic()
        done = self.ask("revert", steps=list(steps))
        return done, [f for f in self.pushed if f["kind"] == "step_reverted"], \
            time.monotonic() - begun

    def processes(self):
        """pids of keeper and worker."""
        worker = [int(word) for word in open(
            f"/proc/{self.process.pid}/task/{self.process.pid}/children").read().split()]
        return [self.process.pid, *worker[:1]]

    def bye(self):
        self.ask("bye")
        self.wire.close()
        self.process.wait(timeout=30)
