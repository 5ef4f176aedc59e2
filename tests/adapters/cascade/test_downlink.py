import asyncio
import contextlib
import json

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from adapters.cascade import wire
from adapters.cascade.downlink import CascadeDownlink
from adapters.cascade.sink import CascadeSink
from gateway.alerts.upper import LedgerUpper
from gateway.errors import AuthFailed, ProtocolFault, StoreFailed, Unreachable
from gateway.ledger.sqlite import SqliteLedger
from gateway.model import Draft, Lane, Parcel
from gateway.supervision.clock import SystemClock


class Taker:
    """An Upper that keeps what it is given; ``fail`` is raised once by the next ``take``."""

    def __init__(self, start=0):
        self.taken = []
        self.start = start
        self.fail = None

    async def bookmark(self):
        return self.taken[-1][0] if self.taken else self.start

    async def take(self, position, entry):
        failure, self.fail = self.fail, None
        if failure is not None:
            raise failure
        self.taken.append((position, entry))


class Flag:
    def __init__(self):
        self.count = 0

    def __call__(self):
        self.count += 1


def stream(*chunks, hold=False, headers=None):
    """A foreign upper node that sends these bytes down and ends, or holds the line."""
    asked = []

    async def pour():
        for chunk in chunks:
            yield chunk
        while hold:
            await asyncio.sleep(0.02)

    async def downlink(request):
        asked.append(request)
        return StreamingResponse(pour(), media_type="text/event-stream", headers=headers)

    app = Starlette(routes=[Route("/cascade/v1/downlink", downlink)])
    app.state.asked = asked
    return app


def event(position, entry, kind="entry"):
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (str(position).encode(), kind.encode(), wire.event_bytes(entry))


async def test_entries_are_taken_in_order_with_their_positions(serve, sink_settings, make_entry):
    entries = [make_entry(number, node="county") for number in (1, 2)]
    app = stream(b": hello\n\n", event(4, entries[0]), b"event: ping\ndata: {}\n\n", event(9, entries[1]))
    upper = await serve(app)
    taker, online = Taker(start=3), Flag()
    with pytest.raises(Unreachable, match="ended the downlink"):
        await CascadeDownlink(sink_settings(upper.url), "zhuyang").run(taker, online)
    assert taker.taken == [(4, entries[0]), (9, entries[1])]
    assert online.count == 1
    request = app.state.asked[0]
    assert (request.headers["Last-Event-ID"], request.query_params["after"]) == ("3", "3")
    assert request.headers["Authorization"] == "Bearer t-zhuyang"


async def test_what_cannot_be_read_or_is_unknown_is_passed_over(serve, sink_settings, make_entry):
    good = make_entry(1, node="county")
    request = {**wire.event_json(good), "type": "gateway.live.v1", "data": {"camera": "c1"}}
    chunks = [
        b"id: 1\nevent: entry\ndata: {broken\n\n",
        b"id: 2\nevent: entry\ndata: {}\n\n",
        b"id: 3\nevent: live\ndata: %s\n\n" % json.dumps(request).encode(),
        event(4, make_entry(2, node="zhuyang")),
        event("opaque", good),
    ]
    upper = await serve(stream(*chunks))
    taker = Taker()
    with pytest.raises(Unreachable):
        await CascadeDownlink(sink_settings(upper.url), "zhuyang").run(taker, Flag())
    assert taker.taken == [(4, good)]


async def test_an_entry_that_could_not_be_committed_is_asked_for_again(serve, sink_settings, make_entry):
    entry = make_entry(1, node="county")
    upper = await serve(stream(event(5, entry)))
    taker = Taker()
    taker.fail = StoreFailed("the disk is full")
    downlink = CascadeDownlink(sink_settings(upper.url), "zhuyang")
    with pytest.raises(StoreFailed):
        await downlink.run(taker, Flag())
    with pytest.raises(Unreachable):
        await downlink.run(taker, Flag())
    assert taker.taken == [(5, entry)]


async def test_silence_is_noticed(serve, sink_settings):
    upper = await serve(stream(b": hello\n\n", hold=True))
    online = Flag()
    while not online.count:  # a machine that is held up may be as silent before the stream stands
        with pytest.raises(Unreachable, match=r"silent for 0\.3 s"):
            await CascadeDownlink(sink_settings(upper.url), "zhuyang", silence=0.3).run(Taker(), online)
    assert online.count == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Response(status_code=401), AuthFailed),
        (Response(status_code=403), AuthFailed),
        (Response(status_code=404), ProtocolFault),
        (Response(status_code=429), Unreachable),
        (Response(status_code=503), Unreachable),
        (Response(status_code=302, headers={"Location": "http://127.0.0.1:9/"}), Unreachable),
        (PlainTextResponse("<html>"), ProtocolFault),
    ],
)
async def test_other_answers_are_typed_errors(serve, sink_settings, answer, error):
    async def downlink(request):
        return answer

    upper = await serve(Starlette(routes=[Route("/cascade/v1/downlink", downlink)]))
    online = Flag()
    with pytest.raises(error, match=upper.url):
        await CascadeDownlink(sink_settings(upper.url), "zhuyang").run(Taker(), online)
    assert online.count == 0


async def test_an_event_without_end_is_a_fault(serve, sink_settings):
    upper = await serve(stream(*[b"data: " + b"x" * 1_000_000] * 9))
    with pytest.raises(ProtocolFault, match="larger than"):
        await CascadeDownlink(sink_settings(upper.url), "zhuyang").run(Taker(), Flag())


async def test_nobody_there_is_unreachable(sink_settings):
    with pytest.raises(Unreachable, match="is the upper node running"):
        await CascadeDownlink(sink_settings("http://127.0.0.1:9"), "zhuyang").run(Taker(), Flag())


async def test_what_is_done_above_comes_down_without_a_gap_across_restarts(
    upper, sink_settings, memory_media, tmp_path, eventually
):
    """Both ends real: press and entries up, acts down, the upper node restarted in between."""
    ledger = await SqliteLedger.open(tmp_path / "zhuyang.db", "zhuyang", SystemClock())
    sink = CascadeSink(sink_settings(upper.url), "zhuyang", memory_media)
    base = {
        "kind": "sos",
        "severity": 1,
        "status": "actual",
        "source": {"type": "terminal", "id": "tv-1"},
        "title": "sos",
    }
    draft = Draft("a1", "raised", "terminal/tv-1", SystemClock().now(), data={"base": base})
    raised = await ledger.write(lambda tx: tx.append(draft))
    await sink.send(Parcel(1, "county", Lane.ALARM, raised))
    online = Flag()

    async def listen():
        downlink = CascadeDownlink(sink_settings(upper.url), "zhuyang")
        while True:
            with contextlib.suppress(Unreachable):
                await downlink.run(LedgerUpper(ledger, "county"), online)
            await asyncio.sleep(0.05)

    async def below():
        return [item.entry for item in await ledger.read(lambda reader: reader.entries("a1"))]

    listening = asyncio.create_task(listen())
    expected = [raised]
    for action in ("acknowledge", "dispatch", "arrive", "note"):
        expected.append(await upper.act("a1", action))
        await upper.restart()
        expected.append(await upper.act("a1", "note"))
    async with asyncio.timeout(60):
        seen = 0
        while await below() != expected:
            seen = await ledger.changed("entry", seen)
    assert online.count >= 1
    here = await ledger.read(lambda reader: reader.alert("a1"))
    above = await upper.ledger.read(lambda reader: reader.alert("a1"))
    assert here.alert == above.alert
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await sink.close()
    await ledger.close()
