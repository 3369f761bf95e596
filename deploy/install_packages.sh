# Sourced by tests/run and deploy/quickstart: installs the Debian packages of deploy/packages.txt
# that are missing, with sudo when not root.

# The packages of the given groups ("build", "test").
packages_of() {
  local group
  for group in "$@"; do
    sed -n "s/^$group  *\([^ ]*\)$/\1/p" deploy/packages.txt
  done
}

# Installed, or stood in for by something else that is: nodejs of another source brings npm along.
have_package() {
  dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q ' installed$' && return 0
  [ "$1" = npm ] && command -v npm >/dev/null
}

install_packages() {
  local package missing=()
  for package in $(packages_of "$@"); do
    have_package "$package" || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] || install_named "${missing[@]}"
}

install_named() {
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "missing packages, and no root: $*" >&2; return 1; }
    as_root=(sudo)
  fi
  echo "installing $# packages: $*" >&2
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
    --no-install-recommends -o Dpkg::Use-Pty=0 "$@" >/dev/null
}
