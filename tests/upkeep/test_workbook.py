"""What people and devices wrote is text in a table, and never a formula."""

import csv
import io

import pytest
from openpyxl import load_workbook

from gateway.upkeep.wording import EN, FORMULAS, ZH
from gateway.upkeep.workbook import Rate, Sheet, csv_table, workbook

EVIL = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "＝1", "a\x00b\x1f", "\ud800"]


@pytest.mark.parametrize("text", EVIL)
def test_no_cell_of_a_workbook_is_a_formula(text: str) -> None:
    content = workbook([Sheet("一", ["名称"], [[text]])])
    cell = load_workbook(io.BytesIO(content))["一"]["A2"]
    assert cell.data_type == "s"
    assert cell.value == text.replace("\x00", " ").replace("\x1f", " ").replace("\ud800", " ")


@pytest.mark.parametrize("text", EVIL[:6])
def test_no_cell_of_a_csv_begins_as_a_formula(text: str) -> None:
    table = csv_table(Sheet("一", ["名称"], [[text]]))
    assert table.startswith("\ufeff")
    [_, [cell]] = csv.reader(io.StringIO(table.removeprefix("\ufeff")))
    assert cell == f"'{text}"


def test_numbers_are_numbers_and_ids_are_text() -> None:
    row = ["51172400001310000001", 3, 1.5, Rate(0.97999), Rate(None), None]
    book = load_workbook(io.BytesIO(workbook([Sheet("一", list("abcdef"), [row])])))
    values = [cell.value for cell in book["一"][2]]
    assert values == ["51172400001310000001", 3, 1.5, 0.9799, "–", None]
    assert book["一"]["D2"].number_format == "0.00%"
    assert csv_table(Sheet("", list("abcdef"), [row])).splitlines()[1] == "51172400001310000001,3,1.5,97.99%,,"


def test_both_languages_have_the_same_words() -> None:
    assert ZH.keys() == EN.keys()
    assert set(FORMULAS) <= ZH.keys()
