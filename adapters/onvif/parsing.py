"""XML from devices, read without keeping anything of it.

libxml2 interns every name it meets, and before lxml 7 that table lives as long as the thread that made the parser: a device
that invents names would grow it for ever. So the shared parser, which is the fast one, sees names from a bounded set
only; an answer with more of its own, or a large one, is read by a parser and a thread that are thrown away after it.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from lxml import etree

LARGE: Final = 256 * 1024
"""Bytes. Reading these beside the others keeps the shared parser, which locks itself while it is used, free for them."""
_MOST_NAMES: Final = 256 * 1024  # bytes of them in all; what ONVIF's devices use together is a tenth
_LONGEST_NAME: Final = 128
# A tag up to its first value, an entity, and what follows a value up to the next one or the tag's end: so few bytes are
# looked at closely that it costs less than the reading. A value that holds "=" counts too, which does no harm.
_MARKUP: Final = re.compile(rb"""<[^<>"']*+|&[^<>"'&;\s]*+|["'][^<>"'=]*+[=>]""")
_NAMESPACE: Final = re.compile(rb"""xmlns[^<>"'=]{0,128}=\s*+(?:"[^"]*+|'[^']*+)""")


def _parser() -> etree.XMLParser:
    # The encoding is ours to decide, so that no declaration hides a document type from the check for one.
    return etree.XMLParser(
        recover=True,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        collect_ids=False,
        remove_comments=True,
        remove_pis=True,
        encoding="utf-8",
    )


class Reader:
    """Reads UTF-8; from any thread."""

    def __init__(self, most_names: int = _MOST_NAMES) -> None:
        self._shared = _parser()
        self._known: set[bytes] = set()
        self._room = most_names

    def read(self, text: bytes) -> etree._Element | None:
        """The root, recovered as far as possible; None where nothing is left. Raises etree.XMLSyntaxError."""
        if len(text) <= LARGE and self.knows(text):
            return etree.fromstring(text, self._shared)
        return _read_apart(text)

    def knows(self, text: bytes) -> bool:
        """All its names are known, or there was room to take them in."""
        new = set(_MARKUP.findall(text)).union(_NAMESPACE.findall(text)) - self._known
        if not new:
            return True
        size = sum(map(len, new))
        if size > self._room or len(max(new, key=len)) > _LONGEST_NAME:
            return False
        self._room -= size
        self._known |= new
        return True


def _read_apart(text: bytes) -> etree._Element | None:
    with ThreadPoolExecutor(1, "XML of a device") as thread:
        return thread.submit(lambda: etree.fromstring(text, _parser())).result()
