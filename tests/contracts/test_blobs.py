"""Bytes by content: whole or not there, and noticed when they change."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from palmette.blobs import Blobs
from palmette.errors import CorruptBlob, DefinitionError, NotFound, StoreError, UsageError

HELLO = "sha256:" + hashlib.sha256(b"hello").hexdigest()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def blobs(root: Path) -> Blobs:
    return Blobs(root)


def written(path: Path, content: bytes = b"hello") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def stored(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def blob(root: Path, digest: str) -> Path:
    text = digest.rpartition(":")[2]
    return root / text[:2] / text[2:]


def tree(root: Path) -> Path:
    """A directory with equal files, an empty directory and a program."""
    written(root / "a" / "one.txt", b"one")
    written(root / "a" / "same.txt", b"one")
    written(root / "é b.txt", b"two")
    written(root / "run.sh", b"#!/bin/sh\n").chmod(0o755)
    (root / "empty" / "deep").mkdir(parents=True)
    return root


def content(root: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() else None for path in root.rglob("*")
    }


class TestFiles:
    def test_a_file_is_taken_over_under_the_digest_of_its_bytes(self, blobs: Blobs, root: Path, tmp_path: Path) -> None:
        path = written(tmp_path / "out")
        inode = path.stat().st_ino
        assert blobs.put(path) == (HELLO, 5)
        assert not path.exists()
        status = blob(root, HELLO).stat()
        assert status.st_ino == inode, "moved, not copied"
        assert (stat.S_IMODE(status.st_mode), status.st_mtime, status.st_nlink) == (0o444, 315532800, 1)

    def test_it_comes_back_as_a_read_only_link(self, blobs: Blobs, root: Path, tmp_path: Path) -> None:
        blobs.put(written(tmp_path / "out"))
        back = tmp_path / "deep" / "in"
        blobs.restore(HELLO, back)
        assert back.read_bytes() == b"hello"
        assert back.samefile(blob(root, HELLO))
        assert not back.stat().st_mode & 0o222

    def test_equal_bytes_are_stored_once(self, blobs: Blobs, root: Path, tmp_path: Path) -> None:
        for name in ("a", "b"):
            assert blobs.put(written(tmp_path / name)) == (HELLO, 5)
        assert blobs.put_bytes(b"hello") == HELLO
        assert stored(root) == [blob(root, HELLO)]

    def test_an_input_handed_on_as_an_output_stays_the_same_bytes(
        self, blobs: Blobs, root: Path, tmp_path: Path
    ) -> None:
        blobs.put(written(tmp_path / "out"))
        blobs.restore(HELLO, tmp_path / "in")
        assert blobs.put(tmp_path / "in") == (HELLO, 5)
        assert blob(root, HELLO).read_bytes() == b"hello"

    def test_a_file_that_has_another_name_is_copied(self, blobs: Blobs, root: Path, tmp_path: Path) -> None:
        mine = written(tmp_path / "mine")
        (tmp_path / "out").hardlink_to(mine)
        blobs.put(tmp_path / "out")
        mine.write_bytes(b"changed later")
        blobs.restore(HELLO, tmp_path / "in")
        assert (tmp_path / "in").read_bytes() == b"hello"

    def test_an_empty_file_is_a_file(self, blobs: Blobs, tmp_path: Path) -> None:
        digest, size = blobs.put(written(tmp_path / "out", b""))
        blobs.restore(digest, tmp_path / "in")
        assert (size, (tmp_path / "in").read_bytes()) == (0, b"")

    def test_it_can_be_read_measured_and_asked_for(self, blobs: Blobs) -> None:
        assert not blobs.exists(HELLO)
        blobs.put_bytes(b"hello")
        assert blobs.exists(HELLO)
        assert blobs.size(HELLO) == 5
        with blobs.open(HELLO) as file:
            assert file.read() == b"hello"

    def test_an_export_is_a_copy_to_change(self, blobs: Blobs, tmp_path: Path) -> None:
        blobs.put_bytes(b"hello")
        blobs.export(HELLO, tmp_path / "mine")
        (tmp_path / "mine").write_bytes(b"changed")
        blobs.restore(HELLO, tmp_path / "in")
        with pytest.raises(UsageError, match="exists already"):
            blobs.export(HELLO, tmp_path / "mine")

    def test_a_path_in_use_is_not_overwritten(self, blobs: Blobs, tmp_path: Path) -> None:
        blobs.put_bytes(b"hello")
        mine = written(tmp_path / "in", b"mine")
        with pytest.raises(StoreError, match="exists already"):
            blobs.restore(HELLO, mine)
        assert mine.read_bytes() == b"mine"

    @pytest.mark.parametrize("digest", ["sha256:../../etc", "sha256:" + "a" * 63, "a" * 64, "sha256:" + "A" * 64, ""])
    def test_what_is_not_a_digest_reaches_no_path(self, blobs: Blobs, tmp_path: Path, digest: str) -> None:
        with pytest.raises(NotFound, match="is not a digest"):
            blobs.restore(digest, tmp_path / "in")


class TestDirectories:
    def test_a_directory_comes_back_as_it_was(self, blobs: Blobs, tmp_path: Path) -> None:
        before = content(tree(tmp_path / "out"))
        digest, size = blobs.put(tmp_path / "out")
        assert digest.startswith("sha256-dir:")
        assert size == blobs.size(digest) == 3 + 3 + 3 + 10
        assert not (tmp_path / "out").exists()
        blobs.restore(digest, tmp_path / "in")
        assert content(tmp_path / "in") == before
        assert os.access(tmp_path / "in" / "run.sh", os.X_OK)
        assert blobs.files(digest) == {"a/one.txt": 3, "a/same.txt": 3, "run.sh": 10, "é b.txt": 3}

    def test_equal_directories_have_one_digest_and_equal_files_one_blob(
        self, blobs: Blobs, root: Path, tmp_path: Path
    ) -> None:
        first = blobs.put(tree(tmp_path / "x"))
        count = len(stored(root))
        assert blobs.put(tree(tmp_path / "y")) == first
        assert count == len(stored(root)) == 4

    def test_an_unchanged_file_is_not_copied_again(self, blobs: Blobs, root: Path, tmp_path: Path) -> None:
        digest, _size = blobs.put(tree(tmp_path / "out"))
        before = {path: path.stat().st_ino for path in stored(root)}
        blobs.restore(digest, tmp_path / "again")
        written(tmp_path / "again" / "new.txt", b"new")
        blobs.put(tmp_path / "again")
        after = {path: path.stat().st_ino for path in stored(root)}
        assert before.items() <= after.items()
        assert len(after) == len(before) + 2, "the new file and the new manifest"

    def test_a_directory_of_many_files_comes_back_as_it_was(self, blobs: Blobs, root: Path, tmp_path: Path) -> None:
        for number in range(1500):
            written(tmp_path / "out" / str(number % 7) / f"{number}.txt", b"%d" % (number // 2))
        before = content(tmp_path / "out")
        digest, _size = blobs.put(tmp_path / "out")
        Blobs(root).restore(digest, tmp_path / "in")
        assert content(tmp_path / "in") == before
        assert len(stored(root)) == 750 + 1
        assert all(path.stat().st_nlink == 3 for path in (tmp_path / "in").rglob("*.txt"))

    def test_what_was_handed_out_is_known_by_its_link_when_it_comes_back(
        self, blobs: Blobs, root: Path, tmp_path: Path
    ) -> None:
        first = blobs.put(tree(tmp_path / "out"))
        blobs.restore(first[0], tmp_path / "in")
        (tmp_path / "in" / "run.sh").unlink()
        written(tmp_path / "in" / "run.sh", b"#!/bin/sh\n").chmod(0o755)
        assert blobs.put(tmp_path / "in") == first
        assert len(stored(root)) == 4

    def test_a_file_of_a_large_directory_that_looks_changed_is_read_again(
        self, blobs: Blobs, root: Path, tmp_path: Path
    ) -> None:
        for number in range(1100):
            written(tmp_path / "out" / f"{number}", b"%d" % number)
        digest, _size = blobs.put(tmp_path / "out")
        overwritten(blob(root, hashlib.sha256(b"7").hexdigest()), b"8")
        with pytest.raises(CorruptBlob):
            Blobs(root).restore(digest, tmp_path / "in")
        assert not (tmp_path / "in").exists()

    def test_links_and_special_files_are_refused_all_at_once(self, blobs: Blobs, root: Path, tmp_path: Path) -> None:
        out = tree(tmp_path / "out")
        (out / "link").symlink_to("a")
        (out / "dangling").symlink_to("nowhere")
        os.mkfifo(out / "pipe")
        (out / os.fsdecode(b"bad\xff")).touch()
        with pytest.raises(DefinitionError) as caught:
            blobs.put(out)
        assert len(caught.value.problems) == 4
        assert "symbolic link to 'nowhere'" in str(caught.value)
        assert stored(root) == []
        assert (out / "run.sh").exists()

    def test_a_link_alone_is_refused(self, blobs: Blobs, tmp_path: Path) -> None:
        (tmp_path / "out").symlink_to(tree(tmp_path / "x"))
        with pytest.raises(DefinitionError, match="symbolic link"):
            blobs.put(tmp_path / "out")

    def test_an_export_is_a_tree_to_change(self, blobs: Blobs, tmp_path: Path) -> None:
        before = content(tree(tmp_path / "out"))
        digest, _size = blobs.put(tmp_path / "out")
        blobs.export(digest, tmp_path / "mine")
        assert content(tmp_path / "mine") == before
        assert all(path.stat().st_mode & 0o200 for path in (tmp_path / "mine").rglob("*"))

    def test_a_directory_with_a_file_missing_is_not_there(self, blobs: Blobs, root: Path, tmp_path: Path) -> None:
        digest, _size = blobs.put(tree(tmp_path / "out"))
        assert blobs.exists(digest)
        blob(root, hashlib.sha256(b"two").hexdigest()).unlink()
        assert not blobs.exists(digest)

    @pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a//b", "a/./b", ""])
    def test_a_manifest_from_elsewhere_leads_nowhere_else(self, blobs: Blobs, tmp_path: Path, name: str) -> None:
        sha256 = blobs.put_bytes(b"x").removeprefix("sha256:")
        manifest = f'{{"empty":[],"files":[{{"executable":false,"path":"{name}","sha256":"{sha256}","size":1}}]}}'
        digest = blobs.put_bytes(manifest.encode()).replace("sha256:", "sha256-dir:")
        with pytest.raises(CorruptBlob, match="not the manifest"):
            blobs.restore(digest, tmp_path / "in")
        assert not (tmp_path / "in").exists()


def overwritten(path: Path, content: bytes, *, hidden: bool = False) -> None:
    status = path.stat()
    path.chmod(0o644)
    path.write_bytes(content)
    if hidden:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


class TestDamage:
    @pytest.mark.parametrize("hidden", [False, True], ids=["seen at a look", "only in the bytes"])
    def test_changed_bytes_are_one_clear_error(self, blobs: Blobs, root: Path, tmp_path: Path, hidden: bool) -> None:
        blobs.put_bytes(b"hello")
        overwritten(blob(root, HELLO), b"jello", hidden=hidden)
        with pytest.raises(CorruptBlob) as caught:
            Blobs(root).restore(HELLO, tmp_path / "in")
        assert HELLO in caught.value.message
        assert str(blob(root, HELLO)) in caught.value.message
        assert "Delete it" in caught.value.hint
        assert not (tmp_path / "in").exists()

    def test_a_change_is_seen_by_who_verified_before(self, blobs: Blobs, root: Path, tmp_path: Path) -> None:
        blobs.put_bytes(b"hello")
        blobs.restore(HELLO, tmp_path / "in")
        overwritten(tmp_path / "in", b"through the link")
        with pytest.raises(CorruptBlob):
            blobs.restore(HELLO, tmp_path / "again")

    def test_missing_bytes_are_said_to_be_missing(self, blobs: Blobs, tmp_path: Path) -> None:
        for use in (blobs.size, blobs.open, lambda digest: blobs.restore(digest, tmp_path / "in")):
            with pytest.raises(CorruptBlob, match="are missing"):
                use(HELLO)

    def test_a_damaged_file_of_a_directory_leaves_no_half_of_it(self, blobs: Blobs, root: Path, tmp_path: Path) -> None:
        digest, _size = blobs.put(tree(tmp_path / "out"))
        overwritten(blob(root, hashlib.sha256(b"two").hexdigest()), b"twice")
        for use in (blobs.restore, blobs.export):
            with pytest.raises(CorruptBlob):
                use(digest, tmp_path / "in")
        assert [path.name for path in tmp_path.iterdir()] == ["blobs"]

    def test_storing_the_right_bytes_again_mends_it(self, blobs: Blobs, root: Path, tmp_path: Path) -> None:
        blobs.put_bytes(b"hello")
        overwritten(blob(root, HELLO), b"jello")
        blobs.put(written(tmp_path / "out"))
        blobs.restore(HELLO, tmp_path / "in")
        assert (tmp_path / "in").read_bytes() == b"hello"

    def test_right_bytes_that_look_changed_are_right(self, blobs: Blobs, root: Path, tmp_path: Path) -> None:
        blobs.put_bytes(b"hello")
        blob(root, HELLO).touch()
        blobs.restore(HELLO, tmp_path / "in")
        assert blob(root, HELLO).stat().st_mtime == 315532800, "the next look is a short one"

    def test_large_bytes_are_read_again_only_when_they_look_changed(
        self, blobs: Blobs, root: Path, tmp_path: Path
    ) -> None:
        large = tmp_path / "out"
        with large.open("wb") as file:
            file.truncate((64 << 20) + 1)
        digest, _size = blobs.put(large)
        overwritten(blob(root, digest), b"", hidden=False)
        with pytest.raises(CorruptBlob):
            Blobs(root).restore(digest, tmp_path / "in")


def _put_many(root: Path, work: Path) -> None:
    blobs = Blobs(root)
    for number in range(20):
        blobs.put(written(work / str(number), b"equal" * 10_000))
        blobs.put(tree(work / f"tree{number}"))


def test_processes_that_store_equal_bytes_at_once_all_succeed(root: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_put_many, args=(root, tmp_path / str(number))) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    assert len(stored(root)) == 5
    assert list((root / "incoming").iterdir()) == []


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    directory = tmp_path / "tiny"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(directory)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    yield directory
    subprocess.run(["umount", directory], check=True)


class TestDisks:
    def test_a_full_disk_is_one_clear_error_and_leaves_nothing(self, tiny: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        written(out / "small", b"small")
        written(out / "large", os.urandom(1 << 20))
        blobs = Blobs(tiny / "blobs")
        for path in (out / "large", out):
            with pytest.raises(StoreError, match="no space is left"):
                blobs.put(path)
        with pytest.raises(StoreError, match="no space is left"):
            blobs.put_bytes(bytes(1 << 20))
        assert stored(tiny) == []
        assert sorted(path.name for path in out.iterdir()) == ["large", "small"]

    def test_another_disk_is_reached_by_a_copy(self, tiny: Path, tmp_path: Path) -> None:
        blobs = Blobs(tiny / "blobs")
        digest, _size = blobs.put(tree(tmp_path / "out"))
        assert not (tmp_path / "out").exists()
        blobs.restore(digest, tmp_path / "in")
        assert (tmp_path / "in" / "a" / "one.txt").read_bytes() == b"one"
        assert not (tmp_path / "in" / "a" / "one.txt").stat().st_mode & 0o222

    def test_a_read_only_disk_is_one_clear_error(self, tiny: Path, tmp_path: Path) -> None:
        subprocess.run(["mount", "-o", "remount,ro", tiny], check=True)
        with pytest.raises(StoreError, match="cannot be written"):
            Blobs(tiny / "blobs").put(written(tmp_path / "out"))
        assert (tmp_path / "out").exists()


KILLED = """
import sys
from pathlib import Path
from palmette.blobs import Blobs
blobs = Blobs(Path(sys.argv[1]))
for number in range(100_000):
    path = Path(sys.argv[2]) / str(number)
    path.mkdir()
    for name in ("a", "b"):
        (path / name).write_bytes(f"{number}{name}".encode() * 5_000)
    digest, size = blobs.put(path)
    print(digest, flush=True)
"""


def test_what_was_stored_survives_a_kill_and_nothing_is_half(root: Path, tmp_path: Path) -> None:
    for number in range(8):
        work = tmp_path / f"work{number}"
        work.mkdir()
        command = [sys.executable, "-c", KILLED, root, work]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            said = [process.stdout.readline().strip() for _line in range(2 + 5 * number)]
            process.kill()
            said += process.stdout.read().split()
        blobs = Blobs(root)
        for index, digest in enumerate(said):
            blobs.restore(digest, work / f"in{index}")
    for path in stored(root):
        if "incoming" not in path.parts:
            assert path.parent.name + path.name == hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_is_claimed_shows_when_it_was_needed(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    made = tmp_path / "made"
    made.mkdir()
    (made / "part").write_bytes(b"part")
    digest, _ = blobs.put(made)
    files = [blobs.root / name[:2] / name[2:] for name in blobs.contents(digest)]
    for file in files:
        os.utime(file, (1, file.stat().st_mtime))

    assert blobs.claim(digest)

    assert len(files) == 2
    assert all(file.stat().st_atime > 1 for file in files)
    assert not blobs.claim("sha256:" + "0" * 64)


def test_storing_equal_bytes_again_shows_that_they_are_needed(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    (name,) = blobs.contents(blobs.put_bytes(b"equal"))
    file = blobs.root / name[:2] / name[2:]
    os.utime(file, (1, file.stat().st_mtime))

    blobs.put_bytes(b"equal")

    assert file.stat().st_atime > 1
