import asyncio
import json
import os
import subprocess
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from adapters.cascade import wire
from adapters.cascade.settings import CascadeSinkSettings
from adapters.cascade.sink import CascadeSink
from gateway.canonical import sha256_hex
from gateway.errors import ConfigError, Refused, TryLater
from gateway.model import Answer, Lane, Parcel, Stage
from gateway.ports import StoredMedia

CLIP = b"\0\0\0\x18ftypisom" + bytes(5_000_000)
JPEG = b"\xff\xd8\xff\xe0" + b"a picture" * 50


def parcel(content) -> Parcel:
    return Parcel(1, "county", Lane.ALARM, content)


@pytest.fixture
async def make_sink(memory_media, sink_settings):
    sinks = []

    def make(url, token="t-zhuyang", **options):
        sink = CascadeSink(sink_settings(url, token), "zhuyang", memory_media, **options)
        sinks.append(sink)
        return sink

    yield make
    for sink in sinks:
        await sink.close()


@pytest.fixture
def picture_entry(make_entry):
    data = {"camera": "c1", "snapshot": "s1", "state": "ready", "sha256": sha256_hex(JPEG)}
    return lambda number: make_entry(number, "picture", data=data)


async def test_the_receipt_is_the_upper_nodes_proof_of_our_bytes(upper, make_sink, make_entry):
    entry = make_entry(1, "raised")
    receipt = await make_sink(upper.url).send(parcel(entry))
    kept = await upper.ledger.read(lambda reader: reader.admitted("zhuyang", entry.id))
    assert receipt == kept
    assert receipt.sha256 == sha256_hex(wire.event_bytes(entry))


async def test_a_repeat_gets_the_same_receipt_also_after_the_upper_node_restarted(upper, make_sink, make_entry):
    sink, entry = make_sink(upper.url), make_entry(1, "raised")
    first = await sink.send(parcel(entry))
    await upper.stop()
    with pytest.raises(TryLater, match=f"{upper.url}.*is the upper node running"):
        await sink.send(parcel(entry))
    await upper.start()
    assert await sink.send(parcel(entry)) == first
    assert await upper.entries("a1") == [entry]


async def test_a_lost_answer_makes_one_alert_and_one_receipt(upper, dropper, make_sink, make_entry):
    sink, entry = make_sink(dropper.url), make_entry(1, "raised")
    for _ in range(3):
        with pytest.raises(TryLater, match="the connection broke"):
            await sink.send(parcel(entry))
    assert dropper.dropped == 3
    dropper.drop = False
    receipt = await sink.send(parcel(entry))
    assert await upper.entries("a1") == [entry]
    assert receipt == await upper.ledger.read(lambda reader: reader.admitted("zhuyang", entry.id))


async def test_many_at_once_all_get_their_own_receipts(upper, make_sink, make_entry):
    sink = make_sink(upper.url)
    entries = [make_entry(number, "raised", f"a{number}") for number in range(1, 41)]
    receipts = await asyncio.gather(*(sink.send(parcel(entry)) for entry in entries))
    assert [receipt.id for receipt in receipts] == [entry.id for entry in entries]
    assert len({receipt.seq for receipt in receipts}) == 40


async def test_an_entry_of_anothers_alert_is_refused_with_the_reason(upper, make_sink, make_entry):
    await make_sink(upper.url, "t-longmen").send(parcel(make_entry(1, "raised", "b1", "longmen")))
    with pytest.raises(Refused, match="belongs to longmen"):
        await make_sink(upper.url).send(parcel(make_entry(1, alert="b1")))


async def test_a_wrong_token_is_tried_again_and_never_told(upper, make_sink, make_entry):
    with pytest.raises(TryLater, match="does not accept this node's token") as caught:
        await make_sink(upper.url, "wr0ng-s3cret").send(parcel(make_entry(1, "raised")))
    assert caught.value.after == 30.0
    assert "wr0ng-s3cret" not in str(caught.value)


async def test_the_picture_goes_before_its_entry_and_only_once(upper, make_sink, memory_media, picture_entry):
    await memory_media.put(JPEG, "image/jpeg")
    sink = make_sink(upper.url)
    await sink.send(parcel(picture_entry(1)))
    assert upper.media.kept == {sha256_hex(JPEG): (JPEG, "image/jpeg")}
    upper.media.kept.clear()
    await sink.send(parcel(picture_entry(2)))
    assert upper.media.kept == {}
    assert len(await upper.entries("a1")) == 2


@pytest.fixture
async def clip_entry(memory_media, make_entry):
    """``clip_entry(n)``, of a clip of 5 MB that lies here."""
    sha256 = await memory_media.put(CLIP, "video/mp4")
    data = {"camera": "c1", "clip": "k1", "state": "ready", "sha256": sha256}
    return lambda number: make_entry(number, "clip", data=data)


async def test_a_large_clip_goes_up_whole_in_pieces_before_its_entry_and_only_once(upper, make_sink, clip_entry):
    sink = make_sink(upper.url)
    await sink.send(parcel(clip_entry(1)))
    assert upper.media.kept == {sha256_hex(CLIP): (CLIP, "video/mp4")}
    assert 0 < upper.media.largest_piece <= 1 << 20
    upper.media.kept.clear()
    await sink.send(parcel(clip_entry(2)))
    assert upper.media.kept == {}
    assert len(await upper.entries("a1")) == 2


async def test_a_clip_whose_file_is_gone_goes_without_it(upper, make_sink, memory_media, clip_entry):
    entry = clip_entry(1)
    memory_media.kept.clear()
    await make_sink(upper.url).send(parcel(entry))
    assert len(await upper.entries("a1")) == 1


async def test_a_file_that_goes_while_it_is_sent_is_tried_again(upper, make_sink, memory_media, clip_entry):
    async def find(sha256):
        return StoredMedia(Path("/nowhere/clip.mp4"), len(CLIP), "video/mp4")

    memory_media.find = find
    with pytest.raises(TryLater, match="the connection broke"):
        await make_sink(upper.url).send(parcel(clip_entry(1)))


async def test_a_clip_gives_way_while_an_event_is_on_its_way_and_comes_all_the_same(
    serve, make_sink, make_entry, clip_entry, eventually
):
    taken, answer = [], asyncio.Event()

    async def slow(scope, receive, send):
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if scope["method"] == "PUT":
                taken.append(len(message.get("body", b"")))
            if not message.get("more_body"):
                break
        if scope["method"] == "PUT":
            await Response(status_code=201)(scope, receive, send)
            return
        await answer.wait()
        event = json.loads(body)
        receipt = {"id": event["id"], "sha256": sha256_hex(body), "seq": 1, "committed_at": "2026-01-31T08:00:00Z"}
        await JSONResponse({"receipts": [receipt], "refused": []})(scope, receive, send)

    upper = await serve(slow)
    sink = make_sink(upper.url)
    alarm = asyncio.create_task(sink.send(parcel(make_entry(1, "raised"))))
    await asyncio.sleep(0.05)
    clip = asyncio.create_task(sink.send(parcel(clip_entry(2))))
    await eventually(lambda: sum(taken) > 0)
    # a helping a second: of 40, a few at most can have passed before the answer, and all pass after it
    assert sum(taken) <= len(CLIP) // 4
    answer.set()
    assert (await alarm).id == "zhuyang-e1"
    assert (await clip).id == "zhuyang-e2"
    assert sum(taken) == len(CLIP)


async def test_an_upload_that_is_given_up_leaves_its_file_alone(serve, make_sink, clip_entry, eventually):
    begun = asyncio.Event()

    async def deaf(scope, receive, send):
        begun.set()
        await asyncio.Event().wait()

    upper = await serve(deaf)
    sending = asyncio.create_task(make_sink(upper.url).send(parcel(clip_entry(1))))
    async with asyncio.timeout(60):
        await begun.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    held = [
        os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{n}")
    ]
    assert not any(path.endswith(sha256_hex(CLIP)) for path in held)


async def test_while_the_picture_is_not_there_its_entry_is_not_sent(serve, make_sink, memory_media, picture_entry):
    paths = []

    async def refuse(scope, receive, send):
        paths.append((scope["method"], scope["path"]))
        await Response(status_code=503)(scope, receive, send)

    await memory_media.put(JPEG, "image/jpeg")
    upper = await serve(refuse)
    with pytest.raises(TryLater):
        await make_sink(upper.url).send(parcel(picture_entry(1)))
    assert paths == [("PUT", f"/cascade/v1/media/{sha256_hex(JPEG)}")]


async def test_an_entry_whose_picture_is_gone_goes_all_the_same(upper, make_sink, picture_entry):
    await make_sink(upper.url).send(parcel(picture_entry(1)))
    assert upper.media.kept == {}
    assert len(await upper.entries("a1")) == 1


async def test_without_its_picture_the_entry_stays_behind(upper, make_sink, memory_media, picture_entry):
    memory_media.kept[sha256_hex(JPEG)] = (b"\xff\xd8\xff rotten", "image/jpeg")
    with pytest.raises(Refused, match="SHA-256"):
        await make_sink(upper.url).send(parcel(picture_entry(1)))
    assert await upper.entries("a1") == []


async def test_an_answer_to_a_terminal_is_not_for_this_sink(make_sink, make_entry):
    answer = Answer("tv", "tv-0001", "p1", "a1", Stage.RECEIVED, "zhuyang", make_entry(1).at, "received")
    with pytest.raises(Refused, match="forwards entries"):
        await make_sink("http://127.0.0.1:9").send(parcel(answer))


async def test_what_json_cannot_carry_is_refused(make_sink, make_entry):
    with pytest.raises(Refused, match="zhuyang-e1"):
        await make_sink("http://127.0.0.1:9").send(parcel(make_entry(1, data={"n": float("nan")})))


def foreign(handler, method="POST", path="/cascade/v1/events"):
    return Starlette(routes=[Route(path, handler, methods=[method])])


async def test_what_is_sent_is_what_the_contract_says(serve, make_sink, make_entry):
    heard = {}

    async def hear(request):
        heard.update(request.headers, body=await request.body())
        receipt = {
            "id": "zhuyang-e1",
            "sha256": sha256_hex(heard["body"]),
            "seq": 3,
            "committed_at": "2026-01-31T08:00:01Z",
        }
        return JSONResponse({"receipts": [receipt]})

    upper = await serve(foreign(hear))
    receipt = await make_sink(upper.url).send(parcel(make_entry(1, "raised")))
    assert receipt.seq == 3
    assert heard["authorization"] == "Bearer t-zhuyang"
    assert heard["content-type"] == "application/cloudevents+json"
    event = json.loads(heard["body"])
    assert (event["specversion"], event["type"], event["data"]["id"]) == ("1.0", "gateway.entry.v1", "zhuyang-e1")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_never_carries_the_token_to_another_host(serve, make_sink, make_entry, status):
    visits = []

    async def elsewhere(request):
        visits.append(request.headers)
        return Response()

    other = await serve(foreign(elsewhere))

    async def redirect(request):
        return RedirectResponse(other.url + "/cascade/v1/events", status)

    upper = await serve(foreign(redirect))
    with pytest.raises(TryLater, match="redirect"):
        await make_sink(upper.url).send(parcel(make_entry(1, "raised")))
    assert visits == []


async def test_a_receipt_for_other_bytes_is_no_receipt(serve, make_sink, make_entry):
    async def lie(request):
        receipt = {"id": "zhuyang-e1", "sha256": "0" * 64, "seq": 3, "committed_at": "2026-01-31T08:00:01Z"}
        return JSONResponse({"receipts": [receipt]})

    upper = await serve(foreign(lie))
    with pytest.raises(TryLater, match="other bytes"):
        await make_sink(upper.url).send(parcel(make_entry(1, "raised")))


async def test_the_wait_that_a_busy_upper_node_asks_for_is_carried_along(serve, make_sink, make_entry):
    async def busy(request):
        return Response(status_code=503, headers={"Retry-After": "7"})

    upper = await serve(foreign(busy))
    with pytest.raises(TryLater) as caught:
        await make_sink(upper.url).send(parcel(make_entry(1, "raised")))
    assert caught.value.after == 7.0


async def test_a_silent_upper_node_is_given_up_after_the_deadline(make_sink, make_entry):
    async def say_nothing(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with server:
        sink = make_sink(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", event_within=0.2)
        with pytest.raises(TryLater, match=r"no answer within 0\.2 s"):
            await sink.send(parcel(make_entry(1, "raised")))
        await sink.close()


async def test_a_connection_that_died_without_a_sign_does_not_hold_an_alarm_up(upper, make_sink, make_entry):
    """The first connection swallows everything, as after a restart of the NAT box between; later ones work."""
    swallowed = asyncio.Event()

    async def carry(reader, writer):
        if not swallowed.is_set():
            swallowed.set()
            await reader.read()
        else:
            above, beyond = await asyncio.open_connection("127.0.0.1", upper.served.port)
            beyond.write(await reader.readuntil(b"\r\n\r\n"))
            pump = asyncio.create_task(_pump(reader, beyond))
            writer.write(await above.read())
            await writer.drain()
            pump.cancel()
            beyond.close()
        writer.close()

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    async with server:
        entry = make_entry(1, "raised")
        sink = make_sink(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", event_within=60, ask_again=0.2)
        receipt = await asyncio.wait_for(sink.send(parcel(entry)), 60)
        assert receipt.id == entry.id
        await sink.close()
    assert await upper.entries("a1") == [entry]


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)


async def test_asked_again_the_first_request_is_still_waited_for(serve, make_sink, make_entry):
    asked, third = 0, asyncio.Event()

    async def late(request):
        nonlocal asked
        asked += 1
        if asked == 3:
            third.set()
        first = asked == 1
        await third.wait()
        if not first:
            await asyncio.Event().wait()
        return JSONResponse({"detail": "the first one"}, 400, media_type="application/problem+json")

    upper = await serve(foreign(late))
    with pytest.raises(Refused, match="the first one"):
        await make_sink(upper.url, event_within=60, ask_again=0.1).send(parcel(make_entry(1, "raised")))


async def test_an_endless_answer_fills_no_memory(serve, make_sink, make_entry):
    async def pour(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(64):
            await send({"type": "http.response.body", "body": b" " * 65536, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    upper = await serve(pour)
    with pytest.raises(TryLater, match="no receipt"):
        await make_sink(upper.url).send(parcel(make_entry(1, "raised")))


@pytest.fixture
def certificate(tmp_path):
    """A self-signed certificate for 127.0.0.1: (certificate, key)."""
    made, key = tmp_path / "upper.pem", tmp_path / "upper.key"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=upper"
    command += f" -addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {made}"
    subprocess.run(command.split(), check=True, capture_output=True)
    return made, key


async def test_over_tls_the_upper_node_must_prove_who_it_is(upper, serve, memory_media, make_entry, certificate):
    made, key = certificate
    served = await serve(upper.source.app, ssl_certfile=made, ssl_keyfile=key)
    wanted = {"id": "county", "url": served.url.replace("http:", "https:"), "token": "t-zhuyang"}
    trusting = CascadeSink(
        CascadeSinkSettings.model_validate({**wanted, "tls": {"ca": str(made)}}), "zhuyang", memory_media
    )
    wary = CascadeSink(CascadeSinkSettings.model_validate(wanted), "zhuyang", memory_media)
    with pytest.raises(TryLater, match=r"certificate was not accepted; set tls\.ca"):
        await wary.send(parcel(make_entry(1, "raised")))
    assert (await trusting.send(parcel(make_entry(1, "raised")))).seq == 1
    await wary.close()
    await trusting.close()


def test_a_certificate_that_cannot_be_read_is_a_fault_of_the_configuration(memory_media, tmp_path):
    wanted = {"id": "county", "url": "https://h", "token": "t", "tls": {"ca": str(tmp_path / "absent.pem")}}
    with pytest.raises(ConfigError, match=r"absent\.pem"):
        CascadeSink(CascadeSinkSettings.model_validate(wanted), "zhuyang", memory_media)
