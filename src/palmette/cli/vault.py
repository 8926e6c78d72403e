"""`palmette secret`, `palmette configmap` and `palmette volume`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from palmette.cli import hosted
from palmette.cli.hosted import home_option, json_option, project_option
from palmette.cli.lazy import operation
from palmette.cli.session import Session, pass_session, print_json
from palmette.cli.within import Within
from palmette.errors import UsageError
from palmette.operations import configmaps, secrets, volumes
from palmette.present import keeping, words

# Secrets


@click.group(cls=Within, invoke_without_command=True)
@json_option
@click.pass_context
def secret(ctx: click.Context, as_json: bool) -> None:
    """Keep secrets for runs: set, list, delete, rekey.

    A step's secrets=["DB_PASSWORD"] is the key DB_PASSWORD of the secret `palmette`; pipelines of others name a secret
    and its keys. Values are encrypted, and never shown again. Without a command the secrets are listed.

    \b
      palmette secret set palmette DB_PASSWORD
      palmette secret set db password=@password.txt user=-
      palmette secret list
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_secrets, as_json=as_json)


@secret.command("set")
@click.argument("name")
@click.argument("keys", nargs=-1, metavar="KEY...")
@click.option("--env-file", type=click.Path(path_type=Path), help="Set all variables of a .env file, too.")
@project_option
@home_option
@json_option
@pass_session
def set_secret(
    session: Session,
    name: str,
    keys: tuple[str, ...],
    env_file: Path | None,
    project: str,
    directory: Path | None,
    as_json: bool,
) -> None:
    """Set keys of a secret; its other keys stay.

    KEY alone asks for the value, KEY=- reads it from standard input (without the last line break), KEY=@FILE from a
    file. Values cannot stand on the command line, where a shell's history keeps them.

    \b
      palmette secret set palmette DB_PASSWORD
      pass show db | palmette secret set db password=-
      palmette secret set palmette --env-file .env
    """
    given = {**_environment(env_file), **hosted.values(keys, hosted.ask)}
    if not given:
        raise UsageError("no key is given", f"Write palmette secret set {name} KEY.")
    secrets.require(name, given)
    secrets.keep(hosted.home(session, directory), name, given, session.environ, project=project)
    if as_json:
        print_json({"name": name, "project": project, "keys": sorted(given)})
    else:
        click.echo(f"set: {', '.join(f'{name}/{key}' for key in sorted(given))}", err=True)


@secret.command("list")
@project_option
@home_option
@json_option
@pass_session
def list_secrets(session: Session, project: str = "", directory: Path | None = None, as_json: bool = False) -> None:
    """List secrets and their keys, without values.

    \b
      palmette secret list
      palmette secret list --for clinic --json
    """
    home = hosted.known(session, directory)
    kept = [each for each in (secrets.listed(home) if home else ()) if each.project in ("", project or each.project)]
    if as_json:
        print_json([keeping.secret(each) for each in kept])
    elif kept:
        operation("console").show(keeping.secrets(kept, time.time()))
    else:
        click.echo("No secrets yet. Set one: palmette secret set NAME KEY", err=True)


@secret.command("delete")
@click.argument("name")
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@project_option
@home_option
@json_option
@pass_session
def delete_secret(
    session: Session, name: str, keys: tuple[str, ...], project: str, directory: Path | None, as_json: bool
) -> None:
    """Delete a secret, or some of its keys.

    \b
      palmette secret delete db password
      palmette secret delete db
    """
    gone = secrets.forget(hosted.there(session, directory), name, keys, project=project)
    if as_json:
        print_json({"name": name, "project": project, "deleted": gone})
    else:
        click.echo(f"deleted: {name}, {words.count(gone, 'key')}", err=True)


@secret.command()
@home_option
@json_option
@pass_session
def rekey(session: Session, directory: Path | None, as_json: bool) -> None:
    """Encrypt all secrets of the store with a new key.

    The new key takes the place of ~/.config/palmette/key; the old one moves to ~/.config/palmette/keys, for your other
    stores. With PALMETTE_KEY set, that key is used, and PALMETTE_KEY_OLD or the file is what they were encrypted with.

    \b
      palmette secret rekey
      PALMETTE_KEY_OLD=$OLD PALMETTE_KEY=$NEW palmette secret rekey
    """
    count = secrets.rekey(hosted.there(session, directory), session.environ)
    if as_json:
        print_json({"values": count})
    else:
        click.echo(f"encrypted anew: {words.count(count, 'value')}", err=True)


def _environment(file: Path | None) -> dict[str, str]:
    if file is None:
        return {}
    if not file.is_file():
        raise UsageError(f"there is no file {file}", "Name a file with lines like KEY=value.")
    return secrets.dotenv(file)


# Config maps


@click.group(cls=Within, invoke_without_command=True)
@json_option
@click.pass_context
def configmap(ctx: click.Context, as_json: bool) -> None:
    """Keep config maps for runs: set, list, show, delete.

    What tasks are handed as variables or files and is no secret. Without a command they are listed.

    \b
      palmette configmap set settings REGION=eu app.yaml=@app.yaml
      palmette configmap show settings
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_configmaps, as_json=as_json)


@configmap.command("set")
@click.argument("name")
@click.argument("keys", nargs=-1, required=True, metavar="KEY=VALUE...")
@project_option
@home_option
@json_option
@pass_session
def set_configmap(
    session: Session, name: str, keys: tuple[str, ...], project: str, directory: Path | None, as_json: bool
) -> None:
    """Set keys of a config map; its other keys stay.

    KEY=@FILE takes a file's text, KEY=- standard input's.

    \b
      palmette configmap set settings REGION=eu app.yaml=@app.yaml
    """
    given = hosted.values(keys, None)
    configmaps.require(name, given)
    configmaps.keep(hosted.home(session, directory), name, given, project=project)
    if as_json:
        print_json({"name": name, "project": project, "keys": sorted(given)})
    else:
        click.echo(f"set: {', '.join(f'{name}/{key}' for key in sorted(given))}", err=True)


@configmap.command("list")
@project_option
@home_option
@json_option
@pass_session
def list_configmaps(session: Session, project: str = "", directory: Path | None = None, as_json: bool = False) -> None:
    """List config maps and their keys.

    \b
      palmette configmap list
    """
    home = hosted.known(session, directory)
    kept = [each for each in (configmaps.listed(home) if home else ()) if each.project in ("", project or each.project)]
    if as_json:
        print_json([keeping.configmap(each) for each in kept])
    elif kept:
        operation("console").show(keeping.configmaps(kept, time.time()))
    else:
        click.echo("No config maps yet. Set one: palmette configmap set NAME KEY=VALUE", err=True)


@configmap.command("show")
@click.argument("name")
@click.argument("key", required=False)
@project_option
@home_option
@json_option
@pass_session
def show_configmap(
    session: Session, name: str, key: str | None, project: str, directory: Path | None, as_json: bool
) -> None:
    """Print a config map, or the value of one key as it is.

    \b
      palmette configmap show settings
      palmette configmap show settings app.yaml
    """
    found = configmaps.named(hosted.there(session, directory), name, project=project)
    if key is not None and key not in found.values:
        hint = f"It has {', '.join(found.values)}."
        raise UsageError(f"the config map {name} has no key {key}", hint)
    if as_json:
        print_json(keeping.configmap(found) | {"values": dict(found.values)} if key is None else found.values[key])
    elif key is not None:
        click.echo(found.values[key], nl=not found.values[key].endswith("\n"))
    else:
        for each, value in found.values.items():
            click.echo(f"{each}={words.value(value)}")


@configmap.command("delete")
@click.argument("name")
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@project_option
@home_option
@json_option
@pass_session
def delete_configmap(
    session: Session, name: str, keys: tuple[str, ...], project: str, directory: Path | None, as_json: bool
) -> None:
    """Delete a config map, or some of its keys.

    \b
      palmette configmap delete settings REGION
    """
    gone = configmaps.forget(hosted.there(session, directory), name, keys, project=project)
    if as_json:
        print_json({"name": name, "project": project, "deleted": gone})
    else:
        click.echo(f"deleted: {name}, {words.count(gone, 'key')}", err=True)


# Volumes


@click.group(cls=Within, invoke_without_command=True)
@json_option
@click.pass_context
def volume(ctx: click.Context, as_json: bool) -> None:
    """Keep volumes for runs: create, list, delete.

    A volume is a directory that outlives the tasks that mount it. Without a command they are listed.

    \b
      palmette volume create models
      palmette volume create images --path /data/images
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_volumes, as_json=as_json)


@volume.command("create")
@click.argument("name")
@click.option("--path", type=click.Path(path_type=Path), help="A directory that is there, which it then is.")
@click.option("--size", metavar="SIZE", default="", help="As a cluster would be asked: 5Gi. It is noted, not enforced.")
@project_option
@home_option
@json_option
@pass_session
def create_volume(
    session: Session, name: str, path: Path | None, size: str, project: str, directory: Path | None, as_json: bool
) -> None:
    """Make a volume.

    It lies in the home unless --path names a directory. Tasks may write into it.

    \b
      palmette volume create models
      palmette volume create images --path /data/images
    """
    given = str(session.directory / path) if path else ""
    asked = volumes.Volume(project=project, name=name, size=size, path=given, created=time.time())
    volumes.require(asked)
    home = hosted.home(session, directory)
    made = volumes.create(home, asked)
    if as_json:
        print_json(keeping.volume(made, volumes.directory(home, made)))
    else:
        click.echo(volumes.directory(home, made))


@volume.command("list")
@project_option
@home_option
@json_option
@pass_session
def list_volumes(session: Session, project: str = "", directory: Path | None = None, as_json: bool = False) -> None:
    """List volumes: where they are, and how much is in them.

    \b
      palmette volume list
    """
    home = hosted.known(session, directory)
    kept = [each for each in (volumes.listed(home) if home else ()) if each.project in ("", project or each.project)]
    if home is None or not kept:
        if as_json:
            print_json([])
        else:
            click.echo("No volumes yet. Make one: palmette volume create NAME", err=True)
    elif as_json:
        print_json([keeping.volume(each, home.directory / each.path) for each in kept])
    else:
        sizes = [volumes.used(home, each) for each in kept]
        operation("console").show(keeping.volumes(kept, sizes, time.time()))


@volume.command("delete")
@click.argument("name")
@project_option
@home_option
@json_option
@pass_session
def delete_volume(session: Session, name: str, project: str, directory: Path | None, as_json: bool) -> None:
    """Delete a volume and what is in it.

    A directory that --path named is left as it is.

    \b
      palmette volume delete models
    """
    home = hosted.there(session, directory)
    found = volumes.named(home, name, project)
    volumes.delete(home, found)
    if as_json:
        print_json({"name": name, "project": project})
    else:
        click.echo(f"deleted: {name}", err=True)
