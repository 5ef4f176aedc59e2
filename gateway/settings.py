"""Settings types that the gateway's own configuration and every adapter's share (pydantic; the border only)."""

import os
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationInfo

_CREDENTIALS = Path("/etc/credstore/gateway")

Id = Annotated[str, "an id of [A-Za-z0-9._-]{1,64}"]


class Strict(BaseModel):
    """Unknown keys are errors; values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def base_directory(info: ValidationInfo) -> Path:
    """The directory that relative paths of the configuration being read are relative to."""
    context: dict[str, Any] = info.context or {}
    return Path(context.get("base", "."))


def _resolve_path(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str):
        return base_directory(info) / Path(value).expanduser()
    return value


def _read_secret(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str | SecretStr):
        context: dict[str, Any] = info.context or {}
        context.setdefault("plain_secrets", []).append(info.field_name)
        return value
    if isinstance(value, dict) and len(value) == 1:
        if "env" in value:
            found = os.environ.get(str(value["env"]))
            if found is None:
                raise ValueError(f"the environment variable {value['env']} is not set")
            return found
        if "file" in value:
            path = base_directory(info) / Path(str(value["file"])).expanduser()
            try:
                return path.read_text(encoding="utf-8").strip()
            except OSError as error:
                raise ValueError(f"cannot read the secret file {path}: {error.strerror}") from None
            except UnicodeDecodeError:
                raise ValueError(f"the secret file {path} is not UTF-8 text") from None
        if "credential" in value:
            return _credential(str(value["credential"]))
    raise ValueError("a secret is {env: NAME}, {file: PATH}, {credential: NAME} or a string")


def _credential(name: str) -> str:
    """What systemd loaded for this unit (LoadCredential=gateway:/etc/credstore/gateway); from there for root's own commands."""
    if not name or "/" in name or name.startswith("."):
        raise ValueError(f"{name!r} is no credential: it is the name of a file in {_CREDENTIALS}")
    loaded = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(loaded) / f"gateway_{name}" if loaded else _CREDENTIALS / name
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(
            f"cannot read the credential {path}: {error.strerror}; as root put it into {_CREDENTIALS}, and run this as root"
        ) from None
    except UnicodeDecodeError:
        raise ValueError(f"the credential {path} is not UTF-8 text") from None


Secret = Annotated[SecretStr, BeforeValidator(_read_secret)]
"""``{env: NAME}``, ``{file: PATH}``, ``{credential: NAME}`` or a plain string (``gateway check`` warns of the last)."""

RelativePath = Annotated[Path, BeforeValidator(_resolve_path)]
"""A path; a relative one is relative to the file that names it."""


class ClientTls(Strict):
    """TLS of a connection that we open. Without ``ca`` the system's authorities are trusted."""

    ca: RelativePath | None = None
    certificate: RelativePath | None = None
    key: RelativePath | None = None


_RATE = re.compile(r"(\d{1,9}(?:\.\d+)?)\s*([kMG]?)bit/s")
_PREFIXES = {"": 1, "k": 1_000, "M": 1_000_000, "G": 1_000_000_000}


def _bits_per_second(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a rate is a number with kbit/s or Mbit/s, such as 512 kbit/s")
    return round(float(match[1]) * _PREFIXES[match[2]])


Rate = Annotated[int, BeforeValidator(_bits_per_second, json_schema_input_type=int | str), Field(ge=1_000)]
"""Bits a second; ``512 kbit/s``."""


class SinkSettings(Strict):
    """What every sink has. ``standby_for``: id of the sink that this one stands in for, by which it gets nothing by itself.
    ``budget``: what pictures, clips and health may take of the uplink; alarms and updates are never held, but counted."""

    id: Id
    standby_for: Id | None = None
    budget: Rate | None = None
