"""Details of models asked for once, kept by digest; and the list of models that tells the digests."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.client.address import parse_address
from codomyrmex_ollama_tui.domain.errors import ModelNotFound, OllamaError
from codomyrmex_ollama_tui.domain.models import ModelDetails, ModelInfo
from codomyrmex_ollama_tui.services.build import Services, build_services
from codomyrmex_ollama_tui.services.pulls import PullPhase
from codomyrmex_ollama_tui.store.details import DetailsStore
from tests.services.asking import Hand, in_memory
from tests.services.rooms import launcher, ollama
from tests.support.recorded import answer
from tests.support.server import Gate, LocalServer, Reply, Stream

SMOL, GEMMA = "smollm2:135m", "gemma3:270m"
DIGEST = "b402902d14a1954d3a0c2875761a5d6a2141b24f089f20e1a8d03a4f52a5fec4"
INFO = ModelInfo(
    details=ModelDetails("gguf", "llama", ("llama",), "1B", "Q4_1", "parent", 8192, 64, {"more": [1]}),
    model_info={"general.architecture": "llama", "llama.context_length": 8192, "list": [1.5, None, "x"]},
    modified_at=datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2))),
    license="MIT \x1b 🦙 \ud800",
    modelfile="FROM x",
    parameters="stop x",
    template="{{ .Prompt }}",
    system="Be brief.",
    renderer="r",
    parser="p",
    requires="0.1",
    capabilities=("completion", "thinking"),
    messages=({"role": "user", "content": "hi"},),
    tensors=(("token_embd.weight", "Q4_1", (576, 49152)),),
    projector_info={"clip": True},
    remote_host="https://ollama.com",
    remote_model="big",
    extra={"later": {"deep": None}},
)
BARE = ModelInfo(ModelDetails(), {})


@dataclass
class Room:
    """Services at a local server with two models; time stands still."""

    real: LocalServer
    services: Services
    clock: Hand

    async def names(self, *, max_age: float = 60.0, refresh: bool = False) -> list[str]:
        return [model.name for model in await self.services.models.listing(max_age=max_age, refresh=refresh)]

    def times(self, path: str) -> int:
        return len(self.real.asked(path))


@asynccontextmanager
async def room(folder: Path, *, cache: Path | None = None) -> AsyncIterator[Room]:
    clock = Hand()
    async with ollama() as real:
        real.route("GET", "/api/tags", answer("tags_two"))
        real.route("POST", "/api/show", shown("first"))
        services = build_services(
            address=parse_address(real.url),
            origin="flag",
            launcher=launcher(folder),
            now=lambda: datetime.now(UTC),
            clock=clock,
            cache=cache,
        )
        try:
            yield Room(real, services, clock)
        finally:
            await services.aclose()


def shown(system: str, **fields: Any) -> Reply:
    return Reply(json={"system": system, "details": {}, "model_info": {}, **fields})


# ---------------------------------------------------------------------- the list


async def test_the_list_is_kept_until_it_is_old(tmp_path: Path) -> None:
    async with room(tmp_path) as at:
        assert await at.names() == [SMOL, GEMMA]
        at.clock.now += 59.9
        assert await at.names() == [SMOL, GEMMA]
        assert at.times("/api/tags") == 1
        at.clock.now += 0.1
        await at.names()
        assert at.times("/api/tags") == 2
        await at.names(refresh=True)
        await at.names(max_age=0.0)
        assert at.times("/api/tags") == 4


async def test_whoever_asks_at_the_same_time_shares_a_request(tmp_path: Path) -> None:
    async with room(tmp_path) as at:
        assert await asyncio.gather(*(at.names() for _ in range(20))) == [[SMOL, GEMMA]] * 20
        assert at.times("/api/tags") == 1


async def test_a_list_that_was_asked_for_before_a_change_is_not_kept(tmp_path: Path) -> None:
    async with room(tmp_path) as at:
        gate = Gate()
        at.real.route("GET", "/api/tags", [Reply(json={"models": []}, gate=gate), answer("tags_two")])
        at.real.route("DELETE", "/api/delete", Reply())
        listing = asyncio.create_task(at.names())
        await gate.reached()
        await at.services.models.delete("x")
        gate.open()
        assert await listing == []
        assert await at.names() == [SMOL, GEMMA]


async def test_a_list_that_failed_is_not_kept(tmp_path: Path) -> None:
    async with room(tmp_path) as at:
        at.real.route("GET", "/api/tags", [Reply(status=500, json={"error": "no"}), answer("tags_two")])
        with pytest.raises(OllamaError):
            await at.names()
        assert await at.names() == [SMOL, GEMMA]


async def test_the_list_of_another_server_is_another_list(tmp_path: Path) -> None:
    async with room(tmp_path) as at, ollama() as other:
        other.route("GET", "/api/tags", Reply(json={"models": []}))
        assert await at.names() == [SMOL, GEMMA]
        await at.services.server.use_host(other.url)
        assert await at.names() == []


async def test_what_is_in_memory_is_kept_until_something_is_done(tmp_path: Path) -> None:
    async with room(tmp_path) as at:
        at.real.route("GET", "/api/ps", in_memory(SMOL))
        at.real.route("POST", "/api/generate", answer("gen_unload"))
        models = at.services.models

        async def running() -> list[str]:
            return [model.name for model in await models.running_lately(max_age=5.0)]

        for asked, change in enumerate((None, lambda: models.load(SMOL), lambda: models.unload(SMOL)), 1):
            if change is not None:
                await change()
            assert await running() == [SMOL]
            assert await running() == [SMOL]
            assert at.times("/api/ps") == asked
        at.clock.now += 5.0
        await running()
        models.forget_running()
        await running()
        assert at.times("/api/ps") == 5


# ---------------------------------------------------------------------- pulls that are followed


async def test_a_pull_is_followed_to_its_end_and_then_forgotten(tmp_path: Path) -> None:
    async with room(tmp_path) as at:
        at.real.route("POST", "/api/pull", answer("pull_full"))
        await at.names()
        phases = [state.phase async for state in at.services.models.pull(SMOL)]
        assert phases[0] is PullPhase.QUEUED
        assert phases[-1] is PullPhase.DONE
        assert at.services.models.pulls.states == ()
        await at.names()
        assert at.times("/api/tags") == 2


async def test_a_pull_that_fails_raises_what_the_server_did(tmp_path: Path) -> None:
    async with room(tmp_path) as at:
        at.real.route("POST", "/api/pull", answer("pull_missing_model"))
        with pytest.raises(ModelNotFound):
            async for _ in at.services.models.pull("x"):
                pass
        with pytest.raises(ValueError, match="slashes"):
            async for _ in at.services.models.pull("a/b/c/d/e"):
                pass


async def test_a_pull_goes_on_until_the_last_of_its_followers_has_gone(tmp_path: Path) -> None:
    async with room(tmp_path) as at:
        gate = Gate()
        at.real.route("POST", "/api/pull", Stream({"status": "pulling manifest"}, gate, {"status": "success"}))
        first, second = at.services.models.pull(SMOL), at.services.models.pull(SMOL.upper())
        assert (await anext(first)).name == (await anext(second)).name == SMOL
        await gate.reached()
        await first.aclose()
        assert not at.services.models.pulls.states[0].phase.over
        await second.aclose()
        await at.real.requests[-1].closed.wait()
        assert at.services.models.pulls.states == ()


async def test_a_pull_that_somebody_cancelled_says_so(tmp_path: Path) -> None:
    async with room(tmp_path) as at:
        gate = Gate()
        at.real.route("POST", "/api/pull", Stream({"status": "pulling manifest"}, gate))
        followed = at.services.models.pull(SMOL)
        await anext(followed)
        at.services.models.pulls.cancel(SMOL)
        with pytest.raises(OllamaError, match="cancelled"):
            async for _ in followed:
                pass


# ---------------------------------------------------------------------- details


async def test_details_are_asked_for_once(tmp_path: Path) -> None:
    async with room(tmp_path, cache=None) as at:
        asked = (at.services.details.of(name) for name in (SMOL, SMOL.upper(), SMOL))
        assert {info.system for info in await asyncio.gather(*asked)} == {"first"}
        assert at.times("/api/show") == 1
        await at.services.details.of(GEMMA)
        assert [request.json for request in at.real.asked("/api/show")] == [{"model": SMOL}, {"model": GEMMA}]
        at.real.route("POST", "/api/show", shown("second"))
        assert (await at.services.details.of(SMOL, refresh=True)).system == "second"
        assert (await at.services.details.of(SMOL)).system == "second"


async def test_details_are_kept_on_disk_by_digest(tmp_path: Path) -> None:
    for _ in range(2):
        async with room(tmp_path, cache=tmp_path / "cache") as at:
            assert (await at.services.details.of(SMOL)).system == "first"
            times = at.times("/api/show")
    assert times == 0
    [file] = (tmp_path / "cache" / "details").iterdir()
    assert file.name == f"{DIGEST}.json"
    if sys.platform != "win32":
        assert file.stat().st_mode & 0o777 == 0o600
    file.write_text(file.read_text(encoding="utf-8")[:-20], encoding="utf-8")  # half-written
    async with room(tmp_path, cache=tmp_path / "cache") as at:
        assert (await at.services.details.of(SMOL)).system == "first"
        assert at.times("/api/show") == 1
    json.loads(file.read_text(encoding="utf-8"))


async def test_details_of_another_version_of_the_server_are_asked_for_again(tmp_path: Path) -> None:
    async with room(tmp_path, cache=tmp_path) as at:
        await at.services.details.of(SMOL)
    async with room(tmp_path, cache=tmp_path) as at:
        at.real.route("GET", "/api/version", Reply(json={"version": "0.30.0"}))
        at.real.route("POST", "/api/show", shown("later", capabilities=["vision"]))
        assert (await at.services.details.of(SMOL)).capabilities == ("vision",)
        await at.services.details.of(SMOL)
        assert at.times("/api/show") == 1


async def test_another_digest_of_the_same_name_is_another_model(tmp_path: Path) -> None:
    async with room(tmp_path) as at:
        await at.services.details.of(SMOL)
        changed = {"name": SMOL, "model": SMOL, "digest": "0" * 64}
        at.real.route("GET", "/api/tags", Reply(json={"models": [changed]}))
        at.real.route("POST", "/api/show", shown("second"))
        at.services.models.forget()
        assert (await at.services.details.of(SMOL)).system == "second"


async def test_a_model_that_is_not_listed_is_left_to_the_server(tmp_path: Path) -> None:
    async with room(tmp_path, cache=tmp_path) as at:
        at.real.route("POST", "/api/show", Reply(status=404, json={"error": "model 'x' not found"}))
        with pytest.raises(ModelNotFound):
            await at.services.details.of("x")


async def test_a_folder_that_cannot_be_written_costs_only_the_next_request(tmp_path: Path) -> None:
    (tmp_path / "details").write_text("a file is in the way", encoding="utf-8")
    async with room(tmp_path, cache=tmp_path) as at:
        assert (await at.services.details.of(SMOL)).system == "first"
        assert (await at.services.details.of(SMOL)).system == "first"
        assert at.times("/api/show") == 1


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "a" * 63, "A" * 64, "sha256:" + "a" * 64])
def test_a_digest_that_is_none_is_never_a_file_name(tmp_path: Path, digest: str) -> None:
    store = DetailsStore(tmp_path / "details")
    store.save(digest, "0.24.0", INFO)
    assert store.load(digest) is None
    assert list(tmp_path.iterdir()) == []


async def test_a_model_whose_digest_is_none_has_details_all_the_same(tmp_path: Path) -> None:
    async with room(tmp_path, cache=tmp_path) as at:
        at.real.route("GET", "/api/tags", Reply(json={"models": [{"name": SMOL, "model": SMOL, "digest": "../x"}]}))
        assert (await at.services.details.of(SMOL)).system == "first"


@pytest.mark.parametrize("info", [INFO, BARE])
def test_what_is_kept_is_given_back_as_it_was(tmp_path: Path, info: ModelInfo) -> None:
    store = DetailsStore(tmp_path / "details")
    assert store.load(DIGEST) is None
    store.save(DIGEST, "0.24.0", info)
    assert store.load(DIGEST) == ("0.24.0", info)


def test_every_field_is_kept() -> None:
    """INFO has another value than the default in each, so that the round trip above proves it."""
    for field in fields(ModelInfo):
        assert getattr(INFO, field.name) != getattr(BARE, field.name), field.name
    for field in fields(ModelDetails):
        assert getattr(INFO.details, field.name) != getattr(BARE.details, field.name), field.name


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from(["schema", "server_version", "info", *(f"info.{field.name}" for field in fields(ModelInfo))]),
    st.sampled_from([None, 0, True, "text", [], [1], {}, {"a": 1}, [[1]], [["a", "b", 3]]]),
)
def test_a_file_that_somebody_changed_is_asked_for_again_or_still_good(
    tmp_path_factory: pytest.TempPathFactory, where: str, value: object
) -> None:
    folder = tmp_path_factory.mktemp("details")
    store = DetailsStore(folder)
    store.save(DIGEST, "0.24.0", INFO)
    file = folder / f"{DIGEST}.json"
    data = json.loads(file.read_text(encoding="utf-8"))
    *above, last = where.split(".")
    (data[above[0]] if above else data)[last] = value
    file.write_text(json.dumps(data), encoding="utf-8")
    kept = store.load(DIGEST)
    if kept is not None:
        version, info = kept
        assert isinstance(version, str)
        for name in ("license", "system", "template", "modelfile"):
            assert isinstance(getattr(info, name), str)
        for listed in (info.messages, info.tensors, info.details.families, info.capabilities or ()):
            assert isinstance(listed, tuple)
