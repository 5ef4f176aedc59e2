"""ONVIF: finding devices, enrolling them, hearing what they notice, moving domes (ONVIF Core, Media, Media2, Event, PTZ)."""
