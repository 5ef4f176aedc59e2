"""Tables on their way out, as one .xlsx workbook or as .csv. What people and devices wrote is text there and never a formula."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.config.csv_table import harmless_cell
from gateway.upkeep.figures import cut


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of 1, shown in per cent with two digits, cut: 97.999 % is not 98 %. None: there was nothing to divide by."""

    value: float | None


Cell = str | int | float | Rate | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """``widths``: of the columns, in characters."""

    title: str
    header: Sequence[str]
    rows: Iterable[Sequence[Cell]]
    widths: Sequence[int] = ()


_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What XML 1.0 §2.2 has no room for."""
_NONE = "–"


def workbook(sheets: Iterable[Sheet]) -> bytes:
    """An Office Open XML workbook. Takes about a second for 10,000 rows: not for the loop."""
    from openpyxl import Workbook  # a tenth of a second, for those who want a workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    book, bold = Workbook(write_only=True), Font(bold=True)

    def written(sheet: object, cell: Cell) -> object:
        if isinstance(cell, Rate):
            if cell.value is None:
                return written(sheet, _NONE)
            made = WriteOnlyCell(sheet, value=cut(cell.value, 4))
            made.number_format = "0.00%"
            return made
        if not isinstance(cell, str):
            return cell
        made = WriteOnlyCell(sheet, value=_UNPRINTABLE.sub(" ", cell))
        made.data_type = "s"  # a 20-digit id is no number, and a name that begins with = no formula
        made.number_format = "@"
        return made

    for each in sheets:
        sheet = book.create_sheet(each.title)
        for number, width in enumerate(each.widths):
            sheet.column_dimensions[chr(ord("A") + number)].width = width
        sheet.freeze_panes = "A2"
        head = [WriteOnlyCell(sheet, value=name) for name in each.header]
        for cell in head:
            cell.font = bold
        sheet.append(head)
        for row in each.rows:
            sheet.append([written(sheet, cell) for cell in row])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def csv_table(sheet: Sheet) -> str:
    """With the mark by which spreadsheets know UTF-8."""
    file = io.StringIO(newline="")
    rows = csv.writer(file)
    rows.writerow(sheet.header)
    for row in sheet.rows:
        rows.writerow([_csv_cell(cell) for cell in row])
    return "\ufeff" + file.getvalue()


def _csv_cell(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Rate):
        return "" if cell.value is None else f"{cut(cell.value, 4) * 100:.2f}%"
    return harmless_cell(_UNPRINTABLE.sub(" ", cell)) if isinstance(cell, str) else str(cell)
