"""Pictures of a run's report for the docs: `python tests/browser/take_screenshots.py RUN docs/images`.

Three sizes in light and dark, each from the top of the page, with limits set; 256 colours keep the files small.
"""

import argparse
from io import BytesIO
from pathlib import Path

from headless import FLAGS, MISSING, READY, find
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

SIZES = {"phone": (390, 1900), "laptop": (1280, 1400), "wide": (1920, 1300)}
LIMITS = {"max_size_mb": 60, "min_accuracy": 30}


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    if (path := find()) is None:
        parser.error(MISSING)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=FLAGS)
        for size in SIZES:
            for scheme in ("light", "dark"):
                target = asked.out / f"report-{size}-{scheme}.png"
                take(browser, (asked.run / "report.html").resolve(), target, size, scheme)
        browser.close()


def take(browser: Browser, page_path: Path, target: Path, size: str, scheme: str) -> None:
    """One picture."""
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto(page_path.as_uri())
    page.wait_for_selector(READY, state="attached")
    for name, place in LIMITS.items():
        page.locator(f"#{name}").fill(str(place))
    page.evaluate("document.activeElement.blur(), scrollTo(0, 0)")
    page.wait_for_timeout(500)
    picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(target, optimize=True)
    page.close()


if __name__ == "__main__":
    main()
