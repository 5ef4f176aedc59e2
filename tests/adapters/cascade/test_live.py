"""Both ends of a live view on loopback: a downlink that asks, a WebSocket that brings frames, and who may open it."""

import asyncio
import contextlib
import json
import struct

import aiohttp
import pytest

from adapters.cascade import live
from adapters.cascade.downlink import CascadeDownlink
from adapters.cascade.live import CascadeLive
from adapters.cascade.traffic import Traffic
from gateway.budget import Budget
from gateway.calm import Calm
from gateway.errors import DeviceError, NotAllowed, Unreachable

JPEG = b"\xff\xd8 a street \xff\xd9"


def frame(number: int, key: bool = False, size: int = 200) -> bytes:
    return struct.pack(">BBBBqQI", 1, int(key), 1, 0, number * 3600, 0, size) + number.to_bytes(4, "big") * (size // 4)


class Cameras:
    """ViewsFromAbove of hand-made frames. ``refused``: raised instead of admitting."""

    def __init__(self) -> None:
        self.admitted = []
        self.refused = None
        self.open = 0
        self.frames = [frame(n, key=n % 5 == 0) for n in range(5)]
        self.more = asyncio.Queue()

    async def admit(self, wanted) -> None:
        if self.refused is not None:
            raise self.refused
        self.admitted.append(wanted)

    async def units(self, wanted):
        self.open += 1
        try:
            for each in self.frames:
                yield each
            while True:
                yield await self.more.get()
        finally:
            self.open -= 1

    async def still(self, wanted) -> bytes:
        return JPEG


class Upper:
    async def bookmark(self):
        return 0

    async def take(self, position, entry):
        raise AssertionError("nothing is told here")


class Lower:
    """The township: its downlink and what it sends up."""

    def __init__(self, settings, node="zhuyang", most=16, bits=None) -> None:
        self.cameras = Cameras()
        self.traffic = Traffic()
        self.calm = Calm()
        self.budget = Budget(bits)
        self.live = CascadeLive(settings, node, self.cameras, self.traffic, self.budget, calm=self.calm, most=most)
        self.connected = asyncio.Event()
        self._down = CascadeDownlink(settings, node, live=self.live.wanted)
        self._task = asyncio.create_task(self._down.run(Upper(), self.connected.set))

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.live.close()


@pytest.fixture
async def lower(upper, sink_settings):
    made = []

    async def make(**options) -> Lower:
        node = Lower(sink_settings(upper.url), **options)
        made.append(node)
        async with asyncio.timeout(30):
            await node.connected.wait()
        return node

    yield make
    for node in made:
        await node.close()


def asked(upper, camera="cam-1", viewer="wang", stream="sub", node="zhuyang"):
    return upper.source.uplinks.ask(node, camera, stream, viewer, "alert a1")


async def test_frames_come_up_as_they_were_sent(upper, lower, eventually) -> None:
    township = await lower()
    feed = await asked(upper)
    township.cameras.more.put_nowait(frame(5, key=True))
    await eventually(lambda: len(upper.screen.frames.get(feed, [])) == 6)
    assert upper.screen.frames[feed] == [*township.cameras.frames, frame(5, key=True)]
    (wanted,) = township.cameras.admitted
    assert (wanted.camera_id, wanted.stream, wanted.node, wanted.viewer, wanted.reason) == (
        "cam-1",
        "sub",
        "county",
        "wang",
        "alert a1",
    )


async def test_two_viewers_share_one_uplink_and_both_are_named_below(upper, lower, eventually) -> None:
    township = await lower()
    first, second = await asyncio.gather(asked(upper), asked(upper, viewer="li"))
    third = await asked(upper, viewer="zhao")
    assert first == second == third
    await eventually(lambda: len(township.cameras.admitted) == 3)
    assert {each.viewer for each in township.cameras.admitted} == {"wang", "li", "zhao"}
    assert township.cameras.open == 1
    assert len(upper.source.uplinks) == 1
    assert await asked(upper, stream="main") != first


async def test_an_uplink_ends_when_nobody_watches(upper, lower, eventually) -> None:
    township = await lower()
    feed = await asked(upper)
    await eventually(lambda: township.cameras.open == 1)
    upper.screen.leave(feed)
    await eventually(lambda: township.cameras.open == 0 and len(upper.source.uplinks) == 0)
    assert await asked(upper) != feed


async def test_an_uplink_ends_with_the_upper_node(upper, lower, eventually) -> None:
    township = await lower()
    await asked(upper)
    await eventually(lambda: township.cameras.open == 1)
    await upper.restart()
    await eventually(lambda: township.cameras.open == 0)


async def test_a_lower_node_that_stops_ends_what_it_sends(upper, lower, eventually) -> None:
    township = await lower()
    await asked(upper)
    await township.live.close()
    await eventually(lambda: len(upper.source.uplinks) == 0)
    assert township.cameras.open == 0


async def test_a_still_is_one_picture(upper, lower, eventually) -> None:
    township = await lower()
    assert await upper.source.uplinks.still("zhuyang", "cam-1", "wang", "routine") == JPEG
    assert [each.stream for each in township.cameras.admitted] == ["still"]
    await eventually(lambda: len(upper.source.uplinks) == 0)


@pytest.mark.parametrize(
    ("refused", "raised", "words"),
    [
        (NotAllowed("a household's camera is closed"), NotAllowed, "^a household's camera is closed$"),
        (DeviceError("there is no camera cam-1 here"), DeviceError, "zhuyang cannot show it: there is no camera cam-1"),
    ],
)
async def test_a_refusal_is_said_in_the_lower_nodes_words(upper, lower, refused, raised, words) -> None:
    township = await lower()
    township.cameras.refused = refused
    with pytest.raises(raised, match=words):
        await asked(upper)
    with pytest.raises(raised, match=words):
        await upper.source.uplinks.still("zhuyang", "cam-1", "wang", "routine")
    assert len(upper.source.uplinks) == 0


async def test_a_node_that_is_not_connected_is_said_at_once(upper) -> None:
    with pytest.raises(Unreachable, match="zhuyang is not connected"):
        await asked(upper)
    assert len(upper.source.uplinks) == 0


async def test_a_node_that_sends_nothing_is_given_up(upper, lower) -> None:
    township = await lower()
    township.cameras.frames = []
    upper.source.uplinks._within = 0.2
    with pytest.raises(Unreachable, match="has sent nothing within"):
        await asked(upper)
    assert len(upper.source.uplinks) == 0


async def test_a_node_further_below_is_asked_through_the_one_between(upper, lower) -> None:
    between = await lower()
    upper.ways["village"] = "zhuyang"
    await asked(upper, node="village")
    assert [each.camera_id for each in between.cameras.admitted] == ["village:cam-1"]


async def test_units_for_a_node_above_have_an_uplink_of_their_own(upper, lower, eventually) -> None:
    township = await lower()
    async with contextlib.aclosing(upper.source.uplinks.units("zhuyang", "cam-1", "sub", "city/wang", "")) as units:
        assert [await anext(units) for _ in range(5)] == township.cameras.frames
        assert upper.screen.frames == {}
    await eventually(lambda: township.cameras.open == 0 and len(upper.source.uplinks) == 0)


async def test_a_lower_node_shows_no_more_than_it_may(upper, lower) -> None:
    await lower(most=1)
    await asked(upper)
    with pytest.raises(DeviceError, match="it shows 1 live views to county already"):
        await asked(upper, camera="cam-2")


async def test_alarms_go_before_frames(upper, lower, eventually, monkeypatch) -> None:
    monkeypatch.setattr(live, "_GIVE_WAY_S", 3600.0)  # else a frame goes all the same while the machine is held up
    township = await lower()
    feed = await asked(upper)
    await eventually(lambda: len(upper.screen.frames[feed]) == 5)
    with township.traffic.urgent():
        township.cameras.more.put_nowait(frame(5))
        await eventually(township.cameras.more.empty)
        await asyncio.sleep(0.1)  # it would be there by now
        assert len(upper.screen.frames[feed]) == 5
    await eventually(lambda: len(upper.screen.frames[feed]) == 6)
    with contextlib.ExitStack() as many:
        for _ in range(4):
            many.enter_context(township.calm.disturbed())
        township.cameras.more.put_nowait(frame(6))
        await eventually(township.cameras.more.empty)
        await asyncio.sleep(0.1)
        assert len(upper.screen.frames[feed]) == 6
    await eventually(lambda: len(upper.screen.frames[feed]) == 7)


async def test_a_thin_uplinks_budget_is_spent_on_everything_else_first(upper, lower, eventually) -> None:
    township = await lower(bits=64_000)
    feed = await asked(upper)
    await eventually(lambda: len(upper.screen.frames[feed]) == 5)
    township.budget.count(8_000)  # an alarm's bytes: a second of it
    pictures = asyncio.create_task(township.budget.spend(800, 1))
    township.cameras.more.put_nowait(frame(5))
    await pictures
    assert len(upper.screen.frames[feed]) == 5
    await eventually(lambda: len(upper.screen.frames[feed]) == 6)


# ------------------------------------------------------------------------- who may open one


class Silent:
    """A lower node of another make: it hears what is wanted and does what the test says."""

    def __init__(self, client, url) -> None:
        self._client = client
        self._url = url
        self.wanted = asyncio.Queue()
        self.connected = asyncio.Event()
        self.task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async with self._client.get(f"{self._url}/cascade/v1/downlink") as answer:
            async for line in answer.content:
                self.connected.set()
                if line.startswith(b"data:") and b"session" in line:
                    self.wanted.put_nowait(json.loads(line[5:]))

    async def socket(self, session, token="t-zhuyang"):
        headers = {"Authorization": f"Bearer {token}"}
        address = f"{self._url}/cascade/v1/live/{session}"
        async with aiohttp.ClientSession(headers=headers) as other, other.ws_connect(address):
            return

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
async def silent(upper, client):
    node = Silent(client, upper.url)
    async with asyncio.timeout(30):
        await node.connected.wait()
    yield node
    await node.close()


@pytest.mark.parametrize(
    ("token", "status"), [("t-wrong", 401), ("t-operator", 403), ("t-longmen", 404), ("t-county", 403)]
)
async def test_only_the_node_that_was_asked_may_open_it(upper, silent, token, status) -> None:
    asking = asyncio.create_task(asked(upper))
    wanted = await silent.wanted.get()
    assert set(wanted) == {"session", "camera", "stream", "viewer", "reason"}
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await silent.socket(wanted["session"], token)
    assert refused.value.status == status
    assert not asking.done()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)


async def test_an_unknown_session_is_not_found(upper, silent) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await silent.socket("nobody-wanted-this")
    assert refused.value.status == 404


async def test_a_session_is_sent_once(upper, silent, client) -> None:
    asking = asyncio.create_task(asked(upper))
    address = f"{upper.url}/cascade/v1/live/{(await silent.wanted.get())['session']}"
    async with client.ws_connect(address) as socket:
        await socket.send_bytes(frame(0, key=True))
        await asking
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(address)
        assert refused.value.status == 409


@pytest.mark.parametrize(
    "rubbish", [b"", b"\x01", frame(0)[:-1], frame(0) + b"x", b"\x02" + frame(0)[1:]], ids=range(5)
)
async def test_what_is_no_frame_ends_the_view_in_words(upper, silent, client, rubbish) -> None:
    asking = asyncio.create_task(asked(upper))
    address = f"{upper.url}/cascade/v1/live/{(await silent.wanted.get())['session']}"
    async with client.ws_connect(address) as socket:
        await socket.send_bytes(rubbish)
        with pytest.raises(DeviceError, match="zhuyang sent what is no frame of a live view"):
            await asking
        async with asyncio.timeout(30):
            assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)


async def test_an_upper_node_that_says_nonsense_is_passed_over(serve, sink_settings, eventually) -> None:
    from starlette.applications import Starlette
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    good = {"session": "abcdefgh", "camera": "cam-1", "stream": "sub", "viewer": "wang\n", "reason": "x" * 900}
    nonsense = [
        b"[]",
        b"{",
        json.dumps({**good, "session": "../x"}).encode(),
        json.dumps({**good, "stream": "all"}).encode(),
        json.dumps({**good, "camera": 7}).encode(),
        json.dumps({**good, "camera": "a/b"}).encode(),
    ]

    async def pour():
        for each in (*nonsense, json.dumps(good).encode()):
            yield b"event: live\ndata: " + each + b"\n\n"
        await asyncio.sleep(3600)

    async def downlink(request):
        return StreamingResponse(pour(), media_type="text/event-stream")

    served = await serve(Starlette(routes=[Route("/cascade/v1/downlink", downlink)]))
    heard = []
    down = CascadeDownlink(sink_settings(served.url), "zhuyang", live=heard.append)
    task = asyncio.create_task(down.run(Upper(), lambda: None))
    await eventually(lambda: heard != [])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    (wanted,) = heard
    assert (wanted.session, wanted.viewer, len(wanted.reason)) == ("abcdefgh", "wang", 500)
