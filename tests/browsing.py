"""Headless Chromium, for tests that look at a page as a person does. It reaches no host, and tells all that a page asks for.

It is spoken to by the Chrome DevTools Protocol over two pipes: JSON, each message followed by a zero byte
(https://chromedevtools.github.io/devtools-protocol/, `--remote-debugging-pipe`).
"""

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 60  # seconds; only a browser that hangs takes so long
_FLAGS = (
    "--headless",
    "--no-sandbox",  # needs what containers and root do not have; nothing foreign is opened
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--window-size=1366,768",
    "--remote-debugging-pipe",
)

T = TypeVar("T")
Message = dict[str, Any]


def find_chromium() -> str | None:
    """The program, if the machine has it."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def chromium(profile: Path) -> Iterator["Browser"]:
    """A browser with one empty page. profile: a folder of its own."""
    program = find_chromium()
    assert program, "Chromium is not installed"
    ours, theirs = os.pipe(), os.pipe()  # (what it reads, what we write), (what we read, what it writes)
    # It reads from descriptor 3 and writes to 4, which this process may have in use: a shell puts ours there.
    script = f'exec {{answers}}>&{theirs[1]} 3<&{ours[0]} 4>&$answers; exec "$0" "$@"'
    with open(profile.with_suffix(".log"), "wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", script, program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(ours[0], theirs[1]),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    os.close(ours[0])
    os.close(theirs[1])
    try:
        browser = Browser(theirs[0], ours[1])
        yield browser
        browser.send("Browser.close")
        process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()
        os.close(theirs[0])
        os.close(ours[1])


class Browser:
    """One page, and what happened in it, its frames and workers. requested: addresses it asked for, in their order; faults: what
    the console was told of errors."""

    def __init__(self, reads: int, writes: int) -> None:
        self._reads, self._writes = reads, writes
        self._rest = b""
        self._last = 0
        self._answers: dict[int, Message] = {}
        self._contexts: dict[str, int] = {}
        self.requested: list[str] = []
        self.faults: list[str] = []
        [page] = [one for one in self.send("Target.getTargets")["targetInfos"] if one["type"] == "page"]
        attached = self.send("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._page: str = attached["sessionId"]
        self._listen(self._page)

    def send(self, method: str, session: str | None = None, **params: object) -> Message:
        """Calls a method, of the page if a session is given; its result."""
        answer = self._answer(method, session, **params)
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: Message = answer["result"]
        return result

    def _answer(self, method: str, session: str | None = None, **params: object) -> Message:
        number = self._call(method, session, **params)
        return self.wait(lambda: self._answers.pop(number, None), method)

    def _call(self, method: str, session: str | None = None, **params: object) -> int:
        """The same without waiting; the number of its answer."""
        self._last += 1
        number = self._last
        message = {"id": number, "method": method, "params": params} | (
            {"sessionId": session} if session else {}
        )
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._writes, data) :]
        return number

    def wait(self, found: Callable[[], T | None], what: str) -> T:
        """What `found` gives once it gives something; the browser is listened to in between."""
        until = time.monotonic() + PATIENCE
        while (value := found()) is None:
            ready = select.select([self._reads], [], [], 0.05)[0]
            assert time.monotonic() < until, f"waited in vain for {what}"
            if ready:
                self._read()
        return value

    def open(self, path: Path) -> None:
        """Loads a file, and waits until it and all that it asks for is there."""
        self.page("Page.navigate", url=path.resolve().as_uri())
        self.wait(lambda: self.evaluate("document.readyState === 'complete'") or None, f"{path.name} to load")

    def page(self, method: str, **params: object) -> Message:
        """Calls a method of the page."""
        return self.send(method, self._page, **params)

    def evaluate(self, script: str, frame: str | None = None) -> Any:
        """The value of an expression in the page, or in a frame of it; None while another document takes the place of the last one."""
        if frame and frame not in self._contexts:
            return None
        where = {"contextId": self._contexts[frame]} if frame else {}
        asked = {"expression": script, "returnByValue": True, **where}
        answer = self._answer("Runtime.evaluate", self._page, **asked)
        if "context" in answer.get("error", {}).get("message", ""):
            return None
        assert "error" not in answer, f"{script}: {answer['error']}"
        assert "exceptionDetails" not in answer["result"], f"{script}: {answer['result']['exceptionDetails']}"
        return answer["result"]["result"].get("value")

    def frames(self) -> list[str]:
        """The frames in the page, that is, in its main frame, which have been loaded."""
        tree = self.page("Page.getFrameTree")["frameTree"]
        ids = [child["frame"]["id"] for child in tree.get("childFrames", [])]
        return [one for one in ids if one in self._contexts]

    def _listen(self, session: str) -> None:
        """To a page, a frame or a worker, from its first step on. It may be gone before it answers."""
        for domain in ("Network", "Runtime", "Log", "Page"):
            self._call(f"{domain}.enable", session)
        self._call(
            "Target.setAutoAttach", session, autoAttach=True, waitForDebuggerOnStart=True, flatten=True
        )
        self._call("Runtime.runIfWaitingForDebugger", session)

    def _read(self) -> None:
        data = os.read(self._reads, 1 << 20)
        assert data, "the browser has ended"
        *messages, self._rest = (self._rest + data).split(b"\0")
        for one in messages:
            message = json.loads(one)
            if "id" in message:
                self._answers[message["id"]] = message
            else:
                self._happened(message["method"], message["params"], message.get("sessionId"))

    def _happened(self, event: str, about: Mapping[str, Any], session: str | None) -> None:
        match event:
            case "Network.requestWillBeSent":
                self.requested.append(about["request"]["url"])
            case "Network.webSocketCreated" | "Network.webTransportCreated":
                self.requested.append(about["url"])
            case "Runtime.executionContextCreated" if session == self._page:
                context = about["context"]
                if context["auxData"]["isDefault"]:
                    self._contexts[context["auxData"]["frameId"]] = context["id"]
            case "Runtime.executionContextDestroyed" if session == self._page:
                gone = about["executionContextId"]
                self._contexts = {frame: one for frame, one in self._contexts.items() if one != gone}
            case "Runtime.exceptionThrown":
                details = about["exceptionDetails"]
                self.faults.append(details.get("exception", {}).get("description") or details["text"])
            case "Runtime.consoleAPICalled" if about["type"] in ("error", "assert"):
                self.faults.append(" ".join(str(one.get("value", "")) for one in about["args"]))
            case "Log.entryAdded" if about["entry"]["level"] == "error":
                self.faults.append(about["entry"]["text"])
            case "Target.attachedToTarget" if about["waitingForDebugger"]:
                self._listen(about["sessionId"])
