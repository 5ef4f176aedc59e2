"""Reading the file: YAML with line numbers → settings, or every fault at once, each a plain sentence."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Union
from urllib.parse import urlsplit

from pydantic import Discriminator, Tag, ValidationError, create_model
from ruamel.yaml.comments import CommentedMap

from gateway.config import collector, duty_list
from gateway.config.allowed import camera_refusal, partners_of
from gateway.config.faults import Kinds, Location, dotted, kind_of, line, sentence
from gateway.config.forbidden_places import refusal
from gateway.config.settings import Settings
from gateway.config.tables import with_files
from gateway.config.taxonomy_file import with_taxonomy
from gateway.config.yaml_text import parsed
from gateway.errors import ConfigError

_AS_IT_IS: Mapping[Path, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and what is allowed but not wise."""

    settings: Settings
    warnings: tuple[str, ...] = ()


def load(path: Path, *, sources: Kinds, sinks: Kinds, instead: Mapping[Path, str] = _AS_IT_IS) -> Loaded:
    """Read, validate and cross-check. ``instead``: what a file, by its resolved path, shall be taken to hold, to try a
    change before it is written. Raises ConfigError with all faults found."""
    with collector.paused():
        return _load(path, sources, sinks, instead)


def _load(path: Path, sources: Kinds, sinks: Kinds, instead: Mapping[Path, str]) -> Loaded:
    document = _read_yaml(path, instead.get(path.resolve()))
    context: dict[str, Any] = {"base": path.resolve().parent}
    try:
        settings = _settings_type(sources, sinks).model_validate(document, context=context)
    except ValidationError as error:
        raise ConfigError(
            sorted({sentence(path, document, fault, sources, sinks) for fault in error.errors()})
        ) from None
    settings = with_taxonomy(with_files(settings, instead))
    faults = [f"{path}:{line(document, where)}: {dotted(where)}: {what}" for where, what in _cross_check(settings)]
    if faults:
        raise ConfigError(faults)
    doubts = [f"{path}: {doubt}" for doubt in duty_list.warnings(settings)]
    if settings.retention.below_the_law:
        doubts.append(
            f"{path}: retention.below_the_law: what the law wants kept may be deleted; for tests and demonstrations alone"
        )
    return Loaded(settings, (*_plain_secrets(path, context), *_doubtful_places(path, settings), *doubts))


def _plain_secrets(path: Path, context: dict[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys(context.get("plain_secrets", ())):
        yield f"{path}: {name}: a plain secret stands in the file; use {{env: NAME}} or {{file: PATH}}"


def _doubtful_places(path: Path, settings: Settings) -> Iterator[str]:
    """A name alone stops no node that runs: it is told, and only enrolment refuses it."""
    for camera in settings.cameras:
        reason = refusal(camera.name, camera.place.type)
        if reason is not None:
            yield f"{path}: camera {camera.id}: {reason}"


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


def _read_yaml(path: Path, instead: str | None = None) -> CommentedMap:
    try:
        text = path.read_text(encoding="utf-8") if instead is None else instead
    except FileNotFoundError:
        raise ConfigError([f"{path}: there is no such file; configs/ holds examples to start from"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: not UTF-8 text at byte {error.start}; save it as UTF-8"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    document = parsed(path, text)
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
    yield from _standbys(settings.sinks)
    yield from _dialled(settings)
    yield from duty_list.faults(settings)
    yield from _heartbeat(settings)
    cameras = {camera.id for camera in settings.cameras}
    for section in ("rules", "arming"):
        for index, scope in enumerate(getattr(settings.alerts, section)):
            for camera in scope.cameras:
                if camera not in cameras and not {"*", "?"} & set(camera):
                    yield (
                        ("alerts", section, index, "cameras"),
                        f"there is no camera {camera}{_nearest(camera, cameras)}",
                    )
    terminals = {terminal.id for terminal in settings.terminals}
    for index, terminal in enumerate(settings.terminals):
        for camera in terminal.cameras:
            if camera not in cameras:
                yield ("terminals", index, "cameras"), f"there is no camera {camera}{_nearest(camera, cameras)}"
        for camera in terminal.presets:
            if camera not in cameras:
                yield ("terminals", index, "presets"), f"there is no camera {camera}{_nearest(camera, cameras)}"
        for neighbour in terminal.neighbours:
            if neighbour not in terminals:
                yield (
                    ("terminals", index, "neighbours"),
                    f"there is no terminal {neighbour}{_nearest(neighbour, terminals)}",
                )


def _dialled(settings: Settings) -> Iterator[tuple[Location, str]]:
    for camera in settings.cameras:
        reason = camera_refusal(camera.model_dump(include={"onvif", "rtsp"}), settings)
        if reason is not None:
            yield ("cameras",), f"camera {camera.id}: {reason}"
    for index, sink in enumerate(settings.sinks):
        host = urlsplit(sink.url).hostname if sink.kind == "webhook" else None
        reason = None if host is None else partners_of(settings.allow).refusal(host)
        if reason is not None:
            yield ("sinks", index, "url"), reason


def _standbys(sinks: Sequence[Any]) -> Iterator[tuple[Location, str]]:
    first = {sink.id for sink in sinks if sink.standby_for is None}
    for index, sink in enumerate(sinks):
        if sink.standby_for is not None and sink.standby_for not in first:
            yield (
                ("sinks", index, "standby_for"),
                f"there is no sink {sink.standby_for} that stands in for no other{_nearest(sink.standby_for, first)}",
            )


def _heartbeat(settings: Settings) -> Iterator[tuple[Location, str]]:
    beat = settings.heartbeat
    if beat.every is None:
        return
    brokers = {source.id for source in settings.sources if source.kind == "mqtt"}
    if not brokers:
        yield ("heartbeat", "every"), "there is no mqtt source to press through; take the heartbeat out here"
    elif beat.source is not None and beat.source not in brokers:
        yield ("heartbeat", "source"), f"there is no mqtt source {beat.source}{_nearest(beat.source, brokers)}"
    if beat.terminal in {terminal.id for terminal in settings.terminals}:
        yield ("heartbeat", "terminal"), f"{beat.terminal} is a household's; the heartbeat has a name of its own"


def _nearest(name: str, known: set[str]) -> str:
    near = get_close_matches(name, sorted(known), n=1)
    return f"; the nearest is {near[0]}" if near else ""


def _doubles(section: str, ids: Sequence[str]) -> Iterator[tuple[Location, str]]:
    seen: set[str] = set()
    for index, found in enumerate(ids):
        if found in seen:
            yield (section, index, "id"), f"{found} stands twice; an id is unique within {section}"
        seen.add(found)
