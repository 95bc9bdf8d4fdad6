"""What flags, environment and settings become."""

from __future__ import annotations

from pathlib import Path

import pytest

from codomyrmex_ollama_tui.domain.outputs import Kind
from codomyrmex_ollama_tui.house import Flags, House, find_folders
from codomyrmex_ollama_tui.library.places import local_now
from codomyrmex_ollama_tui.services.addresses import access_of
from codomyrmex_ollama_tui.services.server import ServerPhase
from tests.client.server import WireServer, as_json
from tests.client.test_connections import TLS, server_tls
from tests.services.rooms import free_url, ollama
from tests.support.server import LocalServer, Reply


def test_named_folders_hold_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folders = find_folders(Flags(data_dir="d", config_dir="c"))
    assert (folders.config, folders.data, folders.state) == (tmp_path / "c", tmp_path / "d", tmp_path / "d" / "state")
    assert folders.cache == tmp_path / "d" / "cache"
    assert list(tmp_path.iterdir()) == []


def test_the_folders_of_the_platform_carry_the_name() -> None:
    folders = find_folders(Flags())
    for folder in (folders.config, folders.data, folders.state, folders.cache):
        assert folder.is_absolute()
        assert "codomyrmex-ollama-tui" in folder.parts


def test_a_house_is_built_and_nothing_is_done(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[ollama]\nserver_port = 9999\n[ui]\ntheme = "day"\n', encoding="utf-8")
    flags = Flags(data_dir=str(tmp_path / "data"), config_dir=str(tmp_path), theme="contrast")
    house = House(flags, {"OLLAMA_HOST": "http://me@host"})
    state = house.services.server.state
    assert (state.phase, state.label, state.origin) == (ServerPhase.STARTING, "127.0.0.1:9999", "file")
    assert house.settings.settings.theme == "contrast"
    assert len(house.settings.problems) == 1
    assert house.settings.problems[0].startswith("OLLAMA_HOST is passed over: ")
    assert [entry.name for entry in tmp_path.iterdir()] == ["config.toml"]


def test_the_flag_wins_and_must_be_an_address(tmp_path: Path) -> None:
    folder = str(tmp_path)
    house = House(Flags(host="far.away:1", data_dir=folder, config_dir=folder), {"OLLAMA_HOST": "near"})
    assert (house.services.server.state.label, house.services.server.state.origin) == ("far.away:1", "flag")
    with pytest.raises(ValueError, match="user name"):
        House(Flags(host="me@host", data_dir=folder, config_dir=folder), {})


def test_the_time_of_day_has_its_zone() -> None:
    assert local_now().tzinfo is not None


# ---------------------------------------------------------------------- named servers

SECRETS = {"OFFICE_TOKEN": "first secret", "OFFICE_KEY": "second secret"}
OTHER = {"OFFICE_TOKEN": "t", "OFFICE_KEY": "k"}


def with_profile(folder: Path, address: str, further: str = "") -> None:
    text = f'[servers.office]\naddress = "{address}"\ntoken_variable = "OFFICE_TOKEN"\n{further}\n'
    (folder / "config.toml").write_text(text + '[servers.office.headers]\nX-Key = "${OFFICE_KEY}"\n', encoding="utf-8")


def office(folder: Path, **environment: str) -> House:
    flags = Flags(server="office", data_dir=str(folder / "data"), config_dir=str(folder))
    return House(flags, {**SECRETS, **environment})


async def test_a_named_server_gets_its_secrets_and_no_other_server_does(tmp_path: Path) -> None:
    async with ollama() as named, ollama() as other:
        for server in (named, other):
            server.route("GET", "/api/tags", Reply(json={"models": []}))
        with_profile(tmp_path, named.url)
        house = office(tmp_path, OLLAMA_HOST=other.url)
        services = house.services
        try:
            assert await services.models.list_models() == ()
            assert (services.server.state.label, services.server.state.origin) == (label(named), "flag")
            for request in named.requests:
                assert request.headers["authorization"] == "Bearer first secret"
                assert request.headers["x-key"] == "second secret"
            await services.server.use_host(other.url)
            assert await services.models.list_models() == ()
            for request in other.requests:
                assert "authorization" not in request.headers
                assert "x-key" not in request.headers
            profile = house.settings.profile("office")
            before = len(named.requests)
            await services.server.use_host(profile.address, access_of(profile, OTHER))
            await services.models.list_models()
            assert {request.headers["authorization"] for request in named.requests[before:]} == {"Bearer t"}
            await services.server.use_host(named.url)
            await services.models.list_models()
            assert "authorization" not in named.requests[-1].headers
        finally:
            await services.aclose()


async def test_a_named_server_is_never_replaced(tmp_path: Path) -> None:
    with_profile(tmp_path, await free_url())
    services = office(tmp_path).services
    try:
        state = await services.server.settled()
        assert (state.phase, state.ours) == (ServerPhase.LOST, False)
    finally:
        await services.aclose()


async def test_the_authority_of_a_named_server_is_that_of_its_file(tmp_path: Path) -> None:
    version = as_json({"version": "0.24.0"})
    async with WireServer(version, version, tls=server_tls()) as server:
        with_profile(tmp_path, f"https://127.0.0.1:{server.port}", 'ca_file = "~/ca.pem"')
        services = office(tmp_path, HOME=str(TLS)).services
        try:
            assert (await services.server.settled()).phase is ServerPhase.READY
        finally:
            await services.aclose()
        services = office(tmp_path, HOME=str(tmp_path)).services
        try:
            state = await services.server.settled()
            assert state.phase is ServerPhase.LOST
            assert "ca.pem" in state.words
        finally:
            await services.aclose()


def test_a_named_server_that_cannot_be_used_is_refused_without_its_secrets(tmp_path: Path) -> None:
    with_profile(tmp_path, "https://far.away")
    with pytest.raises(ValueError, match=r"nowhere.*office"):
        House(Flags(server="nowhere", config_dir=str(tmp_path)), {})
    with pytest.raises(ValueError, match="OFFICE_KEY") as caught:
        office(tmp_path, OFFICE_KEY="")
    assert "first secret" not in str(caught.value)
    house = office(tmp_path)
    access = access_of(house.settings.profile("office"), SECRETS)
    for shown in (repr(access), repr(house.services), repr(house.settings.profile("office"))):
        assert "secret" not in shown


def test_the_host_of_the_flags_wins_over_a_named_server(tmp_path: Path) -> None:
    with_profile(tmp_path, "https://far.away")
    house = House(Flags(host="near:1", server="nowhere", config_dir=str(tmp_path), data_dir=str(tmp_path)), {})
    assert house.services.server.state.label == "near:1"


# ---------------------------------------------------------------------- what is made when it is needed


async def test_records_and_executions_are_there_when_they_are_asked_for(tmp_path: Path) -> None:
    services = House(Flags(host="near:1", config_dir=str(tmp_path), data_dir=str(tmp_path / "data")), {}).services
    try:
        assert services.outputs is services.outputs
        assert services.execution is services.execution
        assert services.details is services.details
        assert not (tmp_path / "data").exists()
        entry = await services.outputs.save(Kind.OUTPUT, model="m", prompt="hello", response="Hi")
        assert services.outputs.records.path_of(entry.key).is_relative_to(tmp_path / "data" / "outputs")
        assert (tmp_path / "data" / "index.db").is_file()
    finally:
        await services.aclose()


def label(server: LocalServer) -> str:
    return server.url.removeprefix("http://")
