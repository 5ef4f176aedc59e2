"""The table of deploy/DIAGNOSIS.md."""

from pathlib import Path

from gateway.lab.diagnosis_set.scoring import Scores
from gateway.model import FIELD_CODES

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def table(scores: Scores) -> str:
    """Precision, recall and support of every fault, as Markdown."""
    lines = ["| fault | 名称 | code | precision | recall | pictures |", "|---|---|---|---|---|---|"]
    for fault, score in scores.faults.items():
        if not score.support and not score.wrong:
            continue
        code = FIELD_CODES[fault]
        number = "–" if code.number is None else str(code.number)
        lines.append(
            f"| {fault} | {code.name} | {number} | {score.precision:.1%} | {score.recall:.1%} | {score.support} |"
        )
    return "\n".join(lines) + f"\n\nBeside them {scores.intact} pictures with nothing wrong.\n"


def write(path: Path, words: str) -> None:
    """Put ``words`` between the marks. Raises ValueError where a mark is missing."""
    page = path.read_text("utf-8")
    if BEGIN not in page or END not in page:
        raise ValueError(f"{path}: the marks {BEGIN} and {END} are missing; put them where the table belongs")
    before, rest = page.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    path.write_text(f"{before}{BEGIN}\n{words}{END}{after}", "utf-8")
