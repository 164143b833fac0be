"""A headless Chromium, and a report's page in it that is watched for errors and requests."""

from dataclasses import dataclass, field

import pytest
from headless import FLAGS, MISSING, READY, find

from invented_run import write_run


@dataclass
class Seen:
    """What happened in a page that must not."""

    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def chromium():
    """The browser; tests are skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    path = find()
    if path is None:
        pytest.skip(MISSING)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """The folder of an invented run with its report.html; its parent is where commands are meant to be called."""
    pytest.importorskip("jinja2")
    pytest.importorskip("vl_convert")
    from packlight.report.html import write_html  # after the checks

    folder = tmp_path_factory.mktemp("runs") / "invented run"
    folder.mkdir()
    write_run(folder)
    write_html(folder)
    return folder


@pytest.fixture
def open_page(chromium):
    """Opens a file in a fresh context and fails the test when the page complained or asked for anything."""
    contexts, seen = [], Seen()

    def opened(path, *, width=1280, height=800, scheme="light", scripts=True):
        context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, java_script_enabled=scripts
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: seen.errors.append(message.text))
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        page.on("dialog", lambda dialog: seen.errors.append(dialog.message))
        page.on("request", lambda request: seen.requests.append(request.url))
        page.goto(path.as_uri())
        if scripts:
            page.wait_for_selector(READY, state="attached", timeout=20_000)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert seen.errors == []
    assert all(url.startswith("file:") for url in seen.requests)
    assert len(seen.requests) == len(contexts)


@pytest.fixture
def page(open_page, folder):
    """The invented run's page on a laptop."""
    return open_page(folder / "report.html")
