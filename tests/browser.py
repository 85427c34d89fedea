"""A headless Chromium driven through chromedriver, and a screenshot of any page:

    python tests/browser.py ADDRESS FILE.png TEXT [TEXT ...]

It waits until the page shows every TEXT, folds the plots and parameters of a comparison, and scrolls to the last TEXT.
"""

import base64
import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MISSING = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
SIZE = "1500,1000"


class Browser:
    """A WebDriver session (https://www.w3.org/TR/webdriver2): the few commands that are needed."""

    def __init__(self, address: str):
        flags = ["--headless", "--no-sandbox", f"--window-size={SIZE}"]
        options = {"binary": shutil.which("chromium"), "args": flags}
        self.address = address
        session = self.send(
            "session",
            {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}},
        )
        self.address = f"{address}/session/{session['sessionId']}"

    def send(self, command: str, content: dict | None = None):
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"{self.address}/{command}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=90) as answer:
            return json.load(answer)["value"]

    def run(self, script: str):
        return self.send("execute/sync", {"script": script, "args": []})

    def open(self, page: str, *texts: str, seconds: float = 300) -> str:
        """Open a page, wait until it shows every text, and return all it shows."""
        self.send("url", {"url": page})
        deadline = time.monotonic() + seconds
        while True:
            shown = self.run("return document.body.innerText")
            missing = [text for text in texts if text not in shown]
            if not missing:
                return shown
            if time.monotonic() > deadline:
                raise TimeoutError(f"{page} does not show {missing}, but:\n{shown[:2000]}")
            time.sleep(0.5)

    def screen(self, width: int, height: int, touch: bool = False) -> None:
        """Show pages as a screen of this size does, or a phone."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": touch}
        for command, given in (
            ("Emulation.setDeviceMetricsOverride", size),
            ("Emulation.setTouchEmulationEnabled", {"enabled": touch}),
        ):
            self.send("goog/cdp/execute", {"cmd": command, "params": given})

    def screenshot(self, file: Path) -> None:
        Path(file).write_bytes(base64.b64decode(self.send("screenshot")))


@contextmanager
def browser() -> Iterator[Browser]:
    driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True)
    try:
        for line in driver.stdout:
            if port := re.search(r"started successfully on port (\d+)", line):
                break
        session = Browser(f"http://127.0.0.1:{port[1]}")
        try:
            yield session
        finally:  # ends Chromium too
            urllib.request.urlopen(urllib.request.Request(session.address, method="DELETE")).close()
    finally:
        driver.terminate()
        driver.wait()


if __name__ == "__main__":
    page, file, *texts = sys.argv[1:]
    with browser() as session:
        session.open(page, *texts)
        session.run("""
            document.querySelector('[data-component-id$="chat_panel.close"]')?.click()
            for (const part of document.querySelectorAll('[role=button], button, h2, h3'))
                if (['Visualizations', 'Parameters'].includes(part.innerText.trim())) part.click()
        """)
        time.sleep(2)  # until pictures and charts are drawn
        session.run(f"""
            const shown = [...document.querySelectorAll('*')].filter(part => part.innerText?.trim() == {texts[-1]!r})
            shown.at(-1)?.scrollIntoView({{block: 'center'}})
        """)
        session.screenshot(Path(file))
