"""Reading the state of real repositories."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from palmette.operations.git import read

ENVIRON = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}
IDENTITY = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Ada L",
    "GIT_AUTHOR_EMAIL": "ada@x",
    "GIT_COMMITTER_NAME": "Other",
    "GIT_COMMITTER_EMAIL": "o@x",
    "GIT_COMMITTER_DATE": "1700000000 +0100",
}
Git = Callable[..., str]


def git(directory: Path, *arguments: str) -> str:
    environment = {**ENVIRON, **IDENTITY}
    done = subprocess.run(["git", "-C", directory, *arguments], env=environment, check=True, capture_output=True)
    return done.stdout.decode().strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One commit with two files, on `feature/x`."""
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "-q", "-b", "feature/x")
    (root / "train.py").write_text("C = 1\n")
    (root / "sub").mkdir()
    (root / "sub" / "helper.py").write_text("x = 1\n")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "Train with care: ü\n\nA body.")
    return root


def test_a_clean_repository_gives_its_commit(repository: Path) -> None:
    found = read(repository / "sub", ENVIRON)
    assert found.git.commit == git(repository, "rev-parse", "HEAD")
    assert (found.git.branch, found.git.author, found.git.message) == ("feature/x", "Ada L", "Train with care: ü")
    assert (found.git.committed, found.git.dirty, found.diff, found.note) == (1700000000.0, False, b"", "")


def test_the_patch_makes_of_the_commit_what_is_there(repository: Path, tmp_path: Path) -> None:
    (repository / "train.py").write_text("C = 2\n")
    git(repository, "add", "train.py")
    (repository / "train.py").write_text("C = 2\nseed = 0\n")
    (repository / "sub" / "helper.py").unlink()
    new = {"new file.py": "a\n\nb", "empty.py": "", "ünï.txt": "ü\r\n", "sub/deep/x.py": "\n", "plus": "+\n--- a\n"}
    for name, text in new.items():
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).write_bytes(text.encode())
    found = read(repository / "sub", ENVIRON)
    assert found.git.dirty
    assert found.note == ""
    copy, patch = tmp_path / "copy", tmp_path / "patch"
    patch.write_bytes(found.diff)
    git(tmp_path, "clone", "-q", str(repository), str(copy))
    git(copy, "apply", str(patch))
    files = {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file() and ".git" not in path.parts}
    assert files == {"train.py", *new}
    for name in files:
        assert (copy / name).read_bytes() == (repository / name).read_bytes()


def test_what_is_ignored_secret_data_binary_linked_or_too_large_is_not_in_the_patch(repository: Path) -> None:
    (repository / ".gitignore").write_text("*.tmp\n.palmette/\n")
    (repository / ".env").write_text("TOKEN=1\n")
    (repository / "server.pem").write_text("secret\n")
    git(repository, "add", "-A", "-f")
    git(repository, "commit", "-q", "-m", "second")
    (repository / ".env").write_text("TOKEN=hunter2\n")
    (repository / "train.py").write_text("C = 3\n")
    (repository / "x.tmp").write_text("ignored")
    (repository / "patients.csv").write_text("Jane Doe,1\n")
    (repository / "image.bin").write_bytes(b"\0\1")
    (repository / "id_rsa").write_text("hunter3")
    (repository / "notes.txt").write_text("AKIA" + "A" * 16)
    (repository / "link.txt").symlink_to(repository / ".env")
    (repository / "large.txt").write_text("x" * (1 << 20) + "y")
    (repository / "odd\nname.txt").write_text("odd")
    (repository / "kept.py").write_text("kept = 1\n")
    os.mkfifo(repository / "pipe")
    inner = repository / "inner"
    inner.mkdir()
    git(inner, "init", "-q")
    (inner / "x.py").write_text("inner")
    found = read(repository, ENVIRON)
    text = found.diff.decode()
    assert not any(word in text for word in ("hunter", "Jane", "ignored", "AKIA", "yyy", "odd\n"))
    assert "+C = 3" in text
    assert "+kept = 1" in text
    said = {line.removeprefix("# not kept: ") for line in text.splitlines() if line.startswith("# not kept: ")}
    assert {
        ".env: its name is a secret's (.env*)",
        "id_rsa: its name is a secret's (id_rsa*)",
        "image.bin: binary",
        "inner/: a repository of its own",
        "large.txt: too large",
        "link.txt: no plain file",
        "notes.txt: it looks as if it held a key",
        "patients.csv: data",
    } <= said
    assert found.note.startswith("uncommitted, and not kept with the run: .env (its name is a secret's), ")
    assert found.note.endswith(" more")


def test_changes_that_are_too_large_are_cut_at_a_file_and_say_so(repository: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (repository / name).touch()
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "second")
    (repository / "a.txt").write_text("small\n")
    (repository / "b.txt").write_text("large line of text\n" * 300_000)
    found = read(repository, ENVIRON)
    assert len(found.diff) < 1000
    assert b"+small" in found.diff
    assert b"# not kept: b.txt and all that follow it: the changes are too large" in found.diff
    assert found.note.startswith("uncommitted, and not kept with the run: ")
    assert found.note.endswith("and all that follow it (the changes are too large)")


def test_an_untracked_file_counts_if_the_code_takes_it_along(repository: Path) -> None:
    (repository / ".git" / "info" / "exclude").write_text("*.tmp\n")
    (repository / "x.tmp").touch()
    assert read(repository, ENVIRON).untracked == ()
    (repository / "src" / "x").mkdir(parents=True)
    (repository / "src" / "x" / "new.py").write_text("new = 1\n")
    (repository / "report.html").write_text("<p>seen</p>\n")
    found = read(repository, ENVIRON)
    assert (found.git.dirty, found.untracked) == (False, ("report.html", "src/x/new.py"))
    assert b"+new = 1" in found.diff
    assert not found.of(["x/other.py", "w.py"]).dirty
    assert found.of(["x/other.py", "x/new.py"]).dirty


def test_before_the_first_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "a.py").write_text("a = 1\n")
    git(tmp_path, "add", "a.py")
    (tmp_path / "a.py").write_text("a = 2\n")
    found = read(tmp_path, ENVIRON)
    assert (found.git.branch, found.git.commit, found.git.dirty) == ("main", "", True)
    assert b"+a = 2" in found.diff
    assert found.note == "there is no commit yet"


def test_a_detached_head_has_a_commit_and_no_branch(repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")
    found = read(repository, ENVIRON)
    assert (found.git.branch, bool(found.git.commit), found.note) == ("", True, "no branch is checked out")


def test_a_worktree_is_a_repository_of_its_own_branch(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", "-b", "other", str(tmp_path / "tree"))
    (tmp_path / "tree" / "new.py").write_text("new = 1\n")
    found = read(tmp_path / "tree", ENVIRON)
    assert found.git.branch == "other"
    assert b"+new = 1" in found.diff
    assert not read(repository, ENVIRON).git.dirty


def test_no_repository_no_git_and_a_bare_one_are_a_line_and_no_error(tmp_path: Path, repository: Path) -> None:
    nothing = "branch, commit and changes are not recorded"
    assert read(tmp_path, ENVIRON).note == f"this is no Git repository: {nothing}"
    assert read(tmp_path / "gone", ENVIRON).note.startswith("git refuses (cannot change to")
    assert read(repository, {"PATH": str(tmp_path)}).note == f"git is not installed: {nothing}"
    assert "must be run in a work tree" in read(repository / ".git", ENVIRON).note
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").write_text("#!/nowhere/sh\n")
    (tmp_path / "bin" / "git").chmod(0o755)
    assert "cannot be asked" in read(repository, {"PATH": str(tmp_path / "bin")}).note


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory away")
def test_somebody_elses_repository_is_read_only_where_the_user_permits_it(repository: Path, tmp_path: Path) -> None:
    for path in (repository, repository / ".git"):
        os.chown(path, 12345, 12345)
    assert "safe.directory" in read(repository, ENVIRON).note
    (tmp_path / ".gitconfig").write_text("[safe]\n\tdirectory = *\n")
    permitted = read(repository, {**ENVIRON, "HOME": str(tmp_path)})
    assert (permitted.git.branch, permitted.note) == ("feature/x", "")


def test_the_users_configuration_and_surroundings_change_nothing(repository: Path, tmp_path: Path) -> None:
    (repository / "train.py").write_text("C = 2\n")
    before = read(repository, ENVIRON)
    (tmp_path / ".gitconfig").write_text(
        "[diff]\n\tnoprefix = true\n\texternal = /bin/false\n[color]\n\tui = always\n[core]\n\tpager = false\n"
    )
    for name, value in {"diff.mnemonicPrefix": "true", "color.ui": "always", "status.showUntrackedFiles": "no"}.items():
        git(repository, "config", name, value)
    after = read(repository, {**ENVIRON, "HOME": str(tmp_path), "GIT_DIR": "/nowhere", "GIT_EXTERNAL_DIFF": "false"})
    assert after == before


def test_the_index_is_not_touched(repository: Path) -> None:
    index = repository / ".git" / "index"
    # Git compares whole seconds: a touch within the second of the commit would leave it nothing to refresh.
    os.utime(repository / "train.py", (1_000_000_000, 1_000_000_000))
    (repository / "sub" / "helper.py").write_text("x = 2\n")
    before = (index.stat().st_mtime_ns, index.read_bytes())
    found = read(repository, ENVIRON)
    assert (index.stat().st_mtime_ns, index.read_bytes()) == before
    # The file whose time alone changed is no change.
    assert found.diff.count(b"diff --git") == found.diff.count(b"a/sub/helper.py b/sub/helper.py") == 1
