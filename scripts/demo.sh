#!/bin/sh
# A private Dovecot with two filled boxes and the bridge in front of it; arguments are `cpm-bridge demo`'s.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

need_cargo
need_dovecot
cargo build --release --locked --bin cpm-bridge
exec "${CARGO_TARGET_DIR:-target}/release/cpm-bridge" demo "$@"
