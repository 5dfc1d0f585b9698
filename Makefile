# Every target sets up .venv first. `make help` lists them.

PYTHON ?= python3
# On a TPU VM, after `make setup-tpu`, every target runs there by: export VENV=.venv-tpu
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
# More flags for a stage: make vocab ARGS='--limit_alphabet=3000'
ARGS ?=

DEMO := build/demo
CHECK := build/check
CHECK_TPU := build/check-tpu

.PHONY: help setup demo test lint clean-corpus vocab tfrecords verify-data bench-data \
  pretrain convert check-transformers bench-train finetune scoreboard bench-finetune \
  setup-tpu check-tpu-env

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 16

setup: $(READY) ## .venv with everything that the demo and the tests need

define CHECK_PYTHON
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 10) <= v \
	  <= (3, 12) else f"Python 3.10 to 3.12 is needed, this is {v[0]}.{v[1]}: say make PYTHON=python3.11")'
endef

.venv/.ready: setup.cfg requirements-tpu-nodeps.txt
	$(CHECK_PYTHON)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --upgrade pip
	$(@D)/bin/python -m pip install --quiet --editable '.[test]'
	$(@D)/bin/python -m pip install --quiet --no-deps \
	  --constraint requirements-tpu-nodeps.txt cloud-tpu-client
	touch $@

setup-tpu: .venv-tpu/.ready ## .venv-tpu for a TPU VM; then: export VENV=.venv-tpu

# No [test] here, nor dependencies of our own: those would bring plain tensorflow.
%-tpu/.ready: requirements-tpu.txt requirements-tpu-nodeps.txt
	$(CHECK_PYTHON)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --upgrade pip
	$(@D)/bin/python -m pip install --quiet --requirement requirements-tpu.txt
	$(@D)/bin/python -m pip install --quiet --no-deps \
	  --requirement requirements-tpu-nodeps.txt --editable .
	touch $@

# TPU_SKIP_MDS_QUERY: without a TPU, libtpu waits for one's metadata server.
check-tpu-env: export TPU_SKIP_MDS_QUERY=1
check-tpu-env: ## a TPU VM's packages from nothing, and the trainer's tests on the CPU; no TPU needed
	rm -rf $(CHECK_TPU)
	$(MAKE) $(CHECK_TPU)/.ready
	$(CHECK_TPU)/bin/python -m pip install --quiet hypothesis pytest pytest-xdist
	$(CHECK_TPU)/bin/python -c 'import tensorflow, tensorflow_text, cloud_tpu_client, libtpu, \
	  electra_tf.run_pretraining'
	$(CHECK_TPU)/bin/python -m tools.tpu_doctor --tpu=none
	$(CHECK_TPU)/bin/python -m pytest tests/electra_tf tests/test_golden.py $(ARGS)

demo: $(READY) ## the whole pipeline on a bundled corpus, under build/demo (about 6 minutes)
	$(BIN)/python -m tools.demo.corpus --output=$(DEMO)/raw.jsonl
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

test: $(READY) ## all tests
	$(BIN)/python -m pytest

lint: $(READY) ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean-corpus: $(READY) ## CORPUS='raw/*.jsonl.gz' WORK=w ARGS='--text_field=text'
	@test -n '$(CORPUS)' || { echo "say CORPUS='pattern'"; exit 1; }
	$(BIN)/python -m data_prep.clean_corpus --input='$(CORPUS)' --output_dir=$(WORK)/clean $(ARGS)

vocab: $(READY) ## WORK=w VOCAB_SIZE=30000
	$(BIN)/python -m data_prep.train_vocab --input_dir=$(WORK)/clean \
	  --output_dir=$(WORK)/vocab --vocab_size=$(VOCAB_SIZE) $(ARGS)

tfrecords: $(READY) ## WORK=w MAX_SEQ_LENGTH=128
	$(BIN)/python -m data_prep.build_tfrecords --input_dir=$(WORK)/clean \
	  --vocab_dir=$(WORK)/vocab --output_dir=$(WORK)/tfrecords \
	  --max_seq_length=$(MAX_SEQ_LENGTH) $(ARGS)

verify-data: $(READY) ## WORK=w: every file and record against its manifest
	$(BIN)/python -m data_prep.verify --dir=$(WORK) $(ARGS)

bench-data: $(READY) ## records against the tokenizer alone; ARGS='--input_dir=w/clean --vocab_dir=w/vocab'
	$(BIN)/python -m tools.bench.data $(ARGS)

pretrain: $(READY) ## WORK=w CONFIG=configs/electra_small.toml; again: goes on
	$(BIN)/python -m electra_tf.run_pretraining --config=$(CONFIG) --data_dir=$(WORK) \
	  --model_dir=$(WORK)/model $(ARGS)

convert: $(READY) ## WORK=w: discriminator and generator folders under w/hf
	$(BIN)/python tools/convert_to_pytorch.py --model_dir=$(WORK)/model \
	  --output_dir=$(WORK)/hf $(ARGS)

check-transformers: ## WORK=w: w/hf loads, offline, in clean transformers 4.46.3 and newest 5
	rm -f $(CHECK)/logits.npz
	set -e; for version in 4.46.3 '5.*'; do \
	  venv=$(CHECK)/$${version%%.*}; \
	  test -d $$venv || $(PYTHON) -m venv $$venv; \
	  $$venv/bin/python -m pip install --quiet --upgrade torch==2.13.0 "transformers==$$version"; \
	  HF_HUB_OFFLINE=1 $$venv/bin/python tools/check_transformers.py \
	    --logits=$(CHECK)/logits.npz $(WORK)/hf/*; \
	done

bench-train: $(READY) ## a step's time beside PyTorch's; ARGS='--config=...'
	$(BIN)/python -m tools.bench.train $(ARGS)

finetune: $(READY) ## WORK=w TASK=nsmc DATA=nsmc: w/hf learns a task; again: missing seeds
	@test -n '$(DATA)' || { echo "say DATA=folder of the task's files"; exit 1; }
	$(BIN)/python -m electra_tf.run_finetuning --task=$(TASK) --data_dir=$(DATA) \
	  --init_from=$(WORK)/hf/discriminator --model_name=$(notdir $(WORK)) \
	  --output_dir=$(WORK)/finetune/$(TASK)/pretrained $(ARGS)

scoreboard: $(READY) ## WORK=w: scores of w/finetune beside published ones, in w/scores.html
	$(BIN)/python -m tools.scoreboard --runs='$(WORK)/finetune/*/*' \
	  --output=$(WORK)/scores.html $(ARGS)

bench-finetune: $(READY) ## fine-tuning and prediction beside PyTorch's; ARGS='--threads=1'
	$(BIN)/python -m tools.bench.finetune $(ARGS)
