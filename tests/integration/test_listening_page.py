"""The page of a listening test in a real browser, from the disk: rated by keys and mouse, its file taken by `mos`."""

import json

import pytest
from browser import TIMEOUT_MS, require_chromium
from listening_tests import made_test

from omni_audio.cli import main
from omni_audio.evaluation.listening_format import Role


@pytest.fixture(scope="module")
def browser():
    path = require_chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path)
        yield opened
        opened.close()


@pytest.fixture
def opened(browser):
    """Opens the page of a key; what it asks for and complains of is kept."""
    context = browser.new_context(accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.urls, page.complaints = [], []
    page.on("request", lambda request: page.urls.append(request.url))
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))

    def open_page(key_path):
        page.goto((key_path.parent / "page" / "index.html").as_uri())
        return page

    yield open_page
    context.close()


def begin(page, rater):
    page.fill("#rater", rater)
    page.select_option("#device", "headphones")
    page.select_option("#hearing", "normal")
    page.click("#start")
    page.click("#volume .player button")
    page.click("#volume .next:enabled")


def now_playing(page, section):
    """Plays what the section holds, and gives the clip's id."""
    page.click(f"#{section} .player button:enabled")
    page.wait_for_selector(f"#{section} fieldset:enabled")
    return page.evaluate("performance.getEntriesByType('resource').length"), page.urls[-1].split("/")[-1][:-4]


def go_through(page, key, rate, by_keys):
    """Answers trials and clips; the ids in the order in which the rated part plays them."""
    for _ in key.headphones:
        trial = now_playing(page, "headphones")[1]
        page.keyboard.press(str(key.headphones[trial]))
        page.click("#headphones .next:enabled")
    order = []
    num_asked = len(key.of_role(Role.training)) + sum(
        len(key.of_role(role)) for role in (Role.rated, Role.gold, Role.trap)
    )
    for _ in range(num_asked):
        if by_keys:
            page.keyboard.press("p")
            page.wait_for_selector("#rating fieldset:enabled")
            clip = page.urls[-1].split("/")[-1][:-4]
            page.keyboard.press(str(rate(key.clips[clip])))
            page.keyboard.press("Enter")
        else:
            clip = now_playing(page, "rating")[1]
            page.check(f"#rating input[value='{rate(key.clips[clip])}']")
            page.click("#rating .next:enabled")
        order.append(clip)
    return order[len(key.of_role(Role.training)) :]


def saved(page, folder):
    with page.expect_download() as download:
        page.click("#save")
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def honest(clip):
    levels = {"source": 5, "resynthesis": 4, "degraded": 1}
    return clip.accepted[0] if clip.accepted else levels.get(clip.system, 3)


def test_two_raters_give_files_that_mos_takes(opened, tmp_path, capsys):
    key_path, key = made_test(tmp_path / "test", num_texts=1)
    answers = tmp_path / "answers"
    answers.mkdir()
    orders = []
    for number, by_keys in enumerate((True, False)):
        page = opened(key_path)
        begin(page, f"rater-{number}")
        orders.append(go_through(page, key, honest, by_keys))
        path = saved(page, answers)
        content = json.loads(path.read_text())
        assert [line["clip"] for line in content["ratings"]] == orders[-1]
        assert all(line["plays"] == 1 for line in content["ratings"])
        assert path.name == f"ratings-{key.test_id}-rater-{number}.json"
        assert page.complaints == []
        assert all(url.startswith(("file:", "blob:")) for url in page.urls)
    assert len({tuple(order) for order in orders}) == 2, "each rater has an order of their own"
    assert {frozenset(order) for order in orders} == {frozenset(orders[0])}

    capsys.readouterr()
    assert main.main(["mos", str(answers), "--key", str(key_path)]) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["raters"] == 2
    assert {system: score["value"] for system, score in line["human_mos"].items()} == {
        "source": 5,
        "resynthesis": 4,
        "omni-audio-fake-2025-01-01": 3,
        "degraded": 1,
    }


def test_nothing_is_answered_before_it_was_heard(opened, tmp_path):
    key_path, _ = made_test(tmp_path, num_trials=0)
    page = opened(key_path)
    begin(page, "hasty")
    page.wait_for_selector("#rating:not([hidden])")
    page.keyboard.press("4")
    assert page.locator("#rating input:checked").count() == 0
    assert page.locator("#rating .next").is_disabled()
    assert page.locator("#rating fieldset:disabled").count() == 1


def test_the_start_asks_for_what_is_needed_and_a_lost_sound_is_told(opened, tmp_path):
    key_path, key = made_test(tmp_path)
    (volume,) = key.of_role(Role.volume)
    (key_path.parent / "page" / "sounds" / f"{volume}.wav").unlink()
    page = opened(key_path)
    page.fill("#rater", "two words")
    page.click("#start")
    assert page.locator("#welcome").is_visible()
    page.fill("#rater", "one")
    page.select_option("#device", "earphones")
    page.select_option("#hearing", "unsaid")
    page.click("#start")
    page.wait_for_selector("#error:not(:empty)")
    assert "cannot be played" in page.locator("#error").inner_text()


def test_the_page_tells_a_screen_reader_what_it_shows(opened, tmp_path):
    key_path, _ = made_test(tmp_path, num_trials=0)
    page = opened(key_path)
    assert page.get_by_role("heading", name="How good does this speech sound?").count() == 1
    for name in ("A name or number", "I listen with", "My hearing"):
        assert page.get_by_label(name).count() == 1
    begin(page, "reader")
    now_playing(page, "rating")
    assert page.get_by_role("group", name="The quality of the speech is").count() == 1
    assert page.get_by_role("radio", name="5 Excellent").count() == 1
    assert "Heard" in page.locator("[role=status]").inner_text()
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
