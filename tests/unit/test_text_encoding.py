"""Encoding long texts; what ids mean is tested with the sequences."""

import threading
import time

import pytest

from omni_audio.model.text import NUM_SPECIAL


@pytest.mark.parametrize("word", ["turn on ", "light", "é<end>"])
def test_long_texts_have_the_ids_of_their_words(tiny_text, word):
    text = word * 2000
    ids = tiny_text.encode(text)
    assert ids == [token + NUM_SPECIAL for token in tiny_text.backend.encode(text).ids]
    assert tiny_text.decode(ids) == text


def test_other_threads_run_while_a_long_text_is_encoded(tiny_text):
    text = "turn on the light " * 60_000
    ticks, is_over = [], threading.Event()

    def tick():
        while not is_over.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    ticking = threading.Thread(target=tick)
    ticking.start()
    start_s = time.perf_counter()
    tiny_text.encode(text)
    end_s = time.perf_counter()
    is_over.set()
    ticking.join()
    middle_s = [at_s for at_s in ticks if start_s + 0.01 < at_s < start_s + (end_s - start_s) / 2]
    assert len(middle_s) > 3
