"""The whole HTTP interface, as its own description tells of it, with whatever may be put into it (schemathesis, a real node).

Whatever comes, the node answers: a server's error only where it says so itself (501, 503), an error always as a problem of
RFC 9457 in a sentence. Afterwards it is as ready as before, its log holds no traceback and its audit is whole.
Each operation gets the same few inputs each time, or as many as ``API_EXAMPLES`` says, drawn anew.
"""

import os
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

LONG = "API_EXAMPLES" in os.environ
EXAMPLES = int(os.environ.get("API_EXAMPLES", "4"))
PASSWORD = "lantern-orchard-7"
OWN_WORDS = {501, 503}
UNENDING = {("GET", "/api/v1/stream")}
LEAVES = {("DELETE", "/api/v1/session")}  # it would end the login with which the others are tried

CAMERA = {
    "id": "c-1",
    "name": "村口",
    "rtsp": {"main": "rtsp://127.0.0.1:9/none"},
    "place": {"lon": 107.2, "lat": 30.7},
}
TERMINAL = {"id": "tv-1", "household": {"name": "李秀英", "phone": "0000-0000001"}, "cameras": ["c-1"]}
KNOWN = {"camera_id": "c-1", "terminal_id": "tv-1", "node_id": "hostile", "name": "keeper"}


@schemathesis.serializer(
    "application/sdp", "application/trickle-ice-sdpfrag", "image/jpeg", "text/csv", "application/octet-stream"
)
def as_it_is(_: Any, value: Any) -> bytes:
    """Of types that schemathesis knows nothing of."""
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")


@pytest.fixture
def node(node_of: Callable[..., Any]) -> Any:
    found = node_of(
        "hostile",
        "township",
        "511724001",
        sources=[{"kind": "cascade", "id": "lower"}],
        cameras=[CAMERA],
        terminals=[TERMINAL],
    )
    made = found.command("user", "add", "keeper", "--role", "admin", "--password-stdin", text=PASSWORD + "\n")
    assert made.returncode == 0, made.stderr
    return found.start()


@pytest.mark.timeout(0 if LONG else 1200)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fitting", "unfitting"])
def test_every_operation_answers_whatever_comes(node: Any, mode: GenerationMode) -> None:
    described = schemathesis.openapi.from_url(f"{node.base}/api/v1/openapi.json")
    tried, well = 0, set()
    for found in described.get_all_operations():
        operation = found.ok()
        if (operation.method.upper(), operation.path) in UNENDING | LEAVES:
            continue
        for known in (False, True):
            names = {each.name for each in operation.path_parameters} & KNOWN.keys()
            if known and not names:
                continue
            if _try(node, operation, mode, {name: KNOWN[name] for name in names} if known else {}):
                well.add((operation.method, operation.path))
            tried += 1
    assert tried > 90
    assert mode is GenerationMode.NEGATIVE or len(well) > 40, sorted(well)
    assert node.ready()
    assert "Traceback" not in node.logged()
    node.stop()
    verdict = node.command("audit", "verify")
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr


def _try(node: Any, operation: Any, mode: GenerationMode, known: dict[str, str]) -> bool:
    """Whether it was done at least once."""
    well: list[int] = []
    caller = {"Cookie": node.log_in("keeper", PASSWORD), "Origin": node.base}

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=not LONG,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def once(case: Any) -> None:
        case.path_parameters = {**(case.path_parameters or {}), **known}
        answer = case.call(base_url=node.base, headers=caller, timeout=60)
        what = f"{operation.method.upper()} {operation.path}: {answer.status_code} {answer.content[:300]!r}"
        assert answer.status_code < 500 or answer.status_code in OWN_WORDS, what
        if answer.status_code < 300:
            well.append(answer.status_code)
        if answer.status_code >= 400:
            kinds = [kind.partition(";")[0] for kind in answer.headers.get("content-type", [])]
            assert kinds == ["application/problem+json"], what
            assert answer.json().get("detail"), what

    once()
    return bool(well)
