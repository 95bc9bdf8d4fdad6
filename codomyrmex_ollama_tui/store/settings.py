"""
`config.toml`: read with care, changed without losing a comment, never overwritten when it is broken or too new.

    store = SettingsStore(path, environment, now=now)
    store.settings                  # [ollama], [ui], [keys] in force: file < environment < flags
    store.problems                  # sentences: what of file and environment was not allowed
    store.tables                    # [options], [models], [presets], [servers], read when first asked for
    store.presets, store.profiles   # by name, shipped presets too; store.profile(name) raises ValueError

A place is a dotted name or a tuple; the tuple leaves no question about dots:
"ui.theme", "options.temperature", "models.qwen3*.num_ctx", ("servers", "office", "headers", "X-Key").

    store.change("options.temperature", 0.2)            # also change_at(place, value) and
    store.change_many({place: value, other: REMOVE})    # all or nothing
    store.set_text("models.qwen3*.stop", "a, b")        # text as a person types it, by the field's type
    store.remove_at("presets.mine")                     # a value, or a whole table
    store.reset(["ui"])                                 # whole tables; the file is copied first
    store.layers(model, preset, call), store.explain(...), store.resolved(...)    # see store/layers.py
    store.rows(), store.origin("ui.theme"), store.validate()
    store.export(), store.import_(data)                 # see store/portable.py

All that change raise ValueError (names field, value and what is allowed) and OSError (the file cannot be read or
written, or a newer version wrote it: `NewerFile`); nothing is changed then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from codomyrmex_ollama_tui.store.document import BrokenFile, NewerFile, copy_aside, edit_tables, read_tables, set_aside
from codomyrmex_ollama_tui.store.fields import DEFAULTS, RULES, Rule, Settings, rule_for, unknown
from codomyrmex_ollama_tui.store.reading import ENVIRONMENT_PREFIX, RECORDED, take_environment, take_keys, take_table

if TYPE_CHECKING:  # none of these is needed before the first frame
    from codomyrmex_ollama_tui.store.checking import Validation
    from codomyrmex_ollama_tui.store.layers import Explained, Layer
    from codomyrmex_ollama_tui.store.profiles import ServerProfile
    from codomyrmex_ollama_tui.store.tables import Place, Tables, Values

__all__ = ["REMOVE", "Settings", "SettingsStore"]


class _Remove:
    def __repr__(self) -> str:
        return "REMOVE"


REMOVE: Final = _Remove()
"""In `change_many`: the line goes, so that the default holds."""

LAZY = ("options", "models", "presets", "servers")


class SettingsStore:
    """The settings in force and the file behind them; used on one thread."""

    def __init__(
        self,
        path: Path,
        environment: Mapping[str, str],
        *,
        now: Callable[[], datetime],
        flags: Mapping[str, object] | None = None,
    ) -> None:
        """Reads the file if there is one. Nothing is written, but a broken file is renamed.

        Args:
            path: `config.toml`; JSON where the name ends in ".json".
            environment: `CODOMYRMEX_OLLAMA_<FIELD>` wins over the file.
            now: the time of day, for the names of files that are set aside.
            flags: fields of `Settings` that win over everything for this run.
        """
        self.path = path
        self.environment = environment
        self._flags = dict(flags or {})
        self._now = now
        self._notes: list[str] = []
        self._problems: list[str] = []
        self._raw: dict[str, Any] = {}
        self._tables: Tables | None = None
        self._listeners: list[Callable[[Settings], None]] = []
        self.unreadable: OSError | None = None
        """Why the file could not be used, if it could not: it cannot be read, or a newer version wrote it."""
        self._settings = self._load()

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._settings

    @property
    def problems(self) -> tuple[str, ...]:
        """Sentences for the person, each naming the field or the file, the value and what is allowed."""
        # Checking the other tables costs their imports, which most people have no use for.
        further = self.tables.problems if any(name in self._raw for name in LAZY) else ()
        return (*self._notes, *self._problems, *further)

    @property
    def tables(self) -> Tables:
        """`[options]`, `[models]`, `[presets]` and `[servers]`, checked; read when first asked for."""
        if self._tables is None:
            from codomyrmex_ollama_tui.store.tables import read

            self._tables = read(self._raw)
        return self._tables

    @property
    def raw(self) -> Mapping[str, Any]:
        """The file as plain tables, as it was read last; not to be changed."""
        return self._raw

    def listen(self, callback: Callable[[Settings], None]) -> Callable[[], None]:
        """Calls `callback` after every change. Returns what unsubscribes."""
        self._listeners.append(callback)

        def unsubscribe() -> None:
            if callback in self._listeners:
                self._listeners.remove(callback)

        return unsubscribe

    def note(self, words: str) -> None:
        """Adds a sentence to `problems` that stays for this run."""
        self._notes.insert(0, words)

    def reload(self) -> Settings:
        """Reads the file again, which a person or another program may have changed."""
        self._settings = self._load()
        for listener in tuple(self._listeners):
            listener(self._settings)
        return self._settings

    # ------------------------------------------------------------------ changes

    def change(self, name: str | Place, value: object) -> Settings:
        """Sets one value in the file and here; comments and all else stay. See the head of this module."""
        return self.change_many({self._place(name): value})

    def change_at(self, place: Place, value: object) -> Settings:
        """`change`, with a place in parts."""
        return self.change_many({place: value})

    def set_text(self, name: str | Place, text: str) -> Settings:
        """`change`, with a text as a person types it: read by the type of the field (lists with commas or as JSON)."""
        from codomyrmex_ollama_tui.store.tables import from_text

        place = self._place(name)
        return self.change_many({place: from_text(place, text)})

    def remove_at(self, name: str | Place) -> Settings:
        """Takes a value or a whole table out of the file, so that what is below it holds. Nothing there is fine."""
        return self.change_many({self._place(name): REMOVE})

    def change_many(self, changes: Mapping[Place, object]) -> Settings:
        """Several changes as one: all of them or, if one is not allowed, none. `REMOVE` takes a line out."""
        from codomyrmex_ollama_tui.store.editing import put, remove
        from codomyrmex_ollama_tui.store.tables import TABLES, check

        wanted: dict[Place, object] = {}
        for place, value in changes.items():
            if value is REMOVE and place and place[0] in TABLES:
                wanted[place] = REMOVE
            else:
                wanted[place] = check(place, value)

        def apply(tables: dict[str, Any]) -> None:
            for place, value in wanted.items():
                if value is REMOVE:
                    remove(tables, place)
                else:
                    put(tables, place, value)

        self._edit(apply)
        for place in wanted:
            if place[0] in ("ollama", "ui"):
                self._flags.pop(place[-1], None)  # what was chosen later wins over the flag
        return self.reload()

    def reset(self, names: Iterable[str] | None = None) -> Path | None:
        """Takes whole tables (None: all) out of the file, so that the defaults hold.

        Returns:
            the copy of the file that was made before; None where there was no file.
        """
        from codomyrmex_ollama_tui.store.tables import TABLES

        gone = TABLES if names is None else tuple(names)
        for name in gone:
            if name not in TABLES:
                raise ValueError(f"there is no table {name!r}: allowed are {', '.join(TABLES)}")
        copy = copy_aside(self.path, "before-reset", self._now())

        def apply(tables: dict[str, Any]) -> None:
            for name in gone:
                tables.pop(name, None)

        self._edit(apply)
        self.reload()
        return copy

    def import_(self, data: Mapping[str, Any]) -> tuple[str, ...]:
        """Takes over what `export` gave (of this or an older version), or tables as they stand in the file.

        Returns:
            a sentence for each secret that was left out of it and is not here either.

        Raises:
            ValueError: names everything in it that is not allowed; nothing is changed then.
            OSError: the file cannot be read or written.
        """
        from codomyrmex_ollama_tui.store.portable import merge, tables_of

        tables = tables_of(data)
        missing: list[str] = []
        copy_aside(self.path, "before-import", self._now())
        self._edit(lambda present: missing.extend(merge(present, tables)))
        self._flags.clear()
        self.reload()
        return tuple(missing)

    def export(self) -> dict[str, Any]:
        """What the file says, for another machine: passes `json.dumps`; header values are left out and named."""
        from codomyrmex_ollama_tui.store.portable import exported

        return exported(self._raw, self._now())

    # ------------------------------------------------------------------ questions

    @property
    def presets(self) -> Mapping[str, Values]:
        """All presets by name: the shipped ones, and the person's own over them."""
        from codomyrmex_ollama_tui.store.layers import presets_in_force

        return presets_in_force(self.tables)

    @property
    def profiles(self) -> Mapping[str, ServerProfile]:
        """The server profiles by name."""
        return self.tables.servers

    def profile(self, name: str) -> ServerProfile:
        """One server profile.

        Raises:
            ValueError: there is none of that name; names those that there are.
        """
        found = self.tables.servers.get(name)
        if found is None:
            known = ", ".join(sorted(self.tables.servers)) or "none yet"
            raise ValueError(f"there is no server profile {name!r}; there are: {known}")
        return found

    def layers(
        self, model: str = "", preset: str | None = None, call: Mapping[str, object] | None = None
    ) -> tuple[Layer, ...]:
        """The layers of options that the configuration holds for a model, lowest first.

        Raises:
            ValueError: there is no such preset, or an option of the call is not allowed.
        """
        from codomyrmex_ollama_tui.store.layers import layers

        return layers(self.tables, model, preset, call)

    def resolved(
        self, model: str = "", preset: str | None = None, call: Mapping[str, object] | None = None
    ) -> dict[str, object]:
        """What the layers come to: Ollama's options, and `system`, `keep_alive`, `think`, `format` where set.

        `domain.options.split_options` parts them for a request. Raises as `layers` does.
        """
        from codomyrmex_ollama_tui.store.layers import merged

        return merged(self.layers(model, preset, call))

    def explain(
        self,
        model: str = "",
        preset: str | None = None,
        call: Mapping[str, object] | None = None,
        *,
        modelfile: Mapping[str, object] | None = None,
        server_version: str = "",
    ) -> tuple[Explained, ...]:
        """Every option with its value, where that comes from, and what it stands over. Raises as `layers` does.

        Args:
            modelfile: the model's own parameters, as the server tells them; None where nobody asked it.
            server_version: some defaults changed between versions.
        """
        from codomyrmex_ollama_tui.store.layers import below, explain

        return explain((*below(modelfile, server_version), *self.layers(model, preset, call)))

    def origin(self, name: str) -> str:
        """Where a setting of `[ollama]` or `[ui]` comes from: "flag", "environment", "file" or "default"."""
        table, _, field = name.partition(".")
        rule = rule_for(table, field)
        if rule is None:
            raise ValueError(unknown(table, field))
        if field in self._flags:
            return "flag"
        text = self.environment.get(ENVIRONMENT_PREFIX + field.upper(), "")
        if text and rule.read(rule.from_text(text)) is not None:
            return "environment"
        written = self._raw.get(table)
        inside = isinstance(written, dict) and rule.read(written.get(field)) is not None
        return "file" if inside else "default"

    def rows(self) -> tuple[tuple[Rule, object, str], ...]:
        """Every setting of `[ollama]` and `[ui]`: its rule, its value in force, its origin."""
        return tuple((rule, getattr(self._settings, rule.name), self.origin(rule.place)) for rule in RULES)

    def validate(self) -> Validation:
        """Errors (what is not allowed and therefore not in force) and warnings (what may not be meant)."""
        from codomyrmex_ollama_tui.store.checking import validate

        return validate(self)

    # ------------------------------------------------------------------ inside

    def _place(self, name: str | Place) -> Place:
        from codomyrmex_ollama_tui.store.tables import place_of

        return place_of(name) if isinstance(name, str) else tuple(name)

    def _edit(self, change: Callable[[dict[str, Any]], None]) -> None:
        edit_tables(self.path, change, self._now)

    def _load(self) -> Settings:
        problems: list[str] = []
        self._raw = {}
        self._tables = None
        self.unreadable = None
        try:
            self._raw = read_tables(self.path)
        except OSError as error:
            self.unreadable = error
            problems.append(f"{self._why(error)}; the defaults are in force")
        except BrokenFile as error:
            self._set_aside(error)
        values: dict[str, Any] = {}
        for table in ("ollama", "ui"):
            problems += take_table(self._raw.get(table), table, values)
        written = dict.fromkeys((name for name in RECORDED if name in values), "file")
        keys, key_problems = take_keys(self._raw.get("keys"))
        over: dict[str, Any] = {}
        problems += key_problems + take_environment(self.environment, over)
        written |= dict.fromkeys((name for name in RECORDED if name in over), "environment")
        origins = {f"{name.removeprefix('server_')}_from": origin for name, origin in written.items()}
        self._problems = problems
        return Settings(**{**DEFAULTS, **values, **over, **origins, "keys": keys, **self._flags})

    def _why(self, error: OSError) -> str:
        if isinstance(error, NewerFile):
            return str(error)
        return f"{self.path} cannot be read ({error.strerror or error})"

    def _set_aside(self, error: Exception) -> None:
        """Renames a file that is no TOML, so that nothing can overwrite it, and says so."""
        try:
            aside = set_aside(self.path, self._now())
        except OSError as failure:
            words = f"{self.path.name} is broken ({error}) and cannot be renamed ({failure.strerror})"
        else:
            words = f"{self.path.name} is broken ({error}); it is kept as {aside.name}, the defaults are in force"
        self._notes.append(words)
