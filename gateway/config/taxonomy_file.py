"""The taxonomy: classes, sub-classes, grades, departments and limits, in a YAML file of its own beside the configuration."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError
from ruamel.yaml.comments import CommentedMap

from gateway.config.faults import Location, dotted, line, unknown_key
from gateway.config.settings import Settings
from gateway.config.yaml_text import parsed
from gateway.errors import ConfigError
from gateway.model import Kind, Scene
from gateway.settings import Strict
from gateway.values import Duration, NotEmpty, text_id

Code = Annotated[str, BeforeValidator(text_id), Field(pattern=r"^[A-Za-z0-9._-]{1,32}$")]
Name = Annotated[str, Field(min_length=1, max_length=64)]


class LimitSettings(Strict):
    """From the raising of the alert: 立案 register, 派遣 dispatch, 处置 close."""

    registered: Duration | None = Field(None, alias="register")  # pydantic's models have a register of their own
    dispatch: Duration | None = None
    close: Duration | None = None

    def by_step(self) -> dict[str, float | None]:
        return {"register": self.registered, "dispatch": self.dispatch, "close": self.close}


class SubClassSettings(Strict):
    """``kinds``: alerts that it is given to by itself; ``scenes``: only those of cameras in such places."""

    code: Code
    name: Name
    grade: Annotated[int, Field(ge=1, le=4)]
    department: Name
    kinds: tuple[Kind, ...] = ()
    scenes: tuple[Scene, ...] = ()
    limits: LimitSettings = LimitSettings()


class ClassSettings(Strict):
    code: Code
    name: Name
    subclasses: Annotated[tuple[SubClassSettings, ...], NotEmpty]


class TaxonomySettings(Strict):
    classes: Annotated[tuple[ClassSettings, ...], NotEmpty]


def read_taxonomy(path: Path) -> TaxonomySettings:
    """Raises ConfigError with every fault as ``FILE:LINE: key.path: what``."""
    document = _read_yaml(path)
    try:
        read = TaxonomySettings.model_validate(document)
    except ValidationError as error:
        found = sorted({_sentence(path, document, fault) for fault in error.errors()})
        raise ConfigError(found) from None
    faults = [f"{path}:{line(document, where)}: {dotted(where)}: {what}" for where, what in _cross_check(read)]
    if faults:
        raise ConfigError(faults)
    return read


def with_taxonomy(settings: Settings) -> Settings:
    """With the file read that ``alerts.taxonomy`` names. Raises ConfigError."""
    path = settings.alerts.taxonomy
    if path is None:
        return settings
    return settings.model_copy(update={"alerts": settings.alerts.with_cases(read_taxonomy(path).classes)})


def _read_yaml(path: Path) -> CommentedMap:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}; alerts.taxonomy names it"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: not UTF-8 text at byte {error.start}; save it as UTF-8"]) from None
    document = parsed(path, text)
    if not isinstance(document, CommentedMap):
        raise ConfigError([f"{path}:1: a mapping with the key classes is accepted"])
    return document


def _sentence(path: Path, document: CommentedMap, fault: Any) -> str:
    where: Location = fault["loc"]
    prefix = f"{path}:{line(document, where)}: {dotted(where)}: "
    match fault["type"]:
        case "extra_forbidden":
            return prefix + unknown_key(str(where[-1]), _known_keys(where))
        case "missing":
            return prefix + "is missing; it is required"
        case "value_error":
            return prefix + str(fault["ctx"]["error"])
        case "enum":
            return (
                prefix
                + f"{fault['input']!r} is not accepted; accepted are {fault['ctx']['expected'].replace(' or ', ', ')}"
            )
        case "model_type":
            return prefix + "a mapping of keys to values is accepted"
        case "tuple_type":
            return prefix + "a list is accepted"
        case _:
            said = str(fault["msg"])
            return prefix + said[:1].lower() + said[1:]


def _known_keys(where: Location) -> Sequence[str]:
    if "limits" in where[:-1]:
        return list(LimitSettings().by_step())
    if "subclasses" in where[:-1]:
        return list(SubClassSettings.model_fields)
    return list((ClassSettings if "classes" in where[:-1] else TaxonomySettings).model_fields)


def _cross_check(read: TaxonomySettings) -> Iterator[tuple[Location, str]]:
    codes: set[str] = set()
    kinds: dict[tuple[Kind, Scene | None], str] = {}
    for above, each in enumerate(read.classes):
        where: Location = ("classes", above)
        if each.code in codes:
            yield (*where, "code"), f"{each.code} stands twice; each class and sub-class has a code of its own"
        codes.add(each.code)
        for below, found in enumerate(each.subclasses):
            here = (*where, "subclasses", below)
            if found.code in codes:
                yield (*here, "code"), f"{found.code} stands twice; each class and sub-class has a code of its own"
            codes.add(found.code)
            yield from _kind_faults(here, found, kinds)
            yield from _limit_faults(here, found.limits)


def _kind_faults(
    where: Location, found: SubClassSettings, kinds: dict[tuple[Kind, Scene | None], str]
) -> Iterator[tuple[Location, str]]:
    for kind in found.kinds:
        for scene in found.scenes or (None,):
            other = kinds.setdefault((kind, scene), found.code)
            if other != found.code:
                place = "" if scene is None else f" in scene {scene}"
                yield (*where, "kinds"), f"{kind}{place} is given to {other} already; an alert has one sub-class"


def _limit_faults(where: Location, limits: LimitSettings) -> Iterator[tuple[Location, str]]:
    steps = [(step, limit) for step, limit in limits.by_step().items() if limit is not None]
    for (before, sooner), (step, later) in pairwise(steps):
        if later < sooner:
            yield (*where, "limits", step), f"comes before {before}; limits all count from the raising of the alert"
