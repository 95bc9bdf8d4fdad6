"""An outputs folder in trouble: full, gone, in the way of something, with a damaged index. Nothing saved is lost."""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.domain.output_query import Query
from codomyrmex_ollama_tui.domain.outputs import Kind, OutputError, OutputNotSaved, OutputUnreadable, Record, Rule
from codomyrmex_ollama_tui.services.records import Records, records_in
from codomyrmex_ollama_tui.store.outputs import OutputsStore

ROOT = Path(__file__).parent.parent.parent
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
posix = pytest.mark.skipif(sys.platform == "win32", reason="limits of a process, links")


def held_in(folder: Path) -> Records:
    numbers = itertools.count()
    return records_in(folder, now=lambda: NOON, token=lambda: f"{os.getpid()}{next(numbers):06x}")


def save(held: Records, prompt: str = "p") -> str:
    return held.save(Kind.OUTPUT, model="m", prompt=prompt, response="r").key


def keys(held: Records) -> list[str]:
    held.catch_up()
    return sorted(entry.key for entry in held.all(Query()))


# A limit on the size of files stops a write in the middle, as a full disk does.
SAVE_WITH_LITTLE_ROOM = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from codomyrmex_ollama_tui.domain.outputs import Kind, OutputNotSaved
from codomyrmex_ollama_tui.services.records import records_in

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
tokens = iter(["first", "second", "third"])
held = records_in(Path(sys.argv[1]), now=lambda: NOON, token=lambda: next(tokens))
most = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
print(held.save(Kind.OUTPUT, model="m", prompt="p", response="r").key)
try:
    held.save(Kind.OUTPUT, model="m", prompt="p", response="r" * most)
except OutputNotSaved as error:
    print(error)
print(held.save(Kind.OUTPUT, model="m", prompt="p", response="r").key)
held.close()
"""


@posix
def test_no_room_for_a_record_is_one_error_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """The index has no room at all: what could be written is found as soon as there is some."""
    command = [sys.executable, "-c", SAVE_WITH_LITTLE_ROOM, str(tmp_path), "8192"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    first, said, third = done.stdout.splitlines()
    missed = tmp_path / first.replace("first", "second")
    assert said == f"cannot write {missed}: file too large"
    assert not missed.exists()
    held = held_in(tmp_path)
    assert keys(held) == [first, third]
    assert [path.name for path in tmp_path.rglob("*") if path.suffix == ".tmp"] == []
    held.close()


@posix
def test_a_folder_that_vanishes_is_empty_and_made_again(tmp_path: Path) -> None:
    held = held_in(tmp_path / "o")
    save(held)
    assert len(keys(held)) == 1
    shutil.rmtree(tmp_path / "o")
    assert keys(held) == []
    assert not (tmp_path / "o").exists()  # looking makes nothing
    with pytest.raises(OutputError):
        held.read("outputs/m/2026-11-23/gone.json")
    key = save(held)
    assert keys(held) == [key]
    held.close()


def test_a_file_in_the_place_of_the_folder_is_said_to_be_one(tmp_path: Path) -> None:
    base = tmp_path / "o"
    base.write_text("in the way", encoding="utf-8")
    held = held_in(base)
    with pytest.raises(OutputNotSaved, match="o"):
        save(held)
    with pytest.raises(OutputUnreadable, match="not a folder") as caught:
        keys(held)
    assert caught.value.path == base
    assert base.read_text(encoding="utf-8") == "in the way"


def test_a_folder_in_the_place_of_the_index_stops_no_saving(tmp_path: Path) -> None:
    (tmp_path / "index.db").mkdir()
    held = held_in(tmp_path)
    key = save(held)
    assert held.read(key).response == "r"
    with pytest.raises(OutputError, match=r"index\.db"):
        keys(held)
    (tmp_path / "index.db").rmdir()
    assert keys(held) == [key]
    held.close()


@posix
@pytest.mark.parametrize("place", ["first page", "in the middle", "cut"])
def test_a_damaged_index_is_set_aside_and_made_again(tmp_path: Path, place: str) -> None:
    held = held_in(tmp_path)
    saved = sorted(save(held, f"question {number}") for number in range(40))
    held.close()
    index = tmp_path / "index.db"
    with sqlite3.connect(index) as connection:  # all pages into the one file
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    data = bytearray(index.read_bytes())
    match place:
        case "first page":
            data[100:4096] = b"\xff" * 3996
        case "in the middle":
            data[8192:-4096] = b"\xff" * (len(data) - 12288)
        case "cut":
            del data[len(data) // 2 :]
    index.write_bytes(bytes(data))
    held = held_in(tmp_path)
    assert keys(held) == saved
    assert [entry.title for entry in held.all(held.query("question 39"))] == ["question 39"]
    assert (tmp_path / "index.db.broken").read_bytes()[:100] == bytes(data[:100])
    held.close()


def test_a_record_that_was_pinned_by_hand_is_not_cleaned_up(tmp_path: Path) -> None:
    """Written into the same file, which the folder's time of change does not tell."""
    held = held_in(tmp_path)
    key = save(held)
    held.catch_up()
    path = held.path_of(key)
    text = path.read_text(encoding="utf-8")
    later = records_in(tmp_path, now=lambda: NOON + timedelta(days=90), token=lambda: "x")
    later.catch_up()
    path.write_text(text.replace('"pinned": false', '"pinned": true'), encoding="utf-8")
    rules = [Rule(older_than=timedelta(days=30))]
    assert later.clean(rules).removals == ()
    assert held.read(key).marks.pinned
    # and is known to be pinned from then on
    assert [entry.pinned for entry in later.all(Query())] == [True]
    held.mark(Kind.OUTPUT, key, lambda marks: replace(marks, pinned=False))
    assert [removal.entry.key for removal in later.clean(rules).removals] == [key]
    later.close()
    held.close()


def test_a_clean_up_tells_what_went_not_what_was_gone_already(tmp_path: Path) -> None:
    held = held_in(tmp_path)
    going, gone = save(held), save(held)
    for suffix in (".json", ".txt"):
        held.path_of(gone).with_suffix(suffix).unlink()
    later = records_in(tmp_path, now=lambda: NOON + timedelta(days=90), token=lambda: "x")
    assert [removal.entry.key for removal in later.clean([Rule(older_than=timedelta(days=30))]).removals] == [going]
    assert keys(later) == []
    later.close()
    held.close()


def test_a_clean_up_that_is_broken_off_knows_what_went(tmp_path: Path) -> None:
    held = held_in(tmp_path)
    saved = [save(held) for _ in range(4)]
    later = records_in(tmp_path, now=lambda: NOON + timedelta(days=90), token=lambda: "x")

    def enough(done: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        later.clean([Rule(older_than=timedelta(days=30))], enough)
    assert sorted(entry.key for entry in later.all(Query())) == saved[2:]
    assert [later.path_of(key).exists() for key in saved] == [False, False, True, True]
    later.close()
    held.close()


def test_what_could_not_be_read_again_is_not_saved(tmp_path: Path) -> None:
    store = OutputsStore(tmp_path, token=lambda: "x", largest=2000)
    record = Record(Kind.OUTPUT, NOON, "m", "p", "r")
    with pytest.raises(OutputNotSaved, match="larger than 2,000 bytes"):
        store.save(replace(record, response="é" * 900))  # fewer characters than bytes
    with pytest.raises(ValueError, match=r"metadata\.seed: a number of more than 4,000 digits"):
        store.save(replace(record, metadata={"seed": 10**5000}))
    assert not any(tmp_path.iterdir())
    assert store.read(store.save(replace(record, metadata={"seed": 10**400})).key).metadata == {"seed": 10**400}
