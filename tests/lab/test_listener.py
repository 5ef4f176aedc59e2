"""Several addresses, one port."""

import socket
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from gateway.errors import ListenFailed
from gateway.lab.listener import Listener, listen

HERE, THERE = "127.0.0.1", "127.1.0.1"


async def test_a_port_that_is_somebody_elses_at_one_of_the_addresses_is_not_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opens, others = Listener.open, list[int]()
    with ExitStack() as held:

        def taken_meanwhile(listener: Listener) -> None:
            if listener.host == THERE and len(others) < 3:
                held.enter_context(socket.create_server((THERE, listener.port)))
                others.append(listener.port)
            opens(listener)

        monkeypatch.setattr(Listener, "open", taken_meanwhile)
        here, there = listen([HERE, THERE], 0, lambda connection, host: connection.close())
        assert here.port == there.port not in others
        assert len(others) == 3
        for listener in (here, there):
            listener.close()


async def test_one_that_was_asked_for_and_is_taken_is_named_and_nothing_stays_open(
    free_port: Callable[[], int],
) -> None:
    port = free_port()
    with socket.create_server((THERE, port)):
        with pytest.raises(ListenFailed, match=f"cannot listen on {THERE}:{port}"):
            listen([HERE, THERE], port, lambda connection, host: connection.close())
        with socket.create_server((HERE, port)):
            pass
