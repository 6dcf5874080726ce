# Run with `just RECIPE`, or without installing anything with `npx -y rust-just RECIPE`.

set shell := ["bash", "-euo", "pipefail", "-c"]

target := env("CARGO_TARGET_DIR", "target")
configuration := "cargo run --quiet --package gameserver --bin worldkeeper-server -- config"

# Lists these commands
help:
    @{{ just_executable() }} --justfile {{ justfile() }} --list --unsorted

# Brings everything up and shows a fleet that follows its players; leaves it running
demo *ARGS: _build
    {{ target }}/debug/worldkeeper-e2e demo {{ ARGS }}

# Lets the demo's worlds drain, then removes the cluster
demo-down: _e2e
    {{ target }}/debug/worldkeeper-e2e demo --down

# All checks and every scenario, on a real cluster
test: _cluster _check-beside-kubernetes chart e2e

# Formatting, lints, unit tests and generated files; needs neither root nor a cluster
check: _static
    @[ ! -x target/cluster/bin/helm ] || {{ just_executable() }} --justfile {{ justfile() }} chart

# Scenarios: all, or those named; a cluster is brought up only for those that need one
e2e *SCENARIO: _e2e
    needs=$({{ target }}/debug/worldkeeper-e2e run --needs {{ SCENARIO }}); \
        {{ just_executable() }} --justfile {{ justfile() }} "_build-$needs"
    {{ target }}/debug/worldkeeper-e2e run {{ SCENARIO }}

# Benchmarks: fleet, react, world
bench *NAME:
    cargo build --release --workspace --bins
    {{ target }}/release/worldkeeper-e2e bench {{ NAME }}

# Brings up the two-node cluster of this machine, or takes over the one that is there
cluster-up:
    cargo run --quiet --package worldkeeper-cluster -- up

# Removes the cluster of this machine
cluster-down:
    cargo run --quiet --package worldkeeper-cluster -- down

# Cluster, images and operator, and nothing else
install *ARGS: _build
    {{ target }}/debug/worldkeeper-e2e install {{ ARGS }}

# Builds the images of the operator and the world server into target/images
images: _e2e
    {{ target }}/debug/worldkeeper-e2e install --images-only

# Lints the chart and checks what it renders to; needs helm, which `just kubernetes` builds
chart:
    @echo "--- chart"
    for values in values.yaml ci/one-replica-values.yaml ci/everything-values.yaml; do \
        target/cluster/bin/helm lint --strict --quiet charts/worldkeeper --values charts/worldkeeper/$values; \
    done
    cargo test --quiet --package worldkeeper-e2e --test chart -- --include-ignored

# Formats the code
fmt:
    cargo fmt --all

# Writes the CRDs from the API types, and the server's keys from their table
generate:
    cargo run --quiet --package worldkeeper-crds --bin crdgen config/crds charts/worldkeeper/crds
    written=$(mktemp -d); trap 'rm -r "$written"' EXIT; \
        {{ configuration }} keys > "$written/CONFIGURATION.md"; \
        {{ configuration }} sample > "$written/server.toml"; \
        cp "$written/CONFIGURATION.md" "$written/server.toml" config/

# Builds the programs of the cluster, once for each user of this machine
kubernetes: _cluster
    {{ target }}/debug/worldkeeper-cluster build

_build: _cluster _build-beside-kubernetes

_build-cluster: _build

# What scenarios without a cluster need.
_build-local:
    cargo build --release --package gameserver --bins

# On a new machine Kubernetes is compiled from source, beside our own code.
[parallel]
_build-beside-kubernetes: kubernetes _rust

[parallel]
_check-beside-kubernetes: kubernetes _static

_cluster:
    cargo build --package worldkeeper-cluster

_rust: _e2e
    cargo build --release --package worldkeeper-operator --package gameserver --bins

_e2e:
    cargo build --package worldkeeper-cluster --package worldkeeper-e2e

_static:
    @echo "--- formatting"
    cargo fmt --all --check
    @echo "--- lints"
    cargo clippy --workspace --all-targets -- -D warnings
    @echo "--- generated files"
    generated=$(mktemp -d); trap 'rm -r "$generated"' EXIT; \
        cargo run --quiet --package worldkeeper-crds --bin crdgen "$generated"; \
        for committed in config/crds charts/worldkeeper/crds; do \
            diff --recursive --unified "$committed" "$generated" || { echo "$committed is not what the API types say: run 'just generate'"; exit 1; }; \
        done; \
        {{ configuration }} keys > "$generated/CONFIGURATION.md"; \
        {{ configuration }} sample > "$generated/server.toml"; \
        for written in CONFIGURATION.md server.toml; do \
            diff --unified "config/$written" "$generated/$written" || { echo "config/$written is not what the table of keys says: run 'just generate'"; exit 1; }; \
        done
    @echo "--- browser client"
    node --test gameserver/client/tests/*.test.js
    @echo "--- tests"
    cargo test --workspace
