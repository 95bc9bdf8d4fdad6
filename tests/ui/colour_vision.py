"""Contrast as WCAG 2 has it, and how far apart two colours are for someone who does not see green."""

from __future__ import annotations

from math import dist

from textual.color import Color

Triple = tuple[float, float, float]

# Machado, Oliveira and Fernandes 2009, deuteranopia at severity 1.0, for linear RGB.
DEUTERANOPIA = (
    (0.367322, 0.860646, -0.227968),
    (0.280085, 0.672501, 0.047413),
    (-0.011820, 0.042940, 0.968881),
)


def linear(text: str) -> Triple:
    """A colour as linear RGB, 0–1."""

    def channel(value: int) -> float:
        share = value / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    red, green, blue = Color.parse(text).rgb
    return channel(red), channel(green), channel(blue)


def luminance(text: str) -> float:
    """WCAG 2 relative luminance."""
    red, green, blue = linear(text)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio, 1–21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def without_green(colour: Triple) -> Triple:
    """Linear RGB as it is seen with deuteranopia."""
    red, green, blue = (
        min(1.0, max(0.0, sum(weight * value for weight, value in zip(row, colour, strict=True))))
        for row in DEUTERANOPIA
    )
    return red, green, blue


def lab(colour: Triple) -> Triple:
    """CIE L*a*b* (D65) of linear RGB."""
    red, green, blue = colour
    x = (0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047
    y = 0.2126729 * red + 0.7151522 * green + 0.0721750 * blue
    z = (0.0193339 * red + 0.1191920 * green + 0.9503041 * blue) / 1.08883

    def curve(value: float) -> float:
        return value ** (1 / 3) if value > 216 / 24389 else (24389 / 27 * value + 16) / 116

    return 116 * curve(y) - 16, 500 * (curve(x) - curve(y)), 200 * (curve(y) - curve(z))


def distance(one: str, other: str, *, deuteranopia: bool = False) -> float:
    """CIE 1976 colour difference; 2.3 is just noticeable side by side."""
    first, second = linear(one), linear(other)
    if deuteranopia:
        first, second = without_green(first), without_green(second)
    return dist(lab(first), lab(second))
