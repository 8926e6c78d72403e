"""Where the secrets of a step come from on one machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from palmette.errors import ConfigError
from palmette.operations import secrets, vault
from palmette.operations.home import Home, make_home
from palmette.operations.project import find
from palmette.operations.surroundings import lent


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(tmp_path / "config")}


@pytest.fixture
def home(tmp_path: Path, environ: dict[str, str]) -> Home:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "ward"\n[tool.palmette]\n')
    made = make_home(find(tmp_path, environ))
    secrets.keep(made, "palmette", {"A": "stored", "B": "stored", "C": "stored"}, environ)
    secrets.keep(made, "db", {"password": "other"}, environ)
    return made


def test_the_environment_comes_before_the_file_and_that_before_the_store(
    home: Home, environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("A=filed\nB=filed\n")
    here = environ | {"A": "given"}
    found = secrets.gather(["A", "B", "C", "db/password"], tmp_path, here, vault.of(home, here))

    assert found.values == {"A": "given", "B": "filed", "C": "stored", "db/password": "other"}
    assert all(found.versions[name] for name in found.values)


def test_every_secret_that_is_nowhere_is_told_with_a_way_to_keep_it(
    home: Home, environ: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as refused:
        secrets.gather(["A", "X", "db/user", "mail/key"], tmp_path, environ, vault.of(home, environ))

    assert [(problem.where, problem.hint.split("palmette secret ")[1]) for problem in refused.value.problems] == [
        ("X", "set palmette X."),
        ("db/user", "set db user."),
        ("mail/key", "set mail key."),
    ]


def test_what_a_server_hands_out_is_what_the_store_has(home: Home, environ: dict[str, str]) -> None:
    here = environ | {"X": "the server's own"}
    assert secrets.stored_in(vault.of(home, here), ["A", "X", "db/password", "db/user"]).values == {
        "A": "stored",
        "db/password": "other",
    }


def test_looking_for_a_secret_makes_no_home(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "ward"\n[tool.palmette]\n')
    assert vault.reach(find(tmp_path, environ), environ).secret("palmette") is None
    assert not (tmp_path / ".palmette").exists()


def test_no_step_may_declare_what_opens_palmettes_own_doors() -> None:
    environ = {"PALMETTE_KEY": "k" * 32, "PALMETTE_KEY_OLD": "o" * 32, "PALMETTE_TOKEN": "pal_x", "REGION": "eu"}
    assert lent(environ) == {"REGION": "eu"}
