"""What a person sees and does of deliveries."""

import pytest

from gateway.model import Draft, Lane, ParcelDraft, utc_now


@pytest.fixture
async def parcels(house):
    """Two entries that wait for the county, and one that it refused; their ids."""
    alert = await house.raise_alert()

    def post(tx):
        for lane in (Lane.ALARM, Lane.UPDATE, Lane.UPDATE):
            entry = tx.append(Draft(alert, "note", "li", utc_now()))
            tx.post(ParcelDraft("county", lane, entry_id=entry.id))

    await house.ledger.write(post)
    items, _ = await house.ledger.read(lambda reader: reader.outbox("county", None, 10, parked=False))
    refused, *waiting = (item.id for item in items)
    await house.ledger.write(lambda tx: tx.park(refused, "the county refused it: too old"))
    return refused, *waiting


async def _get(http, headers, path):
    async with http.get(f"/api/v1{path}", headers=headers) as answer:
        assert answer.status == 200
        return await answer.json()


async def test_what_waits_and_what_was_refused_are_listed_apart(house, http, log_in, parcels):
    refused, *waiting = parcels
    headers = await log_in("maintainer")
    found = await _get(http, headers, "/deliveries?sink=county")
    assert [item["id"] for item in found["items"]] == waiting
    assert (found["next"], found["reconciliation"]) == (None, [])
    (parked,) = (await _get(http, headers, "/deliveries?parked=true"))["items"]
    assert (parked["id"], parked["lane"], parked["what"]) == (refused, "update", "note")
    assert parked["reason"] == "the county refused it: too old" and parked["parked"] and parked["attempts"] == 1
    first = await _get(http, headers, "/deliveries?limit=1")
    second = await _get(http, headers, f"/deliveries?limit=1&cursor={first['next']}")
    assert [page["items"][0]["id"] for page in (first, second)] == waiting
    assert (await _get(http, headers, "/deliveries?sink=other"))["items"] == []


async def test_a_parked_one_is_sent_again_and_the_audit_says_who(house, http, log_in, parcels):
    headers = await log_in("maintainer")
    async with http.post(f"/api/v1/deliveries/{parcels[0]}/resend", headers=headers) as answer:
        assert answer.status == 204
    assert (await _get(http, headers, "/deliveries?parked=true"))["items"] == []
    assert len((await _get(http, headers, "/deliveries"))["items"]) == 3
    line = (await _get(http, headers, "/audit?limit=1"))["items"][0]
    assert (line["actor"], line["action"], line["object"]) == ("maintainer", "resend", f"deliveries/{parcels[0]}")


async def test_only_a_parked_one_can_be_discarded_and_the_reason_is_kept(house, http, log_in, parcels):
    refused, waiting, _ = parcels
    headers = await log_in("admin")
    for parcel, status in ((waiting, 404), (refused, 204), (refused, 404), (10**15, 404)):
        path = f"/api/v1/deliveries/{parcel}?reason=agreed+by+telephone"
        async with http.delete(path, headers=headers) as answer:
            assert answer.status == status
    line = (await _get(http, headers, "/audit?limit=1"))["items"][0]
    assert (line["action"], line["reason"]) == ("discard", "agreed by telephone")


async def test_each_sink_tells_its_lanes(house, http, log_in, parcels):
    (sink,) = (await _get(http, await log_in("maintainer"), "/sinks"))["items"]
    lanes = {lane.pop("lane"): lane for lane in sink.pop("lanes")}
    assert sink == {"id": "county", "kind": "cascade", "state": "open", "standby_for": None, "budget": 512_000}
    assert [(name, lane["waiting"], lane["parked"]) for name, lane in lanes.items()] == [
        ("alarm", 1, 0),
        ("update", 1, 1),
        ("picture", 0, 0),
        ("health", 0, 0),
        ("clip", 0, 0),
    ]
    assert lanes["alarm"]["oldest"] is not None and lanes["picture"]["oldest"] is None


async def test_a_cursor_or_a_sink_that_is_not_known_is_named(house, http, log_in):
    headers = await log_in("maintainer")
    async with http.get("/api/v1/deliveries?cursor=x", headers=headers) as answer:
        assert answer.status == 422 or answer.status == 400
    async with http.post("/api/v1/deliveries/reconcile", headers=headers, json={"sink": "moon"}) as answer:
        assert (answer.status, "no upper node" in (await answer.json())["detail"]) == (404, True)
    async with http.post("/api/v1/deliveries/reconcile", headers=headers) as answer:
        assert (answer.status, await answer.json()) == (200, {"items": []})
