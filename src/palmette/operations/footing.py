"""What the code of a recorded run finds here and now: what it imports, and the environment that it would have."""

from __future__ import annotations

from pathlib import Path

from palmette.capture import locks
from palmette.capture.closure import Closure, close
from palmette.capture.environment import environment
from palmette.capture.installed import InterpreterFacts
from palmette.capture.keeping import Keeping
from palmette.capture.sources import SourceTree
from palmette.domain.run import Environment
from palmette.engine.executors.template import Template
from palmette.operations.originals import Original
from palmette.operations.preparing import Directories, refuse_newer
from palmette.operations.project import Interpreter, Project, workspace


def closure(original: Original, directory: Path) -> Closure:
    """What its code, unpacked there, imports."""
    return close(SourceTree(directory, (directory,)), original.modules)


def current(
    original: Original,
    taken: Closure,
    *,
    project: Project,
    template: Template,
    python: Interpreter,
    where: Directories,
    locked: bool = True,
) -> tuple[Environment, tuple[str, ...]]:
    """The environment that its code finds here and now, and what there is to know of that. Unless it is `locked` by the
    project's lock file, what is installed is all that counts."""
    hello = template.hello()
    refuse_newer(hello.python, str(python.executable))
    facts = InterpreterFacts(
        python=hello.python,
        implementation=hello.implementation,
        platform=hello.platform,
        executable=str(python.executable),
        site_packages=tuple(Path(path) for path in hello.paths),
    )
    keeping = Keeping(where.cache / "installed")
    choice = project.lock if locked else "none"
    lock = locks.read(project.root, keeping, choice=choice, workspace=workspace(project.root))
    formats = {name for config in original.document.platform.palmette.values() for name in config.imports}
    found = environment(
        project.root,
        facts,
        sorted({*taken.third_party, *formats}),
        keeping,
        lock=lock,
        optional=taken.optional_third_party,
        requires=project.requires,
    )
    return found.environment, found.notes
