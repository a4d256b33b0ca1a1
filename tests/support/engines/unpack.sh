#!/usr/bin/env bash
# Unpacks Debian's newer redis-server and valkey-server, with the libraries they need, into a folder of the user's cache. Nothing is
# installed. Prints that folder; `redis-8` and `valkey-9` in it are servers. apt checks the signature of the lists and the sum of
# each package. Two at once are fine: one waits for the other.
# ENGINES_SUITE: another suite than Debian's testing. ENGINES_FOLDER: another folder.
set -euo pipefail
suite=${ENGINES_SUITE:-testing}
cache=${ENGINES_FOLDER:-${XDG_CACHE_HOME:-$HOME/.cache}/soulcaster-backup/engines}
folder=$cache/$suite-1
[ -e "$folder/ready" ] && { echo "$folder"; exit 0; }
fail() { echo "$1" >&2; exit 1; }
for program in apt-get dpkg flock; do command -v "$program" >/dev/null || fail "$program is not installed"; done
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
[ -e "$folder/ready" ] && { echo "$folder"; exit 0; }

# The mirror that this machine is set up with, and Debian's own keys.
sources=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null || true)
mirror=$(grep -oE '^(URIs:|deb)[^#]*' <<<"$sources" | grep -oE '(https?|mirror\+file|copy|file)://?[^ ]+/debian/?( |$)' | head -1 || true)
[ -n "$mirror" ] || fail "apt is not set up with a mirror of Debian"
key=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e "$key" ] || fail "Debian's keys are not installed (debian-archive-keyring)"

work=$(mktemp -d "$cache/work-XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists/partial,cache/archives/partial,debs,engines/root}
: >"$work/status"
echo "deb [signed-by=$key] ${mirror% } $suite main" >"$work/sources.list"
apt() {
  local command=$1
  shift
  "$command" -q -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$work/lists" \
    -o Dir::State::status="$work/status" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root -o Acquire::Retries=3 "$@"
}
apt apt-get update >/dev/null

# The two, and the libraries they need, and those that these need: no more of their dependencies.
wanted=(redis-tools valkey-tools)
for ((at = 0; at < ${#wanted[@]}; at++)); do
  for next in $(apt apt-cache depends "${wanted[at]}" | grep -oE '^ +\|?(Pre)?Depends: (lib|zlib)[^ ]*' | grep -oE '[^ ]+$'); do
    [[ " ${wanted[*]} " == *" $next "* ]] || wanted+=("$next")
  done
done
(cd "$work/debs" && apt apt-get download "${wanted[@]}" >/dev/null)
for package in "$work"/debs/*.deb; do dpkg -x "$package" "$work/engines/root"; done

cd "$work/engines"
loader=$(find root -name 'ld-linux*.so.*' | head -1)
libraries=$(find root -name 'libc.so.6' | head -1 | xargs dirname)
wrap() { # NAME CHECKER SERVER: the server is the same program as the checker, which goes by the name it is called with.
  local program=root/usr/bin/$3
  [ -f "$program" ] && [ ! -L "$program" ] || program=root/usr/bin/$2
  [ -f "$program" ] || fail "the package holds no $3"
  cat >"$1" <<WRAPPER
#!/bin/sh
here=\$(dirname "\$(readlink -f "\$0")")
exec "\$here/$loader" --library-path "\$here/$libraries" --argv0 $3 "\$here/$program" "\$@"
WRAPPER
  chmod +x "$1"
  "./$1" --version >&2
}
wrap redis-8 redis-check-rdb redis-server
wrap valkey-9 valkey-check-rdb valkey-server
touch ready
rm -rf "$folder"
mv "$work/engines" "$folder"
echo "$folder"
