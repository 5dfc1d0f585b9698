"""Runs one stage many times in one process: TensorFlow's start costs seconds.

Each line of standard input is a JSON list of arguments; each answer is a JSON list of
exit code and log."""

import importlib
import json
import os
import sys
import tempfile

from absl import flags

from common import cli


def run(main, args: list[str]) -> tuple[int, str]:
    sys.argv = [main.__name__, *args]
    flags.FLAGS.unparse_flags()
    with tempfile.TemporaryFile() as log:
        stderr = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            cli.run(main)
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
        log.seek(0)
        return code, log.read().decode("utf-8")


if __name__ == "__main__":
    stage = sys.argv[1]
    main = getattr(importlib.import_module(f"data_prep.{stage}"), stage)
    for line in sys.stdin:
        print(json.dumps(run(main, json.loads(line))), flush=True)
