"""python with_luigi.py WORK WIDTH WORKERS: a training, a chain or a fan of links, in the current directory."""

import json
import sys
from pathlib import Path

import luigi

work, width, workers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


class Link(luigi.Task):
    """Writes its number; in a chain it waits for the one before it."""

    number = luigi.IntParameter()

    def requires(self):
        return [Link(number=self.number - 1)] if work == "chain" and self.number else []

    def output(self):
        return luigi.LocalTarget(f"link{self.number}")

    def run(self):
        with self.output().open("w") as file:
            file.write(str(self.number))


class Fetch(luigi.Task):
    def output(self):
        return luigi.LocalTarget("data.npy")

    def run(self):
        import numpy
        import steps

        numpy.save("data.npy", steps.fetch_dataset())


class Fit(luigi.Task):
    def requires(self):
        return Fetch()

    def output(self):
        return luigi.LocalTarget("model.joblib")

    def run(self):
        import joblib
        import numpy
        import steps

        joblib.dump(steps.build_and_fit(numpy.load("data.npy")), "model.joblib")


class Evaluate(luigi.Task):
    def requires(self):
        return [Fetch(), Fit()]

    def output(self):
        return luigi.LocalTarget("metrics.json")

    def run(self):
        import joblib
        import numpy
        import steps

        found = steps.evaluate_model(joblib.load("model.joblib"), numpy.load("data.npy"))
        Path("metrics.json").write_text(json.dumps(found))


class Report(luigi.Task):
    def requires(self):
        return Evaluate()

    def output(self):
        return luigi.LocalTarget("report.html")

    def run(self):
        import steps

        Path("report.html").write_text(steps.report(json.loads(Path("metrics.json").read_text())))


wanted = {
    "training": lambda: [Report()],
    "chain": lambda: [Link(number=width - 1)],
    "fan": lambda: [Link(number=number) for number in range(width)],
}[work]()
sys.exit(not luigi.build(wanted, local_scheduler=True, workers=workers, log_level="ERROR"))
