"""Settings types that the gateway's own configuration and every adapter's share (pydantic; the border only)."""

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr, ValidationInfo

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
    raise ValueError("a secret is {env: NAME}, {file: PATH} or a string")


Secret = Annotated[SecretStr, BeforeValidator(_read_secret)]
"""``{env: NAME}``, ``{file: PATH}`` or a plain string (``gateway check`` warns of the last)."""

RelativePath = Annotated[Path, BeforeValidator(_resolve_path)]
"""A path; a relative one is relative to the file that names it."""


class ClientTls(Strict):
    """TLS of a connection that we open. Without ``ca`` the system's authorities are trusted."""

    ca: RelativePath | None = None
    certificate: RelativePath | None = None
    key: RelativePath | None = None
