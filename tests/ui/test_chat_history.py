"""The chat screen with a history: found, branched, continued, renamed, deleted, and drafts that stay."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from textual.widgets import Input

from codomyrmex_ollama_tui.domain.conversation_export import ExportFormat
from codomyrmex_ollama_tui.store.history import HistoryStore
from tests.support.server import CUT, Gate, LocalServer, Reply, Stream
from tests.ui.chat_talk import MODEL, SMALL, answers, chat, composer, disk, end, kept, piece, say, send, side, texts
from tests.ui.stage import Stage, furnish, model


async def test_p17_conversations_are_there_after_a_restart(tmp_path: Path) -> None:
    async with LocalServer() as server:
        answers(server, "Because of the air.", "Because of the sea.")
        async with kept(server, tmp_path) as s:
            await say(s, "why is the sky blue")
            await s.pilot.press("ctrl+n")
            await say(s, "why is the sea green")
        async with kept(server, tmp_path) as s:
            await s.until(lambda: "/ search 2 conversations" in s.text())
            assert "Nothing has been said here yet" in s.text()
            await s.pilot.press("ctrl+s")
            await s.until(lambda: chat(s).list.has_focus)
            await s.pilot.press("down", "down", "enter")
            await s.until(lambda: "Because of the" in s.text())
            assert texts(chat(s).conversation)[0] in ("why is the sky blue", "why is the sea green")
            assert composer(s).has_focus


async def test_p17_a_draft_stays_with_its_conversation(tmp_path: Path) -> None:
    async with LocalServer() as server:
        answers(server, "So.")
        async with kept(server, tmp_path) as s:
            await say(s, "why")
            composer(s).insert("half a thought")
            await s.pilot.press("ctrl+n")
            assert composer(s).text == ""
            composer(s).insert("another")
            await s.until(lambda: "not sent" in side(s) or chat(s).services.chat.listed[0].draft != "")
            await s.pilot.press("ctrl+s", "down", "enter")
            await s.until(lambda: composer(s).text == "half a thought")
        async with kept(server, tmp_path) as s:
            await s.until(lambda: "/ search 2 conversations" in s.text())
            assert "another" in side(s)
            assert "not sent" in side(s)
            chat(s).open_conversation(next(one.id for one in s.services.chat.listed if one.title == "why"))
            await s.until(lambda: composer(s).text == "half a thought")


async def test_p18_asking_again_keeps_the_old_answer_beside_the_new_one(tmp_path: Path) -> None:
    async with LocalServer() as server:
        answers(server, "First answer.", "Second answer.", "Third answer.")
        async with kept(server, tmp_path) as s:
            await say(s, "why")
            await s.pilot.press("ctrl+r")
            await s.until(lambda: "Second answer." in s.text() and "done" in s.text())
            assert "‹ 2 of 2 ›" in s.text()
            chat(s).transcript.focus()
            await s.pilot.press("less_than_sign")
            await s.until(lambda: "First answer." in s.text() and "‹ 1 of 2 ›" in s.text())
            composer(s).focus()
            await send(s, "and then")
            await s.until(lambda: "Third answer." in s.text() and composer(s).ready)
            assert server.asked("/api/chat")[-1].json["messages"][1]["content"] == "First answer."
            chat(s).transcript.focus()
            await s.pilot.press("greater_than_sign")
            await s.until(lambda: "Second answer." in s.text() and "Third answer." not in s.text())
            await s.pilot.press("greater_than_sign")
            await s.until(lambda: "First answer." in s.text() and "Third answer." in s.text())
        (summary,) = disk(tmp_path).summaries()
        assert texts(disk(tmp_path).load(summary.id)) == ["why", "First answer.", "and then", "Third answer."]
        assert summary.turns == 5


async def test_p18_a_question_in_other_words_stands_beside_the_old_one(tmp_path: Path) -> None:
    async with LocalServer() as server:
        answers(server, "First answer.", "Second answer.")
        async with kept(server, tmp_path) as s:
            await say(s, "why")
            composer(s).insert("a draft")
            chat(s).transcript.focus()
            await s.pilot.press("e")
            await s.until(lambda: composer(s).text == "why")
            assert "in other words" in s.text()
            await s.pilot.press("escape")
            assert composer(s).text == "a draft"
            chat(s).transcript.focus()
            await s.pilot.press("e")
            await s.until(lambda: composer(s).text == "why")
            composer(s).insert(" not")
            await s.pilot.press("enter")
            await s.until(lambda: "Second answer." in s.text() and "done" in s.text())
            assert "First answer." not in s.text()
            assert "‹ 2 of 2 ›" in s.text()
            assert texts(chat(s).conversation) == ["why not", "Second answer."]
            assert server.asked("/api/chat")[1].json["messages"] == [{"role": "user", "content": "why not"}]


async def test_p17_leaving_in_the_middle_of_an_answer_keeps_what_has_come_and_what_is_typed(tmp_path: Path) -> None:
    async with LocalServer() as server:
        server.route("POST", "/api/chat", Stream(piece("The sky is"), Gate()))
        async with kept(server, tmp_path) as s:
            await send(s, "why")
            await s.until(lambda: "The sky is" in s.text())
            composer(s).insert("half a thought")
        (summary,) = disk(tmp_path).summaries()
        assert (summary.status, summary.draft) == ("stopped", "half a thought")
        assert texts(disk(tmp_path).load(summary.id)) == ["why", "The sky is"]


async def test_another_model_is_asked_the_same_and_its_answer_stands_beside(tmp_path: Path) -> None:
    async with LocalServer() as server:
        answers(server, "First answer.", "Another answer.")
        async with kept(server, tmp_path) as s:
            furnish(server, [SMALL, model("gemma3:270m", 253_000_000, family="gemma3", digest="b")])
            assert chat(s).check_action("ask_another", ()) is False
            await say(s, "why")
            await s.pilot.press("ctrl+o")
            await s.until(lambda: "2 models" in s.text())
            await s.pilot.press(*"gem", "enter")
            await s.until(lambda: "Another answer." in s.text() and "done" in s.text())
            assert "▌gemma3:270m ‹ 2 of 2 ›" in s.text()
            asked = server.asked("/api/chat")[1].json
            assert (asked["model"], asked["messages"]) == ("gemma3:270m", [{"role": "user", "content": "why"}])
            assert chat(s).conversation.model == MODEL


async def test_p17_a_question_in_other_words_that_failed_is_asked_again_in_its_place(tmp_path: Path) -> None:
    async with LocalServer() as server:
        broken = Reply(json={"error": "no memory left"}, status=500)
        last = Stream(piece("Second answer."), end())
        server.route("POST", "/api/chat", [Stream(piece("First answer."), end()), broken, last])
        async with kept(server, tmp_path) as s:
            await say(s, "why")
            chat(s).transcript.focus()
            await s.pilot.press("e")
            composer(s).insert(" not")
            await s.pilot.press("enter")
            await s.until(lambda: "no memory left" in s.text() and composer(s).text == "why not")
            await s.pilot.press("enter")
            await s.until(lambda: "Second answer." in s.text() and "done" in s.text())
            assert texts(chat(s).conversation) == ["why not", "Second answer."]
            assert len(chat(s).conversation.tree) == 4
            assert server.asked("/api/chat")[2].json["messages"] == [{"role": "user", "content": "why not"}]


async def test_p16_a_stopped_answer_is_kept_and_goes_on(tmp_path: Path) -> None:
    async with LocalServer() as server:
        stopped, rest = Stream(piece("The sky is"), Gate()), Stream(piece(" blue."), end())
        server.route("POST", "/api/chat", [stopped, rest])
        async with kept(server, tmp_path) as s:
            await send(s, "why")
            await s.until(lambda: "The sky is" in s.text())
            await s.pilot.press("escape")
            await s.until(lambda: "stopped" in s.text() and composer(s).ready)
            chat(s).transcript.focus()
            await s.pilot.pause()
            assert "c continue" in s.text()
            await s.pilot.press("c")
            await s.until(lambda: "The sky is blue." in s.text() and "done" in s.text())
            assert texts(chat(s).conversation) == ["why", "The sky is blue."]
            assert chat(s).check_action("go_on", ()) is False


async def test_an_answer_of_a_program_that_was_killed_is_marked_and_goes_on(tmp_path: Path) -> None:
    async with LocalServer() as server:
        hold = Gate()
        server.route("POST", "/api/chat", [Stream(piece("The sky is"), hold), Stream(piece(" blue."), end())])
        async with kept(server, tmp_path) as s:
            await send(s, "why")
            await s.until(lambda: "The sky is" in s.text())
            store = disk(tmp_path)
            (summary,) = store.summaries()
            await s.until(lambda: store.load(summary.id).turns[-1].text == "The sky is")
            # what a kill leaves behind
            (tmp_path / "other" / "data").mkdir(parents=True)
            (tmp_path / "other" / "data" / "history.db").write_bytes(_copy(store, tmp_path))
        async with kept(server, tmp_path / "other") as s:
            await s.until(lambda: "! interrupted · continue?" in side(s))
            await s.pilot.press("ctrl+s")
            await s.until(lambda: chat(s).list.has_focus)
            await s.pilot.press("down", "enter")
            await s.until(lambda: "The sky is" in s.text() and "interrupted" in s.text())
            chat(s).transcript.focus()
            await s.pilot.press("c")
            await s.until(lambda: "The sky is blue." in s.text() and "done" in s.text())
            assert "interrupted" not in side(s)


def _copy(store: HistoryStore, folder: Path) -> bytes:
    """The database as it is at this moment, in one file."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(store.path)) as source, closing(sqlite3.connect(folder / "copy.db")) as copy:
        source.backup(copy)
    return (folder / "copy.db").read_bytes()


async def test_p19_an_old_answer_is_found_by_its_words_and_opened_where_it_is(tmp_path: Path) -> None:
    async with LocalServer() as server:
        answers(server, "Rayleigh scattering.", "Mie scattering.", "Something else.")
        async with kept(server, tmp_path) as s:
            await say(s, "why is the sky blue")
            await s.pilot.press("ctrl+r")
            await s.until(lambda: "Mie scattering." in s.text() and "done" in s.text())
            await s.pilot.press("ctrl+n")
            await say(s, "what else")
        async with kept(server, tmp_path) as s:
            await s.until(lambda: "/ search 2 conversations" in s.text())
            await s.pilot.press("ctrl+s")
            await s.until(lambda: chat(s).list.has_focus)
            await s.pilot.press("slash")
            await s.until(lambda: isinstance(s.app.focused, Input))
            await s.pilot.press(*"rayl")
            await s.until(lambda: "1 found" in side(s))
            assert "Rayleigh" in side(s)
            await s.pilot.press("enter", "enter")
            await s.until(lambda: "Rayleigh scattering." in s.text() and "‹ 1 of 2 ›" in s.text())
            await s.pilot.press("ctrl+s", "slash")
            await s.until(lambda: isinstance(s.app.focused, Input))
            await s.pilot.press(*"ss")
            await s.until(lambda: "nothing found" in side(s))
            await s.pilot.press("escape")
            await s.until(lambda: "what else" in side(s) and "found" not in side(s))


async def test_a_conversation_is_renamed_pinned_deleted_and_brought_back_by_key(tmp_path: Path) -> None:
    async with LocalServer() as server:
        answers(server, "So.", "Also.")
        async with kept(server, tmp_path) as s:
            await say(s, "first question")
            await s.pilot.press("ctrl+n")
            await say(s, "second question")
            await s.pilot.press("ctrl+s")
            await s.until(lambda: chat(s).list.has_focus)
            await s.pilot.press("down", "p")
            await s.until(lambda: "★ first question" in side(s))
            assert side(s).index("Pinned") < side(s).index("Today")
            await s.pilot.press("e")
            await s.until(lambda: "What this conversation is to be called" in s.text())
            await s.pilot.press(*" [x]", "enter")
            await s.until(lambda: "★ first question [x]" in side(s))
            await s.pilot.press("d")
            await s.until(lambda: "[x]" not in side(s))
            assert "is deleted" in s.text()
            await s.pilot.press("u")
            await s.until(lambda: "★ first question [x]" in side(s))
        assert {(one.title, one.pinned) for one in disk(tmp_path).summaries()} == {
            ("first question [x]", True),
            ("second question", False),
        }


async def test_the_open_conversation_can_be_deleted(tmp_path: Path) -> None:
    async with LocalServer() as server:
        answers(server, "So.")
        async with kept(server, tmp_path) as s:
            await say(s, "first question")
            chat(s).action_delete()
            await s.until(lambda: "Nothing has been said here yet" in s.text())
            assert chat(s).conversation.model == MODEL
        assert disk(tmp_path).summaries() == []


async def test_what_another_terminal_says_is_seen(tmp_path: Path) -> None:
    async with LocalServer() as server:
        hold = Gate()
        held = Stream(piece("Here "), hold, piece("it is."), end())
        server.route("POST", "/api/chat", [Stream(piece("So."), end()), held])
        async with kept(server, tmp_path) as here, kept(server, tmp_path) as there:
            await say(here, "why")
            await here.services.chat.history.run(lambda store: None) if here.services.chat.history else None
            await there.pilot.press("ctrl+s")
            await there.until(lambda: "why" in side(there))
            await there.pilot.press("down", "enter")
            await there.until(lambda: "So." in there.text())
            await send(there, "and")
            await hold.reached()
            # asking here while the other window is being answered keeps the prompt
            chat(here).open_again()
            await here.until(lambda: len(chat(here).conversation.turns) == 4)
            await send(here, "me too")
            await here.until(lambda: "Another window is being answered" in here.text())
            assert composer(here).text == "me too"
            hold.open()
            await there.until(lambda: "Here it is." in there.text() and "done" in there.text())


async def test_a_history_that_cannot_be_written_is_told_once_and_the_app_lives(tmp_path: Path) -> None:
    async with LocalServer() as server:
        answers(server, "So.", "Also.")
        (tmp_path / "data").write_text("in the way")
        async with kept(server, tmp_path) as s:
            await say(s, "why")
            await s.until(lambda: "cannot be saved" in s.text())
            await say(s, "and")
            assert texts(chat(s).conversation) == ["why", "So.", "and", "Also."]
            (tmp_path / "data").unlink()
        assert [one.turns for one in disk(tmp_path).summaries()] == [4]


async def test_a_broken_history_is_set_aside_and_told(tmp_path: Path) -> None:
    async with LocalServer() as server:
        answers(server, "So.")
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "history.db").write_bytes(b"no database" * 500)
        async with kept(server, tmp_path) as s:
            await s.until(lambda: "history.db.broken" in s.text())
            await say(s, "why")
        assert [one.title for one in disk(tmp_path).summaries()] == ["why"]


async def test_an_answer_that_breaks_off_elsewhere_is_told_and_its_prompt_kept(tmp_path: Path) -> None:
    async with LocalServer() as server:
        hold = Gate()
        server.route("POST", "/api/chat", Stream(hold, b'{"mod', CUT))
        async with kept(server, tmp_path) as s:
            await send(s, "why")
            await hold.reached()
            first = chat(s).conversation
            await s.pilot.press("ctrl+n")
            await s.until(lambda: "· waiting" in side(s))
            hold.open()
            await s.until(lambda: first.turns[-1].status == "failed")
            assert first.draft.text == "why"


FORMATS: tuple[ExportFormat, ...] = ("markdown", "json", "json")


def more_than(folder: Path, before: int) -> bool:
    return len(list(folder.glob("[!.]*"))) > before


def shows(s: Stage, words: str) -> bool:
    return words in s.text()


async def test_a_conversation_is_saved_and_taken_in_elsewhere(tmp_path: Path) -> None:
    async with LocalServer() as server:
        answers(server, "First answer.", "Second answer.")
        async with kept(server, tmp_path / "one") as s:
            await say(s, "why/../not")
            await s.pilot.press("ctrl+r")
            await s.until(lambda: "Second answer." in s.text() and "done" in s.text())
            exports = tmp_path / "one" / "data" / "exports"
            for format in FORMATS:
                before = len(list(exports.glob("[!.]*")))
                chat(s).action_export(format)
                await s.until(partial(more_than, exports, before))
            (page,) = exports.glob("*.md")
            assert "Second answer." in page.read_text(encoding="utf-8")
            assert "Saved" in s.text()
        first, second = sorted(exports.glob("*.json"))
        assert first.read_bytes() == second.read_bytes()
        async with kept(server, tmp_path / "two") as s:
            for name, words in ((first, "1 taken in"), (second, "1 were here already"), (page, "no JSON")):
                chat(s).action_import()
                await s.until(lambda: "as it was exported here" in s.text())
                s.screen.query_one(Input).value = str(name)
                await s.pilot.press("enter")
                await s.until(partial(shows, s, words))
            await s.until(lambda: "why/../not" in side(s))
        (summary,) = disk(tmp_path / "two").summaries()
        assert summary.turns == 3
