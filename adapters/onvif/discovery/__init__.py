"""Finding devices: WS-Discovery, and whether what answers is the device that is known."""
