"""Charts of models, and the tree of a model's keys, as text."""

from __future__ import annotations

from textual.content import Content

from codomyrmex_ollama_tui.domain.models import ModelDetails, ModelInfo, ModelSummary
from codomyrmex_ollama_tui.ui.charts import coloured, disk_chart, families_of, points_of, size_chart
from codomyrmex_ollama_tui.ui.model_tree import found_in, tree_of


def made(name: str, size: int, family: str, parameters: str, digest: str = "") -> ModelSummary:
    return ModelSummary(name, size, digest or name, details=ModelDetails(family=family, parameter_size=parameters))


MODELS = (
    made("a:1", 98_000_000, "llama", "134.52M"),
    made("b:1", 2_000_000_000, "llama", "3.2B", "same"),
    made("b:2", 2_000_000_000, "llama", "3.2B", "same"),
    made("c:1", 815_000_000, "gemma3", "999.89M"),
    made("d:1", 10, "", ""),
    ModelSummary("cloud:1", 300, "x", remote_host="https://ollama.com"),
)


def test_families_are_those_on_the_disk_with_shared_weights_counted_once() -> None:
    families = families_of(MODELS)
    assert [(each.letter, each.name, each.size, len(each.models)) for each in families] == [
        ("A", "llama", 2_098_000_000, 3),
        ("B", "gemma3", 815_000_000, 1),
        ("C", "·", 10, 1),
    ]
    lines = disk_chart(families, 80, 10).plain.splitlines()
    assert lines[0].startswith("A llama   ━━━━")
    assert lines[0].endswith("2.1 GB  3 models")
    assert disk_chart(families, 80, 2).plain.splitlines()[1] == "  2 more families  815 MB"
    assert disk_chart([], 80, 10).plain == "No model is on the disk."


def test_many_families_share_the_last_letter() -> None:
    many = families_of([made(f"m{number}", number + 1, f"family{number}", "1B") for number in range(40)])
    assert (many[0].letter, many[25].letter, many[39].letter) == ("A", "Z", "Z")
    assert {family.style for family in many} == {f"$model-{number}" for number in range(1, 7)}


def test_size_stands_over_parameters() -> None:
    points = points_of(families_of(MODELS))
    assert sorted(points) == [
        (134_520_000.0, 98_000_000.0, "A"),
        (999_890_000.0, 815_000_000.0, "B"),
        (3_200_000_000.0, 2_000_000_000.0, "A"),
        (3_200_000_000.0, 2_000_000_000.0, "A"),
    ]
    text = size_chart(points, 100, 20)
    lines = text.splitlines()
    assert "\x1b" not in text
    assert max(map(len, lines)) == 100
    place = {letter: [number for number, line in enumerate(lines) if letter in line[10:-1]] for letter in ("A", "B")}
    assert place["A"][0] < place["B"][0] < place["A"][-1], "the largest on top"
    assert "1.0 B" in lines[-1]
    assert "500 MB" in text
    drawn = coloured(text, families_of(MODELS))
    assert drawn.plain == text
    assert isinstance(drawn, Content)
    assert size_chart(points[:1], 60, 12)
    assert size_chart([], 100, 20) == ""
    assert size_chart(points, 20, 20) == ""


INFO = ModelInfo(
    ModelDetails(),
    {
        "general.architecture": "llama",
        "llama.attention.head_count": 9,
        "llama": "a value and a branch",
        "tokenizer.tokens": None,
        "tokenizer.scores": list(range(500)),
        "odd\x1b[31m.key": {"deep": [1]},
    },
    tensors=(("a", "Q4_1", (1, 2)), ("b", "Q4_1", (1,)), ("c", "F32", (1,))),
    projector_info={"clip.vision": True},
)


def test_keys_are_a_tree_by_the_dots_of_their_names() -> None:
    lines = tree_of(INFO).splitlines()
    assert lines[:2] == ["general", "  architecture  llama"]
    assert "    head_count  9" in lines
    assert "  tokens  · (too long for the server to send)" in lines
    assert any(line.endswith("(2,390 characters)") for line in lines)
    assert '  key  {"deep": [1]}' in lines
    assert "\x1b" not in "".join(lines)
    assert lines[-3:] == ["tensors", "  count  3", "  types  2 Q4_1, 1 F32"]
    assert "  clip" in lines
    assert tree_of(ModelInfo(ModelDetails(), {})) == ""


def test_lines_that_hold_letters_keep_the_branches_they_hang_on() -> None:
    tree = tree_of(INFO)
    assert found_in(tree, "HEAD", tree=True).plain.splitlines() == ["llama", "  attention", "    head_count  9"]
    assert found_in("one\ntwo\nthree", "t").plain.splitlines() == ["two", "three"]
    assert found_in("one", "zzz").plain == "No line holds zzz."
    assert found_in(tree, "").plain == tree
