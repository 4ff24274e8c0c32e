"""Which tools a build knows, by its card."""

import pytest

from omni_audio.data.corpora.assistant.parts import MAX_OFFERED
from omni_audio.data.corpora.assistant.tools import ASSISTANT_TOOLS
from omni_audio.data.corpora.commands_tools import TOOLS
from omni_audio.data.corpora.trained_tools import TrainedTools

COMMANDS = {"config": {"data": {"corpus": {"domain": "commands"}}}}
ASSISTANT = {"config": {"data": {"corpus": {"domain": "assistant"}}}}


@pytest.mark.parametrize("card", [COMMANDS, {"config": {"data": {"corpus": {}}}}, {}])
def test_a_build_of_commands_offers_all_six(card):
    offered = TrainedTools.of_card(card).offered(True, [])
    assert offered == {name: tool["parameters"] for name, tool in TOOLS.items()}


def test_a_build_of_the_assistant_domain_offers_what_is_named():
    tools = TrainedTools.of_card(ASSISTANT)
    assert set(tools.parameters) == set(ASSISTANT_TOOLS)
    offered = tools.offered(False, ["set_alarm", "get_weather", "set_alarm"])
    assert list(offered) == ["set_alarm", "get_weather"]
    assert offered["set_alarm"] == ASSISTANT_TOOLS["set_alarm"]["parameters"]
    assert tools.offered(False, []) == {}


def test_other_tools_and_too_many_are_refused():
    tools = TrainedTools.of_card(ASSISTANT)
    with pytest.raises(ValueError, match=r"tool = 'set_tmer' is not allowed: expected one that .* set_timer"):
        tools.offered(False, ["set_tmer"])
    with pytest.raises(
        ValueError, match=f"number of tools = 35 is not allowed: expected at most {MAX_OFFERED}"
    ):
        tools.offered(True, [])
