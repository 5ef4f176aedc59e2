"""The operators' console: pages of Vue 3 and TypeScript, built by `build.py` into ``dist`` and served by the gateway."""

from pathlib import Path


def built_pages() -> Path | None:
    """The folder with ``index.html`` and its assets, or None where the console has not been built."""
    dist = Path(__file__).parent / "dist"
    return dist if (dist / "index.html").is_file() else None
