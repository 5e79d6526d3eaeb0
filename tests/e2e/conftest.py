"""A real browser for the tests that need eyes and hands."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of an installed Chromium."""
    found = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if found is None:
        message = (
            "Chromium is not installed, so nothing was tested in a browser: `make test` installs "
            "it where apt is at hand (scripts/install_chromium.sh)"
        )
        if os.environ.get("CI") or os.environ.get("LABELKIT_REQUIRE_ALL") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return found


@pytest.fixture
def page(chromium: str) -> Iterator[Any]:
    """An empty page in a browser of its own, whose every request stays on this machine."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(_FLAGS))
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        context.route(
            lambda address: not address.startswith(("http://127.0.0.1", "data:", "blob:", "file:")),
            lambda route: route.abort(),
        )
        yield context.new_page()
        context.close()
        browser.close()
