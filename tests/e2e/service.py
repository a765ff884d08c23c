#!/usr/bin/env python3
"""A service to break: answers every request with 200. With ports BEHIND it first asks the service at
one of them, the first that answers, over connections that it keeps; 502 when none does.
Usage: service.py PORT [ADDRESS [BEHIND ...]]"""
import http.client
import http.server
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the body waits 40 ms for the acknowledgement of the header

    def setup(self):
        super().setup()
        self.behind = {}  # each connection has a handler, and this one of its own to each port

    def answers(self, port):
        try:
            if port not in self.behind:
                self.behind[port] = http.client.HTTPConnection("127.0.0.1", port)
            self.behind[port].request("GET", "/")
            return self.behind[port].getresponse().read() == b"ok\n"
        except (OSError, http.client.HTTPException):
            del self.behind[port]
            return False

    def do_GET(self):
        ports = [int(port) for port in sys.argv[3:]]
        well = not ports or any(self.answers(port) for port in ports)
        body = b"ok\n"
        self.send_response(200 if well else 502)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass  # the prober gave up; that is its data

    def log_message(self, *unused):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


Server((sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
