"""Tables as people keep them, .csv or .xlsx: rows of text in, rows of text out."""

import csv
import io
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from gateway.config.csv_table import cell_text, harmless_cell
from gateway.errors import RunningError, UsageError

_MOST_ROWS = 100_000
_MOST_COLUMNS = 200
_MOST_BYTES = 32 << 20
_MOST_PACKED = 2  # times as large a workbook may be once it is unpacked
_MOST_TAGS = 5_000_000  # of a workbook's XML: each costs the core some microseconds, and a cell has five or six
_BITE = 1 << 20
_EXACT = 10**15
"""Up to here spreadsheets keep every digit; an id of 20 digits typed as a number they do not."""
_AS_TEXT = re.compile(r'="(.*)"', re.DOTALL)  # how people keep a spreadsheet from reading a long number
_WORKBOOK = b"PK\x03\x04"
FORMS = ("csv", "xlsx")
_BROKEN = (
    BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, SyntaxError, LookupError, ValueError, TypeError, AttributeError,
)  # fmt: skip
"""What a damaged, encrypted or otherwise packed workbook makes the readers raise."""


def rows_of(path: Path) -> Iterator[tuple[int, Sequence[str]]]:
    """(line, cells). A number that has lost digits is written in scientific form. Raises UsageError where the file cannot be
    read as a table."""
    workbook = form_of(path) == "xlsx"
    try:
        _require_size(str(path), path.stat().st_size)
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
    yield from _workbook_rows(str(path), content) if workbook else _csv_rows(str(path), content)


def rows_in(name: str, content: bytes) -> Iterator[tuple[int, Sequence[str]]]:
    """The same of what somebody sent; ``name`` stands in sentences. What it is, its first bytes tell."""
    _require_size(name, len(content))
    yield from _workbook_rows(name, content) if content.startswith(_WORKBOOK) else _csv_rows(name, content)


def write_rows(path: Path, rows: Iterable[Sequence[str]], sheet: str) -> None:
    """Raises UsageError, RunningError."""
    content = content_of(form_of(path), rows, sheet)
    try:
        path.write_bytes(content)
    except OSError as error:
        raise RunningError(f"{path}: cannot be written: {error.strerror}") from None


def content_of(form: str, rows: Iterable[Sequence[str]], sheet: str) -> bytes:
    """``form``: csv (with a mark, for spreadsheets) or xlsx."""
    if form == "xlsx":
        return _workbook(rows, sheet)
    written = io.StringIO(newline="")
    csv.writer(written).writerows([harmless_cell(text) for text in row] for row in rows)
    return ("\ufeff" + written.getvalue()).encode()


def form_of(path: Path) -> str:
    """Raises UsageError."""
    form = path.suffix.lower().removeprefix(".")
    if form not in FORMS:
        raise UsageError(f"{path}: a .csv or .xlsx file is accepted")
    return form


def _csv_rows(name: str, content: bytes) -> Iterator[tuple[int, Sequence[str]]]:
    """UTF-8, or GB 18030 as spreadsheets here save it. The lines are those of the file."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = content.decode("gb18030")
        except UnicodeDecodeError:
            raise UsageError(f"{name}: neither UTF-8 nor GB 18030 text") from None
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        for row in reader:
            if reader.line_num > _MOST_ROWS:
                raise UsageError(f"{name}: more than {_MOST_ROWS} rows; cut it in parts")
            yield reader.line_num, [_read_cell(cell) for cell in row[:_MOST_COLUMNS]]
    except csv.Error as error:
        raise UsageError(f"{name}: not a .csv table: {error}") from None


def _read_cell(text: str) -> str:
    plain = cell_text(text)
    found = _AS_TEXT.fullmatch(text.strip()) if plain == text else None
    return found[1] if found else plain


def _workbook_rows(name: str, content: bytes) -> Iterator[tuple[int, Sequence[str]]]:
    """The first sheet, values as they are shown."""
    from openpyxl import load_workbook  # a tenth of a second, for the commands that need it
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with ZipFile(
            io.BytesIO(content)
        ) as parts:  # what it unpacks to, of which no reader takes more than is said here
            _require_size(name, sum(part.file_size for part in parts.infolist()) // _MOST_PACKED)
            _require_few_tags(name, parts)
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        sheet = book.worksheets[0]
    except (InvalidFileException, *_BROKEN) as error:
        raise UsageError(f"{name}: not an .xlsx workbook: {error}") from None
    try:
        for line, row in enumerate(sheet.iter_rows(values_only=True, max_row=_MOST_ROWS), 1):
            yield line, [_shown(cell) for cell in row[:_MOST_COLUMNS]]
    except _BROKEN as error:
        raise UsageError(f"{name}: its first sheet cannot be read: {error}") from None
    finally:
        book.close()


def _require_size(name: str, size: int) -> None:
    if size > _MOST_BYTES:
        raise UsageError(f"{name}: larger than {_MOST_BYTES >> 20} MiB; that is no table of devices")


def _require_few_tags(name: str, parts: ZipFile) -> None:
    """Counted before it is parsed: a hundred kilobytes may hold millions of empty cells or texts."""
    tags = 0
    for part in parts.infolist():
        with parts.open(part) as file:
            while tags <= _MOST_TAGS and (bite := file.read(_BITE)):
                tags += bite.count(b"<")
    if tags > _MOST_TAGS:
        raise UsageError(
            f"{name}: too many cells and texts for a table of devices; cut it in parts, delete what is empty"
        )


def _shown(cell: object) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case int() | float() if abs(cell) >= _EXACT:
            return f"{cell:.14e}"
        case float() if cell.is_integer():
            return str(int(cell))
        case datetime() if cell.time() == time():
            return cell.date().isoformat()
        case datetime():
            return cell.isoformat(" ", "seconds")
        case date():
            return cell.isoformat()
        case _:
            return str(cell)


def _workbook(rows: Iterable[Sequence[str]], title: str) -> bytes:
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    book = Workbook(write_only=True)
    sheet = book.create_sheet(title)
    for row in rows:
        cells = []
        for text in row:
            cell = WriteOnlyCell(sheet, value=ILLEGAL_CHARACTERS_RE.sub("", text))
            cell.data_type = "s"  # a 20-digit id is no number, and a name that begins with = no formula
            cell.number_format = "@"
            cells.append(cell)
        sheet.append(cells)
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()
