import base64
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mqtt.presses import LONGEST_PAYLOAD, LONGEST_PRESS_ID, Arrived, press_signal, withdrawn_press
from gateway.canonical import canonical_json, sha256_hex
from gateway.model import PRESS_KINDS, Kind, ReplyTo, Signal, SourceRef, Status, rfc3339

RECEIVED = datetime(2026, 1, 31, 8, 0, 1, tzinfo=UTC)


def press(payload, **more) -> Signal:
    if isinstance(payload, dict):
        payload = json.dumps(payload).encode()
    return press_signal("tv", Arrived("tv-0001", payload, RECEIVED, 12.5, **more))


def assert_faulty(signal: Signal, payload: bytes, *words: str) -> None:
    assert signal.kind is Kind.SOS and signal.status is Status.ACTUAL
    assert base64.b64decode(signal.detail["payload"]) == payload[:16384]
    for word in words:
        assert word in signal.detail["payload_fault"]


def test_a_full_press():
    payload = {
        "press_id": "p1",
        "kind": "fire",
        "pressed_at": "2026-01-31T16:00:00.5+08:00",
        "seq": 12,
        "test": False,
        "text": "厨房着火",
    }
    signal = press(payload)
    assert signal.via == "tv" and signal.source == SourceRef("terminal", "tv-0001")
    assert (signal.kind, signal.status) == (Kind.FIRE, Status.ACTUAL)
    assert signal.device_time == datetime(2026, 1, 31, 8, 0, 0, 500_000, tzinfo=UTC)
    assert (signal.received_at, signal.received_mono) == (RECEIVED, 12.5)
    assert signal.detail == {"text": "厨房着火"}
    assert signal.press is not None
    assert (signal.press.press_id, signal.press.repeat_key) == ("p1", None)
    assert signal.press.payload_digest == sha256_hex(json.dumps(payload).encode())


@pytest.mark.parametrize("payload", [b"", b"  \r\n", b"{}", b" {} ", b"\xef\xbb\xbf", b'{"unknown": [1, {"a": null}]}'])
def test_nothing_said_is_a_call_for_help(payload):
    signal = press(payload)
    assert (signal.kind, signal.status, signal.detail) == (Kind.SOS, Status.ACTUAL, {})
    assert signal.press is not None and signal.press.press_id is None and signal.press.repeat_key is None


@pytest.mark.parametrize("text", ["help", "救命", "12", "true", "null", '"sos"', "sos}", "x{"])
def test_plain_text_is_kept_as_text(text):
    signal = press(f" {text}\n".encode())
    assert (signal.kind, signal.detail) == (Kind.SOS, {"text": text})


@pytest.mark.parametrize("kind", sorted(PRESS_KINDS))
def test_every_kind_of_press(kind):
    assert press({"kind": kind.value}).kind is kind


def test_a_byte_order_mark_is_no_fault():
    signal = press(b'\xef\xbb\xbf{"kind":"medical","press_id":"b"}')
    assert signal.kind is Kind.MEDICAL and signal.press.press_id == "b" and not signal.detail


def test_null_is_a_field_that_was_not_sent():
    fields = dict.fromkeys(["press_id", "kind", "pressed_at", "seq", "test", "text"])
    signal = press({**fields, "kind": "fire"})
    assert signal.kind is Kind.FIRE and signal.detail == {} and signal.press.press_id is None


def test_an_empty_press_id_is_none_for_else_every_press_would_be_the_same():
    signal = press({"press_id": "", "kind": "fire", "seq": 1, "pressed_at": 1})
    assert signal.kind is Kind.FIRE and signal.press.press_id is None and signal.press.repeat_key is not None


def test_a_test_press_is_one_only_in_a_sound_payload():
    assert press({"test": True}).status is Status.TEST
    assert press({"test": True, "seq": "one"}).status is Status.ACTUAL
    assert press(b'{"test": true').status is Status.ACTUAL


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"\xff\xfe", ["UTF-8"]),
        ("求救".encode("gb18030"), ["UTF-8"]),
        (b'{"kind": "fire"', ["JSON"]),
        (b'{"kind": fire}', ["JSON"]),
        (b'{"kind": "fire"} trailing', ["JSON"]),
        (b'{"a": NaN}', ["NaN"]),
        (b'{"a": -Infinity}', ["Infinity"]),
        (b"[" * 16000, ["nested"]),
        (b'{"a":' * 3000, ["JSON"]),
        (b'{"seq": ' + b"9" * 5000 + b"}", ["number"]),
        (b"[1, 2]", ["array"]),
        (b'{"press_id": 7}', ["press_id", "a number"]),
        (b'{"press_id": "' + b"x" * 129 + b'"}', ["press_id", "129", "128"]),
        (b'{"press_id": "\\ud800"}', ["press_id", "surrogate"]),
        (b'{"kind": "earthquake"}', ["kind", "sos", "fire"]),
        (b'{"kind": "motion"}', ["kind"]),
        (b'{"kind": ["fire"]}', ["kind", "an array"]),
        (b'{"kind": {}}', ["kind", "an object"]),
        (b'{"seq": true}', ["seq", "true or false"]),
        (b'{"seq": 1.5}', ["seq"]),
        (b'{"seq": 18446744073709551616}', ["seq", "64"]),
        (b'{"seq": 1e300}', ["seq", "64"]),
        (b'{"seq": 1e400}', ["seq"]),
        (b'{"test": "true"}', ["test", "text"]),
        (b'{"test": 1}', ["test", "a number"]),
        (b'{"text": 1}', ["text"]),
        (b'{"text": "\\udfff"}', ["text", "surrogate"]),
        (b'{"pressed_at": "yesterday"}', ["pressed_at", "3339"]),
        (b'{"pressed_at": "2026-02-30T00:00:00Z"}', ["pressed_at"]),
        (b'{"pressed_at": "2026-01-31T08:00:00"}', ["pressed_at", "offset"]),
        (b'{"pressed_at": "0001-01-01T00:00:00+23:59"}', ["pressed_at"]),
        (b'{"pressed_at": "2026-01-31T08:00:00+99:00"}', ["pressed_at"]),
        (b'{"pressed_at": 1e400}', ["pressed_at"]),
        (b'{"pressed_at": -1}', ["pressed_at"]),
        (b'{"pressed_at": 99999999999999999999}', ["pressed_at"]),
        (b'{"pressed_at": false}', ["pressed_at", "true or false"]),
    ],
)
def test_what_cannot_be_read_is_an_sos_that_keeps_its_payload(payload, words):
    assert_faulty(press(payload), payload, *words)


def test_an_oversized_payload_keeps_its_first_16_kB_and_its_press_id():
    at_the_end = json.dumps({"text": "x" * 20_000, "kind": "fire", "press_id": "late"}).encode()
    at_the_start = json.dumps({"press_id": "early", "text": "x" * 20_000}).encode()
    for payload, press_id in ((at_the_end, "late"), (at_the_start, "early"), (b"x" * 20_000, None)):
        signal = press(payload)
        assert_faulty(signal, payload, str(len(payload)), str(LONGEST_PAYLOAD))
        assert len(base64.b64decode(signal.detail["payload"])) == LONGEST_PAYLOAD
        assert signal.press.press_id == press_id


def test_a_payload_of_exactly_16_kB_is_read():
    frame = len(json.dumps({"kind": "fire", "text": ""}))
    signal = press({"kind": "fire", "text": "x" * (LONGEST_PAYLOAD - frame)})
    assert signal.kind is Kind.FIRE and "payload" not in signal.detail


@pytest.mark.parametrize(
    "payload",
    [
        b'{"press_id": "p\\"1", "pressed_at": 1769846400000, "kind": "fi',
        b'{"kind": sos, "press_id" : "p\\"1", "pressed_at": "2026-01-31T08:00:00Z"}',
        b'\xff{"press_id":"p\\"1","pressed_at":1769846400000}',
        b'{"kind": "nonsense", "press_id": "p\\"1", "pressed_at": 1769846400000}',
        b'[{"press_id":"p\\"1","pressed_at":1769846400000}]',
    ],
)
def test_a_repeat_and_a_late_press_are_told_even_by_a_faulty_payload(payload):
    signal = press(payload)
    assert_faulty(signal, payload)
    assert signal.press.press_id == 'p"1'
    assert signal.device_time == datetime(2026, 1, 31, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"press_id": 5,',
        b'{"press_id": "",',
        b'{"press_id": "' + b"x" * 129 + b'",',
        b'{"press_id": "\\ud800",',
        b'{"press_id": "a\xff",',
        b'{"press_id": "cut of',
        b'{"text": "\\"press_id\\":\\"no\\"",',
        b'{"press_id": "bad \\x escape",',
    ],
)
def test_only_a_valid_press_id_is_saved(payload):
    signal = press(payload)
    assert_faulty(signal, payload)
    assert signal.press.press_id is None


def test_a_press_id_of_128_characters_of_any_script_is_taken():
    for press_id in ("x" * 128, "报" * 128, "\U0001f6a8" * 128, "\0"):
        assert press({"press_id": press_id}).press.press_id == press_id


@pytest.mark.parametrize(
    ("pressed_at", "moment"),
    [
        ("2026-01-31T08:00:00Z", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("2026-01-31t08:00:00.123456789z", datetime(2026, 1, 31, 8, 0, 0, 123_000, tzinfo=UTC)),
        ("2026-01-31 16:00:00+08:00", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("1970-01-01T00:00:07Z", datetime(1970, 1, 1, 0, 0, 7, tzinfo=UTC)),
        (1769846400123, datetime(2026, 1, 31, 8, 0, 0, 123_000, tzinfo=UTC)),
        (1769846400123.9, datetime(2026, 1, 31, 8, 0, 0, 123_000, tzinfo=UTC)),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (253_402_300_799_999, datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
    ],
)
def test_times_of_devices(pressed_at, moment):
    signal = press({"pressed_at": pressed_at})
    assert signal.device_time == moment and not signal.detail


def test_seq_and_time_make_the_repeat_key_where_no_id_was_sent():
    by_zone = [
        press({"seq": 3, "pressed_at": when}).press.repeat_key
        for when in ("2026-01-31T08:00:00Z", "2026-01-31T16:00:00+08:00", 1769846400000)
    ]
    assert by_zone == [by_zone[0]] * 3 and by_zone[0] is not None
    assert press({"seq": 4, "pressed_at": 1769846400000}).press.repeat_key != by_zone[0]
    assert press({"seq": 3, "pressed_at": 1769846400001}).press.repeat_key != by_zone[0]
    assert press({"seq": 3}).press.repeat_key is None
    assert press({"pressed_at": 1769846400000}).press.repeat_key is None
    assert press({"press_id": "p", "seq": 3, "pressed_at": 1769846400000}).press.repeat_key is None


def test_a_whole_number_may_be_written_with_a_point():
    written = {
        number: b'{"kind": "fire", "seq": %b, "pressed_at": 1769846400000}' % number
        for number in (b"3", b"3.0", b"3e0")
    }
    signals = [press(payload) for payload in written.values()]
    assert [signal.kind for signal in signals] == [Kind.FIRE] * 3 and not any(signal.detail for signal in signals)
    cut_off = press(b'{"seq": 3.0, "pressed_at": 1769846400000, "kind')
    assert len({signal.press.repeat_key for signal in (*signals, cut_off)}) == 1


def test_what_the_broker_said_goes_along():
    reply = ReplyTo("tv/tv-0001/reply", b"\x01")
    signal = press(b"", redelivered=True, reply_to=reply)
    assert signal.press.redelivered and signal.press.reply_to == reply


def test_a_cancel_names_its_press_or_none():
    assert withdrawn_press(b'{"press_id": "p1"}') == "p1"
    assert withdrawn_press(b'{"press_id": "p1"') == "p1"
    for payload in (b"", b"p1", b"{}", b"\xff", b'{"press_id": 1}'):
        assert withdrawn_press(payload) is None


# ---------------------------------------------------------------------------------------------- any bytes at all

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=[]), max_size=140),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=6,
)
documents = st.fixed_dictionaries(
    {},
    optional={name: json_values for name in ("press_id", "kind", "pressed_at", "seq", "test", "text", "other")},
)


def assert_a_signal(payload: bytes) -> Signal:
    signal = press(payload)
    canonical_json(dict(signal.detail))
    assert signal.kind in PRESS_KINDS
    assert signal.press is not None
    if signal.press.press_id is not None:
        assert 0 < len(signal.press.press_id) <= LONGEST_PRESS_ID
        signal.press.press_id.encode()
    if signal.press.repeat_key is not None:
        assert len(signal.press.repeat_key) <= LONGEST_PRESS_ID
    if signal.device_time is not None:
        assert signal.device_time.utcoffset() == timedelta(0)
        assert datetime.fromisoformat(rfc3339(signal.device_time)) == signal.device_time
    if "payload_fault" in signal.detail:
        assert_faulty(signal, payload)
    return signal


@given(st.binary(max_size=300))
def test_any_bytes_are_a_press(payload):
    assert_a_signal(payload)


@given(st.binary(max_size=100).map(lambda tail: b'{"press_id":' + tail))
def test_any_bytes_that_begin_like_json_are_a_press(payload):
    assert_a_signal(payload)


@given(documents)
def test_any_json_object_is_a_press(document):
    assert_a_signal(json.dumps(document).encode())


@given(documents, st.integers(0, 400), st.binary(max_size=3))
def test_any_damaged_json_object_is_a_press(document, at, damage):
    payload = json.dumps(document).encode()
    assert_a_signal(payload[:at] + damage + payload[at + 1 :])
    assert_a_signal(payload[:at])


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=8)), timezone(-timedelta(hours=3))])))
def test_a_time_that_was_written_by_rfc_3339_is_read_back(moment):
    read = press({"pressed_at": moment.isoformat()}).device_time
    if read is not None:
        assert read == moment.astimezone(UTC).replace(microsecond=moment.microsecond // 1000 * 1000)
    else:
        with pytest.raises(OverflowError):
            moment.astimezone(UTC)
