"""One target under libFuzzer: ``python -m fuzz.one TARGET [libFuzzer's options] [FOLDER...]``."""

import logging
import sys

import atheris
import structlog

with atheris.instrument_imports(include=["qotgate", "google.protobuf.json_format"]):
    from fuzz import target

    take = target(sys.argv.pop(1))

# The log of a gateway under fuzzing would take most of the time.
logging.disable()
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
atheris.Setup(sys.argv, take)
atheris.Fuzz()
