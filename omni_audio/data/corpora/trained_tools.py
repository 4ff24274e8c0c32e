"""The tools that a build was trained with, by what its card tells of its corpus."""

from dataclasses import dataclass
from typing import Any

from omni_audio.checks import require
from omni_audio.data.corpora.assistant.parts import MAX_OFFERED
from omni_audio.data.corpora.assistant.tools import ASSISTANT_TOOLS
from omni_audio.data.corpora.commands_tools import TOOLS
from omni_audio.data.corpora.synth import CorpusDomain


@dataclass(frozen=True, slots=True)
class TrainedTools:
    """Tools of a domain.

    Attributes:
        parameters: name -> schema of the arguments.
        max_offered: how many of them were offered at once in training.
    """

    parameters: dict[str, dict[str, Any]]
    max_offered: int

    @classmethod
    def of_card(cls, card: dict[str, Any]) -> "TrainedTools":
        """By the card of a build (omni_audio.model.build.load_card); one that names no domain is of commands."""
        domain = card.get("config", {}).get("data", {}).get("corpus", {}).get("domain")
        is_assistant = domain == CorpusDomain.assistant.value
        tools = ASSISTANT_TOOLS if is_assistant else TOOLS
        parameters = {name: tool["parameters"] for name, tool in tools.items()}
        return cls(parameters, MAX_OFFERED if is_assistant else len(parameters))

    def offered(self, every: bool, named: list[str]) -> dict[str, dict[str, Any]]:
        """Schemas of the tools that are asked for.

        Args:
            every: all of them.
            named: these, where not all.

        Raises:
            ValueError: training had none of this name, or never offered so many.
        """
        known = ", ".join(self.parameters)
        for name in named:
            require(
                name in self.parameters,
                "tool",
                name,
                f"one that the model was trained with: {known}",
                "Name one.",
            )
        chosen = dict.fromkeys(self.parameters if every else named)
        require(
            len(chosen) <= self.max_offered,
            "number of tools",
            len(chosen),
            f"at most {self.max_offered}: training offered no more at once",
            f"Name those that fit with --tool, of {known}.",
        )
        return {name: self.parameters[name] for name in chosen}
