"""Ids and area codes, part by part: the sentence names the part that is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.enrolment.codes import PROVINCES, Verdict, area_code, camera_id, disagreement, rounded

GOOD = "51172400001310000001"


@pytest.mark.parametrize(
    "text", [GOOD, "51172400581327000009", "11010100001320000001", "cam-1", "1", "34020000", "no digits"]
)
def test_what_is_well(text: str) -> None:
    assert camera_id(text) == Verdict()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("99172400001310000001", "digits 1–2 of the id, “99”, are no province"),
        ("51002400001310000001", "digits 3–4 of the id are 00"),
        ("51172400001180000001", "digits 11–13 of the id, “118”, say NVR"),
        ("51172400002000000001", "digits 11–13 of the id, “200”, say SIP server"),
        ("51172400000010000001", "digits 11–13 of the id, “001”, are no type"),
        ("51172400001310000000", "digits 15–20 of the id, the sequence, are 000000"),
        ("5117240000131000001", "it has 19 digits"),
        ("511724000013100000011", "it has 21 digits"),
    ],
)
def test_the_wrong_part_of_an_id_is_named(text: str, words: str) -> None:
    [fault] = camera_id(text).faults
    assert words in fault


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("51752400001310000001", "digits 3–4"),
        ("51172400151310000001", "digits 9–10"),
        ("51172400006000000001", "digits 11–13"),
        ("51172400001319000001", "digit 14"),
    ],
)
def test_what_is_unusual_about_an_id_stands_with_a_warning(text: str, words: str) -> None:
    verdict = camera_id(text)
    assert verdict.faults == ()
    assert words in verdict.warnings[0]


@pytest.mark.parametrize("text", ["51", "5117", "511724", "511724001", "511724199", "511724399001", "511724001200"])
def test_area_codes_that_are_well(text: str) -> None:
    assert area_code(text).faults == area_code(text).warnings == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("991724", "digits 1–2 of the area code"),
        ("510024", "digits 5–6, “24”"),
        ("511724600", "digits 7–9 of the area code, “600”"),
        ("511724001700", "digits 10–12 of the area code, “700”"),
        ("511724000001", "digits 7–9 are 000"),
        ("5117240010", "has 10 digits"),
        ("竹阳街道", "digits alone"),
    ],
)
def test_the_wrong_part_of_an_area_code_is_named(text: str, words: str) -> None:
    assert words in area_code(text).faults[0]


def test_zeros_that_name_nothing() -> None:
    assert "511724001 says the same" in area_code("511724001000").warnings[0]
    assert "511724 says the same" in area_code("511724000000").warnings[0]


def test_an_id_and_an_area_code_of_two_counties() -> None:
    assert disagreement(GOOD, "511724001") is None
    assert disagreement("cam-1", "510107") is None
    assert disagreement(GOOD, None) is None
    assert "511724" in (disagreement(GOOD, "510107001") or "")


@pytest.mark.parametrize("text", ["5.11724E+19", "5.1172400001310e+19", "5E+19"])
def test_numbers_that_a_spreadsheet_rounded(text: str) -> None:
    assert rounded(text)


@pytest.mark.parametrize("text", [GOOD, "1e5", "3e12", "cam-1e+5", ""])
def test_numbers_that_are_ids(text: str) -> None:
    assert not rounded(text)


@given(
    st.sampled_from(sorted(PROVINCES)), st.integers(1, 70), st.integers(0, 99), st.integers(0, 99), st.integers(0, 11),
    st.sampled_from(["131", "132"]), st.integers(0, 8), st.integers(1, 999_999),
)  # fmt: skip
def test_every_id_made_by_the_rules_is_well(province, city, county, unit, trade, type_, network, sequence) -> None:
    verdict = camera_id(f"{province}{city:02}{county:02}{unit:02}{trade:02}{type_}{network}{sequence:06}")
    assert verdict.faults == verdict.warnings == ()


@given(st.text())
def test_any_text_has_a_verdict(text: str) -> None:
    camera_id(text)
    area_code(text)
