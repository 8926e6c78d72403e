"""Experiments: make them, find them, archive them."""

from __future__ import annotations

import time

from palmette.domain.hosting import DEFAULT_EXPERIMENT, Experiment
from palmette.domain.listing import Page, Slice
from palmette.errors import AlreadyThere, Conflict, NotFound
from palmette.operations import titles
from palmette.operations.home import Home
from palmette.store import experiments
from palmette.store.identity import new_id


def create(home: Home, name: str, *, description: str = "", project: str = "") -> Experiment:
    """Make an experiment. UsageError for what is no name, AlreadyThere where another one has it."""
    titles.require("experiment", name, description=description)
    made = Experiment(id=new_id(), name=name, description=description, project=project, created=time.time())
    if not experiments.create(home.store, made):
        raise AlreadyThere(f"there is an experiment {name!r} already", "Use it, or choose another name.")
    return made


def get(home: Home, id: str) -> Experiment:
    """The experiment of this id; NotFound if there is none."""
    found = experiments.get(home.store, id)
    if found is None:
        raise NotFound(f"there is no experiment {id!r}")
    return found


def named(home: Home, name: str) -> Experiment:
    """The experiment of this name; NotFound if there is none."""
    found = experiments.named(home.store, name)
    if found is None:
        raise NotFound(f"no experiment is named {name!r}")
    return found


def default(home: Home) -> Experiment:
    """The experiment of runs that name none, made when it is first asked for."""
    found = experiments.named(home.store, DEFAULT_EXPERIMENT)
    if found is not None:
        return found
    description = "Runs that name no experiment"
    made = Experiment(id=new_id(), name=DEFAULT_EXPERIMENT, description=description, created=time.time())
    # Of several that ask at once, one makes it.
    return made if experiments.create(home.store, made) else named(home, DEFAULT_EXPERIMENT)


def page(home: Home, wanted: Slice) -> Page[Experiment]:
    """A part of the list of experiments, archived ones included."""
    return experiments.page(home.store, wanted)


def describe(home: Home, id: str, description: str) -> Experiment:
    """Give an experiment another description."""
    found = get(home, id)
    titles.require("experiment", found.name, description=description)
    experiments.change(home.store, found.id, description=description)
    return get(home, id)


def rename(home: Home, id: str, name: str) -> Experiment:
    """Give an experiment another name; UsageError for what is no name, AlreadyThere where another one has it, Conflict
    for the default experiment."""
    found = get(home, id)
    titles.require("experiment", name)
    if found.name == DEFAULT_EXPERIMENT != name:
        raise Conflict(f"the experiment {DEFAULT_EXPERIMENT} keeps its name", "Runs that name none are filed there.")
    if not experiments.change(home.store, found.id, name=name):
        raise AlreadyThere(f"there is an experiment {name!r} already", "Choose another name.")
    return get(home, id)


def archive(home: Home, id: str) -> None:
    """Archive an experiment and its runs, and disable its recurring runs."""
    experiments.archive(home.store, get(home, id).id, time.time())


def unarchive(home: Home, id: str) -> None:
    """Take an experiment out of the archive, and nothing else: its runs stay there, its recurring runs disabled."""
    experiments.unarchive(home.store, get(home, id).id)


def delete(home: Home, id: str) -> None:
    """Forget an experiment. Its runs stay, as on a stock host, and so do its recurring runs, but disabled. Conflict for
    the default experiment."""
    found = get(home, id)
    if found.name == DEFAULT_EXPERIMENT:
        raise Conflict(f"the experiment {DEFAULT_EXPERIMENT} cannot be deleted", "Runs that name none are filed there.")
    experiments.remove(home.store, found.id, time.time())


def require_open(home: Home, id: str) -> Experiment:
    """The experiment of this id, or the default one for none; Conflict if it takes no new runs."""
    found = get(home, id) if id else default(home)
    if found.archived is not None:
        raise Conflict(f"the experiment {found.name!r} is archived", "Restore it, or choose another one.")
    return found
