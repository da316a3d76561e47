"""The tools for clients in other languages: finds programs, installs packages, builds code.

Everything goes into a cache folder (``QOTGATE_TEST_CACHE``, or else ``.cache`` in the repository), in a
subfolder named after a hash of its inputs. A missing tool skips the test; with ``CI=true`` the test fails.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tests.support.parts import missing, program
from tests.support.paths import ROOT
from tests.support.serving import QOTGATE, Serving

HERE = ROOT / "tests" / "interop"
EXAMPLES = ROOT / "examples"
PROTO = ROOT / "src" / "qotgate" / "protocol" / "proto"
CACHE = Path(os.environ.get("QOTGATE_TEST_CACHE") or ROOT / ".cache").resolve()
SECONDS_MOST = 200
BUILT = "built"


def run(
    command: list[str | Path], folder: Path, **environment: str | Path
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, whatever its status."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**os.environ, **{name: str(value) for name, value in environment.items()}},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS_MOST,
    )


def output_of(done: subprocess.CompletedProcess[str]) -> str:
    return (done.stdout + done.stderr)[-3000:]


def built(name: str, sources: Iterable[Path], build: Callable[[Path], None]) -> Path:
    """The folder in the cache, filled by ``build`` from ``sources``."""
    digest = hashlib.sha256()
    for path in sorted(sources):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    folder = CACHE / f"{name}-{digest.hexdigest()[:12]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    # Several processes run the tests: the others wait for the one that builds.
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / BUILT).exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            build(folder)
            (folder / BUILT).touch()
    return folder


@cache
def node() -> list[str]:
    """The command that runs Node with a global WebSocket, which the JavaScript client needs."""
    program("npm")
    executable = program("node")
    commands = ([executable], [executable, "--experimental-websocket"])
    found = next(filter(_has_websocket, commands), None)
    if found is None:
        missing("node has no WebSocket: it takes Node 20.10 or newer")
    return found


def _has_websocket(command: list[str]) -> bool:
    return (
        run([*command, "-e", "process.exit(typeof WebSocket === 'undefined' ? 1 : 0)"], HERE).returncode == 0
    )


def node_packages() -> Path:
    """The folder whose ``node_modules`` has the JavaScript clients and esbuild, as locked."""
    node()
    manifest = [HERE / "javascript" / "package.json", HERE / "javascript" / "package-lock.json"]

    def install(folder: Path) -> None:
        for path in manifest:
            shutil.copy(path, folder)
        done = run(
            [program("npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], folder
        )
        if done.returncode:
            missing(f"npm could not install the JavaScript clients: {output_of(done)}")

    return built("javascript", manifest, install)


def bundle(script: Path, *options: str) -> Path:
    """A script bundled with its imports into one file. The packages come from the cache, wherever it is."""
    packages = node_packages()
    made = script.with_suffix(".cjs")
    done = run(
        [
            packages / "node_modules" / ".bin" / "esbuild",
            script,
            "--bundle",
            "--platform=node",
            f"--outfile={made}",
            "--log-level=warning",
            *options,
        ],
        packages,
        NODE_PATH=packages / "node_modules",
    )
    assert done.returncode == 0, output_of(done)
    return made


def java_classes() -> str:
    """The class path with the Java client, the two calls added to it, and our messages."""
    for name in ("java", "javac", "mvn"):
        program(name)
    project = EXAMPLES / "java"
    sources = [project / "pom.xml", *(project / "src").rglob("*.java"), *PROTO.glob("*.proto")]

    def compile_(folder: Path) -> None:
        done = run(
            ["mvn", "-q", "-B", "-ntp", f"-Dproto={PROTO}", f"-Dout={folder}", "process-classes"], project
        )
        if "COMPILATION ERROR" in done.stdout or "protoc did not exit cleanly" in done.stdout:
            pytest.fail(output_of(done))
        if done.returncode:
            missing(f"Maven could not install the Java client: {output_of(done)}")

    folder = built("java", sources, compile_)
    return f"{folder / 'classes'}:{folder / 'lib'}/*"


def cpp_client() -> Path:
    """The C++ client."""
    for name in ("g++", "make", "protoc", "pkg-config"):
        program(name)
    project = EXAMPLES / "cpp"
    for library in ("protobuf", "libcrypto"):
        if run(["pkg-config", "--exists", library], project).returncode:
            missing(f"the development files of {library} are not installed")

    def compile_(folder: Path) -> None:
        done = run(["make", "-s", "-j2", f"PROTO={PROTO}", f"OUT={folder}"], project)
        assert done.returncode == 0, output_of(done)

    return built("cpp", [*project.iterdir(), *PROTO.glob("*.proto")], compile_) / "client"


def csharp_client() -> list[str | Path]:
    """The command that runs the C# client."""
    for name in ("mcs", "mono"):
        program(name)
    source = EXAMPLES / "csharp" / "Ark.cs"

    def compile_(folder: Path) -> None:
        libraries = [f"-r:System.{name}" for name in ("Runtime.Serialization", "Xml", "Xml.Linq")]
        done = run(["mcs", "-warnaserror", f"-out:{folder / 'Ark.exe'}", *libraries, source], folder)
        if "CS0006" in done.stderr:
            missing(f"a library of Mono is not installed: {output_of(done)}")
        assert done.returncode == 0, output_of(done)

    return ["mono", built("csharp", [source], compile_) / "Ark.exe"]


def rsa_key(path: Path, bits: int = 1024) -> Path:
    """A new RSA key, as from ``qotgate keygen``."""
    done = run([*QOTGATE, "keygen", path, "--bits", str(bits)], path.parent)
    assert done.returncode == 0, output_of(done)
    return path


def in_pkcs8(path: Path) -> Path:
    """The same key in a PEM format that the published clients do not read."""
    key = load_pem_private_key(path.read_bytes(), password=None)
    converted = path.with_suffix(".pkcs8")
    converted.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return converted


def websocket_port(gateway: Serving, scheme: str) -> int:
    assert gateway.websocket
    match = re.fullmatch(rf"{scheme}://127\.0\.0\.1:(\d+)\S*", gateway.websocket)
    assert match, gateway.websocket
    return int(match[1])


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
