from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Keyframe
from gateway.ports import AccessUnit
from gateway.video.pictures.ring import KeyframeRing


def unit(camera: str, at: float, size: int = 10) -> AccessUnit:
    return AccessUnit(camera, at, True, "h264", bytes(size))


def times(ring: KeyframeRing, camera: str) -> list[float]:
    return [frame.received_mono for frame in ring.keyframes(camera)]


def test_keeps_keyframes_oldest_first_and_gives_them_by_id() -> None:
    ring = KeyframeRing()
    first, second = ring.add(unit("a", 1.0, 5)), ring.add(unit("a", 2.0, 7))
    assert ring.keyframes("a") == [Keyframe(first.id, 1.0), Keyframe(second.id, 2.0)]
    stored = ring.get("a", second.id)
    assert stored is not None
    assert len(stored.payload) == 7
    assert ring.get("b", second.id) is None
    assert ring.keyframes("b") == []
    assert ring.bytes == 12


def test_ids_of_two_runs_differ() -> None:
    assert KeyframeRing().add(unit("a", 1)).id != KeyframeRing().add(unit("a", 1)).id


def test_over_the_budget_the_oldest_of_all_cameras_goes() -> None:
    ring = KeyframeRing(budget_bytes=45)
    for camera, at in (("a", 1.0), ("b", 2.0), ("b", 3.0), ("a", 4.0), ("b", 5.0)):
        ring.add(unit(camera, at))
    assert times(ring, "a") == [4.0]
    assert times(ring, "b") == [2.0, 3.0, 5.0]
    assert ring.dropped == 1


def test_the_last_of_a_camera_stays_whatever_the_budget_and_the_age() -> None:
    ring = KeyframeRing(budget_bytes=15, max_age_s=60)
    ring.add(unit("dark", 1.0))
    for at in range(2, 8):
        ring.add(unit("busy", float(at)))
    ring.prune(10_000.0)
    assert times(ring, "dark") == [1.0]
    assert times(ring, "busy") == [7.0]


def test_what_is_too_old_goes_without_counting_as_dropped() -> None:
    ring = KeyframeRing(max_age_s=60)
    for at in (0.0, 30.0, 61.0):
        ring.add(unit("a", at))
    assert times(ring, "a") == [30.0, 61.0]
    assert ring.dropped == 0


def test_a_forgotten_camera_leaves_nothing() -> None:
    ring = KeyframeRing()
    for at in range(5):
        ring.add(unit("a", float(at)))
    ring.add(unit("b", 5.0))
    ring.forget("a")
    ring.forget("never there")
    assert ring.keyframes("a") == []
    assert ring.bytes == 10
    assert len(ring) == 1


@dataclass
class Model:
    """The ring's promise, written as slowly as it reads."""

    budget: int
    max_age: float
    frames: list[tuple[float, int, str, int]] = field(default_factory=list)
    count: int = 0

    def add(self, camera: str, at: float, size: int) -> None:
        self.count += 1
        self.frames.append((at, self.count, camera, size))
        self.prune(at)

    def prune(self, now: float) -> None:
        while True:
            last = {camera: number for _, number, camera, _ in self.frames}
            may_go = [frame for frame in self.frames if last[frame[2]] != frame[1]]
            over = sum(frame[3] for frame in self.frames) > self.budget
            if not may_go or not (over or min(may_go)[0] < now - self.max_age):
                return
            self.frames.remove(min(may_go))

    def forget(self, camera: str) -> None:
        self.frames = [frame for frame in self.frames if frame[2] != camera]


steps = st.one_of(
    st.tuples(st.just("add"), st.sampled_from("abc"), st.floats(0, 30), st.integers(0, 40)),
    st.tuples(st.just("prune"), st.just("a"), st.floats(0, 100), st.just(0)),
    st.tuples(st.just("forget"), st.sampled_from("abc"), st.just(0.0), st.just(0)),
)


@given(st.lists(steps, max_size=60), st.integers(0, 200))
def test_the_ring_keeps_exactly_what_it_promises(story: list[tuple[str, str, float, int]], budget: int) -> None:
    ring, model, now = KeyframeRing(budget, 60.0), Model(budget, 60.0), 0.0
    for what, camera, seconds, size in story:
        now += seconds
        if what == "add":
            ring.add(unit(camera, now, size))
            model.add(camera, now, size)
        elif what == "prune":
            ring.prune(now)
            model.prune(now)
        else:
            ring.forget(camera)
            model.forget(camera)
        for name in "abc":
            assert times(ring, name) == [at for at, _, owner, _ in model.frames if owner == name]
        assert ring.bytes == sum(frame[3] for frame in model.frames)
        assert len(ring) == len(model.frames)
