"""Recorded requests sent to a real server again: it still answers in the shape that the engine is held to.

Every model name gets the prefix of these tests, in the request and in the words of errors.
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

import httpx
import pytest

from tests.embedded.harness import MODEL
from tests.embedded.held import ANY_END, EMPTY, Arranger, held_cases
from tests.embedded.shapes import MOST_LINES, Answer, ask, differences, recorded
from tests.real.server import PREFIX, RealServer, copy_model, delete, our_names, ours, unload_ours
from tests.support.recorded import case

pytestmark = pytest.mark.real
MOST_TOKENS = 4
NAMES = ("model", "name", "source", "destination", "from")
NOT_SENT = {
    "pull_(?!malformed).*": "pulls",
    "|".join(sorted(EMPTY)): "needs a server without models",
    "me_offline": "asks ollama.com",
}
CLOUD = re.compile("model_cloud_.*|show_cloud_suffix|web_search_cloud_off|status_cloud")
LOCAL = re.compile("host_header_foreign|cors_.*")
_LIBRARY = re.escape("registry.ollama.ai/library/")
NEEDS_NOT = {"chat_tools_unsupported": "tools", "gen_suffix_unsupported": "insert"}
SENT = [name for name in held_cases() if not any(re.fullmatch(pattern, name) for pattern in NOT_SENT)]


class RealArranger(Arranger):
    """Brings a real server into the state of a case, touching only names of ours."""

    def __init__(self, client: httpx.Client, source: str) -> None:
        super().__init__(client)
        self._source = source

    def _only_default(self) -> None:
        wanted = {ours(MODEL), ours("gemma3:270m")}
        there = set(our_names(self._client))
        for name in there - wanted:
            delete(self._client, name)
        for name in wanted - there:
            copy_model(self._client, self._source, name)

    def _unload(self) -> None:
        unload_ours(self._client, self._source)

    def _copy(self, source: str, destination: str) -> None:
        copy_model(self._client, ours(source), ours(destination))

    def _delete(self, model: str) -> None:
        delete(self._client, ours(model))

    def _post(self, endpoint: str, **fields: Any) -> None:
        super()._post(endpoint, **_renamed(fields))


def _renamed(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: ours(value) if key in NAMES and isinstance(value, str) else value for key, value in fields.items()}


def _request(request: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """A recorded request with our names, and which names became which."""
    names: dict[str, str] = {}
    sent = deepcopy(request)
    if isinstance(fields := sent.get("json"), dict):
        sent["json"] = _renamed(fields)
        names = {str(fields[key]): str(sent["json"][key]) for key in NAMES if fields.get(key) != sent["json"].get(key)}
    elif "body_text" in sent:
        sent["body_text"] = sent["body_text"].replace(f'"{MODEL}"', f'"{ours(MODEL)}"')
    return sent, names


def _shorten(fields: Any) -> bool:
    """Let a long answer end early; whether it may now end in another way."""
    options = fields.get("options") if isinstance(fields, dict) else None
    if not isinstance(options, dict) or "num_ctx" in options:
        return False
    if not isinstance(tokens := options.get("num_predict"), int) or tokens <= MOST_TOKENS:
        return False
    options["num_predict"] = MOST_TOKENS
    return True


def _with_names(answer: Answer, names: dict[str, str]) -> Answer:
    """The words of errors with our names."""
    for part in (answer.body, *answer.lines):
        if isinstance(part, dict) and isinstance(part.get("error"), str):
            for old, new in names.items():
                before = rf"(?:(?<![\w./:-])|(?<={_LIBRARY})){re.escape(old)}(?!\w)"
                part["error"] = re.sub(before, new.replace("\\", r"\\"), part["error"])
    return answer


def _ours_only(path: str, answer: Answer) -> None:
    """Leave out what the server has besides; it is none of ours."""
    if path in ("/api/tags", "/api/ps") and isinstance(answer.body, dict) and "models" in answer.body:
        answer.body["models"] = [one for one in answer.body["models"] if one["name"].startswith(PREFIX)]


def _by_the_model(wanted: Answer, got: Answer, source: dict[str, Any]) -> None:
    """Take out of what was recorded what another model of that name may do in another way.

    Args:
        source: what the server shows of the model that was given.
    """
    if isinstance(wanted.body, dict) and isinstance(got.body, dict):
        if "license" not in source and "license" not in got.body:
            wanted.body.pop("license", None)
        if wanted.body.get("eval_count") and got.body.get("eval_count", 0) < 2:  # it had nothing to say
            for counter in ("eval_count", "eval_duration"):
                if counter not in got.body:
                    wanted.body.pop(counter, None)


@pytest.fixture(scope="session")
def source(server: RealServer, raw: httpx.Client) -> dict[str, Any]:
    """What the server shows of the model that was given."""
    shown: dict[str, Any] = raw.post("/api/show", json={"model": server.models[0]}).raise_for_status().json()
    return shown


def test_what_is_not_sent_is_named() -> None:
    assert len(SENT) >= 240
    assert {name.split("_")[0] for name in held_cases() if name not in SENT} == {"pull", "tags", "me"}


@pytest.mark.parametrize("name", SENT)
def test_a_real_server_answers_in_the_recorded_shape(
    name: str, server: RealServer, raw: httpx.Client, source: dict[str, Any]
) -> None:
    if (capability := NEEDS_NOT.get(name)) in source["capabilities"]:
        pytest.skip(f"the model that was given has the capability {capability}")
    if server.cloud and CLOUD.fullmatch(name):
        pytest.skip("recorded with the cloud switched off (OLLAMA_NO_CLOUD=1)")
    if not server.address.is_loopback and LOCAL.fullmatch(name):
        pytest.skip("recorded on loopback, where foreign hosts are refused")
    exchange = deepcopy(case(name))
    RealArranger(raw, server.models[0]).prepare(name)
    response = exchange["response"]
    left = len(response["lines"]) if "client_closed_at_ms" in response else None
    request, names = _request(exchange["request"])
    any_end = name in ANY_END
    if left is None and response["status"] == 200 and _shorten(request.get("json")):
        any_end = True
    got = ask(raw, request, most_lines=min(left or MOST_LINES, MOST_LINES if left is None else 1))
    _ours_only(request["path"], got)
    wanted = _with_names(recorded(response), names)
    _by_the_model(wanted, got, source)
    assert differences(wanted, got, any_end=any_end, first_only=left is not None) == []
