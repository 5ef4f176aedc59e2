"""Reading the file: YAML with line numbers → settings, or every fault at once, each a plain sentence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Union

from pydantic import Discriminator, Tag, ValidationError, create_model
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from gateway.config.faults import Kinds, Location, dotted, kind_of, line, sentence
from gateway.config.settings import Settings
from gateway.config.tables import with_files
from gateway.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and what is allowed but not wise."""

    settings: Settings
    warnings: tuple[str, ...] = ()


def load(path: Path, *, sources: Kinds, sinks: Kinds) -> Loaded:
    """Read, validate and cross-check. Raises ConfigError with all faults found."""
    document = _read_yaml(path)
    context: dict[str, Any] = {"base": path.resolve().parent}
    try:
        settings = _settings_type(sources, sinks).model_validate(document, context=context)
    except ValidationError as error:
        raise ConfigError(
            sorted({sentence(path, document, fault, sources, sinks) for fault in error.errors()})
        ) from None
    settings = with_files(settings)
    faults = [f"{path}:{line(document, where)}: {dotted(where)}: {what}" for where, what in _cross_check(settings)]
    if faults:
        raise ConfigError(faults)
    plain = dict.fromkeys(context.get("plain_secrets", ()))
    return Loaded(
        settings,
        tuple(
            f"{path}: {name}: a plain secret stands in the file; use {{env: NAME}} or {{file: PATH}}" for name in plain
        ),
    )


def json_schema(*, sources: Kinds, sinks: Kinds) -> dict[str, Any]:
    """JSON Schema (2020-12) of the configuration, the adapters' settings included."""
    schema = _settings_type(sources, sinks).model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "gateway configuration"
    return schema


def _settings_type(sources: Kinds, sinks: Kinds) -> type[Settings]:
    source, sink = _one_of(sources), _one_of(sinks)
    fields: dict[str, Any] = {
        "sources": (tuple.__class_getitem__((source, ...)), ()),
        "sinks": (tuple.__class_getitem__((sink, ...)), ()),
    }
    built: type[Settings] = create_model("GatewaySettings", __base__=Settings, **fields)
    return built


def _one_of(kinds: Kinds) -> Any:
    if not kinds:
        return Any
    if len(kinds) == 1:
        return next(iter(kinds.values()))
    tagged = tuple(Annotated[settings, Tag(kind)] for kind, settings in kinds.items())
    return Annotated[Union[tagged], Discriminator(kind_of)]  # noqa: UP007 -- the members are only known at run time


def _read_yaml(path: Path) -> CommentedMap:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError([f"{path}: there is no such file; configs/ holds examples to start from"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: not UTF-8 text at byte {error.start}; save it as UTF-8"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    try:
        document = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        number = 1 if mark is None else mark.line + 1
        raise ConfigError([f"{path}:{number}: not YAML: {error.problem or error.context}"]) from None
    except YAMLError as error:
        raise ConfigError([f"{path}:1: not YAML: {error}"]) from None
    if not isinstance(document, CommentedMap):
        raise ConfigError([f"{path}:1: a mapping with the keys {', '.join(Settings.model_fields)} is accepted"])
    return document


# ------------------------------------------------------------------------------------------------ cross-checks


def _cross_check(settings: Settings) -> Iterator[tuple[Location, str]]:
    yield from _doubles("cameras", [camera.id for camera in settings.cameras])
    yield from _doubles("terminals", [terminal.id for terminal in settings.terminals])
    taken = {source.id: "sources" for source in settings.sources}
    yield from _doubles("sources", [source.id for source in settings.sources])
    yield from _doubles("sinks", [sink.id for sink in settings.sinks])
    for index, sink in enumerate(settings.sinks):
        if sink.id in taken:
            yield ("sinks", index, "id"), f"{sink.id} is also the id of a source; each source and sink has its own"
    cameras = {camera.id for camera in settings.cameras}
    terminals = {terminal.id for terminal in settings.terminals}
    for index, terminal in enumerate(settings.terminals):
        for camera in terminal.cameras:
            if camera not in cameras:
                yield ("terminals", index, "cameras"), f"there is no camera {camera}{_nearest(camera, cameras)}"
        for neighbour in terminal.neighbours:
            if neighbour not in terminals:
                yield (
                    ("terminals", index, "neighbours"),
                    f"there is no terminal {neighbour}{_nearest(neighbour, terminals)}",
                )


def _nearest(name: str, known: set[str]) -> str:
    near = get_close_matches(name, sorted(known), n=1)
    return f"; the nearest is {near[0]}" if near else ""


def _doubles(section: str, ids: Sequence[str]) -> Iterator[tuple[Location, str]]:
    seen: set[str] = set()
    for index, found in enumerate(ids):
        if found in seen:
            yield (section, index, "id"), f"{found} stands twice; an id is unique within {section}"
        seen.add(found)
