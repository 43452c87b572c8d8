"""Parsing of Markdown pages: links, headings, code blocks and commands."""

import functools
import pathlib
import re
import shlex
from collections.abc import Iterator
from typing import NamedTuple

import markdown_it
from markdown_it.token import Token

_SHELL = ("", "sh", "bash", "shell")
_ASSIGNED = re.compile(r"([A-Za-z_]+)=")
_A_COMMAND = re.compile(
    r"\s*(?:python experiments/|twodasl-reconstruct |make |pip install |\$\w+ |[A-Z_]+=\S)"
)
_INNERMOST_OPTION = re.compile(r"\s*\[[^][]*\]")


class Block(NamedTuple):
    """A Python block: the line of the page before its first line, and its text."""

    line: int
    text: str


class Command(NamedTuple):
    """A command, with and without its optional arguments. Environment variables are removed."""

    words: tuple[str, ...]
    shortest: tuple[str, ...]

    def __str__(self):
        return " ".join(self.words)


@functools.cache
def tokens(page: pathlib.Path) -> list[Token]:
    """Returns the Markdown tokens of a page."""
    return markdown_it.MarkdownIt("commonmark").enable("table").parse(page.read_text("utf-8"))


def inline(page: pathlib.Path) -> Iterator[Token]:
    """Yields the inline tokens of a page: words, code, links."""
    for token in tokens(page):
        yield from token.children or ()


def links(page: pathlib.Path) -> list[str]:
    """Returns the targets of links and pictures of a page."""
    ends = {"link_open": "href", "image": "src"}
    return [str(part.attrs[ends[part.type]]) for part in inline(page) if part.type in ends]


def anchors(page: pathlib.Path) -> set[str]:
    """Returns the anchors that GitHub creates for the headings of a page."""
    titles = [
        after.content
        for before, after in zip(tokens(page), tokens(page)[1:], strict=False)
        if before.type == "heading_open"
    ]
    words = [re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "", title)) for title in titles]
    return {title.strip().lower().replace(" ", "-") for title in words}


def inline_code(page: pathlib.Path) -> list[str]:
    """Returns the inline code of a page."""
    return [part.content for part in inline(page) if part.type == "code_inline"]


def steps(page: pathlib.Path) -> list[Command | Block]:
    """Returns the commands and Python blocks of a page in their order."""
    found: list[Command | Block] = []
    for token in tokens(page):
        if token.type == "inline":
            code = [part.content for part in token.children or () if part.type == "code_inline"]
            found += [command for text in code for command in commands_in(text)]
        elif token.type in ("fence", "code_block") and token.map:
            language, line = token.info.strip(), token.map[0] + 1
            if language == "python":
                found.append(Block(line, token.content))
            elif language in _SHELL:
                found += commands_in(token.content)
    return found


def commands_in(text: str) -> list[Command]:
    """Returns the commands of this project in lines of shell code, and ignores other lines.

    `D="python x.py"` defines a prefix for later lines. Arguments in brackets are optional.
    """
    names: dict[str, str] = {}
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        if not _A_COMMAND.match(line):
            continue
        for name, value in names.items():
            line = line.replace(f"${name} ", f"{value} ")
        words = _split(line)
        assigned = {}
        while words and _ASSIGNED.match(words[0]):
            name, _, value = words.pop(0).partition("=")
            assigned[name] = value
        if words:
            found.append(_command(line, words))
        else:
            names |= assigned
    return found


def _command(line: str, words: list[str]) -> Command:
    if words[0] == "pip":  # Its brackets name extras.
        return Command(tuple(words), tuple(words))
    count = len(_split(line)) - len(words)
    shortest = line
    while _INNERMOST_OPTION.search(shortest):
        shortest = _INNERMOST_OPTION.sub("", shortest)
    whole = line.replace("[", " ").replace("]", " ")
    return Command(tuple(_split(whole)[count:]), tuple(_split(shortest)[count:]))


def _split(line: str) -> list[str]:
    return shlex.split(line, comments=True)
