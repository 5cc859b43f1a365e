# Sourced by the other scripts: where things are, how they say what they do, how they get what they need.
#
# OTTLA_CACHE   what is fetched once and kept between runs (default ~/.cache/ottla): jars, the Python environment

set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${OTTLA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ottla}

say() { printf '== %s\n' "$*"; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# Runs a command as root: directly, or through sudo where there is one.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "needs root (or sudo) for: $*"
  fi
}

has_package() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q '^install ok installed$'; }

# need_packages PACKAGE...: installs those Debian packages that are missing. The package lists are fetched only when one is.
need_packages() {
  local package missing=()
  for package in "$@"; do has_package "$package" || missing+=("$package"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || die "please install these by hand, this machine has no apt-get: ${missing[*]}"
  say "installing ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# lacking COMMAND PACKAGE...: the packages, where the command is missing.
lacking() {
  command -v "$1" >/dev/null || printf '%s\n' "${@:2}"
}

# What building takes (some crates compile C, librdkafka with make and its C++ face too), and a Java for ZooKeeper 3.8 and Kafka 3.9.
compiler() { lacking cc gcc libc6-dev; lacking c++ g++; lacking make make; }
java_runtime() { lacking java default-jre-headless; }
# Tests run some Java programs out of their source, which takes a compiler.
java_compiler() { lacking javac default-jdk-headless; }

# The Rust toolchain is the user's to choose and never installed behind his back.
need_rust() {
  if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then PATH=$HOME/.cargo/bin:$PATH; fi
  local wanted have
  wanted=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' "$repo/Cargo.toml")
  command -v cargo >/dev/null || die "needs Rust $wanted or newer: see https://rustup.rs"
  have=$(cargo --version | cut -d' ' -f2)
  [ "$(printf '%s\n%s\n' "$wanted" "$have" | sort -V | head -n1)" = "$wanted" ] ||
    die "needs Rust $wanted or newer, this is $have: try 'rustup update stable'"
}

# free_port FIRST: the first port from FIRST on that nothing listens on.
free_port() {
  local port
  for port in $(seq "$1" $(($1 + 200))); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
  die "no free port in $1..$(($1 + 200))"
}

# await SECONDS PID WHAT COMMAND...: until COMMAND succeeds; fails when PID ends first or the time is over.
await() {
  local tries=$(($1 * 5)) pid=$2 what=$3; shift 3
  for _ in $(seq "$tries"); do
    "$@" >/dev/null 2>&1 && return
    kill -0 "$pid" 2>/dev/null || { echo "$what ended before it was ready" >&2; return 1; }
    sleep 0.2
  done
  echo "$what was not ready in time" >&2
  return 1
}
