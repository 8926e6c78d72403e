"""python with_kfp.py WORK WIDTH CACHED: kfp.local with processes and nothing installed in front of them."""

import sys

from kfp import dsl, local

work, width, cached = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "cached"
component = dsl.component(install_kfp_package=False)


@component
def link(number: int) -> int:
    return number + 1


@component
def fetch(data: dsl.Output[dsl.Dataset]):
    import numpy
    import steps

    with open(data.path, "wb") as file:
        numpy.save(file, steps.fetch_dataset())


@component
def fit(data: dsl.Input[dsl.Dataset], model: dsl.Output[dsl.Model]):
    import joblib
    import numpy
    import steps

    joblib.dump(steps.build_and_fit(numpy.load(data.path)), model.path)


@component
def evaluate(data: dsl.Input[dsl.Dataset], model: dsl.Input[dsl.Model]) -> dict:
    import joblib
    import numpy
    import steps

    return steps.evaluate_model(joblib.load(model.path), numpy.load(data.path))


@component
def report(metrics: dict, page: dsl.Output[dsl.HTML]):
    import steps

    with open(page.path, "w") as file:
        file.write(steps.report(metrics))


@dsl.pipeline
def training():
    data = fetch().outputs["data"]
    model = fit(data=data).outputs["model"]
    report(metrics=evaluate(data=data, model=model).output)


@dsl.pipeline
def chain():
    number = 0
    for _ in range(width):
        number = link(number=number).output


@dsl.pipeline
def fan():
    for number in range(width):
        link(number=number)


local.init(runner=local.SubprocessRunner(use_venv=False), raise_on_error=True, enable_caching=cached)
{"training": training, "chain": chain, "fan": fan}[work]()
