"""History is looked at for a reason."""

from datetime import timedelta

import pytest

from gateway.model import rfc3339, utc_now


async def get(http, house, path, **params):
    async with http.get(f"/api/v1{path}", params=params, headers=house.bearer("viewer")) as answer:
        return answer.status, await answer.json() if answer.content_type.endswith("json") else None


async def reasons(house, action):
    lines, _ = await house.ledger.read(lambda reader: reader.audit(None, 50))
    return [line.reason for line in lines if line.action == action]


@pytest.mark.parametrize(("hours", "closed", "needed"), [(25, True, True), (25, False, False), (23, True, False)])
async def test_pictures_and_clips_of_what_is_long_over_need_a_reason(house, http, hours, closed, needed) -> None:
    alert = await house.raise_alert(raised_at=rfc3339(utc_now() - timedelta(hours=hours)))
    await house.picture_ready(alert)
    await house.clip_ready(alert)
    if closed:
        await house.act(alert, "close", "li", disposition="real")
    for path, action in (
        (f"/alerts/{alert}/snapshots/s1", "view_snapshot"),
        (f"/alerts/{alert}/clips/k1.mp4", "view_clip"),
    ):
        status, told = await get(http, house, path)
        assert status == (422 if needed else 200)
        if needed:
            assert told["needs"] == "reason"
            assert "more than a day old" in told["detail"]
            assert (await get(http, house, path, reason="  "))[0] == 422
            assert await reasons(house, action) == []
            assert (await get(http, house, path, reason=" 派出所调查 "))[0] == 200
        assert await reasons(house, action) == ["派出所调查" if needed else None]
