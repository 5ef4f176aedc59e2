"""Masks and consent in a table's cells, there and back."""

import csv
from pathlib import Path

import pytest

from gateway.config import load
from gateway.config.csv_table import records, rewritten
from gateway.config.tables import nested

MASKS = [[[0.1, 0.2], [0.5, 0.2], [0.5, 1]], [[0, 0], [1, 0], [1, 0.25]]]
CELL = "0.1,0.2 0.5,0.2 0.5,1; 0,0 1,0 1,0.25"
TABLE = "id,name\ncam-1,东\ncam-2,西\n"


def test_masks_are_one_cell_and_consent_three() -> None:
    consent = {"given_by": "王大娘", "given_on": "2026-01-01"}
    table = rewritten(TABLE, changed={"cam-1": {"masks": MASKS, "consent": consent}})
    assert f'cam-1,东,"{CELL}",王大娘,2026-01-01' in table
    assert records(table)[0]["consent"] == consent
    back = rewritten(table, changed={"cam-1": {"masks": [], "consent": None}})
    assert [dict(each) for each in records(back)] == [{"id": "cam-1", "name": "东"}, {"id": "cam-2", "name": "西"}]


def test_a_table_with_masks_is_read_as_the_configuration_is(tmp_path: Path) -> None:
    table = rewritten(TABLE, changed={"cam-2": {"masks": MASKS}})
    (tmp_path / "cameras.csv").write_text(table, encoding="utf-8")
    (tmp_path / "g.yaml").write_text("node: {id: n}\ndata_dir: var\ncameras_file: cameras.csv\n", encoding="utf-8")
    one, two = load(tmp_path / "g.yaml", sources={}, sinks={}).settings.cameras
    assert one.to_model().masks == ()
    assert [list(map(list, mask)) for mask in two.to_model().masks] == MASKS


@pytest.mark.parametrize("cell", ["0.1", "0.1,0.2,0.3 1,1 0,0"])
def test_a_cell_that_is_no_polygon_is_refused(cell) -> None:
    with pytest.raises(csv.Error, match="masks"):
        nested({"id": "cam-1", "masks": cell})
