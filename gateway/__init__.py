"""Feed gateway for township centres: presses and cameras in, alerts with pictures out."""

__version__ = "0.6.0"
