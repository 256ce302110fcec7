# The everyday commands. `make help` lists them.

CARGO ?= cargo
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test lint engine bench fuzz gpu-kit portability vulkan

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s  %s\n", $$1, $$2 }' Makefile

demo: ## Compose a corpus, train and evaluate two rows of the papers, write a report (DEMO='--device cpu')
	$(CARGO) run --release --locked -- demo $(DEMO)

# That the engine works alone is seen from these; the others test it with what stands on it.
ENGINE_TESTS := golden_ops device

test: vulkan ## Run all tests; installs a software Vulkan driver where there is no GPU
	$(CARGO) test --locked --no-fail-fast
	$(CARGO) test --locked --no-fail-fast --no-default-features $(ENGINE_TESTS:%=--test %)

lint: ## Check formatting, lints and documentation
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --no-default-features --all-targets -- -D warnings
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --locked --no-deps

engine: vulkan ## Build and test the engine alone, without the feature train
	$(CARGO) test --locked --no-fail-fast --no-default-features

bench: ## Time operations, training steps and data (STEMWISE_DEVICE names a device beside the cpu)
	$(CARGO) bench --locked --bench ops --bench step --bench data --bench store

KIT := target/gpu-kit
KIT_TESTS := ops device

gpu-kit: ## Put all that benches/gpu.sh needs on a machine with a GPU, but without Rust, into target/gpu-kit
	rm -rf $(KIT); mkdir -p $(KIT)
	$(CARGO) build --release --locked --target-dir target
	cp target/release/stemwise benches/gpu.sh $(KIT)/
	$(CARGO) test --release --locked --target-dir target --no-run $(KIT_TESTS:%=--test %) --message-format json \
		| sed -nE 's/.*"kind":\["test"\].*"name":"([a-z]+)".*"executable":"([^"]+)".*/\2 test-\1/p' \
		| while read -r built name; do cp "$$built" "$(KIT)/$$name"; done
	strip $(KIT)/stemwise $(KIT_TESTS:%=$(KIT)/test-%)
	@du -ch --apparent-size $(KIT)/*

fuzz: ## Try the parsers on changed files (PARSER=wav COUNT=1000000, continued; AT=42 repeats one input)
	FUZZ_PARSER='$(PARSER)' FUZZ_COUNT='$(COUNT)' FUZZ_AT='$(AT)' \
		$(CARGO) test --locked --test fuzz -- --ignored --exact campaign --nocapture

portability: ## Ask Tint, spirv-val, DXC and SwiftShader about every kernel (CHECKS='tint dxc'); fetches them
	tests/portability/run.sh $(CHECKS)

# The tests run every kernel, so they need an adapter of some kind. The program itself says whether there is one.
vulkan:
	@$(CARGO) build --locked
	@found() { { $(CARGO) run --quiet --locked -- devices || true; } | grep -E ' (vulkan|metal|dx12) ' > /dev/null; }; \
	if found; then exit 0; fi; \
	echo 'No GPU and no Vulkan driver: installing a software driver for the tests'; \
	if ! command -v apt-get > /dev/null; then \
		echo 'error: this is no Debian or Ubuntu; install Mesa'"'"'s lavapipe (Vulkan software driver) by hand' >&2; exit 1; \
	fi; \
	sudo=; if [ "$$(id -u)" -ne 0 ]; then sudo=sudo; fi; \
	$$sudo apt-get update; \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y libvulkan1 mesa-vulkan-drivers; \
	if ! found; then echo 'error: the driver was installed, but no adapter is found; see: cargo run -- devices' >&2; exit 1; fi
