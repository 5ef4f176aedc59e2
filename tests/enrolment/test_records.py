"""What the audit is told of a change."""

from gateway.enrolment.records import in_words


def test_a_change_is_told_by_its_keys_and_by_what_decides_who_sees_what() -> None:
    assert in_words({"name": "东", "clip": None}) == "clip, name"
    assert in_words({"masks": [[[0, 0], [1, 0], [1, 1]]]}) == "masks (1)"
    assert in_words({"masks": None, "consent": None}) == "consent withdrawn, masks (0)"
    consent = {"given_by": "王大娘", "given_on": "2026-01-01", "until": None}
    assert in_words({"consent": consent}) == "consent of 王大娘 from 2026-01-01"
    assert (
        in_words({"consent": {**consent, "until": "2026-06-30"}})
        == "consent of 王大娘 from 2026-01-01 until 2026-06-30"
    )
