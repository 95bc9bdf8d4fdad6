"""`cotui servers …`: the server profiles of config.toml, `[servers.NAME]`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.cli import tables
from codomyrmex_ollama_tui.cli.parser import leaf, meant
from codomyrmex_ollama_tui.cli.tables import Cell, Column
from codomyrmex_ollama_tui.cli.terms import FAILED, NO_SERVER, OK, USAGE_ERROR, Failure, ask, can_ask, is_terminal, tell
from codomyrmex_ollama_tui.store.profiles import from_environment

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.cli.parser import Verbs
    from codomyrmex_ollama_tui.client.address import Address
    from codomyrmex_ollama_tui.house import House
    from codomyrmex_ollama_tui.services.pipe import Check
    from codomyrmex_ollama_tui.services.state import Access
    from codomyrmex_ollama_tui.store.profiles import ServerProfile

LIST_COLUMNS = (
    Column("NAME"),
    Column("ADDRESS"),
    Column("HEADERS", spare=True),
    Column("TOKEN FROM", spare=True),
    Column("CA FILE", spare=True),
)
TEST_COLUMNS = (Column("NAME"), Column("ADDRESS", spare=True), Column("ANSWER"), Column("TIME", right=True, spare=True))


def add_parser(verbs: Verbs) -> None:
    """`cotui servers` and its verbs."""
    parser = verbs.add_parser(
        "servers",
        help="list, add, test and remove named servers",
        description="Look after named servers: an address, and what is sent there (--server NAME uses one).",
    )
    inner = parser.add_verbs()
    leaf(
        inner,
        "list",
        list_servers,
        help="the named servers; secrets are dots",
        epilog="piped, a line has: name, address, headers, token variable, CA file",
        starts=False,
    )
    adding = leaf(
        inner,
        "add",
        add,
        help="name a server in config.toml",
        epilog="A value that is written here can be seen by others on this machine while the command runs; name an\n"
        "environment variable instead:\n"
        "  cotui servers add office https://gpu.example.org --header 'X-Key: ${OFFICE_KEY}'\n"
        "  cotui servers add office https://gpu.example.org --token-variable OFFICE_TOKEN",
        before=_read_headers,
        starts=False,
    )
    adding.add_argument("name", metavar="NAME", help="what it will be called")
    adding.add_argument("address", metavar="ADDRESS", help="where it is, as in OLLAMA_HOST")
    adding.add_argument(
        "--header", metavar="'NAME: VALUE'", action="append", default=[], help="sent with every request; repeatable"
    )
    adding.add_argument("--token-variable", metavar="VARIABLE", help="the environment variable of a bearer token")
    adding.add_argument("--ca-file", metavar="FILE", help="PEM file of the authorities to trust for https")
    adding.add_argument("--force", action="store_true", help="replace a server of that name")
    testing = leaf(
        inner,
        "test",
        test,
        help="ask servers whether they are there, and say what is wrong; exit code 3 if one does not answer",
        epilog="piped, a line has: name, address, version or what is wrong, seconds",
        starts=False,
    )
    testing.add_argument("names", metavar="NAME", nargs="*", help="names or addresses (default: all that are named)")
    removing = leaf(
        inner, "rm", remove, help="take a named server out of config.toml", before=_check_removal, starts=False
    )
    removing.add_argument("name", metavar="NAME")
    removing.add_argument("--yes", action="store_true", help="do not ask")


async def list_servers(house: House, given: argparse.Namespace) -> int:
    """`cotui servers list`."""
    profiles = house.settings.profiles
    if given.json:
        tables.write_json([{"name": name, **profile.shown()} for name, profile in profiles.items()])
        return OK
    tables.write_table(LIST_COLUMNS, [_row(profile) for profile in profiles.values()])
    if not profiles and is_terminal(sys.stdout):
        tell("no server has a name yet: cotui servers add NAME ADDRESS")
    return OK


def _row(profile: ServerProfile) -> list[Cell | str]:
    shown = profile.shown()
    headers = shown["headers"]
    texts = [f"{name}: {value}" for name, value in headers.items()] if isinstance(headers, dict) else []
    return [profile.name, profile.address, ", ".join(texts), profile.token_variable, profile.ca_file]


def _read_headers(given: argparse.Namespace) -> int | None:
    headers = {}
    for text in given.header:
        name, colon, value = text.partition(":")
        if not colon or not name.strip() or not value.strip():
            # what was given is not shown: it may be a secret
            raise Failure("--header: allowed is 'NAME: VALUE', or 'NAME: ${VARIABLE}'", USAGE_ERROR)
        headers[name.strip()] = value.strip()
    given.headers = headers
    return None


async def add(house: House, given: argparse.Namespace) -> int:
    """`cotui servers add`."""
    from codomyrmex_ollama_tui.client.address import parse_address

    store = house.settings
    if given.name in store.profiles and not given.force:
        raise Failure(f"there is a server {given.name!r} already; --force replaces it")
    fields: dict[str, object] = {"address": given.address}
    if given.headers:
        fields["headers"] = given.headers
    if given.token_variable:
        fields["token_variable"] = given.token_variable
    if given.ca_file:
        fields["ca_file"] = given.ca_file
    try:
        parse_address(given.address)
        store.change_at(("servers", given.name), fields)
    except ValueError as error:
        raise Failure(str(error), USAGE_ERROR) from None
    profile = store.profile(given.name)
    if given.json:
        tables.write_json({"name": profile.name, **profile.shown()})
    for header, value in profile.headers.items():
        if not from_environment(value):
            tell(f"the value of {header} stands in {store.path} itself; '{header}: ${{VARIABLE}}' keeps it out")
    return OK


@dataclass(frozen=True, slots=True)
class _Tested:
    """One server and what came of asking it; `words` is what is wrong, "" when nothing is."""

    name: str
    label: str
    words: str = ""
    version: str = ""
    engine: str = ""
    seconds: float | None = None

    @property
    def answer(self) -> str:
        """For a person: what it is, or what is wrong."""
        return self.words or f"Ollama {self.version}" + (f" ({self.engine})" if self.engine else "")


async def test(house: House, given: argparse.Namespace) -> int:
    """`cotui servers test`."""
    names = given.names or list(house.settings.profiles)
    if not names:
        raise Failure("no server has a name yet; name an address, or `cotui servers add` one")
    tested = await asyncio.gather(*(_tested(house, name) for name in names))
    if given.json:
        tables.write_json(
            [
                {
                    "name": one.name,
                    "address": one.label,
                    "answers": not one.words,
                    "version": one.version,
                    "engine": one.engine,
                    "problem": one.words or None,
                    "seconds": one.seconds,
                }
                for one in tested
            ]
        )
    else:
        tables.write_table(TEST_COLUMNS, [_tested_row(one) for one in tested])
    return NO_SERVER if any(one.words for one in tested) else OK


def _tested_row(one: _Tested) -> list[Cell | str]:
    seconds = Cell("", "") if one.seconds is None else Cell(f"{one.seconds * 1000:.0f} ms", f"{one.seconds:.4f}")
    return [one.name, one.label, Cell(one.answer, one.words or one.version), seconds]


async def _tested(house: House, name: str) -> _Tested:
    from codomyrmex_ollama_tui.services.pipe import Pipe
    from codomyrmex_ollama_tui.services.state import ClientSettings

    try:
        address, access = _target(house, name)
    except ValueError as error:
        return _Tested(name, "", str(error))
    pipe = Pipe(address, ClientSettings())
    pipe.grant(address, access)
    try:
        await pipe.connect(address)
        start = time.monotonic()
        check: Check = await pipe.check()
        seconds = time.monotonic() - start
    finally:
        await pipe.close()
    if not check.well:
        return _Tested(name, address.url, check.words)
    return _Tested(name, address.url, "", check.version, check.engine, seconds)


def _target(house: House, name: str) -> tuple[Address, Access | None]:
    """Where a name leads, and what is sent there.

    Raises:
        ValueError: it is neither a named server nor an address, or a variable that it needs is not set.
    """
    from codomyrmex_ollama_tui.client.address import parse_address
    from codomyrmex_ollama_tui.services.addresses import access_of, profile_address

    profile = house.settings.profiles.get(name)
    if profile is not None:
        return profile_address(profile)[0], access_of(profile, house.settings.environment)
    if not any(sign in name for sign in ".:/"):  # a word alone is a name
        raise ValueError(f"no server has the name {name!r}{meant(name, list(house.settings.profiles))}")
    return parse_address(name), None


def _check_removal(given: argparse.Namespace) -> int | None:
    if not given.yes and not can_ask(given):
        raise Failure("nobody can be asked here: add --yes", USAGE_ERROR)
    return None


async def remove(house: House, given: argparse.Namespace) -> int:
    """`cotui servers rm`."""
    store = house.settings
    if given.name not in store.profiles:
        known = list(store.profiles)
        raise Failure(f"no server has the name {given.name!r}{meant(given.name, known)}")
    if not given.yes and not ask(f"Take the server {given.name} out of {store.path}?"):
        tell("nothing was changed")
        return FAILED
    store.remove_at(("servers", given.name))
    if given.json:
        tables.write_json({"removed": given.name})
    return OK
