from gateway.alerts.silences import Silences, TerminalModel

HOUR = 3600.0
MODELS = {"kaiwan": TerminalModel(12 * HOUR, 600), "mute": TerminalModel(60, 0, alert=False)}


def silences() -> Silences:
    return Silences(lambda terminal: MODELS.get(terminal.partition("-")[0], TerminalModel()))


def test_a_last_will_counts_after_the_grace() -> None:
    book = silences()
    book.note("tv-1", True, 0)
    book.note("tv-1", False, 10)
    book.note("tv-1", False, 400)  # said again: it has been away since the first time
    assert book.overdue(609) == []
    assert book.overdue(610) == ["tv-1"]
    book.note("tv-1", True, 611)
    assert (book.overdue(5000), book.is_offline("tv-1")) == ([], False)


def test_silence_is_measured_by_the_kind_of_device() -> None:
    book = silences()
    for name in ("tv-1", "kaiwan-1"):
        book.note(name, True, 0)
    assert book.silent(24 * HOUR - 1) == []
    assert book.silent(24 * HOUR) == ["kaiwan-1"]
    book.note("tv-1", True, 30 * HOUR)
    assert book.silent(48 * HOUR) == ["kaiwan-1"]
    assert sorted(book.silent(78 * HOUR)) == ["kaiwan-1", "tv-1"]


def test_who_was_never_heard_is_never_missed_and_some_models_are_not_told_of() -> None:
    book = silences()
    book.note("tv-1", None, 0)
    book.note("mute-1", False, 0)
    assert (book.silent(1e9), book.overdue(1e9)) == ([], [])


def test_those_who_go_together_are_one_outage_and_a_single_one_is_not() -> None:
    book = silences()
    book.note("tv-lone", False, 0)
    for number in range(30):
        book.note(f"tv-{number}", False, 5000 + number)
    away = book.overdue(6000)
    assert len(away) == 31
    assert "tv-lone" not in book.together(away, known=100)
    assert len(book.together(away, known=100)) == 30
    assert book.together(away, known=151) == []  # less than a fifth of a big village


def test_a_few_terminals_are_no_outage_however_great_their_share() -> None:
    book = silences()
    for number in range(9):
        book.note(f"tv-{number}", False, 0)
    assert book.together(book.overdue(700), known=9) == []


def test_who_was_taken_out_of_the_register_is_forgotten() -> None:
    book = silences()
    book.note("tv-1", True, 0)
    book.note("tv-2", False, 0)
    book.keep_only({"tv-3"})
    assert (book.silent(1e9), book.overdue(1e9)) == ([], [])
