# What scripts/run and scripts/test share. Sourced, not run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*" >&2; }

# list_packages SECTION...: the packages of these sections of scripts/packages.txt.
list_packages() {
  local wanted=" $* " section="" line
  while IFS= read -r line; do
    case "$line" in
      '# ['*']') section=${line#'# ['}; section=${section%']'} ;;
      ''|'#'*) ;;
      *) case "$wanted" in *" $section "*) printf '%s\n' "$line" ;; esac ;;
    esac
  done < "$root/scripts/packages.txt"
}

# install_packages SECTION...: installs what is missing; says nothing when nothing is.
install_packages() {
  command -v dpkg-query >/dev/null || return 0
  local missing=() package
  local installed
  installed=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' 2>/dev/null | sed -n 's/^ii *//p')
  while IFS= read -r package; do
    grep -qxF "$package" <<< "$installed" || missing+=("$package")
  done < <(list_packages "$@")
  [ ${#missing[@]} -eq 0 ] && return 0
  say "Installing ${#missing[@]} Debian packages: ${missing[*]}"
  local sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { say "error: run as root, or install: ${missing[*]}"; return 1; }
    sudo=(sudo)
  fi
  local log
  log=$(mktemp)
  if ! { "${sudo[@]}" apt-get update -qq &&
         "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
           --no-install-recommends "${missing[@]}"; } > "$log" 2>&1 < /dev/null; then
    cat "$log" >&2
    say "error: the packages could not be installed"
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

# build PRESET TARGET...: configures once, builds what changed. Shows ninja's progress on a
# terminal; elsewhere it is quiet unless it fails.
build() {
  local preset=$1 target log status=0 targets=()
  shift
  for target in "$@"; do targets+=(--target "$target"); done
  log=$(mktemp)
  if [ ! -f "$root/build/$preset/build.ninja" ]; then
    (cd "$root" && cmake --preset "$preset" "${configure_options[@]}") > "$log" 2>&1 || {
      cat "$log" >&2; rm -f "$log"; say "error: cmake could not configure"; return 1; }
  fi
  if [ -t 2 ]; then
    cmake --build "$root/build/$preset" "${targets[@]}" >&2 || status=1
  else
    cmake --build "$root/build/$preset" "${targets[@]}" > "$log" 2>&1 || { status=1; tail -n 200 "$log" >&2; }
  fi
  rm -f "$log"
  [ $status -eq 0 ] || say "error: the build failed"
  return $status
}

configure_options=()
