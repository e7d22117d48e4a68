"""A real site and a real browser: `manage.py up` in processes of its own, Chromium with its driver."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.servers import CHROMIUM
from tests.waiting import NeverHappened, wait_for

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)
NO_SCRIPTS = {"profile.managed_default_content_settings.javascript": 2}
PATIENCE = 40.0
TRIES = 20


class Site:
    """The whole platform with its demo, on a free port."""

    def __init__(self, environment: dict[str, str], data_dir: Path) -> None:
        self._environment = environment
        self._data_dir = data_dir
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self.address = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[str] | None = None
        self._said = ""

    def up(self) -> None:
        """Start, and wait until it says that it is up."""
        self._said = ""
        command = [sys.executable, "manage.py", "up", "--port", str(self._port), "--data-dir", str(self._data_dir)]
        process = self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._listen, args=(process,), daemon=True).start()
        try:
            wait_for(lambda: "Podium is up" in self._said or process.poll() is not None, what="the site", timeout=300)
        except NeverHappened:
            self.down()
        assert "Podium is up" in self._said, self._said

    def down(self) -> None:
        """Stop, and wait until nothing of it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(60)

    def api(self, path: str, body: Any = None) -> Any:
        """Return what the API answers to a GET, or to a POST where there is a body."""
        key = (self._data_dir / "demo-key").read_text(encoding="ascii").strip()
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}/api/v1/{path}", data=data, headers=headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def start(self, workflow: str, **given: Any) -> str:
        """Start an execution; return its id."""
        return str(self.api(f"workflows/{workflow}/execute", {"variables": given})["execution_id"])

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        with process.stdout as output:
            for line in output:
                self._said += line


class Browser:
    """Chromium, with the few words that the tests need."""

    def __init__(self, site: Site, driver: webdriver.Chrome) -> None:
        self.site = site
        self.driver = driver

    def log_in(self) -> None:
        """Log in with the demo's login."""
        self.open("/login")
        self.one("#id_username").send_keys("demo")
        self.one("#id_password").send_keys("demo")
        self.click("button.main")
        wait_for(lambda: self.driver.current_url == f"{self.site.address}/", what="the first page", timeout=PATIENCE)

    def open(self, path: str) -> None:
        """Open a page of the site."""
        self.driver.get(self.site.address + path)

    def open_live(self, path: str) -> None:
        """Open a page and wait until it is live."""
        self.open(path)
        self.until_live()

    def until_live(self) -> None:
        """Wait until the page says that it is live."""
        self.until("return document.getElementById('live-words').textContent === 'Live'", "the page to be live")

    def one(self, selector: str) -> WebElement:
        """Return the one element that a selector finds; between two pages there is none for a moment."""
        found = wait_for(
            lambda: self.driver.find_elements(By.CSS_SELECTOR, selector), what=selector, timeout=PATIENCE, pause=0.05
        )
        return found[0]

    def text(self, selector: str) -> str:
        """Return the text of the one element that a selector finds, as a person sees it."""
        return self._with(selector, lambda element: element.text)

    def attribute(self, selector: str, name: str) -> str | None:
        """Return an attribute of the one element that a selector finds."""
        return self._with(selector, lambda element: element.get_attribute(name))

    def click(self, selector: str) -> None:
        """Click an element, brought into view first."""

        def act(element: WebElement) -> None:
            self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
            element.click()

        self._with(selector, act)

    def _with(self, selector: str, act: Callable[[WebElement], T]) -> T:
        """Do something with an element; find it again where the page replaced it between the finding and the doing."""
        for _ in range(TRIES - 1):
            with suppress(StaleElementReferenceException):
                return act(self.one(selector))
        return act(self.one(selector))

    def ask(self, script: str, *arguments: Any) -> Any:
        """Return what a script returns."""
        return self.driver.execute_script(script, *arguments)

    def until(self, script: str, what: str, *arguments: Any) -> Any:
        """Wait until a script returns something true."""
        return wait_for(lambda: self.ask(script, *arguments), what=what, timeout=PATIENCE, pause=0.05)

    def states(self, box: str) -> dict[str, str]:
        """Return the states of the rows in a list, by id."""
        rows = "[...document.getElementById(arguments[0]).children]"
        script = f"return Object.fromEntries({rows}.map(row => [row.id, row.dataset.state]))"
        found: dict[str, str] = self.ask(script, box)
        return found

    def complaints(self) -> list[str]:
        """Return what the browser complained of: errors of scripts, breaches of the policy."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]


@contextmanager
def browsing(site: Site, *, scripts: bool = True) -> Iterator[Browser]:
    """Start a browser with a fresh profile, and end it."""
    profile = tempfile.mkdtemp(prefix="podium-browser-")
    options = webdriver.ChromeOptions()
    options.binary_location = next(path for name in CHROMIUM if (path := shutil.which(name)))
    for flag in (*FLAGS, f"--user-data-dir={profile}", "--window-size=1300,1000"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    if not scripts:
        options.add_experimental_option("prefs", NO_SCRIPTS)
    service = Service(shutil.which("chromedriver"), log_output=os.devnull)
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield Browser(site, driver)
    finally:
        driver.quit()
        shutil.rmtree(profile, ignore_errors=True)
