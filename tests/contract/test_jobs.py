"""`nomad fmt -check` and `nomad job validate` accept every rendered bot and every file in jobs/."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.engines import binary

pytestmark = pytest.mark.engines

ROOT = Path(__file__).resolve().parents[2]
RENDERED = sorted((ROOT / "tests" / "data").glob("*.nomad.hcl"))
JOBS = sorted((ROOT / "jobs").glob("*.nomad.hcl"))


def run(agent, *arguments):
    environment = {
        "PATH": os.environ["PATH"],
        "NOMAD_ADDR": agent.address,
        "NOMAD_TOKEN": agent.token.reveal(),
    }
    return subprocess.run(
        [str(binary("nomad")), *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module", autouse=True)
def namespaces(nomad_agent):
    for name in ("bots", "hub"):
        assert nomad_agent.call("POST", "/v1/namespace", {"Name": name}).is_success


def test_there_is_something_to_check():
    assert len(RENDERED) == 6
    services = ("api", "postgres", "redis", "paper-venue")
    assert {f"{name}.nomad.hcl" for name in services} <= {path.name for path in JOBS}


@pytest.mark.parametrize("path", RENDERED + JOBS, ids=lambda path: path.name)
def test_it_is_formatted_and_valid(nomad_agent, path):
    formatted = run(nomad_agent, "fmt", "-check", path)
    assert formatted.returncode == 0, formatted.stdout + formatted.stderr
    valid = run(nomad_agent, "job", "validate", path)
    assert valid.returncode == 0, valid.stdout + valid.stderr


def test_a_wrong_job_is_not(nomad_agent, tmp_path):
    path = tmp_path / "x.nomad.hcl"
    path.write_text(RENDERED[0].read_text().replace('driver         = "docker"', 'drivr = "docker"'))
    assert run(nomad_agent, "fmt", "-check", path).returncode != 0
    assert run(nomad_agent, "job", "validate", path).returncode != 0
