"""Fixtures that more than one folder of tests uses."""

pytest_plugins = ["tests.engines", "tests.paper", "tests.postgres", "tests.redis", "tests.hub"]


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files in tests/data")
