from hypothesis import given
from hypothesis import strategies as st

from gateway.model import DeviceRemark, DeviceSignal, Kind, utc_now
from gateway.video.devices.outbox import Item, Outbox

NOW = utc_now()


def put(outbox: Outbox, kind: Kind | None, device: str = "d") -> Item:
    def make(name: str) -> Item:
        if kind is None:
            return DeviceRemark(name, "c", NOW, "its clock was set")
        return DeviceSignal(name, "c", kind, NOW, 1.0)

    return outbox.put(make, device)


def ids(items: tuple[Item, ...]) -> list[str]:
    return [item.id for item in items]


def test_what_is_not_acknowledged_is_told_again() -> None:
    outbox = Outbox()
    first, second = put(outbox, Kind.TAMPER), put(outbox, None)
    batch = outbox.after(None, 0, 10)
    assert ids(batch.items) == [first.id, second.id]
    assert outbox.after(outbox.run, 0, 10) == batch
    third = put(outbox, Kind.TAMPER)
    assert ids(outbox.after(outbox.run, batch.next, 10).items) == [third.id]
    assert len(outbox) == 1


def test_a_position_of_another_run_acknowledges_nothing() -> None:
    outbox = Outbox()
    first = put(outbox, Kind.TAMPER)
    assert outbox.has_after("another", 99)
    assert ids(outbox.after("another", 99, 10).items) == [first.id]


def test_it_is_told_in_parts() -> None:
    outbox = Outbox()
    wanted = [put(outbox, Kind.TAMPER).id for _ in range(5)]
    told: list[str] = []
    position = 0
    while outbox.has_after(outbox.run, position):
        batch = outbox.after(outbox.run, position, 2)
        told += ids(batch.items)
        position = batch.next
    assert told == wanted


def test_motion_goes_first_when_it_is_full() -> None:
    outbox = Outbox(capacity=3)
    kept = [put(outbox, Kind.TAMPER).id]
    put(outbox, Kind.MOTION)
    kept += [put(outbox, Kind.DIGITAL_INPUT).id, put(outbox, Kind.DIGITAL_INPUT).id]
    assert ids(outbox.after(None, 0, 9).items) == kept
    put(outbox, Kind.DIGITAL_INPUT)
    assert outbox.dropped == 2
    assert len(outbox) == 3


def test_a_device_that_rattles_pushes_out_nobody_elses() -> None:
    outbox = Outbox(capacity=10, share=4)
    kept = [put(outbox, Kind.DIGITAL_INPUT, "quiet").id]
    rattled = [put(outbox, Kind.TAMPER, "loose").id for _ in range(50)]
    kept += [put(outbox, Kind.MOTION, "moving").id, put(outbox, Kind.DIGITAL_INPUT, "quiet").id]
    told = ids(outbox.after(None, 0, 99).items)
    assert [name for name in told if name not in rattled] == kept
    assert [name for name in told if name in rattled] == rattled[-4:]


def test_a_full_one_takes_from_whoever_has_most() -> None:
    outbox = Outbox(capacity=6, share=6)
    loud = [put(outbox, Kind.TAMPER, "loud").id for _ in range(6)]
    quiet = [put(outbox, Kind.DIGITAL_INPUT, "quiet").id for _ in range(3)]
    assert ids(outbox.after(None, 0, 99).items) == loud[3:] + quiet


def test_a_device_is_awaited_until_all_it_said_is_on_disk() -> None:
    outbox = Outbox()
    put(outbox, Kind.TAMPER, "a")
    first = outbox.after(None, 0, 9)
    put(outbox, Kind.TAMPER, "a")
    put(outbox, Kind.TAMPER, "b")
    second = outbox.after(outbox.run, first.next, 9)
    assert outbox.awaits("a") and outbox.awaits("b"), "the first alone is on disk"
    outbox.after("another run", second.next, 9)
    assert outbox.awaits("a")
    outbox.after(outbox.run, second.next, 9)
    assert not outbox.awaits("a") and not outbox.awaits("b")


@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from([Kind.MOTION, Kind.TAMPER, None]), st.sampled_from("ab")),
            st.integers(min_value=1, max_value=4),
        ),
        max_size=60,
    )
)
def test_nothing_is_lost_or_told_out_of_order_by_a_reader_that_acknowledges(
    acts: list[tuple[Kind | None, str] | int],
) -> None:
    outbox = Outbox(capacity=8)
    told: list[str] = []
    added: list[str] = []
    position = 0
    for act in acts:
        if isinstance(act, int):
            batch = outbox.after(outbox.run, position, act)
            told += ids(batch.items)
            position = batch.next
        else:
            added.append(put(outbox, *act).id)
        assert len(outbox) <= 8
    told += ids(outbox.after(outbox.run, position, 99).items)
    assert len(told) == len(set(told)) >= len(added) - outbox.dropped  # what was told may be dropped unacknowledged
    assert told == [name for name in added if name in set(told)]
