"""plot_run as a command: what it writes and refuses."""

import json
import pathlib

from helpers import processes


def command(*args: str) -> tuple[int, str]:
    ended = processes.run("-m", "tools.plot_run", *args)
    return ended.code, ended.err


def test_it_writes_a_page_and_refuses_another_format(tmp_path):
    folders = [str(tmp_path / name) for name in ("a", "b")]
    for folder in folders:
        pathlib.Path(folder).mkdir()
        line = {"kind": "eval", "step": 100, "loss": 30.0}
        pathlib.Path(folder, "metrics.jsonl").write_text(json.dumps(line) + "\n")
    output = tmp_path / "runs.html"
    code, log = command(f"--model_dir={','.join(folders)}", f"--output={output}")
    assert code == 0 and "shows a, b" in log
    assert "b, eval, step 100" in output.read_text()
    code, log = command(f"--model_dir={folders[0]}", f"--output={tmp_path}/runs.jpg")
    assert code == 1 and "runs.jpg must end in .png or .html" in log
    assert "Traceback" not in log
