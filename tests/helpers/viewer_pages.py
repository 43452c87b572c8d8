"""Parser for pages of the viewer: their elements, texts and data."""

import base64
import html.parser
import json
import zlib

import numpy as np


class Page(html.parser.HTMLParser):
    """The elements and texts of a page.

    Attributes:
      elements: the (tag, attributes) pairs in document order.
      texts: the list of texts of each tag.
      content: the data for the script of the page.
    """

    def __init__(self, source):
        super().__init__()
        self.elements, self.texts, self._open = [], {}, None
        self.feed(source)
        self.close()
        (content,) = (
            text
            for text, (_, attributes) in zip(
                self.texts["script"], self.named("script"), strict=True
            )
            if attributes.get("id") == "content"
        )
        self.content = json.loads(content)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.texts.setdefault(tag, []).append("")
        self._open = tag

    def handle_data(self, data):
        if self._open:
            self.texts[self._open][-1] += data

    def handle_endtag(self, tag):
        self._open = None

    def named(self, tag):
        """Returns the elements with a tag."""
        return [element for element in self.elements if element[0] == tag]

    def having(self, attribute):
        """Returns the attributes of all elements that have a given attribute."""
        return [attributes for _, attributes in self.elements if attribute in attributes]


def decode_array(packed):
    """Inverts `packing.encode_array`; the result is flat."""
    return np.frombuffer(decode_bytes(packed), np.dtype(packed["type"]).newbyteorder("<"))


def decode_bytes(entry):
    """Inverts `packing.encode_bytes` for an entry of the page's data."""
    return zlib.decompress(base64.b64decode(entry["data"]))
