import asyncio
import random
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from gateway.errors import Refused, TryLater, TurnedAway
from gateway.model import Lane

A, U, P, H, C = Lane.ALARM, Lane.UPDATE, Lane.PICTURE, Lane.HEALTH, Lane.CLIP


def down(reason="connection refused"):
    async def behave(parcel):
        raise TryLater(reason)

    return behave


def hanging():
    async def behave(parcel):
        await asyncio.Event().wait()

    return behave


async def test_delivers_what_was_waiting_before_the_start_and_what_comes_later(bench):
    await bench.ledger.post(A, U, P, H)
    bench.start()
    await bench.clock.run_until(lambda: not bench.waiting, within=1)
    (late,) = await bench.ledger.post(A)
    await bench.clock.run_until(lambda: not bench.waiting, within=1)
    assert sorted(bench.settled) == [1, 2, 3, 4, late]
    assert sorted(bench.sink.received) == [1, 2, 3, 4, late]


async def test_sends_as_many_at_once_as_the_sink_allows_and_no_more(bench):
    await bench.ledger.post(*[A] * 20)
    bench.start()
    await bench.clock.run_until(lambda: not bench.waiting, within=5)
    assert bench.sink.most_under_way == bench.sink.concurrency


async def test_newest_first(bench):
    bench.sink.concurrency = 1
    ids = await bench.ledger.post(*[A] * 6)
    bench.start()
    await bench.clock.run_until(lambda: not bench.waiting, within=5)
    assert bench.sink.received == ids[::-1]


async def test_several_deliveries_share_one_commit(bench):
    bench.sink.concurrency = 64
    await bench.ledger.post(*[A] * 64)
    bench.start()
    await bench.clock.run_until(lambda: not bench.waiting, within=5)
    assert bench.ledger.writes <= 8


async def test_an_alarm_does_not_wait_for_the_lanes_below_it(bench):
    async def pictures_hang(parcel):
        if parcel.lane is not A:
            await asyncio.Event().wait()

    bench.sink.behave = pictures_hang
    await bench.ledger.post(*[P] * 50, *[U] * 50, *[H] * 50)
    bench.start()
    await bench.clock.run_for(0.5)
    (alarm,) = await bench.ledger.post(A)
    await bench.clock.run_until(lambda: bench.settled == [alarm], within=0.1)


async def test_one_dead_sink_does_not_hold_up_another(bench):
    other = type(bench.sink)(bench.clock, id="other")
    bench.sink.behave = hanging()
    bench.start(other)
    await bench.ledger.post(A, A, A)
    (alarm,) = await bench.ledger.post(A, sink="other")
    await bench.clock.run_until(lambda: other.received == [alarm], within=0.1)


async def test_after_an_outage_200_presses_are_there_within_five_seconds_newest_first(bench):
    bench.sink.behave = down()
    bench.start()
    for _ in range(200):
        await bench.ledger.post(A)
        await bench.clock.run_for(0.3)
    writes = bench.ledger.writes
    assert writes == 0, "nothing is written for a sink that is down"
    newest = max(bench.waiting)
    bench.sink.behave = bench.sink._take
    await bench.clock.run_until(lambda: newest in bench.sink.received, within=5)
    await bench.clock.run_until(lambda: not bench.waiting, within=5)
    assert sorted(bench.settled) == list(range(1, 201))
    probe, *rest = bench.sink.received
    assert rest == sorted(rest, reverse=True), f"after the probe ({probe}) the newest go first"


async def test_a_sink_that_is_down_is_probed_with_one_parcel_at_most_every_half_second(bench):
    bench.sink.behave = down()
    await bench.ledger.post(*[A] * 100)
    bench.start()
    await bench.clock.run_for(10)  # the back-off has grown to its ceiling
    before = len(bench.sink.attempts)
    await bench.clock.run_for(60)
    assert 60 / 2.0 - 1 <= len(bench.sink.attempts) - before <= 60 / 0.5 + 1


async def test_a_silent_sink_is_given_up_after_the_deadline_and_tried_again(bench):
    bench.sink.behave = hanging()
    (alarm,) = await bench.ledger.post(A)
    bench.start()
    await bench.clock.run_for(9.9)
    assert bench.sink.under_way[A] == 1
    bench.sink.behave = bench.sink._take  # of the next attempt
    await bench.clock.run_until(lambda: bench.settled == [alarm], within=3)


async def test_pictures_have_a_minute(bench):
    bench.sink.behave = hanging()
    await bench.ledger.post(P)
    bench.start()
    await bench.clock.run_for(59)
    assert bench.sink.under_way[P] == 1
    await bench.clock.run_for(2)
    assert len(bench.sink.attempts) >= 1 and bench.sink.attempts[0][0] == 0


async def test_one_clip_goes_at_a_time_and_has_eleven_minutes(bench):
    bench.sink.behave = hanging()
    await bench.ledger.post(C, C, C)
    bench.start()
    await bench.clock.run_for(659)
    assert (bench.sink.under_way[C], len(bench.sink.attempts)) == (1, 1)
    (alarm,) = await bench.ledger.post(A)
    bench.sink.behave = bench.sink._take
    await bench.clock.run_until(lambda: bench.settled == [alarm], within=0.1)
    await bench.clock.run_until(lambda: not bench.waiting, within=130)


async def test_a_refused_parcel_is_parked_and_the_others_go_on(bench):
    async def refuse_the_second(parcel):
        if parcel.id == 2:
            raise Refused("says nothing of use")

    bench.sink.behave = refuse_the_second
    await bench.ledger.post(A, A, A)
    bench.start()
    with capture_logs() as logs:
        await bench.clock.run_until(lambda: not bench.waiting, within=1)
    assert bench.ledger.rows[2].parked == "says nothing of use"
    assert sorted(bench.settled) == [1, 3]
    assert [line["reason"] for line in logs if line["log_level"] == "error"] == ["says nothing of use"]
    await bench.clock.run_for(3600)
    assert [id for _, id in bench.sink.attempts].count(2) == 1


async def test_a_long_wait_that_the_receiver_asks_for_is_that_parcels_alone(bench):
    async def busy_with_the_first(parcel):
        if parcel.id == 1 and bench.clock.elapsed < 30:
            raise TryLater("nobody subscribes", after=30)

    bench.sink.behave = busy_with_the_first
    await bench.ledger.post(A, A, A)
    bench.start()
    await bench.clock.run_until(lambda: sorted(bench.settled) == [2, 3], within=1)
    assert bench.ledger.rows[1].parcel.attempts == 1
    (fresh,) = await bench.ledger.post(A)
    await bench.clock.run_until(lambda: fresh in bench.settled, within=0.1)
    await bench.clock.run_until(lambda: 1 in bench.settled, within=30.1)
    assert [at for at, id in bench.sink.attempts if id == 1][1] >= 30


async def test_a_parcel_that_comes_due_is_sent_while_another_hangs(bench):
    async def behave(parcel):
        if parcel.id == 1 and bench.clock.elapsed < 5:
            raise TryLater("not yet", after=6)
        if parcel.id == 2:
            await asyncio.Event().wait()

    bench.sink.behave = behave
    await bench.ledger.post(P, P)
    bench.start()
    await bench.clock.run_until(lambda: bench.settled == [1], within=8)


async def test_what_a_middlebox_turns_away_is_never_parked_and_waits_alone_longer_each_time(bench):
    async def filtered(parcel):
        if parcel.id == 1:
            raise TurnedAway("a filter on the way says 400")

    bench.sink.behave = filtered
    await bench.ledger.post(A)
    bench.start()
    with capture_logs() as logs:
        for _ in range(50):
            (fresh,) = await bench.ledger.post(A)
            await bench.clock.run_until(lambda id=fresh: id in bench.settled, within=2.1)
            await bench.clock.run_for(30)
    tries = [at for at, id in bench.sink.attempts if id == 1]
    waits = [round(later - earlier) for earlier, later in pairwise(tries)]
    assert [wait for wait in waits if wait > 10][:6] == [16, 32, 64, 128, 256, 300]
    assert max(waits) == 300
    assert "a filter on the way says 400" in [line["reason"] for line in logs if line["log_level"] == "warning"]
    assert bench.ledger.rows[1].parked is None
    bench.sink.behave = bench.sink._take
    await bench.clock.run_until(lambda: 1 in bench.settled, within=310)


async def test_while_everything_is_turned_away_the_newest_is_tried_as_under_an_outage(bench):
    async def login_page(parcel):
        raise TurnedAway("a login page says 400")

    bench.sink.behave = login_page
    await bench.ledger.post(*[A] * 20)
    bench.start()
    await bench.clock.run_for(3600)
    (newest,) = await bench.ledger.post(A)
    await bench.clock.run_for(60)
    bench.sink.behave = bench.sink._take
    await bench.clock.run_until(lambda: newest in bench.settled, within=2.1)
    await bench.clock.run_until(lambda: not bench.waiting, within=1)


async def test_one_poisonous_parcel_neither_stops_its_lane_nor_slows_it(bench):
    async def choke_on_the_newest(parcel):
        if parcel.id == 10:
            raise TryLater("internal error")

    bench.sink.behave = choke_on_the_newest
    await bench.ledger.post(*[A] * 10)
    bench.start()
    await bench.clock.run_until(lambda: len(bench.settled) == 9, within=5)
    await bench.clock.run_for(60)
    for _ in range(5):
        (fresh,) = await bench.ledger.post(A)
        await bench.clock.run_until(lambda id=fresh: id in bench.settled, within=0.1)
        await bench.clock.run_for(3.3)
    assert bench.waiting == [10]
    assert len([1 for _, id in bench.sink.attempts if id == 10]) > 20, "it is still tried"


async def test_an_unforeseen_fault_of_a_sink_is_traced_once_and_the_parcel_delivered_in_the_end(bench):
    async def broken(parcel):
        if bench.clock.elapsed < 20:
            raise KeyError("oh")

    bench.sink.behave = broken
    await bench.ledger.post(A)
    bench.start()
    with capture_logs() as logs:
        await bench.clock.run_until(lambda: bench.settled == [1], within=25)
    assert len([line for line in logs if line.get("exc_info")]) == 1


async def test_the_first_failure_warns_repeats_are_quiet_and_the_recovery_is_told_once(bench):
    bench.sink.behave = down()
    await bench.ledger.post(*[A] * 3)
    bench.start()
    with capture_logs() as logs:
        await bench.clock.run_for(30)
        bench.sink.behave = bench.sink._take
        await bench.clock.run_until(lambda: not bench.waiting, within=5)
    levels = [line["log_level"] for line in logs]
    assert levels.count("warning") == 1 and levels[0] == "warning"
    assert levels.count("info") == 1
    assert levels.count("debug") > 5


async def test_while_the_ledger_cannot_write_nothing_is_sent_twice(bench):
    bench.ledger.failing = lambda: bench.clock.elapsed < 120
    await bench.ledger.post(*[A] * 8)
    bench.start()
    await bench.clock.run_for(119)
    assert sorted(bench.sink.received) == list(range(1, 9)) and bench.settled == []
    await bench.clock.run_until(lambda: not bench.waiting, within=12)
    assert sorted(bench.settled) == sorted(bench.sink.received) == list(range(1, 9))


async def test_sending_ahead_of_a_ledger_that_cannot_write_is_bounded(bench):
    bench.ledger.failing = lambda: True
    await bench.ledger.post(*[A] * 100)
    bench.start()
    await bench.clock.run_for(300)
    assert len(bench.sink.received) == 4 * bench.sink.concurrency


async def test_a_ledger_that_cannot_be_read_is_asked_again(bench):
    bench.ledger.reads_failing = True
    await bench.ledger.post(A)
    bench.start()
    await bench.clock.run_for(60)
    bench.ledger.reads_failing = False
    await bench.clock.run_until(lambda: bench.settled == [1], within=11)


async def test_a_settlement_that_fails_does_not_take_its_batch_with_it(bench):
    def fault(parcel):
        if parcel.id == 3 and bench.clock.elapsed < 100:
            raise LookupError("no such alert")

    bench.settle_fault = fault
    await bench.ledger.post(*[A] * 4)
    bench.start()
    await bench.clock.run_until(lambda: sorted(bench.settled) == [1, 2, 4], within=5)
    assert bench.waiting == [3]
    await bench.clock.run_until(lambda: 3 in bench.settled, within=180)
    assert bench.sink.received.count(3) <= 3


async def test_a_clock_that_goes_back_years_strands_nothing(bench):
    async def not_now(parcel):
        raise TryLater("later", after=30)

    bench.sink.behave = not_now
    await bench.ledger.post(A)
    bench.start()
    await bench.clock.run_for(1)
    now = bench.clock.now
    bench.clock.now = lambda: now().replace(year=1971)
    bench.sink.behave = bench.sink._take
    (fresh,) = await bench.ledger.post(A)
    await bench.clock.run_until(lambda: not bench.waiting, within=5)
    assert sorted(bench.settled) == [1, fresh]


async def test_stopping_writes_down_what_the_receiver_has(bench):
    await bench.ledger.post(*[A] * 3)
    bench.start()
    await bench.clock.run_until(lambda: len(bench.sink.received) == 3, within=1)
    await bench.stop()
    assert sorted(bench.settled) == [1, 2, 3]


async def test_stopping_in_mid_send_loses_nothing(bench):
    bench.sink.behave = hanging()
    await bench.ledger.post(*[A] * 3)
    bench.start()
    await bench.clock.run_for(1)
    await bench.stop()
    assert bench.waiting == [1, 2, 3] and bench.settled == []
    bench.sink.behave = bench.sink._take
    bench.start()
    await bench.clock.run_until(lambda: not bench.waiting, within=1)


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_goes_wrong_every_parcel_arrives_and_is_settled_once(bench, seed):
    """Outages, silence, refusals, lost answers, faults of the sink, of the ledger and restarts, by a seeded die."""
    die = random.Random(seed)
    stormy = 600.0
    refused: set[int] = set()

    async def behave(parcel):
        if bench.clock.elapsed > stormy:
            return
        outage = int(bench.clock.elapsed / 40) % 3 == seed % 3
        roll = 0.0 if outage else die.random()
        await bench.clock.sleep(die.random() * 0.2)
        if roll < 0.15:
            raise TryLater("down")
        if roll < 0.25:
            raise TryLater("busy", after=die.choice([0.0, 3.0, 5.0, 40.0, 1e9]))
        if roll < 0.28:
            raise ValueError("a fault")
        if roll < 0.31:
            await asyncio.Event().wait()
        if roll < 0.34:
            bench.sink.received.append(parcel.id)  # it has the parcel, but its answer is lost
            raise TryLater("connection reset")
        if roll < 0.37:
            refused.add(parcel.id)
            raise Refused("no")

    bench.sink.behave = behave
    bench.ledger.failing = lambda: bench.clock.elapsed < stormy and die.random() < 0.1
    bench.start(seed=seed)
    posted: list[int] = []
    for step in range(150):
        posted += await bench.ledger.post(*die.choices(list(Lane), k=die.randrange(4)))
        await bench.clock.run_for(die.random() * 8)
        if step % 50 == 49:
            await bench.stop()
            bench.start(seed=seed + step)
    await bench.clock.run_until(lambda: not bench.waiting, within=4000)
    parked = {id for id, row in bench.ledger.rows.items() if row.parked is not None}
    assert parked <= refused
    assert set(posted) - parked == set(bench.settled) <= set(bench.sink.received)
    assert len(bench.settled) == len(set(bench.settled))


async def test_what_comes_with_its_commit_is_sent_without_a_look(bench):
    bench.ledger.hands_over = True
    bench.start()
    await bench.clock.run_for(1)
    looks = bench.ledger.reads
    for _ in range(20):
        (alarm,) = await bench.ledger.post(A)
        await bench.clock.run_until(lambda id=alarm: id in bench.settled, within=1)
    assert bench.ledger.reads == looks


async def test_what_no_hand_over_told_of_is_found_within_a_minute(bench):
    bench.ledger.hands_over = True
    bench.start()
    await bench.clock.run_for(1)
    (lost,) = await bench.ledger.post(A)
    bench.ledger._fresh["up", A].clear()
    await bench.clock.run_until(lambda: lost in bench.settled, within=61)


async def test_answers_that_nobody_waits_for_share_a_commit_and_receipts_do_not_wait(bench):
    bench.start()
    await bench.clock.run_for(1)
    for _ in range(5):
        await bench.ledger.post(P)
        await bench.clock.run_for(0.01)
    await bench.clock.run_until(lambda: not bench.waiting, within=1)
    assert bench.ledger.writes == 1
    (alarm,) = await bench.ledger.post(A)
    await bench.clock.run_until(lambda: alarm in bench.settled, within=0.05)


@pytest.mark.parametrize("seed", range(8))
async def test_an_ordered_sink_is_given_each_alerts_parcels_one_after_another_whatever_fails(bench, seed):
    rng = random.Random(seed)
    bench.sink.ordered = bench.ledger.by_alert = True
    taken: dict[str, list[int]] = {}

    async def moody(parcel):
        await bench.clock.sleep(rng.random())
        if rng.random() < 0.4 and bench.clock.elapsed < 60:
            raise TryLater("not now", after=rng.choice([None, None, 8.0]))
        taken.setdefault(parcel.content.alert_id, []).append(parcel.id)

    bench.sink.behave = moody
    bench.start()
    posted: dict[str, list[int]] = {}
    for _ in range(60):
        alert = f"a{rng.randrange(6)}"
        posted.setdefault(alert, []).extend(await bench.ledger.post(*[U] * rng.randrange(1, 3), alert=alert))
        await bench.clock.run_for(rng.random())
    await bench.clock.run_until(lambda: not bench.waiting, within=600)
    assert taken == posted
