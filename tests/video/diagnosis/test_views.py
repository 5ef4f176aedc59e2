"""Reference views: learned from good looks, set by people, kept over restarts, thrown away with their masks."""

import stat

import pytest

from gateway.video.diagnosis.views import LEARN_LOOKS, LEARN_S, LEARNED, Views

MASK = (((0.0, 0.0), (0.5, 0.0), (0.5, 0.5)),)


def learn(views: Views, looks: int, step: float, *, agrees: bool = True, start: float = 0.0):
    found = views.learn("c", "day", b"fresh", start, (), agrees=False)
    for number in range(1, looks):
        found = views.learn("c", "day", None, start + number * step, (), agrees=agrees)
    return found


def test_a_view_takes_many_looks_over_a_long_time() -> None:
    assert learn(Views(None), LEARN_LOOKS, 1.0) is None, "too soon"
    assert learn(Views(None), LEARN_LOOKS - 1, LEARN_S) is None, "too few"
    view = learn(Views(None), LEARN_LOOKS, LEARN_S / (LEARN_LOOKS - 1))
    assert view is not None
    assert (view.content, view.by) == (b"fresh", LEARNED)


def test_a_camera_that_turns_about_is_never_learned() -> None:
    views = Views(None)
    for number in range(5 * LEARN_LOOKS):
        agrees = number % 3 != 0
        found = views.learn("c", "day", None if agrees else b"other", number * 3600.0, (), agrees=agrees)
        assert found is None
    assert views.get("c", "day", ()) is None


def test_it_outlives_a_restart_and_is_nobody_elses_to_read(tmp_path) -> None:
    Views(tmp_path / "views").put("c/1", "night", b"\x00view\n\xff", "li", 5.0, ())
    kept = Views(tmp_path / "views").get("c/1", "night", ())
    assert kept is not None
    assert (kept.content, kept.by, kept.at, kept.learned) == (b"\x00view\n\xff", "li", 5.0, False)
    assert Views(tmp_path / "views").get("c/1", "day", ()) is None
    [file] = (tmp_path / "views").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_new_mask_throws_it_away(tmp_path) -> None:
    views = Views(tmp_path)
    views.put("c", "day", b"view", "li", 5.0, ())
    assert views.get("c", "day", MASK) is None
    assert list(tmp_path.iterdir()) == [], "what may show what is masked now is not on disk either"
    assert views.get("c", "day", ()) is None


def test_a_new_mask_throws_a_candidate_away_that_was_made_without_it() -> None:
    views = Views(None)
    views.learn("c", "day", b"shows too much", 0.0, (), agrees=False)
    assert views.candidate("c", "day", MASK) is None
    assert views.candidate("c", "day", ()) is None


def test_what_was_shown_without_a_mask_is_never_learned_as_a_view_with_it() -> None:
    views = Views(None)
    views.learn("c", "day", b"shows too much", 0.0, (), agrees=False)
    for number in range(1, LEARN_LOOKS + 1):
        assert views.learn("c", "day", None, number * LEARN_S, MASK, agrees=True) is None
    assert views.get("c", "day", MASK) is None


@pytest.mark.parametrize("spoil", [b"", b"{}\nview", b"not json\nview", b'{"sha256": 1}', b"\xff\xfe\n"])
def test_a_spoilt_file_is_no_view(tmp_path, spoil) -> None:
    Views(tmp_path).put("c", "day", b"view", "li", 5.0, ())
    [file] = tmp_path.iterdir()
    file.write_bytes(spoil)
    views = Views(tmp_path)
    assert views.get("c", "day", ()) is None
    views.put("c", "day", b"again", "li", 6.0, ())
    assert Views(tmp_path).get("c", "day", ()) is not None


def test_forgetting_says_whether_there_was_one(tmp_path) -> None:
    views = Views(tmp_path)
    views.put("c", "day", b"view", "li", 5.0, ())
    assert Views(tmp_path).forget("c", "day")
    assert not views.forget("c", "night")


def test_a_directory_that_cannot_be_written_costs_only_the_memory(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    views = Views(tmp_path / "file" / "views")
    views.put("c", "day", b"view", "li", 5.0, ())
    assert views.get("c", "day", ()) is not None
