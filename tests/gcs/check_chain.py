"""Every command on gs://, beside the same ones on a local folder."""

import re
import signal

import pytest
from helpers import chain, processes


@pytest.fixture(scope="module")
def logs(bucket) -> dict[str, str]:
    """What each command logged, by its name."""
    return {
        name: processes.check(*argv, warm=True).output
        for name, argv in chain.commands(bucket).items()
    }


def test_files_are_those_of_a_local_folder(logs, bucket, local):
    assert len(chain.contents(bucket)) > 70
    # It names the folder of the weights.
    assert chain.different(bucket, local) == {"from_weights/config.json"}


def test_log_of_training_is_that_of_a_local_folder(logs, bucket, local):
    assert chain.log_lines(f"{bucket}/model") == chain.log_lines(f"{local}/model")


def test_pages_show_the_run_and_the_scores(logs, bucket):
    page = chain.contents(bucket)["run.html"].decode()
    assert "model, eval, step 24" in page
    assert "majority" in chain.contents(bucket)["scores.html"].decode()


def test_finished_folders_are_left_as_they_are(logs, bucket):
    before = chain.contents(bucket)
    for name in ("clean", "vocab", "tfrecords", "pretrain"):
        processes.check(*chain.commands(bucket)[name], warm=True)
    assert chain.contents(bucket) == before


def test_killed_and_stopped_run_ends_with_the_same_weights(logs, bucket, local):
    argv = chain.trainer(bucket, "killed")
    with processes.running(*argv, warm=True) as process:
        process.wait_for("train step", 5)
        process.kill()
    with processes.running(*argv, warm=True) as process:
        process.wait_for("train step", 3)
        process.send(signal.SIGTERM)
        assert process.wait().code == 75
    log = processes.check(*argv, warm=True).output
    assert "resuming from" in log
    different = chain.different(f"{bucket}/killed", f"{local}/model")
    assert different == {"eval-24.json"}  # of another command
    assert chain.log_lines(f"{bucket}/killed") == chain.log_lines(f"{local}/model")


def test_loss_that_is_not_finite_is_told_and_its_batch_written(logs, bucket):
    argv = chain.trainer(bucket, "diverged", learning_rate=1e30, num_warmup_steps=0)
    ended = processes.run(*argv, warm=True)
    assert ended.code == 1 and "Traceback" not in ended.output
    assert re.search(r"step \d+ (is|are) not finite", ended.output)
    files = chain.contents(f"{bucket}/diverged")
    assert [name for name in files if re.fullmatch(r"non_finite-\d+\.npz", name)]
