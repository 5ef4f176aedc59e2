"""YAML text → a document that knows its lines, or the sentence that says where it is none."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from gateway.errors import ConfigError


def parsed(path: Path, text: str) -> Any:
    """``path`` is named in the fault. Raises ConfigError."""
    try:
        return YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        number = 1 if mark is None else mark.line + 1
        raise ConfigError([f"{path}:{number}: not YAML: {error.problem or error.context}"]) from None
    except YAMLError as error:
        raise ConfigError([f"{path}:1: not YAML: {error}"]) from None
    except (RecursionError, ValueError, AttributeError) as error:  # which the library lets out: depth, dates, rings
        raise ConfigError([f"{path}:1: not YAML that can be read: {error}"]) from None
