"""Who may speak to `ordeal serve`, and that nothing which a client does keeps anybody from a halt."""
import contextlib
import json
import random
import socket
import stat
import threading
import time
import unittest

from api_bed import Serving
from harness import wait_until


class Door(Serving):
    def raw(self, text, port=None, seconds=10):
        """Sends bytes as they are, and reads until the server closes."""
        with socket.create_connection(("127.0.0.1", port or self.port), seconds) as client:
            client.sendall(text.encode())
            out = b""
            with contextlib.suppress(ConnectionResetError, socket.timeout):
                while piece := client.recv(65536):
                    out += piece
                    if b"\r\n\r\n" in out and b"Connection: keep-alive" in out:
                        break
        return out.decode(errors="replace")

    def test_token_host_origin_and_sizes(self):
        self.serve()
        mode = (self.folder / "state/serve.token").stat().st_mode
        self.assertEqual(stat.S_IMODE(mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.unix_path().stat().st_mode), 0o600)
        self.assertGreaterEqual(len(self.token), 64)

        routes = {(method, path.format(run="r-1121-0140-7f3a", name="x"))
                  for method, path, _ in self.description.operations()}
        changes = {(method, path) for method, path in routes if method != "GET"}
        self.assertGreater(len(changes), 6)
        self.assertGreater(len(routes - changes), 9)
        for method, path in sorted(routes):
            for headers in ({}, {"Authorization": "Bearer " + "0" * 64},
                            {"Authorization": f"Basic {self.token}"}):
                answer = self.ask(method, path, {"reason": "x"}, headers, token=False)
                self.assertEqual((answer.status, answer.code()), (401, "token_required"), path)
                self.assertNotIn("state", answer.body)  # and says nothing of this host
        for path in ("//api/v1/health", "/%61pi/v1/health", "/api/v1/health?ticket=1.0",
                     "/api/v1/nothing", "/nothing", "/api/v1/openapi.json"):
            reply = self.raw(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n\r\n")
            self.assertIn("401", reply.splitlines()[0], path)
        for method, path in sorted(changes):
            for headers in ({"Host": "evil.example"}, {"Host": f"evil.example:{self.port}"}):
                answer = self.ask(method, path, {"reason": "x"}, headers)
                self.assertEqual((answer.status, answer.code()), (403, "host_refused"), path)
            for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
                answer = self.ask(method, path, {"reason": "x"}, {"Origin": origin})
                self.assertEqual((answer.status, answer.code()), (403, "origin_refused"), path)
            if method == "POST":
                answer = self.ask(method, path, "reason=x", {"Content-Type": "text/plain"})
                self.assertEqual((answer.status, answer.code()), (415, "media_type"), path)
        reads = [path.format(run="last") for method, path, _ in self.description.operations()
                 if method == "GET"]
        for path in sorted(set(reads)):
            answer = self.ask("GET", path, headers={"Host": "evil.example"})
            self.assertEqual(answer.code(), "host_refused", path)
            answer = self.ask("GET", path, headers={"Sec-Fetch-Site": "cross-site"})
            self.assertEqual(answer.code(), "origin_refused", path)
        self.assertFalse((self.folder / "state/halt").exists())
        self.assertFalse(self.get("/halt")["halted"])

        large = json.dumps({"experiment": "x" * (1 << 20)})
        for path in ("/validate", "/plan", "/runs"):
            answer = self.ask("POST", path, large, {"Content-Type": "application/json"})
            self.assertEqual((answer.status, answer.code()), (413, "body_too_large"))
        for path in ("/halt", "/runs/last/abort", "/schedules/x/resume"):
            answer = self.ask("POST", path, large, {"Content-Type": "application/json"})
            self.assertEqual((answer.status, answer.code()), (413, "body_too_large"))
        host = f"Host: 127.0.0.1:{self.port}\r\n"
        reply = self.raw(f"GET / HTTP/1.1\r\n{host}X: {'y' * 9000}\r\n\r\n")
        self.assertIn("431", reply.splitlines()[0])
        self.assertIn("400", self.raw("NONSENSE\r\n\r\n").splitlines()[0])
        self.assertIn("400", self.raw(f"GET / HTTP/1.1\r\n{host}{host}\r\n").splitlines()[0])
        self.assertIn("405", self.raw(f"PUT / HTTP/1.1\r\n{host}\r\n").splitlines()[0])
        bearer = f"Authorization: Bearer {self.token}\r\n"
        reply = self.raw(f"GET /../../etc/passwd HTTP/1.1\r\n{host}{bearer}\r\n")
        self.assertIn("404", reply.splitlines()[0])
        page = self.raw(f"GET / HTTP/1.1\r\n{host}\r\n")
        self.assertIn("script-src 'self'", page)
        self.assertNotIn("unsafe", page)
        self.assertNotIn("Access-Control", page)

    def test_the_unix_socket_needs_no_token(self):
        child = self.serve(listen=None)
        self.assertFalse((self.folder / "state/serve.token").exists())
        self.assertEqual(self.ask("GET", "/health", unix=True).status, 200)
        self.assertEqual(self.ask("POST", "/halt", {"reason": "by hand"}, unix=True).status, 200)
        self.assertEqual(self.get("/halt", unix=True), {"halted": True, "reason": "by hand"})
        self.assertEqual(self.ask("DELETE", "/halt", unix=True).status, 200)
        # It stands beside the sockets of runs, and is none.
        self.assertIn("nothing of ordeal's", self.ordeal("status").stdout)
        self.assertIn("no run goes on", self.ordeal("abort").stderr)
        self.stop(child)

    def test_where_it_listens(self):
        done = self.ordeal("serve", "--listen", "0.0.0.0:0")
        self.assert_exit(done, 3)
        self.assertIn("ssh -L", done.stderr)
        for address in ("0.0.0.0:0", "[::]:0", "10.1.2.3:8420", "[fe80::1]:8420"):
            self.assert_exit(self.ordeal("serve", "--listen", address), 3)
        for text in ("8420", "nowhere:8420", "127.0.0.1", "127.0.0.1:99999", "::1:8420"):
            done = self.ordeal("serve", "--listen", text)
            self.assert_exit(done, 3)
            self.assertIn("expected an address and a port", done.stderr)
        token = self.folder / "state/serve.token"
        token.write_text("a" * 64)
        token.chmod(0o644)
        done = self.ordeal("serve", "--listen", "127.0.0.1:0")
        self.assert_exit(done, 3)
        self.assertIn("can be read by others", done.stderr)
        token.unlink()
        child = self.serve("--allow-host", "chaos.example")
        answer = self.ask("GET", "/health", headers={"Host": "chaos.example"})
        self.assertEqual(answer.status, 200)
        answer = self.ask("GET", "/health",
                          headers={"Host": "chaos.example", "Origin": "https://chaos.example"})
        self.assertEqual(answer.status, 200)
        self.stop(child)

    def halt_quickly(self, unix=False):
        """Halts while others hold the server up. It is measured again when this machine was busy:
        the bar is for the best of some, and there is none that failed."""
        took = []
        for _ in range(12):
            begun = time.monotonic()
            answer = self.ask("POST", "/halt", {"reason": "x"}, unix=unix)
            took.append(time.monotonic() - begun)
            self.assertEqual(answer.status, 200, answer.body)
            self.assertTrue(answer.json()["clean"])
            self.assertEqual(self.ask("DELETE", "/halt", unix=True).status, 200)
            if len(took) > 4 and sorted(took)[len(took) // 2] < 0.2:
                break
        print("measured: halt within", [f"{one * 1e3:.0f} ms" for one in sorted(took)])
        self.assertLess(sorted(took)[len(took) // 2], 0.2)

    def flood(self, over):
        """Connections that begin a head, or say nothing, or wait for the page and read nothing."""
        heads = (b"GET / HTTP/1.1\r\nHost: ", b"", b"GET /app.js HTTP/1.1\r\nHost: 127.0.0.1:%d"
                 b"\r\n\r\n" % self.port, b"POST /api/v1/halt HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                 b"Content-Length: 100\r\n" % self.port)
        held = []
        while not over.is_set():
            with contextlib.suppress(OSError):
                client = socket.create_connection(("127.0.0.1", self.port), 10)
                held.append(client)
                client.sendall(heads[len(held) % len(heads)])
            if len(held) > 300:
                held.pop(0).close()
            time.sleep(0.002)
        for client in held:
            client.close()

    def test_a_flood_of_slow_clients_leaves_room_for_a_halt(self):
        child = self.serve()
        over = threading.Event()
        flood = threading.Thread(target=self.flood, args=(over,))
        flood.start()
        try:
            time.sleep(1)
            self.halt_quickly()
            self.halt_quickly(unix=True)
            self.assertEqual(self.get("/health")["status"], "ok")
        finally:
            over.set()
            flood.join()
        self.assertEqual(self.get("/health")["status"], "ok")
        self.stop(child)

    def test_who_has_the_token_cannot_take_all_places_either(self):
        child = self.serve()
        begun = [self.body_begun() for _ in range(64)]
        wait_until(lambda: self.ask("GET", "/health", described=False).status == 503, 10,
                   "all places are taken")
        self.assertEqual(self.ask("GET", "/health", described=False).code(),
                         "too_many_connections")
        self.halt_quickly()
        self.assertEqual(self.ask("GET", "/health", unix=True).status, 200)
        for client in begun:  # a body has 15 s
            client.close()
        wait_until(lambda: self.ask("GET", "/health", described=False).status == 200, 30,
                   "there is room again")
        self.stop(child)

    def test_slow_clients_are_let_go(self):
        child = self.serve()
        begun = time.monotonic()
        with socket.create_connection(("127.0.0.1", self.port), 60) as slow:
            slow.sendall(b"GET / HTTP/1.1\r\nHost: ")
            self.assertEqual(slow.recv(1), b"")  # a head has 5 s
        self.assertGreater(time.monotonic() - begun, 3)
        with self.body_begun() as client:
            self.assertEqual(client.recv(1), b"")
        self.stop(child)

    def body_begun(self):
        client = socket.create_connection(("127.0.0.1", self.port), 60)
        client.sendall((f"POST /api/v1/validate HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
                        f"Authorization: Bearer {self.token}\r\nContent-Length: 1000\r\n"
                        "Content-Type: application/json\r\n\r\n{").encode())
        return client

    def test_no_bytes_bring_it_down(self):
        child = self.serve()
        good = (f"POST /api/v1/validate?a=%20 HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
                f"Authorization: Bearer {self.token}\r\nContent-Type: application/json\r\n"
                "Expect: 100-continue\r\nContent-Length: 21\r\n\r\n"
                '{"experiment": "a:1"}').encode()
        chunked = good.replace(b"Content-Length: 21", b"Transfer-Encoding: chunked").replace(
            b'{"experiment"', b'15\r\n{"experiment"') + b"\r\n0\r\n\r\n"
        chance = random.Random(20261121)
        for number in range(300):
            bytes_now = bytearray(chunked if number % 3 == 0 else good)
            for _ in range(chance.randrange(4)):
                at = chance.randrange(len(bytes_now))
                what = chance.randrange(4)
                if what == 0:
                    bytes_now[at] = chance.randrange(256)
                elif what == 1:
                    del bytes_now[at:at + chance.randrange(1, 40)]
                elif what == 2:
                    bytes_now[at:at] = bytes(chance.randrange(256) for _ in range(8))
                else:
                    bytes_now = bytes_now[:at + 1]
            with socket.create_connection(("127.0.0.1", self.port), 10) as client:
                client.sendall(bytes_now)
                client.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionResetError):
                    client.recv(65536)
            self.assertIsNone(child.poll(), (number, bytes(bytes_now)))
        self.assertEqual(self.get("/health")["status"], "ok")
        self.stop(child)


if __name__ == "__main__":
    unittest.main()
