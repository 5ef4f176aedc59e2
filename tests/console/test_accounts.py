"""Users, tokens and sessions, as the command line and the console use them: two objects on one file."""

import os
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from gateway.console.account_file import AccountFile
from gateway.console.account_records import LockedOut, WrongPassword
from gateway.console.accounts import Accounts
from gateway.errors import UsageError
from gateway.model import Principal

PASSWORD = "a long enough password"
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Now:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 31, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **by: float) -> None:
        self.at += timedelta(**by)


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "accounts.db"


@pytest.fixture
def node(path: Path, now: Now) -> Accounts:
    """The accounts as the running node has them open."""
    return Accounts(path, now=now, hasher=QUICK)


@pytest.fixture
def shell(path: Path, now: Now) -> Accounts:
    """The accounts as a command beside it opens them."""
    return Accounts(path, now=now, hasher=QUICK)


def wrong(accounts: Accounts, name: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(WrongPassword):
            accounts.log_in(name, "this is not it")


class TestUsers:
    def test_are_listed_without_their_hashes(self, shell: Accounts, now: Now) -> None:
        shell.add_user("wang", "operator", PASSWORD, ["511724002", "511724001"])
        [user] = shell.users()
        assert (user.name, user.role, user.areas, user.disabled) == (
            "wang",
            "operator",
            ("511724001", "511724002"),
            False,
        )
        assert user.created_at == now.at

    def test_file_is_private_and_holds_no_secret(self, shell: Accounts, node: Accounts, path: Path) -> None:
        shell.add_user("wang", "operator", PASSWORD)
        token = shell.add_token("hub", "viewer")
        secret, _ = node.log_in("wang", PASSWORD)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        content = path.read_bytes()
        assert PASSWORD.encode() not in content
        assert token.encode() not in content
        assert secret.encode() not in content
        assert b"$argon2id$" in content

    def test_keep_the_rollback_journal(self, shell: Accounts, path: Path) -> None:
        shell.add_user("wang", "operator", PASSWORD)
        with sqlite3.connect(path) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        connection.close()

    def test_name_is_given_once(self, shell: Accounts) -> None:
        shell.add_user("wang", "operator", PASSWORD)
        with pytest.raises(UsageError, match="there is a user wang already"):
            shell.add_user("wang", "viewer", PASSWORD)
        with pytest.raises(UsageError, match="there is a user wang already"):
            shell.add_token("wang", "viewer")

    @pytest.mark.parametrize("name", ["", "a b", "terminal/1", "gateway", "unknown", "a" * 65, "x\n", "‮abc"])
    def test_refuses_names_that_are_no_actors(self, shell: Accounts, name: str) -> None:
        with pytest.raises(UsageError, match="cannot be the name"):
            shell.add_user(name, "operator", PASSWORD)

    def test_takes_chinese_names(self, shell: Accounts, node: Accounts) -> None:
        shell.add_user("王芳", "operator", PASSWORD)
        _, session = node.log_in("王芳", PASSWORD)
        assert session.principal == Principal("王芳", "operator")

    @pytest.mark.parametrize(
        ("password", "fault"),
        [("too short", "too short"), ("a" * 1025, "too long"), ("Chief-Of-Staff", "is the user name")],
    )
    def test_refuses_weak_passwords(self, shell: Accounts, password: str, fault: str) -> None:
        with pytest.raises(UsageError, match=fault):
            shell.add_user("chief-of-staff", "operator", password)
        assert shell.users() == []

    def test_refuses_unknown_roles_and_areas(self, shell: Accounts) -> None:
        with pytest.raises(UsageError, match="viewer, operator, maintainer, admin are accepted"):
            shell.add_user("wang", "root", PASSWORD)
        with pytest.raises(UsageError, match="no area code"):
            shell.add_user("wang", "operator", PASSWORD, ["511724%"])

    @pytest.mark.parametrize("act", [Accounts.disable_user, lambda a, name: a.set_password(name, PASSWORD)])
    def test_unknown_ones_are_named(self, shell: Accounts, act) -> None:  # type: ignore[no-untyped-def]
        with pytest.raises(UsageError, match="there is no user wang"):
            act(shell, "wang")


class TestSessions:
    def test_live_through_a_restart(self, node: Accounts, shell: Accounts, path: Path, now: Now) -> None:
        shell.add_user("wang", "maintainer", PASSWORD, ["5117"])
        secret, opened = node.log_in("wang", PASSWORD)
        found = Accounts(path, now=now).session(secret)
        assert found == opened
        assert opened.principal == Principal("wang", "maintainer", ("5117",))
        assert opened.expires_at == now.at + timedelta(hours=24)

    def test_end_with_log_out(self, node: Accounts, shell: Accounts) -> None:
        shell.add_user("wang", "operator", PASSWORD)
        secret, session = node.log_in("wang", PASSWORD)
        node.log_out(session)
        assert node.session(secret) is None

    def test_end_when_idle(self, node: Accounts, shell: Accounts, now: Now) -> None:
        shell.add_user("wang", "operator", PASSWORD)
        secret, session = node.log_in("wang", PASSWORD)
        now.forward(hours=7, minutes=59)
        assert node.wants_touch(session)
        node.touch(session)
        now.forward(hours=7, minutes=59)
        assert node.session(secret) is not None
        now.forward(minutes=2)
        assert node.session(secret) is None

    def test_end_after_a_day_however_busy(self, node: Accounts, shell: Accounts, now: Now) -> None:
        shell.add_user("wang", "operator", PASSWORD)
        secret, session = node.log_in("wang", PASSWORD)
        for _ in range(23):
            now.forward(hours=1)
            node.touch(session)
        assert node.session(secret) is not None
        now.forward(hours=1)
        assert node.session(secret) is None

    def test_of_the_future_are_not_trusted(self, node: Accounts, shell: Accounts, now: Now) -> None:
        shell.add_user("wang", "operator", PASSWORD)
        secret, _ = node.log_in("wang", PASSWORD)
        now.forward(days=-20_000)
        assert node.session(secret) is None

    def test_end_when_the_user_is_disabled_or_gets_another_password(self, node: Accounts, shell: Accounts) -> None:
        shell.add_user("wang", "operator", PASSWORD)
        first, _ = node.log_in("wang", PASSWORD)
        shell.set_password("wang", "another long password")
        assert node.session(first) is None
        wrong(node, "wang", 1)
        second, _ = node.log_in("wang", "another long password")
        assert node.session(second) is not None
        shell.disable_user("wang")
        assert node.session(second) is None
        with pytest.raises(WrongPassword):
            node.log_in("wang", "another long password")

    def test_oldest_goes_when_there_are_too_many(self, node: Accounts, shell: Accounts, now: Now) -> None:
        shell.add_user("wang", "operator", PASSWORD)
        secrets = []
        for _ in range(21):
            secrets.append(node.log_in("wang", PASSWORD)[0])
            now.forward(seconds=1)
        assert [node.session(secret) is None for secret in secrets] == [True] + [False] * 20

    @given(st.text(max_size=80))
    def test_no_text_is_a_session_or_a_token(self, text: str) -> None:
        accounts = Accounts(Path("/nonexistent/accounts.db"))
        assert accounts.session(text) is None
        assert accounts.holder(text) is None
        assert accounts.holder(f"gwt_{text}") is None


class TestLockOut:
    def test_after_five_wrong_passwords_for_a_quarter_of_an_hour(
        self, node: Accounts, shell: Accounts, path: Path, now: Now
    ) -> None:
        shell.add_user("wang", "operator", PASSWORD)
        wrong(node, "wang", 5)
        with pytest.raises(LockedOut, match="try again in 15 min") as refused:
            node.log_in("wang", PASSWORD)
        assert 0 < refused.value.seconds <= 901
        with pytest.raises(LockedOut):
            Accounts(path, now=now, hasher=QUICK).log_in("wang", PASSWORD)
        now.forward(minutes=15, seconds=1)
        node.log_in("wang", PASSWORD)

    def test_is_not_reached_by_old_failures(self, node: Accounts, shell: Accounts, now: Now) -> None:
        shell.add_user("wang", "operator", PASSWORD)
        for _ in range(3):
            wrong(node, "wang", 2)
            now.forward(minutes=16)
        node.log_in("wang", PASSWORD)

    def test_starts_anew_after_a_right_password(self, node: Accounts, shell: Accounts) -> None:
        shell.add_user("wang", "operator", PASSWORD)
        for _ in range(3):
            wrong(node, "wang", 4)
            node.log_in("wang", PASSWORD)

    def test_holds_for_names_nobody_has_and_for_disabled_users(self, node: Accounts, shell: Accounts) -> None:
        shell.add_user("gone", "operator", PASSWORD)
        shell.disable_user("gone")
        for name in ("nobody", "gone"):
            wrong(node, name, 5)
            with pytest.raises(LockedOut):
                node.log_in(name, PASSWORD)

    def test_whoever_is_on_duty_elsewhere_logs_in_all_the_same(self, node: Accounts, shell: Accounts) -> None:
        shell.add_user("wang", "operator", PASSWORD)
        for _ in range(5):
            with pytest.raises(WrongPassword):
                node.log_in("wang", "wrong", "10.0.0.66")
        with pytest.raises(LockedOut):
            node.log_in("wang", PASSWORD, "10.0.0.66")
        node.log_in("wang", PASSWORD, "10.0.0.5")
        with pytest.raises(LockedOut):  # which lifts nothing elsewhere
            node.log_in("wang", PASSWORD, "::ffff:10.0.0.66")

    def test_a_network_of_guessers_has_one_try_each(self, node: Accounts, shell: Accounts, now: Now) -> None:
        shell.add_user("wang", "operator", PASSWORD)
        for number in range(51):
            with pytest.raises(WrongPassword):
                node.log_in("wang", "wrong", f"10.0.1.{number}")
        with pytest.raises(WrongPassword):
            node.log_in("wang", "wrong", "2001:db8::1")
        with pytest.raises(LockedOut):
            node.log_in("wang", PASSWORD, "2001:db8::2")  # the same device, for all that is known
        node.log_in("wang", PASSWORD, "10.0.0.5")
        now.forward(hours=1, minutes=1)
        for _ in range(4):
            with pytest.raises(WrongPassword):
                node.log_in("wang", "wrong", "10.0.1.1")
        node.log_in("wang", PASSWORD, "10.0.1.1")

    def test_does_not_touch_other_users(self, node: Accounts, shell: Accounts) -> None:
        shell.add_user("wang", "operator", PASSWORD)
        wrong(node, "li", 5)
        node.log_in("wang", PASSWORD)

    def test_is_lifted_by_a_new_password(self, node: Accounts, shell: Accounts) -> None:
        shell.add_user("wang", "operator", PASSWORD)
        wrong(node, "wang", 5)
        shell.set_password("wang", "another long password")
        node.log_in("wang", "another long password")

    def test_does_not_last_for_years_when_the_clock_was_set_back(
        self, node: Accounts, shell: Accounts, now: Now
    ) -> None:
        shell.add_user("wang", "operator", PASSWORD)
        wrong(node, "wang", 5)
        now.forward(days=-3650)
        node.log_in("wang", PASSWORD)


class TestTokens:
    def test_are_known_and_revoked_while_the_node_runs(self, node: Accounts, shell: Accounts) -> None:
        assert node.holder("gwt_nothing") is None
        token = shell.add_token("zhuyang", "node", node="zhuyang")
        assert node.holder(token) == Principal("zhuyang", "node", (), "zhuyang")
        shell.revoke_token("zhuyang")
        assert node.holder(token) is None

    def test_are_long_and_named_by_their_prefix(self, shell: Accounts) -> None:
        tokens = {shell.add_token(f"t{number}", "viewer") for number in range(8)}
        assert len(tokens) == 8
        assert all(token.startswith("gwt_") and len(token) >= 4 + 43 for token in tokens)

    def test_of_console_clients_have_areas(self, shell: Accounts, node: Accounts) -> None:
        token = shell.add_token("wall", "viewer", areas=["511724"])
        assert node.holder(token) == Principal("wall", "viewer", ("511724",))

    def test_name_is_free_again_once_revoked(self, shell: Accounts, node: Accounts) -> None:
        old = shell.add_token("hub", "viewer")
        with pytest.raises(UsageError, match="there is a token hub already"):
            shell.add_token("hub", "viewer")
        shell.revoke_token("hub")
        new = shell.add_token("hub", "operator")
        assert node.holder(old) is None
        assert node.holder(new) == Principal("hub", "operator")
        assert [(token.role, token.revoked_at is None) for token in shell.tokens()] == [
            ("viewer", False),
            ("operator", True),
        ]

    def test_revoking_what_is_not_in_force_is_an_error(self, shell: Accounts) -> None:
        with pytest.raises(UsageError, match="there is no token hub in force"):
            shell.revoke_token("hub")

    @pytest.mark.parametrize(
        ("role", "node_id", "fault"),
        [
            ("admin", None, "viewer, operator, node are accepted"),
            ("node", None, "--node ID goes with --role node"),
            ("viewer", "zhuyang", "--node ID goes with --role node"),
            ("node", "zhu yang", "is no node id"),
        ],
    )
    def test_refuses_what_makes_no_sense(self, shell: Accounts, role: str, node_id: str | None, fault: str) -> None:
        with pytest.raises(UsageError, match=fault):
            shell.add_token("hub", role, node=node_id)


class TestTheFile:
    def test_look_ups_do_not_drop_the_locks_of_a_change_under_way(
        self, node: Accounts, shell: Accounts, path: Path
    ) -> None:
        token = shell.add_token("hub", "viewer")
        with AccountFile(path).writing() as connection:
            connection.execute("DELETE FROM tokens")
            assert node.holder(token) is not None  # this process reads while it writes
            script = (
                "import sqlite3, sys\n"
                "connection = sqlite3.connect(sys.argv[1], timeout=0)\n"
                "try: connection.execute('BEGIN IMMEDIATE'); print('not locked')\n"
                "except sqlite3.OperationalError as error: print(error)\n"
            )
            other = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
        assert other.stdout.strip() == "database is locked"
        assert node.holder(token) is None

    def test_look_ups_go_on_while_a_command_holds_it(self, node: Accounts, shell: Accounts, path: Path) -> None:
        token = shell.add_token("hub", "viewer")
        assert node.holder(token) is not None
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        try:
            assert node._memory.known is not None
            node._memory.known = replace(
                node._memory.known, signature=(0,)
            )  # as if the command had just changed something
            assert node.holder(token) is not None
        finally:
            other.close()

    def test_a_second_change_within_one_tick_of_the_kernels_clock_is_seen(
        self, node: Accounts, shell: Accounts, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        token = shell.add_token("hub", "viewer")
        stood, stat = path.stat(), Path.stat
        monkeypatch.setattr(Path, "stat", lambda of, **how: stood if of == path else stat(of, **how))
        monkeypatch.setattr("time.time_ns", lambda: stood.st_ctime_ns + 1_000_000)
        assert node.holder(token) is not None
        shell.revoke_token("hub")
        assert node.holder(token) is None

    def test_damaged_is_said_in_a_sentence(self, path: Path) -> None:
        path.parent.mkdir()
        path.write_bytes(b"this is no database" * 100)
        with pytest.raises(UsageError, match="is damaged"):
            Accounts(path).users()

    def test_of_a_newer_gateway_is_left_alone(self, shell: Accounts, path: Path) -> None:
        shell.add_user("wang", "operator", PASSWORD)
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
        with pytest.raises(UsageError, match="newer gateway"):
            shell.users()

    def test_directory_that_cannot_be_made_is_said_in_a_sentence(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(UsageError, match="cannot use the accounts"):
            Accounts(tmp_path / "file" / "accounts.db").users()

    def test_deleted_while_running_lets_nobody_in(self, node: Accounts, shell: Accounts, path: Path) -> None:
        token = shell.add_token("hub", "viewer")
        assert node.holder(token) is not None
        os.unlink(path)
        assert node.holder(token) is None


def test_a_damaged_file_is_told_once_and_once_when_it_is_mended(tmp_path: Path, now: Now, monkeypatch: Any) -> None:
    told: list[str] = []
    monkeypatch.setattr("gateway.console.account_memory.events.accounts_unreadable", lambda reason: told.append(reason))
    monkeypatch.setattr("gateway.console.account_memory.events.accounts_readable", lambda _: told.append("again"))
    path = tmp_path / "accounts.db"
    accounts = Accounts(path, now=now, hasher=QUICK)
    token = accounts.add_token("tv", "viewer")
    whole = path.read_bytes()
    path.write_bytes(b"not a database at all" * 100)
    broken = Accounts(path, now=now, hasher=QUICK)
    assert [broken.holder(token) for _ in range(3)] == [None, None, None]
    assert broken.fault() is not None
    assert len(told) == 1 and "accounts.db is damaged" in told[0]
    path.write_bytes(whole)
    assert broken.holder(token) is not None
    assert (broken.fault(), told[1:]) == (None, ["again"])
