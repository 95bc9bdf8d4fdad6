"""`cotui batch`: plans and prompt files become requests, answers become a pass matrix; killed runs go on."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.calling import Program
from tests.cli.talk import begun, ended, listing, posix, say, serving
from tests.e2e.terminal import ROOT
from tests.services.asking import end, line
from tests.support.server import Gate, LocalServer, Reply, Request, Stream

PLAN = """\
name = "capitals"
models = ["m:1", { model = "n:1", server = "gpu" }]
prompts = "questions.csv"
template = "Capital of {{prompt}}?"
concurrency = 2
seed = 5
retries = 0

[[assert]]
type = "contains"
value = "{{capital}}"
"""
QUESTIONS = "id,prompt,capital\nit,Italy,Rome\nfr,France,Paris\n"


@pytest.fixture
def program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(tmp_path, capsys)


def plan_in(folder: Path, text: str = PLAN) -> str:
    (folder / "plan.toml").write_text(text, encoding="utf-8")
    (folder / "questions.csv").write_text(QUESTIONS, encoding="utf-8")
    return str(folder / "plan.toml")


def rome(request: Request) -> Stream:
    """A model for which every capital is Rome."""
    return Stream(line("Ro"), line("me"), end())


def answering(server: LocalServer) -> None:
    server.route("GET", "/api/tags", listing("m:1", "n:1"))
    server.route("POST", "/api/generate", rome)


async def test_a_plan_on_two_servers(tmp_path: Path) -> None:
    async with serving() as here, serving() as gpu:
        answering(here)
        answering(gpu)
        added = await say(tmp_path, "servers", "add", "gpu", gpu.url)
        assert added.code == 0, added.err
        said = await say(tmp_path, "batch", plan_in(tmp_path), host=here.url)
        sent = [request.json for request in here.asked("/api/generate")]
        assert len(gpu.asked("/api/generate")) == 2
        as_json = await say(tmp_path, "batch", plan_in(tmp_path), "--json", "--strict", host=here.url)
    assert (said.code, said.rows[0][:7]) == (0, ["m:1", "", "", "2", "2", "1", "2"])
    assert said.rows[0][-1] == 'contains "{{capital}}" 1/2'
    assert said.rows[1][:2] == ["n:1", "gpu"]
    assert "4/4" in said.err
    assert sorted(body["prompt"] for body in sent) == ["Capital of France?", "Capital of Italy?"]
    assert {(body["options"]["seed"], body["truncate"]) for body in sent} == {(5, False)}
    assert as_json.code == 1  # an assertion fails, and that is asked for
    told = as_json.json
    assert (told["status"], told["cells"], told["done"], told["failed"], told["name"]) == ("done", 4, 4, 0, "capitals")
    assert told["rows"][1]["passed"]["passed"] == 1
    assert told["rows"][1]["passed"]["low"] == pytest.approx(0.0945, abs=1e-4)
    assert told["file_path"].endswith(f"{told['run']}.jsonl")


async def test_prompts_alone_and_flags(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("one\n\ntwo\n", encoding="utf-8")
    async with serving() as server:
        answering(server)
        said = await say(
            tmp_path,
            *("batch", str(tmp_path / "words.txt"), "--model", "m:1", "--template", "{{prompt}}!", "--repeats", "2"),
            *("--system", "short", "--seed", "0", "--name", "words", "--json"),
            host=server.url,
        )
        sent = [request.json for request in server.asked("/api/generate")]
    assert (said.code, said.json["name"], said.json["cells"]) == (0, "words", 4)
    assert [(body["prompt"], body["options"]["seed"], body["system"]) for body in sent] == [
        ("one!", 0, "short"),
        ("one!", 1, "short"),
        ("two!", 0, "short"),
        ("two!", 1, "short"),
    ]


async def test_failures_are_said_and_make_the_exit_code(tmp_path: Path) -> None:
    text = 'models = ["m:1"]\nprompts = ["a", "b"]\nretries = 0'
    async with serving() as server:
        answering(server)
        server.route("POST", "/api/generate", [Reply(json={"error": "out of \x1b[31m memory"}, status=500), rome])
        said = await say(tmp_path, "batch", plan_in(tmp_path, text), host=server.url)
    assert (said.code, said.rows[0][3:5]) == (1, ["1", "2"])
    assert "cell 0, m:1, 1: http_5xx: the server says (500): out of" in said.err
    assert "\x1b" not in said.err


async def test_a_missing_model_and_a_missing_server_begin_nothing(tmp_path: Path) -> None:
    async with serving() as server:
        server.route("GET", "/api/tags", listing("n:1"))
        server.route("POST", "/api/show", Reply(json={"error": "model 'm:1' not found"}, status=404))
        text = 'models = ["m:1"]\nprompts = ["a"]'
        missing = await say(tmp_path, "batch", plan_in(tmp_path, text), host=server.url)
        unnamed = await say(tmp_path, "batch", plan_in(tmp_path, f'servers = ["x"]\n{text}'), host=server.url)
        url = server.url
    gone = await say(tmp_path, "batch", plan_in(tmp_path, text), "--no-start", host=url)
    assert (missing.code, unnamed.code, gone.code) == (1, 2, 3)
    assert "cotui models pull m:1" in missing.err
    assert "no server profile 'x'" in unnamed.err
    assert not (tmp_path / "data" / "runs").exists()


@pytest.mark.parametrize(
    ("name", "content", "flags", "words"),
    [
        ("p.toml", b'models = ["m"]\nprompts = ["x"]\nrepeats = 0\n', [], "p.toml, line 3, column 1: repeats = 0"),
        ("p.toml", b'models = ["m"]\nprompts = "no.txt"\n', [], "no.txt"),
        ("p.toml", b'models = ["m"]\nprompts = "no.pdf"\n', [], "p.toml, line 2, column 1: prompts = 'no.pdf'"),
        ("p.jsonl", b'{"prompt": "a"}\n{"prompt" 3}\n', ["--model", "m"], "p.jsonl, line 2, column 11: no JSON"),
        ("p.txt", b"ok\n\xff\n", ["--model", "m"], "p.txt, line 2, column 1: it is not UTF-8"),
        ("p.txt", b"ok\n", [], "--model is missing"),
        ("p.txt", b"ok\n", ["--model", "m", "--template", "{{x}}"], "p.txt: template: prompt '1'"),
        ("p.pdf", b"", ["--model", "m"], "allowed are .toml"),
    ],
)
def test_what_cannot_be_read_is_named(
    program: Program, tmp_path: Path, name: str, content: bytes, flags: list[str], words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    said = program("batch", str(tmp_path / name), *flags)
    assert (said.code, said.out) == (2, "")
    assert words in said.err
    assert program("batch", str(tmp_path / "nothing.toml")).code == 2


def test_a_dry_run_asks_nothing(program: Program, tmp_path: Path) -> None:
    said = program("batch", plan_in(tmp_path), "--dry-run")
    assert said.code == 0
    assert dict(said.rows)["first prompt"] == "Capital of Italy?"
    assert dict(said.rows)["cells"] == "4"
    assert program("batch", plan_in(tmp_path), "--dry-run", "--json", "--model", "x").json["plan"]["models"] == [
        {"model": "x", "server": ""}
    ]
    assert not (program.data / "runs").exists()


@posix
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
async def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, number: signal.Signals) -> None:
    prompts = json.dumps([f"say {number}" for number in range(6)])
    path = plan_in(tmp_path, f'models = ["m:1"]\nprompts = {prompts}\n')
    hold = Gate()
    async with serving() as server:
        answering(server)
        server.route("POST", "/api/generate", [rome, rome, Stream(line("half"), hold)])
        async with begun(tmp_path, "batch", path, host=server.url) as process:
            await hold.reached()
            process.send_signal(number)
            killed = await ended(process)
        listed = await say(tmp_path, "runs", "list", "--json")
        (file,) = (tmp_path / "data" / "runs").glob("*.jsonl")
        with file.open("ab") as torn:
            torn.write(b'{"type":"cell","cell":2,"last":tr')
        server.route("POST", "/api/generate", rome)
        resumed = await say(tmp_path, "runs", "resume", "last", "--json", host=server.url)
        asked: list[Any] = [request.json["prompt"] for request in server.asked("/api/generate")]
        again = await say(tmp_path, "runs", "resume", "last", host=server.url)
    assert killed.code == (-9 if number is signal.SIGKILL else 130)
    if number is signal.SIGINT:
        assert "cotui runs resume" in killed.err
    status = None if number is signal.SIGKILL else "cancelled"
    assert (listed.json[0]["done"], listed.json[0]["status"]) == (2, status)
    assert (resumed.code, resumed.json["done"], resumed.json["status"]) == (0, 6, "done")
    assert asked == ["say 0", "say 1", "say 2", "say 2", "say 3", "say 4", "say 5"]
    assert "nothing is left" in again.err
    checked = await say(tmp_path, "runs", "verify")
    assert (checked.code, "well; 1 cut lines were set aside" in checked.out) == (0, True)


def test_the_plan_of_the_document_is_one(program: Program, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "batch.md").read_text(encoding="utf-8")
    plan = text.partition("```toml\n")[2].partition("```")[0]
    said = program("batch", plan_in(tmp_path, plan), "--dry-run", "--json")
    assert (said.code, said.json["cells"]) == (0, 2 * 2 * 3)
