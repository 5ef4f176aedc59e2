import asyncio
import gc
import socket

import pytest

from adapters.rtsp.address import parse_address
from adapters.rtsp.buffer import ReceiveBuffer
from adapters.rtsp.protocol import MAX_UNFINISHED
from adapters.rtsp.session import Session, Timeouts
from adapters.rtsp.transport import Connection
from gateway.errors import ProtocolFault, Unreachable


class Transport:
    def __init__(self, sock=None):
        self.socket = sock
        self.unsent = 0
        self.written = []
        self.aborted = False

    def get_extra_info(self, name):
        return self.socket if name == "socket" else None

    def get_write_buffer_size(self):
        return self.unsent

    def write(self, data):
        self.written.append(data)

    def abort(self):
        self.aborted = True


class Owner:
    def before_walk(self):
        pass

    def message_read(self, connection):
        pass

    def tick(self, now):
        return b""


def connect(buffer, sock=None):
    session = Session(parse_address("rtsp://10.0.0.5/"), None, Timeouts(), allow_basic=True)
    connection = Connection(session, buffer, lambda: 1.0, Owner(), authority="10.0.0.5:554", interval=3600.0)
    connection.connection_made(transport := Transport(sock))
    return connection, transport


def hear(connection, data):
    view = connection.get_buffer(-1)
    view[: len(data)] = data
    connection.buffer_updated(len(data))


class Watch:
    """A clock that each look moves on by a step."""

    def __init__(self, step):
        self.now, self.step = 0.0, step

    def __call__(self):
        self.now += self.step
        return self.now


@pytest.mark.parametrize(("step", "looks", "ends"), [(0.3, 2, True), (0.3, 1, False), (0.001, 5, False)])
async def test_a_camera_that_takes_all_the_time_is_let_go(step, looks, ends):
    session = Session(parse_address("rtsp://10.0.0.5/"), None, Timeouts(), allow_basic=True)
    connection = Connection(session, ReceiveBuffer(), Watch(step), Owner(), authority="10.0.0.5:554", interval=1.0)
    connection.connection_made(Transport())
    for _ in range(looks):
        hear(connection, b"$\x00\x00\x04junk")
        connection._tick()
    assert connection.ended.done() is ends
    if ends:
        with pytest.raises(ProtocolFault, match="more than 25% of a processor"):
            await connection.ended
    connection.connection_lost(None)
    connection.abandon()


QUESTION = b"OPTIONS * RTSP/1.0\r\nCSeq: 8\r\n\r\n"


async def test_two_connections_in_one_buffer_keep_their_unfinished_bytes_apart():
    buffer = ReceiveBuffer()
    (one, said), (other, _) = connect(buffer), connect(buffer)
    hear(one, QUESTION[:20])
    hear(other, b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n")
    hear(one, QUESTION[20:])
    assert said.written[-1] == b"RTSP/1.0 200 OK\r\nCSeq: 8\r\n\r\n"
    await one.close(1.0)
    await other.close(1.0)


async def test_a_camera_that_asks_and_never_reads_does_not_fill_our_memory():
    connection, transport = connect(ReceiveBuffer())
    transport.unsent = 100_000
    hear(connection, QUESTION * 100)
    assert len(transport.written) == 1  # our own OPTIONS
    with pytest.raises(Unreachable, match="does not read"):
        await connection.ended
    await connection.close(1.0)
    assert transport.aborted


async def test_a_fault_in_the_stream_ends_the_connection_and_keeps_nothing():
    connection, _ = connect(ReceiveBuffer())
    hear(connection, b"SSH-2.0-OpenSSH_9.2\r\n")
    assert connection.get_buffer(-1).nbytes == len(ReceiveBuffer().data)
    with pytest.raises(ProtocolFault):
        await connection.ended
    await connection.close(1.0)


async def test_the_kernel_notices_a_vanished_peer_and_holds_no_more_than_a_burst():
    with socket.socket() as sock:
        connection, _ = connect(ReceiveBuffer(), sock)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 20_000
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) <= 2 * 256 * 1024
        await connection.close(1.0)


async def test_a_fault_of_ours_is_not_taken_for_the_cameras():
    connection, _ = connect(ReceiveBuffer())
    connection.connection_lost(KeyError("ours"))
    with pytest.raises(KeyError):
        await connection.ended


async def test_an_abandoned_connection_complains_to_nobody():
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context["message"]))
    lost, never = connect(ReceiveBuffer())[0], connect(ReceiveBuffer())[0]
    lost.connection_lost(ConnectionResetError())
    lost.abandon()
    never.abandon()
    never.connection_lost(None)
    del lost, never
    gc.collect()
    assert complaints == []


def test_a_receive_buffer_holds_more_than_what_can_be_left_unfinished():
    with pytest.raises(ValueError, match="more than"):
        ReceiveBuffer(MAX_UNFINISHED)
