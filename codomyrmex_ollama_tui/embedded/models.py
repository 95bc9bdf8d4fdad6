"""What is on disk and in memory: list, running, show, copy, delete, create."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from codomyrmex_ollama_tui.domain.names import ModelName, parse_name, parse_reference
from codomyrmex_ollama_tui.embedded.blobs import blob_path
from codomyrmex_ollama_tui.embedded.gguf import BadGGUF, NotGGUF, read_header
from codomyrmex_ollama_tui.embedded.lookup import find_model
from codomyrmex_ollama_tui.embedded.pool import Pool
from codomyrmex_ollama_tui.embedded.replies import Json, Lines, Refusal, stamp
from codomyrmex_ollama_tui.embedded.store import Manifest, ModelStore, describe_weights, model_info

_ALL_ITEMS = 1 << 30
_CLOUD_OFF = "ollama cloud is disabled: remote model details are unavailable"
_LAYERS = ("template", "system", "parameters", "license", "messages")
_QUANTIZATIONS = ("F32", "F16", "Q4_K_S", "Q4_K_M", "Q8_0")
_UNSUPPORTED = ("adapters", "renderer", "parser", "remote_host", "info", "requires", "draft_files")


class Models:
    """The endpoints about models as things."""

    def __init__(self, store: ModelStore, pool: Pool) -> None:
        self._store = store
        self._pool = pool

    def tags(self) -> Json:
        """GET /api/tags."""
        return {"models": [_entry(manifest) for manifest in self._store.all()]}

    def running(self) -> Json:
        """GET /api/ps."""
        return {
            "models": [
                {
                    "name": one.manifest.name,
                    "model": one.manifest.name,
                    "size": one.engine.memory(),
                    "digest": one.manifest.digest,
                    "details": one.manifest.details,
                    "expires_at": stamp(one.expiry()),
                    "size_vram": 0,
                    "context_length": one.n_ctx,
                }
                for one in self._pool.residents()
            ]
        }

    async def show(self, body: Json) -> Json:
        """POST /api/show."""
        asked = body.get("model") or body.get("name") or ""
        if not asked:
            raise Refusal(400, "model is required")
        manifest = find_model(self._store, asked, cloud_words=_CLOUD_OFF).manifest
        system = body.get("system") or manifest.system
        parameters = {**manifest.parameters, **(body.get("options") or {})}
        info = manifest.model_info
        if body.get("verbose"):
            info = await asyncio.to_thread(self._whole_info, manifest)
        shown: Json = {
            "license": "\n".join(manifest.license),
            "modelfile": _modelfile(manifest, system, parameters),
            "parameters": _parameter_lines(manifest.parameters),
            "template": manifest.template,
            "system": system,
            "details": {**manifest.details, "parent_model": manifest.parent},
            "messages": manifest.messages,
            "model_info": info,
            "tensors": manifest.tensors,
            "capabilities": ["completion"],
            "modified_at": stamp(manifest.modified),
        }
        return {key: value for key, value in shown.items() if value not in ("", None, [])}

    def _whole_info(self, manifest: Manifest) -> dict[str, Any]:
        try:
            return model_info(read_header(self._store.blob_path(manifest.blob), keep=_ALL_ITEMS))
        except (OSError, BadGGUF):
            return manifest.model_info  # the weights are gone or damaged: what was known when they came

    def copy(self, body: Json) -> None:
        """POST /api/copy."""
        names: list[ModelName] = []
        for field in ("source", "destination"):
            text = body.get(field) or ""
            name = parse_name(text)
            if name is None:
                raise Refusal(400, f'{field} "{text}" is invalid')
            names.append(name)
        source, destination = names
        manifest = self._store.get(source)
        if manifest is None:
            raise Refusal(404, f'model "{body["source"]}" not found')
        if source.key != destination.key:
            self._store.put(destination, manifest)

    def delete(self, body: Json) -> None:
        """DELETE /api/delete."""
        asked = body.get("model") or body.get("name") or ""
        if not asked:
            raise Refusal(400, "model is required")
        reference = parse_reference(asked)
        name = parse_name(reference.pull_name) if reference else None
        if name is None:
            raise Refusal(400, f'name "{asked}" is invalid')
        if self._store.get(name) is None:
            raise Refusal(404, f"model '{asked}' not found")
        self._store.delete(name)

    async def create(self, body: Json) -> Lines:
        """POST /api/create: from a model that is here, or from one GGUF file that was uploaded."""
        name = parse_name(body.get("model") or body.get("name") or "")
        if name is None:
            raise Refusal(400, "invalid model name")
        if not body.get("from") and not body.get("files"):
            raise Refusal(400, "neither 'from' or 'files' was specified")
        _refuse_unsupported(body)
        if body.get("from"):
            origin = self._origin(body["from"])
        else:
            digest = _uploaded(body["files"])
            yield {"status": "parsing GGUF"}
            origin = await asyncio.to_thread(self._from_upload, digest)
        _refuse_quantizing(body)
        yield {"status": f"using existing layer sha256:{origin.blob}"}
        for layer in _LAYERS:
            if body.get(layer):
                digest = hashlib.sha256(json.dumps(body[layer]).encode()).hexdigest()
                yield {"status": f"creating new layer sha256:{digest}"}
        self._store.put(name, _changed(origin, body))
        yield {"status": "writing manifest"}
        yield {"status": "success"}

    def _origin(self, asked: str) -> Manifest:
        name = parse_name(asked)
        if name is None:
            raise Refusal(400, "invalid model name")
        manifest = self._store.get(name)
        if manifest is None:
            raise Refusal(500, "pull model manifest: file does not exist")
        return replace(manifest, parent=manifest.name)

    def _from_upload(self, digest: str) -> Manifest:
        path = blob_path(self._store, digest)
        try:
            return describe_weights(path, path.name.removeprefix("sha256-"))
        except FileNotFoundError:
            raise Refusal(500, f"open {path.name}: no such file or directory") from None
        except NotGGUF:
            raise Refusal(500, "supplied file was not in GGUF format") from None
        except BadGGUF as error:
            raise Refusal(500, f"the file's GGUF header is damaged: {error}") from None


def _uploaded(files: Mapping[str, str]) -> str:
    """The digest of the one file that a model can be made of."""
    for file in files:
        if not PurePosixPath(file).parts or PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts:
            raise Refusal(400, "file path must be relative")
    if len(files) != 1:
        raise Refusal(501, "the embedded engine does not support models of several files")
    file, digest = next(iter(files.items()))
    if not file.lower().endswith(".gguf"):
        raise Refusal(400, "unknown type")
    return str(digest)


def _refuse_quantizing(body: Json) -> None:
    kind = str(body.get("quantize") or "").upper()
    if kind and kind not in _QUANTIZATIONS:
        known = ", ".join(_QUANTIZATIONS)
        raise Refusal(500, f"unsupported quantization type {kind} - supported types are {known}")
    if kind:
        raise Refusal(500, "quantization is only supported for F16, BF16 and F32 models")


def _entry(manifest: Manifest) -> Json:
    return {
        "name": manifest.name,
        "model": manifest.name,
        "modified_at": stamp(manifest.modified),
        "size": manifest.size,
        "digest": manifest.digest,
        "details": manifest.details,
    }


def _refuse_unsupported(body: Json) -> None:
    template = body.get("template") or ""
    if "{{" in template and "}}" not in template:
        raise Refusal(400, "template error: template: :1: unclosed action")
    if template.strip() not in ("", "{{ .Prompt }}"):
        raise Refusal(501, "the embedded engine does not support templates other than {{ .Prompt }}")
    for field in _UNSUPPORTED:
        if body.get(field):
            raise Refusal(501, f"the embedded engine does not support {field} in create")


def _changed(origin: Manifest, body: Json) -> Manifest:
    """The manifest with what the request adds; licences are added, the rest is put in place of what was there."""
    license_ = body.get("license") or []
    texts = [license_] if isinstance(license_, str) else [text for text in license_ if isinstance(text, str)]
    changes: dict[str, Any] = {
        "parameters": {**origin.parameters, **(body.get("parameters") or {})},
        "license": origin.license + [text for text in texts if text not in origin.license],
    }
    if body.get("system") is not None:
        changes["system"] = body["system"]
    if body.get("messages"):
        changes["messages"] = body["messages"]
    if body.get("template"):
        changes["template"] = body["template"]
        changes["chat_template"] = "{% for m in messages %}{{ m.content }}{% endfor %}"
    return replace(origin, **changes)


def _items(parameters: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [
        (name, item) for name, value in parameters.items() for item in (value if isinstance(value, list) else [value])
    ]


def _parameter_lines(parameters: Mapping[str, Any]) -> str:
    return "\n".join(
        f"{name:<30} {json.dumps(item, ensure_ascii=False) if isinstance(item, str) else item}"
        for name, item in _items(parameters)
    )


def _modelfile(manifest: Manifest, system: str, parameters: Mapping[str, Any]) -> str:
    lines = ['# Modelfile generated by "ollama show"', f"FROM {manifest.name}"]
    if system:
        lines.append(f"SYSTEM {system}")
    lines += [f"PARAMETER {name} {item}" for name, item in _items(parameters)]
    lines += [f'LICENSE """{text}"""' for text in manifest.license]
    return "\n".join(lines) + "\n"
