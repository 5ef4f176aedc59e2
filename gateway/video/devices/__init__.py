"""The worker's cameras as ONVIF devices: their sessions, clocks, events, and stream addresses."""
