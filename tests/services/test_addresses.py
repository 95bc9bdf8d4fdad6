"""Which server is meant."""

from __future__ import annotations

import pytest

from codomyrmex_ollama_tui.services.addresses import choose_address
from codomyrmex_ollama_tui.store.fields import Settings

FILE = Settings(server_host="file.local", host_from="file", server_port=1111, port_from="file")
BOTH = Settings(server_host="file.local", host_from="file", server_port=2222, port_from="environment")
ENVIRONMENT = Settings(server_host="env.local", host_from="environment")


@pytest.mark.parametrize(
    ("flag", "ollama_host", "settings", "url", "origin"),
    [
        ("flag.local", "env", FILE, "http://flag.local:11434", "flag"),
        (None, "http://env", FILE, "http://env:80", "environment"),
        (None, " ", FILE, "http://file.local:1111", "file"),
        (None, "", BOTH, "http://file.local:2222", "environment"),
        (None, "", ENVIRONMENT, "http://env.local:11434", "environment"),
        (None, "", Settings(server_port=99, port_from="file"), "http://127.0.0.1:99", "file"),
        (None, "", Settings(server_host="https://far/x", host_from="file"), "https://far:443/x", "file"),
        (None, "", Settings(), "http://127.0.0.1:11434", "default"),
    ],
)
def test_the_rule(flag: str | None, ollama_host: str, settings: Settings, url: str, origin: str) -> None:
    address, came_from, problems = choose_address(flag, ollama_host, settings)
    assert (address.url, came_from, problems) == (url, origin, ())


def test_an_address_that_cannot_be_is_passed_over_and_named() -> None:
    bad = Settings(server_host="me:secret@host", host_from="file")
    address, origin, problems = choose_address(None, "http://me:secret@host", bad)
    assert (address.url, origin) == ("http://127.0.0.1:11434", "default")
    assert [problem.partition(" is passed over: ")[0] for problem in problems] == ["OLLAMA_HOST", "server_host"]
    assert "secret" not in "".join(problems)


def test_a_flag_that_cannot_be_is_an_error() -> None:
    with pytest.raises(ValueError, match="control characters"):
        choose_address("a\x1bb", "", Settings())
