"""The page at `/` in a headless browser that may speak to nobody but the server."""

import pytest

from packlight.runtime.predictor import Predictor
from served import serving

pytest_plugins = ["served"]
pytestmark = pytest.mark.browser
TEXT = "play the song queen"


@pytest.fixture
def page(chromium):
    context = chromium.new_context()
    context.set_default_timeout(10_000)
    opened = context.new_page()
    opened.complaints = []
    opened.asked = []
    opened.on("console", lambda message: opened.complaints.append(message.text))
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.on("request", lambda request: opened.asked.append(request.url))
    yield opened
    context.close()


def test_a_text_is_classified_by_hand(page, server, artifact):
    page.goto(server.url)
    page.fill("#text", TEXT)
    page.click("button")
    page.wait_for_selector("#labels li")
    said = Predictor.open(artifact, threads=1).predict([TEXT], top_k=4)[0]
    assert page.locator("#labels .name").all_inner_texts() == [each.label for each in said.top]
    meters = page.locator("#labels meter").evaluate_all("bars => bars.map(bar => bar.value)")
    assert meters == pytest.approx([each.score for each in said.top], abs=1e-5)
    verdict = "out of scope" if said.out_of_scope else said.label
    assert page.inner_text("#verdict") == verdict
    assert page.inner_text("#latency").endswith("ms for this request, network included")
    assert "intent, version 1" in page.inner_text("#card-name")
    assert "MB" in page.inner_text("#figures")
    assert page.complaints == []
    assert all(url.startswith(server.url) for url in page.asked), page.asked


def test_texts_are_shown_as_texts(page, server):
    page.goto(server.url)
    page.fill("#text", "<img src=x onerror=alert(1)>")
    page.press("#text", "Enter")
    page.wait_for_selector("#labels li")
    assert page.locator("img").count() == 0
    assert page.complaints == []


def test_the_interface_is_shown(page, server):
    page.goto(f"{server.url}/docs")
    assert "/v2/models/{model}/infer" in page.inner_text("table")
    assert page.complaints == []


def test_a_key_is_asked_for(page, artifact, monkeypatch):
    monkeypatch.setenv("PACKLIGHT_API_KEY", "secret")
    with serving(artifact) as server:
        page.goto(server.url)
        page.wait_for_selector("#key-row:not([hidden])")
        assert "API key" in page.inner_text("#fault")
        page.fill("#key", "secret")
        page.press("#key", "Tab")
        page.wait_for_selector("#card:not([hidden])")
        page.fill("#text", TEXT)
        page.click("button")
        page.wait_for_selector("#labels li")
