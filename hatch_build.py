"""Compiles the .proto files into one descriptor set when the package is built.

The classes are then made at run time from descriptors, so that the package is not bound to one
version of the protobuf runtime, as generated ``_pb2`` modules are.
"""

from importlib.resources import files
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PROTO = Path("src/qotgate/protocol/proto")


class DescriptorSetHook(BuildHookInterface[Any]):
    def initialize(self, _version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
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
        build_data["artifacts"].append(f"{PROTO.as_posix()}/{target.name}")
