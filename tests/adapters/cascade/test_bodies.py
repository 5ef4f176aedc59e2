import asyncio

import pytest
from starlette.requests import Request

from adapters.cascade import bodies as rooms
from adapters.cascade.bodies import Bodies, pieces
from adapters.cascade.problems import Problem


def request(*chunks, length=None, then=None):
    """A request whose body comes in these chunks; ``then`` is what happens instead of the end."""
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append(then or {"type": "http.request", "body": b"", "more_body": False})

    async def receive():
        if messages[0] == "silence":
            await asyncio.Event().wait()
        return messages.pop(0)

    headers = [(b"content-length", str(length).encode())] if length is not None else []
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


async def read(bodies, *chunks, node="zhuyang", limit=100, seconds=30.0, **options):
    with bodies.room(node) as room:
        return await room.read(request(*chunks, **options), limit, seconds)


async def status_of(reading):
    with pytest.raises(Problem) as caught:
        await reading
    return caught.value.status


async def test_a_body_is_read_whole_up_to_its_limit():
    assert await read(Bodies(), b"a" * 60, b"b" * 40) == b"a" * 60 + b"b" * 40
    assert await status_of(read(Bodies(), b"a" * 60, b"b" * 41)) == 413


async def test_a_body_that_is_announced_too_large_is_not_read():
    assert await status_of(read(Bodies(), length=101, then="silence")) == 413


@pytest.mark.parametrize("length", ["junk", "-5", "9" * 40, "١٢"])
async def test_a_junk_length_is_no_length(length):
    assert await read(Bodies(), b"a", length=length) == b"a"


async def test_a_body_that_stops_coming_is_given_up():
    assert await status_of(read(Bodies(), b"a", seconds=0.05, then="silence")) == 408


async def test_a_body_that_breaks_off_is_none():
    assert await status_of(read(Bodies(), b"a", then={"type": "http.disconnect"})) == 408


async def test_what_one_node_sends_at_once_is_bounded_and_leaves_the_others_alone():
    bodies = Bodies(budget=150)
    with bodies.room("zhuyang") as first:
        await first.read(request(b"a" * 100), 100, 30.0)
        with pytest.raises(Problem) as caught:
            await read(bodies, b"b" * 60)
        assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "1"})
        assert await read(bodies, b"c" * 60, node="longmen")
    assert await read(bodies, b"b" * 60)


async def all_of(*chunks, limit=100, seconds=30.0, **options):
    return [piece async for piece in pieces(request(*chunks, **options), limit, seconds)]


async def test_a_body_in_pieces_is_bounded_as_a_whole_one_is():
    assert b"".join(await all_of(b"a" * 60, b"b" * 40)) == b"a" * 60 + b"b" * 40
    assert await status_of(all_of(b"a" * 60, b"b" * 41)) == 413
    assert await status_of(all_of(length=101, then="silence")) == 413
    assert await status_of(all_of(b"a", seconds=0.05, then="silence")) == 408
    assert await status_of(all_of(b"a", then={"type": "http.disconnect"})) == 408


async def test_a_silent_link_is_given_up_before_its_deadline(monkeypatch):
    monkeypatch.setattr(rooms, "_SILENT_S", 0.05)
    assert await status_of(all_of(b"a", seconds=600.0, then="silence")) == 408
