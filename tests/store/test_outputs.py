"""The outputs folder: nothing saved is lost, nothing leads out of it, what is broken is said to be so."""

from __future__ import annotations

import itertools
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codomyrmex_ollama_tui.domain.output_query import Query
from codomyrmex_ollama_tui.domain.outputs import (
    Kind,
    Marks,
    OutputNotFound,
    OutputNotSaved,
    OutputUnreadable,
    Record,
    Rule,
)
from codomyrmex_ollama_tui.services.records import Records, records_in
from codomyrmex_ollama_tui.store.outputs import OutputsStore

ROOT = Path(__file__).parent.parent.parent
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
posix = pytest.mark.skipif(sys.platform == "win32", reason="modes and links")

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def store_in(folder: Path, token: str | None = None) -> OutputsStore:
    """A store whose tokens count up, or are always the same."""
    numbers = itertools.count()
    return OutputsStore(folder, token=lambda: f"{next(numbers):06x}" if token is None else token)


def output(created_at: datetime = NOON, response: str = "because", model: str = "llama3:latest") -> Record:
    return Record(Kind.OUTPUT, created_at, model, "why", response)


def files_in(folder: Path) -> list[str]:
    """Every file, hidden ones too, as paths in the folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def test_a_record_is_one_file_with_a_text_beside_it(tmp_path: Path) -> None:
    store = store_in(tmp_path / "o")
    assert not store.base.exists()
    entry = store.save(output())
    assert entry.key == "outputs/llama3_latest/2026-11-23/20261123T120000.000000Z-000000.json"
    beside = entry.key.replace(".json", ".txt")
    assert files_in(store.base) == [entry.key, beside]
    assert entry.size == sum((store.base / name).stat().st_size for name in (entry.key, beside))
    assert store.read(entry.key) == output()
    assert store.key_of(store.path_of(entry.key)) == entry.key
    assert list(store.entries()) == [store.entry(entry.key)] == [entry]
    if sys.platform != "win32":
        assert stat.S_IMODE((store.base / entry.key).stat().st_mode) == 0o600
        assert stat.S_IMODE((store.base / entry.key).parent.stat().st_mode) == 0o700


@given(st.text(), st.text(), st.text(min_size=1), st.dictionaries(st.text(), JSON, max_size=3))
def test_whatever_is_saved_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, prompt: str, response: str, model: str, metadata: dict[str, object]
) -> None:
    store = store_in(tmp_path_factory.mktemp("o"))
    record = Record(Kind.OUTPUT, NOON, model, prompt, response, metadata)
    assert store.read(store.save(record).key) == record


def test_without_fsync_the_files_are_the_same(tmp_path: Path) -> None:
    fast = OutputsStore(tmp_path / "fast", token=lambda: "000000", sync=False)
    entry = fast.save(output())
    again = store_in(tmp_path / "safe").save(output())
    assert entry.key == again.key
    assert fast.path_of(entry.key).read_bytes() == (tmp_path / "safe" / again.key).read_bytes()


def test_the_same_name_twice_keeps_both(tmp_path: Path) -> None:
    store = store_in(tmp_path, token="abc")
    keys = [store.save(output(response=f"answer {number}")).key for number in range(3)]
    assert len(set(keys)) == 3
    assert [store.read(key).response for key in keys] == ["answer 0", "answer 1", "answer 2"]


@pytest.mark.parametrize(
    ("record", "error", "words"),
    [
        (replace(output(), kind=Kind.CHAT), ValueError, "chat is not saved"),
        (replace(output(), created_at=NOON.replace(tzinfo=None)), ValueError, "without a zone"),
        (replace(output(), metadata={"when": NOON}), TypeError, r"metadata\.when"),
    ],
)
def test_what_no_file_can_hold_is_refused_before_anything_is_made(
    tmp_path: Path, record: Record, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        store_in(tmp_path / "o").save(record)
    assert not (tmp_path / "o").exists()


def test_marks_change_and_what_is_not_known_stays(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    key = store.save(replace(output(), extra={"from_a_later_version": [1]})).key
    entry = store.mark(key, lambda marks: replace(marks, rating=4, tags=("good",)))
    assert (entry.rating, entry.tags) == (4, ("good",))
    assert store.read(key) == replace(
        output(), marks=Marks(rating=4, tags=("good",)), extra={"from_a_later_version": [1]}
    )
    with pytest.raises(ValueError, match="rating"):
        store.mark(key, lambda marks: replace(marks, rating=6))
    assert store.read(key).marks.rating == 4


def test_a_deleted_record_can_be_brought_back(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    entry = store.save(output())
    before = {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)}
    deleted = store.take(entry.key)
    assert files_in(tmp_path) == []
    assert list((tmp_path / "outputs").iterdir()) == []  # the empty folders have gone with it
    store.delete(entry.key)
    with pytest.raises(OutputNotFound):
        store.read(entry.key)
    store.put_back(deleted)
    assert {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)} == before
    with pytest.raises(OutputNotSaved, match="exists"):
        store.put_back(deleted)


def held_in(folder: Path, now: Callable[[], datetime]) -> Records:
    numbers = itertools.count()
    return records_in(folder, now=now, token=lambda: f"{next(numbers):06x}")


def saved_over_days(held: Records, moment: list[datetime], days: int) -> list[str]:
    """One output a day, oldest first, the last one now."""
    keys = []
    for age in range(days - 1, -1, -1):
        moment[0] = NOON - age * DAY
        keys.append(held.save(Kind.OUTPUT, model="m", prompt=f"{age:02} days ago", response="answer").key)
    return keys


def test_retention_by_age(tmp_path: Path) -> None:
    moment = [NOON]
    held = held_in(tmp_path, lambda: moment[0])
    keys = saved_over_days(held, moment, 10)
    held.mark(Kind.OUTPUT, keys[0], lambda marks: replace(marks, pinned=True))
    held.mark(Kind.OUTPUT, keys[1], lambda marks: replace(marks, rating=1))
    config = held.save(Kind.CONFIG, model="m", data={"num_ctx": 2048}).key
    rules = [Rule(older_than=4 * DAY)]
    files = files_in(tmp_path)

    plan = held.plan(rules)
    assert [removal.entry.key for removal in plan.removals] == keys[2:5]
    assert {removal.why for removal in plan.removals} == {"older than 4 days"}
    assert plan.kept == 2
    assert files_in(tmp_path) == files  # only asked

    sizes = {name: (tmp_path / name).stat().st_size for name in files}
    assert held.clean(rules) == plan
    left = files_in(tmp_path / "outputs")
    assert [f"outputs/{name}" for name in left if name.endswith(".json")] == sorted([*keys[:2], *keys[5:]])
    gone = set(files) - set(files_in(tmp_path))
    assert plan.freed == sum(sizes[name] for name in gone) > 0
    assert held.read(config).data == {"num_ctx": 2048}
    assert held.clean(rules).removals == ()
    held.close()


def test_retention_by_size_takes_the_oldest(tmp_path: Path) -> None:
    moment = [NOON]
    held = held_in(tmp_path, lambda: moment[0])
    keys = saved_over_days(held, moment, 6)
    sizes = {entry.key: entry.size for entry in held.all(Query())}
    rule = Rule(larger_than=sizes[keys[5]] + sizes[keys[4]] + sizes[keys[3]])
    assert [removal.entry.key for removal in held.plan([rule]).removals] == keys[:3]
    assert len(list(held.all(Query()))) == 6
    held.clean([rule])
    assert [entry.key for entry in held.all(Query())] == [keys[5], keys[4], keys[3]]
    assert sum(entry.size for entry in held.all(Query())) <= (rule.larger_than or 0)
    held.close()


def test_a_clock_that_jumps_back_loses_nothing(tmp_path: Path) -> None:
    moment = [NOON]
    held = held_in(tmp_path, lambda: moment[0])
    late = held.save(Kind.OUTPUT, model="m", prompt="late", response="r").key
    first = held.save(Kind.CONFIG, model="m", data={"number": 1})
    moment[0] = NOON - 400 * DAY
    early = held.save(Kind.OUTPUT, model="m", prompt="early", response="r").key
    second = held.save(Kind.CONFIG, model="m", data={"number": 2})
    assert held.read(late).prompt == "late"
    assert held.read(early).prompt == "early"
    assert second.created_at > first.created_at
    newest = held.newest_config("m")
    assert newest is not None
    assert newest.data == {"number": 2}
    # what is from the future has no age
    assert held.plan([Rule(older_than=timedelta(0))]).removals == ()
    assert [entry.key for entry in held.all(Query(kinds=frozenset({Kind.OUTPUT})))] == [late, early]
    held.close()


SAVE_FROM_A_PROCESS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from codomyrmex_ollama_tui.domain.outputs import Kind
from codomyrmex_ollama_tui.services.records import records_in

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
held = records_in(Path(sys.argv[1]), now=lambda: NOON, token=lambda: "same")
print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(8) as pool:
    for entry in pool.map(
        lambda number: held.save(Kind.OUTPUT, model="m", prompt=f"{sys.argv[2]} {number}", response="r"), range(40)
    ):
        print(entry.key)
held.close()
"""


def test_two_processes_and_16_threads_lose_nothing(tmp_path: Path) -> None:
    """All of them want the same file names."""
    command = [sys.executable, "-c", SAVE_FROM_A_PROCESS, str(tmp_path)]
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen([*command, name], stdin=pipe, stdout=pipe, text=True, cwd=ROOT) for name in ("left", "right")
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    told: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        for said, _ in pool.map(lambda process: process.communicate("go\n", timeout=60), processes):
            told.extend(said.split())
    assert [process.returncode for process in processes] == [0, 0]
    assert len(set(told)) == len(told) == 80
    held = held_in(tmp_path, lambda: NOON)
    wanted = {f"{name} {number}" for name in ("left", "right") for number in range(40)}
    assert {held.read(key).prompt for key in told} == wanted
    held.catch_up(thorough=True)
    assert sorted(entry.key for entry in held.all(Query())) == sorted(told)
    assert [name for name in files_in(tmp_path) if name.endswith(".tmp")] == []
    held.close()


def test_16_threads_mark_one_record_and_no_mark_is_lost(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    key = store.save(output()).key
    together = threading.Barrier(16)

    def tag(number: int) -> None:
        together.wait()
        store.mark(key, lambda marks: replace(marks, tags=(*marks.tags, f"tag-{number}")))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(tag, range(16)))
    assert sorted(store.read(key).marks.tags) == sorted(f"tag-{number}" for number in range(16))


def test_a_folder_that_cannot_be_written_is_one_error_with_the_file(tmp_path: Path) -> None:
    """Root may write anywhere: a file in the place of the folder stops everybody."""
    (tmp_path / "outputs").write_text("in the way", encoding="utf-8")
    with pytest.raises(OutputNotSaved) as caught:
        store_in(tmp_path).save(output())
    path = tmp_path / "outputs" / "llama3_latest" / "2026-11-23" / "20261123T120000.000000Z-000000.json"
    assert caught.value.path == path
    assert str(caught.value) == f"cannot write {path}: {caught.value.reason}"
    assert caught.value.reason
    assert files_in(tmp_path) == ["outputs"]


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_one_error_with_the_file(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    key = store.save(output()).key
    folder = store.path_of(key).parent
    folder.chmod(0o500)
    try:
        for write in (lambda: store.save(output()), lambda: store.delete(key)):
            with pytest.raises(OutputNotSaved, match="permission denied") as caught:
                write()
            assert caught.value.path.parent == folder
    finally:
        folder.chmod(0o700)
    assert store.read(key) == output()


@posix
@pytest.mark.parametrize("place", ["outputs", "outputs/llama3_latest", "outputs/llama3_latest/2026-11-23"])
def test_a_link_in_the_place_of_a_folder_is_never_followed(tmp_path: Path, place: str) -> None:
    base, outside = tmp_path / "o", tmp_path / "outside"
    key = store_in(tmp_path / "elsewhere").save(output()).key
    text = (tmp_path / "elsewhere" / key).read_text(encoding="utf-8")
    inside_it = outside / os.path.relpath(key, place)
    inside_it.parent.mkdir(parents=True)
    inside_it.write_text(text, encoding="utf-8")
    (base / place).parent.mkdir(parents=True)
    (base / place).symlink_to(outside)
    store = store_in(base)
    for write in (lambda: store.save(output()), lambda: store.delete(key)):
        with pytest.raises(OutputNotSaved, match="leads out of"):
            write()
    with pytest.raises(OutputUnreadable, match="leads out of"):
        store.read(key)
    # where a file could be, the link itself is listed
    assert {(entry.kind, entry.key) for entry in store.entries()} <= {(Kind.FOREIGN, place)}
    assert files_in(outside) == [inside_it.relative_to(outside).as_posix()]
    assert inside_it.read_text(encoding="utf-8") == text


@posix
def test_a_link_in_the_place_of_a_record_is_foreign_and_what_it_leads_to_is_left_alone(tmp_path: Path) -> None:
    store = store_in(tmp_path / "o")
    key = store.save(output()).key
    secret = tmp_path / "secret.json"
    store.path_of(key).rename(secret)
    store.path_of(key).symlink_to(secret)
    before = secret.read_bytes()
    assert store.entry(key).kind is Kind.FOREIGN
    with pytest.raises(OutputUnreadable, match="not a regular file"):
        store.read(key)
    with pytest.raises(OutputUnreadable, match="not a regular file"):
        store.mark(key, lambda marks: replace(marks, pinned=True))
    store.delete(key)
    assert not store.path_of(key).is_symlink()
    assert secret.read_bytes() == before


@pytest.mark.parametrize("key", ["../x.json", "outputs/../../x.json", "/x.json", "", "a\0b"])
def test_a_key_never_leads_out_of_the_folder(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="not in the outputs folder"):
        store_in(tmp_path).read(key)


@given(st.integers(min_value=0, max_value=10**6))
def test_a_record_that_was_cut_anywhere_is_broken_and_its_file_is_left(
    tmp_path_factory: pytest.TempPathFactory, length: int
) -> None:
    store = store_in(tmp_path_factory.mktemp("o"))
    whole = store.save(output(response="naïve 🙂 answer"))
    path = store.path_of(whole.key)
    data = path.read_bytes()
    cut = data[: length % (len(data) - 2)]  # without its last brace at least
    path.write_bytes(cut)
    listed = list(store.entries())
    assert [entry.key for entry in listed] == [whole.key]
    marked = b"codomyrmex-ollama-output" in cut or not cut.strip()
    assert listed[0].kind is (Kind.BROKEN if marked else Kind.FOREIGN)
    assert listed[0].words.isprintable()
    assert listed[0].words
    with pytest.raises(OutputUnreadable):
        store.read(whole.key)
    assert path.read_bytes() == cut


def test_a_half_written_record_is_listed_as_broken_and_never_cleaned_up(tmp_path: Path) -> None:
    held = held_in(tmp_path, lambda: NOON)
    key = held.save(Kind.OUTPUT, model="m", prompt="p", response="r").key
    path = held.path_of(key)
    path.write_bytes(path.read_bytes()[:120])
    held.catch_up(thorough=True)
    entry = next(iter(held.all(Query())))
    assert (entry.kind, entry.key) == (Kind.BROKEN, key)
    assert entry.words.startswith("half-written: ")
    assert held.clean([Rule(older_than=timedelta(0)), Rule(larger_than=0)]).removals == ()
    assert path.stat().st_size == 120
    held.close()
