"""What pip says when it fails, in one sentence; and the environment it runs in."""

from __future__ import annotations

from pathlib import Path

import pytest

from codomyrmex_ollama_tui.embedded.__main__ import pip_environment
from codomyrmex_ollama_tui.embedded.catalogue import CATALOGUE, WheelFile, read_catalogue
from codomyrmex_ollama_tui.embedded.download import explain

WHEEL = WheelFile("some-model", "1.0", "0" * 64, 1)
RETRY = (
    "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection broken "
    "by 'NewConnectionError(\"HTTPConnection(host='index.example', port=80): Failed to establish a new connection: "
    "[Errno 101] Network is unreachable\")': /some/page/some-model/\n"
    "ERROR: Could not find a version that satisfies the requirement some-model==1.0 (from versions: none)\n"
    "ERROR: No matching distribution found for some-model==1.0\n"
)
NO_NAME = (
    "WARNING: Retrying (Retry(total=0)) after connection broken by 'NameResolutionError(\"HTTPSConnection("
    "host='index.example', port=443): Failed to resolve 'index.example' ([Errno -3] Temporary failure in name "
    "resolution)\")': /some/page/some-model/\n"
)
NOTHING = (
    "ERROR: Could not find a version that satisfies the requirement some-model==1.0 (from versions: none)\n"
    "ERROR: No matching distribution found for some-model==1.0\n"
)
MISMATCH = (
    "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n"
    f"    some-model==1.0 from somewhere:\n        Expected sha256 {'a' * 64}\n             Got        {'b' * 64}\n"
)


@pytest.mark.parametrize(
    ("said", "complaints", "words"),
    [
        ("", RETRY, 'pull model manifest: Get "the package index/some-model/": [Errno 101] Network is unreachable'),
        (
            "Looking in indexes: http://name:secret@index.example/page",
            RETRY,
            'pull model manifest: Get "http://index.example/page/some-model/": [Errno 101] Network is unreachable',
        ),
        (
            "",
            NO_NAME,
            'pull model manifest: Get "the package index/some-model/": '
            "Failed to resolve 'index.example' ([Errno -3] Temporary failure in name resolution)",
        ),
        ("", NOTHING, "pull model manifest: the package index has no some-model 1.0, or wants a login"),
        (
            "",
            MISMATCH,
            f"digest mismatch, file must be downloaded again: want sha256:{'a' * 64}, got sha256:{'b' * 64}",
        ),
        (
            "",
            "OSError: [Errno 28] No space left on device\n",
            "no space left on the disk while fetching some-model 1.0",
        ),
        (
            "",
            "/usr/bin/python3: No module named pip\n",
            "a download needs pip, which is missing here: python -m ensurepip brings it",
        ),
        ("", "ERROR: something else\n", "the download of some-model 1.0 broke off: something else"),
        ("", "", "the download of some-model 1.0 broke off: pip failed without a word"),
    ],
)
def test_the_reason_is_found(said: str, complaints: str, words: str) -> None:
    assert explain(WHEEL, said, complaints) == words


def test_the_index_of_uv_counts_where_pip_has_none() -> None:
    assert pip_environment({"UV_DEFAULT_INDEX": "https://a.example"})["PIP_INDEX_URL"] == "https://a.example"
    both = {"UV_DEFAULT_INDEX": "https://a.example", "PIP_INDEX_URL": "https://b.example"}
    assert pip_environment(both)["PIP_INDEX_URL"] == "https://b.example"
    assert "PIP_INDEX_URL" not in pip_environment({})


def test_everything_in_the_catalogue_is_pinned() -> None:
    for name, model in CATALOGUE.items():
        assert ":" in name
        assert model.size > 10_000_000
        assert model.license
        for checksum in (model.sha256, *(wheel.sha256 for wheel in model.wheels)):
            assert len(checksum) == 64
            assert int(checksum, 16)
        assert all(wheel.size > 1_000_000 and wheel.version for wheel in model.wheels)


NO_CATALOGUES = ["[]", "{", '{"a": 5}', '{"a": {"wheels": [5]}}', '{"a": {"wheels": [], "nonsense": 1}}']


@pytest.mark.parametrize("text", NO_CATALOGUES)
def test_a_file_that_is_no_catalogue_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "catalogue.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"catalogue|delimiter|property name"):
        read_catalogue(file)
