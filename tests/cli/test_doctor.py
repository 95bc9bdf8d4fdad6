"""`cotui doctor`: what it finds, and how it ends."""

from __future__ import annotations

import os
from pathlib import Path

from tests.cli.talk import listing, say, serving
from tests.support.server import Reply


async def test_all_is_well(tmp_path: Path) -> None:
    async with serving() as server:
        server.route("GET", "/api/tags", listing("phi4:14b", "llama3:latest"))
        server.route("GET", "/api/ps", Reply(json={"models": []}))
        said = await say(tmp_path, "doctor", host=server.url)
        asked = await say(tmp_path, "doctor", "--json", host=server.url)
    address = server.url.removeprefix("http://")
    assert (said.code, said.err) == (0, "")
    found = {row[1]: (row[0], row[2]) for row in said.rows}
    assert found["server"] == ("well", f"Ollama 0.24.0 answers at {address} (from the environment)")
    assert found["models"] == ("well", "2 models, 3 MB")
    assert found["configuration"][0] == "well"
    assert "wrong" not in {state for state, _ in found.values()}
    assert asked.json["well"] is True
    assert [check["name"] for check in asked.json["checks"]] == list(found)
    assert os.listdir(tmp_path) == ["bin"], "looking changes nothing"


async def test_what_is_wrong_is_said_with_what_mends_it(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    (config / "config.toml").write_text("[ui]\nreader_width = 5\n", encoding="utf-8")
    (tmp_path / "data").write_text("", encoding="utf-8")
    async with serving() as server:
        server.route("GET", "/api/version", Reply(json={"version": "0.11.4"}))
        server.route("GET", "/api/tags", listing())
        said = await say(tmp_path, "doctor", host=server.url)
    assert said.code == 1
    rows = {row[1]: row for row in said.rows}
    assert rows["server"][0] == "note"
    assert rows["server"][3] == "update Ollama"
    assert rows["models"][3] == "cotui models pull smollm2:135m"
    assert rows["data"][0] == "wrong"
    assert "is no folder" in rows["data"][2]
    assert rows["configuration"][0] == "wrong"
    assert "reader_width = 5" in rows["configuration"][2]
    assert rows["configuration"][3] == f"correct it; the file is {config / 'config.toml'}"


async def test_no_server_is_exit_code_3_and_none_is_started(tmp_path: Path) -> None:
    async with serving() as server:
        gone = server.url
    named = await say(tmp_path, "doctor", "--host", gone)
    found = await say(tmp_path, "doctor", host=gone)
    address = gone.removeprefix("http://")
    assert (named.code, found.code) == (3, 3)
    (row,) = [row for row in named.rows if row[1] == "server"]
    assert row[0] == "wrong"
    assert row[2] == f"no server answers at {address}: nothing listens there (from --host)"
    assert row[3] == "start Ollama there, or name another server with --host"
    (row,) = [row for row in found.rows if row[1] == "server"]
    assert row[2].endswith("(from the environment)")
    assert not (tmp_path / "data").exists()
