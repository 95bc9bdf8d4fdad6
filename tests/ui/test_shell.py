"""The frame around the screens: rows, keys, palette, help, toasts, leaving, and what the first frame may cost."""

from __future__ import annotations

import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from textual.command import CommandPalette
from textual.content import Content

from codomyrmex_ollama_tui.domain.models import RunningModel
from codomyrmex_ollama_tui.services.pulls import PullPhase, PullState
from codomyrmex_ollama_tui.services.server import ServerPhase
from codomyrmex_ollama_tui.ui.app import CotuiApp
from codomyrmex_ollama_tui.ui.commands import Command, offered_by, shown_key
from codomyrmex_ollama_tui.ui.screens.ask import Confirm
from codomyrmex_ollama_tui.ui.screens.first_run import FirstRunScreen
from codomyrmex_ollama_tui.ui.screens.help import HelpScreen
from codomyrmex_ollama_tui.ui.screens.models import ModelsScreen
from codomyrmex_ollama_tui.ui.screens.models_make import MakingRoom
from codomyrmex_ollama_tui.ui.screens.models_manage import ManagingRoom
from codomyrmex_ollama_tui.ui.screens.models_pulls import PullingRoom
from codomyrmex_ollama_tui.ui.tell import tell
from codomyrmex_ollama_tui.ui.widgets.bar import bar
from codomyrmex_ollama_tui.ui.widgets.live_table import LiveTable
from codomyrmex_ollama_tui.ui.widgets.model_table import ModelTable
from codomyrmex_ollama_tui.ui.widgets.pull_panel import PullPanel
from codomyrmex_ollama_tui.ui.widgets.status_line import memory_part, pulls_part
from tests.support.server import Gate, LocalServer, Reply, Stream
from tests.ui.stage import NOW, furnish, loaded, model, stage

MODELS = [model("smollm2:135m", 98_000_000), model("gemma3:270m", 253_000_000, digest="b")]


# ---------------------------------------------------------------------- commands


def every_command() -> list[Command]:
    models: tuple[type, ...] = (ModelsScreen, MakingRoom, ManagingRoom, PullingRoom, ModelTable, LiveTable, PullPanel)
    owners: tuple[type, ...] = (CotuiApp, *models, FirstRunScreen, HelpScreen)
    return list(chain.from_iterable(owner.__dict__.get("ROSTER", ()) for owner in owners))


def test_every_command_has_an_id_of_its_own_and_says_what_it_does() -> None:
    commands = every_command()
    assert len({command.id for command in commands}) == len(commands) > 30
    for command in commands:
        assert command.title, command.id
        assert command.help, command.id
        assert not command.help.endswith("!"), command.id


def test_printable_keys_are_never_taken_from_a_text_box() -> None:
    for command in every_command():
        if command.priority:
            assert all(len(key) > 1 and not key.isdigit() for key in command.key.split(",")), command.id


@pytest.mark.parametrize(
    ("key", "words"),
    [("ctrl+p", "^p"), ("f1", "F1"), ("escape", "esc"), ("slash", "/"), ("shift+enter", "shift+enter"), ("G", "G")],
)
def test_keys_are_written_as_people_write_them(key: str, words: str) -> None:
    assert shown_key(key) == words


async def test_the_palette_offers_every_command_that_can_be_done(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, MODELS)
        async with stage(server.url, tmp_path, size=(100, 100)) as seen:
            await seen.ready()
            screen = seen.screen
            titles = {command.title for _, command in offered_by(screen) if command.palette}
            assert {"Pull a model", "Delete", "Theme", "Quit", "Use another host", "Help"} <= titles
            await seen.pilot.press("ctrl+p")
            await seen.until(lambda: "Use another host" in seen.text())
            shown = seen.text()
            assert "Pull a model" in shown
            assert "Bench" not in shown
            assert "Outputs" not in shown
            # what cannot be done now is not there: nothing is in memory
            assert "Unload" not in shown


async def test_a_command_can_be_found_and_run_from_the_palette(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, MODELS)
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("ctrl+p")
            await seen.until(lambda: isinstance(seen.screen, CommandPalette))
            await seen.pilot.press(*"pull")
            await seen.until(lambda: "Fetch a model" in seen.text())
            await seen.pilot.press("enter", "enter")
            await seen.until(lambda: "registry has it" in seen.text())


async def test_help_has_the_keys_of_the_screen_with_the_persons_own(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, MODELS)
        config = '[keys]\n"models.pull" = "ctrl+l"\n'
        async with stage(server.url, tmp_path, size=(100, 60), config=config) as seen:
            await seen.ready()
            await seen.pilot.press("question_mark")
            await seen.until(lambda: isinstance(seen.screen, HelpScreen))
            lines = seen.text().splitlines()
            assert any("^l" in line and "Pull a model" in line for line in lines)
            assert any("F5 1" in line and "Models" in line for line in lines)
            await seen.pilot.press("escape")
            await seen.until(lambda: isinstance(seen.screen, ModelsScreen))
            assert "^l pull" in seen.text()


async def test_a_key_given_to_a_command_works_and_its_old_one_does_not(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, MODELS)
        async with stage(server.url, tmp_path, config='[keys]\n"models.pull" = "ctrl+l"\n') as seen:
            await seen.ready()
            await seen.pilot.press("p")
            await seen.pilot.pause()
            assert isinstance(seen.screen, ModelsScreen)
            await seen.pilot.press("ctrl+l")
            await seen.until(lambda: "registry has it" in seen.text())


# ---------------------------------------------------------------------- rows


async def test_only_screens_that_work_have_a_tab(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, MODELS)
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            top = seen.text().splitlines()[0]
            assert "1 Models" in top
            assert "2 Chat" in top
            assert "Bench" not in top
            assert "Outputs" not in top


async def test_the_server_has_its_place_in_words(tmp_path: Path) -> None:
    async with LocalServer() as server:
        hold = Gate()
        furnish(server, MODELS)
        server.route("GET", "/api/version", Reply(json={"version": "0.24.0"}, gate=hold))
        async with stage(server.url, tmp_path, size=(120, 40)) as seen:
            await hold.reached()
            await seen.until(lambda: "○ starting" in seen.text())
            hold.open()
            await seen.ready()
            assert f"● Ollama 127.0.0.1:{server.port} 0.24.0" in seen.text().splitlines()[0]
            await server.stop()
            await seen.services.server.retry_now()
            await seen.until(lambda: seen.services.server.state.phase is ServerPhase.LOST)
            await seen.until(lambda: "○ lost · retrying in" in seen.text())
            # what was there can still be read
            assert "gemma3:270m" in seen.text()
            await server.start()
            await seen.services.server.retry_now()
            await seen.until(lambda: "● Ollama" in seen.text())


async def test_the_seconds_until_the_next_try_run_down(tmp_path: Path) -> None:
    async with stage("http://127.0.0.1:9", tmp_path) as seen:
        await seen.until(lambda: seen.services.server.state.retry_in is not None)
        await seen.pilot.pause()
        row = seen.app.query_one("#top-row") if seen.app.query("#top-row") else None
        top = seen.screen.query_one("#top-row")
        assert row is None or row is top
        seen.clock.go(1000)
        top.refresh()
        await seen.until(lambda: "lost · retrying" in seen.text() and "retrying in" not in seen.text())


async def test_panels_go_and_come_with_the_width(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, MODELS)
        async with stage(server.url, tmp_path, size=(99, 24)) as seen:
            await seen.ready()
            assert "not in memory" not in seen.text()
            await seen.pilot.resize_terminal(100, 24)
            await seen.until(lambda: "not in memory" in seen.text())


@pytest.mark.parametrize("size", [(20, 6), (40, 10), (80, 24), (200, 60)])
async def test_every_size_can_be_drawn(tmp_path: Path, size: tuple[int, int]) -> None:
    async with LocalServer() as server:
        furnish(server, MODELS, [loaded("smollm2:135m", 512_000_000)])
        async with stage(server.url, tmp_path, size=size) as seen:
            await seen.ready()
            await seen.pilot.press("f1")
            await seen.settle()
            await seen.pilot.press("escape")
            await seen.settle()
            lines = seen.text().splitlines()
            assert "●" in lines[0]
            assert all(Content(line).cell_length <= size[0] for line in lines)


async def test_without_colours_everything_is_still_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with LocalServer() as server:
        furnish(server, MODELS, [loaded("smollm2:135m", 512_000_000)])
        async with stage(server.url, tmp_path) as seen:
            assert seen.app.no_color
            await seen.ready()
            assert "● smollm2:135m" in " ".join(seen.text().split())
            strips = seen.screen._compositor.render_strips()
            tab = next(segment for segment in strips[0] if "Models" in segment.text)
            assert tab.style is not None
            assert tab.style.reverse
            row = next(strip for strip in strips if "Q4_1" in strip.text)
            assert any(segment.style and segment.style.reverse for segment in row if "Q4_1" in segment.text)


# ---------------------------------------------------------------------- status line


def running(**more: Any) -> RunningModel:
    return RunningModel("gemma3:1b", **more)


def test_nothing_in_memory_takes_no_place() -> None:
    assert memory_part((), NOW) is None


def test_the_model_in_memory_is_told_with_what_is_known() -> None:
    part = memory_part((running(),), NOW)
    assert part is not None
    assert part.wide.plain == "● gemma3:1b in memory"
    part = memory_part(
        (running(size=1_100_000_000, size_vram=440_000_000, expires_at=NOW.replace(minute=44)), running()), NOW
    )
    assert part is not None
    assert part.wide.plain == "● gemma3:1b in memory 2:00 · 1.1 GB · 40 % GPU · 1 more"
    assert part.narrow.plain == "● gemma3:1b in memory 2:00"


def test_a_model_that_stays_is_not_counted_down() -> None:
    part = memory_part((running(expires_at=NOW.replace(year=2318)),), NOW)
    assert part is not None
    assert part.wide.plain.endswith("in memory for good")


def test_pulls_are_told_in_one_bar() -> None:
    assert pulls_part(()) is None
    assert pulls_part((PullState("a:1", PullPhase.DONE), PullState("b:1", PullPhase.FAILED))) is None
    part = pulls_part((PullState("a:1"),))
    assert part is not None
    assert part.wide.plain == "↓ a:1 queued"
    state = PullState("a:1", PullPhase.DOWNLOADING, 1_200_000_000, 3_100_000_000, speed=8_100_000, eta=240)
    part = pulls_part((state, PullState("b:1")))
    assert part is not None
    assert part.wide.plain == "↓ 2 pulls " + "━" * 20 + " 1.2 / 3.1 GB 8.1 MB/s · 4 min"
    assert part.narrow.plain == "↓ 2 pulls " + "━" * 10 + " 1.2 / 3.1 GB 4 min"


@pytest.mark.parametrize(("share", "filled"), [(-1, 0), (0, 0), (0.5, 5), (0.999, 9), (1, 10), (7, 10)])
def test_a_bar_is_full_only_when_all_is_there(share: float, filled: int) -> None:
    drawn = bar(share, 10)
    assert drawn.plain == "━" * 10
    assert sum(span.end - span.start for span in drawn.spans if span.style == "$accent") == filled


# ---------------------------------------------------------------------- toasts and leaving


async def test_a_toast_is_never_markup(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server)
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            tell(seen.app, "the server says: [/x] [red]\x1b[2J", title="[/y]", severity="error")
            await seen.until(lambda: "[/x] [red]␛[2J" in seen.text())
            assert "[/y]" in seen.text()


async def test_problems_of_the_configuration_are_told(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, MODELS)
        async with stage(server.url, tmp_path, config="[ui\ntheme=") as seen:
            await seen.ready()
            assert any("is broken" in note.message for note in seen.app._notifications)


async def test_a_key_for_a_command_that_does_not_exist_is_told(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, MODELS)
        async with stage(server.url, tmp_path, config='[keys]\n"models.pul" = "f9"\n"models.pull" = "f8"\n') as seen:
            await seen.ready()
            told = [note.message for note in seen.app._notifications]
            assert told == ["keys.models.pul: there is no such command; is models.pull meant?"]


async def test_leaving_asks_only_while_a_pull_runs(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, MODELS)
        hold = Gate()
        server.route("POST", "/api/pull", Stream({"status": "pulling manifest"}, hold, {"status": "success"}))
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            seen.services.models.pulls.add("gemma3:1b")
            await hold.reached()
            await seen.pilot.press("ctrl+q")
            await seen.until(lambda: isinstance(seen.screen, Confirm))
            assert "gemma3:1b is being pulled" in seen.text()
            await seen.pilot.press("escape")
            await seen.until(lambda: isinstance(seen.screen, ModelsScreen))
            assert seen.app.is_running
            hold.open()
            await seen.until(lambda: seen.services.models.pulls.states[0].phase is PullPhase.DONE)
            await seen.pilot.press("ctrl+q")
            await seen.until(lambda: seen.app._exit)


async def test_yes_leaves(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, MODELS)
        hold = Gate()
        server.route("POST", "/api/pull", Stream({"status": "pulling manifest"}, hold, {"status": "success"}))
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            seen.services.models.pulls.add("gemma3:1b")
            await hold.reached()
            await seen.pilot.press("ctrl+q")
            await seen.until(lambda: isinstance(seen.screen, Confirm))
            await seen.pilot.press("enter")
            await seen.until(lambda: seen.app._exit)


async def test_another_host_is_checked_before_it_is_used(tmp_path: Path) -> None:
    async with LocalServer() as server, LocalServer() as other:
        furnish(server, MODELS)
        furnish(other, [model("phi4:14b", 9_100_000_000)])
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            seen.app.action_another_host()
            await seen.until(lambda: "OLLAMA_HOST" in seen.text())
            await seen.pilot.press(*"http://me@here", "enter")
            await seen.until(lambda: "✕" in seen.text())
            assert "127.0.0.1" in seen.services.server.state.label
            await seen.pilot.press("ctrl+u", *other.url, "enter")
            await seen.until(lambda: "phi4:14b" in seen.text())


# ---------------------------------------------------------------------- the first frame


def test_the_app_brings_nothing_heavy_before_its_first_frame() -> None:
    code = (
        "import sys\n"
        "import codomyrmex_ollama_tui.ui.app\n"
        "import codomyrmex_ollama_tui.ui.screens.room\n"
        "heavy = {'httpx', 'pydantic', 'markdown_it', 'pygments', 'tomlkit', 'starlette', 'plotext', 'psutil',\n"
        "         'textual.widgets._data_table', 'textual.widgets._text_area', 'textual.widgets._markdown'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
