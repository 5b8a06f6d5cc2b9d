"""A real browser: what it shows of a page, asks the network for, and complains of."""

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from tests.waiting import eventually

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-prefers-reduced-motion",
)

OWN = ("blob", "chrome", "data")
"""Schemes of what a page holds itself, and of the page with which the browser begins."""

DRAWN = """
return [...document.querySelectorAll('.chart')].every(c => c.querySelectorAll('.main-svg').length)
"""


@contextmanager
def browser(folder: Path) -> Iterator["Browser"]:
    """Chromium, with a profile of its own in the folder; skips where there is none."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("needs Chromium and its driver (Debian: apt install chromium-driver)")
    options = Options()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options, Service(driver))
    try:
        yield Browser(chrome)
    finally:
        chrome.quit()


class Browser:
    """A browser that is open."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def show(self, page: Path, *, width: int = 1400, dark: bool = False) -> None:
        """Open a page in a window of that width, and wait until its charts are drawn."""
        # What was logged before.
        self.complaints()
        self.requests()
        self.look(width=width, dark=dark)
        self.driver.get(page.as_uri())
        eventually(lambda: self.run(DRAWN), 20, "charts that are drawn")

    def look(self, *, width: int = 1400, dark: bool = False) -> None:
        """As a screen of that width shows it, by day or by night."""
        phone = width < 600
        self._command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=phone,
        )
        self._command("Emulation.setTouchEmulationEnabled", enabled=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._command("Emulation.setEmulatedMedia", features=[scheme])

    def run(self, script: str) -> Any:
        """What a script gives back."""
        return self.driver.execute_script(script)

    def complaints(self) -> list[str]:
        """What was written to the console since the last look."""
        return [entry["message"] for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def requests(self) -> list[str]:
        """What was asked for since the last look, but for files of this machine and data."""
        logged = self.driver.get_log("performance")  # type: ignore[no-untyped-call]
        events = [orjson.loads(entry["message"])["message"] for entry in logged]
        asked = [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in asked if urlsplit(url).scheme not in OWN]

    def picture(self, path: Path) -> None:
        """The whole page, as long as it is."""
        height = self.run("return document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": self.run("return innerWidth"), "height": height}
        shot = self._command(
            "Page.captureScreenshot", captureBeyondViewport=True, clip={**clip, "scale": 1}
        )
        path.write_bytes(base64.b64decode(shot["data"]))

    def printed(self) -> bytes:
        """The page as PDF."""
        told = self._command("Page.printToPDF", printBackground=True)
        return base64.b64decode(told["data"])

    def save_to(self, folder: Path) -> None:
        """Where what is downloaded goes."""
        self._command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def _command(self, name: str, **parameters: Any) -> Any:
        return self.driver.execute_cdp_cmd(name, parameters)
