"""Streams that adapters/rtsp does not speak, read by libav (PyAV) in a child process of their own, one for each camera.

MJPEG over RTP, RTSP multicast, ``rtp://`` and ``udp://`` groups, HTTP streams and files. ``source`` is what the video
worker runs; ``address`` and ``faults`` are pure; ``process`` owns the child; ``child``, ``demux`` and ``units`` run in it.
Nothing is imported here, so that the child loads no more than it needs.
"""
