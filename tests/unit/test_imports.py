"""Imports point inward, and each foreign library has its one place."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
API = ROOT / "api"
LAYERS = [
    {"errors", "patience"},
    {"errors_bot", "errors_choice"},
    {"models"},
    {"render", "status", "phases", "credentials", "markets"},
    {"settings", "nomad_http", "nomad_client", "vault_client", "store", "migrate"},
    {"watcher", "roster", "audit", "choice", "sign_in", "bot_locks", "waking"},
    {"fleet"},
    {"services", "problems", "wire", "templating", "logs"},
    {"access", "middleware"},
    {"rest", "pages", "sign_in_pages", "health"},
    {"main"},
    {"__main__"},
]
OWNERS = {
    "nomad": {"nomad_client"},
    "requests_unixsocket": {"nomad_client"},
    "hvac": {"vault_client"},
    "httpx": {"nomad_http"},
    "psycopg": {"store", "migrate"},
    "psycopg_pool": {"store"},
    "alembic": {"migrate"},
    "sqlalchemy": {"migrate"},
    "itsdangerous": {"sign_in"},
}


# Where the Injective SDK may be: the traders' exchange, the paper venue, the owner's commands.
SDK = ("bots/injective/", "bots/paper/", "ops/injective_chain.py")


def imports(module):
    yield from imports_of(API / f"{module}.py")


def imports_of(path):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


MODULES = sorted(path.stem for path in API.glob("*.py") if path.stem != "__init__")


def rank(module):
    return next(number for number, layer in enumerate(LAYERS) if module in layer)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_inward(module):
    inner = {name.split(".")[1] for name in imports(module) if name.startswith("api.")} & set(MODULES)
    outward = {name for name in inner if rank(name) > rank(module)}
    assert not outward, f"{module} imports {outward}"


@pytest.mark.parametrize("module", MODULES)
def test_a_foreign_library_has_one_place(module):
    roots = {name.split(".")[0] for name in imports(module)}
    strangers = {root for root in roots & OWNERS.keys() if module not in OWNERS[root]}
    assert not strangers


@pytest.mark.parametrize("module", MODULES)
def test_the_api_reaches_neither_bots_nor_ops_nor_docker(module):
    assert not {name.split(".")[0] for name in imports(module)} & {"bots", "ops", "docker", "subprocess"}


STRATEGIES = Path(__file__).resolve().parents[2] / "bots" / "strategies"
PURE = {
    "__future__", "bots.model", "bots.parameters", "bots.ticks", "collections.abc", "dataclasses", "decimal",
    "enum", "fractions", "functools", "itertools", "math", "statistics", "typing",
}  # fmt: skip


def own_or_pure(name):
    return name in PURE or name.startswith("bots.strategies._")


@pytest.mark.parametrize("path", sorted(STRATEGIES.glob("*.py")), ids=lambda path: path.stem)
def test_strategies_reach_only_the_model_and_nothing_that_does_io(path):
    if path.stem == "__init__":
        return  # It finds them; it decides nothing.
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert all(own_or_pure(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert own_or_pure(node.module)
        elif isinstance(node, ast.Name):
            assert node.id not in {"open", "print", "input", "eval", "exec", "__import__"}


def test_the_injective_sdk_has_its_places():
    paths = [path for folder in ("api", "bots", "ops") for path in (ROOT / folder).rglob("*.py")]
    users = {
        str(p.relative_to(ROOT)) for p in paths if any(n.startswith("pyinjective") for n in imports_of(p))
    }
    assert "ops/injective_chain.py" in users
    assert not {user for user in users if not user.startswith(SDK)}
