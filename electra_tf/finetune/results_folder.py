"""The folder of a fine-tuning: results.json, which grows seed by seed, and the model.

Of several workers the first one alone reads and writes it. With --overwrite the new
result grows in `_progress`, and replaces the old one when all of its seeds are there.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from absl import logging

from common import claim, files, own_files
from common.errors import UserError
from data_prep.vocab.tokenizer_source import TokenizerFiles
from electra_tf.devices import strategies
from electra_tf.finetune import model_folder, results
from electra_tf.finetune.model_folder import TaskDescription
from electra_tf.finetune.networks import FinetuningModel
from electra_tf.finetune.results import Results, Seed

MODEL_FOLDER = "model"
_COMPLETE = "complete.json"  # in _progress: all of its files may replace the old ones
_RESULT = (
    *(f"{MODEL_FOLDER}/{name}" for name in model_folder.FILES),
    results.RESULTS_FILE,  # last: a half-replaced folder has none
)
_OWN = {
    claim.CLAIM_FILE,
    *_RESULT,
    *(f"{own_files.PROGRESS}/{name}" for name in (*_RESULT, _COMPLETE)),
}


class ResultsFolder:
    """A folder that a fine-tuning writes, as each of its workers sees it."""

    def __init__(self, path: str, overwrite: bool, strategy: tf.distribute.Strategy):
        self._path, self._overwrite, self._strategy = path, overwrite, strategy
        self._is_chief = strategies.is_chief(strategy)
        self._work_dir = path
        self._claim: claim.Claim | None = None  # of the first worker, once it began

    def begin(self, run: Results, seeds: Sequence[int]) -> tuple[list[Seed], list[int]]:
        """The seeds that are there, for the first worker, and those that are left.

        Args:
          run: without seeds.

        Raises:
          UserError: the folder holds files of others, or results of another run; or
            the workers are not alike.
        """
        self._check_alike(run, seeds)
        refusal, before = None, []
        if self._is_chief:
            try:
                before = self._open(run)
            except UserError as error:
                refusal = error
                if self._claim:
                    self._claim.release()
        done = {seed.seed for seed in before if seed.error is None}
        answers = [int(refusal is not None), *(int(seed in done) for seed in seeds)]
        # The first replica is the first worker's.
        is_refused, *is_done = (
            strategies.over_workers(self._strategy, answer)[0] for answer in answers
        )
        if is_refused:
            self._wait_for_all()
            raise refusal or UserError("the first worker stopped: its log says why")
        left = [s for s, known in zip(seeds, is_done, strict=True) if not known]
        return before, left

    def write(self, whole: Results) -> None:
        if self._claim:
            self._claim.check()
            results.write(self._work_dir, whole)

    def write_model(
        self,
        model: FinetuningModel,
        weights: dict[str, np.ndarray],
        described: TaskDescription,
        tokenizer: TokenizerFiles,
    ) -> None:
        if self._claim:
            self._claim.check()
            path = os.path.join(self._work_dir, MODEL_FOLDER)
            model_folder.write(path, model, weights, described, tokenizer)

    def finish(self, succeeded: bool) -> None:
        """Puts the new result, if it is one, in the place of an old one."""
        if self._claim:
            if succeeded and self._work_dir != self._path:
                files.write_json(os.path.join(self._work_dir, _COMPLETE), {})
                self._replace()
            self._claim.release()
        self._wait_for_all()

    def _check_alike(self, run: Results, seeds: Sequence[int]) -> None:
        same = [run.data_sha256, run.init, run.config, list(seeds)]
        same.append(run.checkpoint and run.checkpoint["sha256"])
        digest = hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()
        numbers = strategies.over_workers(self._strategy, int(digest[:15], 16))
        if len(set(numbers)) > 1:
            self._wait_for_all()
            raise UserError(
                "the workers do not have the same rows, weights, settings and seeds: "
                "start all of them with the same command, on copies of the same files"
            )

    def _wait_for_all(self) -> None:
        """One that ends takes the answer away from those that still read it."""
        with contextlib.suppress(tf.errors.OpError):
            strategies.over_workers(self._strategy, 0)

    def _open(self, run: Results) -> list[Seed]:
        """Refuses foreign files, finds where to work; returns what is there."""
        self._check_own()
        self._claim = claim.take(self._path, "run_finetuning")
        if files.exists(self._in_progress(_COMPLETE)):
            self._replace()  # which was interrupted: this result is the new one
            self._overwrite = False
        has_result = files.exists(os.path.join(self._path, results.RESULTS_FILE))
        if self._overwrite and has_result:
            self._work_dir = self._in_progress()
        try:
            before = results.seeds_before(self._work_dir, run)
        except UserError:
            if self._work_dir == self._path:
                raise
            before = []  # an earlier --overwrite of another run, which never ended
        if self._work_dir != self._path:
            logging.info(
                "%s keeps its result until the new one is complete in %s",
                *(self._path, self._work_dir),
            )
        # At once, so that after a kill the folder is known to be this run's.
        results.write(self._work_dir, dataclasses.replace(run, seeds=before))
        return before

    def _in_progress(self, *names: str) -> str:
        return os.path.join(self._path, own_files.PROGRESS, *names)

    def _check_own(self) -> None:
        path, own = self._path, {claim.CLAIM_FILE}
        # Without the results of a fine-tuning, nothing here is a fine-tuning's.
        for folder in (path, self._in_progress()):
            results_file = os.path.join(folder, results.RESULTS_FILE)
            if files.exists(results_file) and results.read(results_file):
                own = _OWN
        own_files.refuse_foreign(
            path, "run_finetuning", lambda name: own_files.final_name(name) in own
        )

    def _replace(self) -> None:
        """Moves the new files to their places; once more, if it was interrupted."""
        new = [name for name in _RESULT if files.exists(self._in_progress(name))]
        if results.RESULTS_FILE in new:
            files.remove_all([os.path.join(self._path, results.RESULTS_FILE)])
        for name in new:
            files.rename(self._in_progress(name), os.path.join(self._path, name))
        files.remove_all([self._in_progress(_COMPLETE)])
        files.remove_empty_folders(self._in_progress())
