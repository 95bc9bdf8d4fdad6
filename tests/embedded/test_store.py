"""The folder of models: whatever is stored and deleted, weights are there for exactly the names that need them."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.domain.names import ModelName, parse_name
from codomyrmex_ollama_tui.embedded.store import Manifest, ModelStore

NAMES = ["a", "A:latest", "library/a", "b:1", "team/a", "host.example/team/a", "con", "x" * 80]
BLOBS = ["1" * 64, "2" * 64]
STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "delete"]), st.sampled_from(NAMES), st.sampled_from(BLOBS)), max_size=25
)


def name_of(text: str) -> ModelName:
    name = parse_name(text)
    assert name is not None
    return name


def manifest(blob: str) -> Manifest:
    return Manifest("", blob, 4, {"family": "llama"}, {}, [])


@settings(deadline=None, max_examples=60)
@given(STEPS)
def test_weights_are_there_for_exactly_the_names_that_need_them(steps: list[tuple[str, str, str]]) -> None:
    with TemporaryDirectory() as folder:
        store = ModelStore(Path(folder) / "models")
        wanted: dict[str, str] = {}
        for action, text, blob in steps:
            name = name_of(text)
            if action == "put":
                store.blob_path(blob).write_bytes(b"GGUF")
                store.put(name, manifest(blob))
                wanted[name.key] = blob
            else:
                store.delete(name)
                wanted.pop(name.key, None)
            there = {path.name.removeprefix("sha256-") for path in store.blobs.iterdir()}
            assert there == set(wanted.values())
        found = {name_of(one.name).key: one.blob for one in store.all()}
        assert found == wanted
        assert list(store.tmp.iterdir()) == []


def test_what_is_read_is_what_was_stored(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    stored = Manifest(
        name="",
        blob=BLOBS[0],
        blob_size=10,
        details={"family": "llama"},
        model_info={"llama.context_length": 2048, "x": None},
        tensors=[{"name": "t", "type": "F32", "shape": [1, 2]}],
        template="{{ x }}",
        chat_template="y",
        system="größer",
        parameters={"stop": ["a"], "temperature": 0.5},
        license=["MIT"],
        messages=[{"role": "user", "content": "Hi"}],
        parent="p:latest",
    )
    store.put(name_of("m"), stored)
    read = store.get(name_of("M"))
    assert read is not None
    assert read.name == "m:latest"
    assert read.size > 10
    assert len(read.digest) == 64
    assert read.architecture_number("context_length") == 2048
    for field in ("model_info", "tensors", "template", "chat_template", "system", "parameters", "license", "messages"):
        assert getattr(read, field) == getattr(stored, field)


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xff",
        json.dumps({"name": "m:latest", "blob": "../../etc/passwd"}).encode(),
        json.dumps({"name": "../x", "blob": "1" * 64, "blob_size": 1, "details": {}, "model_info": {}}).encode(),
        json.dumps({"name": "m", "blob": "1" * 64, "blob_size": "1", "details": 5, "model_info": []}).encode(),
    ],
)
def test_a_damaged_manifest_is_no_model_and_hurts_no_other(tmp_path: Path, damage: bytes) -> None:
    store = ModelStore(tmp_path)
    store.put(name_of("bad"), manifest(BLOBS[0]))
    (file,) = (tmp_path / "manifests").iterdir()
    store.put(name_of("good"), manifest(BLOBS[1]))
    file.write_bytes(damage)
    assert store.get(name_of("bad")) is None
    assert [one.name for one in store.all()] == ["good:latest"]
    store.delete(name_of("bad"))
    assert not file.exists()


def test_what_was_left_unfinished_is_cleared(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    (store.tmp / "upload-1").write_bytes(b"half")
    (store.tmp / "pull-1" / "pip").mkdir(parents=True)
    (store.tmp / "pull-1" / "pip" / "x.whl").write_bytes(b"half")
    store.clear_unfinished()
    assert list(store.tmp.iterdir()) == []
