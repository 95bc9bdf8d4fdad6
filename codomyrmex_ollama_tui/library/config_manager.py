"""The configuration file for programs: the same file, rules and layers that the screens and `cotui` use."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from codomyrmex_ollama_tui.domain.names import same_model
from codomyrmex_ollama_tui.domain.options import ALIASES
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.library.config import OllamaConfig, config_of, problem_with
from codomyrmex_ollama_tui.library.options import ExecutionOptions
from codomyrmex_ollama_tui.library.places import find_folders, local_now
from codomyrmex_ollama_tui.store.document import BrokenFile, dump, is_json, parse
from codomyrmex_ollama_tui.store.fields import unknown
from codomyrmex_ollama_tui.store.layers import matching
from codomyrmex_ollama_tui.store.profiles import ServerProfile
from codomyrmex_ollama_tui.store.settings import REMOVE, SettingsStore
from codomyrmex_ollama_tui.store.tables import is_pattern

__all__ = ["ConfigManager", "OllamaConfig"]

RESET = ("ollama", "options", "models", "presets")
"""What `reset_to_defaults` resets; servers, screens and keys are not part of `OllamaConfig` or of a run."""

logger = logging.getLogger(__name__)


class ConfigManager:
    """Reads, checks and changes the configuration. Safe to use from several threads; files are changed under a lock.

    Methods typed `bool` return False for what could not be done, log why, and leave the reason in `last_error`;
    nothing is changed then. Arguments of a wrong type raise `TypeError`.

    Attributes:
        path: the file; it need not exist.
        last_error: why the last method that returned False did; "" after one that returned True.
    """

    def __init__(
        self,
        config_file: str | None = None,
        *,
        config_dir: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Loads the file if there is one, else the defaults. Writes nothing; a broken file is renamed.

        Args:
            config_file: TOML, or JSON where the name ends in ".json"; None is `config.toml` in `config_dir`.
            config_dir: None is the folder of this platform that the screens and `cotui` use.
            environment: `CODOMYRMEX_OLLAMA_<FIELD>` stands over the file; None is that of this process.

        Raises:
            TypeError: an argument is of a wrong type.
        """
        self.path = _path_of(config_file, config_dir)
        self.last_error = ""
        self._lock = threading.RLock()
        self._store = SettingsStore(self.path, os.environ if environment is None else environment, now=local_now)
        self._take()

    # ------------------------------------------------------------------ the seed's methods

    @property
    def config(self) -> OllamaConfig:
        """The configuration in force. Fields that are set on it are checked and kept by `save_config`."""
        return self._config

    def load_config(self) -> bool:
        """Reads the file again, dropping what was set on `config` and not saved.

        Returns:
            whether there is a file and everything in it is allowed; else `last_error` names what is not, and the
            rest of the file, or the defaults, are in force.
        """
        with self._lock:
            self._store.reload()
            self._take()
            problems = list(self._store.problems)
            if not problems and not self.path.exists():
                problems = [f"{self.path}: there is no such file; the defaults are in force"]
            return self._done(problems)

    def save_config(self) -> bool:
        """Writes what was set on `config` since it was loaded; all else in the file stays. Makes the file."""
        with self._lock:
            problems = self._config.problems()
            return self._done(problems) if problems else self._write(self._unsaved())

    def create_default_config(self) -> OllamaConfig:
        """A new configuration with the defaults. The one in force stays; see `reset_to_defaults`."""
        return OllamaConfig()

    def update_config(self, **kwargs: Any) -> bool:
        """Sets fields of `config` and keeps them in the file: all of them, or none if one is not allowed."""
        with self._lock:
            known = {field.name for field in fields(OllamaConfig)}
            problems = [
                problem_with(name, value) if name in known else unknown("ollama", name)
                for name, value in kwargs.items()
            ]
            problems = [problem for problem in problems if problem]
            return self._done(problems) if problems else self._write(kwargs)

    def get_model_config(self, model_name: str) -> dict[str, Any] | None:
        """What `[models]` holds for a model: the exact name over patterns, the most specific one first; or None."""
        _need(model_name, str, "model_name")
        with self._lock:
            models = self._store.tables.models
            found = matching(models, model_name)
            if not found and model_name not in models:
                return None
            values = {name: value for key in found or [model_name] for name, value in models[key].items()}
        return _plain_dict(values)

    def save_model_config(self, model_name: str, config: dict[str, Any]) -> bool:
        """Keeps options (and `system`, `keep_alive`, `think`, `format`) for a model or a pattern such as "qwen3*".

        What was kept under the same name is replaced. None leaves a value out.
        """
        _need(model_name, str, "model_name")
        _need(config, Mapping, "config")
        with self._lock:
            kept = {ALIASES.get(name, name): value for name, value in config.items() if value is not None}
            if len(kept) < sum(value is not None for value in config.values()):
                return self._done([f"models.{one_line(model_name)}: an option is given twice, once by another name"])
            return self._try(lambda: self._store.change_at(("models", self._name_in_file(model_name)), kept))

    def get_execution_presets(self) -> dict[str, ExecutionOptions]:
        """The presets fast, creative, balanced, precise and long_form, and the person's own, as options to pass.

        A field that a preset does not name has its default in `ExecutionOptions`; what of a preset is no field there
        (such as `min_p`) is left out: `resolve` has it.
        """
        names = {field.name for field in fields(ExecutionOptions)}
        with self._lock:
            presets = self._store.presets
        return {
            preset: ExecutionOptions(**{name: value for name, value in _plain_dict(values).items() if name in names})
            for preset, values in presets.items()
        }

    def export_config(self, export_path: str) -> bool:
        """Writes everything to a file for another machine: TOML where the name ends in ".toml", else JSON.

        Values of headers are left out and named in the file (`secrets_left_out`).
        """
        from codomyrmex_ollama_tui.store.atomic import write_atomically
        from codomyrmex_ollama_tui.store.portable import exported

        path = Path(_need(export_path, (str, os.PathLike), "export_path"))
        with self._lock:
            problems = self._config.problems()
            if problems:
                return self._done(problems)
            data = exported(self._store.raw, local_now(), self._unsaved())

            def write() -> None:
                as_toml = path.suffix.lower() == ".toml"
                write_atomically(path, dump(_without_none(data) if as_toml else data, as_json=not as_toml))

            return self._try(write)

    def import_config(self, import_path: str) -> bool:
        """Takes over a file that `export_config` wrote, or one that is laid out as the configuration file is.

        The tables that it names take the place of those that are there, all of them or none; the configuration file
        is copied first. Header values that were left out of it stay as they are here.
        """
        path = Path(_need(import_path, (str, os.PathLike), "import_path"))
        with self._lock:
            missing: list[str] = []

            def read() -> None:
                try:
                    data = _document(path)
                    missing.extend(self._store.import_(data))
                except ValueError as error:
                    raise ValueError(f"{path}: {error}") from error

            if not self._try(read):
                return False
            for words in missing:
                logger.warning("%s", words)
            self._take()
            return True

    def reset_to_defaults(self) -> bool:
        """Takes `[ollama]`, `[options]`, `[models]` and `[presets]` out of the file, which is copied first."""
        with self._lock:
            done = self._try(lambda: self._store.reset(RESET))
            if done:
                self._take()
            return done

    def validate_config(self) -> dict[str, Any]:
        """Looks over `config` as it is now, the file and the environment.

        Returns:
            `valid` (bool), `errors` and `warnings` (lists of sentences, each naming the field, its value and what is
            allowed). What stands in `errors` is not in force.
        """
        with self._lock:
            found = self._store.validate()
            errors = [*self._config.problems(), *found.errors]
            return {"valid": not errors, "errors": errors, "warnings": list(found.warnings)}

    # ------------------------------------------------------------------ further ones

    def explain(
        self,
        model_name: str,
        *,
        preset: str | None = None,
        options: Mapping[str, Any] | None = None,
        modelfile: Mapping[str, Any] | None = None,
        server_version: str = "",
    ) -> dict[str, dict[str, Any]]:
        """Every option for a model: `value`, `origin` (the layer it comes from), and `below` (what it stands over).

        Args:
            preset: name of a preset.
            options: of a call, as `run_model` takes them.
            modelfile: the model's own parameters; this class asks no server.
            server_version: for defaults that changed between versions.

        Raises:
            ValueError: there is no such preset, or an option is not allowed.
        """
        with self._lock:
            rows = self._store.explain(model_name, preset, options, modelfile=modelfile, server_version=server_version)
        return {
            row.name: _plain_dict(
                {
                    "value": row.value,
                    "origin": row.origin,
                    "below": [{"origin": origin, "value": value} for origin, value in row.below],
                }
            )
            for row in rows
        }

    def resolve(
        self, model_name: str, *, preset: str | None = None, options: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """What the layers come to for a model, as `run_model` takes it; the server's and the model's own are left out.

        Raises:
            ValueError: there is no such preset, or an option is not allowed.
        """
        with self._lock:
            return _plain_dict(self._store.resolved(model_name, preset, options))

    def save_preset(self, name: str, options: ExecutionOptions | Mapping[str, Any]) -> bool:
        """Keeps a preset of the person's own; one of the same name is replaced."""
        _need(name, str, "name")
        kept = options.preset() if isinstance(options, ExecutionOptions) else _need(options, Mapping, "options")
        with self._lock:
            return self._try(lambda: self._store.change_at(("presets", name), kept))

    def remove_preset(self, name: str) -> bool:
        """Forgets a preset of the person's own; a shipped one of the same name is as shipped again."""
        _need(name, str, "name")
        with self._lock:
            return self._try(lambda: self._store.remove_at(("presets", name)))

    def remove_model_config(self, model_name: str) -> bool:
        """Forgets what is kept for that name or pattern."""
        _need(model_name, str, "model_name")
        with self._lock:
            return self._try(lambda: self._store.remove_at(("models", self._name_in_file(model_name))))

    @property
    def servers(self) -> Mapping[str, ServerProfile]:
        """The server profiles of the file, by name."""
        with self._lock:
            return self._store.profiles

    # ------------------------------------------------------------------ inside

    def _take(self) -> None:
        self._config = config_of(self._store.settings)
        self._loaded = replace(self._config)

    def _unsaved(self) -> dict[str, Any]:
        """The fields of `config` that were set since it was loaded."""
        loaded = asdict(self._loaded)
        return {name: value for name, value in asdict(self._config).items() if value != loaded[name]}

    def _write(self, changes: Mapping[str, Any]) -> bool:
        places: dict[tuple[str, ...], object] = {
            ("ollama", name): REMOVE if value is None else value for name, value in changes.items()
        }
        done = self._try(lambda: self._store.change_many(places))
        if done:
            for name, value in changes.items():  # stands over the environment too: it was said later
                setattr(self._config, name, value)
                setattr(self._loaded, name, value)
        return done

    def _name_in_file(self, model_name: str) -> str:
        """The name that the same model has there already ("llama3" for "llama3:latest"), else this one."""
        if is_pattern(model_name):
            return model_name
        names = [name for name in self._store.tables.models if not is_pattern(name) and same_model(name, model_name)]
        return model_name if model_name in names or not names else names[0]

    def _try(self, work: Callable[[], object]) -> bool:
        try:
            work()
        except (OSError, ValueError) as error:
            return self._done([_sentence(error)])
        return self._done([])

    def _done(self, problems: list[str]) -> bool:
        self.last_error = "; ".join(problems)
        if problems:
            logger.warning("configuration: %s", self.last_error)
        return not problems


def _need(value: Any, kind: type | tuple[type, ...], name: str) -> Any:
    if not isinstance(value, kind):
        wanted = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
        raise TypeError(f"{name} must be {wanted}, not {type(value).__name__}")
    return value


def _path_of(config_file: str | None, config_dir: str | None) -> Path:
    if config_file is not None:
        return Path(_need(config_file, (str, os.PathLike), "config_file")).expanduser().absolute()
    if config_dir is not None:
        _need(config_dir, (str, os.PathLike), "config_dir")
    return find_folders(config_dir=config_dir).config_file


def _sentence(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename2 or error.filename}: {error.strerror.lower()}"
    return one_line(str(error), 2000)


def _document(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix.lower() == ".toml":
        return parse(text, as_json=False)
    try:
        return parse(text, as_json=True)
    except BrokenFile:
        if is_json(path):
            raise
        return parse(text, as_json=False)


def _plain_dict(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in values.items()}


def _plain(values: Any) -> Any:
    if isinstance(values, Mapping):
        return _plain_dict(values)
    if isinstance(values, list | tuple):
        return [_plain(value) for value in values]
    return values


def _without_none(values: Any) -> Any:
    if isinstance(values, Mapping):
        return {name: _without_none(value) for name, value in values.items() if value is not None}
    return values
