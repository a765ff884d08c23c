"""Drives a real Chromium over its own protocol, through a pipe: no driver and no port is needed."""
import base64
import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="ordeal-chromium-")
        to_browser, self.write_end = os.pipe()
        self.read_end, from_browser = os.pipe()
        # It reads commands from 3 and writes answers to 4.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (to_browser, from_browser)]
        self.child = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{ends[0]} 4>&{ends[1]}', "browser", CHROMIUM,
             "--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--disable-gpu",
             "--no-first-run", "--disable-extensions", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
             "--password-store=basic", "--lang=en", f"--user-data-dir={self.folder}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": self.folder, "LANG": "C.UTF-8", "TZ": "UTC"},
            pass_fds=ends, start_new_session=True)
        for end in (to_browser, from_browser, *ends):
            os.close(end)
        self.lock = threading.Condition()
        self.answers, self.events, self.number, self.over = {}, [], 0, False
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        buffer = b""
        with contextlib.suppress(OSError):
            while piece := os.read(self.read_end, 1 << 16):
                buffer += piece
                while b"\0" in buffer:
                    message, _, buffer = buffer.partition(b"\0")
                    self.take(json.loads(message))
        with self.lock:
            self.over = True
            self.lock.notify_all()

    def take(self, message):
        with self.lock:
            if "id" in message:
                self.answers[message["id"]] = message
            else:
                self.events.append(message)
            self.lock.notify_all()

    def ask(self, method, parameters=None, session=None, timeout=90):
        with self.lock:
            self.number += 1
            number = self.number
        message = {"id": number, "method": method, "params": parameters or {}}
        if session:
            message["sessionId"] = session
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        with self.lock:
            self.lock.wait_for(lambda: number in self.answers or self.over, timeout)
            answer = self.answers.pop(number, None)
        if answer is None:
            raise AssertionError(f"Chromium did not answer {method}")
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        return answer["result"]

    def close(self):
        with contextlib.suppress(Exception):
            self.ask("Browser.close", timeout=10)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.wait(10)
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        for end in (self.read_end, self.write_end):
            with contextlib.suppress(OSError):
                os.close(end)
        shutil.rmtree(self.folder, ignore_errors=True)


class Page:
    """One tab. What it logs as an error, and what its policy forbids, is kept in `problems`."""

    def __init__(self, browser, width=1280, height=900, dark=False):
        self.browser = browser
        target = browser.ask("Target.createTarget", {"url": "about:blank"})["targetId"]
        self.target = target
        self.session = browser.ask("Target.attachToTarget",
                                   {"targetId": target, "flatten": True})["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        self.size(width, height)
        self.ask("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})

    def ask(self, method, parameters=None):
        return self.browser.ask(method, parameters, self.session)

    def size(self, width, height):
        self.ask("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})

    def open(self, url):
        self.ask("Page.navigate", {"url": url})

    def run(self, script):
        """The value of an expression of the page; a promise is awaited."""
        answer = self.ask("Runtime.evaluate", {"expression": script, "returnByValue": True,
                                               "awaitPromise": True})
        if "exceptionDetails" in answer:
            raise AssertionError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, script, seconds, what):
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(AssertionError):  # in between two pages
                value = self.run(script)
                if value:
                    return value
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s: {what}: {self.text()[:1500]}")
            time.sleep(0.1)

    def text(self):
        return self.run("document.body ? document.body.innerText : ''") or ""

    def wait_text(self, text, seconds=30):
        return self.wait(f"document.body.innerText.includes({json.dumps(text)})", seconds, text)

    def click(self, selector):
        """As a person does: at the middle of what is visible there."""
        self.wait(f"!!document.querySelector({json.dumps(selector)})", 20, selector)
        box = self.run(f"""(() => {{ const one = document.querySelector({json.dumps(selector)});
            one.scrollIntoView({{ block: 'center' }});
            const box = one.getBoundingClientRect();
            return {{ x: box.x + box.width / 2, y: box.y + box.height / 2 }}; }})()""")
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", {"type": kind, "x": box["x"], "y": box["y"],
                                                  "button": "left", "clickCount": 1})

    def type(self, text):
        self.ask("Input.insertText", {"text": text})

    def key(self, name, modifiers=0):
        codes = {"Tab": 9, "Enter": 13, "Escape": 27}
        down = {"type": "keyDown", "key": name, "code": name, "windowsVirtualKeyCode": codes[name],
                "modifiers": modifiers}
        if name == "Enter":
            down["text"] = "\r"
        self.ask("Input.dispatchKeyEvent", down)
        self.ask("Input.dispatchKeyEvent", {**down, "type": "keyUp"})

    def shot(self, path, whole=False):
        answer = self.ask("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole})
        pathlib.Path(path).write_bytes(base64.b64decode(answer["data"]))

    def events(self, method):
        with self.browser.lock:
            return [one["params"] for one in self.browser.events
                    if one.get("sessionId") == self.session and one["method"] == method]

    def problems(self):
        out = [one["exceptionDetails"].get("exception", {}).get("description",
               one["exceptionDetails"]["text"]) for one in self.events("Runtime.exceptionThrown")]
        for one in self.events("Log.entryAdded"):
            entry = one["entry"]
            if entry["level"] == "error" and entry["source"] != "network":
                out.append(entry["text"])
        return out

    def requested(self):
        return [one["request"]["url"] for one in self.events("Network.requestWillBeSent")]
