"""What a cascade sink does beside entries: reports, digests, other addresses, a budget."""

from datetime import timedelta

import pytest

from adapters.cascade.settings import CascadeSinkSettings
from adapters.cascade.sink import CascadeSink
from gateway.canonical import sha256_hex
from gateway.errors import Refused, TryLater
from gateway.model import Lane, Parcel

JPEG = b"\xff\xd8\xff\xe0" + bytes(40_000)
NOBODY = "http://127.0.0.1:1"


@pytest.fixture
async def make_sink(memory_media):
    sinks = []

    def make(url, **changes):
        values = {"kind": "cascade", "id": "county", "url": url, "token": "t-zhuyang", **changes}
        sinks.append(CascadeSink(CascadeSinkSettings.model_validate(values), "zhuyang", memory_media))
        return sinks[-1]

    yield make
    for sink in sinks:
        await sink.close()


def parcel(entry, lane=Lane.ALARM):
    return Parcel(1, "county", lane, entry)


@pytest.mark.parametrize("budget", [None, "10 Mbit/s"])
async def test_a_report_is_taken_and_what_is_no_json_or_too_large_is_refused(upper, make_sink, budget):
    sink = make_sink(upper.url, budget=budget)
    await sink.report("gateway.health.v1", {"node": "zhuyang", "cameras": [], "figures": {"lag": 0.1}})
    with pytest.raises(Refused, match="JSON"):
        await sink.report("gateway.health.v1", {"node": "zhuyang", "figures": {"lag": float("nan")}})
    with pytest.raises(Refused, match="in parts"):
        await sink.report("gateway.health.v1", {"node": "zhuyang", "text": "x" * 5_000_000})
    with pytest.raises(Refused, match="longmen"):
        await make_sink(upper.url, token="t-longmen").report("gateway.health.v1", {"node": "zhuyang", "x": 1})


async def test_a_digest_is_the_upper_nodes_and_changes_with_what_it_has(upper, make_sink, make_entry):
    sink = make_sink(upper.url)
    receipt = await sink.send(parcel(make_entry(1, "raised")))
    since = receipt.committed_at
    until = since + timedelta(milliseconds=1)
    digest = await sink.digest(since, until)
    assert digest == await upper.exchange.digest("zhuyang", since, until)
    assert digest.count == 1
    assert (await sink.digest(until, until)).count == 0
    with pytest.raises(TryLater, match="is the upper node running"):
        await make_sink(NOBODY).digest(since, until)


async def test_another_address_of_the_same_node_is_taken_where_the_first_cannot_be_reached(
    upper, make_sink, make_entry, memory_media
):
    sink = make_sink(NOBODY, also=[upper.url])
    sha256 = await memory_media.put(JPEG, "image/jpeg")
    await sink.send(parcel(make_entry(1, "raised")))
    picture = make_entry(2, "picture", data={"camera": "c", "snapshot": "s", "state": "ready", "sha256": sha256})
    await sink.send(parcel(picture, Lane.PICTURE))
    assert [entry.seq for entry in await upper.entries("a1")] == [1, 2]


async def test_with_no_address_reached_the_reason_names_the_last(make_sink, make_entry):
    sink = make_sink(NOBODY, also=["http://127.0.0.1:2"])
    with pytest.raises(TryLater, match=r"127\.0\.0\.1:2: .*is the upper node running"):
        await sink.send(parcel(make_entry(1, "raised")))


async def test_a_picture_goes_whole_within_a_budget_and_an_alarm_beside_it(upper, make_sink, make_entry, memory_media):
    sink = make_sink(upper.url, budget="4 Mbit/s")
    sha256 = await memory_media.put(JPEG, "image/jpeg")
    picture = make_entry(2, "picture", data={"camera": "c", "snapshot": "s", "state": "ready", "sha256": sha256})
    await sink.send(parcel(make_entry(1, "raised")))
    await sink.send(parcel(picture, Lane.PICTURE))
    assert sha256_hex(upper.media.kept[sha256][0]) == sha256


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"also": ["county"]}, "address of an upper node"),
        ({"budget": "fast"}, "kbit/s"),
        ({"budget": "0 kbit/s"}, "greater than or equal to"),
        ({"budget": True}, "kbit/s"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        CascadeSinkSettings.model_validate({"kind": "cascade", "id": "c", "url": "http://h", "token": "t", **changes})
