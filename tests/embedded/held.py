"""The recorded exchanges that the engine must answer in the same shape, and what they need before they are asked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx

from tests.embedded.harness import MODEL

CASES = Path(__file__).parent.parent / "wire" / "cases"
OTHER = "gemma3:270m"  # in these tests a copy of MODEL: names and shapes count, weights do not

_PATTERNS = """
err_.* no_model_field_.* missing_model_(?!push|create_from).* model_name_.* model_cloud_.*
version version_head root_.* raw_.* status_cloud host_header_foreign cors_.* me_offline gzip_requested
tags_(?!remote).* show_smollm2 show_smollm2_verbose show_name_field
show_case_insensitive show_full_name show_local_suffix show_system_override show_created show_missing show_bad_name
show_no_model show_cloud_suffix
ps_(?!after_runner|parallel).*
gen_(?!suffix_ok|repeat_guard|images_non_vision_gemma3|template_override).*
chat_(?!images_non_vision_gemma3).* embed_(?!gemma3|only|load).* embeddings_legacy alias_.* unload_after_delete_loaded
copy_.* delete_.* create_from_system_params create_nostream create_no_from create_bad_.* create_wrong_parameter_type
create_unknown_parameter create_files_bad_digest create_files_absolute_path create_files_unknown_type
blob_get_not_allowed blob_head_bad_digest blob_head_missing blob_post_bad_digest create_quantize_unknown
create_quantize_unsupported web_search_cloud_off me_get generate_wrong_parameter_type generate_after_delete_loaded
load_twice_at_once_a
pull_full pull_full_fast pull_full_nostream pull_already_present pull_already_present_nostream pull_cancelled
pull_cancelled_at_once pull_two_.* pull_malformed_.* pull_missing_.*
"""
# the answer is another text, so it may end in another way
ANY_END = {"gen_stop_sequence", "gen_context_second", "gen_stop_partial_held_back", "gen_unicode"}
# what /api/version says besides
MORE_KEYS = {"version": ["engine is new"]}
# these were recorded on a server without models
EMPTY = {"tags_empty", "tags_after_cancelled_pull"}
PIRATE: dict[str, Any] = {
    "model": "pirate",
    "from": MODEL,
    "system": "You are a pirate called Bob.",
    "parameters": {"temperature": 0.1, "num_ctx": 1024, "stop": ["<|im_end|>", "ARR"]},
    "license": ["MIT", "Second license text"],
    "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ahoy!"}],
    "stream": False,
}
_LOADS: dict[str, dict[str, Any]] = {
    "ps_one": {},
    "ps_expires_at_in_the_past": {},
    "ps_after_keep_alive_zero": {},
    "ps_right_after_unload": {},
    "ps_while_generating": {},
    "ps_after_eviction": {},
    "ps_two": {},
    "ps_after_unload_while_generating": {},
    "gen_unload": {},
    "gen_unload_keep_alive_string": {},
    "chat_unload": {},
    "alias_ps": {},
    "ps_keep_alive_30": {"keep_alive": 30},
    "ps_keep_alive_3s": {"keep_alive": "3s"},
    "ps_keep_alive_1h30m": {"keep_alive": "1h30m"},
    "ps_keep_alive_forever": {"keep_alive": -1},
    "ps_num_ctx_256": {"options": {"num_ctx": 256}},
    "ps_num_ctx_tiny": {"options": {"num_ctx": 1}},
    "ps_num_ctx_huge": {"options": {"num_ctx": 10**6}},
}
_COPIES = {
    "alias_generate": "alias1",
    "alias_unload": "alias1",
    "delete_loaded": "alias1",
    "delete_ok": "team/mine:v1",
    "delete_name_field": "mixed-case:tag.1",
    "raw_delete_ok": "rawcopy",
    "copy_over_existing": "alias1",
    "tags_after_copies": "alias1",
}


def held_cases() -> list[str]:
    """Names of the recorded cases that are held."""
    names = sorted(path.stem for path in CASES.glob("*.json"))
    patterns = [re.compile(pattern) for pattern in _PATTERNS.split()]
    unused = [one.pattern for one in patterns if not any(one.fullmatch(name) for name in names)]
    assert not unused, f"no recorded case matches {unused}"
    return [name for name in names if any(one.fullmatch(name) for one in patterns)]


class Arranger:
    """Brings an engine into the state that a case was recorded in."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def prepare(self, name: str) -> None:
        """Only MODEL and its copy OTHER are there, and what the case needs."""
        self._only_default()
        if name.startswith(("ps_", "gen_unload", "unload_", "alias_ps")):
            self._unload()
        if name in _COPIES:
            self._copy(MODEL, _COPIES[name])
        if name in _LOADS:
            self._post("generate", model=MODEL, **_LOADS[name])
        if name in ("show_created", "create_nostream"):
            self._post("create", **PIRATE)
        if name in ("generate_wrong_parameter_type",):
            fields = {"model": "badparam", "from": MODEL, "parameters": {"temperature": "hot"}, "stream": False}
            self._post("create", **fields)
        if name in ("ps_after_delete_loaded", "unload_after_delete_loaded"):
            self._copy(MODEL, "alias1")
            self._post("generate", model="alias1")
            self._delete("alias1")

    def _only_default(self) -> None:
        names = {model["name"] for model in self._client.get("/api/tags").json()["models"]}
        for name in names - {MODEL, OTHER}:
            self._delete(name)
        if OTHER not in names:
            self._copy(MODEL, OTHER)

    def _unload(self) -> None:
        self._post("generate", model=MODEL, keep_alive=0)  # the copies share its process

    def _copy(self, source: str, destination: str) -> None:
        self._post("copy", source=source, destination=destination)

    def _delete(self, model: str) -> None:
        self._client.request("DELETE", "/api/delete", json={"model": model})

    def _post(self, endpoint: str, **fields: Any) -> None:
        reply = self._client.post(f"/api/{endpoint}", json=fields)
        assert reply.status_code == 200, reply.text
