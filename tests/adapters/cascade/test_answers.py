import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.cascade.answers import HttpAnswer, read_receipt, require_success, retry_after
from gateway.errors import Refused, TryLater, TurnedAway
from gateway.model import Receipt

NOW = datetime(2026, 1, 31, 8, 0, 0, tzinfo=UTC)
SHA = "a" * 64
RECEIPT = {"id": "e1", "sha256": SHA, "seq": 17, "committed_at": "2026-01-31T08:00:00.000Z"}


def answer(status: int = 200, body: object = None, **headers: str) -> HttpAnswer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpAnswer(status, named, body if isinstance(body, bytes) else json.dumps(body).encode())


def problem(status: int, detail: str) -> HttpAnswer:
    return answer(status, {"detail": detail}, Content_Type="application/problem+json; charset=utf-8")


def receipt_of(body: object) -> Receipt:
    return read_receipt(answer(body=body), "e1", SHA, "http://upper")


def test_a_receipt_for_our_bytes_is_taken():
    assert receipt_of({"receipts": [{"id": "other"}, RECEIPT]}) == Receipt("e1", SHA, 17, NOW)


def test_hex_may_be_written_in_capitals():
    assert receipt_of({"receipts": [{**RECEIPT, "sha256": SHA.upper()}]}) == Receipt("e1", SHA, 17, NOW)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        [],
        {},
        {"receipts": None},
        {"receipts": [17, None, {}]},
        {"receipts": [{**RECEIPT, "id": "e2"}]},
        {"receipts": [{**RECEIPT, "sha256": "b" * 64}]},
        {"receipts": [{**RECEIPT, "sha256": 7}]},
        {"receipts": [{**RECEIPT, "seq": None}]},
        {"receipts": [{**RECEIPT, "seq": True}]},
        {"receipts": [{**RECEIPT, "seq": -1}]},
        {"receipts": [{**RECEIPT, "seq": 2**63}]},
        {"receipts": [{**RECEIPT, "committed_at": "yesterday"}]},
        {"receipts": [{**RECEIPT, "committed_at": "2026-01-31T08:00:00"}]},
        {"receipts": [{**RECEIPT, "committed_at": "0001-01-01T00:00:00+14:00"}]},
        {"receipts": [{**RECEIPT, "committed_at": None}]},
        {"receipts": [{**RECEIPT, "committed_at": "9999-12-31T23:59:59.999Z"}]},
        {"receipts": [{**RECEIPT, "committed_at": "0001-01-01T00:00:00Z"}]},
    ],
)
def test_what_is_no_proof_is_tried_again(body):
    with pytest.raises(TryLater):
        receipt_of(body)


@pytest.mark.parametrize("refusal", ["e1", {"id": "e1", "reason": "not below\nyou"}, {"id": "e1"}])
def test_an_event_named_as_refused_is_refused(refusal):
    with pytest.raises(Refused, match=r"http://upper refused it: (not below you|it gave no reason)"):
        receipt_of({"receipts": [], "refused": [{"id": "e0"}, refusal]})


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.text(),
        lambda i: st.lists(i) | st.dictionaries(st.sampled_from(["receipts", "refused", "id"]), i),
    )
)
def test_no_answer_raises_anything_else(body):
    with pytest.raises((TryLater, Refused)):
        receipt_of(body)


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_what_never_fits_is_refused_with_the_upper_nodes_words(status):
    with pytest.raises(Refused, match="the body is not JSON"):
        require_success(problem(status, "the body is not JSON"), "http://upper")


@pytest.mark.parametrize("status", [400, 401, 403, 413, 415, 422])
@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("text/html", b"<h1>Bad Request</h1>"),
        ("text/plain; charset=utf-8", b"Invalid HTTP request received."),
        ("application/json", b'{"detail": "a gateway of another kind"}'),
        ("application/problem+json", b"<h1>Bad Request</h1>"),
        ("", b""),
    ],
)
def test_what_somebody_on_the_way_says_refuses_nothing(status, media_type, body):
    with pytest.raises(TurnedAway, match="on the way to http://upper") as caught:
        require_success(answer(status, body, Content_Type=media_type), "http://upper")
    assert caught.value.after is None


@pytest.mark.parametrize(
    ("status", "after"), [(401, 30.0), (403, 30.0), (302, None), (404, None), (409, None), (500, None), (503, None)]
)
def test_everything_else_is_tried_again(status, after):
    with pytest.raises(TryLater, match="http://upper") as caught:
        require_success(problem(status, "No"), "http://upper")
    assert not isinstance(caught.value, TurnedAway)
    assert caught.value.after == after


def test_a_wait_that_was_asked_for_is_carried_along():
    with pytest.raises(TryLater) as caught:
        require_success(answer(503, b"", Retry_After="7"), "http://upper")
    assert caught.value.after == 7.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("12", 12.0),
        ("99999999999999", 300.0),
        ("Sat, 31 Jan 2026 08:00:09 GMT", 9.0),
        ("Sat, 31 Jan 2026 07:00:00 GMT", 0.0),
        ("Sun, 31 Jan 2100 07:00:00 -0000", 300.0),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("١٢", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Mon, 01 Jan 2026 00:00:00 +99999999999999", None),
    ],
)
def test_retry_after_in_both_its_forms(value, seconds):
    assert retry_after({"Retry-After": value}, NOW) == seconds


@given(st.text())
def test_retry_after_never_raises_and_stays_within_five_minutes(value):
    found = retry_after({"Retry-After": value}, NOW)
    assert found is None or 0 <= found <= 300
