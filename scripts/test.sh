#!/bin/sh
# All there is to check, as CI does it: installs what the tests need, then format, lints, documentation, tests.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

need_cargo
need_dovecot
# The other servers are unpacked by the tests themselves (tests/it/support/unpacked.rs), which takes the lists and these.
need apt-get apt
need dpkg-deb dpkg
refresh_lists cyrus-imapd courier-imap
need xmllint libxml2-utils

echo "== format" >&2
cargo fmt --check
echo "== lints" >&2
cargo clippy --locked --all-targets -- -D warnings
echo "== documentation" >&2
RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
echo "== tests" >&2
cargo test --locked
