"""`cotui servers`: named servers are kept without their secrets being shown, and asked whether they are there."""

from __future__ import annotations

import asyncio
import json
import tomllib
from pathlib import Path

import pytest

from tests.cli.calling import Program
from tests.cli.talk import posix, serving
from tests.e2e.terminal import free_port
from tests.support.server import LocalServer, Reply

SECRET = "s3cret-value"


@pytest.fixture
def cotui(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(tmp_path, capsys)


def test_a_server_is_added_listed_and_removed(cotui: Program) -> None:
    assert cotui("servers", "list").out == ""
    assert json.loads(cotui("servers", "list", "--json").out) == []
    said = cotui("servers", "add", "office", "https://gpu.example.org", "--header", f"X-Key: {SECRET}")
    assert (said.code, said.out) == (0, "")
    assert "'X-Key: ${VARIABLE}' keeps it out" in said.err
    added = cotui("servers", "add", "home", "pi:11500", "--header", "X: ${HOME_KEY}", "--token-variable", "T", "--json")
    assert (added.code, added.err) == (0, "")
    assert json.loads(added.out) == {
        "name": "home",
        "address": "pi:11500",
        "headers": {"X": "${HOME_KEY}"},
        "token_variable": "T",
        "ca_file": "",
    }
    listed = cotui("servers", "list").out
    assert listed == "office\thttps://gpu.example.org\tX-Key: ••••\t\t\nhome\tpi:11500\tX: ${HOME_KEY}\tT\t\n"
    assert SECRET not in listed + said.err + cotui("servers", "list", "--json").out
    said = cotui("servers", "add", "office", "elsewhere")
    assert (said.code, said.err) == (1, "cotui: there is a server 'office' already; --force replaces it\n")
    assert cotui("servers", "add", "office", "elsewhere", "--force").code == 0
    kept = tomllib.loads((cotui.config / "config.toml").read_text(encoding="utf-8"))["servers"]
    assert kept["office"] == {"address": "elsewhere"}
    assert cotui("servers", "rm", "office").code == 2  # nobody can be asked
    assert cotui("servers", "rm", "office", "--yes").code == 0
    said = cotui("servers", "rm", "offce", "--yes")
    assert (said.code, said.err) == (1, "cotui: no server has the name 'offce'\n")
    assert cotui("servers", "list").out.startswith("home\t")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["x y", "h"], "servers name = 'x y': allowed is letters"),
        (["../x", "h"], "servers name"),
        (["o", "http://me:secret@h"], "cannot hold a user name or password"),
        (["o", "h", "--header", "secret"], "--header: allowed is 'NAME: VALUE'"),
        (["o", "h", "--header", "X: secret\x01"], "servers.o.headers.X: allowed is a text of ASCII characters"),
        (["o", "h", "--token-variable", "not a name"], "servers.o.token_variable: allowed is the name"),
        (["o", ""], "servers.o.address = '': allowed is a host name"),
    ],
)
def test_what_cannot_be_kept_is_one_sentence_without_the_secret(
    cotui: Program, arguments: list[str], words: str
) -> None:
    said = cotui("servers", "add", *arguments)
    assert (said.code, said.out) == (2, "")
    assert words in said.err
    assert "secret" not in said.err
    assert not (cotui.config / "config.toml").exists()


async def test_a_test_says_which_server_answers_and_what_is_wrong_with_the_others(cotui: Program) -> None:
    dead = f"127.0.0.1:{free_port()}"
    async with serving() as well, LocalServer() as odd:
        odd.route("GET", "/api/version", Reply(json={"error": "who are you?"}, status=401))
        for name, address, *flags in (
            ("well", well.url, "--token-variable", "TOKEN"),
            ("odd", odd.url),
            ("dead", dead),
            ("unset", well.url, "--header", "X: ${NOT_SET}"),
        ):
            assert (await asyncio.to_thread(cotui.process, "servers", "add", name, address, *flags)).code == 0
        said = await asyncio.to_thread(cotui.process, "servers", "test", "--json", TOKEN="t0ken")
        found = {one["name"]: one for one in said.json}
        one = await asyncio.to_thread(cotui.process, "servers", "test", "well", well.url, TOKEN="t0ken")
        asked = [request for request in well.requests if request.path == "/api/version"]
    assert said.code == 3
    assert (found["well"]["answers"], found["well"]["version"], found["well"]["problem"]) == (True, "0.24.0", None)
    assert [name for name, one_found in found.items() if one_found["answers"]] == ["well"]
    assert "who are you?" in found["odd"]["problem"]
    assert "nothing listens there" in found["dead"]["problem"]
    assert "the environment variable NOT_SET is not set" in found["unset"]["problem"]
    assert (one.code, [row[0] for row in one.rows]) == (0, ["well", well.url])
    # the token goes to the server that has that name, not to whoever is at its address
    assert sorted(request.headers.get("authorization", "") for request in asked) == ["", "Bearer t0ken", "Bearer t0ken"]
    said = cotui.process("servers", "test", "nobody")
    assert (said.code, said.rows[0][2]) == (3, "no server has the name 'nobody'")


def test_a_test_of_nothing_is_said_to_be_one(cotui: Program) -> None:
    said = cotui("servers", "test")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("cotui: no server has a name yet")


@posix
def test_on_a_terminal_there_is_a_table_and_a_question(cotui: Program) -> None:
    assert cotui("servers", "add", "office", "h").code == 0
    drawn = cotui.on_terminal("servers", "list").out.splitlines()
    assert [line.split()[:2] for line in drawn] == [["NAME", "ADDRESS"], ["office", "h"]]
    assert cotui.on_terminal("servers", "rm", "office", typed="n\n").code == 1
    assert cotui("servers", "list").out.startswith("office\t")
    assert cotui.on_terminal("servers", "rm", "office", typed="y\n").code == 0
    assert cotui("servers", "list").out == ""
