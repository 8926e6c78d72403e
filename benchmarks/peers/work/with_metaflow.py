"""Metaflow's flows: python FLOW.py run. Its steps are methods, so a chain of them is written for the occasion."""

import sys

TRAINING = """
from metaflow import FlowSpec, step


class Training(FlowSpec):
    @step
    def start(self):
        import steps

        self.data = steps.fetch_dataset()
        self.next(self.fit)

    @step
    def fit(self):
        import steps

        self.model = steps.build_and_fit(self.data)
        self.next(self.evaluate)

    @step
    def evaluate(self):
        import steps

        self.metrics = steps.evaluate_model(self.model, self.data)
        self.next(self.end)

    @step
    def end(self):
        import steps

        self.page = steps.report(self.metrics)


if __name__ == "__main__":
    Training()
"""
FAN = """
from metaflow import FlowSpec, step


class Fan(FlowSpec):
    @step
    def start(self):
        self.numbers = list(range({width}))
        self.next(self.link, foreach="numbers")

    @step
    def link(self):
        self.number = self.input + 1
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Fan()
"""


def chain(width: int) -> str:
    """A flow of so many steps; Metaflow needs a first and a last one, so one of one has two."""
    names = ["start", *(f"link{number}" for number in range(1, width - 1)), "end"]
    lines = ["from metaflow import FlowSpec, step", "", "", "class Chain(FlowSpec):"]
    for name, after in zip(names, [*names[1:], ""], strict=True):
        body = "self.number = 0" if name == "start" else "self.number += 1"
        lines += ["    @step", f"    def {name}(self):", f"        {body}"]
        lines += [f"        self.next(self.{after})", ""] if after else [""]
    return "\n".join([*lines, "", 'if __name__ == "__main__":', "    Chain()", ""])


work, width, target = sys.argv[1], int(sys.argv[2]), sys.argv[3]
text = {"training": lambda: TRAINING, "fan": lambda: FAN.format(width=width), "chain": lambda: chain(width)}[work]()
with open(target, "w") as file:
    file.write(text)
