"""The system's Chromium, without a window and with a sound file for a microphone, and the playground's page in it."""

import contextlib
import json
import shutil
import time

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
TIMEOUT_MS = 20_000
POLL_MS = 30


def require_chromium():
    """Path of the browser; skips where it, or Playwright, is missing."""
    pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"needs a Chromium of the system: none of {', '.join(NAMES)} is on the PATH")
    return path


@contextlib.contextmanager
def chromium(microphone_wav):
    """A browser whose microphone plays the file, over and over."""
    path = require_chromium()
    from playwright.sync_api import sync_playwright

    flags = [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone_wav}",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """A page, and what it asked for and complained of."""

    def __init__(self, page):
        self.page = page
        self.urls = []
        self.complaints = []
        self.bodies = []
        page.set_default_timeout(TIMEOUT_MS)
        page.on("request", self._asked)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, url):
        self.page.goto(url)
        self.wait_until("document.querySelector('#status').textContent !== ''")
        return self

    def send(self, text, control="#send"):
        """Types the text and sends it; what the page says afterwards is of this message."""
        self.page.fill("#text", text)
        self.click(control)

    def click(self, control):
        """Clicks; what the page says afterwards is of this click."""
        self.page.evaluate(
            "for (const id of ['status', 'error']) document.getElementById(id).textContent = ''"
        )
        self.page.click(control)

    def wait_until(self, condition):
        """Polls from here: the page's policy forbids the evaluation that Playwright's own wait needs."""
        deadline_s = time.monotonic() + TIMEOUT_MS / 1000
        while not self.page.evaluate(condition):
            said = self.text("#status") + self.text("#error")
            assert time.monotonic() < deadline_s, f"not within the time: {condition}; the page says: {said}"
            self.page.wait_for_timeout(POLL_MS)

    def text(self, selector):
        return self.page.locator(selector).inner_text()

    def figure(self, name):
        """A figure of the last turn."""
        return self.text(f"li:last-child [data-figure='{name}'] dd")

    def wait_for_status(self, text):
        self.wait_until(f"document.querySelector('#status').textContent.includes({json.dumps(text)})")

    def wait_for_error(self):
        self.wait_until("document.querySelector('#error').textContent !== ''")
        return self.text("#error")

    def _asked(self, request):
        self.urls.append(request.url)
        if request.method == "POST":
            self.bodies.append(request.post_data_json)

    def _said(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)
