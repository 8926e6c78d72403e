"""Secrets, config maps, volumes and tokens are kept alike on every database."""

from __future__ import annotations

from pathlib import Path

import pytest

from palmette.blobs import Blobs
from palmette.domain.hosting import Role
from palmette.errors import CorruptBlob, StoreError, UsageError
from palmette.operations import secrets as confided
from palmette.operations import tokens as bearers
from palmette.operations import vault, volumes
from palmette.operations.configmaps import keep
from palmette.operations.home import Home
from palmette.store import secrets as sealed
from palmette.store import tokens
from palmette.store.database import Store
from palmette.store.tokens import Token


@pytest.fixture
def home(store: Store, tmp_path: Path) -> Home:
    directory = tmp_path / ".palmette"
    return Home(directory=directory, project="clinic", store=store, blobs=Blobs(directory / "blobs"))


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(tmp_path / "config")}


def test_a_projects_own_secret_comes_before_that_of_all_projects(home: Home, environ: dict[str, str]) -> None:
    confided.keep(home, "db", {"password": "for all"}, environ)
    confided.keep(home, "db", {"password": "ours", "user": "ada\0\ud800"}, environ, project="clinic")

    assert vault.of(home, environ).secret("db") == {"password": "ours", "user": "ada\0\ud800"}
    assert vault.of(home, environ, project="other").secret("db") == {"password": "for all"}
    assert vault.of(home, environ).secret("absent") is None


def test_a_version_changes_with_the_value_alone_and_is_another_one_each_time(
    home: Home, environ: dict[str, str]
) -> None:
    kept = vault.of(home, environ)
    versions = [kept.versions("db").get("password")]
    for value in ("one", "one", "two", "one"):
        confided.keep(home, "db", {"password": value}, environ)
        versions.append(kept.versions("db")["password"])

    assert versions[0] is None
    assert versions[1] == versions[2]
    assert len(set(versions[2:])) == 3


def test_a_sealed_value_can_be_read_in_its_place_alone(home: Home, environ: dict[str, str]) -> None:
    confided.keep(home, "db", {"password": "one", "user": "two"}, environ)
    one, other = sealed.of(home.store, "", "db")
    sealed.put(home.store, [sealed.Sealed(**{**vars(one), "value": other.value})])

    with pytest.raises(CorruptBlob, match="the secret db/password is not what was stored"):
        vault.of(home, environ).secret("db")


def test_a_new_key_reads_and_writes_all_and_the_former_one_still_reads_other_stores(
    home: Home, environ: dict[str, str]
) -> None:
    confided.keep(home, "db", {"password": "one"}, environ)
    (before,) = sealed.of(home.store, "", "db")

    assert confided.rekey(home, environ) == 1

    (after,) = sealed.of(home.store, "", "db")
    assert after.value.split(".")[1] != before.value.split(".")[1]
    assert after.version == before.version
    sealed.put(home.store, [before])
    assert vault.of(home, environ).secret("db") == {"password": "one"}


def test_a_key_in_a_variable_takes_the_place_of_the_file(home: Home, environ: dict[str, str], tmp_path: Path) -> None:
    confided.keep(home, "db", {"password": "one"}, environ)
    elsewhere = {"XDG_CONFIG_HOME": str(tmp_path / "elsewhere"), "PALMETTE_KEY": "k" * 32}

    with pytest.raises(StoreError, match="the secret db/password was encrypted with the key"):
        confided.rekey(home, elsewhere)
    confided.rekey(home, environ | {"PALMETTE_KEY": "k" * 32})

    assert vault.of(home, elsewhere).secret("db") == {"password": "one"}
    assert not (tmp_path / "elsewhere").exists()


def test_without_a_key_nothing_is_read_and_none_is_made(home: Home, environ: dict[str, str], tmp_path: Path) -> None:
    confided.keep(home, "db", {"password": "one"}, environ)
    with pytest.raises(StoreError, match="there is none"):
        vault.of(home, {"XDG_CONFIG_HOME": str(tmp_path / "elsewhere")}).secret("db")
    assert not (tmp_path / "elsewhere").exists()


def test_a_key_beside_the_store_or_open_to_others_or_short_is_refused(
    home: Home, environ: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="beside the secrets"):
        confided.keep(home, "db", {"a": "b"}, {"XDG_CONFIG_HOME": str(home.directory)})
    with pytest.raises(UsageError, match="too short"):
        confided.keep(home, "db", {"a": "b"}, {"PALMETTE_KEY": "short"})
    confided.keep(home, "db", {"a": "b"}, environ)
    key = tmp_path / "config" / "palmette" / "key"
    assert key.stat().st_mode & 0o777 == 0o600
    key.chmod(0o644)
    with pytest.raises(StoreError, match="open to other users"):
        vault.of(home, environ).secret("db")


def test_every_name_that_a_cluster_would_not_take_is_told_at_once(home: Home, environ: dict[str, str]) -> None:
    with pytest.raises(UsageError) as refused:
        confided.keep(home, "../Up", {"a/b": "x", "..": "y", "good": "z"}, environ)
    assert [problem.where for problem in refused.value.problems] == ["secret", "key", "key"]
    assert sealed.listed(home.store) == ()


def test_config_maps_are_kept_as_they_are(home: Home, environ: dict[str, str]) -> None:
    keep(home, "settings", {"a.yaml": "x: 1\n\0\ud800"})
    keep(home, "settings", {"b": ""})
    assert vault.of(home, environ).configmap("settings") == {"a.yaml": "x: 1\n\0\ud800", "b": ""}


def test_a_volume_is_a_private_directory_that_goes_with_all_that_is_in_it(home: Home, environ: dict[str, str]) -> None:
    kept = vault.of(home, environ, run="r1")
    made = kept.create_volume("data", size="5Gi", access_modes=["ReadWriteOnce"], storage_class="fast")
    assert made.stat().st_mode & 0o777 == 0o700
    (made / "sub").mkdir()
    (made / "sub" / "file").write_text("x")
    (made / "sub").chmod(0o500)
    with pytest.raises(UsageError, match="there is a volume data already"):
        kept.create_volume("data", size="", access_modes=[], storage_class="")
    other = vault.of(home, environ, project="other").create_volume("data", size="", access_modes=[], storage_class="")

    assert (kept.volume("data"), vault.of(home, environ, project="other").volume("data")) == (made, other)
    kept.delete_volume("data")
    assert (kept.volume("data"), other.is_dir()) == (None, True)
    assert [path.name for path in made.parent.iterdir()] == [other.name]


def test_a_directory_that_was_given_outlives_its_volume(home: Home, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    volume = volumes.create(home, volumes.Volume(project="", name="shared", path=str(tmp_path / "shared")))
    assert volumes.directory(home, volume) == tmp_path / "shared"
    volumes.delete(home, volume)
    assert (tmp_path / "shared").is_dir()


def test_a_token_is_known_by_its_digest_until_it_expires(home: Home) -> None:
    assert tokens.known(home.store, "") == (None, False)
    made = bearers.create(home, "ci", Role.RUN, lifetime=60.0, now=1000.0)

    assert bearers.recognise(home, made.secret, now=1059.0) == bearers.Recognised(
        name="ci", role=Role.RUN, guarded=True
    )
    for presented, now in ((made.secret, 1060.0), (made.secret + "x", 1001.0), ("", 1001.0), ("pal_\0\udcff", 1001.0)):
        assert bearers.recognise(home, presented, now=now) == bearers.Recognised(name="", role=None, guarded=True)


def test_a_use_is_noted_at_most_once_a_minute(home: Home) -> None:
    made = bearers.create(home, "ci", Role.RUN, lifetime=None, now=1000.0)
    for now in (2000.0, 2030.0, 2059.0):
        bearers.recognise(home, made.secret, now=now)
        assert bearers.listed(home)[0].used == 2000.0
    bearers.recognise(home, made.secret, now=2061.0)
    assert bearers.listed(home)[0].used == 2061.0


def test_one_name_has_one_token(home: Home) -> None:
    assert tokens.create(home.store, Token(name="ci", role=Role.READ, digest="a"))
    assert not tokens.create(home.store, Token(name="ci", role=Role.ADMIN, digest="b"))
    assert [(token.role, token.digest) for token in tokens.listed(home.store)] == [(Role.READ, "a")]
