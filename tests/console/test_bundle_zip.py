"""Archives in one form only."""

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.console.bundle_zip import BadArchive, archive, measured, measured_anew, opened, size_of

_NAMES = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), max_size=5, unique=True)


@given(_NAMES, st.data())
def test_what_is_written_is_a_zip_that_others_open(tmp_path_factory, names, data) -> None:
    contents = {name: data.draw(st.binary(max_size=300)) for name in names}
    members = [measured(name, content) for name, content in contents.items()]
    written = b"".join(archive(members))
    assert len(written) == size_of(members)
    path = tmp_path_factory.mktemp("zip") / "a.zip"
    path.write_bytes(written)
    assert [(each.name, b"".join(each.pieces())) for each in opened(path)] == list(contents.items())
    with zipfile.ZipFile(io.BytesIO(written)) as other:
        assert other.testzip() is None
        # the library cuts a name at its first NUL
        assert [info.file_size for info in other.infolist()] == [len(content) for content in contents.values()]


def test_files_are_read_in_pieces_and_told_when_they_have_shrunk(tmp_path: Path) -> None:
    film = tmp_path / "film"
    film.write_bytes(bytes(range(256)) * 3000)
    member = measured("clips/1.mp4", film)
    assert max(map(len, archive([member]))) <= 256 * 1024
    assert measured_anew(member) == member
    film.write_bytes(b"short")
    with pytest.raises(BadArchive, match=r"clips/1\.mp4"):
        list(archive([member]))


def test_neither_a_second_file_of_a_name_nor_bytes_between_are_taken(tmp_path: Path) -> None:
    one, two = measured("a", b"1"), measured("a", b"2")
    path = tmp_path / "a.zip"
    path.write_bytes(b"".join(archive([one, two])))
    with pytest.raises(BadArchive, match="same name"):
        opened(path)
    whole = b"".join(archive([one]))
    for wrong in (b"", whole[:-1], whole + b"x", b"x" + whole, whole.replace(b"1", b"11", 1)):
        path.write_bytes(wrong)
        with pytest.raises(BadArchive):
            opened(path)


def test_a_zip_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as other:
        other.writestr("a", "1" * 100)
    with pytest.raises(BadArchive):
        opened(path)
