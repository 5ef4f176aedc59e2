"""The group robots' wire: what is posted, and what their answer means. Pure.

All of them answer 200 to nearly everything; ``errcode`` (WeCom, DingTalk) or ``code`` (Feishu, Lark) in the body says what
became of it.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.notify.addresses import ROBOTS, Address
from gateway.errors import TryLater

_TOO_OFTEN = {45009, 130101, 90030, 9499, 11232, 11233}
"""WeCom: 20 messages a minute and robot. DingTalk: the same, and silence for up to ten minutes to who goes on. Feishu: 5 a
second, 100 a minute."""
_PAUSE_S = 60.0
_MOST_SAID = 200
_LONGEST = {"wecombot": 2048}  # bytes of text; the others take 18 kB and more
_USUAL_LONGEST = 15_000


@dataclass(frozen=True, slots=True)
class Post:
    url: str = field(repr=False)
    body: bytes = field(repr=False)


def post(address: Address, text: str, now_ms: int, hosts: Mapping[str, str]) -> Post:
    """``hosts``: of robots that are elsewhere than usual, by schema. ``now_ms``: for DingTalk's signature."""
    schema, plugin = address.schema, address.plugin
    host = hosts.get(schema, ROBOTS[schema]).rstrip("/")
    text = cut(text, _LONGEST.get(schema, _USUAL_LONGEST))
    if schema == "wecombot":
        content: dict[str, Any] = {"msgtype": "text", "text": {"content": text}}
        return Post(f"{host}/cgi-bin/webhook/send?key={plugin.key}", _json(content))
    if schema == "dingtalk":
        content = {"msgtype": "text", "text": {"content": text}, "at": {"atMobiles": plugin.targets, "isAtAll": False}}
        signed = "" if not plugin.secret else _signed(str(plugin.secret), now_ms)
        return Post(f"{host}/robot/send?access_token={plugin.token}{signed}", _json(content))
    content = {"msg_type": "text", "content": {"text": text}}
    return Post(f"{host}/open-apis/bot/v2/hook/{plugin.token}", _json(content))


def check(schema: str, status: int, body: bytes) -> None:
    """Raises TryLater with the robot's own words where it did not take the message."""
    if status == 429:
        raise TryLater(f"the {schema} robot was told too much", _PAUSE_S)
    if status != 200:
        raise TryLater(f"the {schema} robot answered {status}")
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise TryLater(f"the {schema} robot answered 200 with something that is not its JSON")
    code = next((said[key] for key in ("errcode", "code", "StatusCode") if key in said), None)
    if code == 0 and not isinstance(code, bool):
        return
    words = str(said.get("errmsg") or said.get("msg") or "")[:_MOST_SAID]
    known = isinstance(code, int) and code in _TOO_OFTEN
    raise TryLater(f"the {schema} robot did not take it: {code} {words}".rstrip(), _PAUSE_S if known else None)


def cut(text: str, most: int) -> str:
    """At most so many bytes of UTF-8, whole characters."""
    encoded = text.encode()
    return text if len(encoded) <= most else encoded[: most - 3].decode(errors="ignore") + "…"


def _signed(secret: str, now_ms: int) -> str:
    """DingTalk, custom robot, 加签: HMAC-SHA256 over time and secret."""
    digest = hmac.new(secret.encode(), f"{now_ms}\n{secret}".encode(), hashlib.sha256).digest()
    sign = base64.b64encode(digest).decode().replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    return f"&timestamp={now_ms}&sign={sign}"


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()
