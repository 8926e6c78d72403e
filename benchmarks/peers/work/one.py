"""One step as a command: python one.py STEP, in the directory of its files. A number writes that number."""

import json
import sys
from pathlib import Path

if sys.argv[1].isdigit():
    Path(f"link{sys.argv[1]}").write_text(sys.argv[1])
    sys.exit()

import joblib
import numpy as np
import steps

match sys.argv[1]:
    case "fetch":
        np.save("data.npy", steps.fetch_dataset())
    case "fit":
        joblib.dump(steps.build_and_fit(np.load("data.npy")), "model.joblib")
    case "evaluate":
        found = steps.evaluate_model(joblib.load("model.joblib"), np.load("data.npy"))
        Path("metrics.json").write_text(json.dumps(found))
    case "report":
        Path("report.html").write_text(steps.report(json.loads(Path("metrics.json").read_text())))
    case "all":
        data = steps.fetch_dataset()
        print(steps.report(steps.evaluate_model(steps.build_and_fit(data), data)))
