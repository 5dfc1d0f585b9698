"""What several tests share; tests/ is on the import path (setup.cfg)."""

import os
import pathlib

TESTS = pathlib.Path(__file__).parents[1]
ROOT = TESTS.parent
# Recordings of the original ELECTRA.
GOLDEN = pathlib.Path(os.environ.get("ELECTRA_GOLDEN_DIR", TESTS / "golden"))
# For Python processes that tests start: this checkout and these helpers.
PYTHONPATH = os.pathsep.join(map(str, [ROOT, TESTS]))
