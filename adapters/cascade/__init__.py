"""Node to node: entries, pictures and reports go up, what is done above comes down; the lower node opens every connection.

source.py is the upper end, sink.py and downlink.py the lower one; wire.py, answers.py, batch.py, media.py and sse.py
are pure.
"""
