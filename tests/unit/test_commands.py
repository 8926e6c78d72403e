"""Commands as steps: called in a test, followed by the capture, carried out from a bundle."""

from __future__ import annotations

import base64
import json
import os
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from palmette import Metrics, Reference, command
from palmette.authoring.components import component
from palmette.capture.bundle import assemble, carried
from palmette.capture.closure import close
from palmette.capture.programs import module_of
from palmette.capture.reach import reach
from palmette.capture.sources import SourceTree
from palmette.errors import CaptureError, DefinitionError, PalmetteError
from palmette.runtime.delivery import BOOTSTRAP

WRITE = "import sys; a = sys.argv; open(a[2], 'w').write(open(a[1]).read() * int(a[3])); open(a[4], 'w').write('7\\n')"

repeat = command(
    ["python", "-c", WRITE, "{text}", "{output_file}", "{times}", "{count}"],
    inputs={"text": Path, "times": int},
    outputs={"output_file": Path, "count": int},
)
measure = command(
    ["python", "-c", "import sys; open(sys.argv[1], 'w').write('{{\"auc\": 0.5}}')", "{output}"],
    name="weigh",
    outputs=Metrics,
)
said = command('sh -c \'printf %s "$1" > "$0"\' {output} x={value}', inputs={"value": str}, outputs=str)
fail = command("sh -c 'exit 3'", inputs={"x": int})
nowhere = command("no-such-program-here {x}", inputs={"x": int})
joined = command(
    'sh -c \'out=$0; printf %s "$#" > $out; cat "$@" >> $out\' {output} {parts}',
    inputs={"parts": list[Path]},
    outputs=str,
)
inside = command('sh -c \'printf %s "$1" > "$0"\' {output} --parts={parts}', inputs={"parts": list[Path]}, outputs=str)
silent = command("true {output}", outputs=Path)
refer = command("sh -c 'echo /etc/hostname > \"$0\"' {output}", outputs=Reference)
wrong = command("fit {lr} --out {modle}", inputs={"rate": float, "x": int | None}, outputs={"model": Path})


def test_called_outside_a_pipeline_it_runs_and_gives_what_it_made(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("ab")
    made = repeat(tmp_path / "in", times=3)
    assert made.output_file.read_text() == "ababab"
    assert made.count == 7
    assert measure() == Metrics(auc=0.5)
    assert refer() == Reference("/etc/hostname")


def test_no_shell_reads_a_value() -> None:
    assert said("$(id); `id` 'quoted' {value}") == "x=$(id); `id` 'quoted' {value}"


def test_a_list_of_files_is_a_word_each_and_a_json_list_within_a_word(tmp_path: Path) -> None:
    (tmp_path / "a b").write_text("1")
    (tmp_path / "-c").write_text("2")
    assert joined([tmp_path / "a b", tmp_path / "-c"]) == "212"
    assert joined([tmp_path / "a b"]) == "11"
    assert inside([tmp_path / "a b"]) == f'--parts=["{tmp_path}/a b"]'


def test_what_it_makes_outside_of_a_pipeline_goes_with_the_interpreter(tmp_path: Path) -> None:
    script = "from palmette import command; print(command('echo {x}', inputs={'x': int})(x=3))"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_names_the_command_and_its_code() -> None:
    with pytest.raises(PalmetteError, match="exit code 3: sh -c exit 3") as caught:
        fail(x=1)
    assert caught.value.exit_code == 3
    with pytest.raises(PalmetteError, match="no-such-program-here cannot be started"):
        nowhere(1)
    with pytest.raises(PalmetteError, match="did not write its output 'output'"):
        silent()


def test_it_is_named_after_what_it_stands_under() -> None:
    assert (repeat.name, measure.name) == ("repeat", "weigh")
    made, problems = component(repeat, {})
    assert not problems
    assert made.target.endswith(":repeat")
    assert made.command[:2] == ("python", "-c")
    assert [entry.name for entry in made.inputs] == ["text", "times"]


def test_everything_wrong_with_a_command_is_reported_at_once() -> None:
    _, problems = component(wrong, {})
    whats = [problem.what for problem in problems]
    assert "its command names {lr}, which is neither an input nor an output" in whats
    assert "its command names {modle}, which is neither an input nor an output" in whats
    assert "its command does not say where to write the output model" in whats
    assert "input 'x' of a command is one that may be None, which has no text" in whats
    assert all("test_commands.py:" in problem.where for problem in problems)
    with pytest.raises(DefinitionError, match="neither an input nor an output"):
        wrong(1.0, 2)


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="colour"):
        command("true", colour="red")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("words", "module", "script"),
    [
        ("python -m trainer.fit --x {x}", "trainer.fit", ""),
        ("python3.12 -u -X dev -m trainer", "trainer", ""),
        ("python ./scripts/fit.py {x}", "scripts.fit", "scripts/fit.py"),
        ("scripts/fit.py", "scripts.fit", "scripts/fit.py"),
        ("python -c pass", "", ""),
        ("python /opt/fit.py", "", ""),
        ("torchrun -m trainer", "", ""),
        ("python -m {x}", "", ""),
        ("", "", ""),
    ],
)
def test_the_module_that_a_command_runs_is_read_from_its_words(words: str, module: str, script: str) -> None:
    assert module_of(words) == module_of(shlex.split(words)) == (module, script)


FIT = """
    from trainer import lib

    if __name__ == "__main__":
        import trainer.late as late
        print(lib.used(), late.x)
"""


STEPS = """
    from palmette import command, step

    fit = command("python -m trainer.fit", cpu=1)

    @step
    def other() -> int:
        return 1
"""


def project(directory: Path, steps: str = STEPS) -> SourceTree:
    files = {
        "steps.py": steps,
        "trainer/__init__.py": "",
        "trainer/fit.py": FIT,
        "trainer/lib.py": "def used():\n    return 1\n",
        "trainer/late.py": "x = 1\n",
        "trainer/unused.py": "",
    }
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return SourceTree(directory, (directory,))


def test_what_a_command_runs_is_taken_along_with_all_it_imports(tmp_path: Path) -> None:
    taken = {each.path for each in close(project(tmp_path), ["steps"]).files}
    assert taken == {"steps.py", "trainer/__init__.py", "trainer/fit.py", "trainer/lib.py", "trainer/late.py"}


def test_a_package_runs_its_main_module(tmp_path: Path) -> None:
    tree = project(tmp_path, steps='from palmette import command\nfit = command(["python", "-m", "trainer"])\n')
    (tmp_path / "trainer" / "__main__.py").touch()
    assert "trainer/__main__.py" in {each.path for each in close(tree, ["steps"]).files}


@pytest.mark.parametrize("name", ["trainer/fit.py", "trainer/lib.py", "trainer/late.py"])
def test_a_change_of_the_program_counts_for_its_step_alone(tmp_path: Path, name: str) -> None:
    before = close(project(tmp_path), ["steps"])
    fit, other = reach(before, "steps:fit"), reach(before, "steps:other")
    (tmp_path / name).write_text((tmp_path / name).read_text() + "\ndef more():\n    return 2\n\n\nx = more()\n")
    if name == "trainer/lib.py":
        (tmp_path / name).write_text("def used():\n    return 2\n")
    after = close(SourceTree(tmp_path, (tmp_path,)), ["steps"])
    assert reach(after, "steps:fit").digest != fit.digest
    assert reach(after, "steps:other").digest == other.digest


def test_other_words_are_another_step_and_another_need_of_the_machine_is_not(tmp_path: Path) -> None:
    source = 'from palmette import command\nfit = command("python -m trainer.fit{}", cpu={})\n'

    def digest(words: str, cpu: int) -> str:
        tree = project(tmp_path, steps=source.format(words, cpu))
        return reach(close(tree, ["steps"]), "steps:fit").digest

    assert digest("", 1) == digest("", 2)
    assert digest("", 1) != digest(" --fast", 1)


def test_words_that_cannot_be_read_and_scripts_elsewhere_are_refused(tmp_path: Path) -> None:
    source = 'from palmette import command\nWORDS = open("words").read()\nfit = command(WORDS)\n'
    with pytest.raises(CaptureError, match="imports what cannot be read"):
        close(project(tmp_path, steps=source), ["steps"])
    with pytest.raises(CaptureError, match="not found below a source root"):
        close(project(tmp_path, steps='from palmette import command\nfit = command("python tools/x.py")\n'), ["steps"])


def test_python_is_the_interpreter_of_the_step(tmp_path: Path) -> None:
    which = command(
        ["python", "-c", "import sys; open(sys.argv[1], 'w').write(sys.executable)", "{output}"], outputs=str
    )
    assert which() == sys.executable


APP = """
from pathlib import Path
from palmette import Metrics, command
fit = command(
    "python -m trainer.fit {data} {x} {model} {metrics} {score}",
    inputs={"data": Path, "x": float}, outputs={"model": Path, "metrics": Metrics, "score": float})
"""
PROGRAM = """
import json, sys
from pathlib import Path
from trainer import lib
if __name__ == "__main__":
    data, x, model, metrics, score = sys.argv[1:]
    Path(model).mkdir()
    Path(model, "m").write_text(lib.scaled(Path(data).read_text(), float(x)))
    Path(metrics).write_text(json.dumps({"auc": 0.5}))
    Path(score).write_text("0.25")
    print("fitted")
"""


def test_the_container_works_where_there_is_nothing_but_its_archive(
    tmp_path: Path,
) -> None:
    lib = "def scaled(text, x):\n    return f'{text}{x}'\n"
    files = {"app.py": APP, "trainer/__init__.py": "", "trainer/fit.py": PROGRAM, "trainer/lib.py": lib}
    bundle = assemble({**carried(), **{path: text.encode() for path, text in files.items()}}, python="3.11")
    archive = base64.b64encode(bundle.archive()).decode()
    (tmp_path / "pod").mkdir()
    (tmp_path / "data").write_text("ab")
    artifact = {"name": "data", "uri": str(tmp_path / "data"), "type": {}, "metadata": {}}
    places = {name: {"artifacts": [{"uri": str(tmp_path / "out" / name), "type": {}}]} for name in ("model", "metrics")}
    asked = {
        "inputs": {"parameterValues": {"x": 2.5}, "artifacts": {"data": {"artifacts": [artifact]}}},
        "outputs": {
            "artifacts": places,
            "parameters": {"score": {"outputFile": str(tmp_path / "score")}},
            "outputFile": str(tmp_path / "answer.json"),
        },
    }
    given = ["--step", "app:fit", "--bundle", bundle.digest, "--archive", archive]
    done = subprocess.run(
        [sys.executable, "-c", BOOTSTRAP, *given, "--executor-input", json.dumps(asked)],
        cwd=tmp_path / "pod",
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "fitted\n"
    assert (tmp_path / "out" / "model" / "m").read_text() == "ab2.5"
    assert json.loads((tmp_path / "out" / "metrics").read_text()) == {"auc": 0.5}
    assert (tmp_path / "score").read_text() == "0.25"
