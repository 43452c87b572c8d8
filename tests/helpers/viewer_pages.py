"""The viewer's page as a browser reads it: its elements, and the data in it."""

import base64
import html.parser
import json
import zlib

import numpy as np


class Page(html.parser.HTMLParser):
    """The elements of a page, and the text inside of those that have an id or are scripts or styles.

    Attributes:
      elements: (tag, attributes) in order.
      texts: text by tag, a list each.
      content: the data that the page's program reads.
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
        return [element for element in self.elements if element[0] == tag]

    def having(self, attribute):
        return [attributes for _, attributes in self.elements if attribute in attributes]


def unpacked(packed):
    """The numbers of an array of a page."""
    return np.frombuffer(inflated(packed), np.dtype(packed["type"]).newbyteorder("<"))


def inflated(entry):
    return zlib.decompress(base64.b64decode(entry["data"]))
