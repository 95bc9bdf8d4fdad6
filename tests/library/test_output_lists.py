"""OutputManager: what its lists, searches, statistics and clean-ups say, for records of every kind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from codomyrmex_ollama_tui.library.output_manager import OutputManager
from codomyrmex_ollama_tui.library.results import ModelExecutionResult

FAILED = ModelExecutionResult("qwen3:8b", "p", "par", 0.5, success=False, error_message="cut", metadata={"partial": 1})
REPORT = {"model_name": "llama3", "total_prompts": 2, "avg_tokens_per_second": 61.5, "detailed_results": []}
COMPARED = {"test_prompts": ["why"], "models_compared": ["llama3", "qwen3:8b"], "results": {}, "summary": {}}


@pytest.fixture
def manager(tmp_path: Path) -> OutputManager:
    return OutputManager(str(tmp_path / "o"))


def save_all(manager: OutputManager) -> dict[str, str]:
    """One record of every kind, oldest first: path by kind."""
    return {
        "output": manager.save_model_output("llama3", "why is the sky blue?", "Because of scattering.", {"n": 1}),
        "result": manager.save_execution_result(FAILED),
        "batch": manager.save_batch_results([FAILED, ModelExecutionResult("llama3", "p2", "r2", 1.0, 7)]),
        "benchmark": manager.save_benchmark_report(REPORT),
        "comparison": manager.save_model_comparison(COMPARED),
        "config": manager.save_model_config("llama3", {"temperature": 0.1}),
    }


def age(path: str, days: int) -> None:
    """Makes a record as old as that, by hand."""
    file = Path(path)
    fields = json.loads(file.read_text(encoding="utf-8"))
    fields["created_at"] = (datetime.now(UTC) - timedelta(days=days)).isoformat()
    beside = file.with_suffix(".new")
    beside.write_text(json.dumps(fields), encoding="utf-8")
    beside.replace(file)


def test_every_kind_is_listed_newest_first_with_what_a_list_needs(manager: OutputManager) -> None:
    paths = save_all(manager)
    listed = manager.list_saved_outputs()
    assert [(one["kind"], one["file_path"]) for one in listed] == list(reversed(paths.items()))
    for one in listed:
        assert list(one) == ["file_path", "filename", "kind", "model_name", "created_at", "size", "preview"]
        path = Path(one["file_path"])
        beside = path.with_suffix(".txt")
        assert one["filename"] == path.name
        assert one["size"] == path.stat().st_size + (beside.stat().st_size if beside.exists() else 0)
        assert datetime.fromisoformat(one["created_at"]).utcoffset() == timedelta(0)
        day = path.relative_to(manager.base_output_dir).parts[2]
        assert one["created_at"].startswith(day)
    assert {one["kind"] for one in listed if Path(one["file_path"]).with_suffix(".txt").exists()} == {"output"}
    assert listed[-1]["preview"] == "Because of scattering."
    json.dumps(listed)
    assert manager.list_saved_outputs(limit=2) == listed[:2]
    of_llama = manager.list_saved_outputs("LLAMA3:latest")  # alone or among others
    assert [one["kind"] for one in of_llama] == ["config", "comparison", "benchmark", "batch", "output"]
    assert manager.list_saved_outputs("nobody") == []


def test_every_kind_is_read_back_whole(manager: OutputManager) -> None:
    paths = save_all(manager)
    loaded = {kind: manager.load_output(path) for kind, path in paths.items()}
    json.dumps(loaded)
    assert {kind: one["kind"] for kind, one in loaded.items()} == {kind: kind for kind in paths}
    result = loaded["result"]
    assert (
        ModelExecutionResult(
            result["model_name"], result["prompt"], result["response"], metadata=result["metadata"], **result["data"]
        )
        == FAILED
    )
    assert loaded["batch"]["data"]["results"][0] == asdict(FAILED)
    assert (loaded["batch"]["data"]["total"], loaded["batch"]["data"]["successful"]) == (2, 1)
    assert loaded["batch"]["model_name"] == "qwen3:8b, llama3"
    assert loaded["benchmark"]["data"] == REPORT
    assert loaded["comparison"]["data"] == COMPARED
    assert loaded["config"]["data"] == {"temperature": 0.1}
    assert manager.load_output(manager.save_model_output("m", "p", "r"))["metadata"] is None
    with pytest.raises(ValueError, match="not in the outputs folder"):
        manager.load_output("/etc/hostname")
    with pytest.raises(OSError, match="cannot find"):
        manager.load_output(paths["output"] + "x")


def test_a_search_takes_the_query_language_and_filters_of_its_own(manager: OutputManager) -> None:
    paths = save_all(manager)

    def found(query: str, **filters: Any) -> list[str]:
        return [one["kind"] for one in manager.search_outputs(query, **filters)]

    assert found("scatter") == ["output"]
    assert found("") == list(reversed(paths))
    assert found("model:llama* -kind:config", limit=1) == ["comparison"]
    assert found("", kind="benchmark") == ["benchmark"]
    assert found("kind:batch", kind="benchmark") == []
    assert found("why", model_name="llama3") == ["comparison", "output"]
    assert found("", model_name="qwen3:8b") == ["comparison", "batch", "result"]
    age(paths["output"], 40)
    assert found("kind:output", since="30d") == []
    assert found("kind:output", since="2m") == ["output"]
    assert found("kind:output", since=date.today() - timedelta(days=30)) == []
    assert found("kind:output since:90d", since=datetime.now(UTC) - timedelta(days=30)) == []
    assert found("kind:output", since=datetime.now() - timedelta(days=60)) == ["output"]
    (hit,) = manager.search_outputs('"sky blue"')
    assert list(hit)[-1] == "snippet"
    assert hit["snippet"] == "why is the sky blue?"
    json.dumps(hit)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda manager: manager.search_outputs("rating:9"), "rating needs a number from 1 to 5"),
        (lambda manager: manager.search_outputs("", kind="picture"), "kind: 'picture' is none of"),
        (lambda manager: manager.search_outputs("", since="soon"), "since needs a day"),
        (lambda manager: manager.search_outputs("", limit=0), "limit: 0 is less than 1"),
        (lambda manager: manager.list_saved_outputs(" "), "model_name: empty"),
        (lambda manager: manager.list_saved_outputs(7), "model_name: int is not text"),
        (lambda manager: manager.save_model_output("", "p", "r"), "model_name: empty"),
        (lambda manager: manager.save_model_output("m", None, "r"), "prompt: NoneType is not text"),
        (lambda manager: manager.save_model_output("m", "p", 1), "response: int is not text"),
        (lambda manager: manager.save_model_output("m", "p", "r", []), "metadata: list is not a dict"),
        (lambda manager: manager.save_model_output("m", "p", "r", {"at": {1: 2}}), r"metadata\.at: the key 1 is not"),
        (lambda manager: manager.save_model_config("m", "x"), "config: str is not a dict"),
        (lambda manager: manager.save_execution_result({}), "result: dict is not a ModelExecutionResult"),
        (lambda manager: manager.save_batch_results([FAILED, 1]), r"results\[1\]: int is not"),
        (lambda manager: manager.save_batch_results("results"), "results: str is not a list"),
        (lambda manager: manager.save_benchmark_report([]), "benchmark_data: list is not a dict"),
        (lambda manager: manager.save_model_comparison(None), "comparison_data: NoneType is not a dict"),
        (lambda manager: manager.cleanup_old_outputs(-1), "days_old: -1 is negative"),
        (lambda manager: manager.cleanup_old_outputs(1.5), "days_old: float is not a whole number"),
        (lambda manager: OutputManager(""), "base_output_dir: '' is not the name of a folder"),
        (lambda manager: OutputManager("a\0b"), "base_output_dir"),
    ],
)
def test_a_wrong_argument_is_named_and_nothing_is_made(
    manager: OutputManager, wrong: Callable[[Any], object], words: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        wrong(manager)
    assert not manager.base_output_dir.exists()


@pytest.mark.parametrize(
    "marks",
    [
        {"rating": 0},
        {"rating": 4.0},
        {"rating": True},
        {"tags": "good"},
        {"tags": [1]},
        {"tags": ["a\nb"]},
        {"tags": ["a", "A"]},
        {"note": 5},
        {"pinned": "yes"},
    ],
)
def test_a_wrong_mark_is_refused_and_the_record_stays_readable(manager: OutputManager, marks: dict[str, Any]) -> None:
    path = manager.save_model_output("m", "p", "r")
    before = Path(path).read_bytes()
    with pytest.raises((TypeError, ValueError), match=next(iter(marks))):
        manager.mark_output(path, **marks)
    assert Path(path).read_bytes() == before


def test_marks_are_kept_with_the_record_and_found(manager: OutputManager) -> None:
    path = manager.save_model_output("m", "p", "r")
    manager.mark_output(path, rating=4, pinned=True, tags=["good", "to do"], note="see\nagain")
    manager.mark_output(path, rating=5)
    fresh = OutputManager(str(manager.base_output_dir))
    loaded = fresh.load_output(path)
    assert [loaded[name] for name in ("rating", "pinned", "tags", "note")] == [5, True, ["good", "to do"], "see\nagain"]
    for query in ('tag:"to do"', "rating:>4", "is:pinned", "again", "is:rated -tag:bad"):
        assert [one["file_path"] for one in fresh.search_outputs(query)] == [path], query
    manager.mark_output(path, rating=None, pinned=False, tags=[], note="")
    assert fresh.search_outputs("is:rated") == fresh.search_outputs("is:pinned") == fresh.search_outputs("again") == []


def test_statistics(manager: OutputManager) -> None:
    assert manager.get_output_stats() == {
        "total_outputs": 0,
        "total_size": 0,
        "by_type": {},
        "by_model": {},
        "oldest_output": None,
        "newest_output": None,
    }
    assert not manager.base_output_dir.exists()  # asking makes nothing
    save_all(manager)
    manager.save_model_output("llama3", "again", "yes")
    stats = manager.get_output_stats()
    listed = manager.list_saved_outputs()
    assert stats["total_outputs"] == len(listed) == 7
    assert stats["total_size"] == sum(one["size"] for one in listed)
    assert stats["by_type"] == {
        "output": 2,
        "result": 1,
        "batch": 1,
        "benchmark": 1,
        "comparison": 1,
        "config": 1,
    }
    assert stats["by_model"] == {"llama3": 4, "qwen3:8b": 1, "qwen3:8b, llama3": 1, "llama3, qwen3:8b": 1}
    assert (stats["oldest_output"], stats["newest_output"]) == (listed[-1]["created_at"], listed[0]["created_at"])
    json.dumps(stats)


def test_a_clean_up_takes_old_records_but_no_pinned_ones_and_no_configurations(manager: OutputManager) -> None:
    paths = save_all(manager)
    for path in paths.values():
        age(path, 31)
    manager.mark_output(paths["result"], pinned=True)
    manager.mark_output(paths["batch"], rating=5, tags=["good"])
    young = manager.save_model_output("llama3", "p", "r")
    age(young, 29)
    assert manager.cleanup_old_outputs(32) == 0
    assert manager.cleanup_old_outputs() == 4
    left = {one["kind"]: one["file_path"] for one in manager.list_saved_outputs()}
    assert left == {"output": young, "result": paths["result"], "config": paths["config"]}
    assert not Path(paths["output"]).with_suffix(".txt").exists()
    assert manager.load_model_config("llama3") == {"temperature": 0.1}
    assert manager.cleanup_old_outputs(10**12) == 0
    assert manager.cleanup_old_outputs(0) == 1


def test_16_threads_inside_a_running_loop_save_without_a_collision(manager: OutputManager) -> None:
    async def save() -> list[str]:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(16) as pool:
            waiting = [loop.run_in_executor(pool, manager.save_model_output, "m", "p", str(n)) for n in range(64)]
            here = manager.save_model_output("m", "p", "64")  # in the thread of the loop itself
            return [here, *await asyncio.gather(*waiting)]

    paths = asyncio.run(save())
    assert len(set(paths)) == 65
    assert {manager.load_output(path)["response"] for path in paths} == {str(number) for number in range(65)}
    assert {one["file_path"] for one in manager.list_saved_outputs()} == set(paths)


def test_the_folder_of_the_bare_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with OutputManager() as manager:
        assert manager.base_output_dir == tmp_path / "ollama_outputs"
        assert manager.list_saved_outputs() == []
        assert list(tmp_path.iterdir()) == []
        path = manager.save_model_output("m", "p", "r")
    assert Path(path).is_relative_to(tmp_path / "ollama_outputs" / "outputs" / "m")
