"""Faults in words: pydantic's errors as ``FILE:LINE: key.path: what is wrong and what is accepted``."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from gateway.config.settings import Settings

Kinds = Mapping[str, type[BaseModel]]
Location = tuple[int | str, ...]


def sentence(path: Path, document: CommentedMap, fault: Any, sources: Kinds, sinks: Kinds) -> str:
    where = _yaml_location(document, fault["loc"])
    prefix = f"{path}:{line(document, where)}: {dotted(where)}: "
    match fault["type"]:
        case "extra_forbidden":
            return prefix + unknown_key(str(where[-1]), _known_keys(where[:-1], document, sources, sinks))
        case "missing":
            return prefix + "is missing; it is required"
        case "union_tag_invalid" | "union_tag_not_found":
            kinds = sources if where[0] == "sources" else sinks
            return prefix + f"kind is missing or unknown; accepted are {', '.join(kinds)}"
        case "value_error":
            return prefix + str(fault["ctx"]["error"])
        case "enum" | "literal_error":
            return (
                prefix
                + f"{fault['input']!r} is not accepted; accepted are {fault['ctx']['expected'].replace(' or ', ', ')}"
            )
        case "model_type" | "dict_type":
            return prefix + "a mapping of keys to values is accepted"
        case "tuple_type":
            return prefix + "a list is accepted"
        case "path_type":
            return prefix + "a path is accepted"
        case _:
            return prefix + _lower(str(fault["msg"]))


def kind_of(value: Any) -> str | None:
    """The adapter kind that a source or sink names, in raw or validated form."""
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return kind if isinstance(kind, str) else None


def unknown_key(key: str, known: Sequence[str]) -> str:
    near = get_close_matches(key, known, n=1, cutoff=0.0)
    hint = f"; the nearest known key is {near[0]}" if near else ""
    return f"unknown key{hint}; known are {', '.join(known)}"


def _known_keys(where: Location, document: CommentedMap, sources: Kinds, sinks: Kinds) -> list[str]:
    current: Any = Settings
    if len(where) >= 2 and where[0] in ("sources", "sinks"):
        kinds = sources if where[0] == "sources" else sinks
        current = kinds.get(str(kind_of(document[where[0]][where[1]])), next(iter(kinds.values())))
        where = where[2:]
    for part in where:
        if isinstance(part, str) and (field := current.model_fields.get(part)) is not None:
            current = _model_in(field.annotation) or current
    return [field.alias or name for name, field in current.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part)) is not None), None)


def _yaml_location(document: Any, location: Location) -> Location:
    """Pydantic's location without the tags of unions, which the file does not have."""
    kept: list[int | str] = []
    node: Any = document
    for index, part in enumerate(location):
        last = index == len(location) - 1
        if isinstance(node, CommentedMap | CommentedSeq):
            try:
                node = node[part]
            except (KeyError, IndexError, TypeError):
                if not last:
                    continue
        kept.append(part)
    return tuple(kept)


def line(document: Any, where: Location) -> int:
    """The line (from 1) of the key, or of the nearest thing around it that the file has."""
    node: Any = document
    line = 1
    for part in where:
        try:
            position = node.lc.key(part) if isinstance(node, CommentedMap) else node.lc.item(part)
            line = int(position[0]) + 1
            node = node[part]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    return line


def dotted(where: Location) -> str:
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".") or "file"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
