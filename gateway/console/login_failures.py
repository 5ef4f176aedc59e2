"""Wrong passwords, counted by name and the address they come from: after a few within a while nobody logs in under that
name from there for a while. Whoever is on duty elsewhere logs in all the same: else anybody on the network could lock the
desk out by trying its name."""

import ipaddress
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta

from gateway.console.account_file import AccountFile

_TO_LOCK = 5
_WINDOW = timedelta(minutes=15)
_LOCK = timedelta(minutes=15)
_MANY = 50
"""Wrong passwords for one name in an hour, wherever they come from: then each address has one try in place of five."""
_LONG = timedelta(hours=1)
_MOST_KEPT = 10_000  # an attacker who tries random names must not fill the disk


class LoginFailures:
    """Kept in the accounts' file, so that a restart forgives nobody."""

    def __init__(self, file: AccountFile, now: Callable[[], datetime]) -> None:
        self._file = file
        self._now = now

    def locked_for(self, name: str, address: str) -> int:
        """Seconds; 0 where the name is not locked for that address."""
        with self._file.reading() as connection:
            row = connection.execute(
                "SELECT until FROM locks WHERE name = ? AND address = ?", (name, neighbourhood(address))
            ).fetchone()
        left = 0.0 if row is None else row[0] - self._now().timestamp()
        # More than a full lock-out is left only if the clock was set back meanwhile: that must not lock for years.
        return int(left + 1) if 0 < left <= _LOCK.total_seconds() else 0

    def count(self, name: str, address: str) -> None:
        now, address = self._now().timestamp(), neighbourhood(address)
        with self._file.writing() as connection:
            hour = (now - _LONG.total_seconds(), now)
            connection.execute("DELETE FROM failures WHERE at NOT BETWEEN ? AND ?", hour)
            connection.execute("DELETE FROM locks WHERE until NOT BETWEEN ? AND ?", (now, now + _LOCK.total_seconds()))
            connection.execute("INSERT INTO failures (name, address, at) VALUES (?, ?, ?)", (name, address, now))
            connection.execute(
                "DELETE FROM failures WHERE rowid <= (SELECT max(rowid) FROM failures) - ?", (_MOST_KEPT,)
            )
            lately = now - _WINDOW.total_seconds()
            in_all, here = connection.execute(
                "SELECT count(*), coalesce(sum(address = ? AND at >= ?), 0) FROM failures WHERE name = ?",
                (address, lately, name),
            ).fetchone()
            if here >= _TO_LOCK or in_all > _MANY:
                connection.execute(
                    "INSERT OR REPLACE INTO locks VALUES (?, ?, ?)", (name, address, now + _LOCK.total_seconds())
                )


def forgive(connection: sqlite3.Connection, name: str, address: str | None = None) -> None:
    """What failed under the name, from that address alone where one is given."""
    where, values = "name = ?", [name]
    if address is not None:
        where, values = "name = ? AND address = ?", [name, neighbourhood(address)]
    connection.execute(f"DELETE FROM failures WHERE {where}", values)  # noqa: S608 – both texts are ours
    connection.execute(f"DELETE FROM locks WHERE {where}", values)  # noqa: S608


def neighbourhood(address: str) -> str:
    """The address, of IPv6 its network of 64 bits: a single device has all of that to itself."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
