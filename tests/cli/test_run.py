"""`cotui run`: what is asked, what comes out where, and how it ends."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from codomyrmex_ollama_tui.cli import main
from tests.cli.talk import LIMIT, begun, ended, listing, posix, say, serving
from tests.e2e.terminal import Window
from tests.embedded.harness import EngineProcess
from tests.support.server import CUT, Cut, Gate, LocalServer, Reply, Stream

END = {
    "response": "",
    "done": True,
    "done_reason": "stop",
    "total_duration": 2_000_000_000,
    "load_duration": 500_000_000,
    "prompt_eval_count": 7,
    "prompt_eval_duration": 100_000_000,
    "eval_count": 20,
    "eval_duration": 400_000_000,
}
ESCAPES = "red \x1b[31m\r\nbell\x07 \u202e"


def answers(server: LocalServer, *parts: str | Gate | Cut | Mapping[str, Any]) -> None:
    """The server answers each prompt with these texts, gates or lines, and the end."""
    lines = [{"response": part, "done": False} if isinstance(part, str) else part for part in parts]
    server.route("POST", "/api/generate", Stream(*lines, END))


async def read_until(stream: asyncio.StreamReader | None, wanted: str) -> str:
    """What is read up to and with the wanted text."""
    assert stream is not None
    async with asyncio.timeout(LIMIT):
        return (await stream.readuntil(wanted.encode())).decode()


async def test_an_answer_comes_out_as_it_arrives(tmp_path: Path) -> None:
    hold = Gate()
    async with serving() as server:
        answers(server, "Hel", hold, "lo\nyou")
        async with begun(tmp_path, "run", "m", "say", "--seed", "7", "hello", host=server.url) as process:
            assert await read_until(process.stdout, "Hel") == "Hel"
            await hold.reached()
            hold.open()
            said = await ended(process)
    assert (said.code, said.out, said.err) == (0, "lo\nyou\n", "")
    asked = server.asked("/api/generate")[0].json
    assert asked["prompt"] == "say hello"
    assert asked["options"] == {"seed": 7}
    assert (asked["truncate"], asked["shift"]) == (False, False)
    assert "system" not in asked


async def test_flags_become_the_request(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    (tmp_path / "schema.json").write_text(json.dumps(schema), encoding="utf-8")
    async with serving() as server:
        answers(server, "{}")
        said = await say(
            tmp_path,
            *("run", "--system", "-short-", "m", "--format", str(tmp_path / "schema.json"), "--think=low"),
            *("--keepalive", "-1", "--temperature", "0", "--num-predict", "-1", "--stop", "a,b", "--stop", "c"),
            *("--option", "top_k=2", "--", "-5", "+", "3"),
            host=server.url,
        )
    assert (said.code, said.out) == (0, "{}\n")
    asked = server.asked("/api/generate")[0].json
    assert asked["prompt"] == "-5 + 3"
    assert (asked["system"], asked["format"], asked["think"], asked["keep_alive"]) == ("-short-", schema, "low", -1)
    assert asked["options"] == {"temperature": 0, "num_predict": -1, "stop": ["a,b", "c"], "top_k": 2}


async def test_the_configuration_stands_below_what_is_given(tmp_path: Path) -> None:
    async with serving() as server:
        answers(server, "ok")
        (tmp_path / "config").mkdir()
        (tmp_path / "config" / "config.toml").write_text(
            f"""
            [options]
            seed = 1
            top_k = 1
            [models."m*"]
            temperature = 0.5
            top_k = 2
            system = "be brief"
            [presets.mine]
            temperature = 0.25
            [servers.attic]
            address = "{server.url}"
            headers = {{ "X-Key" = "word" }}
            """,
            encoding="utf-8",
        )
        said = await say(tmp_path, "--json", "--server", "attic", "run", "m:1b", "x", "--preset", "mine", "--seed", "3")
        wrong = await say(tmp_path, "run", "m", "x", "--preset", "mien", host=server.url)
        nobody = await say(tmp_path, "models", "list", "--server", "cellar")
    asked = server.asked("/api/generate")[0]
    assert asked.json["options"] == {"seed": 3, "top_k": 2, "temperature": 0.25}
    assert (asked.json["system"], asked.headers["x-key"]) == ("be brief", "word")
    assert (said.code, said.err, said.json["options"]) == (0, "", asked.json["options"])
    assert (wrong.code, nobody.code) == (2, 2)
    assert "'mien'" in wrong.err
    assert nobody.err == "cotui models list: --server: there is no server profile 'cellar'; there are: attic\n"


async def test_what_is_piped_in_is_the_prompt_in_front_of_the_words(tmp_path: Path) -> None:
    async with serving() as server:
        answers(server, "ok")
        said = await say(tmp_path, "run", "m", "what is this?", host=server.url, given="a ä\n".encode())
        empty = await say(tmp_path, "run", "m", host=server.url, given=b" \n")
    assert (said.code, said.out) == (0, "ok\n")
    assert [request.json["prompt"] for request in server.asked("/api/generate")] == ["a ä\n what is this?"]
    assert (empty.code, empty.out, empty.err) == (2, "", "cotui: PROMPT is empty: there is nothing to ask\n")


async def test_a_pipe_gets_the_text_as_it_is_and_json_gets_all_of_it(tmp_path: Path) -> None:
    async with serving() as server:
        answers(server, {"response": "", "thinking": "hm", "done": False}, ESCAPES, "☃")
        plain = await say(tmp_path, "run", "m", "x", "--verbose", host=server.url)
        asked = await say(tmp_path, "run", "m", "x", "--json", host=server.url)
    assert plain.out == f"{ESCAPES}☃\n"
    assert plain.err.startswith("thinking:\nhm\n(end of thinking)\n\n")
    for words in ("first token", "load          0.50 s", "prompt        7 tokens", "20 tokens, 0.40 s, 50.0 tokens/s"):
        assert words in plain.err
    assert asked.err == ""
    assert "\u202e" not in asked.out
    told = asked.json
    assert (told["response"], told["thinking"], told["done"]) == (f"{ESCAPES}☃", "hm", True)
    assert (told["tokens_per_second"], told["eval_count"], told["version"]) == (50.0, 20, "0.24.0")


@posix
async def test_ctrl_c_stops_the_model_and_keeps_what_came(tmp_path: Path) -> None:
    hold = Gate()
    async with serving() as server:
        answers(server, "Hel", hold, "lo")
        async with begun(tmp_path, "run", "m", "x", host=server.url) as process:
            assert await read_until(process.stdout, "Hel") == "Hel"
            process.send_signal(signal.SIGINT)
            said = await ended(process)
        async with asyncio.timeout(LIMIT):
            await server.asked("/api/generate")[0].closed.wait()
        async with begun(tmp_path, "run", "m", "x", "--json", host=server.url) as process:
            await server.wait_for("/api/generate", 2)
            process.send_signal(signal.SIGINT)
            asked = await ended(process)
    assert (said.code, said.out, said.err) == (130, "\n", "cotui: stopped\n")
    assert (asked.code, asked.err) == (130, "cotui: stopped\n")
    assert (asked.json["interrupted"], asked.json["done"], asked.json["error"]) == (True, False, "")


async def test_a_broken_answer_keeps_its_text_and_says_why(tmp_path: Path) -> None:
    async with serving() as server:
        answers(server, "half", {"error": "the \x1b[1mmodel fell over"})
        failed = await say(tmp_path, "run", "m", "x", host=server.url)
        answers(server, "half", CUT)
        cut = await say(tmp_path, "run", "m", "x", "--json", host=server.url)
    assert (failed.code, failed.out) == (1, "half\n")
    assert failed.err == "cotui: the server says: the ␛[1mmodel fell over\n"
    assert cut.code == 1
    assert (cut.json["response"], cut.json["partial"], cut.json["done"]) == ("half", True, False)
    assert cut.json["error"] in cut.err


async def test_an_answer_is_kept_where_outputs_find_it(tmp_path: Path) -> None:
    async with serving() as server:
        answers(server, "Paris, of course")
        said = await say(tmp_path, "run", "m:1b", "the capital of France", "--save", host=server.url)
    assert (said.code, said.out) == (0, "Paris, of course\n")
    assert said.err.startswith("cotui: saved as ")
    found = await say(tmp_path, "outputs", "search", "capital", "--json")
    assert "Paris, of course" in found.out


async def test_a_model_that_is_not_there_is_met_with_one_that_is(tmp_path: Path) -> None:
    async with serving() as server:
        server.route("POST", "/api/generate", Reply(json={"error": "model 'lama3' not found"}, status=404))
        server.route("GET", "/api/tags", listing("llama3:latest", "phi4:14b"))
        said = await say(tmp_path, "run", "lama3", "x", host=server.url)
    assert (said.code, said.out) == (1, "")
    assert said.err.splitlines() == [
        "cotui: the server says (404): model 'lama3' not found; did you mean llama3:latest? "
        "Else `cotui models pull lama3` first"
    ]


async def test_pictures_go_only_to_models_that_can_see(tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG")
    shown = {"details": {}, "model_info": {}, "capabilities": ["completion"]}
    async with serving() as server:
        answers(server, "a cat")
        server.route("POST", "/api/show", [Reply(json=shown), Reply(json={**shown, "capabilities": ["vision"]})])
        blind = await say(tmp_path, "run", "m", "what?", "--image", str(picture), host=server.url)
        seeing = await say(tmp_path, "run", "m", "what?", "--image", str(picture), host=server.url)
    assert (blind.code, blind.err) == (1, "cotui: m cannot look at pictures (it can: completion)\n")
    assert (seeing.code, seeing.out) == (0, "a cat\n")
    (asked,) = server.asked("/api/generate")
    assert asked.json["images"] == [base64.b64encode(b"\x89PNG").decode()]


async def test_nobody_there_is_exit_code_3(tmp_path: Path) -> None:
    async with serving() as server:
        gone = server.url
    said = await say(tmp_path, "run", "m", "x", "--host", gone, "--json")
    address = gone.removeprefix("http://")
    assert said.code == 3
    assert said.json["error"] == f"no server answers at {address}: nothing listens there; see `cotui doctor`"
    assert said.err == f"cotui: {said.json['error']}\n"


@posix
async def test_a_reader_that_has_had_enough_is_no_disaster(tmp_path: Path) -> None:
    hold = Gate()
    ours, theirs = os.pipe()
    async with serving() as server:
        answers(server, "one\n", hold, "two\n")
        async with begun(tmp_path, "run", "m", "x", host=server.url, out=theirs) as process:
            os.close(theirs)
            assert await asyncio.to_thread(os.read, ours, 100) == b"one\n"
            os.close(ours)
            hold.open()
            said = await ended(process)
    assert (said.code, said.err) == (1, "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a/b/c/d/e", "x"], "MODEL: "),
        (["m", "x", "--temperature", "9"], "option.temperature = 9: allowed is a number from 0 to 2"),
        (["m", "x", "--num-ctx", "many"], "option.num_ctx = 'many': allowed is "),
        (["m", "x", "--option", "temprature=1"], "--option: there is no option 'temprature'; 'temperature' is near"),
        (["m", "x", "--option", "seed"], "--option 'seed': allowed is NAME=VALUE"),
        (["m", "x", "--keepalive", "soon"], "keep_alive = 'soon': allowed is "),
        (["m", "x", "--format", "no-such-file"], "--format no-such-file: No such file or directory; allowed is json"),
        (["m", "x", "--image", "no-such-file"], "--image no-such-file: No such file or directory"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_sent(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"cotui: {words}")
    assert said.err.count("\n") == 1


@posix
async def test_on_a_terminal_a_model_cannot_draw(tmp_path: Path) -> None:
    async with serving() as server:
        answers(server, "red \x1b[31m bell\x07 a\r", "\nb\u202e")

        def watch() -> str:
            with Window(tmp_path, "run", "m", "x", "--host", server.url) as window:
                assert window.wait_exit() == 0
                window.expect("<U+202E>")
                return window.text()

        text = await asyncio.to_thread(watch)
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    assert lines == ["red ␛[31m bell␇ a", "b<U+202E>"]


@posix
@pytest.mark.engine
def test_without_a_prompt_the_chat_opens_with_the_model(tmp_path: Path, model_engine: EngineProcess) -> None:
    with Window(tmp_path, "run", "smollm2:135m", "--host", model_engine.url) as window:
        window.expect("smollm2:135m")
        window.send("Hello")
        window.expect("Hello")
        window.quit()


@pytest.mark.engine
async def test_a_real_model_answers(tmp_path: Path, model_engine: EngineProcess) -> None:
    said = await say(
        tmp_path, "run", "smollm2:135m", "Say hello.", "--num-predict", "8", "--json", "--host", model_engine.url
    )
    assert (said.code, said.err) == (0, "")
    assert said.json["response"]
    assert 1 <= said.json["eval_count"] <= 8
