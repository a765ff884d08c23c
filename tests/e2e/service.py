#!/usr/bin/env python3
"""A service to break: answers every request with 200, after it has asked the service at the port
BEHIND, if one is given, over a connection that it keeps.
Usage: service.py PORT [ADDRESS [BEHIND]]"""
import http.client
import http.server
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the body waits 40 ms for the acknowledgement of the header

    behind = None  # each connection has a handler, and this one of its own

    def ask_behind(self, port):
        self.behind = self.behind or http.client.HTTPConnection("127.0.0.1", port)
        self.behind.request("GET", "/")
        self.behind.getresponse().read()

    def do_GET(self):
        if len(sys.argv) > 3:
            self.ask_behind(int(sys.argv[3]))
        body = b"ok\n"
        self.send_response(200)
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
