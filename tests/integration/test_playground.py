"""The playground in a real browser against real servers: heard, typed, stopped, by mouse and by keyboard alone."""

import base64
import io
import itertools
import json
import re
import threading
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import soundfile
from asking import wait_until
from browser import Watched, chromium

from omni_audio.audio.io import load_audio, save_wav
from omni_audio.audio.units import SAMPLE_RATE_HZ
from omni_audio.serving.settings import DEFAULT_VOICE, SDK_VOICES

DATA = Path(__file__).resolve().parents[1] / "data"
CLIP = DATA / "allison-privacy-prompt.flac"
WORDS = "hello there this is an answer"
SPOKEN = [("text", WORDS), ("sound", 25), ("end", "stop")]
CALL = [("tool", '{"name":"set_timer","arguments":{"value":5,"unit":"minutes"}}'), ("end", "tool_calls")]
HOLD_S = 1.5
ENDLESS_STEP_S = 0.02


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    wav = tmp_path_factory.mktemp("microphone") / "microphone.wav"
    save_wav(wav, load_audio(CLIP))
    with chromium(wav) as made:
        yield made


@pytest.fixture
def watched(browser):
    """Opens the playground of a server in a fresh browser context; nothing may be complained of by default."""
    context = browser.new_context()
    yield Watched(context.new_page())
    context.close()


def sound_of(body):
    """The clip in a request's last message, (S,) at 16 kHz, and the file's facts."""
    part = body["messages"][-1]["content"][-1]
    assert part["type"] == "input_audio"
    assert part["input_audio"]["format"] == "wav"
    data = base64.b64decode(part["input_audio"]["data"], validate=True)
    info = soundfile.info(io.BytesIO(data))
    pcm_S, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    return pcm_S, info


def likeness(part_S, whole_S):
    """Largest normalised correlation of a part with any place of a whole that repeats."""
    whole_S = np.concatenate([whole_S, whole_S])
    products = np.fft.irfft(
        np.fft.rfft(whole_S, 2 * len(whole_S)) * np.conj(np.fft.rfft(part_S, 2 * len(whole_S)))
    )[: len(whole_S) - len(part_S)]
    energies = np.convolve(np.square(whole_S), np.ones(len(part_S)), "valid")[: len(products)]
    return float(np.max(np.abs(products) / np.sqrt(energies * np.sum(np.square(part_S)) + 1e-9)))


def is_drawn(page, selector):
    """Whether a canvas shows many colours."""
    script = """canvas => {
        const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        const colours = new Set();
        for (let at = 0; at < data.length; at += 4) colours.add(data[at] * 65536 + data[at + 1] * 256 + data[at + 2]);
        return colours.size;
    }"""
    return page.locator(selector).evaluate(script) > 20


def test_the_page_loads_from_this_host_alone_and_without_a_complaint(watched, server_url):
    watched.open(server_url)
    page = watched.page
    assert watched.text("#status") == "Ready."
    assert {urlsplit(url).netloc for url in watched.urls} == {urlsplit(server_url).netloc}
    models = page.locator("#model option").all_inner_texts()
    assert models[0].startswith("omni-audio-")
    assert "gpt-4o-audio-preview" in models
    assert page.locator("#voice option").all_inner_texts() == [DEFAULT_VOICE, *SDK_VOICES]
    assert page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length") == 0
    assert watched.complaints == []


def test_the_policy_holds_in_the_browser(watched, server_url):
    watched.open(server_url)
    page = watched.page
    with pytest.raises(Exception, match="TrustedHTML"):
        page.evaluate("document.body.innerHTML = '<b>x</b>'")
    assert page.evaluate("fetch('http://127.0.0.2:9/').then(() => 'asked', () => 'refused')") == "refused"
    assert any("Content Security Policy" in complaint for complaint in watched.complaints)


@pytest.mark.parametrize("way", ["mouse", "keyboard"])
def test_a_held_button_sends_what_the_microphone_heard_and_the_answer_is_heard(watched, scripted_server, way):
    with scripted_server(SPOKEN, step_s=0.005) as url:
        watched.open(url)
        page = watched.page
        if way == "mouse":
            page.locator("#press-to-talk").hover()
            page.mouse.down()
        else:
            page.locator("#press-to-talk").focus()
            page.keyboard.down(" ")
        watched.wait_for_status("Listening.")
        page.wait_for_timeout(1000 * HOLD_S)
        if way == "mouse":
            page.mouse.up()
        else:
            page.keyboard.up(" ")
        watched.wait_for_status("The answer is over.")

        pcm_S, info = sound_of(watched.bodies[-1])
        assert (info.samplerate, info.channels, info.subtype) == (SAMPLE_RATE_HZ, 1, "PCM_16")
        assert HOLD_S - 0.3 < len(pcm_S) / SAMPLE_RATE_HZ < HOLD_S + 1.5
        middle_S = pcm_S[len(pcm_S) // 3 :][: SAMPLE_RATE_HZ // 2]
        assert likeness(middle_S, load_audio(CLIP).numpy()) > 0.5

        assert watched.text("li.answer .words") == WORDS
        assert 0 < int(watched.figure("first-audio").removesuffix(" ms")) < 5000
        heard_s, received_s = re.findall(r"[\d.]+", watched.figure("sound-heard"))
        assert heard_s == received_s == "2.0"
        assert is_drawn(page, "li.request canvas")
        assert is_drawn(page, "li.answer canvas")
        assert "of sound" in watched.figure("usage")

        page.get_by_role("button", name="Play the answer").click()
        watched.wait_until("document.querySelector('.answer .word.now') !== null")
        watched.wait_until("document.querySelector('.answer .word.now') === null")
        assert watched.complaints == []


def test_a_short_press_listens_until_the_next(watched, scripted_server):
    with scripted_server(SPOKEN) as url:
        watched.open(url)
        button = watched.page.locator("#press-to-talk")
        button.click()
        watched.wait_for_status("Listening.")
        watched.page.wait_for_timeout(500)
        assert "Listening" in button.inner_text()
        assert watched.bodies == []
        button.click()
        watched.wait_for_status("The answer is over.")
        assert len(sound_of(watched.bodies[-1])[0]) > 0.3 * SAMPLE_RATE_HZ


def test_a_microphone_that_is_refused_is_told_in_words(watched, server_url):
    watched.open(server_url)
    watched.page.evaluate(
        """() => {
            const refuse = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
            navigator.mediaDevices.getUserMedia = refuse;
        }"""
    )
    watched.page.click("#press-to-talk")
    assert "was not allowed to use the microphone" in watched.wait_for_error()
    assert watched.text("#press-to-talk") == "Hold to talk"
    assert watched.bodies == []


WATCH_MICROPHONE = """() => {
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    window.waiting = new Promise((resolve) => { window.permit = resolve; });
    navigator.mediaDevices.getUserMedia = async (wanted) => {
        await window.waiting;
        window.microphone = await open(wanted);
        return window.microphone;
    };
}"""
MICROPHONE_IS_OFF = "window.microphone?.getTracks().every((track) => track.readyState === 'ended')"


def test_the_microphone_is_let_go_where_the_recorder_cannot_start(watched, server_url):
    watched.open(server_url)
    watched.page.evaluate(WATCH_MICROPHONE)
    watched.page.evaluate(
        "() => { AudioWorklet.prototype.addModule = () => Promise.reject(new Error('no')); }"
    )
    watched.page.evaluate("window.permit()")
    watched.page.click("#press-to-talk")
    assert "recorder cannot be started" in watched.wait_for_error()
    watched.wait_until(MICROPHONE_IS_OFF)
    assert watched.text("#press-to-talk") == "Hold to talk"


@pytest.mark.parametrize("way", ["button", "escape"])
def test_stop_also_ends_a_recording_whose_microphone_is_not_open_yet(watched, server_url, way):
    watched.open(server_url)
    watched.page.evaluate(WATCH_MICROPHONE)
    watched.page.click("#press-to-talk")
    assert "Opening" in watched.text("#press-to-talk")
    if way == "button":
        watched.page.click("#stop")
    else:
        watched.page.keyboard.press("Escape")
    watched.wait_for_status("Stopped.")
    watched.page.evaluate("window.permit()")
    watched.wait_until(MICROPHONE_IS_OFF)
    watched.wait_until("document.querySelector('#press-label').textContent === 'Hold to talk'")
    assert watched.text("#status") == "Stopped."
    assert watched.bodies == []


def test_the_network_itself_answers_a_spoken_request(watched, server_url):
    """The tiny build, untrained: its sound is noise, and it arrives."""
    watched.open(server_url)
    page = watched.page
    page.fill("#max-tokens", "30")
    page.fill("#speed", "2")
    page.set_input_files("#file", CLIP)
    page.click("#send")
    watched.wait_for_status("The answer is over.")
    body = watched.bodies[-1]
    assert body["audio"] == {"voice": "default", "format": "pcm16", "speed": 2}
    assert (body["max_completion_tokens"], body["temperature"], body["stream"]) == (30, 0, True)
    assert int(watched.figure("first-audio").removesuffix(" ms")) > 0
    assert "30 out" in watched.figure("usage")
    assert watched.complaints == []


def test_a_file_is_sent_as_16_khz_mono(watched, scripted_server, tmp_path):
    times_S = np.arange(44_100) / 44_100
    left_S, right_S = 0.5 * np.sin(2 * np.pi * 440 * times_S), np.zeros(44_100)
    path = tmp_path / "stereo.flac"
    soundfile.write(path, np.stack([left_S, right_S], 1), 44_100)
    with scripted_server(SPOKEN) as url:
        watched.open(url)
        watched.page.fill("#text", "what is this")
        watched.page.set_input_files("#file", path)
        watched.page.click("#send")
        watched.wait_for_status("The answer is over.")
    content = watched.bodies[-1]["messages"][-1]["content"]
    assert content[0] == {"type": "text", "text": "what is this"}
    pcm_S, info = sound_of(watched.bodies[-1])
    assert (info.samplerate, info.channels) == (SAMPLE_RATE_HZ, 1)
    assert len(pcm_S) == pytest.approx(SAMPLE_RATE_HZ, abs=20)
    expected_S = 0.25 * np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ)
    assert np.abs(pcm_S[500:15_000] - expected_S[500:15_000]).max() < 0.01
    assert watched.page.locator("#text").input_value() == ""


def test_a_file_that_is_no_sound_is_told_in_words(watched, server_url):
    watched.open(server_url)
    watched.page.set_input_files("#file", DATA / "transcripts.jsonl")
    watched.page.click("#send")
    assert "cannot read transcripts.jsonl as sound" in watched.wait_for_error()
    assert watched.bodies == []


def test_typed_text_is_answered_in_text_and_a_later_turn_brings_the_earlier_ones(watched, scripted_server):
    with scripted_server([("text", "it is noon"), ("end", "stop")]) as url:
        watched.open(url)
        page = watched.page
        page.select_option("#modality", "text")
        assert page.locator("#speed").is_disabled()
        for text in ("what time is it", "are you sure"):
            watched.send(text)
            watched.wait_for_status("Answer: it is noon")
        assert "audio" not in watched.bodies[-1]
        assert [message["role"] for message in watched.bodies[-1]["messages"]] == [
            "user",
            "assistant",
            "user",
        ]
        assert watched.bodies[-1]["messages"][1]["content"] == "it is noon"
        page.click("#new-talk")
        watched.wait_for_status("A new talk")
        assert page.locator("#turns li").count() == 0
        page.keyboard.type("again")
        page.keyboard.press("Enter")
        watched.wait_for_status("Answer: it is noon")
        assert len(watched.bodies[-1]["messages"]) == 1


def test_an_earlier_spoken_answer_is_named_by_its_id(watched, scripted_server):
    with scripted_server(SPOKEN) as url:
        watched.open(url)
        for text in ("one", "two"):
            watched.send(text)
            watched.wait_for_status("The answer is over.")
    earlier = watched.bodies[-1]["messages"][1]
    assert set(earlier) == {"role", "audio"}
    assert earlier["audio"]["id"].startswith("audio_")
    assert watched.complaints == []


@pytest.mark.parametrize("way", ["button", "escape"])
def test_the_answer_is_heard_while_it_streams_and_stop_ends_it(watched, scripted_server, engine_of, way):
    script = [("text", WORDS), ("sound_until", threading.Event())]
    with scripted_server(script, step_s=ENDLESS_STEP_S) as url:
        watched.open(url)
        page = watched.page
        watched.send("talk on")
        watched.wait_until(
            "parseFloat(document.querySelector('[data-figure=sound-heard] dd')?.textContent) >= 0.5"
        )
        assert engine_of(url)["active"] == 1, "it is heard before it is whole"
        assert page.locator("li.answer .word.now").count() == 1
        if way == "button":
            page.click("#stop")
        else:
            page.keyboard.press("Escape")
        watched.wait_for_status("Stopped.")
        wait_until(lambda: engine_of(url)["active"] == 0, 5)
        heard = watched.figure("sound-heard")
        page.wait_for_timeout(400)
        assert watched.figure("sound-heard") == heard
        assert page.locator(".word.now").count() == 0
        assert "Stopped" in watched.text("li.answer")
        assert watched.complaints == []


def test_the_spoken_word_is_marked_from_the_first_to_the_last(watched, scripted_server):
    with scripted_server([("text", WORDS), ("sound", 40), ("end", "stop")]) as url:
        watched.open(url)
        page = watched.page
        page.evaluate("""() => {
            window.marked = [];
            new MutationObserver(() => {
                const word = document.querySelector('.word.now')?.textContent;
                if (word && window.marked.at(-1) !== word) window.marked.push(word);
            }).observe(document.querySelector('#turns'), {subtree: true, attributes: true, childList: true});
        }""")
        watched.send("hello")
        watched.wait_for_status("The answer is over.")
        assert page.evaluate("window.marked") == WORDS.split()


def test_several_calls_are_shown_and_each_needs_its_result(watched, scripted_server):
    """What is asked instead of giving the results leaves the calls out, which no server would take."""
    with scripted_server([CALL[0], ("tool", CALL[0][1].replace("5", "7")), CALL[1]]) as url:
        watched.open(url)
        page = watched.page
        page.click("#example-tools")
        watched.send("set two timers")
        watched.wait_for_status("The answer calls set_timer, set_timer.")
        shown = [json.loads(text) for text in page.locator("li.answer .call pre").all_inner_texts()]
        assert [arguments["value"] for arguments in shown] == [5, 7]
        for place, field in enumerate(page.get_by_label("Result of set_timer").all()):
            field.fill(f"result {place}")
        watched.click("text=Send the result")
        watched.wait_for_status("The answer calls set_timer, set_timer.")
        _, called, *results = watched.bodies[-1]["messages"]
        ids = [call["id"] for call in called["tool_calls"]]
        assert [(result["tool_call_id"], result["content"]) for result in results] == [
            (ids[0], "result 0"),
            (ids[1], "result 1"),
        ]
        watched.send("never mind")
        watched.wait_for_status("The answer calls set_timer, set_timer.")
        roles = [message["role"] for message in watched.bodies[-1]["messages"]]
        assert roles == ["user", "assistant", "tool", "tool", "user"]
        assert watched.complaints == []


def test_a_call_that_a_limit_cut_off_is_no_part_of_the_talk(watched, scripted_server):
    with scripted_server([("tool", CALL[0][1][:-5]), ("end", "length")]) as url:
        watched.open(url)
        watched.page.click("#example-tools")
        watched.send("set a timer")
        watched.wait_for_status("A limit cut the call off.")
        watched.send("once more")
        watched.wait_for_status("A limit cut the call off.")
        assert [message["role"] for message in watched.bodies[-1]["messages"]] == ["user"]
        assert watched.complaints == []


def test_a_tool_call_is_shown_and_its_result_sent(watched, scripted_server):
    with scripted_server(CALL) as url:
        watched.open(url)
        page = watched.page
        page.click("#example-tools")
        assert watched.text("#tools-message") == "1 tool."
        page.select_option("#tool-choice", "required")
        watched.send("set a timer for five minutes")
        watched.wait_for_status("The answer calls set_timer.")
        assert watched.bodies[-1]["tool_choice"] == "required"
        assert watched.bodies[-1]["tools"][0]["function"]["name"] == "set_timer"
        assert "set_timer" in watched.text("li.answer .call")
        assert json.loads(watched.text("li.answer .call pre")) == {"value": 5, "unit": "minutes"}
        page.get_by_label("Result of set_timer").fill('{"ok": true}')
        watched.click("text=Send the result")
        watched.wait_for_status("The answer calls set_timer.")
        asked, called, result = watched.bodies[-1]["messages"]
        assert asked["role"] == "user"
        assert called["tool_calls"][0]["function"]["name"] == "set_timer"
        assert result == {
            "role": "tool",
            "tool_call_id": called["tool_calls"][0]["id"],
            "content": '{"ok": true}',
        }
        assert watched.complaints == []


WRONG_TOOLS = {
    "[{": "expected JSON",
    '{"type": "function"}': "expected a JSON array",
    '[{"type": "custom"}]': "tools[0].type",
    '[{"type": "function", "function": {"name": "a b"}}]': "tools[0].function.name",
    '[{"type": "function", "function": {"name": "a", "parameters": 3}}]': "parameters = 3",
}


def test_the_tools_editor_refuses_what_is_no_list_of_tools(watched, server_url):
    watched.open(server_url)
    page = watched.page
    for text, message in WRONG_TOOLS.items():
        page.fill("#tools", text)
        assert message in watched.text("#tools-message")
        assert page.get_attribute("#tools", "aria-invalid") == "true"
        watched.send("hello")
        error = watched.wait_for_error()
        assert message in error
        assert "is not allowed: expected" in error
        assert page.evaluate("document.activeElement.id") == "tools"
        assert page.input_value("#text") == "hello", "what was typed is not lost"
        page.fill("#tools", "[]")
        assert page.get_attribute("#tools", "aria-invalid") == "false"
        assert watched.text("#tools-message") == "No tools."
    assert watched.bodies == []


def test_a_setting_out_of_range_is_refused(watched, server_url):
    watched.open(server_url)
    page = watched.page
    for control, value, allowed in (
        ("speed", "5", "1"),
        ("temperature", "3", "0"),
        ("max-tokens", "0.5", ""),
    ):
        page.fill(f"#{control}", value)
        watched.send("hello")
        assert f'= "{value}" is not allowed' in watched.wait_for_error()
        assert page.evaluate("document.activeElement.id") == control
        assert page.get_attribute(f"#{control}", "aria-invalid") == "true"
        page.fill(f"#{control}", allowed)
    assert watched.bodies == []


def test_errors_of_the_api_are_told_with_code_and_request(watched, scripted_server):
    with scripted_server([("text", "well"), ("break", "on purpose")]) as url:
        watched.open(url)
        watched.send("hello")
        error = watched.wait_for_error()
        assert re.search(r"\(status 200, code server_error\) Request req_[0-9a-f]{32}\.", error)
        assert "Not part of the talk" in watched.text("li.answer")
        watched.page.evaluate("document.querySelector('#model').append(new Option('x', 'unknown-model'))")
        watched.page.select_option("#model", "unknown-model")
        watched.send("hello again")
        watched.wait_until("document.querySelector('#error').textContent.includes('404')")
        assert "code model_not_found, parameter model" in watched.text("#error")
        assert len(watched.bodies[-1]["messages"]) == 1, "what got no answer is not sent again"


def test_a_key_is_asked_for_and_kept_in_memory_only(watched, live_server, monkeypatch):
    monkeypatch.setenv("OMNI_AUDIO_API_KEYS", "open-sesame")
    with live_server() as url:
        watched.open(url)
        page = watched.page
        assert "asks for an API key" in watched.text("#status")
        assert watched.complaints == []
        page.fill("#api-key", "wrong")
        page.click("#connect")
        assert "status 401, code invalid_api_key" in watched.wait_for_error()
        page.fill("#api-key", "open-sesame")
        page.click("#connect")
        watched.wait_for_status("Ready.")
        page.select_option("#modality", "text")
        page.fill("#max-tokens", "3")
        watched.send("hello")
        watched.wait_for_status("Answer:")
        assert page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length") == 0
        assert "open-sesame" not in "".join(watched.urls)
        page.reload()
        assert page.input_value("#api-key") == ""


def test_the_keyboard_alone_is_enough(watched, scripted_server):
    with scripted_server(SPOKEN) as url:
        watched.open(url)
        page = watched.page
        order = []
        for _ in range(30):
            page.keyboard.press("Tab")
            focused = page.evaluate(
                """() => {
                    const {activeElement: it} = document;
                    const {outlineStyle, outlineWidth} = getComputedStyle(it);
                    return [it.id || it.className || it.tagName, outlineStyle, parseFloat(outlineWidth)];
                }"""
            )
            if focused[0] == "BODY":
                break
            order.append(focused[0])
            assert focused[1:] == ["solid", 3], f"the focus on {focused[0]} cannot be seen"
        assert order == [
            "skip", "press-to-talk", "text", "file", "send", "stop", "new-talk",
            "api-key", "connect", "model", "modality", "voice", "speed", "temperature", "max-tokens",
            "tools", "example-tools", "tool-choice",
        ]  # fmt: skip
        page.keyboard.press("Tab")
        while page.evaluate("document.activeElement.id") != "text":
            page.keyboard.press("Tab")
        page.keyboard.type("hello")
        page.keyboard.press("Enter")
        watched.wait_for_status("The answer is over.")
        page.keyboard.press("Shift+Tab")
        assert page.evaluate("document.activeElement.id") == "press-to-talk"
        page.keyboard.down("Enter")
        watched.wait_for_status("Listening.")
        page.wait_for_timeout(600)
        page.keyboard.up("Enter")
        watched.wait_for_status("The answer is over.")
        assert page.locator("#turns li").count() == 4


def accessible_controls(page):
    """Tag, id and accessible name of all that can be operated, computed by the browser."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "textbox", "combobox", "spinbutton", "link", "Canvas", "image", "region", "list"}
    return [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node["ignored"] and node.get("role", {}).get("value") in roles
    ]


def test_the_page_can_be_read_by_a_screen_reader(watched, scripted_server):
    with scripted_server(SPOKEN) as url:
        watched.open(url)
        page = watched.page
        page.set_input_files("#file", CLIP)
        page.click("#send")
        watched.wait_for_status("The answer is over.")
        nameless = [role for role, name in accessible_controls(page) if not name.strip()]
        assert nameless == []
        names = [name for role, name in accessible_controls(page) if role == "image"]
        assert names[0].startswith("Spectrogram of the request: ")
        assert re.fullmatch(r"Spectrogram of the answer: 2\.0 seconds, 0 to 12 kHz", names[1])
    assert page.locator("h1").count() == 1
    levels = [int(tag[1]) for tag in page.locator("h1,h2,h3").evaluate_all("all => all.map(x => x.tagName)")]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    for landmark in ("header", "main", "aside"):
        assert page.locator(f"body > {landmark}").count() == 1
    assert page.get_attribute("html", "lang") == "en"
    assert page.get_attribute("#status", "role") == "status"
    assert page.get_attribute("#error", "role") == "alert"
    assert page.get_attribute("#tools-message", "aria-live") == "polite"
    ids = page.locator("[id]").evaluate_all("all => all.map(x => x.id)")
    assert len(ids) == len(set(ids))
    for name in ("aria-describedby", "aria-labelledby", "for"):
        targets = page.locator(f"[{name}]").evaluate_all(f"all => all.map(x => x.getAttribute('{name}'))")
        assert set(targets) <= set(ids)


CONTRAST = """element => {
    const parts = colour => colour.match(/[\\d.]+/g).map(Number);
    const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const light = colour => {
        const [r, g, b] = parts(colour).map(v => linear(v / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    let ground = element;
    while (ground && parts(getComputedStyle(ground).backgroundColor)[3] === 0) ground = ground.parentElement;
    const one = light(getComputedStyle(element).color);
    const other = light(getComputedStyle(ground ?? document.body).backgroundColor);
    return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(browser, server_url, scheme):
    context = browser.new_context(color_scheme=scheme, reduced_motion="reduce")
    watched = Watched(context.new_page()).open(server_url)
    page = watched.page
    page.fill("#tools", "[")
    page.click("#send")
    watched.wait_for_error()
    page.evaluate("document.querySelector('#press-to-talk').classList.add('listening')")
    selector = "h1,h2,p:not(:empty),label,legend,button,input,select,textarea,#error"
    ratios = page.locator(selector).evaluate_all(
        f"all => all.map(x => [x.id || x.textContent, ({CONTRAST})(x)])"
    )
    assert [item for item in ratios if item[1] < 4.5] == []
    motion = "getComputedStyle(document.querySelector('#press-to-talk'), '::before').animationName"
    assert page.evaluate(motion) == "none"
    context.close()


def test_it_fits_on_a_screen_of_320_pixels(browser, scripted_server):
    context = browser.new_context(viewport={"width": 320, "height": 640})
    with scripted_server(CALL) as url:
        watched = Watched(context.new_page()).open(url)
        page = watched.page
        page.click("#example-tools")
        watched.send("x" * 200)
        watched.wait_for_status("The answer calls")
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        narrow = page.locator("button").evaluate_all("all => all.filter(x => x.offsetHeight < 44).length")
        assert narrow == 0, "buttons are large enough for a finger"
    context.close()


def test_the_spectrum_is_that_of_numpy(watched, server_url):
    watched.open(server_url)
    signal = np.random.default_rng(0).normal(size=512)
    found = watched.page.evaluate(
        """async signal => {
            const {RealSpectrum} = await import('/playground/fft.js');
            return Array.from(new RealSpectrum(signal.length).magnitudes(signal));
        }""",
        signal.tolist(),
    )
    np.testing.assert_allclose(found, np.abs(np.fft.rfft(signal)), atol=1e-9)
