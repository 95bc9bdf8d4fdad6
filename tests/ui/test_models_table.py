"""Filtering, sorting and marking on the models screen, with a real local server."""

from __future__ import annotations

from pathlib import Path

from codomyrmex_ollama_tui.ui.screens.models import ModelsScreen
from codomyrmex_ollama_tui.ui.screens.models_sort import SortMenu
from codomyrmex_ollama_tui.ui.widgets.live_table import LiveTable
from tests.support.server import Gate, LocalServer, Reply, Request
from tests.ui.stage import furnish, loaded, model, stage
from tests.ui.test_models import GEMMA, LLAMA, SHOWN, SMOLLM, line_with, names


async def test_the_filter_keeps_names_with_the_letters(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM, GEMMA, LLAMA])
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("slash", *"MM")
            await seen.until(lambda: names(seen) == ["gemma3:1b"])
            await seen.pilot.press("enter")
            await seen.until(lambda: "/ MM" in seen.text())
            assert "1 of 3 models · 815 MB" in seen.text()
            await seen.pilot.press("slash", *"zz")
            await seen.until(lambda: "No model fits MMzz. esc clears the filter." in seen.text())
            await seen.pilot.press("escape")
            await seen.until(lambda: len(names(seen)) == 3)
            assert isinstance(seen.screen.focused, LiveTable)


async def test_esc_takes_the_filter_away(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM, GEMMA])
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("slash", *"gem", "enter", "escape")
            await seen.until(lambda: len(names(seen)) == 2)


async def test_filters_compare_values_as_they_are_typed(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM, GEMMA, LLAMA], [loaded("smollm2:135m", 512_000_000)])
        async with stage(server.url, tmp_path, size=(120, 30)) as seen:
            await seen.ready()
            await seen.pilot.press("slash", *"size<1GB quant:q4_k")
            await seen.until(lambda: names(seen) == ["gemma3:1b"])
            await seen.pilot.press("enter")
            await seen.until(lambda: "/ size<1GB quant:q4_k" in seen.text())
            await seen.pilot.press("slash", *" size<fat", "enter")
            await seen.until(lambda: "✕ fat is not a size, as in size<2GB" in seen.text())
            assert names(seen) == ["gemma3:1b"]
            await seen.pilot.press("escape", "slash", *"-is:loaded")
            await seen.until(lambda: names(seen) == ["gemma3:1b", "llama3.2:3b"])
            assert server.asked("/api/show") == []


async def test_sorting_is_by_any_column_both_ways_and_the_cursor_stays(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM, GEMMA, LLAMA])
        server.route("POST", "/api/show", Reply(json=SHOWN))
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("j")

            async def sort(*keys: str) -> list[str]:
                await seen.pilot.press("s")
                await seen.until(lambda: isinstance(seen.screen, SortMenu))
                await seen.pilot.press(*keys)
                await seen.until(lambda: isinstance(seen.screen, ModelsScreen))
                await seen.settle()
                assert seen.screen.query_one(LiveTable).held == "gemma3:1b"
                return [name.partition(":")[0] for name in names(seen)]

            assert await sort("enter") == ["llama3.2", "gemma3", "smollm2"]
            assert "3 models · 2.9 GB · oldest first" in seen.text()
            assert await sort("j", "j", "enter") == ["gemma3", "llama3.2", "smollm2"]  # by name
            assert await sort("j", "j", "j", "j", "enter") == ["llama3.2", "gemma3", "smollm2"]  # largest
            assert "Size↓" in seen.text()
            await seen.pilot.press("S")
            await seen.until(lambda: "Size↑" in seen.text())
            assert [name[0] for name in names(seen)] == ["s", "g", "l"]
            assert await sort("k", "s", "enter") == ["gemma3", "llama3.2", "smollm2"]  # fewest bits
            assert await sort("escape") == ["gemma3", "llama3.2", "smollm2"]
            assert server.asked("/api/show") == []


async def test_a_title_can_be_clicked(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM, GEMMA, LLAMA])
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            left = line_with(seen, "Params").index("Name") - 1
            await seen.pilot.click(LiveTable, (left, 0))
            await seen.until(lambda: names(seen) == ["gemma3:1b", "llama3.2:3b", "smollm2:135m"])
            await seen.pilot.click(LiveTable, (left, 0))
            await seen.until(lambda: names(seen) == ["smollm2:135m", "llama3.2:3b", "gemma3:1b"])


async def test_sorting_by_what_only_details_tell_reads_them_two_at_a_time(tmp_path: Path) -> None:
    made = [model(f"m{number:02}:1b", 1_000_000, digest=f"{number:x}") for number in range(12)]
    made.append(model("m12:1b", 1_000_000, digest="1"))  # the same weights as m01
    gates = [Gate() for _ in range(12)]

    def show(request: Request) -> Reply:
        number = int(request.json["model"][1:3])
        if number == 3:
            return Reply(status=404, json={"error": "model 'm03:1b' not found"})
        info = {"general.architecture": "llama", "llama.context_length": 1024 * (number + 1)}
        return Reply(json={"details": {}, "model_info": info, "capabilities": ["completion"]}, gate=gates[number])

    async with LocalServer() as server:
        furnish(server, made)
        server.route("POST", "/api/show", show)
        async with stage(server.url, tmp_path, size=(100, 30)) as seen:
            await seen.ready()
            await seen.pilot.press("s", "k", "k", "enter")  # context
            await gates[1].reached()
            await seen.until(lambda: "reading 0 of 13" in seen.text())
            assert len(server.asked("/api/show")) == 2
            gates[0].open()
            await seen.until(lambda: "reading 1 of 13" in seen.text())
            for gate in gates:
                gate.open()
            await seen.until(lambda: "longest context first" in seen.text())
            assert names(seen)[:3] == ["m11:1b", "m10:1b", "m09:1b"]
            assert names(seen)[-1] == "m03:1b", "what cannot be read stands last"
            await seen.until(lambda: "12 k" in line_with(seen, "m11:1b"))
            asked = len(server.asked("/api/show"))
            assert asked == 12, "once for each digest"
            await seen.pilot.press("S")
            await seen.settle()
            assert names(seen)[0] == "m00:1b"
            await seen.pilot.press("slash", *"cap:chat ctx<3k")
            await seen.until(lambda: names(seen) == ["m00:1b", "m01:1b", "m12:1b"])
            await seen.settle()
            assert len(server.asked("/api/show")) == asked


async def test_reading_ends_when_nobody_wants_to_know_any_more(tmp_path: Path) -> None:
    hold = Gate()
    many = [model(f"m{number:02}:1b", 1_000_000, digest=f"{number:02x}") for number in range(20)]
    shown = {"details": {}, "model_info": {}, "capabilities": ["completion"]}
    async with LocalServer() as server:
        furnish(server, many)
        server.route("POST", "/api/show", Reply(json=shown, gate=hold))
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("slash", *"cap:vision")
            await seen.until(lambda: "reading what the models can" in seen.text())
            await hold.reached()
            await seen.pilot.press("escape")
            await seen.until(lambda: "20 models" in seen.text())
            await server.asked("/api/show")[0].closed.wait()
            hold.open()
            await seen.settle()
            assert len(server.asked("/api/show")) == 2


async def test_filtering_by_abilities_reads_only_what_may_fit(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM, GEMMA, LLAMA])
        server.route("POST", "/api/show", Reply(json=SHOWN))
        async with stage(server.url, tmp_path) as seen:
            await seen.ready()
            await seen.pilot.press("slash", *"gemma cap:vision", "enter")
            await seen.until(lambda: names(seen) == ["gemma3:1b"])
            assert [request.json["model"] for request in server.asked("/api/show")] == ["gemma3:1b"]
            assert "vision" in line_with(seen, "815 MB")


# ---------------------------------------------------------------------- marks


async def test_marks_stay_on_their_models_and_are_counted(tmp_path: Path) -> None:
    async with LocalServer() as server:
        furnish(server, [SMOLLM, GEMMA, LLAMA])
        async with stage(server.url, tmp_path, size=(120, 30)) as seen:
            await seen.ready()
            await seen.pilot.press("space", "j", "space")
            await seen.until(lambda: "✓ 2 marked · 2.1 GB" in seen.text())
            assert line_with(seen, "  Q4_1").split()[0] == "✓"
            server.route("GET", "/api/tags", Reply(json={"models": [LLAMA, GEMMA]}))
            await seen.pilot.press("ctrl+r")
            await seen.until(lambda: "✓ 1 marked · 2.0 GB" in seen.text())
            assert line_with(seen, " 3.2 B  ").split()[0] == "✓"
            await seen.pilot.press("slash", *"is:marked")
            await seen.until(lambda: names(seen) == ["llama3.2:3b"])
            await seen.pilot.press("escape", "escape")
            await seen.until(lambda: "marked" not in seen.text())


async def test_a_thousand_models_are_found_while_typing(tmp_path: Path) -> None:
    many = [model(f"model{number:04}:7b", number, digest=f"{number:04x}") for number in range(1000)]
    async with LocalServer() as server:
        furnish(server, many)
        async with stage(server.url, tmp_path, size=(120, 40)) as seen:
            await seen.ready()
            assert "1000 models" in seen.text()
            await seen.pilot.press("slash", *"0999")
            await seen.until(lambda: names(seen) == ["model0999:7b"])
            await seen.pilot.press("escape", "G", "pageup", "pageup", "g")
            await seen.until(lambda: seen.screen.query_one(LiveTable).held == "model0000:7b")
            assert server.asked("/api/show") == []
