"""The file of the history: for its owner alone, set aside when broken, copied before it is migrated."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.store.history import HistoryFailed, HistoryStore
from codomyrmex_ollama_tui.store.history_file import HistoryFile
from codomyrmex_ollama_tui.store.migrations.history import MIGRATIONS
from tests.store.test_history import NOON, POSIX, kept, store_in, talk


@POSIX
def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    store = store_in(tmp_path / "data")
    kept(store, talk())
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "data").iterdir()} == {0o600}
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def _foreign(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as raw:
        raw.execute("CREATE TABLE diary (day TEXT)")


@pytest.mark.parametrize(
    "spoil",
    [lambda path: path.write_bytes(b"no database at all" * 100), _foreign, lambda path: _cut(path)],
    ids=["garbage", "foreign", "cut"],
)
def test_a_broken_file_is_set_aside_and_its_name_is_said(tmp_path: Path, spoil: object) -> None:
    assert callable(spoil)
    path = tmp_path / "history.db"
    spoil(path)
    before = path.read_bytes()
    (tmp_path / "history.db.broken").write_bytes(b"from last time")
    told: list[str] = []
    store = store_in(tmp_path, told=told)
    for _ in range(2):  # what is noticed in the middle of the first call is set right for the second
        with contextlib.suppress(HistoryFailed):
            kept(store, talk())
            break
    assert [one.id for one in store.summaries()] == ["c"]
    assert len(told) == 1
    assert "history.db.broken-2" in told[0]
    assert (tmp_path / "history.db.broken-2").read_bytes() == before
    assert (tmp_path / "history.db.broken").read_bytes() == b"from last time"


def _cut(path: Path) -> None:
    """A history whose inner pages are garbage."""
    store = HistoryStore(path, now=lambda: NOON, writer="w")
    kept(store, talk(answer="long " * 5000))
    store.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    kept(store, talk())
    store.close()
    with contextlib.closing(sqlite3.connect(store.path)) as raw:
        raw.execute("PRAGMA user_version = 99")
    before = store.path.read_bytes()
    with pytest.raises(HistoryFailed, match="layout 99"):
        store_in(tmp_path).summaries()
    assert store.path.read_bytes() == before


NEXT = (*MIGRATIONS, ("ALTER TABLE conversation ADD COLUMN colour TEXT", "UPDATE conversation SET colour = 'red'"))


def test_a_migration_copies_the_file_first_and_happens_once(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    kept(store, talk())
    store.close()
    files = [HistoryFile(store.path, migrations=NEXT) for _ in range(4)]
    threads = [threading.Thread(target=lambda file=file: _colours(file)) for file in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(_colours(file) == ["red"] for file in files)
    with contextlib.closing(sqlite3.connect(tmp_path / f"history.db.layout-{len(MIGRATIONS)}")) as copy:
        assert copy.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert copy.execute("SELECT title FROM conversation").fetchall() == [("Why",)]
    for file in files:
        file.close()


def _colours(file: HistoryFile) -> list[str]:
    with file.reading() as connection:
        return [colour for (colour,) in connection.execute("SELECT colour FROM conversation")]


def test_every_older_layout_becomes_the_newest(tmp_path: Path) -> None:
    for version in range(1, len(MIGRATIONS)):
        folder = tmp_path / str(version)
        file = HistoryFile(folder / "history.db", migrations=MIGRATIONS[:version])
        with file.writing() as connection:
            connection.execute(
                "INSERT INTO conversation (id, title, model, created, changed) VALUES ('c', 't', 'm', 0, 0)"
            )
        file.close()
        store = store_in(folder)
        assert [one.title for one in store.summaries()] == ["t"]
        assert kept(store, talk("d")) == talk("d")


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    conversation = talk()
    kept(store, conversation)
    store.close()
    file = HistoryFile(store.path, migrations=(*NEXT[:-1], (*NEXT[-1], "THIS IS NO SQL")))
    with pytest.raises(HistoryFailed), file.reading():
        pass
    file.close()
    assert store_in(tmp_path).load("c") == conversation


def test_a_folder_that_cannot_be_made_is_an_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    store = store_in(tmp_path / "data")
    with pytest.raises(HistoryFailed, match=r"history\.db"):
        store.save(talk())


NO_ROOM = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from codomyrmex_ollama_tui.domain.conversations import Conversation, Turn
from codomyrmex_ollama_tui.store.history import HistoryFailed, HistoryStore

now = datetime(2026, 11, 24, 12, tzinfo=UTC)
store = HistoryStore(Path(sys.argv[1]), now=lambda: now, writer="w")
conversation = Conversation("c", "Why", "m", created_at=now, changed_at=now)
conversation.add(Turn("q", "user", "why?"), Turn("a", "assistant", status="streaming", parent="q"))
store.add(conversation, list(conversation.tree.values()))
limit, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, most))
kept = 0
while True:
    try:
        store.append("a", "x" * 1000, "")
    except HistoryFailed as error:
        print(error)
        break
    kept += 1
store.close()
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
assert store.load("c").turns[1].text == "x" * 1000 * kept, "what was committed is there"
store.append("a", "y", "")
assert store.load("c").turns[1].text.endswith("xy"), "it goes on when there is room again"
"""


@POSIX
def test_without_room_on_the_disk_nothing_is_lost_and_it_goes_on_when_there_is(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NO_ROOM, str(tmp_path / "history.db")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "history.db" in done.stdout
