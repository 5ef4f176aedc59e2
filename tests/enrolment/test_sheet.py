"""Tables that people give, and what is given to their spreadsheets."""

import csv
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.csv_table import cell_text, harmless_cell
from gateway.enrolment import sheet
from gateway.enrolment.sheet import rows_of, write_rows
from gateway.errors import UsageError

ROWS = [
    ["id", "household.name"],
    ["tv-1", "=cmd|' /C calc'!A0"],
    ["tv-2", "+86 138-0000"],
    ["tv-3", "＝1"],
    ["tv-4", "'@x"],
    ["tv-5", "'x"],
]


@pytest.mark.parametrize("name", ["t.csv", "t.xlsx"])
def test_no_cell_is_a_formula_and_all_come_back_as_they_were(tmp_path, name) -> None:
    write_rows(tmp_path / name, ROWS, "terminals")
    assert [list(row) for _, row in rows_of(tmp_path / name)] == ROWS
    if name == "t.csv":
        with (tmp_path / name).open(encoding="utf-8-sig", newline="") as file:
            cells = [row[1] for row in csv.reader(file)]
        assert cells[1:] == ["'=cmd|' /C calc'!A0", "+86 138-0000", "'＝1", "''@x", "'x"]


@given(st.text(alphabet="'=+-@\t\r＝1a "))
def test_what_is_made_harmless_is_read_back(text) -> None:
    assert cell_text(harmless_cell(text)) == text


def test_a_table_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sheet, "_MOST_BYTES", 1000)
    (tmp_path / "t.csv").write_bytes(b"id\n" + b"x" * 2000)
    with pytest.raises(UsageError, match="larger than"):
        list(rows_of(tmp_path / "t.csv"))
    with zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("xl/sharedStrings.xml", b"\0" * 100_000)
    assert (tmp_path / "bomb.xlsx").stat().st_size < 1000
    with pytest.raises(UsageError, match="larger than"):
        list(rows_of(tmp_path / "bomb.xlsx"))


def test_a_table_of_endless_rows_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sheet, "_MOST_ROWS", 10)
    (tmp_path / "t.csv").write_text("id\n" * 20)
    with pytest.raises(UsageError, match="more than 10 rows"):
        list(rows_of(tmp_path / "t.csv"))


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"])
def test_a_workbook_of_millions_of_empty_cells_or_texts_is_refused_before_it_is_parsed(tmp_path, part) -> None:
    """85 KB, for which a core would be busy for minutes."""
    with zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr(part, b"<si><t/></si>" * 2_000_000)
    assert (tmp_path / "bomb.xlsx").stat().st_size < 100_000
    with pytest.raises(UsageError, match="too many cells and texts"):
        list(rows_of(tmp_path / "bomb.xlsx"))


def test_a_workbook_that_is_damaged_where_it_is_packed_is_refused_in_words(tmp_path) -> None:
    write_rows(tmp_path / "t.xlsx", [["id"], *(["tv"] * 3,) * 500], "terminals")
    content = bytearray((tmp_path / "t.xlsx").read_bytes())
    at = content.index(b"xl/worksheets/sheet1.xml") + 60
    content[at : at + 40] = bytes(40)
    (tmp_path / "t.xlsx").write_bytes(content)
    with pytest.raises(UsageError, match=r"t\.xlsx: not an \.xlsx workbook"):
        list(rows_of(tmp_path / "t.xlsx"))


@pytest.mark.parametrize("entity", ['"%s"' % ("x" * 1000), 'SYSTEM "file:///etc/hostname"'])
def test_a_workbook_whose_xml_swells_or_reads_files_is_refused(tmp_path, entity) -> None:
    """Entities within entities, a hundred million of them; and one that names a file of the machine."""
    inner = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 9))
    swelling = f"<!DOCTYPE l [<!ENTITY e0 {entity}>{inner if entity.startswith(chr(34)) else ''}]>"
    asked = "e8" if inner in swelling else "e0"
    sheet1 = (
        f'{swelling}<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1">'
        f'<c t="inlineStr"><is><t>&{asked};</t></is></c></row></sheetData></worksheet>'
    )
    write_rows(tmp_path / "good.xlsx", ROWS, "terminals")
    with zipfile.ZipFile(tmp_path / "good.xlsx") as good, zipfile.ZipFile(tmp_path / "bad.xlsx", "w") as bad:
        for name in good.namelist():
            bad.writestr(name, sheet1 if name == "xl/worksheets/sheet1.xml" else good.read(name))
    with pytest.raises(UsageError, match=r"bad\.xlsx"):
        list(rows_of(tmp_path / "bad.xlsx"))


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/workbook.xml", None])
def test_a_workbook_that_is_none_is_refused_in_words(tmp_path, part) -> None:
    write_rows(tmp_path / "good.xlsx", ROWS, "terminals")
    with zipfile.ZipFile(tmp_path / "good.xlsx") as good, zipfile.ZipFile(tmp_path / "bad.xlsx", "w") as bad:
        for name in good.namelist() if part is not None else []:
            bad.writestr(name, b"<broken" if name == part else good.read(name))
    with pytest.raises(UsageError, match=r"bad\.xlsx"):
        list(rows_of(tmp_path / "bad.xlsx"))
