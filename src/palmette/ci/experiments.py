"""A branch's experiment: found or made, with the text of its ticket."""

from __future__ import annotations

from collections.abc import Sequence

from palmette.ci.tickets import text
from palmette.domain.branches import Ticket
from palmette.domain.footer import signed, split
from palmette.domain.values import Json, digest
from palmette.ir.dialects import Dialect
from palmette.operations.hosts import PipelineHost
from palmette.operations.scopes import Names, require_own
from palmette.operations.updates import Filed, Filing


def file(host: PipelineHost, names: Names, branch: str, tickets: Sequence[Ticket]) -> Filed:
    """The branch's experiment, made if it is not there, with its ticket's text: unless somebody wrote another one."""
    name, said = names.experiment(branch), _text(host, tickets, branch)
    facts = _facts(names, branch, tickets, said)
    there = host.experiments.named(name)
    done = Filing.FOUND
    if there is None:
        done = Filing.MADE
        there = host.experiments.create(name, description=signed(said, facts))
    require_own("an experiment", there, signed("", facts))
    if there.archived is not None:
        host.experiments.unarchive(there.id)
        done = Filing.RESTORED
    was, _ = split(there.description)
    wanted = _described(there.description, said, facts, tickets)
    becomes, _ = split(wanted)
    pending = _pending(tickets) and not _lasting(host)
    remark = ""
    if wanted != there.description and not host.experiments.describe(there.id, wanted):
        remark = _stays(host, was) if becomes != was else ""
        becomes = was
    if done is Filing.MADE and _pending(tickets) and not pending:
        why = next((f" ({each.why})" for each in tickets if each.pending and each.why), "")
        remark = f"no title is known{why}, and {_stays(host, becomes)}"
    if becomes != was and done is Filing.FOUND:
        done = Filing.DESCRIBED
    return Filed(id=there.id, name=name, text=becomes, done=done, pending=pending, remark=remark)


def foreseen(host: PipelineHost, names: Names, branch: str, tickets: Sequence[Ticket]) -> Filed:
    """What `file` would do; nothing is changed."""
    name, said = names.experiment(branch), _text(host, tickets, branch)
    facts, pending = _facts(names, branch, tickets, said), _pending(tickets) and not _lasting(host)
    there = host.experiments.named(name)
    if there is None:
        return Filed(name=name, text=said, done=Filing.MADE, pending=pending)
    require_own("an experiment", there, signed("", facts))
    was, _ = split(there.description)
    wanted = there.description if _lasting(host) else _described(there.description, said, facts, tickets)
    becomes, _ = split(wanted)
    done = Filing.DESCRIBED if becomes != was else Filing.FOUND
    done = Filing.RESTORED if there.archived is not None else done
    return Filed(id=there.id, name=name, text=becomes, done=done, pending=pending)


def _lasting(host: PipelineHost) -> bool:
    """Whether an experiment there keeps the description that it is made with."""
    return host.dialect is not Dialect.PALMETTE


def _stays(host: PipelineHost, text: str) -> str:
    return f"{host.called} does not let descriptions be changed: it stays {text!r}"


def _text(host: PipelineHost, tickets: Sequence[Ticket], branch: str) -> str:
    return text(tickets, branch, lasting=_lasting(host))


def _facts(names: Names, branch: str, tickets: Sequence[Ticket], said: str) -> dict[str, Json]:
    keys: list[Json] = [each.key for each in tickets]
    return {"project": names.project, "branch": branch, "tickets": keys, "wrote": _mark(said)}


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
