"""What the tests of the configuration share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from codomyrmex_ollama_tui.store.settings import SettingsStore

NOON = datetime(2026, 1, 2, 12, 30, tzinfo=UTC)
STAMP = "20260102-123000-000000"

WHOLE = """\
# everything that a configuration can say
schema_version = 2

[ollama]
server_host = "gpu.local"  # the big one
server_port = 11434
cache_ttl = 60

[options]
temperature = 0.6  # for all
keep_alive = "30m"

[models."qwen3*"]
num_ctx = 8192
temperature = 0.5

[models."qwen3:8b*"]  # closer
temperature = 0.4
think = true

[models."qwen3:8b"]
stop = ["###"]

[models."hf.co/*"]
num_gpu = 0

[presets.fast]
seed = 7

[presets.mine]
temperature = 0.9
min_p = 0.1
system = "Answer in rhyme."

[servers.office]
address = "https://office:443"
token_variable = "OFFICE_TOKEN"
ca_file = "/certificates/office.pem"
[servers.office.headers]
X-Team = "red"
X-Key = "${OFFICE_KEY}"

[servers."gpu.local"]
address = "gpu.local"

[ui]
theme = "day"

[keys]
chat.send = "ctrl+y"
"""


def open_store(
    folder: Path,
    text: str | bytes | None = None,
    environment: Mapping[str, str] | None = None,
    *,
    name: str = "config.toml",
    **flags: object,
) -> SettingsStore:
    """A store on a file of that folder, at noon; `text` is written first."""
    path = folder / name
    if text is not None:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    return SettingsStore(path, environment or {}, now=lambda: NOON, flags=flags)


def text_of(store: SettingsStore) -> str:
    """The file as it is now."""
    return store.path.read_text(encoding="utf-8")
