# `make help` lists the targets. Most of them set up .venv first.

PYTHON ?= python3
# On a TPU VM, after `make setup-tpu`: export VENV=.venv-tpu
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

CORPUS ?=
WORK ?= build/work
CONFIG ?= configs/electra_small.toml
VOCAB_SIZE ?= 30000
MAX_SEQ_LENGTH ?= 128
TASK ?= nsmc
DATA ?=
# More flags for a command: make pretrain ARGS='--mode=train --hparams={"seed": 1}'
ARGS ?=
# ARGS for the shell, each flag in quotes: values may contain spaces, quotes and patterns.
# ARGS with single quotes inside are passed on as they are.
NONE :=
FLAGS = $(if $(findstring ',$(ARGS)),$(ARGS),$(if $(ARGS),'$(subst $(NONE) --,' \
  '--,$(strip $(ARGS)))'))

DEMO := build/demo
CHECK := build/check
CHECK_TPU := build/check-tpu

.PHONY: help setup demo test lint clean-corpus vocab tfrecords verify-data bench-data \
  pretrain convert check-transformers bench-train finetune scoreboard bench-finetune \
  setup-tpu check-tpu-env check-gcs

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 20

setup: $(READY) ## install all packages into .venv; then: source .venv/bin/activate

define CHECK_PYTHON
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 10) <= v \
	  <= (3, 12) else f"Python 3.10 to 3.12 is needed, not {v[0]}.{v[1]}: pass PYTHON=python3.11")'
endef

.venv/.ready: setup.cfg requirements-tpu-nodeps.txt
	$(CHECK_PYTHON)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --upgrade pip
	$(@D)/bin/python -m pip install --quiet --editable '.[test]'
	$(@D)/bin/python -m pip install --quiet --no-deps \
	  --constraint requirements-tpu-nodeps.txt cloud-tpu-client
	touch $@

setup-tpu: .venv-tpu/.ready ## install a TPU VM's packages into .venv-tpu; then: export VENV=.venv-tpu

# Neither [test] nor our own dependencies: they would install plain tensorflow.
%-tpu/.ready: requirements-tpu.txt requirements-tpu-nodeps.txt
	$(CHECK_PYTHON)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --upgrade pip
	$(@D)/bin/python -m pip install --quiet --requirement requirements-tpu.txt
	$(@D)/bin/python -m pip install --quiet --no-deps \
	  --requirement requirements-tpu-nodeps.txt --editable .
	touch $@

# TPU_SKIP_MDS_QUERY: without a TPU, libtpu would wait for its metadata server.
check-tpu-env: export TPU_SKIP_MDS_QUERY=1
check-tpu-env: ## install a TPU VM's packages from scratch and run the trainer's tests on a CPU
	rm -rf $(CHECK_TPU)
	$(MAKE) $(CHECK_TPU)/.ready
	$(CHECK_TPU)/bin/python -m pip install --quiet hypothesis pytest pytest-xdist
	$(CHECK_TPU)/bin/python -c 'import tensorflow, tensorflow_text, cloud_tpu_client, libtpu, \
	  electra_tf.run_pretraining'
	$(CHECK_TPU)/bin/python -m tools.tpu_doctor --tpu=none
	$(CHECK_TPU)/bin/python -m pytest tests/electra_tf tests/test_golden.py $(ARGS)

check-gcs: $(READY) ## run every command on a gs:// bucket of this machine, and kill them at random moments
	$(BIN)/python -m pytest -n0 tests/gcs/check_chain.py tests/gcs/check_kills.py $(ARGS)

demo: $(READY) ## run the whole pipeline on a bundled corpus, in build/demo (about 6 minutes)
	$(BIN)/python -m tools.demo.corpus --output=$(DEMO)/raw.jsonl --overwrite
	$(BIN)/python -m data_prep.clean_corpus --input=$(DEMO)/raw.jsonl \
	  --text_field=text --group_field=thread_id --output_dir=$(DEMO)/clean --overwrite
	$(BIN)/python -m data_prep.train_vocab --input_dir=$(DEMO)/clean \
	  --output_dir=$(DEMO)/vocab --vocab_size=2000 --overwrite
	$(BIN)/python -m data_prep.build_tfrecords --input_dir=$(DEMO)/clean \
	  --vocab_dir=$(DEMO)/vocab --output_dir=$(DEMO)/tfrecords --max_seq_length=32 --overwrite
	$(BIN)/python -m electra_tf.run_pretraining --config=configs/demo.toml \
	  --data_dir=$(DEMO) --model_dir=$(DEMO)/model --overwrite
	$(BIN)/python tools/convert_to_pytorch.py --model_dir=$(DEMO)/model \
	  --output_dir=$(DEMO)/hf --overwrite
	$(BIN)/python -m tools.demo.report --work_dir=$(DEMO)

test: $(READY) ## run all tests
	$(BIN)/python -m pytest

lint: $(READY) ## check rules and format with ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean-corpus: $(READY) ## clean and deduplicate raw text: CORPUS='raw/*.jsonl.gz' WORK=w ARGS='--text_field=text'
	@test -n '$(CORPUS)' || { echo "pass CORPUS='raw/*.jsonl.gz', the files to read"; exit 1; }
	$(BIN)/python -m data_prep.clean_corpus --input='$(CORPUS)' --output_dir=$(WORK)/clean $(FLAGS)

vocab: $(READY) ## train a vocabulary: WORK=w VOCAB_SIZE=30000
	$(BIN)/python -m data_prep.train_vocab --input_dir=$(WORK)/clean \
	  --output_dir=$(WORK)/vocab --vocab_size=$(VOCAB_SIZE) $(FLAGS)

tfrecords: $(READY) ## build training records: WORK=w MAX_SEQ_LENGTH=128
	$(BIN)/python -m data_prep.build_tfrecords --input_dir=$(WORK)/clean \
	  --vocab_dir=$(WORK)/vocab --output_dir=$(WORK)/tfrecords \
	  --max_seq_length=$(MAX_SEQ_LENGTH) $(FLAGS)

verify-data: $(READY) ## check every file and record against its manifest: WORK=w
	$(BIN)/python -m data_prep.verify --dir=$(WORK) $(FLAGS)

bench-data: $(READY) ## time build_tfrecords beside the tokenizer alone: ARGS='--input_dir=w/clean --vocab_dir=w/vocab'
	$(BIN)/python -m tools.bench.data $(FLAGS)

pretrain: $(READY) ## pretrain, or resume: WORK=w CONFIG=configs/electra_small.toml
	$(BIN)/python -m electra_tf.run_pretraining --config=$(CONFIG) --data_dir=$(WORK) \
	  --model_dir=$(WORK)/model $(FLAGS)

convert: $(READY) ## export folders for transformers to w/hf: WORK=w
	$(BIN)/python tools/convert_to_pytorch.py --model_dir=$(WORK)/model \
	  --output_dir=$(WORK)/hf $(FLAGS)

check-transformers: ## load w/hf, offline, in new environments with transformers 4.46.3 and 5: WORK=w
	rm -f $(CHECK)/logits.npz
	set -e; for version in 4.46.3 '5.*'; do \
	  venv=$(CHECK)/$${version%%.*}; \
	  test -d $$venv || $(PYTHON) -m venv $$venv; \
	  $$venv/bin/python -m pip install --quiet --upgrade torch==2.13.0 "transformers==$$version"; \
	  HF_HUB_OFFLINE=1 $$venv/bin/python -m tools.check_transformers \
	    --logits=$(CHECK)/logits.npz $(WORK)/hf/*; \
	done

bench-train: $(READY) ## time a training step beside PyTorch: ARGS='--config=...'
	$(BIN)/python -m tools.bench.train $(FLAGS)

finetune: $(READY) ## fine-tune w/hf on a task, or the seeds that are missing: WORK=w TASK=nsmc DATA=nsmc
	@test -n '$(DATA)' || { echo "pass DATA=..., the folder of the task's files"; exit 1; }
	$(BIN)/python -m electra_tf.run_finetuning --task=$(TASK) --data_dir=$(DATA) \
	  --init_from=$(WORK)/hf/discriminator --model_name=$(notdir $(WORK)) \
	  --output_dir=$(WORK)/finetune/$(TASK)/pretrained $(FLAGS)

scoreboard: $(READY) ## write w/scores.html, with published scores: WORK=w
	$(BIN)/python -m tools.scoreboard --runs='$(WORK)/finetune/*/*' \
	  --output=$(WORK)/scores.html --overwrite $(FLAGS)

bench-finetune: $(READY) ## time fine-tuning and prediction beside PyTorch: ARGS='--threads=1'
	$(BIN)/python -m tools.bench.finetune $(FLAGS)
