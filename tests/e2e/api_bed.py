"""`ordeal serve` with its API, and a client for it that checks every answer against the OpenAPI
document."""
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import time

from harness import EndToEnd, wait_until
from openapi import Description

# Pauses a process that the other one cannot feel. What has a rate is only measured: no bound that a
# machine under load could miss.
EXPERIMENT = """\
version: 1
name: pause-one-of-two
hypothesis: The one who looks does not notice.
slis:
  watched: {{ process: {{ argv: "*service.py {port}", every: 1s }} }}
  page: {{ http: {{ url: "http://127.0.0.1:{port}/", rate: 5/s, timeout: 5s }} }}
steady_state: [ watched.up ]
during: [ watched.up ]
abort_if: [ host.memory_available < 1% ]
baseline: 5s
warmup: 0s
method:
  - fault: process.pause
    target: {{ process: {{ argv: "*service.py {other}" }} }}
    duration: {duration}
recovery: {{ within: 20s, hold: 2s }}
"""


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def code(self):
        return self.json()["error"]["code"]


class Serving(EndToEnd):
    def setUp(self):
        super().setUp()
        self.description = Description()
        self.port = 0
        self.token = ""

    def serve(self, *arguments, listen="127.0.0.1:0"):
        more = ["--listen", listen] if listen else []
        self.log = open(self.folder / "serve.log", "a+")
        begin = self.log.tell()
        from harness import ORDEAL
        child = self.start(ORDEAL, "serve", *more, *arguments, env=self.environment,
                           cwd=self.folder, stdout=self.log, stderr=self.log)

        def said():
            text = (self.folder / "serve.log").read_text()[begin:]
            if child.poll() is not None:
                raise AssertionError(f"serve ended with {child.returncode}: {text}")
            return text if "serving" in text else None
        text = wait_until(said, 30, "serve serves")
        if listen:
            self.port = int(re.search(r"page: http://[^ ]*:(\d+)/", text).group(1))
            self.token = pathlib.Path(re.search(r"token: in (.*)", text).group(1)).read_text().strip()
        return child

    def stop(self, child):
        child.send_signal(signal.SIGTERM)
        self.assertEqual(child.wait(timeout=60), 0, (self.folder / "serve.log").read_text())

    def unix_path(self):
        return self.folder / "state/run/serve.sock"

    def ask(self, method, path, body=None, headers=None, unix=False, token=True, described=True,
            timeout=60):
        headers = dict(headers or {})
        if token and not unix:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        if isinstance(body, dict):
            headers.setdefault("Content-Type", "application/json")
            body = json.dumps(body)
        connection = (UnixConnection(self.unix_path(), timeout) if unix else
                      http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout))
        try:
            connection.request(method, "/api/v1" + path, body, headers)
            reply = connection.getresponse()
            answer = Answer(reply.status, reply.headers, reply.read().decode())
        finally:
            connection.close()
        if described:
            self.description.check(method, path.split("?")[0], answer.status,
                                   answer.headers["Content-Type"], answer.body)
        return answer

    def get(self, path, **options):
        answer = self.ask("GET", path, **options)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()

    def experiment(self, duration="3s"):
        _, port = self.service()
        victim, other = self.service()
        return EXPERIMENT.format(port=port, other=other, duration=duration), victim

    def begin_run(self, duration="3s", unix=False):
        text, victim = self.experiment(duration)
        answer = self.ask("POST", "/runs", {"experiment": text, "file": "pause.yaml"}, unix=unix)
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json()["run"], victim

    def wait_for(self, run, state, seconds=90):
        def there():
            row = self.get(f"/runs/{run}")
            return row if row["state"] == state else None
        return wait_until(there, seconds, f"{run} is {state}")


class Stream:
    """Server-sent events of one run."""

    def __init__(self, port, token, run, last=None, timeout=60):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        head = (f"GET /api/v1/runs/{run}/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                f"Authorization: Bearer {token}\r\n")
        if last is not None:
            head += f"Last-Event-ID: {last}\r\n"
        self.socket.sendall((head + "\r\n").encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        while self.file.readline() not in (b"\r\n", b""):
            pass

    def frames(self):
        """(id, event name, data), until the stream ends."""
        frame = {}
        for raw in self.file:
            line = raw.decode().rstrip("\n")
            if line:
                name, _, value = line.partition(": ")
                frame[name] = value
            elif frame:
                if "data" in frame:
                    yield (int(frame["id"]) if "id" in frame else None,
                           frame.get("event", "message"), json.loads(frame["data"]))
                frame = {}

    def close(self):
        self.file.close()
        self.socket.close()


def kill(child):
    os.kill(child.pid, signal.SIGKILL)
    child.wait()


def slept(seconds, condition):
    """Whether a condition stays true for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not condition():
            return False
        time.sleep(0.05)
    return True
