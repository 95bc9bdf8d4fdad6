"""OutputManager: files are the truth, the index can go at any time."""

from __future__ import annotations

from pathlib import Path

import pytest

from codomyrmex_ollama_tui.library.output_manager import OutputManager
from codomyrmex_ollama_tui.library.results import ModelExecutionResult


def test_nothing_of_an_output_is_lost(tmp_path: Path) -> None:
    manager = OutputManager(str(tmp_path / "o"))
    metadata = {"a": [1, 2.5, None, {"b": "\x1b\u202e\ud800"}]}
    path = manager.save_model_output("llama3", "why", "because", metadata)
    loaded = manager.load_output(path)
    assert (loaded["prompt"], loaded["response"], loaded["metadata"]) == ("why", "because", metadata)
    assert "because" in Path(path).with_suffix(".txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["a/b:c", "..", "../../x", "\0", "x" * 300, "NUL", "com1.txt", "🙂", "\ud800"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    manager = OutputManager(str(tmp_path / "o"))
    path = Path(manager.save_model_output(name, "p", "r"))
    assert path.resolve().is_relative_to((tmp_path / "o" / "outputs").resolve())
    assert [entry.name for entry in tmp_path.iterdir()] == ["o"]
    assert [output["file_path"] for output in manager.list_saved_outputs(name)] == [str(path)]


@pytest.mark.parametrize("damage", ["deleted", "overwritten"])
def test_a_lost_index_loses_nothing(tmp_path: Path, damage: str) -> None:
    manager = OutputManager(str(tmp_path))
    for number in range(5):
        manager.save_model_output("llama3", f"question {number}", "answer")
    manager.save_batch_results([ModelExecutionResult("qwen3:8b", "p", "r", 1.0)])
    before = manager.list_saved_outputs()
    index = tmp_path / "index.db"
    if damage == "deleted":
        index.unlink()
    else:
        for journal in ("index.db-wal", "index.db-shm"):  # they hold the pages still
            (tmp_path / journal).unlink(missing_ok=True)
        index.write_bytes(b"not a database " * 1000)
    assert OutputManager(str(tmp_path)).list_saved_outputs() == before
    assert (tmp_path / "index.db.broken").exists() == (damage == "overwritten")


def test_foreign_and_broken_files_are_listed_and_never_cleaned_up(tmp_path: Path) -> None:
    manager = OutputManager(str(tmp_path))
    path = Path(manager.save_model_output("llama3", "p", "r"))
    pinned = manager.save_model_output("llama3", "p", "r")
    manager.mark_output(pinned, pinned=True)
    path.with_name("cut.json").write_text(path.read_text(encoding="utf-8")[:90], encoding="utf-8")
    path.with_name("notes.csv").write_text("a,b", encoding="utf-8")
    assert sorted(o["kind"] for o in manager.list_saved_outputs()) == ["broken", "foreign", "output", "output"]
    assert manager.cleanup_old_outputs(0) == 1
    assert sorted(o["kind"] for o in manager.list_saved_outputs()) == ["broken", "foreign", "output"]


def test_the_last_saved_configuration_is_loaded(tmp_path: Path) -> None:
    manager = OutputManager(str(tmp_path))
    manager.save_model_config("llama3", {"t": 1})
    manager.save_model_config("llama3:latest", {"t": 2})
    assert manager.load_model_config("LLAMA3") == {"t": 2}
    assert manager.load_model_config("other") is None
