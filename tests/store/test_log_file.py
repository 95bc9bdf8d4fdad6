"""The log of the programs: made when there is something to say, private, small, and never in anybody's way."""

from __future__ import annotations

import io
import logging
import os
import stat
import sys
from pathlib import Path

import pytest

from codomyrmex_ollama_tui.store import log_file
from codomyrmex_ollama_tui.store.log_file import LOG_NAME, MOST_BYTES, OLDER_FILES, logged


@pytest.fixture
def logger(tmp_path: Path) -> logging.Logger:
    return logging.getLogger(f"tests.log.{tmp_path.name}")


def test_nothing_is_made_before_there_is_something_to_say(tmp_path: Path, logger: logging.Logger) -> None:
    with logged(logger, tmp_path / "state"):
        logger.info("all is well")
    assert not (tmp_path / "state").exists()


def test_warnings_are_written_for_the_owner_alone_and_nowhere_else(
    tmp_path: Path, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    heard = io.StringIO()
    root = logging.StreamHandler(heard)
    logging.getLogger().addHandler(root)
    try:
        with logged(logger, tmp_path / "state"):
            logger.warning("the list of %s cannot be read", "models")
        logger.warning("afterwards")
    finally:
        logging.getLogger().removeHandler(root)
    text = (tmp_path / "state" / LOG_NAME).read_text(encoding="utf-8")
    assert text.endswith(f" {logger.name}: the list of models cannot be read\n")
    assert f" WARNING {os.getpid()} " in text
    assert heard.getvalue() == "afterwards\n"
    assert capsys.readouterr() == ("", "")
    if sys.platform != "win32":
        assert stat.S_IMODE((tmp_path / "state" / LOG_NAME).stat().st_mode) == 0o600


def test_a_message_that_cannot_be_put_together_stops_nothing(tmp_path: Path, logger: logging.Logger) -> None:
    with logged(logger, tmp_path):
        logger.warning("%d of %s", "one")
        logger.warning("two")
    assert (tmp_path / LOG_NAME).read_text(encoding="utf-8").endswith(": two\n")


def test_it_never_grows_large(tmp_path: Path, logger: logging.Logger) -> None:
    with logged(logger, tmp_path):
        for number in range(45):
            logger.warning("%d %s", number, "x" * (MOST_BYTES // 10))
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == [LOG_NAME, *(f"{LOG_NAME}.{number}" for number in range(1, OLDER_FILES + 1))]
    assert all(path.stat().st_size <= MOST_BYTES for path in tmp_path.iterdir())
    assert (tmp_path / LOG_NAME).read_text(encoding="utf-8").count(f"{logger.name}: 44 ") == 1


def test_a_folder_that_cannot_be_used_is_nobodys_business(
    tmp_path: Path, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").write_text("a file")
    with logged(logger, tmp_path / "state"):
        logger.warning("one")
        logger.warning("two")
    assert capsys.readouterr() == ("", "")
    assert (tmp_path / "state").read_text() == "a file"


def test_the_folder_that_goes_away_is_nobodys_business(
    tmp_path: Path, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "state"
    with logged(logger, folder):
        logger.warning("one")
        (folder / LOG_NAME).unlink()
        folder.rmdir()
        for _ in range(12):
            logger.warning("x" * (MOST_BYTES // 10))
    assert capsys.readouterr() == ("", "")
    assert log_file.LOG_NAME not in os.listdir(tmp_path)
