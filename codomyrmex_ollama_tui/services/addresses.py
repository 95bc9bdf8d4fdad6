"""Which server is meant: the rule that every door of the program follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.client.address import Address, parse_address
from codomyrmex_ollama_tui.services.state import Access, Origin
from codomyrmex_ollama_tui.store.fields import Settings

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.store.profiles import ServerProfile

LOCAL = "127.0.0.1"


def choose_address(flag: str | None, ollama_host: str, settings: Settings) -> tuple[Address, Origin, tuple[str, ...]]:
    """The address, where it came from, and what was wrong with those that had to be passed over.

    `--host` > OLLAMA_HOST > CODOMYRMEX_OLLAMA_SERVER_HOST and _SERVER_PORT > `[ollama]` if written > the default.

    Args:
        flag: the value of `--host`; None if it was not given.
        ollama_host: the value of OLLAMA_HOST; empty counts as not set, as it does for Ollama.

    Raises:
        ValueError: the flag cannot be an address; one sentence.
    """
    if flag is not None:
        return parse_address(flag), "flag", ()
    problems = []
    if ollama_host.strip():
        try:
            return parse_address(ollama_host), "environment", ()
        except ValueError as error:
            problems.append(f"OLLAMA_HOST is passed over: {error}")
    written = (settings.host_from, settings.port_from)
    if any(written):
        origin: Origin = "environment" if "environment" in written else "file"
        try:
            address = parse_address(settings.server_host if settings.host_from else LOCAL)
        except ValueError as error:
            problems.append(f"server_host is passed over: {error}")
        else:
            port = settings.server_port if settings.port_from else address.port
            return replace(address, port=port), origin, tuple(problems)
    return parse_address(""), "default", tuple(problems)


def profile_address(profile: ServerProfile) -> tuple[Address, Origin, tuple[str, ...]]:
    """As `choose_address`, for a server that is named: it counts as a flag, and nothing takes its place.

    Raises:
        ValueError: its address cannot be one; names the profile.
    """
    try:
        return parse_address(profile.address), "flag", ()
    except ValueError as error:
        raise ValueError(f"servers.{profile.name}.address: {error}") from None


def access_of(profile: ServerProfile, environment: Mapping[str, str]) -> Access:
    """What a named server wants besides its address, with the environment's values in their places.

    Raises:
        ValueError: a variable is not set; names the field and the variable, never a value.
    """
    found = profile.credentials(environment)
    ca_file = profile.ca_file
    home = environment.get("HOME") or environment.get("USERPROFILE", "")
    if home and ca_file[:2] in ("~/", "~\\"):
        ca_file = home + ca_file[1:]
    return Access(found.headers, found.token, ca_file or None)
