"""The figures of one execution: times from this side's clock, rates from the server's counters, and their flaws."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

from codomyrmex_ollama_tui.domain.counters import RELIABLE_PROMPT, RELOADED_AFTER, cached_tokens, prompt_rate

if TYPE_CHECKING:
    from codomyrmex_ollama_tui.services.execution import Execution

CACHED_SHARE = 0.05
"""Share of the prompt in the cache beyond which a run is marked as cached."""


class Flag(StrEnum):
    """What is to be known of a run before its figures are believed."""

    CACHED = "cached"
    """more than 5 % of the prompt came from the cache"""
    RELOADED = "reloaded"
    """the model was loaded, or waited for, for more than a second"""
    SHORT_PROMPT = "short_prompt"
    """fewer than 256 prompt tokens: the prompt rate is unreliable"""
    TRUNCATED = "truncated"
    """the answer ended at a limit of its length"""
    TWO_PASSES = "two_passes"
    """thinking with a format: the counters are those of the second pass only, so there are no rates"""
    RESIDUAL = "residual"
    """TTFT is longer than loading and prompt explain: waiting, network, or a slow reader"""
    CONTAMINATED = "contaminated"
    """a model that takes no part was in memory"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one run; None where they cannot be known. Seconds, tokens, tokens per second.

    With c the times on this side (send 0, first and last content c1 and cN, end cD), G eval_count, g eval_duration,
    P prompt_eval_count, p prompt_eval_duration, L load_duration, T total_duration:

    Attributes:
        ttft: c1, content of any kind.
        ttfa: the first content that is no thinking.
        e2e: cD.
        tokens: G, the unseen end token included.
        prompt_tokens: P.
        cached_tokens: those of P that came from the cache, where the server says it.
        load: L, waiting for a turn included.
        decode_rate: G / g, as Ollama itself has it.
        decode_rate_adjusted: (G - 1) / g: g leaves out the first token; it matters below 64 tokens.
        client_rate: (G - 1) / (cN - c1), to check the server's.
        prompt_rate: see `domain.counters.prompt_rate`.
        tpot: (cD - c1) / (G - 1), seconds per token.
        overhead_server: T - L - p - g: queue, template, tokenising, sampling.
        overhead_client: cD - T: transport and reading.
        ttft_residual: c1 - (L + p).
        gaps: between pieces (inter-chunk latency); a piece is not a token.
        flags: what is to be known before the figures are believed.
    """

    ttft: float | None = None
    ttfa: float | None = None
    e2e: float = 0.0
    tokens: int | None = None
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    load: float | None = None
    decode_rate: float | None = None
    decode_rate_adjusted: float | None = None
    client_rate: float | None = None
    prompt_rate: float | None = None
    tpot: float | None = None
    overhead_server: float | None = None
    overhead_client: float | None = None
    ttft_residual: float | None = None
    gaps: tuple[float, ...] = ()
    flags: tuple[Flag, ...] = ()

    @property
    def reloaded(self) -> bool:
        """Whether the model was loaded anew, as far as the time it took tells."""
        return Flag.RELOADED in self.flags


def figures_of(execution: Execution, *, cold: bool = False) -> Figures:
    """The figures of one execution, whole or not.

    Args:
        cold: nothing of its prompt can have been in the server's cache (a nonce was its first text, and verified).
    """
    arrivals, end, counters = execution.arrivals, execution.end, execution.counters
    gaps = tuple(later - sooner for sooner, later in pairwise(arrivals))
    if end is None:
        return Figures(ttft=execution.ttft_s, ttfa=execution.ttfa_s, e2e=execution.total_s, gaps=gaps)
    two_passes = bool(execution.thinking) and execution.request.format not in (None, "")
    tokens, decoding = counters.eval_count, _seconds(counters.eval_duration)
    load, prompt, total = map(
        _seconds, (counters.load_duration, counters.prompt_eval_duration, counters.total_duration)
    )
    cached = cached_tokens(end)
    rate = None if two_passes else prompt_rate(counters, cached=cached, version=execution.version, cold=cold)
    further = (tokens or 0) - 1
    ttft, e2e = execution.ttft_s, execution.total_s
    residual = None if ttft is None or load is None or prompt is None or two_passes else ttft - load - prompt
    streamed = arrivals[-1] - arrivals[0] if arrivals else 0.0
    figures = Figures(
        ttft=ttft,
        ttfa=execution.ttfa_s,
        e2e=e2e,
        tokens=tokens,
        prompt_tokens=counters.prompt_eval_count,
        cached_tokens=cached,
        load=load,
        decode_rate=None if two_passes else counters.eval_rate,
        decode_rate_adjusted=further / decoding if further > 0 and decoding and not two_passes else None,
        client_rate=further / streamed if further > 0 and streamed > 0 and not two_passes else None,
        prompt_rate=rate,
        tpot=None if ttft is None or further <= 0 or two_passes else (e2e - ttft) / further,
        overhead_server=_overhead(total, load, prompt, decoding),
        overhead_client=None if total is None else e2e - total,
        ttft_residual=residual,
        gaps=gaps,
    )
    return _flagged(figures, execution, two_passes)


def _flagged(figures: Figures, execution: Execution, two_passes: bool) -> Figures:
    flags: list[Flag] = []
    if figures.cached_tokens and figures.cached_tokens > CACHED_SHARE * (figures.prompt_tokens or 0):
        flags.append(Flag.CACHED)
    if figures.load is not None and figures.load > RELOADED_AFTER:
        flags.append(Flag.RELOADED)
    if figures.prompt_rate is not None and (figures.prompt_tokens or 0) < RELIABLE_PROMPT:
        flags.append(Flag.SHORT_PROMPT)
    if execution.done_reason == "length":
        flags.append(Flag.TRUNCATED)
    if two_passes:
        flags.append(Flag.TWO_PASSES)
    residual, ttft = figures.ttft_residual, figures.ttft
    if residual is not None and ttft is not None and residual > max(0.05, 0.05 * ttft):
        flags.append(Flag.RESIDUAL)
    return replace(figures, flags=tuple(flags))


def _seconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e9


def _overhead(total: float | None, *parts: float | None) -> float | None:
    return None if total is None else total - sum(part or 0.0 for part in parts)
