"""The emoji that rules know: frozen, so that no update of a package changes clean text.

emoji.txt names the version of the package emoji that it was made of, then the parts of
other emoji (skin tones and hair), then every sequence, one a line. To renew it, install
another version of the package, run this, and raise the versions in recipes.py:

  python -m data_prep.rules.emoji_table
"""

import pathlib
import pkgutil

FILE = "emoji.txt"


def installed() -> str:
    """The content of emoji.txt according to the installed package."""
    import emoji

    component = emoji.STATUS["component"]
    components = [
        e for e, of_e in emoji.EMOJI_DATA.items() if of_e["status"] == component
    ]
    lines = [emoji.__version__, "".join(sorted(components)), *sorted(emoji.EMOJI_DATA)]
    return "".join(line + "\n" for line in lines)


CONTENT = pkgutil.get_data("data_prep.rules", FILE).decode("utf-8")  # may be in a zip
VERSION, EMOJI_COMPONENTS, *_SEQUENCES = CONTENT.split()
EMOJI = frozenset(_SEQUENCES)


if __name__ == "__main__":
    text = installed()
    pathlib.Path(__file__).with_name(FILE).write_text(text, encoding="utf-8")
