"""What steps can hand to each other, through the real command."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Project

VALUES = '''
    from collections.abc import Iterator
    from dataclasses import dataclass
    from pathlib import Path
    from typing import Annotated, NamedTuple

    from palmette import HTML, Format, Markdown, Metrics, Text, algorithm, progress, step, track

    class Graph:
        """Edges, kept as lines."""
        def __init__(self, edges: list[tuple[str, str]]) -> None:
            self.edges = edges

    def read_graph(path: Path) -> Graph:
        return Graph([tuple(line.split()) for line in path.read_text().splitlines()])

    def write_graph(graph: Graph, path: Path) -> None:
        path.write_text("".join(f"{a} {b}" + chr(10) for a, b in graph.edges))

    Kept = Annotated[Graph, Format(read_graph, write_graph, ".edges")]

    @dataclass(frozen=True)
    class Config:
        size: int = 3

    @dataclass(frozen=True)
    class Both:
        number: int
        page: HTML

    class Named(NamedTuple):
        low: float
        high: float

    @step
    def pair(size: int) -> tuple[int, Text]:
        return size, Text("x" * size)

    @step
    def fields(size: int) -> Both:
        return Both(number=size + 1, page=HTML("<p>page"))

    @step
    def bounds(size: int) -> Named:
        return Named(0.5, size / 2)

    @step
    def graph(size: int) -> Kept:
        return Graph([(str(n), str(n + 1)) for n in range(size)])

    @step
    def files(size: int) -> Path:
        made = Path("made")
        made.mkdir()
        for number in track(range(size), "files"):
            (made / f"{number}.txt").write_text(str(number))
        return made

    @step
    def one(size: int) -> Path:
        path = Path("one.bin")
        path.write_bytes(bytes(range(size)))
        return path

    @step
    def gather(
        number: int, text: Text, other: int, page: HTML, high: float, graph: Kept, folder: Path, file: Path
    ) -> Metrics:
        assert (type(page), type(text)) == (HTML, Text)
        return Metrics(
            number=number, text=len(text), other=other, page=len(page), high=high, edges=len(graph.edges),
            files=len(list(folder.iterdir())), bytes=len(file.read_bytes()),
        )

    @algorithm(config=Config)
    def values(config: Config) -> None:
        number, text = pair(config.size)
        both = fields(config.size)
        named = bounds(config.size)
        size = config.size
        gather(number, text, both.number, both.page, named.high, graph(size), files(size), one(size))
'''


def test_everything_a_step_may_give_arrives_as_it_was(bare: Project) -> None:
    bare.write("algorithms/values.py", VALUES)
    run = bare.run("values")
    assert run["metrics"] == {
        "number": 3.0,
        "text": 3.0,
        "other": 4.0,
        "page": 7.0,
        "high": 1.5,
        "edges": 3.0,
        "files": 3.0,
        "bytes": 3.0,
    }
    assert run.task("bounds")["parameters"] == {"low": 0.5, "high": 1.5}
    assert run.task("fields")["artifacts"]["page"]["type"] == "system.HTML"
    bare("artifacts", "get", "last", "graph")
    assert (bare.directory / "output.edges").read_text() == "0 1\n1 2\n2 3\n"
    bare("artifacts", "get", "last", "files", "-o", "copy")
    assert sorted(path.name for path in (bare.directory / "copy").iterdir()) == ["0.txt", "1.txt", "2.txt"]
    bare("artifacts", "get", "last", "one")
    assert (bare.directory / "one.bin").read_bytes() == b"\0\1\2"
    assert bare.run("values").cached == {task["name"] for task in run["tasks"]}


def test_a_changed_format_counts_for_what_it_writes_and_reads(bare: Project) -> None:
    bare.write("algorithms/values.py", VALUES)
    bare.run("values")
    bare.replace("algorithms/values.py", 'f"{a} {b}" + chr(10)', 'f"{a}  {b}" + chr(10)')
    assert "graph" not in bare.run("values").cached


def test_an_unknown_type_is_refused_where_it_stands(bare: Project) -> None:
    source = VALUES.replace("def graph(size: int) -> Kept", "def graph(size: int) -> Graph")
    bare.write("algorithms/values.py", source)
    done = bare("run", "values", code=1)
    assert "Graph is no type that Palmette knows how to keep" in done.err
    assert "Format(read, write)" in done.err
    assert not bare.exists(".palmette/runs")
