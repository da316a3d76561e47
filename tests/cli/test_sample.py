"""The shipped sample equals the output of its script."""

import importlib.util
from pathlib import Path

from tests.support.paths import ROOT, SAMPLE


def test_the_script_makes_the_shipped_sample() -> None:
    spec = importlib.util.spec_from_file_location("make_sample", ROOT / "scripts" / "make_sample.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    shipped = {path.relative_to(SAMPLE).as_posix(): path for path in SAMPLE.rglob("*") if path.is_file()}
    made = module.sample()
    assert sorted(shipped) == sorted(made)
    for name, path in shipped.items():
        assert "SYNTHETIC" in Path(name).name
        assert path.read_text(encoding="utf-8") == made[name]
