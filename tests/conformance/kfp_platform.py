# ruff: noqa: ANN201, UP045
"""Settings of pods as a user of the stock SDK writes them; run by an interpreter that has `kfp`, not by pytest.

    python kfp_platform.py DIRECTORY

compiles every pipeline of this file into the directory.
"""

import sys
from pathlib import Path
from typing import Optional

from kfp import compiler, dsl
from kfp import kubernetes as pods


@dsl.container_component
def shell(script: str, out: dsl.OutputPath(str)):
    return dsl.ContainerSpec(image="busybox", command=["sh", "-ec"], args=[script, out])


@dsl.container_component
def named(out: dsl.OutputPath(str)):
    return dsl.ContainerSpec(image="busybox", command=["sh", "-ec", 'printf db > "$0"'], args=[out])


@dsl.pipeline
def reads(secret: str):
    task = shell(script='printf %s "$WORD" > "$0"')
    pods.use_secret_as_env(task, secret_name=secret, secret_key_to_env={"word": "WORD"})


@dsl.pipeline
def secrets(which: str = "db", nothing: Optional[str] = None):
    """A secret by a constant, a parameter, an output, an item of a loop, in a pipeline within, and none at all."""
    made = named()
    task = shell(
        script='printf %s "$A$B$C${D-}" > "$0"; cat /palmette-s/word >> "$0"; ! ls -d /palmette-none'
    ).set_display_name("all")
    for name, variable in (("db", "A"), (which, "B"), (made.outputs["out"], "C"), (nothing, "D")):
        pods.use_secret_as_env(task, secret_name=name, secret_key_to_env={"word": variable})
    pods.use_secret_as_volume(task, secret_name=which, mount_path="/palmette-s")
    pods.use_config_map_as_volume(task, config_map_name=nothing, mount_path="/palmette-none")
    reads(secret=which)
    with dsl.ParallelFor(["db", "other"]) as item:
        each = shell(script='printf %s "$WORD" > "$0"').set_display_name("each")
        pods.use_secret_as_env(each, secret_name=item, secret_key_to_env={"word": "WORD"})


@dsl.pipeline
def volumes():
    """A volume that is made, filled, read by several, and deleted."""
    made = pods.CreatePVC(pvc_name_suffix="-data", access_modes=["ReadWriteMany"], size="1Gi", storage_class_name="s")
    name = made.outputs["name"]
    fill = shell(script='mkdir /palmette-v/in; echo 5 > /palmette-v/in/x; printf filled > "$0"').set_display_name(
        "fill"
    )
    pods.mount_pvc(fill, pvc_name=name, mount_path="/palmette-v")
    with dsl.ParallelFor(["a", "b"]):
        read = shell(script='cat /palmette-w/x > "$0"').after(fill).set_display_name("read")
        pods.mount_pvc(read, pvc_name=name, mount_path="/palmette-w", sub_path="in")
    pods.DeletePVC(pvc_name=name).after(fill, read)


@dsl.pipeline
def deleted_early():
    """Deletion is asked for while a task still uses the volume."""
    made = pods.CreatePVC(pvc_name_suffix="-data", access_modes=["ReadWriteMany"], size="1Gi")
    name = made.outputs["name"]
    slow = shell(
        script="touch /palmette-v/began; while [ ! -e /palmette-v/go ]; do sleep 0.02; done; "
        'ls /palmette-v | tr "\\n" " " > "$0"'
    ).set_display_name("slow")
    pods.mount_pvc(slow, pvc_name=name, mount_path="/palmette-v")
    poke = shell(
        script='while [ ! -e /palmette-v/began ]; do sleep 0.02; done; touch /palmette-v/poked; printf ok > "$0"'
    )
    pods.mount_pvc(poke, pvc_name=name, mount_path="/palmette-v")
    pods.DeletePVC(pvc_name=name).after(poke)
    late = shell(script='touch /palmette-v/go; printf ok > "$0"').after(poke).set_display_name("late")
    pods.mount_pvc(late, pvc_name=name, mount_path="/palmette-v")


@dsl.pipeline
def elsewhere():
    """All that one machine cannot do."""
    task = shell(script='printf fine > "$0"')
    pods.add_node_selector(task, "disk", "ssd")
    pods.add_toleration(task, key="k", operator="Exists")
    pods.add_node_affinity(task, match_expressions=[{"key": "zone", "operator": "In", "values": ["a"]}])
    pods.set_image_pull_policy(task, "Always")
    pods.set_image_pull_secrets(task, ["registry"])
    pods.add_pod_label(task, "team", "blue")
    pods.add_pod_annotation(task, "note", "x")
    pods.set_timeout(task, 60)
    pods.set_security_context(task, run_as_user=1234)


for pipeline in (secrets, volumes, deleted_early, elsewhere):
    compiler.Compiler().compile(pipeline, str(Path(sys.argv[1]) / f"{pipeline.name.replace('-', '_')}.yaml"))
