"""Files cut off in the middle, as a full disk or a broken copy leaves them."""

import pathlib
import shutil
from collections.abc import Callable, Collection

from common.errors import UserError

_SHARES = (0.0, 0.3, 0.5, 0.97)


def refused(
    folder: pathlib.Path,
    scratch: pathlib.Path,
    read: Callable[[str], object],
    may_be_empty: Collection[str] = (),
) -> set[str]:
    """The files that are refused in words when cut anywhere; others may not be read.

    Any error but UserError fails the test, and so does a file that is refused only
    when it is cut in some places.

    Args:
      read: reads what is in a folder.
    """
    by_file: dict[str, set[bool]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = str(path.relative_to(folder))
        for share in _SHARES:
            if not share and name in may_be_empty:
                continue
            copy = shutil.copytree(folder, scratch / "cut", dirs_exist_ok=True)
            data = path.read_bytes()
            (copy / name).write_bytes(data[: int(len(data) * share)])
            try:
                read(str(copy))
                by_file.setdefault(name, set()).add(False)
            except UserError:
                by_file.setdefault(name, set()).add(True)
    assert [name for name, found in by_file.items() if len(found) > 1] == []
    return {name for name, found in by_file.items() if found == {True}}
