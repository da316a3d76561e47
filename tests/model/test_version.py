"""The version, and the modules that importing it loads."""

import subprocess
import sys
from importlib.metadata import version

import qotgate


def loaded(statement: str) -> set[str]:
    """The modules that ``statement`` imports, in a new process."""
    code = f"{statement}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_version_is_that_of_the_package() -> None:
    assert qotgate.__version__ == version("qotgate")


def test_the_version_brings_no_client_along() -> None:
    modules = loaded("from qotgate import __version__")
    assert not [name for name in modules if name.startswith(("qotgate.client", "qotgate.protocol", "google"))]


def test_the_commands_bring_no_client_along() -> None:
    modules = loaded(
        "import qotgate.web.server\nfrom qotgate.cli.main import _Commands; [*_Commands().values()]"
    )
    assert "qotgate.cli.serve" in modules
    assert not [name for name in modules if name.startswith("qotgate.client")]


def test_a_command_brings_what_it_uses() -> None:
    assert not {"sqlalchemy", "pydantic", "rich"} & loaded("import qotgate.cli.main")
    modules = loaded("import qotgate.cli.ark")
    assert "sqlalchemy" in modules
    assert not {"structlog", "rich", "httpx", "google.protobuf", "websockets", "numpy", "polars"} & modules
    assert not {"pydantic", "tomllib"} & modules
    assert "sqlalchemy.dialects.postgresql" not in modules


def test_a_gateway_brings_what_its_options_take() -> None:
    modules = loaded("import qotgate.cli.serve, qotgate.serving.alone")
    assert {"structlog", "google.protobuf"} <= modules
    late = {"rich", "cryptography", "websockets", "fastapi", "httpx", "jinja2", "numpy", "polars", "pandas"}
    assert not late & modules
    assert "qotgate.model.research" not in modules


def test_every_name_of_the_package_is_there() -> None:
    names = loaded("from qotgate import *\nimport qotgate\n[globals()[name] for name in qotgate.__all__]")
    assert "qotgate.client" in names
    assert set(qotgate.__all__) <= set(dir(qotgate))
    assert not hasattr(qotgate, "no_such_name")
