"""Loads exported folders with whatever version of transformers is installed.

It imports nothing of this project, so it runs where only torch and transformers are
installed: `make check-transformers` sets up one environment per version, without
network.

  python -m tools.check_transformers w/hf/discriminator w/hf/generator
"""

import argparse
import json
import logging
import os
import pathlib
import re

import numpy as np
from tokenizers import Tokenizer

TEXT = "아버지가 방에 들어가신다. BTS의 신곡이 Billboard 1위에 올랐다 ㅋㅋㅋㅋ"
# Parameters that AutoModel may leave out, having no head, or add to a BERT.
HEADS = ("discriminator_predictions.", "generator_predictions.", "generator_lm_head.")
BERT_PARTS = ("cls.", "pooler.", "bert.pooler.")


class Warned(logging.Handler):
    """Keeps the warnings of transformers about weights."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages: list[str] = []
        logging.getLogger("transformers").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if re.search("weights|LOAD REPORT", record.getMessage()):
            self.messages.append(record.getMessage())


def check(holds: bool, what: str) -> None:
    import transformers

    if not holds:
        raise SystemExit(f"transformers {transformers.__version__}: {what}")


def load(loader: type, folder: pathlib.Path, left: tuple[str, ...] = ()):
    """A network whose every parameter is in the folder, loaded without a warning.

    Args:
      left: prefixes of names that may be missing or unexpected; newer versions warn
        about them.
    """
    warned = Warned()
    network, info = loader.from_pretrained(folder, output_loading_info=True)
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        names = [str(name) for name in info[what]]
        wrong = [name for name in names if not name.startswith(left or ("\0",))]
        check(not wrong, f"{loader.__name__} of {folder}: {what} {wrong}")
    check(bool(left) or not warned.messages, f"{folder}: {warned.messages}")
    return network.eval()


def check_tokenizer(folder: pathlib.Path):
    """The ids are those of tokenizer.json, which is what training used."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    config = json.loads((folder / "config.json").read_text("utf-8"))
    trained = Tokenizer.from_file(str(folder / "tokenizer.json"))
    vocabulary = (folder / "vocab.txt").read_text("utf-8").split("\n")[5:-1]
    words = [t for t in vocabulary if re.fullmatch("[가-힣]+", t)][:500]
    for text in (TEXT, *words):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        expected = trained.encode(text, add_special_tokens=False).ids
        check(ids == expected, f"{folder}: {text!r} gives {ids}, not {expected}")
        unknown = text != TEXT and tokenizer.unk_token_id in ids
        check(not unknown, f"{folder}: {text!r} of vocab.txt is unknown")
    normalizer = tokenizer.backend_tokenizer.normalizer
    check(
        normalizer.normalize_str("한글") == "한글", f"{folder}: Hangul is taken apart"
    )
    for name in ("do_lower_case", "strip_accents"):
        check(settings[name] is False, f"{folder}: {name} is {settings[name]}")
    cased = normalizer.normalize_str("KOREA") == "KOREA"
    check(cased, f"{folder}: text is lower-cased")
    length = tokenizer.model_max_length
    limit = min(settings["model_max_length"], config["max_position_embeddings"])
    check(length == limit, f"{folder}: model_max_length is {length}, not {limit}")
    return tokenizer


def check_folder(folder: pathlib.Path) -> np.ndarray:
    """Loads a folder with every class; returns the logits for `TEXT`."""
    import torch
    import transformers

    tokenizer = check_tokenizer(folder)
    (architecture,) = json.loads((folder / "config.json").read_text())["architectures"]
    network = load(getattr(transformers, architecture), folder)
    bert = architecture.startswith("Bert")
    load(transformers.AutoModel, folder, BERT_PARTS if bert else HEADS)
    if "MaskedLM" in architecture:
        load(transformers.AutoModelForMaskedLM, folder)
        fill = transformers.pipeline("fill-mask", str(folder), device="cpu")
        answers = fill(f"{tokenizer.mask_token} {TEXT}", top_k=3)
        check(len(answers) == 3, f"{folder}: fill-mask gives {answers}")
    with torch.no_grad():
        logits = network(**tokenizer(TEXT, return_tensors="pt")).logits.numpy()
    check(bool(np.isfinite(logits).all()), f"{folder}: logits are not finite")
    return logits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    parser.add_argument(
        "--logits", help="File of logits: written, or compared with if it exists."
    )
    arguments = parser.parse_args()
    import transformers  # after --help, which need not wait for it

    logits = {str(folder): check_folder(folder) for folder in arguments.folders}
    if arguments.logits and os.path.exists(arguments.logits):
        before = np.load(arguments.logits)
        for name, values in logits.items():
            difference = float(np.abs(values - before[name]).max())
            check(difference < 1e-5, f"{name}: logits differ by {difference:.1e}")
            print(f"{name}: logits as before, to {difference:.1e}")
    elif arguments.logits:
        np.savez(arguments.logits, **logits)
    print(f"transformers {transformers.__version__}: {len(logits)} folders load")


if __name__ == "__main__":
    main()
