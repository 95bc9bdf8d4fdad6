"""What the program remembers, in real files."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.store.migrations import state as layout
from codomyrmex_ollama_tui.store.state import NAMES_KEPT, KeptPull, StateFailed, StateStore

START = datetime(2026, 11, 24, tzinfo=UTC)


def ticking() -> Callable[[], datetime]:
    """A clock that goes on by a second at each look."""
    moments = iter(range(10**6))
    return lambda: START + timedelta(seconds=next(moments))


def store(folder: Path) -> StateStore:
    return StateStore(folder / "state" / "state.db", now=ticking())


def test_pulls_stay_in_order_until_they_are_dropped(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.keep_pull(KeptPull("here", "b:latest", 0, None, "1 2"))
    kept.keep_pull(KeptPull("here", "a:latest"))
    kept.keep_pull(KeptPull("there", "c:latest"))
    kept.keep_pull(KeptPull("here", "b:latest", 40, 100))
    kept.close()
    again = store(tmp_path)
    assert again.kept_pulls("here") == (KeptPull("here", "b:latest", 40, 100), KeptPull("here", "a:latest"))
    assert [pull.name for pull in again.kept_pulls("there")] == ["c:latest"]
    again.drop_pull("here", "b:latest")
    again.drop_pull("here", "nobody")
    assert [pull.name for pull in again.kept_pulls("here")] == ["a:latest"]
    again.close()


def test_names_are_remembered_newest_first_and_not_for_ever(tmp_path: Path) -> None:
    kept = store(tmp_path)
    for name in ("a", "b", "a"):
        kept.remember_pulled(name)
    assert kept.pulled_names() == ("a", "b")
    for number in range(NAMES_KEPT):
        kept.remember_pulled(f"model{number}")
    assert len(kept.pulled_names()) == NAMES_KEPT
    assert "b" not in kept.pulled_names()
    kept.close()


def test_values_are_kept_under_their_names(tmp_path: Path) -> None:
    kept = store(tmp_path)
    assert kept.value("last_model") is None
    kept.keep_value("last_model", "gemma3:1b")
    kept.keep_value("last_model", "smollm2:135m")
    assert kept.value("last_model") == "smollm2:135m"
    kept.close()


@pytest.mark.skipif(sys.platform == "win32", reason="modes are those of POSIX")
def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.keep_value("a", "b")
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.path.parent.stat().st_mode) == 0o700
    for beside in kept.path.parent.iterdir():
        assert stat.S_IMODE(beside.stat().st_mode) == 0o600, beside.name
    kept.close()


def test_a_broken_file_is_kept_under_another_name_and_said(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.path.parent.mkdir()
    kept.path.write_bytes(b"this is no database, but long enough to be taken for one" * 100)
    kept.keep_value("a", "b")
    assert kept.value("a") == "b"
    (problem,) = kept.problems
    (aside,) = kept.path.parent.glob("state.broken-*.db")
    assert aside.name in problem
    assert aside.read_bytes().startswith(b"this is no database")
    kept.close()


def test_the_database_of_another_program_is_left_as_it_is(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.path.parent.mkdir()
    other = sqlite3.connect(kept.path)
    other.execute("CREATE TABLE precious (x)")
    other.close()
    kept.keep_value("a", "b")
    (aside,) = kept.path.parent.glob("state.broken-*.db")
    other = sqlite3.connect(aside)
    assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("precious",)]
    other.close()
    kept.close()


def test_a_file_of_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.keep_value("a", "b")
    kept.close()
    newer = sqlite3.connect(kept.path)
    newer.execute(f"PRAGMA user_version = {len(layout.STEPS) + 1}")
    newer.commit()
    newer.close()
    for _ in range(2):
        with pytest.raises(StateFailed, match="newer version"):
            kept.value("a")
    assert kept.problems == ()
    assert list(kept.path.parent.glob("state.broken-*")) == []


def test_a_file_that_cannot_be_written_is_an_error_with_its_name(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.path.parent.parent.joinpath("state").write_text("a file where the folder should be")
    with pytest.raises(StateFailed, match=r"state\.db: "):
        kept.keep_value("a", "b")


def test_a_migration_keeps_a_copy_of_what_was_there(tmp_path: Path) -> None:
    kept = store(tmp_path)
    kept.keep_value("a", "b")
    kept.close()
    path = kept.path
    connection = sqlite3.connect(path, isolation_level=None)
    steps = layout.STEPS
    with pytest.raises(sqlite3.Error):
        layout.migrate(connection, path, (*steps, ("CREATE TABLE later (x)", "this is not SQL")))
    assert layout.version_of(connection) == len(steps)
    assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'later'").fetchone() == (0,)
    longer = (*steps, ("CREATE TABLE later (x)",))
    layout.migrate(connection, path, longer)
    layout.migrate(connection, path, longer)
    assert layout.version_of(connection, longer) == len(longer)
    assert connection.execute("SELECT text FROM value").fetchall() == [("b",)]
    connection.close()
    copy = sqlite3.connect(path.with_name(f"state.db.layout-{len(steps)}"))
    assert copy.execute("SELECT text FROM value").fetchall() == [("b",)]
    copy.close()


WRITER = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from codomyrmex_ollama_tui.store.state import KeptPull, StateStore
store = StateStore(Path(sys.argv[1]), now=lambda: datetime.now(UTC))
for number in range(30):
    store.keep_pull(KeptPull("here", f"{sys.argv[2]}-{number}"))
store.close()
"""


def test_two_programs_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state" / "state.db"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in ("a", "b")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    kept = StateStore(path, now=ticking())
    assert len(kept.kept_pulls("here")) == 60
    kept.close()


names = st.text(min_size=1, max_size=12)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["keep", "drop"]), names, st.integers(0, 2**62)), max_size=12))
def test_the_file_holds_what_was_kept(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, int]]
) -> None:
    kept = store(tmp_path_factory.mktemp("state"))
    model: dict[str, int] = {}
    for what, name, completed in steps:
        if what == "keep":
            kept.keep_pull(KeptPull("here", name, completed))
            model[name] = completed
        else:
            kept.drop_pull("here", name)
            model.pop(name, None)
    assert [(pull.name, pull.completed) for pull in kept.kept_pulls("here")] == list(model.items())
    kept.close()
