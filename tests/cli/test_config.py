"""`cotui config`: what is in force, what is changed, what is wrong, without a secret ever being shown."""

from __future__ import annotations

import asyncio
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.cli.calling import Program
from tests.cli.talk import posix, serving
from tests.e2e.terminal import free_port
from tests.support.server import Reply

SECRET = "s3cret-value"


@pytest.fixture
def cotui(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Program:
    for name in ("OLLAMA_HOST", "CODOMYRMEX_OLLAMA_SERVER_PORT", "CODOMYRMEX_OLLAMA_THEME"):
        monkeypatch.delenv(name, raising=False)
    return Program(tmp_path, capsys)


def file_of(cotui: Program) -> dict[str, Any]:
    return tomllib.loads((cotui.config / "config.toml").read_text(encoding="utf-8"))


def write(cotui: Program, text: str) -> Path:
    cotui.config.mkdir(parents=True, exist_ok=True)
    path = cotui.config / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_path_is_said_also_when_there_is_no_file(cotui: Program) -> None:
    path = cotui.config / "config.toml"
    assert cotui("config", "path").out == f"{path}\n"
    assert json.loads(cotui("config", "path", "--json").out) == {"path": str(path), "exists": False}
    assert not cotui.config.exists()  # looking makes nothing


def test_what_is_in_force_and_where_it_comes_from(cotui: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    write(cotui, f'[ui]\ntheme = "day"\n[servers.office]\naddress = "h"\nheaders = {{ X-Key = "{SECRET}" }}\n')
    monkeypatch.setenv("CODOMYRMEX_OLLAMA_SERVER_PORT", "11500")
    said = cotui("config", "show")
    rows = {name: (value, origin) for name, value, origin in (line.split("\t") for line in said.out.splitlines())}
    assert (said.code, said.err) == (0, "")
    assert rows["ui.theme"] == ("day", "file")
    assert rows["ollama.server_port"] == ("11500", "environment")
    assert rows["ollama.auto_start_server"] == ("true", "default")
    assert rows["servers.office.headers.X-Key"] == ("••••", "file")
    whole = cotui("config", "show", "--json", "servers", "ui.theme").out
    assert json.loads(whole)["ui.theme"] == {"value": "day", "from": "file"}
    assert list(json.loads(whole)) == ["ui.theme", "servers.office.address", "servers.office.headers.X-Key"]
    assert SECRET not in said.out + whole
    assert cotui("config", "show", "models").code == 0  # an empty table
    said = cotui("config", "show", "ui.them")
    assert (said.code, said.err) == (2, "cotui: ui.them: there is no such setting; 'theme' is near\n")


def test_a_value_is_set_by_its_type_and_comments_stay(cotui: Program) -> None:
    path = write(cotui, '# mine\n[ui]\ntheme = "night"  # at home\n')
    for name, value in (
        ("ui.theme", "day"),
        ("ollama.auto_start_server", "no"),
        ("options.temperature", "0.5"),
        ("models.qwen3*.num_ctx", "8192"),
        ("presets.mine.stop", "a, b"),
        ("servers.office.address", "https://h"),
        ("keys.chat.send", "ctrl+x"),
        ("options.seed", "-1"),
    ):
        assert cotui("config", "set", name, value).code == 0, name
    found = file_of(cotui)
    assert found["ui"] == {"theme": "day"}
    assert found["ollama"] == {"auto_start_server": False}
    assert found["options"] == {"temperature": 0.5, "seed": -1}
    assert found["models"] == {"qwen3*": {"num_ctx": 8192}}
    assert found["presets"] == {"mine": {"stop": ["a", "b"]}}
    text = path.read_text(encoding="utf-8")
    assert "# mine\n" in text
    assert "# at home\n" in text
    assert cotui("config", "set", "--remove", "models.qwen3*.num_ctx").code == 0
    assert cotui("config", "set", "presets.mine", "--remove").code == 0
    assert file_of(cotui).get("models", {}) == file_of(cotui).get("presets", {}) == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ui.theme"], "VALUE is missing"),
        (["ui.theme", "day", "--remove"], "--remove takes no VALUE"),
        (["options.temperature", "7"], "options.temperature = 7: allowed is a number from 0 to 2"),
        (["options.temprature", "1"], "temperature"),
        (["ollama.server_port", "x"], "ollama.server_port = 'x': allowed is a whole number from 1 to 65535"),
        (["nothing", "1"], "nothing: there is no such setting"),
        (["servers.../x.address", "h"], "allowed is letters"),
    ],
)
def test_what_is_not_allowed_is_one_sentence_and_changes_nothing(
    cotui: Program, arguments: list[str], words: str
) -> None:
    path = write(cotui, '[ui]\ntheme = "day"\n')
    said = cotui("config", "set", *arguments)
    assert (said.code, said.out) == (2, "")
    assert words in said.err
    assert said.err.count("\n") == 1
    assert path.read_text(encoding="utf-8") == '[ui]\ntheme = "day"\n'


def test_a_secret_comes_from_standard_input_and_is_never_shown(cotui: Program) -> None:
    said = cotui.process("config", "set", "servers.office.address", "http://h", "--json")
    assert (said.code, said.json["name"]) == (0, "servers.office.address")
    place = "servers.office.headers.X-Key"
    said = cotui.process("config", "set", place, "-", given=f"{SECRET}\n".encode())
    assert (said.code, said.out, said.err) == (0, "", "")
    assert file_of(cotui)["servers"]["office"]["headers"] == {"X-Key": SECRET}
    if sys.platform != "win32":
        assert (cotui.config / "config.toml").stat().st_mode & 0o777 == 0o600
    spoken = ""
    for arguments in (["show"], ["show", "--json"], ["validate"], ["export"], ["export", "--json"]):
        heard = cotui("config", *arguments)
        assert heard.code == 0, arguments
        spoken += heard.out + heard.err
    assert SECRET not in spoken
    assert f"{place} is a secret and was left out" in spoken


def test_a_value_that_the_environment_stands_over_is_said_to_be_so(
    cotui: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODOMYRMEX_OLLAMA_THEME", "contrast")
    said = cotui("config", "set", "ui.theme", "day")
    assert said.code == 0
    assert "CODOMYRMEX_OLLAMA_THEME stands over it" in said.err


@pytest.mark.parametrize("name", ["e.json", "e.toml"])
def test_what_was_exported_is_taken_over_elsewhere(cotui: Program, name: str) -> None:
    write(
        cotui,
        'schema_version = 2\n[ollama]\nserver_port = 11500\n[options]\ntop_k = 5\n[models."a/b:c*"]\nstop = ["x"]\n'
        f'[presets.mine]\nseed = 3\n[servers.o]\naddress = "h"\nheaders = {{ X = "{SECRET}" }}\n'
        '[keys]\n"chat.send" = "f2"\n',
    )
    before = file_of(cotui)
    file = cotui.home / name
    assert cotui("config", "export", str(file)).code == 0
    assert SECRET not in file.read_text(encoding="utf-8")
    assert cotui("config", "export", str(file)).code == 1  # it is there already
    assert cotui("config", "export", str(file), "--force").code == 0
    assert cotui("config", "import", str(file)).code == 0
    assert file_of(cotui) == before  # the secret that was left out is kept
    (cotui.config / "config.toml").unlink()
    said = cotui("config", "import", str(file))
    assert said.code == 0
    assert "servers.o.headers.X was left out of the export" in said.err
    del before["servers"]["o"]["headers"]
    assert file_of(cotui) == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "Expecting"),
        (b"\xff\xfe", "codec can't decode"),
        (b"[]", "not a table"),
        (b'{"schema_version": 99}', "of version 99"),
        (b'{"options": {"top_k": "many"}}', "options.top_k = 'many'"),
        (b'{"nothing": {}}', "nothing: there is no such table"),
        (None, "No such file"),
    ],
)
def test_an_import_that_cannot_be_changes_nothing(cotui: Program, content: bytes | None, words: str) -> None:
    path = write(cotui, '[ui]\ntheme = "day"\n')
    file = cotui.home / "in.json"
    if content is not None:
        file.write_bytes(content)
    said = cotui("config", "import", str(file))
    assert (said.code, said.out) == (1, "")
    assert words in said.err
    assert path.read_text(encoding="utf-8") == '[ui]\ntheme = "day"\n'


def test_what_is_wrong_is_told_field_by_field(cotui: Program) -> None:
    assert cotui("config", "validate").code == 0
    write(cotui, "[ui]\ntheme = 3\n[options]\ntop_p = 7\n[nothing]\nx = 1\n[models.m]\nnum_predict = 0\n")
    said = cotui("config", "validate")
    assert (said.code, said.err) == (1, "")
    lines = said.out.splitlines()
    assert "error: ui.theme = 3: allowed is the name of a theme" in lines
    assert any(line.startswith("error: options.top_p = 7") for line in lines)
    assert any(line.startswith("warning: nothing: there is no such table") for line in lines)
    assert any(line.startswith("warning: models.m.num_predict = 0") for line in lines)
    whole = json.loads(cotui("config", "validate", "--json").out)
    assert (whole["valid"], len(whole["errors"]), len(whole["warnings"])) == (False, 2, 2)
    said = cotui("config", "show", "ui.theme")  # other verbs say it on standard error and go on
    assert said.out == "ui.theme\tnight\tdefault\n"
    assert "ui.theme = 3" in said.err


@pytest.mark.parametrize("trouble", ["half-written", "of a newer version", "a folder"])
def test_a_file_in_trouble_is_named_and_never_overwritten(cotui: Program, trouble: str) -> None:
    text = {"half-written": '[ui]\ntheme = "da', "of a newer version": "schema_version = 99\n", "a folder": ""}[trouble]
    path = write(cotui, text)
    if trouble == "a folder":
        path.unlink()
        path.mkdir()
    said = cotui("config", "validate")
    assert said.code == 1
    assert "config.toml" in said.out
    changed = cotui("config", "set", "ui.theme", "day")
    if trouble == "half-written":  # it was set aside, so that a new one can be written
        assert changed.code == 0
        (aside,) = cotui.config.glob("config.broken-*.toml")
        assert aside.read_text(encoding="utf-8") == text
    else:
        assert changed.code == 1
        assert str(path) in changed.err
        assert path.is_dir() or path.read_text(encoding="utf-8") == text


def test_a_reset_keeps_a_copy_and_asks(cotui: Program) -> None:
    text = '[ui]\ntheme = "day"\n[options]\nseed = 1\n'
    write(cotui, text)
    assert cotui("config", "reset").code == 2  # nobody can be asked
    assert cotui("config", "reset", "nothing", "--yes").code == 2
    done = json.loads(cotui("config", "reset", "ui", "--yes", "--json").out)
    assert Path(done["copy"]).read_text(encoding="utf-8") == text
    assert (file_of(cotui).get("ui"), file_of(cotui)["options"]) == (None, {"seed": 1})
    assert cotui("config", "reset", "--yes").code == 0
    assert "options" not in file_of(cotui)


@posix
def test_on_a_terminal_a_reset_is_a_question_and_values_are_a_table(cotui: Program) -> None:
    path = write(cotui, '[ui]\ntheme = "day"\n')
    drawn = cotui.on_terminal("config", "show", "ui").out.splitlines()
    assert drawn[:2] == ["NAME              VALUE  FROM", "ui.theme          day    file"]
    assert cotui.on_terminal("config", "reset", typed="\n").code == 1
    assert path.read_text(encoding="utf-8") == '[ui]\ntheme = "day"\n'
    assert cotui.on_terminal("config", "reset", typed="yes\n").code == 0


def test_presets(cotui: Program) -> None:
    write(cotui, "[presets.mine]\nseed = 3\n[presets.fast]\ntop_k = 7\n")
    found = json.loads(cotui("config", "presets", "--json").out)
    assert list(found) == ["fast", "creative", "balanced", "precise", "long_form", "mine"]
    assert (found["mine"], found["fast"]["from"], found["creative"]["from"]) == (
        {"options": {"seed": 3}, "from": "file"},
        "both",
        "shipped",
    )
    assert found["fast"]["options"]["top_k"] == 7
    assert cotui("config", "presets", "mine").out == 'mine\t{"seed": 3}\tfile\n'
    said = cotui("config", "presets", "fats")
    assert (said.code, said.err) == (1, "cotui: there is no preset 'fats'; did you mean fast?\n")


async def test_every_option_of_a_model_is_explained_layer_by_layer(cotui: Program) -> None:
    write(cotui, '[options]\ntemperature = 0.5\n[models."qwen3*"]\nnum_ctx = 8192\ntemperature = 0.6\n')
    shown = {"parameters": 'stop                           "<|im_end|>"\nstop "a \\"b\\""\ntemperature 0.7\nodd thing'}
    async with serving() as server:
        server.route("POST", "/api/show", Reply(json={"modelfile": "", "details": {}, "model_info": {}, **shown}))
        said = await asyncio.to_thread(
            cotui.process, "config", "explain", "qwen3:8b", "--preset", "fast", "--json", OLLAMA_HOST=server.url
        )
    found = said.json
    assert said.err == ""
    assert found["temperature"] == {
        "value": 0.2,
        "from": "preset fast (shipped)",
        "below": [
            {"from": '[models."qwen3*"]', "value": 0.6},
            {"from": "[options]", "value": 0.5},
            {"from": "Modelfile", "value": 0.7},
            {"from": "server default", "value": 0.8},
        ],
    }
    assert (found["num_ctx"]["value"], found["num_ctx"]["from"]) == (8192, '[models."qwen3*"]')
    assert found["stop"]["value"] == ["<|im_end|>", 'a "b"']
    assert found["odd"]["value"] == "thing"
    said = cotui.process("config", "explain", "qwen3:8b", OLLAMA_HOST=f"127.0.0.1:{free_port()}")
    assert "without the model's own options: no server answers" in said.err
    assert said.rows[0][:3] == ["temperature", "0.6", '[models."qwen3*"]']


def test_what_cannot_be_explained_is_said_before_a_server_is_asked(cotui: Program) -> None:
    for arguments, words in ((["m", "--preset", "nix"], "there is no preset 'nix'"), (["a b"], "MODEL: ")):
        said = cotui("config", "explain", *arguments)
        assert (said.code, said.out) == (2, "")
        assert said.err.startswith(f"cotui: {words}")
    assert cotui("config", "explain").out == ""  # nobody has set anything
    assert len(cotui("config", "explain", "--all").out.splitlines()) > 10
