"""What can be started on this machine in the place of a server that does not answer, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.client.address import Address, parse_address
from codomyrmex_ollama_tui.domain.text import one_line
from codomyrmex_ollama_tui.services.state import Way

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.services.child import Child


@dataclass(frozen=True, slots=True)
class Launcher:
    """Starts servers as children.

    Attributes:
        allowed: whether anything may be started unasked.
        python: the interpreter that runs the embedded engine.
        environment: what the children get; for `ollama serve` with OLLAMA_HOST set to the address.
        state_folder: where the logs go (made when needed).
        models_folder: where the embedded engine keeps its models.
        package_folder: the folder that holds this package.
        ollama: the name or path of the binary.
        search_path: where it is looked for, as PATH has it.
        engine_module: what runs as the embedded engine.
        engine_needs: what must be importable for it.
    """

    allowed: bool
    python: str
    environment: Mapping[str, str]
    state_folder: Path
    models_folder: Path
    package_folder: Path
    ollama: str = "ollama"
    search_path: str = ""
    engine_module: str = "codomyrmex_ollama_tui.embedded"
    engine_needs: tuple[str, ...] = ("xllamacpp", "starlette", "uvicorn")

    def find_ollama(self) -> str | None:
        """The path of the `ollama` binary."""
        import shutil  # like the others in functions here: not before the first frame

        return shutil.which(self.ollama, path=self.search_path)

    def has_engine(self) -> bool:
        """Whether the embedded engine is installed (whether it runs on this processor shows when it starts)."""
        import importlib.util

        return all(importlib.util.find_spec(name) is not None for name in self.engine_needs)

    def ways(self, address: Address) -> tuple[Way, ...]:
        """What a person can do when nobody answers at an address."""
        ways = [Way.RETRY, Way.HOST]
        if self.has_engine():
            ways.append(Way.EMBEDDED)
        if address.is_loopback and self.find_ollama() is None:
            ways.append(Way.INSTALL)
        return tuple(ways)

    def start_ollama(self, binary: str, address: Address) -> Child:
        """`ollama serve` on that address.

        Raises:
            OSError: it cannot be started.
        """
        from codomyrmex_ollama_tui.services.child import Child

        environment = {**self.environment, "OLLAMA_HOST": address.base_url}
        return Child([binary, "serve"], environment, self._log("ollama-serve.log"), talks=False)

    def start_engine(self) -> Child:
        """The embedded engine on a free port, or what holds the one open that serves the models folder already.

        It lets go when its standard input closes, so also when we are killed.

        Raises:
            OSError: it cannot be started.
        """
        from codomyrmex_ollama_tui.services.child import Child

        command = [self.python, "-m", self.engine_module, "--port", "0", "--models", str(self.models_folder)]
        # `-m` imports from the working directory first: never from the folder that the person happens to be in.
        return Child(
            [*command, "--stdin-lifetime"],
            self.environment,
            self._log("engine.log"),
            talks=True,
            folder=self.package_folder,
        )

    def _log(self, name: str) -> Path:
        self.state_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.state_folder / name


@dataclass(frozen=True, slots=True)
class EngineReport:
    """What the engine says of itself in its first line: where it listens, or why it cannot run (`words`).

    `shared`: it is one of another program that listens there, held open by the process that has told us.
    """

    address: Address | None
    shared: bool = False
    words: str = ""


def read_engine_report(line: str, last_words: str) -> EngineReport:
    """Reads the engine's first line; a line that is none, or unreadable, becomes words from the end of its log."""
    import json

    try:
        said = json.loads(line)
    except ValueError:
        said = None
    if isinstance(said, dict):
        if isinstance(said.get("error"), str):
            return EngineReport(None, words=one_line(said["error"]))
        if isinstance(said.get("address"), str):
            return EngineReport(parse_address(said["address"]), shared=said.get("shared") is True)
    return EngineReport(None, words=f"the embedded engine ended: {last_words or 'it wrote nothing'}")
