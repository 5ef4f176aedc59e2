"""Against a real Mosquitto, with MQTT 5 and 3.1.1."""

import asyncio
import base64
import contextlib
import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from adapters.mqtt import client, connection
from gateway.errors import AuthFailed, Refused, StoreFailed, TryLater, Unreachable
from gateway.model import Answer, Entry, Kind, Lane, Notice, Parcel, ReplyTo, Stage
from gateway.observability import metrics


def answer(terminal="tv-0001", **more) -> Parcel:
    at = datetime(2026, 1, 31, 8, tzinfo=UTC)
    content = Answer("tv", terminal, "p1", "alert-1", Stage.RECEIVED, "n1", at, "收到", **more)
    return Parcel(1, "tv", Lane.ALARM, content)


def connected() -> float:
    return metrics.mqtt_connected.labels("tv")._value.get()


# ---------------------------------------------------------------------------------------------- presses


async def test_a_press_is_emitted(gateway, terminal, until):
    await gateway.connect()
    await terminal.publish("tv/tv-0001/alarm", {"press_id": "p1", "kind": "fire"})
    await until(lambda: gateway.outlet.returned == 1)
    (heard,) = gateway.outlet.signals
    assert (heard.source.id, heard.kind, heard.via) == ("tv-0001", Kind.FIRE, "tv")
    assert not heard.press.redelivered


async def test_a_press_is_acknowledged_only_after_emit_has_returned(gateway, terminal, until):
    await gateway.connect()
    gateway.outlet.free.clear()
    await terminal.publish("tv/tv-0001/alarm", {"press_id": "held"})
    await until(lambda: gateway.outlet.press_ids == ["held"])
    await gateway.disconnect()
    gateway.outlet.free.set()
    await gateway.connect()
    await until(lambda: gateway.outlet.returned == 1)
    assert gateway.outlet.press_ids == ["held", "held"]
    assert [heard.press.redelivered for heard in gateway.outlet.signals] == [False, True]


async def test_an_acknowledged_press_does_not_come_again(gateway, terminal, until):
    await gateway.connect()
    await terminal.publish("tv/tv-0001/alarm", {"press_id": "done"})
    await until(lambda: gateway.outlet.returned == 1)
    await gateway.disconnect()
    await gateway.connect()
    await terminal.publish("tv/tv-0001/alarm", {"press_id": "next"})
    await until(lambda: gateway.outlet.returned == 2)
    assert gateway.outlet.press_ids == ["done", "next"]


async def test_what_is_under_way_at_the_stop_is_finished_and_acknowledged(gateway, terminal, until):
    await gateway.connect()
    gateway.outlet.free.clear()
    await terminal.publish("tv/tv-0001/alarm", {"press_id": "last"})
    await until(lambda: gateway.outlet.press_ids == ["last"])
    asyncio.get_running_loop().call_later(0.1, gateway.outlet.free.set)
    await gateway.disconnect()
    assert gateway.outlet.returned == 1
    await gateway.connect()
    await terminal.publish("tv/tv-0001/alarm", {"press_id": "next"})
    await until(lambda: gateway.outlet.returned == 2)
    assert gateway.outlet.press_ids == ["last", "next"]


async def test_a_press_that_could_not_be_stored_breaks_the_connection_and_comes_again(gateway, terminal, until):
    await gateway.connect()
    gateway.outlet.fault = lambda heard: StoreFailed("the disk is full")
    await terminal.publish("tv/tv-0001/alarm", {"press_id": "p"})
    with pytest.raises(StoreFailed, match="disk is full"):
        await gateway.end()
    gateway.outlet.fault = lambda heard: None
    await gateway.connect()
    await until(lambda: gateway.outlet.returned == 1)
    assert gateway.outlet.press_ids == ["p", "p"]
    assert gateway.outlet.signals[1].press.redelivered


async def test_a_repeat_whose_answer_is_on_its_way_is_acknowledged_and_goes_no_further(gateway, terminal, until):
    await gateway.connect()
    await terminal.publish("tv/tv-0001/alarm", {"press_id": "p1"})
    await until(lambda: gateway.outlet.returned == 1)
    for press_id in ("p1", "p1", "other"):
        await terminal.publish("tv/tv-0001/alarm", {"press_id": press_id})
    await until(lambda: gateway.outlet.press_ids == ["p1", "other"])
    await terminal.subscribe("tv/tv-0001/ack")
    await gateway.source.send(answer())
    await terminal.publish("tv/tv-0001/alarm", {"press_id": "p1"})
    await until(lambda: gateway.outlet.press_ids == ["p1", "other", "p1"])


async def test_an_unforeseen_fault_with_one_press_does_not_stop_the_others(gateway, terminal, until):
    await gateway.connect()
    gateway.outlet.fault = lambda heard: KeyError("oh") if heard.press.press_id == "bad" else None
    with capture_logs() as logs:
        await terminal.publish("tv/tv-0001/alarm", {"press_id": "bad"})
        await terminal.publish("tv/tv-0001/alarm", {"press_id": "good"})
        await until(lambda: gateway.outlet.returned == 1)
    assert [line["log_level"] for line in logs if line.get("exc_info")] == ["error"]
    gateway.outlet.fault = lambda heard: None
    await gateway.disconnect()
    await gateway.connect()
    await until(lambda: gateway.outlet.returned == 2)
    assert gateway.outlet.press_ids == ["bad", "good", "bad"]


async def test_presses_made_while_the_gateway_is_away_are_kept_by_the_broker(gateway, terminal, until):
    await gateway.connect()
    await gateway.disconnect()
    for number in range(50):
        await terminal.publish("tv/tv-0001/alarm", {"press_id": str(number)})
    await gateway.connect()
    await until(lambda: gateway.outlet.returned == 50)
    assert gateway.outlet.press_ids == [str(number) for number in range(50)]


async def test_a_killed_broker_that_comes_back_still_has_the_presses_it_kept(gateway, mosquitto, terminal, until):
    await gateway.connect()
    await gateway.disconnect()
    saves = mosquitto.log.count("Saving in-memory database")
    for number in range(6):  # it saves once there are more changes than autosave_interval, not at each
        await terminal.publish("tv/tv-0001/alarm", {"press_id": str(number)})
    await until(lambda: mosquitto.log.count("Saving in-memory database") >= saves + 2)
    mosquitto.kill()
    mosquitto.start()
    await gateway.connect()
    await until(lambda: gateway.outlet.press_ids[:2] == ["0", "1"])


async def test_a_press_under_way_when_the_broker_is_killed_still_reaches_the_disk(
    gateway, mosquitto, terminal, until, monkeypatch
):
    monkeypatch.setattr(connection, "_FINISH_DEADLINE", 60.0)
    await gateway.connect()
    gateway.outlet.free.clear()
    await terminal.publish("tv/tv-0001/alarm", {"press_id": "p"})
    await until(lambda: gateway.outlet.press_ids == ["p"])
    mosquitto.kill()
    await until(lambda: connected() == 0)
    gateway.outlet.free.set()
    with pytest.raises(Unreachable, match="closed the connection"):
        await gateway.end()
    assert gateway.outlet.returned == 1
    with pytest.raises(Unreachable, match=r"connection refused; is Mosquitto running\?"):
        await gateway.connect()
    mosquitto.start()
    await gateway.connect()
    assert connected() == 1


async def test_junk_is_a_press_too(gateway, terminal, until):
    await gateway.connect()
    payloads = [b"", b"\xff\x00", b'{"press_id":', b"x" * 20_000, "救命".encode()]
    for payload in payloads:
        await terminal.publish("tv//alarm", payload)
    await until(lambda: gateway.outlet.returned == len(payloads))
    assert {heard.kind for heard in gateway.outlet.signals} == {Kind.SOS}
    assert len(base64.b64decode(gateway.outlet.signals[3].detail["payload"])) == 16_384


async def test_no_more_presses_are_under_way_than_allowed_and_none_is_lost(
    gateway_of, mosquitto, protocol, terminal, until
):
    gateway = gateway_of(mosquitto.url, protocol=protocol, receive_maximum=8)
    await gateway.connect()
    gateway.outlet.free.clear()
    most = 20 if protocol == "3.1.1" else 8  # 3.1.1 has no word for it: there it is Mosquitto's own bound
    for number in range(40):
        await terminal.publish("tv/tv-0001/alarm", {"press_id": str(number)})
    await until(lambda: len(gateway.outlet.signals) == most)
    await terminal.publish("tv/tv-0001/alarm", {"press_id": "40"})
    assert len(gateway.outlet.signals) == most
    await terminal.subscribe("tv/tv-0001/ack")
    await gateway.source.send(answer())  # the broker's word for it is read meanwhile: answers leave in a storm
    gateway.outlet.free.set()
    await until(lambda: gateway.outlet.returned == 41)
    assert gateway.outlet.press_ids == [str(number) for number in range(41)]


# ---------------------------------------------------------------------------------------------- retained


async def test_a_retained_press_is_logged_and_never_an_alarm(gateway, terminal, until):
    await terminal.publish("tv/tv-0001/alarm", {"press_id": "old"}, retain=True)
    await terminal.publish("tv/tv-0001/cancel", {"press_id": "old"}, retain=True)
    with capture_logs() as logs:
        await gateway.connect()
        await terminal.publish("tv/tv-0001/alarm", {"press_id": "new"})
        await until(lambda: gateway.outlet.returned == 1)
        await until(lambda: [line.get("reason") for line in logs].count("retained") == 2)
    assert gateway.outlet.press_ids == ["new"] and gateway.outlet.withdrawn == []


async def test_with_mqtt_5_a_press_published_as_retained_while_we_listen_is_none_either(
    gateway_of, mosquitto, terminal_of, until
):
    gateway, terminal = gateway_of(mosquitto.url), terminal_of()
    await gateway.connect()
    await terminal.publish("tv/tv-0001/alarm", {"press_id": "kept"}, retain=True)
    await terminal.publish("tv/tv-0001/alarm", {"press_id": "new"})
    await until(lambda: gateway.outlet.returned == 1)
    assert gateway.outlet.press_ids == ["new"]


# ---------------------------------------------------------------------------------------------- the other topics


async def test_cancel_names_its_press_or_none(gateway, terminal, until):
    await gateway.connect()
    await terminal.publish("tv/tv-0001/cancel", {"press_id": "p1"})
    await terminal.publish("tv/tv-0002/cancel")
    await until(lambda: gateway.outlet.withdrawn == [("tv-0001", "p1"), ("tv-0002", None)])


async def test_presence_comes_from_status_will_and_heartbeat(gateway, terminal_of, protocol, until):
    watcher = terminal_of("watcher", protocol)
    await watcher.publish("tv/a/status", "online", retain=True)
    await watcher.publish("tv/b/heartbeat", "old", retain=True)
    await gateway.connect()
    await until(lambda: gateway.outlet.presences == [("a", True)])
    terminal = terminal_of("c", protocol, will="tv/c/status")
    await terminal.publish("tv/c/status", " Online\n", retain=True)
    await terminal.publish("tv/c/status", "confused")
    await terminal.publish("tv/c/heartbeat", b"\xff")
    terminal.vanish()
    await until(lambda: ("c", False) in gateway.outlet.presences)
    assert gateway.outlet.presences == [("a", True), ("c", True), ("c", None), ("c", False)]
    await watcher.publish("tv/a/status", b"", retain=True)  # how a retained status is taken back
    await watcher.publish("tv/a/heartbeat")
    await until(lambda: gateway.outlet.presences[4:] == [("a", None)])


async def test_messages_are_counted_by_template(gateway, terminal, until):
    counter = metrics.mqtt_messages.labels("tv/{terminal}/alarm")._value
    before = counter.get()
    await gateway.connect()
    await terminal.publish("tv/tv-0001/alarm")
    await until(lambda: gateway.outlet.returned == 1)
    assert counter.get() == before + 1


# ---------------------------------------------------------------------------------------------- answers


async def test_an_answer_reaches_the_terminal(gateway, terminal, until):
    await terminal.subscribe("tv/tv-0001/ack")
    await gateway.connect()
    assert await gateway.source.send(answer()) is None
    await until(lambda: len(terminal.heard) == 1)
    (heard,) = terminal.heard
    assert (heard.topic, heard.qos, heard.retain) == ("tv/tv-0001/ack", 1, False)
    assert json.loads(heard.payload) == {
        "press_id": "p1",
        "alert_id": "alert-1",
        "stage": "received",
        "node": "n1",
        "at": "2026-01-31T08:00:00.000Z",
        "text": "收到",
    }


async def test_with_mqtt_5_the_answer_also_goes_where_the_press_asked(gateway_of, mosquitto, terminal_of, until):
    gateway, terminal = gateway_of(mosquitto.url), terminal_of()
    await terminal.subscribe("tv/tv-0001/ack")
    await terminal.subscribe("replies/7")
    await gateway.connect()
    await terminal.publish("tv/tv-0001/alarm", ResponseTopic="replies/7", CorrelationData=b"\0\xff")
    await until(lambda: gateway.outlet.returned == 1)
    reply_to = gateway.outlet.signals[0].press.reply_to
    assert reply_to == ReplyTo("replies/7", b"\0\xff")
    await gateway.source.send(answer(reply_to=reply_to))
    await until(lambda: len(terminal.heard) == 2)
    by_topic = {heard.topic: heard for heard in terminal.heard}
    assert by_topic["replies/7"].properties.CorrelationData == b"\0\xff"
    assert by_topic["replies/7"].payload == by_topic["tv/tv-0001/ack"].payload


async def test_an_answer_whose_response_topic_is_its_ack_topic_is_sent_once(gateway_of, mosquitto, terminal_of, until):
    gateway, terminal = gateway_of(mosquitto.url), terminal_of()
    await terminal.subscribe("tv/tv-0001/ack")
    await gateway.connect()
    await gateway.source.send(answer(reply_to=ReplyTo("tv/tv-0001/ack", b"7")))
    await gateway.source.send(answer())
    await until(lambda: len(terminal.heard) >= 2)
    assert [getattr(heard.properties, "CorrelationData", None) for heard in terminal.heard] == [b"7", None]


async def test_a_response_topic_cannot_make_the_gateway_raise_an_alarm(gateway_of, mosquitto, terminal_of, until):
    gateway, terminal = gateway_of(mosquitto.url), terminal_of()
    await gateway.connect()
    with capture_logs() as logs:
        await terminal.publish("tv/tv-0001/alarm", ResponseTopic="tv/tv-0002/alarm")
        await terminal.publish("tv/tv-0001/alarm", ResponseTopic="tv/tv-0001/alarm")
        await until(lambda: gateway.outlet.returned == 2)
    assert [heard.press.reply_to for heard in gateway.outlet.signals] == [None, None]
    assert [line["log_level"] for line in logs if "response topic" in line["event"]] == ["warning", "debug"]


async def test_an_answer_that_nobody_subscribes_to_is_kept_and_tried_ever_more_rarely(gateway_of, mosquitto):
    gateway = gateway_of(mosquitto.url)
    await gateway.connect()
    fresh = answer()
    fresh = replace(fresh, content=replace(fresh.content, at=datetime.now(UTC)))
    waits = []
    for attempts in (0, 1, 2, 3, 1000):
        with pytest.raises(TryLater, match="nobody subscribes to tv/tv-0001/ack") as caught:
            await gateway.source.send(replace(fresh, attempts=attempts))
        waits.append(caught.value.after)
    assert waits == [30, 60, 120, 240, 480]
    old = replace(fresh, content=replace(fresh.content, at=datetime.now(UTC) - timedelta(hours=25)))
    with pytest.raises(TryLater):
        await gateway.source.send(old)
    with pytest.raises(Refused, match="24 h"):
        await gateway.source.send(replace(old, attempts=200))


async def test_a_terminal_that_speaks_again_is_owed_what_it_did_not_hear(gateway_of, mosquitto):
    gateway = gateway_of(mosquitto.url)
    await gateway.connect()
    for number in (1, 2, 1):
        with pytest.raises(TryLater, match="nobody subscribes"):
            await gateway.source.send(replace(answer(), id=number))
    assert gateway.source.owed_to("tv-0002") == ()
    assert gateway.source.owed_to("tv-0001") == (2, 1)
    assert gateway.source.owed_to("tv-0001") == ()


async def test_a_notice_is_for_now(gateway_of, mosquitto, terminal_of, until):
    gateway, terminal = gateway_of(mosquitto.url), terminal_of()
    await terminal.subscribe("tv/tv-0002/neighbour")
    await gateway.connect()
    now = datetime.now(UTC)

    def parcel(kind: str, to: str, at: datetime, attempts: int = 0, **data: str) -> Parcel:
        return Parcel(1, "tv", Lane.ALARM, Notice(kind, to, "a1", at, "邻居求助", data), attempts)

    assert await gateway.source.send(parcel("neighbour", "tv-0002", now)) is None
    await until(lambda: len(terminal.heard) == 1)
    with pytest.raises(TryLater, match="neighbour notice") as caught:
        await gateway.source.send(parcel("neighbour", "tv-0003", now))
    assert caught.value.after == 5
    over = now - timedelta(minutes=11)
    assert await gateway.source.send(parcel("neighbour", "tv-0003", over, 20)) is None
    assert await gateway.source.send(parcel("test", "tv-0003", now)) is None
    with pytest.raises(Refused, match="not sounded"):
        await gateway.source.send(parcel("siren", "s1", over, 20, topic="sirens/1", payload="1", state="on"))
    with pytest.raises(TryLater):
        await gateway.source.send(parcel("siren", "s1", over, 20, topic="sirens/1", payload="0", state="off"))


async def test_an_answer_heard_on_its_response_topic_alone_is_delivered(gateway_of, mosquitto, terminal_of, until):
    gateway, terminal = gateway_of(mosquitto.url), terminal_of()
    await terminal.subscribe("replies/7")
    await gateway.connect()
    assert await gateway.source.send(answer(reply_to=ReplyTo("replies/7"))) is None
    await until(lambda: len(terminal.heard) == 1)


async def test_a_response_topic_that_the_broker_forbids_us_holds_up_no_answer(
    gateway_of, mosquitto, terminal_of, until
):
    """With `max_queued_messages 0` Mosquitto 2.0.11 ends the connection of whoever publishes what it forbids."""
    mosquitto.stop()
    rights = mosquitto.directory / "rights"
    rights.write_text("topic readwrite tv/#\n")
    mosquitto.extra = f"allow_anonymous true\nacl_file {rights}"
    mosquitto.start()
    gateway, terminal = gateway_of(mosquitto.url), terminal_of()
    await terminal.subscribe("tv/tv-0001/ack")
    await gateway.connect()
    assert await gateway.source.send(answer(reply_to=ReplyTo("replies/7", b"7"))) is None
    with contextlib.suppress(Unreachable):
        await gateway.disconnect()
    await gateway.connect()
    for number in range(3):
        assert await gateway.source.send(answer(reply_to=ReplyTo(f"replies/{number}"))) is None
    await until(lambda: len(terminal.heard) == 4)
    assert mosquitto.log.count("Denied PUBLISH from gateway-n1") == 1


async def test_many_answers_at_once(gateway, terminal, until):
    await terminal.subscribe("tv/+/ack")
    await gateway.connect()
    await asyncio.gather(*(gateway.source.send(answer(f"t{number}")) for number in range(200)))
    await until(lambda: len(terminal.heard) == 200)
    assert {heard.topic for heard in terminal.heard} == {f"tv/t{number}/ack" for number in range(200)}


async def test_answers_wait_while_there_is_no_connection(gateway, mosquitto):
    with pytest.raises(TryLater, match="not connected to broker") as caught:
        await gateway.source.send(answer())
    assert caught.value.after is None
    await gateway.connect()
    mosquitto.kill()
    with pytest.raises(TryLater):
        await gateway.source.send(answer())
    with pytest.raises(Unreachable):
        await gateway.end()


async def test_answers_under_way_when_the_connection_breaks_are_tried_later(gateway, mosquitto, until):
    await gateway.connect()
    mosquitto.freeze()
    sends = [asyncio.create_task(gateway.source.send(answer(f"t{number}"))) for number in range(50)]
    await asyncio.sleep(0.1)
    assert not any(send.done() for send in sends)
    await gateway.disconnect()
    results = await asyncio.gather(*sends, return_exceptions=True)
    assert {type(result) for result in results} == {TryLater}


async def test_what_is_no_answer_or_has_no_topic_is_refused(gateway):
    await gateway.connect()
    entry = Entry("e1", "a1", "n1", 1, (), datetime.now(UTC), "gateway", "note")
    with pytest.raises(Refused, match="only answers"):
        await gateway.source.send(Parcel(1, "tv", Lane.ALARM, entry))
    for terminal in ("a+b", "#", "a\0b", "\ud800"):
        with pytest.raises(Refused, match="MQTT topic"):
            await gateway.source.send(answer(terminal))


# ---------------------------------------------------------------------------------------------- connecting


async def test_a_wrong_password_is_named_as_one(mosquitto, gateway_of, protocol):
    mosquitto.stop()
    passwords = mosquitto.directory / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "gw", "right"], check=True, capture_output=True)
    mosquitto.extra = f"allow_anonymous false\npassword_file {passwords}"
    mosquitto.start()
    wrong = gateway_of(mosquitto.url, protocol=protocol, username="gw", password="wrong")
    with pytest.raises(AuthFailed, match="check username and password") as caught:
        await wrong.connect()
    assert "wrong" not in str(caught.value)
    await gateway_of(mosquitto.url, protocol=protocol, username="gw", password="right").connect()


async def test_a_user_who_may_not_read_alarms_is_told_so(mosquitto, gateway_of):
    mosquitto.stop()
    rights = mosquitto.directory / "rights"
    rights.write_text("topic read tv/+/status\n")
    mosquitto.extra = f"allow_anonymous true\nacl_file {rights}"
    mosquitto.start()
    gateway = gateway_of(mosquitto.url)
    try:
        await gateway.connect()
    except AuthFailed as error:
        assert "tv/+/alarm" in str(error)
    else:  # Mosquitto 2.0 grants every subscription and filters what it sends
        assert "tv/+/alarm" in mosquitto.log


async def test_a_second_gateway_with_the_same_node_id_is_suspected(mosquitto, gateway_of):
    first, second = gateway_of(mosquitto.url), gateway_of(mosquitto.url)
    await first.connect()
    await second.connect()
    with pytest.raises(Unreachable, match="same node id"):
        await first.end()


async def test_a_frozen_broker_is_noticed(gateway, mosquitto, monkeypatch):
    monkeypatch.setattr(client, "KEEPALIVE", 1)
    await gateway.connect()
    mosquitto.freeze()
    with pytest.raises(Unreachable, match="silent for 2 s"):
        await gateway.end()
    assert connected() == 0


def test_silence_is_noticed_within_20_seconds():
    assert 2 * client.KEEPALIVE + 1 < 20


async def test_an_unknown_host(gateway_of):
    with pytest.raises(Unreachable, match=r"no-such-host\.invalid.*check url"):
        await gateway_of("mqtt://no-such-host.invalid:1883").connect()


async def test_somebody_who_never_answers_connect(gateway_of, monkeypatch):
    monkeypatch.setattr(client, "_ANSWER_DEADLINE", 0.2)

    async def say_nothing(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unreachable, match="did not answer CONNECT"):
            await gateway_of(f"mqtt://127.0.0.1:{port}").connect()


@pytest.mark.parametrize("refusal", [b"\x20\x02\x00\x01", b"", None])
async def test_a_broker_that_knows_only_3_1_1_is_spoken_to_in_it(gateway_of, free_port, monkeypatch, refusal):
    """One refuses MQTT 5 by CONNACK code 1, as §3.1.2.2 of 3.1.1 asks; another hangs up; another says nothing."""
    if refusal is None:
        monkeypatch.setattr(client, "_ANSWER_DEADLINE", 3.0)
    levels = []

    async def old_broker(reader, writer):
        connect = await reader.readexactly(10)
        levels.append(connect[8])
        if connect[8] == 5 and refusal is None:
            await reader.read()
        elif connect[8] == 5:
            writer.write(refusal)
        else:
            await reader.readexactly(connect[1] - 8)
            writer.write(b"\x20\x02\x00\x00")
            subscribe = await reader.read(1000)
            writer.write(b"\x90\x06" + subscribe[2:4] + b"\1\1\1\1")
            await reader.read()
        writer.close()

    port = free_port()
    server = await asyncio.start_server(old_broker, "127.0.0.1", port)
    async with server:
        gateway = gateway_of(f"mqtt://127.0.0.1:{port}")
        await gateway.connect()
        assert levels == [5, 4]
        await gateway.disconnect()
        await gateway.connect()
        assert levels == [5, 4, 4], "the version that worked is tried first"
        await gateway.disconnect()
    with pytest.raises(Unreachable, match="refused"):
        await gateway.connect()
    server = await asyncio.start_server(old_broker, "127.0.0.1", port)
    async with server:
        await gateway.connect()
        assert levels[3:] == [5, 4], "a broker that comes back may be a newer one"
        await gateway.disconnect()


@pytest.mark.parametrize(
    "junk", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x02", b"\x20\xff\xff\xff\xff\xff", b"\x30\x02\x00\xff"]
)
async def test_somebody_who_is_no_broker(gateway_of, junk):
    async def other_service(reader, writer):
        await reader.read(1000)
        writer.write(junk)
        writer.close()

    server = await asyncio.start_server(other_service, "127.0.0.1", 0)
    async with server:
        url = f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(Unreachable, match=url):
            await gateway_of(url).connect()


# ---------------------------------------------------------------------------------------------- TLS


@pytest.fixture
def certificates(tmp_path):
    """An authority, a certificate for 127.0.0.1 by it, and an authority that nobody knows."""

    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=tmp_path)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    for name in ("ca", "stranger"):
        openssl(
            "req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", "-days", "2"
        )
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=broker")
    (tmp_path / "san").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl(
        *["x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"],
        *["-out", "server.pem", "-days", "2", "-extfile", "san"],
    )
    return tmp_path


async def test_tls(mosquitto, gateway_of, certificates, protocol, until):
    mosquitto.stop()
    mosquitto.extra = (
        f"allow_anonymous true\ncertfile {certificates}/server.pem\nkeyfile {certificates}/server.key\n"
        f"cafile {certificates}/ca.pem"
    )
    mosquitto.start()
    url = mosquitto.url.replace("mqtt:", "mqtts:")
    gateway = gateway_of(url, protocol=protocol, tls={"ca": str(certificates / "ca.pem")}, receive_maximum=3)
    await gateway.connect()
    for number in range(20):
        publish = await asyncio.create_subprocess_exec(
            *["mosquitto_pub", "-h", "127.0.0.1", "-p", str(mosquitto.port), "--cafile", str(certificates / "ca.pem")],
            *["-q", "1", "-t", "tv/tv-0001/alarm", "-m", json.dumps({"press_id": str(number), "text": "x" * 9000})],
        )
        assert await publish.wait() == 0
    await until(lambda: gateway.outlet.returned == 20)
    assert gateway.outlet.press_ids == [str(number) for number in range(20)]
    await gateway.disconnect()
    stranger = gateway_of(url, protocol=protocol, tls={"ca": str(certificates / "stranger.pem")})
    with pytest.raises(Unreachable, match=r"certificate is not trusted.*tls\.ca"):
        await stranger.connect()
    missing = gateway_of(url, protocol=protocol, tls={"ca": str(certificates / "missing.pem")})
    with pytest.raises(Unreachable, match="tls section"):
        await missing.connect()


async def test_tls_on_a_port_without_it(mosquitto, gateway_of):
    with pytest.raises(Unreachable, match="TLS"):
        await gateway_of(mosquitto.url.replace("mqtt:", "mqtts:")).connect()
