"""From the name in a request to the model on disk, with each endpoint's own words where there is none."""

from __future__ import annotations

from dataclasses import dataclass

from codomyrmex_ollama_tui.domain.names import ModelName, parse_reference
from codomyrmex_ollama_tui.embedded.replies import Refusal
from codomyrmex_ollama_tui.embedded.store import Manifest, ModelStore


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model that was asked for: the name as it was sent, as it is read, and what is stored under it."""

    asked: str
    name: ModelName
    manifest: Manifest


def find_model(
    store: ModelStore,
    asked: str,
    *,
    missing: str = "model '{}' not found",
    malformed: str = "invalid model name",
    cloud_words: str = "",
) -> LocalModel:
    """The model that a name means; white space around it and the suffix `:local` do not count.

    Args:
        missing, malformed: the words of the endpoint; "{}" becomes the name as it was sent.
        cloud_words: the refusal of names that mean a model in the cloud; "" looks for them here.

    Raises:
        Refusal: 400 malformed, 403 in the cloud, 404 missing.
    """
    reference = parse_reference(asked)
    if reference is None:
        head, _, tag = asked.strip().rpartition(":")
        if head.lower().endswith(":cloud") and tag.lower() == "local":
            raise Refusal(400, f'use either :local or :cloud, not both: "{asked}"')
        raise Refusal(400, malformed.replace("{}", asked))
    if reference.source == "cloud" and cloud_words:
        raise Refusal(403, cloud_words)
    manifest = store.get(reference.name)
    if manifest is None:
        raise Refusal(404, missing.replace("{}", asked))
    return LocalModel(asked, reference.name, manifest)
