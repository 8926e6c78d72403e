"""Hands in packages with the client of whatever SDK runs this, and waits for them: their runs and states, as JSON.

python kfp_hands_in.py URL PLACE PACKAGE …
"""

import json
import sys
from pathlib import Path

from kfp.client import Client

if __name__ == "__main__":
    url, place, *packages = sys.argv[1:]
    Client._LOCAL_KFP_CONTEXT = f"{place}/context.json"
    client, said = Client(host=url), {}
    for package in packages:
        name = Path(package).stem
        (Path(place) / name).mkdir()
        started = client.create_run_from_pipeline_package(package, arguments={"place": f"{place}/{name}"})
        said[name] = [started.run_id]
    for runs in said.values():
        runs.append(client.wait_for_run_completion(runs[0], timeout=120, sleep_duration=1).state)
    print(json.dumps(said))
