"""The tables.

Times are seconds since the epoch; JSON is text, written and read by `columns`, because that is the fastest form on
SQLite and the same on both databases. A run's rows cascade with it. Identifiers are text: those of runs are random and
short (`identity`), those of tasks are the names in the pipeline. `migrations/` makes what stands here; a test compares.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    literal_column,
)

#: The newest revision in `migrations/versions`. Revisions are numbers, so that an older Palmette knows a newer store.
REVISION: Final = "0005"

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def _text(name: str, **options: Any) -> Column[str]:
    return Column(name, Text, nullable=False, **options)


def _added(name: str) -> Column[str]:
    """A text that came with a later revision: empty in the rows that were there."""
    return Column(name, Text, nullable=False, server_default="")


def _run(*, key: bool = True) -> Column[str]:
    return Column("run", Text, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=key, nullable=False)


projects = Table(
    "projects",
    metadata,
    _text("name", primary_key=True),
    Column("created", Double, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    _text("id", primary_key=True),
    Column("project", Text, ForeignKey("projects.name"), nullable=False),
    _text("algorithm"),
    _text("state"),
    _text("name"),
    _text("description"),
    _text("preset"),
    #: JSON: the declared metrics
    _text("metrics"),
    _text("git_branch"),
    _text("git_commit"),
    _text("git_author"),
    _text("git_message"),
    Column("git_committed", Double, nullable=False),
    Column("git_dirty", Boolean, nullable=False),
    _text("git_diff"),
    _text("bundle"),
    #: digest; its pins are in `environments`
    _text("environment"),
    _text("python"),
    _text("implementation"),
    _text("platform"),
    _text("executable"),
    _text("lock"),
    _text("lock_digest"),
    _text("host_name"),
    #: JSON
    Column("host", Text),
    _text("spec"),
    _text("version"),
    _text("trigger"),
    #: JSON
    _text("tokens"),
    Column("refresh", Boolean, nullable=False),
    Column("created", Double, nullable=False),
    Column("started", Double),
    Column("ended", Double),
    _text("message"),
    _text("note"),
    #: how often the lease was taken; it stays when the lease is released
    Column("epoch", Integer, nullable=False),
    #: NULL while nobody drives the run
    Column("lease_host", Text),
    Column("lease_boot", Text),
    Column("lease_pid", BigInteger),
    Column("lease_start", BigInteger),
    #: by the database's clock
    Column("lease_renewed", Double),
    #: when it was asked for, by the database's clock
    Column("cancel_requested", Double),
    #: name → an environment that steps name, its pins left out, as JSON; empty for none
    _added("environments"),
    #: the sweep it is a point of, the run it was made from, its branch's ticket; empty for none
    _added("sweep"),
    _added("origin"),
    _added("ticket"),
    #: JSON: where its commit stands to the branch that it is compared with; empty where nothing is known
    _added("fork"),
    #: identifiers of what it was made from and is filed under; empty for none
    _added("experiment"),
    _added("pipeline"),
    _added("pipeline_version"),
    _added("schedule"),
    #: the tick of the schedule that it stands for
    Column("scheduled", Double),
    #: when it was archived; NULL unless it is
    Column("archived", Double),
    #: who drives it: empty for whoever accepted it, "server" for any server of this store
    _added("queue"),
    #: who asked for it, so that the queue is fair: the name of a token; empty where nobody had to say
    _added("owner"),
    #: where a cluster would put its artifacts, and in whose name it would run
    _added("root"),
    _added("service_account"),
    #: JSON: the states that it was in, with the times of entering them, where it was in more than the usual ones
    _added("states"),
    #: JSON: what whoever reads of it should know, a list of sentences; empty for none
    _added("notices"),
)
Index(None, runs.c.created, runs.c.id)
Index(None, runs.c.project, runs.c.algorithm, runs.c.created, runs.c.id)
Index(None, runs.c.git_commit)
Index(None, runs.c.sweep)
Index(None, runs.c.experiment, runs.c.created, runs.c.id)
Index(None, runs.c.queue, runs.c.state)
Index(None, runs.c.schedule, runs.c.scheduled)

settings = Table(
    "settings",
    metadata,
    _run(),
    _text("name", primary_key=True),
    Column("position", Integer, nullable=False),
    #: JSON
    _text("value"),
    #: the value once more, where it is a number or a boolean, and where it is text: what a search compares
    Column("number", Double),
    Column("text", Text),
    _text("source"),
    _text("origin"),
    sqlite_with_rowid=False,
)
Index(None, settings.c.name, settings.c.number, settings.c.run)

#: What a search for words reads of a run: its name, note, ticket, commit's message and failure, case-folded.
texts = Table(
    "texts",
    metadata,
    _run(),
    _text("text"),
    sqlite_with_rowid=False,
)

tags = Table(
    "tags",
    metadata,
    _run(),
    _text("tag", primary_key=True),
    sqlite_with_rowid=False,
)
Index(None, tags.c.tag, tags.c.run)

tasks = Table(
    "tasks",
    metadata,
    _run(),
    _text("name", primary_key=True),
    Column("position", Integer, nullable=False),
    #: the run's, so that one index answers what may be reused
    _text("project"),
    _text("state"),
    _text("executor"),
    _text("component"),
    #: JSON
    _text("needs"),
    Column("fingerprint", Text),
    #: JSON
    Column("parts", Text),
    Column("cached_from", Text),
    Column("cached_made", Double),
    #: when the outputs that stand here were made; NULL unless the task succeeded or was cached
    Column("made", Double),
    Column("started", Double),
    Column("ended", Double),
    _text("message"),
)
Index(None, tasks.c.run, tasks.c.position)
Index("ix_tasks_searched", tasks.c.component, tasks.c.run, tasks.c.state, tasks.c.name, tasks.c.started, tasks.c.ended)
Index("ix_tasks_reusable", tasks.c.project, tasks.c.fingerprint, tasks.c.made)

attempts = Table(
    "attempts",
    metadata,
    _run(),
    _text("task", primary_key=True),
    Column("serial", Integer, primary_key=True),
    Column("number", Integer, nullable=False),
    _text("state"),
    _text("how"),
    _text("why"),
    Column("pid", BigInteger),
    Column("pid_start", BigInteger),
    Column("pid_boot", Text),
    Column("queued", Double, nullable=False),
    Column("started", Double, nullable=False),
    Column("ended", Double),
    Column("cpu_seconds", Double),
    Column("peak_memory", BigInteger),
    Column("exit_code", Integer),
    _text("message"),
    _text("directory"),
    sqlite_with_rowid=False,
)

#: How far the event file of an attempt was read.
readings = Table(
    "readings",
    metadata,
    _run(),
    _text("task", primary_key=True),
    Column("serial", Integer, primary_key=True),
    Column("position", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

#: Every value of every metric, in an order in which one curve is one range.
points = Table(
    "points",
    metadata,
    _run(),
    _text("name", primary_key=True),
    _text("task", primary_key=True),
    Column("serial", Integer, primary_key=True),
    #: of the batch it came with, then its place in there
    Column("position", BigInteger, primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("step", BigInteger),
    #: NULL is NaN
    Column("value", Double),
    Column("time", Double, nullable=False),
    sqlite_with_rowid=False,
)

#: What a table or a search asks of a metric, kept while its points arrive; of each task's newest attempt only.
summaries = Table(
    "summaries",
    metadata,
    _run(),
    _text("name", primary_key=True),
    _text("task", primary_key=True),
    Column("serial", Integer, nullable=False),
    Column("points", BigInteger, nullable=False),
    #: NULL is NaN
    Column("last", Double),
    Column("step", BigInteger),
    #: NULL where every value is NaN
    Column("low", Double),
    Column("high", Double),
    Column("time", Double, nullable=False),
    sqlite_with_rowid=False,
)
Index(None, summaries.c.name, summaries.c.last, summaries.c.low, summaries.c.high, summaries.c.run)

artifacts = Table(
    "artifacts",
    metadata,
    _run(),
    _text("task", primary_key=True),
    _text("name", primary_key=True),
    #: 0, until an output holds a list of artifacts
    Column("position", Integer, primary_key=True),
    _text("type"),
    _text("digest"),
    Column("size", BigInteger, nullable=False),
    _text("filename"),
    #: JSON
    _text("metadata"),
    #: where it lies, of one that is not in the store; else empty
    _added("uri"),
    #: of a table: what its metadata say, for a search
    Column("rows", BigInteger),
)
Index(None, artifacts.c.digest)
Index("ix_artifacts_searched", artifacts.c.task, artifacts.c.rows, artifacts.c.size, artifacts.c.run)

parameters = Table(
    "parameters",
    metadata,
    _run(),
    _text("task", primary_key=True),
    _text("name", primary_key=True),
    #: JSON
    _text("value"),
)

closures = Table(
    "closures",
    metadata,
    _text("digest", primary_key=True),
    #: JSON
    _text("definitions"),
)

environments = Table(
    "environments",
    metadata,
    _text("digest", primary_key=True),
    #: JSON
    _text("pins"),
)

bundles = Table(
    "bundles",
    metadata,
    _text("digest", primary_key=True),
    Column("size", BigInteger, nullable=False),
    #: JSON: path → SHA-256
    _text("files"),
)

#: Trainings of one algorithm that belong together, a run each.
sweeps = Table(
    "sweeps",
    metadata,
    _text("id", primary_key=True),
    Column("project", Text, ForeignKey("projects.name"), nullable=False),
    _text("algorithm"),
    #: JSON
    _text("plan"),
    _text("note"),
    Column("created", Double, nullable=False),
)

#: Runs whose bytes are not kept for their sake any more; what else is known of them stays.
collected = Table(
    "collected",
    metadata,
    _run(),
    Column("time", Double, nullable=False),
    _text("rule"),
    sqlite_with_rowid=False,
)

#: Queries that were saved under a name.
views = Table(
    "views",
    metadata,
    _text("project", primary_key=True),
    _text("name", primary_key=True),
    _text("query"),
    Column("created", Double, nullable=False),
    sqlite_with_rowid=False,
)

# What comparisons need.

#: First-parent histories, as far as runs have told of them: each commit once.
commits = Table(
    "commits",
    metadata,
    _text("project", primary_key=True),
    _text("sha", primary_key=True),
    #: empty for a root, and where a shallow clone ended
    _text("parent"),
    Column("committed", Double, nullable=False),
    sqlite_with_rowid=False,
)

#: Runs that somebody made the baseline.
pins = Table(
    "pins",
    metadata,
    _text("project", primary_key=True),
    _text("algorithm", primary_key=True),
    _text("preset", primary_key=True),
    #: whose runs are compared with it; empty for those of every branch
    _text("branch", primary_key=True),
    _run(key=False),
    _text("author"),
    _text("reason"),
    Column("created", Double, nullable=False),
    sqlite_with_rowid=False,
)

#: What was promoted to an alias, one row each time: the newest says what the alias is.
promotions = Table(
    "promotions",
    metadata,
    _text("project", primary_key=True),
    _text("algorithm", primary_key=True),
    _text("alias", primary_key=True),
    Column("serial", Integer, primary_key=True),
    _run(key=False),
    #: the serial that a rollback went back to; NULL for a promotion
    Column("restored", Integer),
    _text("author"),
    _text("reason"),
    #: JSON: what the gates said, as it was
    _text("gates"),
    Column("created", Double, nullable=False),
    sqlite_with_rowid=False,
)

#: What was executed for a comparison: the run of each extra task.
extras = Table(
    "extras",
    metadata,
    Column("head", Text, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, nullable=False),
    Column("baseline", Text, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, nullable=False),
    #: "rescored", "rescored by its own step", "resampled"
    _text("purpose", primary_key=True),
    _run(key=False),
    sqlite_with_rowid=False,
)
Index(None, extras.c.run)
Index(None, extras.c.baseline)
Index(None, pins.c.run)
Index(None, promotions.c.run)

# What Kubeflow Pipelines keeps besides runs.

#: Names are unique in the store, as they are in a Kubeflow of one user.
experiments = Table(
    "experiments",
    metadata,
    _text("id", primary_key=True),
    #: whose it is; empty for whoever speaks KFP's API
    _text("project"),
    _text("name", unique=True),
    _text("description"),
    Column("created", Double, nullable=False),
    #: when its newest run was created
    Column("last_run", Double),
    Column("archived", Double),
)
Index(None, experiments.c.created, experiments.c.id)

pipelines = Table(
    "pipelines",
    metadata,
    _text("id", primary_key=True),
    _text("project"),
    _text("name", unique=True),
    _text("display_name"),
    _text("description"),
    #: JSON
    _text("tags"),
    Column("created", Double, nullable=False),
)
Index(None, pipelines.c.created, pipelines.c.id)

versions = Table(
    "versions",
    metadata,
    _text("id", primary_key=True),
    Column("pipeline", Text, ForeignKey("pipelines.id", ondelete="CASCADE"), nullable=False),
    _text("name"),
    _text("display_name"),
    _text("description"),
    #: JSON
    _text("tags"),
    #: blob digest of the document, platform document included
    _text("spec"),
    _text("code_source_url"),
    _text("package_url"),
    Column("created", Double, nullable=False),
    UniqueConstraint("pipeline", "name", name="uq_versions_pipeline_name"),
)
Index(None, versions.c.pipeline, versions.c.created, versions.c.id)

#: Recurring runs.
schedules = Table(
    "schedules",
    metadata,
    _text("id", primary_key=True),
    _text("project"),
    _text("name"),
    _text("description"),
    _text("experiment"),
    #: empty for one that has a document of its own
    _text("pipeline"),
    #: empty for the newest at each tick
    _text("pipeline_version"),
    #: blob digest of its own document; empty for that of a version
    _text("spec"),
    #: JSON: parameter name → value, macros not yet expanded
    _text("parameters"),
    _text("root"),
    _text("service_account"),
    #: JSON, see `domain.hosting.Trigger`
    _text("trigger"),
    Column("max_concurrency", Integer, nullable=False),
    Column("catchup", Boolean, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("created", Double, nullable=False),
    Column("updated", Double, nullable=False),
    #: the tick that comes next; NULL after the last one
    Column("next", Double),
    #: the last tick that a run was made for, and how many there were
    Column("last", Double),
    Column("count", Integer, nullable=False),
)
Index(None, schedules.c.created, schedules.c.id)
Index(None, schedules.c.enabled, schedules.c.next)

#: Ticks that a run was made for. The key is what makes each happen once.
ticks = Table(
    "ticks",
    metadata,
    Column("schedule", Text, ForeignKey("schedules.id", ondelete="CASCADE"), primary_key=True, nullable=False),
    Column("moment", Double, primary_key=True),
    _text("run"),
    sqlite_with_rowid=False,
)

# What the embedded engine has in place of a cluster's secrets, config maps and volumes. `project` is empty for what all
# projects of the store may use.

secrets = Table(
    "secrets",
    metadata,
    _text("project", primary_key=True),
    _text("name", primary_key=True),
    _text("key", primary_key=True),
    #: encrypted
    _text("value"),
    #: changes whenever the value does; says nothing of it
    _text("version"),
    Column("updated", Double, nullable=False),
    sqlite_with_rowid=False,
)

configmaps = Table(
    "configmaps",
    metadata,
    _text("project", primary_key=True),
    _text("name", primary_key=True),
    _text("key", primary_key=True),
    _text("value"),
    Column("updated", Double, nullable=False),
    sqlite_with_rowid=False,
)

volumes = Table(
    "volumes",
    metadata,
    _text("project", primary_key=True),
    _text("name", primary_key=True),
    #: "5Gi"; not enforced
    _text("size"),
    _text("access_modes"),
    _text("storage_class"),
    #: the directory; below the home unless it was given
    _text("path"),
    #: the run that made it; empty where a person did
    _text("run"),
    Column("created", Double, nullable=False),
    sqlite_with_rowid=False,
)

#: Who may speak to the server.
tokens = Table(
    "tokens",
    metadata,
    _text("name", primary_key=True),
    #: "read", "run", "admin"
    _text("role"),
    #: SHA-256 of the token, which itself is kept nowhere
    _text("digest", unique=True),
    Column("created", Double, nullable=False),
    Column("expires", Double),
    Column("used", Double),
    sqlite_with_rowid=False,
)

#: The servers of this store.
servers = Table(
    "servers",
    metadata,
    _text("id", primary_key=True),
    _text("host"),
    _text("boot"),
    Column("pid", BigInteger, nullable=False),
    Column("start", BigInteger, nullable=False),
    _text("address"),
    Column("started", Double, nullable=False),
    #: by the database's clock
    Column("seen", Double, nullable=False),
    sqlite_with_rowid=False,
)

#: What is true of the store as a whole: where its bytes lie, for one.
facts = Table(
    "facts",
    metadata,
    _text("name", primary_key=True),
    _text("value"),
    sqlite_with_rowid=False,
)

# What continuous learning remembers.

#: Branches of a project, as CI and the host know them.
branches = Table(
    "branches",
    metadata,
    _text("project", primary_key=True),
    _text("name", primary_key=True),
    #: identifier; empty where it has none here
    _text("experiment"),
    _text("head"),
    _text("author"),
    Column("committed", Double, nullable=False),
    #: grows with the pipelines of a repository: an older one does not overtake a newer one
    Column("order", BigInteger, nullable=False),
    _text("target"),
    _text("fork"),
    Column("ahead", Integer),
    Column("behind", Integer),
    _text("merge_request"),
    _text("merge_request_url"),
    _text("title"),
    #: JSON: the tickets that it names
    _text("tickets"),
    Column("seen", Double, nullable=False),
    #: since when the repository does not have it; NULL while it does
    Column("gone", Double),
    Column("archived", Double),
    sqlite_with_rowid=False,
)

#: What CI did about an algorithm at a commit.
checks = Table(
    "checks",
    metadata,
    _text("project", primary_key=True),
    _text("commit", primary_key=True),
    _text("algorithm", primary_key=True),
    #: "toy", "full" or "variant"
    _text("kind", primary_key=True),
    #: a digest of the values of a variant; empty for what is none
    _text("variant", primary_key=True),
    #: empty where there is none
    _text("run"),
    Column("unchanged", Boolean, nullable=False),
    _text("branch"),
    _text("closure"),
    _text("reason"),
    _text("key"),
    Column("created", Double, nullable=False),
    #: JSON: what the comparison came to; empty before there is one
    _text("verdict"),
    #: when note and status said how the run ended; NULL while they do not
    Column("settled", Double),
    Column("tries", Integer, nullable=False),
    _text("trouble"),
    # Long ones last: where only what is before them is read, as in lists of branches, they are not.
    #: JSON: what the closure's digest is made of
    _text("parts"),
    #: JSON: the job that asked
    _text("context"),
)
Index(None, checks.c.project, checks.c.branch, checks.c.created)
Index(None, checks.c.settled, checks.c.created)
Index(None, checks.c.run)

#: How recurring runs were edited, one row each time.
edits = Table(
    "edits",
    metadata,
    _text("schedule", primary_key=True),
    Column("serial", Integer, primary_key=True),
    _text("author"),
    _text("why"),
    #: JSON: the recurring run before, and after
    _text("before"),
    _text("after"),
    Column("created", Double, nullable=False),
    sqlite_with_rowid=False,
)

#: What precedes the names of a project's objects: nothing for the first one.
scopes = Table(
    "scopes",
    metadata,
    _text("project", primary_key=True),
    _text("prefix", unique=True),
    Column("created", Double, nullable=False),
    sqlite_with_rowid=False,
)

#: Texts of tickets as a tracker gave them, kept for a while.
tickets = Table(
    "tickets",
    metadata,
    _text("project", primary_key=True),
    _text("key", primary_key=True),
    _text("title"),
    _text("url"),
    _text("status"),
    #: why there is no title; empty where there is one
    _text("why"),
    Column("looked", Double, nullable=False),
    sqlite_with_rowid=False,
)

#: Runs of another host that were brought here.
mirrored = Table(
    "mirrored",
    metadata,
    _run(),
    _text("host"),
    #: its identifier there
    _text("id"),
    #: JSON: how far it was brought: the state there, what of it could not be read
    _text("progress"),
    Column("seen", Double, nullable=False),
    UniqueConstraint("host", "id"),
    sqlite_with_rowid=False,
)

#: Commits of runs that are on no branch any more, since a branch was force-pushed or deleted.
orphans = Table(
    "orphans",
    metadata,
    _text("project", primary_key=True),
    _text("commit", primary_key=True),
    #: when that was seen
    Column("since", Double, nullable=False),
    sqlite_with_rowid=False,
)

# On SQLite one index holds all that a list is filtered by, so that looking through all runs does not read their rows.
# On PostgreSQL a row of a B-tree has at most some 2,700 bytes, and users decide how long these texts are.
_LISTED: Final = ("project", "created", "id", "algorithm", "state", "preset", "git_branch", "ticket", "git_author")
_LISTED_TOO: Final = ("trigger", "sweep", "started", "ended", "git_dirty")
#: Branches are listed with their runs counted.
_COUNTED: Final = ("project", "git_branch", "state", "created", "trigger")
for _index in (
    Index("ix_runs_listed", *(runs.c[_name] for _name in (*_LISTED, *_LISTED_TOO))),
    Index("ix_settings_name_text_run", settings.c.name, settings.c.text, settings.c.run),
    Index("ix_runs_counted", *(runs.c[_name] for _name in _COUNTED)),
):
    _index.ddl_if(dialect="sqlite")
#: of a config value's text so many characters fit in a row of an index, whatever they are
LONGEST: Final = 200
SHORT: Final = func.length(settings.c.text) <= literal_column(str(LONGEST))
#: and so many of a branch's name
SHORT_BRANCH: Final = func.length(runs.c.git_branch) <= literal_column(str(LONGEST))
# What is neither a number nor a text that stands in an index: nulls and lists.
_OTHER: Final = Index(
    "ix_settings_other",
    settings.c.name,
    settings.c.run,
    sqlite_where=literal_column("coalesce(number, text) IS NULL"),
)


@cache
def for_postgresql() -> None:
    """Add what only PostgreSQL is told of. Naming it has SQLAlchemy load its dialect, which takes longer than opening a
    store of SQLite does, so it is asked for where there is such a database."""
    _OTHER.dialect_kwargs["postgresql_where"] = literal_column(
        f"number IS NULL AND (length(text) <= {LONGEST}) IS NOT TRUE"
    )
    added = [
        Index(
            "ix_settings_name_short_run",
            settings.c.name,
            settings.c.text,
            settings.c.run,
            postgresql_where=literal_column(f"length(text) <= {LONGEST}"),
        ),
        Index(
            "ix_runs_counted_short",
            *(runs.c[name] for name in _COUNTED),
            postgresql_where=literal_column(f"length(git_branch) <= {LONGEST}"),
        ),
        Index(
            "ix_runs_counted_long",
            runs.c.project,
            postgresql_where=literal_column(f"length(git_branch) > {LONGEST}"),
        ),
        *(
            Index(f"ix_{column.table.name}_{column.name}_hash", column, postgresql_using="hash")
            for column in (runs.c.git_branch, runs.c.ticket)
        ),
    ]
    for index in added:
        index.ddl_if(dialect="postgresql")


#: Alembic's own table. Not among the others, which are all that Alembic compares.
_revisions = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def create(connection: Connection) -> None:
    """Make all tables in an empty database at once, as the migrations do, and without what those need imported."""
    for tables in (metadata, _revisions.metadata):
        tables.create_all(connection, checkfirst=False)
    connection.execute(_revisions.insert().values(version_num=REVISION))
