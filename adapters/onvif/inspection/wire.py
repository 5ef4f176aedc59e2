"""What the gateway and its inspecting process say to each other: over the control socket READY and, for each inspection, one
byte with a socket of its own; over that socket a size and JSON, once each way."""

import json
import struct
from dataclasses import asdict
from datetime import datetime
from typing import Any

from gateway.model import Credential, OnvifAddress

READY = b"R"
INSPECT = b"I"
SIZE = struct.Struct(">I")
MAX_ANSWER = 8 * 1024 * 1024


def message(values: dict[str, Any]) -> bytes:
    body = json.dumps(values, default=_plain).encode()
    return SIZE.pack(len(body)) + body


def request(address: OnvifAddress, seconds: float) -> bytes:
    return message({"address": asdict(address), "seconds": seconds})


def read_request(body: bytes) -> tuple[OnvifAddress, float]:
    values = json.loads(body)
    address = values["address"]
    credential = address.pop("credential")
    return OnvifAddress(**address, credential=Credential(**credential) if credential else None), values["seconds"]


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} does not go over the wire")
