"""Models of a server, and the server itself, for programs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Self

from codomyrmex_ollama_tui.client.address import parse_address
from codomyrmex_ollama_tui.domain.errors import OllamaError
from codomyrmex_ollama_tui.domain.names import problem_with_name, same_model
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.library.asking import Asking
from codomyrmex_ollama_tui.library.connection import DEFAULT_BINARY, Connection
from codomyrmex_ollama_tui.library.models import OllamaModel, details_of, models_of, running_of, stats_of
from codomyrmex_ollama_tui.library.results import ModelExecutionResult

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.domain.chat import KeepAlive
    from codomyrmex_ollama_tui.domain.models import ModelInfo, ModelSummary, Progress, RunningModel
    from codomyrmex_ollama_tui.library.config import OllamaConfig
    from codomyrmex_ollama_tui.services.models import PullState

__all__ = ["ModelExecutionResult", "OllamaManager", "OllamaModel"]

RUNNING_AGE: Final = 5.0
"""Seconds for which it is taken as known which models are in memory."""

log = logging.getLogger(__name__)


class OllamaManager(Asking):
    """Manages the models of one Ollama server, and that server where it is started here.

    Safe to use from several threads, also inside a running event loop (but blocking it: see `run_model_async`). The
    server is found, or started where that is allowed, at the first call that needs it, and stopped by `cleanup()`, at
    the end of a `with` block, when this object goes away, or at the end of the program, if it was started here. A
    manager that was cleaned up begins anew with the next call.

    Methods that return a bool return False for what the server or the network did; `last_error` has the reason.
    Others raise it (the tree of `OllamaError`), but those that give a `ModelExecutionResult`, which holds it. Wrong
    arguments raise TypeError or ValueError, naming the argument.
    """

    def __init__(
        self,
        ollama_binary: str = DEFAULT_BINARY,
        auto_start_server: bool = True,
        *,
        base_url: str | None = None,
        config: OllamaConfig | None = None,
        data_dir: str | None = None,
        server: str | None = None,
    ) -> None:
        """Asks and starts nothing yet.

        The server is `base_url` or `server`, else OLLAMA_HOST, else CODOMYRMEX_OLLAMA_SERVER_HOST and _SERVER_PORT,
        else the host and port of `config` (where they are not the default ones) or of `config.toml`, else
        127.0.0.1:11434. Only for an address of this machine that was not named here is a server ever started:
        `ollama serve`, else the embedded engine.

        Args:
            ollama_binary: name or path of the `ollama` program; the default one gives way to that of the configuration.
            auto_start_server: whether a server may be started; the configuration may forbid it too.
            base_url: the server to use, as OLLAMA_HOST is written.
            config: settings to use instead of `config.toml`.
            data_dir: folder for models of the embedded engine, logs and kept details, instead of the platform's.
            server: the server of that name in `config.toml`, with its headers, token and certificates; in place of
                `base_url`. A name that is not there is a ValueError of the first call.

        Raises:
            TypeError, ValueError: an argument is of the wrong type, or `base_url` cannot be an address.
        """
        for name, value, kind in (
            ("ollama_binary", ollama_binary, str),
            ("auto_start_server", auto_start_server, bool),
            ("base_url", base_url, str | None),
            ("data_dir", data_dir, str | None),
            ("server", server, str | None),
        ):
            if not isinstance(value, kind):
                raise TypeError(f"{name}: {type(value).__name__} is not allowed")
        if not ollama_binary.strip():
            raise ValueError("ollama_binary: empty")
        if base_url is not None:
            if server is not None:
                raise ValueError("server: it is named by base_url already")
            try:
                parse_address(base_url)
            except ValueError as error:
                raise ValueError(f"base_url: {error}") from None
        if config is not None:
            _check_config(config)
        self.ollama_binary = ollama_binary
        self.auto_start_server = auto_start_server
        self._connection = Connection(base_url, ollama_binary, auto_start_server, config, data_dir, server)
        super().__init__(self._connection.build)

    # ------------------------------------------------------------------ what there is

    def list_models(self, force_refresh: bool = False) -> list[OllamaModel]:
        """List all available Ollama models, newest first (`GET /api/tags`; `GET /api/ps` for what is in memory).

        The list is kept for `cache_ttl` seconds, if `enable_caching`; what is downloaded, copied, created or deleted
        through this manager makes it old at once. No request is made for single models.

        Args:
            force_refresh: ask the server in any case.

        Raises:
            OllamaError: what the server or the network did.
        """
        listed, running = self._ask(lambda: self._listed(force_refresh))
        return models_of(listed, running)

    def is_model_available(self, model_name: str) -> bool:
        """Whether the server has a model; `llama3` is `llama3:latest`, and case does not matter.

        False also where the server cannot be asked: see `last_error`.
        """
        problem = problem_with_name(_text("model_name", model_name))
        if problem:
            self._note(f"model_name: {one_line(problem, 300)}")
            return False
        found: list[OllamaModel] = []
        return self._done(f"looking for {model_name}", lambda: found.extend(self._named(model_name))) and bool(found)

    def get_model_by_name(self, model_name: str) -> OllamaModel | None:
        """A model by its name (`llama3` is `llama3:latest`), or None if the server has none of it.

        Raises:
            OllamaError: what the server or the network did.
        """
        return next(iter(self._named(_text("model_name", model_name))), None)

    def get_model_stats(self) -> dict[str, Any]:
        """Statistics about the available models; as `list_models`, without a request for single models.

        Returns:
            total_models, total_size_bytes, total_size_mb (of 1024² bytes), models_by_family and by_quantization
            (lists of names; "unknown" where the server does not say), largest_model and smallest_model (names, or
            None), running (names of the models in memory).

        Raises:
            OllamaError: what the server or the network did.
        """
        listed, running = self._ask(lambda: self._listed(False))
        return stats_of(listed, running)

    def get_model_details(self, model_name: str, *, force_refresh: bool = False) -> dict[str, Any]:
        """All that is known of one model (`POST /api/show`), asked for once for each digest and kept on disk.

        Returns:
            name, format, family, families, parameters, quantization, parent_model, context_length (tokens),
            capabilities, modified, system, template, default_options (the server's text), license, modelfile,
            requires, remote_host, remote_model, model_info.

        Raises:
            ModelNotFound: the server does not have it.
            OllamaError: what else the server or the network did.
        """
        name = _model(model_name)
        return details_of(name, self._ask(lambda: self._details(name, force_refresh)))

    def list_running_models(self) -> list[dict[str, Any]]:
        """The models in memory now (`GET /api/ps`).

        Returns:
            for each: name, id, size and size_vram (bytes of memory, and those of them on GPUs), gpu_share (0–1),
            context_length (tokens), expires_at (RFC 3339).

        Raises:
            OllamaError: what the server or the network did.
        """
        return running_of(self._ask(lambda: self._core.services.models.running()))

    def get_server_status(self) -> dict[str, Any]:
        """The server as it is now; it is looked for, or started, if that has not been done.

        Returns:
            phase ("ready", "lost" or "absent"), server (host:port), version, engine ("" for a real Ollama), kind
            ("ollama", "embedded" or "none"), started_here, problem ("" when ready).
        """
        state = self._core.run(lambda: self._core.services.server.settled())
        return {
            "phase": state.phase.value,
            "server": state.label,
            "version": state.version,
            "engine": state.engine,
            "kind": state.kind,
            "started_here": state.ours,
            "problem": state.words,
        }

    # ------------------------------------------------------------------ what is done to models

    def download_model(self, model_name: str, *, on_progress: Callable[[PullState], None] | None = None) -> bool:
        """Download a model from the Ollama library (`POST /api/pull`); no limit of time.

        A download of the same model that is under way in this manager is joined; different ones come one after the
        other.

        Args:
            on_progress: called in this thread with each state: phase, completed and total (bytes), speed (bytes/s),
                eta (s), stalled. What it raises ends the download and comes out here.

        Returns:
            whether it is there now.
        """
        name = _model(model_name)
        return self._followed(f"download of {name}", lambda: self._core.services.models.pull(name), on_progress)

    def push_model(self, model_name: str, *, on_progress: Callable[[Progress], None] | None = None) -> bool:
        """Send a model to its registry (`POST /api/push`); as `download_model`, with the server's own lines."""
        name = _model(model_name)
        return self._followed(f"push of {name}", lambda: self._core.services.models.push(name), on_progress)

    def create_model(
        self,
        model_name: str,
        from_model: str,
        *,
        system: str | None = None,
        template: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        quantize: str | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> bool:
        """Make a model from one that the server has (`POST /api/create`).

        Args:
            system: its system prompt.
            template: its prompt template, in Ollama's language.
            parameters: options that hold where a request says nothing else, as in `run_model`.
            quantize: e.g. "q4_K_M"; only from models in F16, BF16 or F32.
            on_progress: called in this thread with each line of the server.
        """
        from codomyrmex_ollama_tui.domain.chat import CreateRequest
        from codomyrmex_ollama_tui.domain.options import check_options

        request = CreateRequest(
            _model(model_name),
            from_model=_model(from_model, "from_model"),
            system=system,
            template=template,
            parameters=check_options(dict(parameters or {}), "parameters"),
            quantize=quantize,
        )
        return self._followed(f"making {model_name}", lambda: self._core.services.models.create(request), on_progress)

    def copy_model(self, source: str, destination: str) -> bool:
        """Give a model a second name (`POST /api/copy`); a model that has that name already is replaced."""
        names = _model(source, "source"), _model(destination, "destination")
        return self._did(f"copy of {source}", lambda: self._core.services.models.copy(*names))

    def delete_model(self, model_name: str) -> bool:
        """Remove a model from the server's disk (`DELETE /api/delete`)."""
        name = _model(model_name)
        return self._did(f"removal of {name}", lambda: self._core.services.models.delete(name))

    def load_model(
        self, model_name: str, *, keep_alive: KeepAlive | None = None, options: Mapping[str, Any] | None = None
    ) -> bool:
        """Take a model into memory before it is needed (`POST /api/generate` without a prompt).

        Args:
            keep_alive: seconds, or a text such as "10m", for which it stays; negative for ever; None: the server's own.
            options: those that belong to the loaded model, such as num_ctx: runs with other ones load it again.
        """
        from codomyrmex_ollama_tui.domain.options import check_options

        name, sent = _model(model_name), check_options(dict(options or {}))
        return self._did(
            f"loading {name}", lambda: self._core.services.models.load(name, options=sent, keep_alive=keep_alive)
        )

    def unload_model(self, model_name: str) -> bool:
        """Take a model out of memory as soon as it is idle; fine if it is not there."""
        name = _model(model_name)
        return self._did(f"unloading {name}", lambda: self._core.services.models.unload(name))

    # ------------------------------------------------------------------ running

    @property
    def first_byte_timeout(self) -> float | None:
        """Seconds until an answer must begin, by the configuration; None is no limit."""
        return self._connection.settings.first_byte_timeout

    def run_model(
        self,
        model_name: str,
        prompt: str,
        options: dict[str, Any] | None = None,
        stream: bool = False,
        *,
        on_chunk: Callable[[str], None] | None = None,
    ) -> ModelExecutionResult:
        """Execute a model with the given prompt (`POST /api/generate`).

        Args:
            options: Ollama's options by name (docs/parameters.md), and of the request `system`, `format`,
                `keep_alive`, `think`, `images`, `raw`, `template`, `suffix`; `max_tokens` and `context_window` are
                understood. None sends nothing, so that the model's own parameters hold.
            stream: hand each piece of text to `on_chunk` when it arrives; the result is the same.
            on_chunk: called in this thread; what it raises stops the model and comes out here.

        Returns:
            the result; what the server or the network did wrong is in `success`, `error_message` and
            `metadata["partial"]`, a blank prompt too.
        """
        from codomyrmex_ollama_tui.library.running import run_prompt

        result = run_prompt(
            self._core,
            model_name,
            prompt,
            options,
            stream,
            on_chunk=on_chunk,
            first_byte_timeout=self.first_byte_timeout,
        )
        return self._ran(result)

    async def run_model_async(
        self, model_name: str, prompt: str, options: dict[str, Any] | None = None
    ) -> ModelExecutionResult:
        """As `run_model`, for a caller with an event loop; cancelling the caller's task stops the model."""
        from codomyrmex_ollama_tui.library.running import run_prompt_async

        limit = self.first_byte_timeout
        result = await run_prompt_async(self._core, model_name, prompt, options, first_byte_timeout=limit)
        return self._ran(result)

    # ------------------------------------------------------------------ the end

    def cleanup(self) -> None:
        """Clean up: cancels what is under way, closes connections, stops the server if it was started here."""
        self._core.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *of_the_block: object) -> None:
        self.cleanup()

    # ------------------------------------------------------------------ on the loop

    async def _listed(self, refresh: bool) -> tuple[tuple[ModelSummary, ...], tuple[RunningModel, ...]]:
        models, age = self._core.services.models, self._max_age
        listed = await models.listing(max_age=age, refresh=refresh)
        try:
            running = await models.running_lately(max_age=0.0 if refresh else min(age, RUNNING_AGE))
        except OllamaError as error:  # a server that loads a model may hold this back; the list is worth more
            log.info("which models are in memory is not known: %s", one_line(str(error), 300))
            running = ()
        return listed, running

    async def _details(self, name: str, refresh: bool) -> ModelInfo:
        services = self._core.services
        if not self._connection.settings.enable_caching:
            return await services.models.details(name)
        return await services.details.of(name, max_age=self._max_age, refresh=refresh)

    @property
    def _max_age(self) -> float:
        """Seconds for which a list of models is kept."""
        settings = self._connection.settings
        return float(settings.cache_ttl) if settings.enable_caching else 0.0

    def _named(self, name: str) -> list[OllamaModel]:
        return [model for model in self.list_models() if same_model(model.name, name)]

    def _ran(self, result: ModelExecutionResult) -> ModelExecutionResult:
        self._note(result.error_message or "")
        if self._core.begun:
            self._core.services.models.forget_running()
        return result


def _text(name: str, value: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name}: {type(value).__name__} is not text")
    return value


def _model(model_name: str, where: str = "model_name") -> str:
    # Like the other imports in functions here: a program that only names the manager does not wait for all of it.
    from codomyrmex_ollama_tui.library.requests import checked_model

    return checked_model(model_name, where)


def _check_config(config: OllamaConfig) -> None:
    from codomyrmex_ollama_tui.library.config import OllamaConfig

    if not isinstance(config, OllamaConfig):
        raise TypeError(f"config: {type(config).__name__} is not OllamaConfig")
