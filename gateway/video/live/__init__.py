"""Live views: access units from a worker or from a lower node, passed to browsers undecoded (WebRTC)."""
