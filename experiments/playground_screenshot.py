"""Makes docs/playground.png: a spoken request and its answer while it is heard, in the system's Chromium.

omni-audio serve
python experiments/playground_screenshot.py http://127.0.0.1:8000 request.wav docs/playground.png
"""

import argparse
import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from omni_audio.checks import require, require_file

LIMIT_BYTES = 200 * 1024
NUM_COLOURS = 128
VIEW = {"width": 1120, "height": 960}
HEARD_S = 1.0
"""The picture is taken when so much of the answer was heard."""

HAS_HEARD = f"""() => {{
    const heard = document.querySelector('.answer [data-figure=sound-heard] dd');
    return heard !== null && parseFloat(heard.textContent) >= {HEARD_S};
}}"""


def wait_until(page: Page, condition: str) -> None:
    """Polls: the page's policy forbids the evaluation that Playwright's own wait needs."""
    while not page.evaluate(condition):
        page.wait_for_timeout(50)


def main() -> None:
    """Reads the arguments and takes the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", help="of a server")
    parser.add_argument("sound", type=Path, help="of the request")
    parser.add_argument("picture", type=Path, help="PNG to write")
    args = parser.parse_args()
    require_file("sound", args.sound)
    chromium = shutil.which("chromium")
    require(chromium is not None, "chromium", None, "a program on the PATH", "Install Chromium.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        page = browser.new_page(viewport=VIEW, color_scheme="light")
        page.goto(args.url)
        wait_until(page, "document.querySelector('#status').textContent === 'Ready.'")
        page.set_input_files("#file", args.sound)
        page.click("#send")
        wait_until(page, HAS_HEARD)
        page.evaluate("scrollTo(0, 0)")
        with Image.open(io.BytesIO(page.screenshot())) as shot:
            shot.quantize(NUM_COLOURS).save(args.picture, optimize=True)
        browser.close()
    num_bytes = args.picture.stat().st_size
    require(num_bytes < LIMIT_BYTES, "picture", num_bytes, f"below {LIMIT_BYTES} bytes", "Make VIEW smaller.")
    print(f"{args.picture}: {num_bytes} bytes")


if __name__ == "__main__":
    main()
