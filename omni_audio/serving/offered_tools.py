"""What a request lets the model call: its tools, or the functions that they replaced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from omni_audio.model.request import MAX_CALLS
from omni_audio.serving.errors import ApiError, invalid_value, unsupported
from omni_audio.serving.json_schemas import check_schema
from omni_audio.serving.schemas import (
    AllowedTools,
    ChatRequest,
    CustomTool,
    FunctionSpec,
    NamedFunction,
    NamedToolChoice,
)


@dataclass(frozen=True, slots=True)
class OfferedTools:
    """What may be called: name -> schema of the arguments, None for any object; whether one must be, and how often."""

    schemas: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    is_required: bool = False
    max_calls: int = 1


def offered_tools(request: ChatRequest, usual_max_calls: int) -> OfferedTools:
    """Takes tools with tool_choice and parallel_tool_calls, or functions with function_call.

    Args:
        request: the checked body.
        usual_max_calls: how many calls an answer of the build may hold where the request does not say.

    Raises:
        ApiError: 400, both are there, a name is there twice or is chosen and not there, a schema is refused, or the
            kind of a tool or choice is not served.
    """
    if request.tools is not None and request.functions is not None:
        message = "Invalid 'functions': only allowed without tools, which replaced them. Send one of the two."
        raise invalid_value("functions", message)
    schemas = _schemas(request)
    if request.functions is None and request.function_call not in (None, "none"):
        raise _needless("function_call", "functions")
    if not request.tools and request.tool_choice not in (None, "none"):
        raise _needless("tool_choice", "tools")
    choice = request.function_call if request.functions is not None else request.tool_choice
    if choice == "none":
        return OfferedTools()
    max_calls = {None: usual_max_calls, True: MAX_CALLS, False: 1}[request.parallel_tool_calls]
    if isinstance(choice, AllowedTools):
        param, wanted = "tool_choice.allowed_tools.tools", choice.allowed_tools
        chosen: dict[str, dict[str, Any] | None] = {}
        for index, tool in enumerate(wanted.tools):
            chosen |= _only(schemas, tool.function.name, f"{param}[{index}].function.name", "tools").schemas
        return OfferedTools(chosen, wanted.mode == "required", max_calls)
    if isinstance(choice, NamedToolChoice):
        return _only(schemas, choice.function.name, "tool_choice.function.name", "tools")
    if isinstance(choice, NamedFunction):
        return _only(schemas, choice.name, "function_call.name", "functions")
    if request.functions is not None:
        return OfferedTools(schemas)
    return OfferedTools(schemas, choice == "required", max_calls)


def _schemas(request: ChatRequest) -> dict[str, dict[str, Any] | None]:
    schemas: dict[str, dict[str, Any] | None] = {}
    for param, function in _functions(request):
        if function.name in schemas:
            message = f"Invalid '{param}.name': {function.name!r} is there twice. Rename one."
            raise invalid_value(f"{param}.name", message)
        if function.parameters is not None:
            check_schema(function.parameters, f"{param}.parameters", strict=bool(function.strict))
            kind = function.parameters.get("type", "object")
            if kind != "object":
                name = f"{param}.parameters.type"
                raise unsupported(name, kind, ["object"], "Arguments are an object; wrap the value in one.")
        schemas[function.name] = function.parameters
    return schemas


def _functions(request: ChatRequest) -> Iterator[tuple[str, FunctionSpec]]:
    """Every function, behind its path."""
    for index, tool in enumerate(request.tools or []):
        if isinstance(tool, CustomTool):
            raise unsupported(f"tools[{index}].type", "custom", ["function"])
        yield f"tools[{index}].function", tool.function
    for index, function in enumerate(request.functions or []):
        yield f"functions[{index}]", function


def _only(schemas: dict[str, dict[str, Any] | None], name: str, param: str, offered_by: str) -> OfferedTools:
    if name not in schemas:
        message = f"Invalid '{param}': {name!r} is not in {offered_by}. Allowed: {list(schemas)}."
        raise invalid_value(param, message)
    return OfferedTools({name: schemas[name]}, is_required=True)


def _needless(choice: str, offer: str) -> ApiError:
    message = f"Invalid '{choice}': only allowed with {offer}. Offer {offer}, or leave {choice} out."
    return invalid_value(choice, message)
