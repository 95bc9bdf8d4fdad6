"""`[options]`, `[models]`, `[presets]`, `[servers]`: read, changed by place, bad values named, comments kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codomyrmex_ollama_tui.domain.options import OPTION_RULES
from codomyrmex_ollama_tui.store.document import parse
from codomyrmex_ollama_tui.store.settings import REMOVE, SettingsStore
from codomyrmex_ollama_tui.store.tables import from_text, name_of, place_of
from tests.store.configuring import NOON, WHOLE, open_store, text_of

ROOT = Path(__file__).parent.parent.parent


def test_what_the_file_says(tmp_path: Path) -> None:
    store = open_store(tmp_path, WHOLE)
    assert store.problems == ()
    assert dict(store.tables.options) == {"temperature": 0.6, "keep_alive": "30m"}
    assert dict(store.tables.models["qwen3*"]) == {"num_ctx": 8192, "temperature": 0.5}
    assert dict(store.presets["mine"]) == {"temperature": 0.9, "min_p": 0.1, "system": "Answer in rhyme."}
    assert list(store.presets) == ["fast", "creative", "balanced", "precise", "long_form", "mine"]
    assert store.presets["fast"]["seed"] == 7
    assert store.presets["fast"]["temperature"] == 0.2, "what the person's own does not say is as shipped"
    assert store.profile("gpu.local").address == "gpu.local"


def test_the_tables_are_not_looked_at_before_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[ui]\ntheme = 'day'\n", encoding="utf-8")
    script = (
        "import sys, pathlib, datetime\n"
        "from codomyrmex_ollama_tui.store.settings import SettingsStore\n"
        f"store = SettingsStore(pathlib.Path({str(path)!r}), {{}}, now=datetime.datetime.now)\n"
        "assert store.settings.theme == 'day' and store.problems == ()\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.split())
    unwanted = {"tomlkit", "filelock", "pydantic", "difflib", "json"}
    assert unwanted & loaded == set()
    assert {name for name in loaded if name.startswith("codomyrmex_ollama_tui.store.")} & {
        f"codomyrmex_ollama_tui.store.{name}" for name in ("tables", "layers", "portable", "profiles", "checking")
    } == set()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[options]\ntemprature = 1", "options: there is no option 'temprature'; 'temperature' is near"),
        ("[options]\ntop_k = -1", "options.top_k = -1: allowed is a whole number of tokens, at least 0"),
        ("[options]\nthink = 'so so'", "options.think = 'so so': allowed is true, false"),
        ("[options]\nmax_tokens = 3", "'num_predict' is meant"),
        ("options = 3", "options = 3: allowed is a table"),
        ("models = 3", "models = 3: allowed is a table"),
        ("[models]\nnum_ctx = 3", "models.num_ctx = 3: allowed is a table"),
        ("[models.'a b']\nnum_ctx = 3", "models name = 'a b': the model"),
        ("[models.'*/../*\\']\nnum_ctx = 3", "models name = "),
        ("[models.qwen3.5]\nnum_ctx = 3", 'a name with a dot stands in quotes: [models."qwen3.5"]'),
        ("[models.'x']\nnum_ctx = 0", "models.x.num_ctx = 0: allowed is a whole number of tokens, at least 1"),
        ("[presets.'../x']\nseed = 1", "presets name = '../x': allowed is letters"),
        ("[presets.x]\nstream = true", "presets.x: there is no option 'stream'"),
        ("[servers.x]\nadress = 'a'", "servers.x.adress: there is no such setting; 'address' is near"),
        ("[servers.x]\nca_file = 'a'", "servers.x.address is missing"),
        ("[servers.x]\naddress = ''", "servers.x.address = '': allowed is a host name"),
        ("servers.x = 'secret'", "servers.x = '…': allowed is a table"),
    ],
)
def test_a_bad_value_is_named_and_the_rest_holds(tmp_path: Path, text: str, words: str) -> None:
    store = open_store(tmp_path, f"{text}\n\n[presets.good]\nseed = 1\n[ui]\ntheme = 'day'\n")
    assert len(store.problems) == 1
    assert words in store.problems[0]
    assert store.problems[0].isprintable()
    assert store.tables.presets["good"] == {"seed": 1}
    assert store.settings.theme == "day"
    assert not store.validate().valid


@pytest.mark.parametrize(
    "text",
    [
        "[servers.x]\naddress = 'a'\ntoken_variable = 'sk-se cret'",
        "[servers.x]\naddress = 'http://me:sk-secret@a'",
        "[servers.x]\naddress = 'a'\nheaders = 'sk-secret'",
        "[servers.x]\naddress = 'a'\nheaders.K = \"sk-secret\\u0007\"",
        "[servers.x]\naddress = 'a'\nheaders.K = ['sk-secret']",
    ],
)
def test_no_message_shows_what_may_be_a_secret(tmp_path: Path, text: str) -> None:
    store = open_store(tmp_path, text)
    problems = " ".join([*store.problems, *store.validate().errors])
    assert "servers.x" in problems
    assert "secret" not in problems
    assert "se cret" not in problems


def test_a_change_of_any_table_keeps_comments_and_all_else(tmp_path: Path) -> None:
    store = open_store(tmp_path, WHOLE)
    store.change("options.temperature", 0.2)
    store.change("models.qwen3*.num_ctx", 4096)
    store.set_text("models.qwen3:8b.stop", "a, b")
    store.change_at(("servers", "office", "headers", "X-Team"), "blue")
    store.change_at(("servers", "gpu.local", "address"), "other.local")
    expected = (
        WHOLE.replace("0.6  # for all", "0.2  # for all")
        .replace("num_ctx = 8192", "num_ctx = 4096")
        .replace('["###"]', '["a", "b"]')
        .replace('"red"', '"blue"')
        .replace('address = "gpu.local"', 'address = "other.local"')
    )
    assert text_of(store) == expected
    store.change("presets.new.seed", 5)
    store.change_at(("models", "qwen3.5:4b", "num_ctx"), 2048)
    assert text_of(store).startswith(expected.partition("[models.")[0])
    again = open_store(tmp_path)
    assert again.problems == ()
    assert again.tables == store.tables
    assert again.tables.presets["new"] == {"seed": 5}
    assert again.tables.models["qwen3.5:4b"] == {"num_ctx": 2048}


def test_what_is_removed_is_gone_with_its_empty_table(tmp_path: Path) -> None:
    store = open_store(tmp_path, WHOLE)
    store.remove_at("presets.fast.seed")
    store.remove_at("models.qwen3:8b*")
    store.remove_at(("keys", "chat.send"))
    store.remove_at("options.nothing_there")
    expected = WHOLE.replace("[presets.fast]\nseed = 7\n\n", "").replace('chat.send = "ctrl+y"\n', "")
    expected = expected.replace('[models."qwen3:8b*"]  # closer\ntemperature = 0.4\nthink = true\n\n', "")
    assert text_of(store) == expected
    assert store.problems == ()


def test_several_changes_are_one(tmp_path: Path) -> None:
    store = open_store(tmp_path, WHOLE)
    with pytest.raises(ValueError, match=r"options\.top_p = 3"):
        store.change_many({("options", "top_k"): 3, ("options", "top_p"): 3})
    assert text_of(store) == WHOLE
    store.change_many({("options", "top_k"): 3, ("options", "temperature"): REMOVE, ("ui", "theme"): REMOVE})
    assert dict(store.tables.options) == {"keep_alive": "30m", "top_k": 3}
    assert store.settings.theme == "night"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("model.x.num_ctx", 1, "model.x.num_ctx: there is no such setting; 'models' is near"),
        ("options", 3, "the name is not whole, as in options.temperature"),
        ("models.qwen3*.num_ctxx", 3, "'num_ctx' is near"),
        ("servers.x.token", 1, "servers.x.token: there is no such setting; 'token_variable' is near"),
        ("servers.x.headers.bad header", "x", "servers.x.headers name = 'bad header'"),
        ("presets.a/b.seed", 1, "presets name = 'a/b'"),
        ("presets." + "x" * 300 + ".seed", 1, "presets name = 'xxx"),
        ("presets.🦙.seed", 1, "presets name = '🦙'"),
        ("models.a\x00b.seed", 1, "models name = 'a\\x00b'"),
        ("models.../x.seed", 1, "models name = '../x'"),
        ("options.stop", "[1, 2", "options.stop = "),
        ("ollama.default_model", "🦙", "ollama.default_model = '🦙': allowed is the name of a model"),
        ("servers.x", "y", "the name is not whole|there is no such setting|allowed is a table"),
    ],
)
def test_a_change_that_is_not_allowed_changes_nothing(tmp_path: Path, name: str, value: object, words: str) -> None:
    store = open_store(tmp_path, WHOLE)
    with pytest.raises(ValueError, match=words.replace("*", r"\*").replace("\\x00", r"\\x00")) as caught:
        store.change(name, value)
    assert str(caught.value).isprintable()
    assert text_of(store) == WHOLE


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("ui.theme", ("ui", "theme")),
        ("keys.chat.send", ("keys", "chat.send")),
        ("options.temperature", ("options", "temperature")),
        ("models.qwen3*.num_ctx", ("models", "qwen3*", "num_ctx")),
        ("models.hf.co/a/b.c:q4.num_ctx", ("models", "hf.co/a/b.c:q4", "num_ctx")),
        ('models."qwen3.5:8b".num_ctx', ("models", "qwen3.5:8b", "num_ctx")),
        ("models.qwen3", ("models", "qwen3")),
        ('models."qwen3.5"', ("models", "qwen3.5")),
        ("presets.mine", ("presets", "mine")),
        ("servers.gpu.local.address", ("servers", "gpu.local", "address")),
        ("servers.gpu.local.headers.X-A.b", ("servers", "gpu.local", "headers", "X-A.b")),
    ],
)
def test_dotted_names(name: str, place: tuple[str, ...]) -> None:
    assert place_of(name) == place
    assert place_of(name_of(place)) == place or '"' in name


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("ollama.auto_start_server", "off", False),
        ("ollama.retry_delay", "0.5", 0.5),
        ("options.temperature", "1", 1),
        ("options.use_mmap", "yes", True),
        ("models.a.stop", "x,y", ["x", "y"]),
        ("models.a.think", "high", "high"),
        ("models.a.think", "true", True),
        ("presets.p.keep_alive", "-1", -1),
        ("presets.p.keep_alive", "10m", "10m"),
        ("servers.s.address", "127.0.0.1", "127.0.0.1"),
        ("ui.theme", "true", "true"),
    ],
)
def test_typed_text_by_the_type_of_the_field(name: str, text: str, value: object) -> None:
    read = from_text(place_of(name), text)
    assert read == value
    assert type(read) is type(value)


def test_credentials_come_from_the_environment_when_they_are_used(tmp_path: Path) -> None:
    profile = open_store(tmp_path, WHOLE).profile("office")
    found = profile.credentials({"OFFICE_TOKEN": "abc", "OFFICE_KEY": "k "})
    assert (dict(found.headers), found.token) == ({"X-Team": "red", "X-Key": "k"}, "abc")
    assert "red" not in repr(profile)
    assert "abc" not in repr(found)
    assert profile.shown()["headers"] == {"X-Team": "••••", "X-Key": "${OFFICE_KEY}"}
    with pytest.raises(ValueError, match=r"servers\.office\.headers\.X-Key: .* OFFICE_KEY is not set"):
        profile.credentials({"OFFICE_TOKEN": "abc"})
    with pytest.raises(ValueError, match=r"servers\.office\.token_variable: .* holds what no header can"):
        profile.credentials({"OFFICE_TOKEN": "a\nb", "OFFICE_KEY": "k"})


def test_an_unknown_profile_is_answered_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no server profile 'offic'; there are: gpu.local, office"):
        open_store(tmp_path, WHOLE).profile("offic")


def test_warnings_name_what_may_not_be_meant(tmp_path: Path) -> None:
    text = WHOLE + "\n[models.llama3]\nnum_predict = 0\n[models.'llama3:latest']\nseed = 1\n[colours]\nred = 1\n"
    text = text.replace("https://office:443", "http://office")
    store = open_store(tmp_path, text, {"CODOMYRMEX_OLLAMA_THEMA": "x"})
    found = store.validate()
    assert found.valid
    for words in (
        "colours: there is no such table",
        "models.llama3.num_predict = 0: to the server this is no limit",
        "models.llama3 and models.llama3:latest are one model",
        "servers.office.address = 'http://office': headers and token go there unencrypted",
        "OFFICE_KEY is not set",
        "servers.office.ca_file = '/certificates/office.pem': allowed is",
        "CODOMYRMEX_OLLAMA_THEMA: there is no such setting",
    ):
        assert any(words in warning for warning in found.warnings), words
    quiet = open_store(tmp_path, "[servers.a]\naddress = '127.0.0.1:1'\nheaders.X = '${X}'\n", {"X": "x"}).validate()
    assert (quiet.errors, quiet.warnings) == ((), ())


def test_a_token_said_twice_is_warned_of(tmp_path: Path) -> None:
    text = "[servers.a]\naddress = 'https://a'\ntoken_variable = 'T'\nheaders.authorization = '${T}'\n"
    (words,) = open_store(tmp_path, text, {"T": "x"}).validate().warnings
    assert words.startswith("servers.a: token_variable and the header Authorization say the same")


@pytest.mark.skipif(sys.platform == "win32", reason="modes")
def test_a_header_in_a_file_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    store = open_store(tmp_path, "[servers.a]\naddress = 'https://a'\nheaders.X = 'secret'\n")
    store.path.chmod(0o644)
    (words,) = store.validate().warnings
    assert "can be read by others (mode 644); chmod 600" in words
    store.path.chmod(0o600)
    assert store.validate().warnings == ()


names = st.sampled_from(["qwen3*", "qwen3:8b", "a.b:c", "hf.co/x/y:q4", "[a-c]*"])
options = st.one_of(
    st.tuples(st.just("temperature"), st.floats(0, 2)),
    st.tuples(st.just("num_ctx"), st.integers(1, 2**31 - 1)),
    st.tuples(st.just("stop"), st.lists(st.text(min_size=1, max_size=6), max_size=3)),
    st.tuples(st.just("system"), st.text(max_size=20)),
    st.tuples(st.just("think"), st.booleans()),
    st.tuples(st.just("use_mmap"), st.booleans()),
)
places = st.one_of(
    st.tuples(st.just(("options",)), options),
    st.tuples(st.builds(lambda name: ("models", name), names), options),
    st.tuples(st.builds(lambda name: ("presets", name), st.sampled_from(["mine", "fast", "größer.2"])), options),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(places, max_size=6), st.sampled_from(["config.toml", "config.json"]))
def test_every_change_is_found_again(
    tmp_path_factory: pytest.TempPathFactory,
    changes: list[tuple[tuple[str, ...], tuple[str, object]]],
    name: str,
) -> None:
    store = open_store(tmp_path_factory.mktemp("any"), WHOLE if name.endswith("toml") else None, name=name)
    wanted: dict[tuple[str, ...], object] = {}
    for place, (field, value) in changes:
        store.change_at((*place, field), value)
        wanted[(*place, field)] = value
    again = SettingsStore(store.path, {}, now=lambda: NOON)
    assert again.problems == ()
    for place, value in wanted.items():
        node: object = again.raw
        for part in place:
            assert isinstance(node, dict)
            node = node[part]
        assert node == value
    for place in wanted:
        store.remove_at(place)
    if name.endswith("toml"):
        untouched = ("ollama", "servers", "ui", "keys")
        before = parse(WHOLE, as_json=False)
        assert {table: store.raw[table] for table in untouched} == {table: before[table] for table in untouched}
        assert "# the big one" in text_of(store)


def test_every_option_can_be_written(tmp_path: Path) -> None:
    samples = {"float": 0.5, "int": 7, "bool": True, "strings": ["x"]}
    store = open_store(tmp_path)
    store.change_many({("options", name): samples[rule.kind] for name, rule in OPTION_RULES.items()})
    assert set(open_store(tmp_path).tables.options) == set(OPTION_RULES)
