# shellcheck shell=sh
# For the other scripts: installs Debian packages that are missing, or says what to install.

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    echo "+ sudo $*" >&2
    sudo "$@"
  else
    echo "Please run as root: $*" >&2
    exit 1
  fi
}

# need PROGRAM PACKAGE...: nothing happens where the program (a name, or a path) is there.
need() {
  program=$1
  shift
  PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null && return
  if ! command -v apt-get >/dev/null; then
    echo "$program is missing and this is not Debian or Ubuntu: please install what they call $*." >&2
    exit 1
  fi
  refresh_lists "$@"
  # Lists that are there may name versions that are gone by now.
  install_packages "$@" || { as_root apt-get update --quiet >&2 && install_packages "$@"; }
}

install_packages() {
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --quiet --no-install-recommends "$@" >&2
}

need_dovecot() {
  PATH=$PATH:/usr/sbin command -v dovecot >/dev/null && [ -x /usr/lib/dovecot/imap ] && return
  need /usr/lib/dovecot/imap dovecot-imapd
  # Ours are started by ourselves; the package's own would serve this machine's users to the network.
  if [ -d /run/systemd/system ]; then
    as_root systemctl --quiet disable --now dovecot.service dovecot.socket || true
  fi
}

# refresh_lists PACKAGE...: fetches the package lists unless these packages can be had with the present ones.
refresh_lists() {
  apt-get --quiet --print-uris download "$@" >/dev/null 2>&1 || as_root apt-get update --quiet >&2
}

need_cargo() {
  if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then
    PATH=$HOME/.cargo/bin:$PATH
  fi
  command -v cargo >/dev/null || {
    echo "cargo is missing: install Rust from https://rustup.rs" >&2
    exit 1
  }
  # The linker, and the C parts of the cryptography library.
  need cc gcc libc6-dev
}
