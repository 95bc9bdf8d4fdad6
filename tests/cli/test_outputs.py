"""`cotui outputs`: lists, searches, exports and clean-ups as a person and as a script sees them."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.library.output_manager import OutputManager
from tests.cli.calling import Program
from tests.cli.talk import posix
from tests.store.test_history import kept, store_in, talk


@pytest.fixture
def cotui(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(tmp_path, capsys)


@pytest.fixture
def saved(cotui: Program) -> list[str]:
    """Paths of five outputs, oldest first, the last one pinned and rated, and of a configuration."""
    with OutputManager(str(cotui.data / "outputs")) as manager:
        paths = [
            manager.save_model_output("llama3", f"why {number}?", f"answer\x1b[31m {number}", {"eval_count": number})
            for number in range(5)
        ]
        manager.mark_output(paths[-1], rating=4, pinned=True, tags=["good", "to do"])
        return [*paths, manager.save_model_config("qwen3:8b", {"temperature": 0.1})]


def test_nothing_saved_is_an_empty_list_and_makes_nothing(cotui: Program) -> None:
    for verb in ("list", "stats", "export", "reindex"):
        said = cotui("outputs", verb)
        assert (said.code, said.out) == (0, ""), verb
    assert json.loads(cotui("outputs", "list", "--json").out) == []
    assert json.loads(cotui("outputs", "stats", "--json").out)["records"] == 0
    said = cotui("outputs", "show", "last")
    assert (said.code, said.err) == (1, "cotui: nothing has been saved yet\n")
    assert not (cotui.data / "outputs").exists()


def test_records_are_where_output_directory_says(cotui: Program, saved: list[str]) -> None:
    elsewhere = cotui.home / "else where"
    with OutputManager(str(elsewhere)) as manager:
        path = manager.save_model_output("m", "p", "r")
    assert cotui("config", "set", "ollama.output_directory", str(elsewhere)).code == 0
    assert [one["file_path"] for one in json.loads(cotui("outputs", "list", "--json").out)] == [path]
    assert cotui("config", "set", "ollama.output_directory", "--remove").code == 0
    assert len(json.loads(cotui("outputs", "list", "--json").out)) == len(saved)


def test_a_list_is_one_line_a_record_newest_first_and_has_pages(cotui: Program, saved: list[str]) -> None:
    said = cotui("outputs", "list")
    assert (said.code, said.err) == (0, "")
    lines = [line.split("\t") for line in said.out.splitlines()]
    assert [str(cotui.data / "outputs" / line[0]) for line in lines] == saved[::-1]
    assert lines[1][1:3] == ["output", "llama3"]
    assert lines[1][4:] == ["4", lines[1][5], "pinned 4/5 #good #to do", "why 4?"]
    assert "\x1b" not in said.out
    listed = json.loads(cotui("outputs", "list", "--json").out)
    assert [one["file_path"] for one in listed] == saved[::-1]
    pages = [json.loads(cotui("outputs", "list", "--json", "--limit", "4", "--page", page).out) for page in "123"]
    assert pages == [listed[:4], listed[4:], []]
    only = json.loads(cotui("outputs", "list", "--model", "QWEN3:8b", "--kind", "config,batch", "--json").out)
    assert [one["kind"] for one in only] == ["config"]


def test_a_search_speaks_the_query_language(cotui: Program, saved: list[str]) -> None:
    found = json.loads(cotui("outputs", "search", "answer", "rating:>3 tag:good", "--json").out)
    assert [(one["file_path"], one["snippet"]) for one in found] == [(saved[4], "answer␛[31m 4")]
    assert json.loads(cotui("outputs", "search", "answer -why", "--json").out) == []
    assert len(json.loads(cotui("outputs", "search", "--json", "--", "-why").out)) == 1
    said = cotui("outputs", "search", "rating:9")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("cotui: QUERY: rating needs a number from 1 to 5")


def test_a_record_is_found_by_id_name_key_and_path(cotui: Program, saved: list[str]) -> None:
    path = Path(saved[2])
    key = path.relative_to(cotui.data / "outputs").as_posix()
    for name in (saved[2], key, path.name, path.stem, path.stem.rpartition("-")[2]):
        said = cotui("outputs", "show", name, "--json")
        whole = json.loads(said.out)
        assert (whole["key"], whole["prompt"], whole["metadata"]) == (key, "why 2?", {"eval_count": 2}), name
    assert json.loads(cotui("outputs", "show", "last", "--data").out) == {"temperature": 0.1}
    assert cotui("outputs", "show", path.stem, "--prompt").out == "why 2?\n"
    shown = cotui("outputs", "show", path.stem).out
    assert "model\tllama3\n" in shown
    assert "\nprompt:\nwhy 2?\n" in shown
    for name, words in (
        ("nothing", "'nothing': there is no such record"),
        ("../../x", "'../../x': there is no such record"),
        ("json", "may be several records: configs/"),
        ("a\x1bb", r"'a\x1bb': there is no such record"),
    ):
        said = cotui("outputs", "show", name)
        assert (said.code, said.out) == (1, "")
        assert words in said.err


def test_exports_go_to_standard_output_or_to_a_file_of_their_own(cotui: Program, saved: list[str]) -> None:
    assert len(json.loads(cotui("outputs", "export", "--json").out)) == 6
    lines = cotui("outputs", "export", "--format", "jsonl", "--limit", "2", "kind:output").out.splitlines()
    assert [json.loads(line)["prompt"] for line in lines] == ["why 4?", "why 3?"]
    rows = list(csv.DictReader(io.StringIO(cotui("outputs", "export", "--format", "csv", "--model", "llama3").out)))
    assert [row["prompt"] for row in rows] == [f"why {number}?" for number in (4, 3, 2, 1, 0)]
    assert cotui("outputs", "export", "tag:good").out.startswith("## output · llama3 · ")
    file = cotui.data / "mine.md"
    said = cotui("outputs", "export", "--output", str(file))
    assert (said.code, said.out, said.err) == (0, "", f"cotui: 6 records written to {file}\n")
    text = file.read_text(encoding="utf-8")
    said = cotui("outputs", "export", "-o", str(file), "tag:good")
    assert (said.code, said.err) == (1, f"cotui: {file} is there already; --force replaces it\n")
    assert file.read_text(encoding="utf-8") == text
    said = cotui("outputs", "export", "-o", str(file), "tag:good", "--force", "--json")
    assert json.loads(said.out) == {"file": str(file), "records": 1, "left_out": []}
    assert file.read_text(encoding="utf-8").count("## ") == 1
    assert cotui("outputs", "export", "-o", str(cotui.data / "x.odt")).code == 2


def test_a_broken_record_is_named_and_left_out_of_an_export(cotui: Program, saved: list[str]) -> None:
    path = Path(saved[0])
    broken = path.with_name("cut.json")
    broken.write_bytes(path.read_bytes()[:80])
    said = cotui("outputs", "export", "--format", "jsonl")
    assert (said.code, len(said.out.splitlines())) == (1, 6)
    assert said.err.startswith(f"cotui: left out: cannot read {broken}: half-written")
    said = cotui("outputs", "show", "cut")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith(f"cotui: cannot read {broken}: half-written")


def test_statistics(cotui: Program, saved: list[str]) -> None:
    rows = [line.split("\t") for line in cotui("outputs", "stats").out.splitlines()]
    assert [row[:3] for row in rows] == [["output", "llama3", "5"], ["config", "qwen3:8b", "1"]]
    assert rows[0][4] == "10"
    whole = json.loads(cotui("outputs", "stats", "--json").out)
    assert (whole["records"], len(whole["totals"])) == (6, 2)
    assert whole["size"] == sum(total["size"] for total in whole["totals"]) == sum(int(row[3]) for row in rows)


def test_a_clean_up_says_what_would_go_and_never_goes_unasked(cotui: Program, saved: list[str]) -> None:
    said = cotui("outputs", "clean", "--older-than", "0d", "--dry-run")
    assert said.code == 0
    going = [line.split("\t") for line in said.out.splitlines()]
    assert [str(cotui.data / "outputs" / row[0]) for row in going] == saved[:4]
    assert {row[-1] for row in going} == {"older than 0 days"}
    assert "kept for their pin or rating: 1" in said.err
    assert cotui("outputs", "clean", "--yes").code == 0  # older than 30 days: none
    for arguments in (["clean", "--older-than", "0d"], ["clean", "--json"]):
        said = cotui("outputs", *arguments)
        assert said.code == 2
        assert "nobody can be asked here" in said.err
    assert [path for path in saved if not Path(path).exists()] == []
    planned = json.loads(cotui("outputs", "clean", "--larger-than", "1B", "--dry-run", "--json").out)
    assert (planned["records"], planned["dry_run"]) == (4, True)
    done = json.loads(cotui("outputs", "clean", "--older-than", "0d", "--yes", "--json").out)
    assert (done["records"], done["freed"], done["dry_run"]) == (4, planned["freed"], False)
    assert [path for path in saved if Path(path).exists()] == saved[4:]
    for wrong in (["--older-than", "soon"], ["--larger-than", "much"], ["--kind", "chats"]):
        assert cotui("outputs", "clean", *wrong).code == 2


def test_answers_of_chats_are_found_shown_and_exported_but_not_cleaned_up(cotui: Program, saved: list[str]) -> None:
    store = store_in(cotui.data)
    conversation = talk()
    conversation.turns[1].asked_at = datetime(2020, 1, 1, tzinfo=UTC)
    kept(store, conversation)
    store.close()
    found = json.loads(cotui("outputs", "search", "kind:chat", "--json").out)
    assert [(one["key"], one["kind"], one["file_path"]) for one in found] == [("chat:c-a", "chat", None)]
    whole = json.loads(cotui("outputs", "show", "chat:c-a", "--json").out)
    assert (whole["prompt"], whole["response"]) == ("why?", "so.")
    assert cotui("outputs", "show", "chat:c-a", "--response").out == "so.\n"
    lines = cotui("outputs", "export", "--format", "jsonl", "--kind", "chat,config").out.splitlines()
    assert sorted(json.loads(line)["kind"] for line in lines) == ["chat", "config"]
    assert cotui("outputs", "clean", "--older-than", "0d", "--yes", "--include-rated").code == 0
    left = json.loads(cotui("outputs", "list", "--json").out)
    assert sorted(one["kind"] for one in left) == ["chat", "config", "output"]  # the output is pinned
    assert cotui("outputs", "clean", "--older-than", "0d", "--kind", "chat", "--yes").code == 0
    assert cotui("outputs", "list", "--kind", "chat").out == ""


def test_reindex_takes_in_what_was_edited_in_place(cotui: Program, saved: list[str]) -> None:
    assert len(cotui("outputs", "list").out.splitlines()) == 6
    path = Path(saved[0])
    path.write_text(path.read_text(encoding="utf-8").replace('"why 0?"', '"whether 0?"'), encoding="utf-8")
    assert json.loads(cotui("outputs", "reindex", "--json").out) == {"records": 6}
    assert len(cotui("outputs", "search", "whether").out.splitlines()) == 1
    (cotui.data / "index.db").write_bytes(b"no database at all" * 100)
    for journal in ("index.db-wal", "index.db-shm"):
        (cotui.data / journal).unlink(missing_ok=True)
    assert len(cotui("outputs", "list").out.splitlines()) == 6


@posix
def test_on_a_terminal_there_is_a_table_that_fits_and_a_question(cotui: Program, saved: list[str]) -> None:
    drawn = cotui.on_terminal("outputs", "list", "--limit", "3", columns=100).out.splitlines()
    assert drawn[0].split() == ["ID", "KIND", "MODEL", "SAVED", "TOKENS", "SIZE", "MARKS", "TEXT"]
    assert drawn[-1] == "cotui: there is more: --page 2"
    assert max(map(len, drawn)) <= 100
    drawn = cotui.on_terminal("outputs", "list", columns=50).out.splitlines()
    assert drawn[0].split() == ["ID", "KIND", "MODEL", "SAVED", "TEXT"]
    refused = cotui.on_terminal("outputs", "clean", "--older-than", "0d", typed="n\n")
    assert refused.code == 1
    assert "Throw 4 records away" in refused.out
    assert "nothing was thrown away" in refused.out
    assert Path(saved[0]).exists()
    assert cotui.on_terminal("outputs", "clean", "--older-than", "0d", typed="y\n").code == 0
    assert [path for path in saved if Path(path).exists()] == saved[4:]


def test_the_program_itself(cotui: Program, saved: list[str]) -> None:
    said = cotui.process("outputs", "list", "--limit", "1")
    assert (said.code, said.err) == (0, "")
    assert said.out.split("\t")[1:3] == ["config", "qwen3:8b"]
    (cotui.data / "outputs").rename(cotui.data / "away")
    (cotui.data / "outputs").write_text("in the way", encoding="utf-8")
    said = cotui.process("outputs", "list")
    assert (said.code, said.out) == (1, "")
    assert said.err == f"cotui: cannot read {cotui.data / 'outputs'}: not a folder\n"
