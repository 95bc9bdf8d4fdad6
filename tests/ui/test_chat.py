"""The chat screen on a real local server: asking, streaming, stopping, and what happens when it goes wrong."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.services.server import ServerPhase
from codomyrmex_ollama_tui.ui.widgets.transcript import Transcript
from tests.support.server import CUT, Answer, Gate, LocalServer, Part, Raw, Reply, Stream
from tests.ui.chat_talk import MODEL, chat, composer, end, piece, send
from tests.ui.stage import furnish, loaded, model, stage

SMALL = model(MODEL, 98_000_000)


async def test_the_first_frame_names_the_model_and_takes_letters_before_any_server_answers(tmp_path: Path) -> None:
    async with LocalServer() as server:
        never = Gate()
        server.route("GET", "/api/version", Reply(json={"version": "0.24.0"}, gate=never))
        async with stage(server.url, tmp_path, screen="chat", model="probe:latest", size=(120, 40)) as s:
            assert "▌probe:latest" in s.text()
            assert composer(s).has_focus
            assert composer(s).size.width >= 30
            await s.pilot.press(*"qzwx")
            assert "qzwx" in s.text()
            assert s.services.server.state.phase is ServerPhase.STARTING
            never.open()


async def test_an_answer_streams_into_the_transcript_and_ends_with_its_figures(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL], [loaded(MODEL, 200_000_000)])
        middle = Gate()
        server.route("POST", "/api/chat", Stream(piece("Hello "), middle, piece("world."), end()))
        async with stage(server.url, tmp_path, screen="chat", model=MODEL, size=(120, 40)) as s:
            await s.ready()
            await send(s, "hi there")
            await middle.reached()
            await s.until(lambda: "Hello" in s.text())
            assert "you · 10:42" in s.text()
            assert "hi there" in s.text()
            assert composer(s).text == ""
            middle.open()
            await s.until(lambda: "done" in s.text())
            assert "Hello world." in s.text()
            assert "41.8 tokens/s · first 0.00 s · 236 tokens · done" in s.text()
            request = server.asked("/api/chat")[0].json
            assert request["messages"] == [{"role": "user", "content": "hi there"}]
            assert (request["truncate"], request["shift"]) == (False, False)
            await s.until(lambda: "256 / 4,096" in s.text())
            assert "context 4,096" in s.text()


async def test_p16_esc_keeps_what_has_come_and_hangs_up(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        server.route("POST", "/api/chat", Stream(piece("Half an answer"), Gate()))
        async with stage(server.url, tmp_path, screen="chat", model=MODEL) as s:
            await s.ready()
            await send(s, "hi")
            await s.until(lambda: "Half an answer" in s.text())
            assert "esc stop" in s.text()
            await s.pilot.press("escape")
            await server.asked("/api/chat")[0].closed.wait()
            await s.until(lambda: "stopped" in s.text())
            assert "Half an answer" in s.text()
            assert [turn.text for turn in chat(s).conversation.turns] == ["hi", "Half an answer"]
            assert composer(s).text == ""  # something came: the prompt was used
            assert composer(s).ready
            assert "esc stop" not in s.text()


async def test_esc_before_the_first_byte_gives_the_prompt_back(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        server.route("POST", "/api/chat", Reply(gate=Gate()))
        async with stage(server.url, tmp_path, screen="chat", model=MODEL) as s:
            await s.ready()
            await send(s, "hi")
            request = await server.wait_for("/api/chat")
            await s.pilot.press("escape")
            await request.closed.wait()
            await s.until(lambda: composer(s).text == "hi")
            assert "stopped" in s.text()


async def test_enter_and_esc_at_once_do_not_leave_an_answer_behind(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        server.route("POST", "/api/chat", Stream(piece("never"), Gate()))
        async with stage(server.url, tmp_path, screen="chat", model=MODEL) as s:
            await s.ready()
            composer(s).insert("hi")
            composer(s).action_send()
            await s.pilot.press("escape", "escape")
            await s.until(lambda: composer(s).ready and composer(s).text == "hi")


HTML = "<html><body>It works!</body></html>"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Reply(json={"error": "model runner has unexpectedly stopped"}, status=500), "unexpectedly stopped"),
        (Reply(json={"error": "model 'smollm2:135m' not found"}, status=404), "not found"),
        (Reply(body="404 page not found", status=404, headers={"Content-Type": "text/plain"}), "404"),
        (Reply(body=HTML, headers={"Content-Type": "text/html"}), "/api/chat"),
        (Reply(body="", status=302, headers={"Location": "http://127.0.0.1:1/"}), "302"),
        (Raw(b"HTTP/1.1 200 OK\r\nContent-Le", CUT), "127.0.0.1"),
        (Stream(b'{"mod', CUT), ""),
        (Stream({"error": "llama runner process has terminated"}), "has terminated"),
    ],
    ids=["500", "no-model", "404", "html", "redirect", "cut-in-head", "cut-in-line", "error-line"],
)
async def test_p8_an_error_before_the_first_word_is_told_and_the_prompt_stays_in_hand(
    tmp_path: Path, answer: Answer, words: str
) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        server.route("POST", "/api/chat", [answer, Stream(piece("Now it works."), end())])
        async with stage(server.url, tmp_path, screen="chat", model=MODEL, size=(120, 40)) as s:
            await s.ready()
            await send(s, "hi")
            await s.until(lambda: "✕" in s.text())
            assert words in s.text()
            assert composer(s).text == "hi"
            await s.pilot.press("enter")
            await s.until(lambda: "Now it works." in s.text())
            assert "✕" not in s.text()  # the question that brought nothing has made room for the same one
            assert s.text().count("you · 10:42") == 1


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (CUT, "✕"),
        ({"error": "an error was encountered while running the model"}, "an error was encountered"),
        (b"<html>", "✕"),
        (piece(""), "without its last line"),
    ],
    ids=["cut", "error-line", "html", "unfinished"],
)
async def test_p17_what_had_come_before_an_error_is_kept(tmp_path: Path, last: Part, words: str) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        server.route("POST", "/api/chat", Stream(piece("The beginning stays."), last))
        async with stage(server.url, tmp_path, screen="chat", model=MODEL, size=(120, 40)) as s:
            await s.ready()
            await send(s, "hi")
            await s.until(lambda: words in s.text())
            assert "The beginning stays." in s.text()
            assert chat(s).conversation.turns[-1].text == "The beginning stays."
            assert composer(s).ready


async def test_p7_waiting_counts_seconds_and_says_why(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        first = Gate()
        server.route("POST", "/api/chat", Stream(first, piece("At last."), Gate()))
        async with stage(server.url, tmp_path, screen="chat", model=MODEL, size=(120, 40)) as s:
            await s.ready()
            await send(s, "hi")
            await first.reached()
            await s.until(lambda: "waiting 0 s" in s.text())
            s.clock.go(12)
            chat(s).show_progress()
            await s.until(lambda: "waiting 12 s · not in memory yet: loading" in s.text())
            furnish(server, [SMALL], [loaded(MODEL, 200_000_000)])
            chat(s).ask_running()
            await s.until(lambda: bool(chat(s).running_models))
            s.clock.go(113)
            chat(s).show_progress()
            await s.until(lambda: "waiting 2:05 · in memory: queued or reading the prompt" in s.text())
            first.open()
            await s.until(lambda: "At last." in s.text())
            await s.until(lambda: "waiting" not in s.text())


async def test_a_prompt_sent_while_the_server_starts_waits_for_it(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        late = Gate()
        server.route("GET", "/api/version", Reply(json={"version": "0.24.0"}, gate=late))
        server.route("POST", "/api/chat", Stream(piece("Hello."), end()))
        async with stage(server.url, tmp_path, screen="chat", model=MODEL) as s:
            await send(s, "hi")
            await s.until(lambda: "waiting 0 s · the server is starting" in s.text())
            late.open()
            await s.until(lambda: "Hello." in s.text())


async def test_p17_a_lost_server_loses_nothing_that_was_typed(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        async with stage(server.url, tmp_path, screen="chat", model=MODEL) as s:
            await s.ready()
            await s.pilot.press(*"half")
            await server.stop()
            await s.pilot.press("enter")
            await s.until(lambda: "✕" in s.text())
            assert composer(s).text == "half"
            await s.pilot.press(*"way")
            assert composer(s).text == "halfway"


async def test_enter_while_an_answer_is_written_keeps_the_prompt(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        hold = Gate()
        server.route("POST", "/api/chat", Stream(piece("First."), hold, end()))
        async with stage(server.url, tmp_path, screen="chat", model=MODEL) as s:
            await s.ready()
            await send(s, "one")
            await hold.reached()
            await send(s, "two")
            assert composer(s).text == "two"
            assert len(server.asked("/api/chat")) == 1
            hold.open()
            await s.until(lambda: composer(s).ready)
            await s.pilot.press("enter")
            await server.wait_for("/api/chat", 2)
            contents = [message["content"] for message in server.asked("/api/chat")[1].json["messages"]]
            assert contents == ["one", "First.", "two"]


async def test_resizing_in_mid_answer_loses_nothing(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        hold = Gate()
        server.route("POST", "/api/chat", Stream(piece("before "), hold, piece("after"), end()))
        async with stage(server.url, tmp_path, screen="chat", model=MODEL, size=(120, 40)) as s:
            await s.ready()
            await send(s, "hi")
            await hold.reached()
            await s.pilot.resize_terminal(60, 20)
            hold.open()
            await s.until(lambda: "before after" in s.text())
            await s.pilot.resize_terminal(120, 40)
            await s.until(lambda: "before after" in s.text() and "Today" in s.text())


async def test_an_answer_goes_on_while_another_screen_is_looked_at(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        hold = Gate()
        server.route("POST", "/api/chat", Stream(piece("before "), hold, piece("after"), end()))
        async with stage(server.url, tmp_path, screen="chat", model=MODEL) as s:
            await s.ready()
            await send(s, "hi")
            await hold.reached()
            screen = chat(s)
            await s.app.action_go("models")
            hold.open()
            await s.until(lambda: screen.composer.ready)
            await s.app.action_go("chat")
            await s.until(lambda: "before after" in s.text() and "done" in s.text())


async def test_an_answer_goes_on_while_another_conversation_is_open(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        hold = Gate()
        server.route("POST", "/api/chat", Stream(piece("before "), hold, piece("after"), end()))
        async with stage(server.url, tmp_path, screen="chat", model=MODEL, size=(120, 40)) as s:
            await s.ready()
            await send(s, "the first")
            await s.until(lambda: "before" in s.text())
            first = chat(s).conversation
            await s.pilot.press("ctrl+n")
            await s.until(lambda: "Nothing has been said here yet" in s.text())
            assert chat(s).conversation is not first
            assert "▶" in s.text()
            assert composer(s).ready
            hold.open()
            await s.until(lambda: first.turns[-1].status == "complete")
            assert "after" not in "\n".join(line[32:] for line in s.text().splitlines()[:30])
            await s.pilot.press("ctrl+s", "down", "enter")
            await s.until(lambda: "before after" in s.text())
            assert chat(s).conversation is first
            assert composer(s).has_focus


async def test_a_growing_answer_is_whole_when_its_conversation_is_opened_again(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        one, two = Gate(), Gate()
        server.route("POST", "/api/chat", Stream(piece("a"), one, piece("b"), two, piece("c"), end()))
        async with stage(server.url, tmp_path, screen="chat", model=MODEL, size=(120, 40)) as s:
            await s.ready()
            await send(s, "hi")
            await one.reached()
            await s.pilot.press("ctrl+n")
            one.open()
            await two.reached()
            await s.pilot.press("ctrl+s", "down", "enter")
            await s.pilot.pause()
            two.open()
            await s.until(lambda: "abc" in s.text() and "done" in s.text())
            assert s.text().count("abc") == 1


async def test_asking_again_replaces_the_answer(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        answers = [Stream(piece("Old answer."), end()), Stream(piece("New answer."), end())]
        server.route("POST", "/api/chat", answers)
        async with stage(server.url, tmp_path, screen="chat", model=MODEL) as s:
            await s.ready()
            assert chat(s).check_action("again", ()) is False
            await send(s, "hi")
            await s.until(lambda: "done" in s.text())
            await s.pilot.press("ctrl+r")
            await s.until(lambda: "New answer." in s.text())
            assert "Old answer." not in s.text()
            assert server.asked("/api/chat")[1].json["messages"] == [{"role": "user", "content": "hi"}]


async def test_asking_again_in_vain_keeps_the_old_answer(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        broken = Reply(json={"error": "no memory left"}, status=500)
        server.route("POST", "/api/chat", [Stream(piece("Old answer."), end()), broken])
        async with stage(server.url, tmp_path, screen="chat", model=MODEL) as s:
            await s.ready()
            await send(s, "hi")
            await s.until(lambda: "done" in s.text())
            await s.pilot.press("ctrl+r")
            await s.until(lambda: "The old answer stays" in s.text())
            assert "no memory left" in s.text()
            assert "Old answer." in s.text()
            assert composer(s).text == ""


async def test_asking_again_after_a_failure_takes_the_prompt_out_of_the_composer(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        broken = Reply(json={"error": "no memory left"}, status=500)
        server.route("POST", "/api/chat", [broken, Stream(piece("Now it works."), end())])
        async with stage(server.url, tmp_path, screen="chat", model=MODEL) as s:
            await s.ready()
            await send(s, "hi")
            await s.until(lambda: composer(s).text == "hi" and composer(s).ready)
            await s.pilot.press("ctrl+r")
            await s.until(lambda: "Now it works." in s.text() and "done" in s.text())
            assert composer(s).text == ""
            assert "no memory left" not in s.text()


async def test_the_model_picker_says_so_when_there_is_no_server_yet(tmp_path: Path) -> None:
    async with LocalServer() as server:
        late = Gate()
        server.route("GET", "/api/version", Reply(json={"version": "0.24.0"}, gate=late))
        async with stage(server.url, tmp_path, screen="chat", model=MODEL) as s:
            await s.pilot.press("f3")
            await s.until(lambda: "No server has answered yet" in s.text())
            late.open()


async def test_an_unknown_model_is_named_with_its_neighbours_and_pulled_on_one_key(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        loading = Gate()
        layer = {"status": "pulling aa", "digest": "sha256:aa", "total": 1000, "completed": 250}
        server.route("POST", "/api/pull", Stream({"status": "pulling manifest"}, layer, loading, {"status": "success"}))
        async with stage(server.url, tmp_path, screen="chat", model="smollm:135m", size=(120, 40)) as s:
            assert "▌smollm:135m" in s.text()
            await s.ready()
            assert "smollm:135m is not on this server · did you mean smollm2:135m?" in s.text()
            assert "F4 pull it" in s.text()
            await s.pilot.press("f4")
            await loading.reached()
            await s.until(lambda: "is being pulled" in s.text() and "0.2 / 1.0 kB" in s.text())
            furnish(server, [SMALL, model("smollm:135m", 1000, digest="b")])
            loading.open()
            await s.until(lambda: "is being pulled" not in s.text())
            assert "is not on this server" not in s.text()
            assert server.asked("/api/pull")[0].json["model"] == "smollm:135m"


async def test_a_pull_that_fails_says_why_and_can_be_tried_again(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        server.route("POST", "/api/pull", Stream({"error": "pull model manifest: file does not exist"}))
        async with stage(server.url, tmp_path, screen="chat", model="nosuch:1b", size=(120, 40)) as s:
            await s.ready()
            await s.pilot.press("f4")
            await s.until(lambda: "could not be pulled" in s.text())
            assert "file does not exist" in s.text()
            assert "F4 tries again" in s.text()


async def test_a_conversation_without_a_model_gets_the_newest_that_can_write(tmp_path: Path) -> None:
    async with LocalServer() as server:
        embedding = model("embed:latest", 1000, age=timedelta(minutes=1), digest="b") | {"capabilities": ["embedding"]}
        furnish(server, [SMALL | {"capabilities": ["completion"]}, embedding])
        async with stage(server.url, tmp_path, screen="chat") as s:
            await s.ready()
            assert chat(s).conversation.model == MODEL
            assert f"▌{MODEL}" in s.text()


async def test_without_any_model_a_prompt_is_kept(tmp_path: Path) -> None:
    async with LocalServer() as server:
        late = Gate()
        server.route("GET", "/api/version", Reply(json={"version": "0.24.0"}, gate=late))
        async with stage(server.url, tmp_path, screen="chat") as s:
            assert "no model" in s.text()
            await send(s, "hi")
            assert composer(s).text == "hi"
            assert server.asked("/api/chat") == []
            late.open()


async def test_the_model_picker_filters_and_changes_the_model(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL, model("gemma3:270m", 253_000_000, family="gemma3", digest="b")])
        async with stage(server.url, tmp_path, screen="chat", model=MODEL, size=(120, 40)) as s:
            await s.ready()
            await s.pilot.press("f3")
            await s.until(lambda: "Model of this conversation" in s.text())
            assert "2 models" in s.text()
            await s.pilot.press(*"gem")
            await s.until(lambda: "1 of 2 models" in s.text())
            await s.pilot.press("enter")
            await s.until(lambda: "▌gemma3:270m" in s.text())
            assert chat(s).conversation.model == "gemma3:270m"
            await s.pilot.press("f3")
            await s.until(lambda: "2 models" in s.text())
            await s.pilot.press("escape")
            await s.pilot.pause()
            assert chat(s).conversation.model == "gemma3:270m"
            assert composer(s).has_focus


async def test_ctrl_c_stops_an_answer_and_else_says_how_to_leave(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        server.route("POST", "/api/chat", Stream(piece("Half"), Gate()))
        async with stage(server.url, tmp_path, screen="chat", model=MODEL) as s:
            await s.ready()
            await s.pilot.press("ctrl+c")
            await s.until(lambda: "^q leaves" in s.text())
            await send(s, "hi")
            await s.until(lambda: "Half" in s.text())
            await s.pilot.press("ctrl+c")
            await s.until(lambda: "stopped" in s.text())


async def test_ctrl_c_copies_what_is_selected_in_the_composer(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        async with stage(server.url, tmp_path, screen="chat", model=MODEL) as s:
            await s.ready()
            await s.pilot.press(*"abc", "shift+home", "ctrl+c")
            assert s.app.clipboard == "abc"


async def test_the_list_opens_over_a_narrow_screen_and_esc_closes_it(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        async with stage(server.url, tmp_path, screen="chat", model=MODEL) as s:
            await s.ready()
            assert "Today" not in s.text()
            await s.pilot.press("ctrl+s")
            await s.until(lambda: "Today" in s.text())
            await s.pilot.press("escape")
            await s.until(lambda: "Today" not in s.text())
            assert composer(s).has_focus


async def test_the_composers_paging_keys_scroll_the_transcript(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        text = "\n\n".join(f"paragraph {n}" for n in range(60))
        server.route("POST", "/api/chat", Stream(piece(text), end()))
        async with stage(server.url, tmp_path, screen="chat", model=MODEL) as s:
            await s.ready()
            await send(s, "hi")
            await s.until(lambda: "done" in s.text() and "paragraph 59" in s.text())
            await s.pilot.press("ctrl+home")
            await s.until(lambda: "you · 10:42" in s.text())
            await s.pilot.press("pagedown")
            await s.until(lambda: "you · 10:42" not in s.text())
            await s.pilot.press("pageup")
            await s.until(lambda: "you · 10:42" in s.text())
            await s.pilot.press("ctrl+end")
            await s.until(lambda: "paragraph 59" in s.text())
            assert chat(s).query_one(Transcript).following


async def test_p15_thinking_is_shown_apart_and_not_sent_back(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL], [loaded(MODEL, 200_000_000)])
        answer = Stream(piece(thinking="Let me see."), piece("It is so."), end())
        server.route("POST", "/api/chat", answer)
        async with stage(server.url, tmp_path, screen="chat", model=MODEL, size=(120, 40)) as s:
            await s.ready()
            await send(s, "why")
            await s.until(lambda: "done" in s.text())
            await s.until(lambda: "≈ 256" in s.text())  # thinking is counted in it but will not be sent
            await send(s, "and")
            await server.wait_for("/api/chat", 2)
            contents = [message["content"] for message in server.asked("/api/chat")[1].json["messages"]]
            assert contents == ["why", "It is so.", "and"]


async def test_how_long_was_thought_is_known_when_a_conversation_is_opened_again(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        thought = Gate()
        server.route("POST", "/api/chat", Stream(piece(thinking="Let me see."), thought, piece("So."), end()))
        async with stage(server.url, tmp_path, screen="chat", model=MODEL, size=(120, 40)) as s:
            await s.ready()
            await send(s, "why")
            await thought.reached()
            await s.until(lambda: "▸" in s.text())
            s.clock.go(4.2)
            thought.open()
            await s.until(lambda: "done" in s.text())
            assert "thought for 4.2 s, 3 words" in s.text()
            await s.pilot.press("ctrl+n", "ctrl+s", "down", "enter")
            await s.until(lambda: "done" in s.text() and "thought for 4.2 s, 3 words" in s.text())


async def test_hostile_names_and_words_are_drawn_as_text(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        hostile = "[bold]x[/nope] \x1b[2J\u202e"
        server.route("POST", "/api/chat", Reply(json={"error": hostile}, status=500))
        async with stage(server.url, tmp_path, screen="chat", model="evil[/b]\x1b]0;x", size=(120, 40)) as s:
            await s.ready()
            await send(s, "[/hi]")
            await s.until(lambda: "✕" in s.text())
            assert "[bold]x[/nope] ␛[2J<U+202E>" in s.text()
            assert "\x1b" not in s.text()
            assert "evil[/b]␛]0;x" in s.text()


async def test_what_is_selected_in_the_transcript_is_copied_as_its_source(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        server.route("POST", "/api/chat", Stream(piece("Some **bold** words.\n\n```python\nprint(1)\n```\n"), end()))
        async with stage(server.url, tmp_path, screen="chat", model=MODEL) as s:
            await s.ready()
            await send(s, "hi")
            await s.until(lambda: "done" in s.text())
            chat(s).transcript.focus()
            await s.pilot.press("j", "j", "ctrl+c")
            assert s.app.clipboard.strip() == "Some **bold** words."
            await s.pilot.press("j", "y")
            await s.until(lambda: s.app.clipboard == "print(1)\n")
            await s.until(lambda: "Copied" in s.text())
            await s.pilot.press("escape")
            assert composer(s).has_focus
            assert chat(s).get_selected_text() is None


async def test_a_link_is_shown_before_it_is_opened(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        server.route("POST", "/api/chat", Stream(piece("See [here](https://example.org/x)."), end()))
        async with stage(server.url, tmp_path, screen="chat", model=MODEL) as s:
            await s.ready()
            await send(s, "hi")
            await s.until(lambda: "done" in s.text())
            chat(s).transcript.focus()
            await s.pilot.press("j", "j", "o")
            await s.until(lambda: "Open this address?" in s.text() and "https://example.org/x" in s.text())
            await s.pilot.press("escape")
            await s.until(lambda: "Open this address?" not in s.text())
            chat(s).transcript.post_message(Transcript.LinkChosen("file:///etc/passwd"))
            await s.until(lambda: "Only http and https links are opened" in s.text())


async def test_the_palette_has_the_commands_of_the_chat(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        async with stage(server.url, tmp_path, screen="chat", model=MODEL, size=(120, 40)) as s:
            await s.ready()
            await s.pilot.press("ctrl+p")
            await s.pilot.pause()
            await s.pilot.press(*"choose")
            await s.until(lambda: "Change the model of this conversation" in s.text())
            await s.pilot.press("enter")
            await s.until(lambda: "Model of this conversation" in s.text())


async def test_the_setting_that_swaps_the_keys_is_seen_in_the_border_and_works(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMALL])
        server.route("POST", "/api/chat", Stream(piece("Hello."), end()))
        config = '[ui]\nsend_key = "ctrl+j"\n'
        async with stage(server.url, tmp_path, screen="chat", model=MODEL, config=config) as s:
            await s.ready()
            assert "^j send · enter new line" in s.text()
            await s.pilot.press("a", "enter", "b")
            assert composer(s).text == "a\nb"
            await s.pilot.press("ctrl+j")
            request = await server.wait_for("/api/chat")
            assert request.json["messages"][0]["content"] == "a\nb"
