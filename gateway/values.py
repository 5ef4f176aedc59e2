"""Values that settings are made of, the gateway's own and the adapters': ids, area codes, durations, hours."""

import re
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

T = TypeVar("T")

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_BETWEEN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)\s*-\s*([01]\d|2[0-3]):([0-5]\d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _identifier(value: str) -> str:
    if not _ID.fullmatch(value):
        raise ValueError("an id is 1 to 64 of the characters A-Z a-z 0-9 . _ -")
    return value


def text_id(value: object) -> object:
    # YAML reads 51172400001310000001 as a number; an id of digits is still a text
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def seconds(value: object) -> object:
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if match is None:
            raise ValueError("a duration is seconds (60) or a number with ms, s, m, h or d (60s, 2m)")
        return float(match[1]) * _UNITS[match[2]]
    return value


def _between(value: object) -> object:
    match = _BETWEEN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('hours are "HH:MM-HH:MM" in local time, such as "22:00-06:00"')
    first_hour, first_minute, last_hour, last_minute = (int(number) for number in match.groups())
    return first_hour * 60 + first_minute, last_hour * 60 + last_minute


def _not_empty(value: tuple[T, ...]) -> tuple[T, ...]:
    # pydantic's own min_length counts what was sound, and so names an empty list beside every fault inside of it
    if not value:
        raise ValueError("is empty; at least one is needed")
    return value


NotEmpty = AfterValidator(_not_empty)
"""For a tuple."""
Identifier = Annotated[str, BeforeValidator(text_id), AfterValidator(_identifier)]
AreaCode = Annotated[str, BeforeValidator(text_id), Field(pattern=r"^\d{2,12}$")]
Duration = Annotated[float, BeforeValidator(seconds), Field(ge=0)]
Between = Annotated[tuple[int, int], BeforeValidator(_between, json_schema_input_type=str)]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
