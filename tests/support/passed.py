"""A pytest plugin that lets a second run omit the tests that passed in the first."""

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("passed")
    group.addoption("--passed-to", metavar="FILE", help="write the names of the tests that pass")
    group.addoption("--passed-in", metavar="FILE", help="leave out the tests that such a file names")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    path = config.getoption("passed_in")
    if not path:
        return
    passed = set(Path(path).read_text(encoding="utf-8").splitlines())
    left_out = [item for item in items if item.nodeid in passed]
    items[:] = [item for item in items if item.nodeid not in passed]
    config.hook.pytest_deselected(items=left_out)


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("passed_to")
    # Workers of pytest-xdist report to their parent process.
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Passed(Path(path)))


class _Passed:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._path.write_text("", encoding="utf-8")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(report.nodeid + "\n")
