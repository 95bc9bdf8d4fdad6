"""Flags become a house, and a house becomes screens."""

from __future__ import annotations

import argparse
import os

from codomyrmex_ollama_tui.cli.interrupts import as_usual
from codomyrmex_ollama_tui.cli.parser import Parser
from codomyrmex_ollama_tui.cli.terms import CANNOT_RUN, file_words, visible
from codomyrmex_ollama_tui.house import Flags, House


def open_house(
    parser: Parser,
    given: argparse.Namespace,
    *,
    start: bool,
    screen: str = "chat",
    model: str | None = None,
    theme: str | None = None,
) -> House:
    """The house that the flags describe; an address or a profile that cannot be ends the program."""
    flags = Flags(
        host=given.host,
        server=given.server,
        screen=screen,
        model=model,
        data_dir=given.data_dir,
        config_dir=given.config_dir,
        theme=theme,
        start=start,
    )
    try:
        return House(flags, os.environ)
    except ValueError as error:
        if given.host is None:
            parser.error(f"--server: {error}")
        parser.error(f"--host cannot be used: {error}")  # not what was given: it may hold a password


def open_screens(parser: Parser, house: House) -> int:
    """Runs the screens until the person leaves; returns the exit code. What keeps them shut ends the program."""
    as_usual()
    try:
        return house.open_ui()
    except OSError as error:
        parser.exit(CANNOT_RUN, f"{parser.prog}: {visible(file_words(error))}\n")
