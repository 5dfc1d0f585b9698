"""How every script starts and fails."""

import platform
import sys
from collections.abc import Callable

from absl import app, flags, logging


class UserError(Exception):
    """Something the user can mend: says what was found, where, and what to do."""


def run(main: Callable[[], None]) -> None:
    """Runs an absl script's `main`.

    Refuses stray arguments, logs at INFO unless --verbosity says otherwise, and turns a
    UserError into one readable message and exit code 1.
    """

    def wrapped(argv: list[str]) -> None:
        if len(argv) > 1:
            raise app.UsageError(
                f"unexpected argument {argv[1]!r}: options are written --name=value, "
                "and patterns need quotes"
            )
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.INFO)
        logging.info("Python %s, %s", platform.python_version(), platform.platform())
        try:
            main()
        except UserError as error:
            logging.error("%s", error)
            sys.exit(1)

    app.run(wrapped)
