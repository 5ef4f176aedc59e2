import base64
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.notify.settings import NotifySettings
from adapters.notify.sink import NotifySink
from gateway.canonical import sha256_hex
from gateway.errors import Refused, TryLater
from gateway.model import Answer, Lane, Notice, Parcel, Stage

AT = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
TEXT = "【警情】一键求助 1 级\n张桂芳"
KEY = "0a1b2c3d-secret-key"


def parcel(to: str = "wang", *, text: str = TEXT, at: datetime = AT, attempts: int = 0) -> Parcel:
    notice = Notice("person", to, "alert-1", at, text, {"title": "一键求助", "role": "officer"})
    return Parcel(1, "people", Lane.ALARM, notice, attempts)


@pytest.fixture
async def sink_of(robot: Any) -> AsyncIterator[Any]:
    made: list[NotifySink] = []

    def make(*addresses: str, within: float = 9.0, **words: Any) -> NotifySink:
        people = [{"id": "wang", "addresses": list(addresses)}, *words.pop("others", ())]
        robots = dict.fromkeys(("wecombot", "dingtalk", "feishu", "lark"), robot.url)
        settings = NotifySettings(kind="notify", id="people", people=people, robots=robots, **words)
        made.append(NotifySink(settings, now=lambda: AT, within=within))
        return made[-1]

    yield make
    for sink in made:
        await sink.close()


async def test_a_wecom_robot_is_told_as_it_wants_it(robot: Any, sink_of: Any) -> None:
    receipt = await sink_of(f"wecombot://{KEY}").send(parcel())
    (heard,) = robot.heard
    assert (heard.path, heard.query) == ("/cgi-bin/webhook/send", {"key": [KEY]})
    assert heard.json() == {"msgtype": "text", "text": {"content": TEXT}}
    assert (receipt.id, receipt.sha256, receipt.committed_at) == ("wecombot", sha256_hex(TEXT.encode()), AT)


async def test_a_dingtalk_robot_is_told_with_its_signature_and_who_is_called(robot: Any, sink_of: Any) -> None:
    await sink_of("dingtalk://s3cret@t0ken/13800000001").send(parcel())
    (heard,) = robot.heard
    stamp = str(int(AT.timestamp() * 1000))
    digest = hmac.new(b"s3cret", f"{stamp}\ns3cret".encode(), hashlib.sha256).digest()
    expected = {"access_token": ["t0ken"], "timestamp": [stamp], "sign": [base64.b64encode(digest).decode()]}
    assert (heard.path, heard.query) == ("/robot/send", expected)
    assert heard.json()["text"] == {"content": TEXT} and heard.json()["at"]["atMobiles"] == ["13800000001"]


@pytest.mark.parametrize("schema", ["feishu", "lark"])
async def test_a_feishu_robot_is_told(robot: Any, sink_of: Any, schema: str) -> None:
    robot.answers = [(200, b'{"code":0,"msg":"success"}')]
    assert (await sink_of(f"{schema}://abcdef").send(parcel())).id == schema
    (heard,) = robot.heard
    assert heard.path == "/open-apis/bot/v2/hook/abcdef" and heard.json()["content"] == {"text": TEXT}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b'{"errcode":93000,"errmsg":"invalid webhook url"}'),
        (200, b'{"errcode":310000,"errmsg":"keywords not in content"}'),
        (200, b'{"code":19024,"msg":"Key Words Not Found"}'),
        (200, b'{"errcode":false}'),
        (200, b"{}"),
        (200, b"[]"),
        (200, b"<html>login to the hotel's network</html>"),
        (302, b""),
        (500, b"oops"),
    ],
)
async def test_a_robot_that_says_200_and_means_no_has_not_told_anybody(
    robot: Any, sink_of: Any, status: int, body: bytes
) -> None:
    robot.answers = [(status, body)]
    robot.headers = {"Location": f"{robot.url}/elsewhere"} if status == 302 else {}
    with pytest.raises(TryLater, match="wang could not be told: address 1: the wecombot robot") as caught:
        await sink_of(f"wecombot://{KEY}").send(parcel())
    assert caught.value.after is not None and caught.value.after >= 5
    assert len(robot.heard) == 1


@pytest.mark.parametrize(("status", "body"), [(200, b'{"errcode":45009,"errmsg":"api freq out of limit"}'), (429, b"")])
async def test_a_robot_that_was_told_too_much_is_left_alone_for_a_minute(
    robot: Any, sink_of: Any, status: int, body: bytes
) -> None:
    robot.answers = [(status, body), (200, b'{"errcode":0}')]
    sink = sink_of(f"wecombot://{KEY}", others=[{"id": "li", "addresses": [f"wecombot://{KEY}"]}])
    with pytest.raises(TryLater) as caught:
        await sink.send(parcel())
    assert caught.value.after == 60
    with pytest.raises(TryLater, match="as much as it takes"):
        await sink.send(parcel("li"))  # the same robot
    assert len(robot.heard) == 1


async def test_a_robot_is_told_no_more_than_it_takes_in_a_minute(robot: Any, sink_of: Any) -> None:
    sink = sink_of(f"wecombot://{KEY}")
    for _ in range(18):
        await sink.send(parcel())
    with pytest.raises(TryLater, match="as much as it takes in a minute"):
        await sink.send(parcel())
    assert len(robot.heard) == 18


async def test_the_addresses_are_tried_in_order_and_one_is_enough(robot: Any, sink_of: Any) -> None:
    robot.answers = [(200, b'{"errcode":93000}'), (200, b'{"errcode":0}')]
    sink = sink_of(f"wecombot://{KEY}", "dingtalk://t0ken", f"json://{robot.address}/sms")
    assert (await sink.send(parcel())).id == "dingtalk"
    assert [heard.path for heard in robot.heard] == ["/cgi-bin/webhook/send", "/robot/send"]


async def test_an_address_that_hangs_gives_way_to_the_next(robot: Any, sink_of: Any) -> None:
    robot.silent.set()
    sink = sink_of(f"wecombot://{KEY}", f"json://{robot.address}/sms", within=0.6)
    with pytest.raises(TryLater) as caught:
        await sink.send(parcel())
    assert "address 1: the wecombot robot did not answer within 0.3 s" in str(caught.value)
    assert "address 2: json did not" in str(caught.value)


async def test_what_apprise_knows_is_told_through_it(robot: Any, sink_of: Any) -> None:
    robot.answers = [(204, b"")]
    receipt = await sink_of(f"json://user:pass@{robot.address}/gateway?:message=content&:mobile=13800000001").send(
        parcel()
    )
    assert receipt.id == "json"
    (heard,) = robot.heard
    assert heard.path == "/gateway"
    assert heard.json()["content"] == TEXT and heard.json()["mobile"] == "13800000001"


async def test_a_form_of_an_sms_gateway_is_told_through_apprise(robot: Any, sink_of: Any) -> None:
    assert (await sink_of(f"form://{robot.address}/sms").send(parcel())).id == "form"
    assert robot.heard[0].type.startswith("application/x-www-form-urlencoded")


async def test_the_library_does_not_hold_up_a_second_message(
    robot: Any, sink_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself apprise sleeps for 5.5 s between two messages of most services; here it would for an hour."""
    sink = sink_of(f"ntfy://{robot.address}/topic", within=60.0)
    (address,) = sink._people["wang"]
    monkeypatch.setattr(type(address.plugin), "request_rate_per_sec", 3600)
    await sink.send(parcel())
    await sink.send(parcel())
    assert len(robot.heard) == 2


@pytest.mark.parametrize("address", [f"wecombot://{KEY}", "json://{}/secret-path", "json://127.0.0.1:1/secret-path"])
async def test_no_address_stands_in_a_reason_or_in_a_log(
    robot: Any, sink_of: Any, address: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    robot.answers = [(500, b"secret words")]
    with pytest.raises(TryLater) as caught:
        await sink_of(address.format(robot.address)).send(parcel())
    said = [str(caught.value), repr(caught.value.__cause__), caplog.text, *capfd.readouterr()]
    for word in (KEY, "secret-path", "secret words"):
        assert not any(word in each for each in said)


async def test_what_came_too_late_is_parked(sink_of: Any) -> None:
    sink = sink_of(f"wecombot://{KEY}", give_up_after=3600)
    with pytest.raises(Refused, match=r"nobody could tell wang for 1\.1 h"):
        await sink.send(parcel(at=AT - timedelta(minutes=66)))


async def test_the_pause_grows_with_the_attempts(robot: Any, sink_of: Any) -> None:
    robot.answers = [(500, b"")]
    sink, waits = sink_of(f"wecombot://{KEY}"), []
    for attempts in (0, 1, 2, 50):
        with pytest.raises(TryLater) as caught:
            await sink.send(parcel(attempts=attempts))
        waits.append(caught.value.after)
    assert waits == [10, 20, 40, 300]


async def test_what_is_for_others_is_refused(sink_of: Any) -> None:
    sink = sink_of(f"wecombot://{KEY}")
    answer = Answer("tv", "tv-1", "p1", "a", Stage.RECEIVED, "town", AT, "")
    for content in (answer, Notice("siren", "wang", "a", AT, ""), Notice("person", "gone", "a", AT, "")):
        with pytest.raises(Refused):
            await sink.send(Parcel(1, "people", Lane.ALARM, content))


async def test_a_long_text_is_cut_where_the_robot_would_refuse_it(robot: Any, sink_of: Any) -> None:
    await sink_of(f"wecombot://{KEY}").send(parcel(text="警" * 3000))
    content = json.loads(robot.heard[0].body)["text"]["content"]
    assert len(content.encode()) <= 2048 and content.startswith("警警") and content.endswith("…")
