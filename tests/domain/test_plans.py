"""Plans: what a file says, what a cell asks, and that what is wrong is named with its place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.domain.plans import Plan, Target, Variant, plan_of, read_plan
from codomyrmex_ollama_tui.domain.prompts import Misplaced, Prompt

WHOLE = """\
name = "capitals"
models = ["a:1", { model = "b", server = "gpu" }]
template = "Q: {{prompt}}"
system = "Answer for {{country}}."
repeats = 2
seed = 40
concurrency = 3
retries = 0
first_byte_timeout = 60

[[options]]
name = "cold"
temperature = 0

[[options]]
name = "json"
format = "json"

[[prompts]]
id = "it"
prompt = "Capital of {{country}}?"
variables = { country = "Italy" }

[[prompts]]
id = "fr"
prompt = "Capital?"
variables = { country = "France", city = "Paris" }
options = { temperature = 1 }
assert = [{ type = "contains", value = "{{city}}" }]

[[assert]]
type = "word-count"
value = { max = 5 }
"""


def no_file(name: str) -> tuple[Prompt, ...]:
    raise AssertionError(name)


def test_a_whole_plan() -> None:
    plan = read_plan(WHOLE, no_file)
    assert plan.targets == (Target("a:1"), Target("b", "gpu"))
    assert plan.servers == ("", "gpu")
    assert plan.size == len(list(plan.cells())) == 2 * 2 * 2 * 2
    assert [cell.target.model for cell in plan.cells()] == ["a:1"] * 8 + ["b"] * 8
    assert [cell.number for cell in plan.cells()] == list(range(16))
    assert len({(cell.target, cell.variant.name, cell.prompt.id, cell.repeat) for cell in plan.cells()}) == 16
    last = plan.cell(15)
    assert (last.variant.name, last.prompt.id, last.repeat) == ("json", "fr", 1)
    asked = last.asked(plan)
    assert asked.text == "Q: Capital?"
    assert asked.options == {"temperature": 1, "seed": 41}
    assert asked.fields == {"format": "json", "system": "Answer for France."}
    assert [(name, assertion.value) for name, assertion in asked.assertions] == [
        ('word-count {"max": 5}', {"max": 5}),
        ("contains", "Paris"),
    ]


def test_a_plan_is_read_again_as_it_was_written() -> None:
    plan = read_plan(WHOLE, no_file)
    again = plan_of(plan.fields(), plan.prompts)
    assert again == plan
    assert again.digest() == plan.digest()


def test_the_digest_is_about_what_is_asked() -> None:
    one = Plan((Target("m"),), (Prompt("1", "x"),))
    assert Plan((Target("m"),), (Prompt("1", "x"),), name="n", concurrency=9).digest() == one.digest()
    assert Plan((Target("m"),), (Prompt("1", "y"),)).digest() != one.digest()
    assert Plan((Target("m"),), (Prompt("1", "x"),), variants=(Variant("", {"seed": 1}),)).digest() != one.digest()


def test_servers_multiply_the_models_that_name_none() -> None:
    text = 'models = ["a", { model = "b", server = "gpu" }]\nservers = ["one", "two"]\nprompts = ["x"]'
    assert [target.label for target in read_plan(text, no_file).targets] == ["a @ one", "b @ gpu", "a @ two"]


def test_a_prompt_with_variables_is_a_template_itself() -> None:
    plan = read_plan('models = ["m"]\nprompts = [{ prompt = "{{a}}?", variables = { a = "x" } }, "{{b}}"]', no_file)
    assert [cell.asked(plan).text for cell in plan.cells()] == ["x?", "{{b}}"]


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ('models = ["m"]\nprompts = ["x"\n', 2, 0, "no TOML"),
        ('models = ["m"]\nmodels = ["m"]\n', 2, 15, "no TOML"),
        ('prompts = ["x"]', 0, 0, "models is missing"),
        ('models = ["m"]\n  prompts = []', 2, 3, "a list of prompts"),
        ('models = ["m"]\nprompts = ["x"]\nrepeat = 2', 3, 1, "repeat: there is no such field"),
        ('models = ["m"]\nprompts = ["x"]\nrepeats = 0', 3, 1, "repeats = 0: allowed is a whole number from 1"),
        ('models = ["m"]\nprompts = ["x"]\nseed = true', 3, 1, "seed = True"),
        ('models = ["m", "a b"]\nprompts = ["x"]', 1, 1, "models[2]"),
        ('models = ["m", "m"]\nprompts = ["x"]', 1, 1, "'m' is there twice"),
        ('models = ["m"]\nprompts = ["x"]\nfirst_byte_timeout = inf', 3, 1, "seconds above 0"),
        ('models = ["m"]\nprompts = ["x"]\n[options]\ntop_k = 1\ntemprature = 1', 5, 1, "'temperature' is near"),
        (
            'models = ["m"]\nprompts = ["x"]\n[[options]]\nname = "a"\n[[options]]\n name = "b"\n top_p = 9',
            7,
            2,
            "options[2].top_p = 9",
        ),
        (
            'models = ["m"]\n[[prompts]]\nprompt = "x"\n[[prompts]]\nid = "b"\nprompt = 3',
            6,
            1,
            "prompts[2].prompt = 3",
        ),
        ('models = ["m"]\nprompts = ["x"]\n[[assert]]\ntype = "regex"\nvalue = "("', 5, 1, "a regular expression"),
        ('models = ["m"]\nprompts = ["x"]\ntemplate = "{{y}}"', 3, 1, "variable 'y'; there are: prompt"),
        ('models = ["m"]\nprompts = ["x"]\nrepeats = 10000\nservers = ["s"]\nx.y = 1', 5, 1, "x: there is no such"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text: str, line: int, column: int, words: str) -> None:
    with pytest.raises(Misplaced) as raised:
        read_plan(text, no_file, "plan.toml")
    assert words in raised.value.reason
    assert (raised.value.line, raised.value.column) == (line, column)
    assert str(raised.value).startswith("plan.toml")


def test_a_plan_that_is_too_large_is_refused() -> None:
    prompts = tuple(Prompt(str(number), "x") for number in range(1001))
    with pytest.raises(ValueError, match="are more than 1,000,000"):
        plan_of({"models": ["m"], "repeats": 1000}, prompts)


@settings(max_examples=50)
@given(st.text())
def test_any_text_is_read_or_named(text: str) -> None:
    with pytest.raises(Misplaced):
        read_plan(text, no_file)
