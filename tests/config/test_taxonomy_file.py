from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.kinds import SINKS, SOURCES
from gateway.alerts.grading import severity
from gateway.config import load
from gateway.config.sections.alerts import AlertSettings
from gateway.config.taxonomy_file import read_taxonomy
from gateway.errors import ConfigError
from gateway.model import Kind, Scene
from gateway.policies import taxonomy_of

SAMPLE = Path(__file__).parents[2] / "configs" / "taxonomy.yaml"
AT = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
ONE = """\
classes:
  - code: "01"
    name: 甲
    subclasses:
      - {code: "0101", name: 子甲, grade: 2, department: 派出所, kinds: [sos]}
"""


def faults(tmp_path: Path, text: str) -> tuple[str, ...]:
    path = tmp_path / "list.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_taxonomy(path)
    return tuple(fault.removeprefix(f"{path}:") for fault in caught.value.faults)


def test_the_sample_has_twelve_classes_and_gives_every_kind_one_sub_class() -> None:
    read = read_taxonomy(SAMPLE)
    subclasses = [found for each in read.classes for found in each.subclasses]
    assert len(read.classes) == 12 and len(subclasses) >= 60
    assert len({found.code for found in subclasses}) == len(subclasses)
    assert all(found.code.startswith(each.code) for each in read.classes for found in each.subclasses)
    assert all(None not in found.limits.by_step().values() for found in subclasses)
    taxonomy = taxonomy_of(AlertSettings().with_cases(read.classes))
    for kind in Kind:
        assert [found.code for found in subclasses if kind in found.kinds and not found.scenes], kind
        case = taxonomy.case_of(kind, AT)
        assert case is not None and set(case["due"]) == {"register", "dispatch", "close"}
        assert case["grade"] == severity(kind, {})  # what the contract says of kinds that nobody graded


def test_the_configuration_reads_the_file_it_names(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text(ONE, encoding="utf-8")
    config = tmp_path / "node.yaml"
    config.write_text("node: {id: a}\ndata_dir: var\nalerts: {taxonomy: list.yaml}\n", encoding="utf-8")
    alerts = load(config, sources=SOURCES, sinks=SINKS).settings.alerts
    assert [each.code for each in alerts.cases] == ["01"]
    case = taxonomy_of(alerts).case_of(Kind.SOS, AT)
    assert case == {
        "class": "01",
        "class_name": "甲",
        "subclass": "0101",
        "name": "子甲",
        "grade": 2,
        "department": "派出所",
        "due": {},
    }


def test_a_fault_of_the_list_stops_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text(ONE.replace("grade: 2", "grade: 7"), encoding="utf-8")
    config = tmp_path / "node.yaml"
    config.write_text("node: {id: a}\ndata_dir: var\nalerts: {taxonomy: list.yaml}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"list\.yaml:5: classes\[0\]\.subclasses\[0\]\.grade: "):
        load(config, sources=SOURCES, sinks=SINKS)
    (tmp_path / "list.yaml").unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        load(config, sources=SOURCES, sinks=SINKS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- 1", "1: a mapping with the key classes is accepted"),
        ("classes: [", "1: not YAML"),
        ("clases: []\n", "1: clases: unknown key; the nearest known key is classes"),
        ("classes: []\n", "1: classes: "),
        (ONE.replace("department: 派出所, ", ""), "5: classes[0].subclasses[0].department: is missing"),
        (ONE.replace("sos", "sso"), "5: classes[0].subclasses[0].kinds[0]: 'sso' is not accepted; accepted are 'sos'"),
        (ONE.replace("kinds:", "kind:"), "unknown key; the nearest known key is kinds"),
        (ONE.replace("kinds: [sos]", "limits: {regster: 1m}"), "unknown key; the nearest known key is register"),
        (ONE.replace("kinds: [sos]", "limits: {close: soon}"), "limits.close: a duration is seconds"),
        (
            ONE.replace("kinds: [sos]", "limits: {register: 5m, dispatch: 1m}"),
            "5: classes[0].subclasses[0].limits.dispatch: comes before register",
        ),
        (ONE.replace("0101", "01"), "5: classes[0].subclasses[0].code: 01 stands twice"),
        (
            ONE + '      - {code: "0102", name: 子乙, grade: 2, department: 派出所, kinds: [sos]}\n',
            "6: classes[0].subclasses[1].kinds: sos is given to 0101 already",
        ),
    ],
)
def test_every_fault_names_its_line(tmp_path: Path, text: str, expected: str) -> None:
    assert any(expected in fault for fault in faults(tmp_path, text)), faults(tmp_path, text)


def test_a_sub_class_may_be_for_cameras_in_some_places_alone(tmp_path: Path) -> None:
    path = tmp_path / "list.yaml"
    extra = '      - {code: "0102", name: 子乙, grade: 1, department: 村委会, kinds: [sos], scenes: [village]}\n'
    path.write_text(ONE + extra, encoding="utf-8")
    taxonomy = taxonomy_of(AlertSettings().with_cases(read_taxonomy(path).classes))
    codes = [
        None if (case := taxonomy.case_of(Kind.SOS, AT, scene)) is None else case["subclass"]
        for scene in (None, Scene.STREET, Scene.VILLAGE)
    ]
    assert codes == ["0101", "0101", "0102"]
    assert taxonomy.case_of(Kind.FIRE, AT) is None
    assert taxonomy.carried("0102") is not None and taxonomy.carried("9999") is None


@pytest.mark.parametrize(
    "text",
    ["{a: " * 3000, "classes: [{code: 2026-13-45}]", "x: &x {<<: *x}\nclasses: 1", "classes: &a [*a]"],
    ids=["depth", "date", "ring", "cycle"],
)
def test_what_the_yaml_library_trips_over_is_a_fault_in_words(tmp_path, text) -> None:
    (fault, *_) = faults(tmp_path, text)
    assert fault.startswith("1: ")
