"""The configuration of the library: the fields of `[ollama]`."""

from __future__ import annotations

from dataclasses import dataclass, fields

from codomyrmex_ollama_tui.domain.text import wrong
from codomyrmex_ollama_tui.store.fields import Settings, rule_for

__all__ = ["OllamaConfig", "config_of", "problem_with"]


@dataclass
class OllamaConfig:
    """Configuration for Ollama integration.

    Attributes:
        ollama_binary: name or path of the `ollama` program.
        auto_start_server: start a server on this machine when none answers.
        default_model: for callers that name no model; never pulled unasked.
        server_host: a host name, an IP address or a URL.
        server_port: 1–65535.
        request_timeout: seconds for short calls, and between two pieces of an answer; 1–86400.
        max_retries: new tries of a call that found no server; 0–100.
        retry_delay: seconds before the first new try, doubled each time; 0–3600.
        output_directory: the folder that outputs are kept in.
        enable_caching: keep the list of models for a while.
        cache_ttl: seconds that the list of models is kept; 0 asks each time.
        first_byte_timeout: seconds until an answer must begin; None is no limit.

    Raises:
        ValueError: a value that is not allowed; names the field, the value and what is allowed.
    """

    ollama_binary: str = "ollama"
    auto_start_server: bool = True
    default_model: str = "llama2"
    server_host: str = "localhost"
    server_port: int = 11434
    request_timeout: int = 120
    max_retries: int = 3
    retry_delay: float = 1.0
    output_directory: str = "./ollama_outputs"
    enable_caching: bool = True
    cache_ttl: int = 3600
    first_byte_timeout: float | None = None

    def __post_init__(self) -> None:
        for problem in self.problems():
            raise ValueError(problem)

    def problems(self) -> list[str]:
        """What is not allowed in it now: a field may have been set since. One sentence for each field."""
        return [problem for field in fields(self) if (problem := problem_with(field.name, getattr(self, field.name)))]


def problem_with(name: str, value: object) -> str:
    """One sentence on why a field may not have that value; "" where it may.

    Raises:
        KeyError: there is no such field.
    """
    rule = rule_for("ollama", name)
    if rule is None:
        raise KeyError(name)
    if (value is None and rule.unset) or rule.read(value) is not None:
        return ""
    return wrong(name, value, f"{rule.allowed}, or None") if rule.unset else rule.refuse(name, value)


def config_of(settings: Settings) -> OllamaConfig:
    """The fields of `[ollama]` in force."""
    return OllamaConfig(**{field.name: getattr(settings, field.name) for field in fields(OllamaConfig)})
