"""Where bytes from cameras are received."""

from adapters.rtsp.protocol import MAX_UNFINISHED

RECEIVE_SIZE = 256 * 1024


class ReceiveBuffer:
    """One for all connections of an event loop.

    That is safe because get_buffer, the system's recv and buffer_updated follow each other within one callback of the
    loop, in asyncio's selector transport as in uvloop's (libuv calls alloc, read and read_cb in a row) and in both
    loops' TLS layer, which decrypts into it between the two calls; what a connection could not use yet it keeps itself
    and brings back in its next get_buffer. One buffer stays in the processor's cache, and a thousand cameras do not need
    a thousand of them. Not for sharing between threads.
    """

    __slots__ = ("data", "view")

    def __init__(self, size: int = RECEIVE_SIZE) -> None:
        if size <= MAX_UNFINISHED:
            raise ValueError(f"a receive buffer has more than {MAX_UNFINISHED} bytes")
        self.data = bytearray(size)
        self.view = memoryview(self.data)
