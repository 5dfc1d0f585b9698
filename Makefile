# Every target sets up .venv first. `make help` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

CORPUS ?=
WORK ?= build/work
CONFIG ?= configs/electra_small.toml
VOCAB_SIZE ?= 30000
MAX_SEQ_LENGTH ?= 128
# More flags for a stage: make vocab ARGS='--limit_alphabet=3000'
ARGS ?=

DEMO := build/demo
CHECK := build/check

.PHONY: help setup demo test lint clean-corpus vocab tfrecords verify-data bench-data \
  pretrain convert check-transformers bench-train

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 16

setup: $(READY) ## .venv with everything that the demo and the tests need

$(READY): setup.cfg
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 10) <= v \
	  <= (3, 12) else f"Python 3.10 to 3.12 is needed, this is {v[0]}.{v[1]}: say make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

demo: $(READY) ## the whole pipeline on a bundled corpus, under build/demo (about 5 minutes)
	$(BIN)/python -m tools.demo_corpus --output=$(DEMO)/raw.jsonl
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
	$(BIN)/python -m tools.demo_report --work_dir=$(DEMO)

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
	$(BIN)/python -m tools.bench_data $(ARGS)

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
	$(BIN)/python -m tools.bench_train $(ARGS)
