import asyncio
import gc

import pytest

from adapters.rtsp.address import parse_address
from adapters.rtsp.protocol import MAX_UNFINISHED
from adapters.rtsp.session import Session, Timeouts
from adapters.rtsp.transport import Connection, ReceiveBuffer
from gateway.errors import ProtocolFault, Unreachable


class Transport:
    def __init__(self):
        self.unsent = 0
        self.written = []
        self.aborted = False

    def get_write_buffer_size(self):
        return self.unsent

    def write(self, data):
        self.written.append(data)

    def abort(self):
        self.aborted = True


def connect(buffer):
    connection = Connection(
        Session(parse_address("rtsp://10.0.0.5/"), None, Timeouts(), allow_basic=True),
        buffer,
        lambda: 1.0,
        authority="10.0.0.5:554",
        interval=3600.0,
        before_walk=lambda: None,
        on_message_done=lambda connection: None,
        on_tick=lambda received: None,
        keyframe_at=lambda: 0.0,
    )
    connection.connection_made(transport := Transport())
    return connection, transport


def hear(connection, data):
    view = connection.get_buffer(-1)
    view[: len(data)] = data
    connection.buffer_updated(len(data))


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
