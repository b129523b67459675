"""Gets what the tests need onto this machine: Docker, both engines, Chromium."""

from __future__ import annotations

import shutil
import sys

import click

from ops import docker, engines, images
from ops.errors import OpsError
from ops.settings import REPO, Cluster
from ops.steps import Steps

__all__ = ["TEST_STATE", "cluster", "main"]

TEST_STATE = REPO / ".drover-test"
_TEST_OFFSET = 21000
_PACKAGES = {"chromium": "chromium", "/usr/lib/postgresql/15/bin/initdb": "postgresql"}


def cluster() -> Cluster:
    """The tests' own cluster, beside a live one."""
    return Cluster.load(TEST_STATE, _TEST_OFFSET)


def main() -> None:
    """Set up, step by step; exits 1 with one sentence when something cannot be had."""
    mine = cluster()
    mine.make()
    steps = Steps(mine.log)
    try:
        with steps.step("Docker", "docker") as step:
            step.done(docker.ensure(mine, step.log))
        for engine in (engines.VAULT, engines.NOMAD):
            with steps.step(f"Find {engine.name}", f"engine-{engine.name}") as step:
                step.done(engines.find(engine, step.log, step.note).origin)
        with steps.step("Images", "images") as step:
            step.done(images.build_all(step.log)[1])
        with steps.step("Chromium and Postgres", "apt") as step:
            missing = [package for program, package in _PACKAGES.items() if shutil.which(program) is None]
            if missing:
                docker.apt_install(missing, step.log)
            step.done(f"installed {', '.join(missing)}" if missing else "there")
    except OpsError as error:
        click.echo(f"drover: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
