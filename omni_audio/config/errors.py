"""Turns what Hydra and OmegaConf raise into one line that names the key, the value and the remedy."""

import dataclasses
import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Any, get_type_hints

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
from yaml import YAMLError

CONFIG_ERRORS = (HydraException, OmegaConfBaseException, YAMLError, ValueError)
"""What a wrong configuration raises; anything else is a defect of the program and keeps its type."""

MAX_NAMES_SHOWN = 24


class ConfigError(ValueError):
    """A configuration that does not compose; its text is one line for the user."""


def schema_keys(schema: type, prefix: str = "") -> Iterator[str]:
    """Yields every dotted key of a dataclass schema, branches and leaves."""
    hints = get_type_hints(schema)
    for field in dataclasses.fields(schema):
        key = f"{prefix}{field.name}"
        yield key
        if dataclasses.is_dataclass(hints[field.name]):
            yield from schema_keys(hints[field.name], f"{key}.")


def unknown_key(key: str, schema: type, where: str = "", groups: Iterable[str] = ()) -> ConfigError:
    """Makes the error for a key that the schema does not have, with the closest one that it has.

    Args:
        key: The dotted key.
        schema: The root dataclass.
        where: Text that names the file, or nothing for an override.
        groups: Names of config groups, which may have been meant too.
    """
    parent, _, leaf = key.rpartition(".")
    known = list(schema_keys(schema))
    siblings = [name for name in known if name.rpartition(".")[0] == parent]
    by_leaf = {name.rpartition(".")[2]: name for name in siblings}
    if not parent:
        by_leaf |= {group: group for group in groups}
    same_leaf = [name for name in known if name.rpartition(".")[2] == leaf]
    under_parent = [name for name in same_leaf if parent and name.startswith(f"{parent}.")]
    close = (
        under_parent or [by_leaf[name] for name in difflib.get_close_matches(leaf, by_leaf, n=1)] or same_leaf
    )
    if close:
        remedy = f"did you mean {' or '.join(map(repr, close[:2]))}?"
    elif siblings and parent:
        remedy = f"keys of {parent}: {_listed([name.rpartition('.')[2] for name in siblings])}"
    else:
        remedy = f"keys of the root: {_listed([name for name in known if '.' not in name])}"
    return ConfigError(f"unknown config key {key!r}{where}: {remedy}")


def explain(error: Exception, schema: type, groups: Iterable[str] = ()) -> ConfigError:
    """Makes one clear line of an error raised while composing or converting a configuration.

    Args:
        error: What Hydra, OmegaConf, PyYAML or a dataclass check raised.
        schema: The root dataclass, source of the closest known key.
        groups: Names of config groups.
    """
    if isinstance(error, ConfigError):
        return error
    if isinstance(error, OverrideParseException):
        return ConfigError(
            f"override {error.override!r} does not parse: write key=value, and quote spaces, commas and brackets "
            f"""inside a value, as in 'key="a, b"'"""
        )
    if isinstance(error, MissingConfigException):
        return _missing_option(error)
    if isinstance(error, YAMLError):
        return ConfigError(f"a config file is not valid YAML: {_one_line(str(error))}")
    if isinstance(error, MissingMandatoryValue):
        return ConfigError(
            f"config key {error.full_key!r} has no value: set it, as in {error.full_key}=VALUE"
        )
    if isinstance(error, (HydraException, OmegaConfBaseException)):
        return _hydra_error(error, schema, groups)
    return ConfigError(_one_line(str(error)))


def _hydra_error(error: Exception, schema: type, groups: Iterable[str]) -> ConfigError:
    text = str(error)
    place = re.match(r"In '([^']+)'", text)
    where = f" in {place[1]}.yaml" if place else ""
    if no_match := re.search(r"Could not override '([^']+)'\. No match", text):
        group = no_match[1].partition("@")[0]
        remedy = (
            f"write +{group}=…"
            if "/" in group and not where
            else "see `omni-audio train --help` for the groups"
        )
        return ConfigError(f"unknown config group {group!r}{where}: {remedy}")
    if several := re.search(r"Did you mean to override one of (.+?)\?", text):
        return ConfigError(
            f"this config group is used in several places{where}: override one of {several[1]}"
        )
    if "Ambiguous value for argument" in text:
        argument = text.split("'")[1]
        return ConfigError(
            f"override {argument!r} has several values: add -m to run each, or write a list as key=[a,b]"
        )
    detail = str(error.__cause__) if isinstance(error.__cause__, OmegaConfBaseException) else text
    key_line = re.search(r"full_key: (\S+)", detail)
    if key_line and re.search(r"Key '[^']*' (is )?not in", detail):
        key = key_line[1]
        if "is not in struct" in detail:
            root = key.partition(".")[0]
            return ConfigError(
                f"config key {key!r}{where} is not set by the chosen {root}: add it with +{key}=… if the class takes it"
            )
        return unknown_key(key, schema, where, groups)
    reason = re.sub(r"^In '[^']+': \w+ raised while composing config:\s*", "", detail)
    reason = re.split(r"\n\s*full_key:", reason)[0]
    name = f"config key {key_line[1]!r}{where}: " if key_line else f"config{where}: "
    return ConfigError(name + _one_line(reason))


def _missing_option(error: MissingConfigException) -> ConfigError:
    found = re.search(r"Could not find '([^']+)'", str(error))
    if found is None or not error.options:
        return ConfigError(_one_line(str(error).split("Config search path")[0]))
    group, _, option = found[1].rpartition("/")
    close = difflib.get_close_matches(option, error.options, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return ConfigError(
        f"no option {option!r} in config group {group!r}: {hint}available: {_listed(error.options)}"
    )


def _listed(names: Any) -> str:
    names = list(names)
    more = f" and {len(names) - MAX_NAMES_SHOWN} more" if len(names) > MAX_NAMES_SHOWN else ""
    return ", ".join(names[:MAX_NAMES_SHOWN]) + more


def _one_line(text: str) -> str:
    return " ".join(text.split())
