"""A branch's experiment: found or made, with the text of its ticket."""

from __future__ import annotations

from collections.abc import Sequence

from palmette.ci.tickets import text
from palmette.domain.branches import Ticket
from palmette.domain.footer import signed, split
from palmette.domain.values import Json, digest
from palmette.operations.hosts import PipelineHost
from palmette.operations.scopes import Names, require_own
from palmette.operations.updates import Filed, Filing


def file(host: PipelineHost, names: Names, branch: str, tickets: Sequence[Ticket]) -> Filed:
    """The branch's experiment, made if it is not there, with its ticket's text: unless somebody wrote another one."""
    name, facts = names.experiment(branch), _facts(names, branch, tickets)
    there = host.experiments.named(name)
    done = Filing.FOUND
    if there is None:
        done = Filing.MADE
        there = host.experiments.create(name, description=signed(text(tickets, branch), facts))
    require_own("an experiment", there, signed("", facts))
    if there.archived is not None:
        host.experiments.unarchive(there.id)
        done = Filing.RESTORED
    was, _ = split(there.description)
    wanted = _described(there.description, text(tickets, branch), facts, tickets)
    becomes, _ = split(wanted)
    remark = ""
    if wanted != there.description and not host.experiments.describe(there.id, wanted):
        remark = f"{host.called} does not let descriptions be changed: it stays {was!r}" if becomes != was else ""
        becomes = was
    if becomes != was and done is Filing.FOUND:
        done = Filing.DESCRIBED
    return Filed(id=there.id, name=name, text=becomes, done=done, pending=_pending(tickets), remark=remark)


def foreseen(host: PipelineHost, names: Names, branch: str, tickets: Sequence[Ticket]) -> Filed:
    """What `file` would do; nothing is changed."""
    name, facts = names.experiment(branch), _facts(names, branch, tickets)
    there = host.experiments.named(name)
    if there is None:
        return Filed(name=name, text=text(tickets, branch), done=Filing.MADE, pending=_pending(tickets))
    require_own("an experiment", there, signed("", facts))
    was, _ = split(there.description)
    wanted = _described(there.description, text(tickets, branch), facts, tickets)
    becomes, _ = split(wanted)
    done = Filing.DESCRIBED if becomes != was else Filing.FOUND
    done = Filing.RESTORED if there.archived is not None else done
    return Filed(id=there.id, name=name, text=becomes, done=done, pending=_pending(tickets))


def _facts(names: Names, branch: str, tickets: Sequence[Ticket]) -> dict[str, Json]:
    keys: list[Json] = [each.key for each in tickets]
    wrote = _mark(text(tickets, branch))
    return {"project": names.project, "branch": branch, "tickets": keys, "wrote": wrote}


def _described(description: str, wanted: str, facts: dict[str, Json], tickets: Sequence[Ticket]) -> str:
    """The description with the text that is wanted. What a person wrote stays; so does what is known already, while the
    tracker does not answer."""
    was, known = split(description)
    own = not was or known.get("wrote") == _mark(was)
    if not own:
        return signed(was, {**known, **facts, "wrote": known.get("wrote", "")})
    if was and _pending(tickets) and known.get("tickets") == facts["tickets"]:
        return signed(was, {**known, **facts, "wrote": _mark(was)})
    return signed(wanted, {**known, **facts})


def _pending(tickets: Sequence[Ticket]) -> bool:
    return any(each.pending for each in tickets)


def _mark(written: str) -> str:
    """What tells a text that was written here from one that a person wrote."""
    return digest(written)[:16]
