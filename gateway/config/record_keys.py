"""The keys of a device's ``record``: what its register says of it beyond what the gateway works with. Pure."""

import re

RECORD = "record"
MOST_KEYS = 96
LONGEST_KEY = 40
LONGEST_VALUE = 500

_NO_KEY = re.compile(r"[\x00-\x20\s.\x7f\ufeff]+")


def record_key(header: str) -> str:
    """A column's header as a key: no blanks and no dots, which divide keys."""
    return _NO_KEY.sub("_", header.strip())[:LONGEST_KEY].strip("_") or "_"


def record_value(value: object) -> str:
    """YAML reads 6 and yes as what they look like; a record keeps text. Raises ValueError."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list | tuple) or value is None:
        raise ValueError("a record holds text to each key, no lists and no mappings")
    return str(value)


def checked_record(value: dict[str, str]) -> dict[str, str]:
    """Raises ValueError with a sentence."""
    if len(value) > MOST_KEYS:
        raise ValueError(f"at most {MOST_KEYS} keys are kept of a device")
    for key, text in value.items():
        if record_key(key) != key:
            raise ValueError(f"“{key[:LONGEST_KEY]}”: a key is up to {LONGEST_KEY} characters without blanks and dots")
        if len(text) > LONGEST_VALUE:
            raise ValueError(f"{key}: at most {LONGEST_VALUE} characters are kept")
    return value
