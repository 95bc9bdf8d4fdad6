"""`cotui models`: tables and values, pulls in lines, changes that ask."""

from __future__ import annotations

import asyncio
import hashlib
import signal
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.cli import main
from tests.cli.talk import LIMIT, begun, ended, listing, posix, say, serving
from tests.e2e.terminal import Window
from tests.embedded.harness import EngineProcess
from tests.support.server import CUT, Gate, Reply, Stream

DIGEST = "sha256:" + "a" * 64
RUNNING = Reply(
    json={
        "models": [
            {
                "name": "phi4:14b",
                "digest": "b" * 64,
                "size": 4_000,
                "size_vram": 1_000,
                "context_length": 8192,
                "expires_at": "2318-01-01T00:00:00Z",
            }
        ]
    }
)


def pull_of(*gates: Gate, size: int = 92_900_000) -> Stream:
    """The lines of a pull of one layer, with gates between."""
    half = {"status": "pulling aaaa", "digest": DIGEST, "total": size, "completed": size // 2}
    whole = {**half, "completed": size}
    return Stream({"status": "pulling manifest"}, half, *gates, whole, {"status": "success"})


async def test_a_list_is_a_table_for_people_and_values_for_programs(tmp_path: Path) -> None:
    async with serving() as server:
        server.route("GET", "/api/tags", listing("phi4:14b", "evil\x1b[2J\tname:latest"))
        server.route("GET", "/api/ps", RUNNING)
        plain = await say(tmp_path, "models", "list", host=server.url)
        asked = await say(tmp_path, "models", "list", "PHI", "--json", host=server.url)
        running = await say(tmp_path, "models", "ps", host=server.url)

        def watch() -> str:
            with Window(tmp_path, "models", "list", "--host", server.url) as window:
                assert window.wait_exit() == 0
                return window.expect("evil")

        table = await asyncio.to_thread(watch)
    assert (plain.code, plain.err) == (0, "")
    assert plain.rows == [
        ["phi4:14b", f"{1:064x}", "1000000", "134.52M", "Q4_1", "2026-01-02T03:04:05.678000+00:00"],
        ["evil␛[2J name:latest", f"{2:064x}", "2000000", "134.52M", "Q4_1", "2026-01-02T03:04:05.678000+00:00"],
    ]
    assert [(model["name"], model["size"]) for model in asked.json] == [("phi4:14b", 1_000_000)]
    assert running.rows == [["phi4:14b", "b" * 64, "4000", "1000", "8192", "2318-01-01T00:00:00+00:00"]]
    lines = [line.split() for line in table.splitlines() if line.strip()]
    assert lines[0] == ["NAME", "ID", "SIZE", "PARAMS", "QUANT", "MODIFIED"]
    assert lines[1][:6] == ["phi4:14b", "000000000000", "1", "MB", "135", "M"]
    assert lines[2][0] == "evil␛[2J"


async def test_pulls_say_one_line_each_where_nobody_watches(tmp_path: Path) -> None:
    missing = Stream({"status": "pulling manifest"}, {"error": "pull model manifest: file does not exist"})
    there = {"status": "pulling aaaa", "digest": DIGEST, "total": 5_000, "completed": 5_000}
    async with serving() as server:
        current = Stream({"status": "pulling manifest"}, there, {"status": "success"})
        server.route("POST", "/api/pull", [pull_of(), missing, current])
        said = await say(tmp_path, "models", "pull", "a", "b:1b", "c", "A:latest", "--json", host=server.url)
    assert said.code == 1
    assert [request.json["model"] for request in server.asked("/api/pull")] == ["a:latest", "b:1b", "c:latest"]
    first, second, third = said.err.splitlines()
    assert first.startswith("✓ a:latest  93 MB in ")
    assert second == "✕ b:1b      there is no model b:1b to pull (pull model manifest: file does not exist)"
    assert third == "✓ c:latest  5 kB, already current"
    assert [(pull["name"], pull["phase"], pull["completed"]) for pull in said.json] == [
        ("a:latest", "done", 92_900_000),
        ("b:1b", "failed", 0),
        ("c:latest", "done", 5_000),
    ]


@posix
async def test_several_pulls_are_several_bars_on_a_terminal(tmp_path: Path) -> None:
    hold = Gate()
    async with serving() as server:
        server.route("POST", "/api/pull", [pull_of(hold), pull_of()])

        def watch(loop: asyncio.AbstractEventLoop) -> tuple[str, str]:
            with Window(tmp_path, "models", "pull", "a", "b", "--host", server.url) as window:
                during = window.expect("46.5 / ≥92.9 MB")
                loop.call_soon_threadsafe(hold.open)
                assert window.wait_exit() == 0
                return during, window.expect("✓ b:latest")

        during, after = await asyncio.to_thread(watch, asyncio.get_running_loop())
    first, second = [line.rstrip() for line in during.splitlines() if line.strip()]
    assert first.startswith(f"↓ a:latest  {'━' * 12}{'─' * 12}  46.5 / ≥92.9 MB  50 %")
    assert second == "○ b:latest  queued"
    assert [line.split()[:2] for line in after.splitlines() if line.strip()] == [["✓", "a:latest"], ["✓", "b:latest"]]


@posix
async def test_ctrl_c_ends_a_pull(tmp_path: Path) -> None:
    hold = Gate()
    async with serving() as server:
        server.route("POST", "/api/pull", pull_of(hold))
        async with begun(tmp_path, "models", "pull", "a", "b", host=server.url) as process:
            request = await server.wait_for("/api/pull")
            await hold.reached()
            process.send_signal(signal.SIGINT)
            said = await ended(process)
        async with asyncio.timeout(LIMIT):
            await request.closed.wait()
    assert (said.code, said.err) == (130, "‖ a:latest  stopped\n‖ b:latest  stopped\n")
    assert len(server.asked("/api/pull")) == 1


async def test_removing_needs_a_yes_and_offers_near_names(tmp_path: Path) -> None:
    async with serving() as server:
        server.route("GET", "/api/tags", listing("phi4:14b", "llama3:latest", "other:latest"))
        server.route("DELETE", "/api/delete", [Reply(), Reply(json={"error": "disk\x07 on fire"}, status=500), Reply()])
        unasked = await say(tmp_path, "models", "rm", "phi4:14b", host=server.url)
        assert server.asked("/api/delete") == []
        arguments = ("models", "rm", "-y", "PHI4:14b", "lama3", "llama3", "other", "phi4:14b")
        said = await say(tmp_path, *arguments, host=server.url)
    assert (unasked.code, unasked.out) == (2, "")
    assert unasked.err == "cotui: removing is for good: say --yes where nobody can be asked\n"
    assert (said.code, said.out) == (1, "removed phi4:14b\nremoved other:latest\n")
    assert said.err.splitlines() == [
        "cotui: there is no model 'lama3'; did you mean llama3:latest?",
        "cotui: llama3:latest: the server says (500): disk␇ on fire",
    ]


@posix
async def test_a_person_is_asked(tmp_path: Path) -> None:
    async with serving() as server:
        server.route("GET", "/api/tags", listing("phi4:14b"))
        server.route("DELETE", "/api/delete", Reply())

        def answer(word: str) -> tuple[int, str]:
            with Window(tmp_path, "models", "rm", "phi4:14b", "--host", server.url) as window:
                window.expect("remove phi4:14b (1 MB)? [y/N]")
                window.send(word, "enter")
                return window.wait_exit(), window.expect("nothing was changed" if word == "n" else "removed phi4:14b")

        no = await asyncio.to_thread(answer, "n")
        assert server.asked("/api/delete") == []
        yes = await asyncio.to_thread(answer, "y")
    assert (no[0], yes[0]) == (1, 0)
    assert [request.json for request in server.asked("/api/delete")] == [{"model": "phi4:14b"}]


async def test_a_push_and_a_server_that_breaks_off(tmp_path: Path) -> None:
    sending = {"status": "pushing aaaa", "digest": DIGEST, "total": 4_000, "completed": 4_000}
    async with serving() as server:
        server.route("GET", "/api/tags", listing("me/x:latest", "me/y:latest"))
        server.route("POST", "/api/push", [Stream(sending, {"status": "success"}), Stream(sending, CUT)])
        said = await say(tmp_path, "models", "push", "me/x", "me/y", "--insecure", host=server.url)
    assert said.code == 1
    sent, broken = said.err.splitlines()
    assert sent.startswith("✓ me/x:latest  sent, 4 kB in ")
    assert broken.startswith("✕ me/y:latest  ")
    assert [request.json for request in server.asked("/api/push")] == [
        {"model": "me/x:latest", "insecure": True},
        {"model": "me/y:latest", "insecure": True},
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pull", "a", "b c"], "'b c': the model"),
        (["rm", "../x"], "'../x': "),
        (["create", "x", "--from", "y", "--parameter", "seed=many"], "parameter.seed = 'many': allowed is "),
        (["create", "x", "-f", "no-such-file"], "--file no-such-file: No such file or directory"),
        (["create", "x" * 300, "--from", "y"], "the model is longer than 80 characters"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["models"], "cotui models: say what to do: list, show, ps, pull, push, rm, cp, stop, create; see "),
        (["models", "lst"], "cotui models: unknown verb 'lst'; did you mean list?"),
        (["modles", "list"], "cotui: unknown verb 'modles'; did you mean models?"),
        (["models", "ps", "x"], "cotui models ps: unexpected argument 'x'; see cotui models ps --help"),
        (["models", "list", "--jsn"], "cotui models list: unknown flag '--jsn'; did you mean --json?"),
        (["models", "list", "--host"], "cotui models list: argument --host: expected one argument"),
    ],
)
def test_wrong_usage_names_what_was_meant(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended_by:
        main(arguments)
    assert ended_by.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(words)


async def test_a_modelfile_and_its_file_become_a_model(tmp_path: Path) -> None:
    weights = b"GGUF" + bytes(range(256)) * 8
    digest = f"sha256:{hashlib.sha256(weights).hexdigest()}"
    (tmp_path / "x.gguf").write_bytes(weights)
    (tmp_path / "Modelfile").write_text(
        'FROM ./x.gguf\nPARAMETER stop a\nPARAMETER stop b\nPARAMETER low_vram true\nSYSTEM """You\nare"""\n',
        encoding="utf-8",
    )
    (tmp_path / "not.gguf").write_bytes(b"MZ")
    async with serving() as server:
        server.route("GET", "/api/tags", listing("y:latest"))
        server.route("HEAD", f"/api/blobs/{digest}", Reply(status=404))
        server.route("POST", f"/api/blobs/{digest}", Reply(status=201))
        server.route("POST", "/api/create", Stream({"status": "parsing GGUF"}, {"status": "success"}))
        arguments = ("models", "create", "x", "-f", str(tmp_path / "Modelfile"), "--parameter", "seed=4")
        said = await say(tmp_path, *arguments, host=server.url)
        taken = await say(tmp_path, "models", "create", "y", "-f", "-", host=server.url, given=b"FROM z")
        wrong = f"FROM {tmp_path / 'not.gguf'}".encode()
        refused = await say(tmp_path, "models", "create", "x", "-f", "-", host=server.url, given=wrong)
    assert said.code == 0
    passed_over, sent, made = said.err.splitlines()
    assert passed_over == "cotui: PARAMETER low_vram is passed over: no server knows it any more"
    assert sent == "✓ x.gguf  is on the server"
    assert made.startswith("✓ x:latest  made in ")
    assert server.asked(f"/api/blobs/{digest}")[-1].body == weights
    (created,) = [request.json for request in server.asked("/api/create")]
    assert created["files"] == {"x.gguf": digest}
    assert created["parameters"] == {"stop": ["a", "b"], "seed": 4}
    assert created["system"] == "You\nare"
    assert (taken.code, taken.err) == (2, "cotui: it would be replaced: say --yes where nobody can be asked\n")
    assert (refused.code, refused.err) == (1, f"cotui: {tmp_path / 'not.gguf'} is no GGUF file\n")


@pytest.mark.engine
async def test_a_model_is_made_copied_shown_loaded_and_removed(tmp_path: Path, model_engine: EngineProcess) -> None:
    async def models(*arguments: str) -> tuple[int, str]:
        said = await say(tmp_path, "models", *arguments, host=model_engine.url)
        return said.code, said.out

    made = await models("create", "cotui-test-cat", "--from", "smollm2:135m", "--system", "You are a cat")
    try:
        assert made == (0, "")
        assert await models("cp", "cotui-test-cat", "cotui-test-dog") == (0, "copied cotui-test-dog:latest\n")
        assert (await models("cp", "cotui-test-cat", "cotui-test-dog"))[0] == 2
        assert await models("show", "cotui-test-dog", "--system") == (0, "You are a cat\n")
        assert (await models("stop", "--all"))[0] == 0  # what another test left there may have the same weights
        await say(tmp_path, "run", "cotui-test-dog", "Hi", "--num-predict", "1", host=model_engine.url)
        assert await models("stop", "cotui-test-dog") == (0, "unloaded cotui-test-dog:latest\n")
    finally:
        removed = await models("rm", "--yes", "cotui-test-cat", "cotui-test-dog")
    assert removed == (0, "removed cotui-test-cat:latest\nremoved cotui-test-dog:latest\n")
