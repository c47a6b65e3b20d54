# What ./run and ./test share: packages, one build at a time, quiet unless something is wrong.
# Read by bash with `source`; expects $root, the project's folder.  Standard output belongs to
# the program that is started afterwards, so every word from here goes to standard error.

build_packages=(cmake ninja-build g++ pkg-config nlohmann-json3-dev libpcre2-dev libicu-dev
                libcli11-dev libxxhash-dev libfreetype-dev
                libboost1.81-dev libssl-dev libsqlite3-dev esbuild
                libavformat-dev libavcodec-dev libswscale-dev libavutil-dev)
torch_packages=(libtorch-dev libgloo-dev libopenblas-dev)
test_packages=(libgtest-dev curl valgrind fonts-inter fonts-jetbrains-mono)
# To build and test for another processor: headers, and GoogleTest's sources.
arm_packages=(cmake ninja-build g++-aarch64-linux-gnu qemu-user googletest nlohmann-json3-dev libxxhash-dev)
# Programs of tests that may as well come from elsewhere than Debian: COMMAND=PACKAGE.
test_programs=(node=nodejs npm=npm chromium-headless-shell=chromium-headless-shell)

say() { printf 'hadal: %s\n' "$*" >&2; }

# stop CODE LINE...: says why, and ends.
stop() {
  local code=$1 line
  shift
  for line in "$@"; do say "$line"; done
  exit "$code"
}

# show_log FILE: what a failed step printed.
show_log() { cat -- "$1" >&2; }

# packages_of PROGRAM=PACKAGE...: the packages of the programs that are not here.
packages_of() {
  local pair
  for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null || printf '%s\n' "${pair#*=}"
  done
}

# need_packages PACKAGE...: installs those that this Debian lacks.
need_packages() {
  if ! command -v dpkg-query >/dev/null; then
    say "no dpkg-query here, so these are taken to be installed: $*"
    return
  fi
  local package missing=() present
  # Lines like "installed cmake"; names that dpkg never heard of give an error and no line.
  present=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
  for package in "$@"; do
    grep -qxF "installed $package" <<<"$present" || missing+=("$package")
  done
  ((${#missing[@]})) || return 0

  local as_root=() ask=()
  if ((EUID != 0)); then
    [[ -t 0 && -t 2 ]] || ask=(-n)  # nobody is there to type a password
    if ! command -v sudo >/dev/null || ! sudo "${ask[@]}" true; then
      stop 2 "Debian packages are missing: ${missing[*]}" \
        "and neither root nor sudo is at hand; as root, type:" \
        "  apt-get update && apt-get install --no-install-recommends ${missing[*]}"
    fi
    as_root=(sudo "${ask[@]}")
  fi
  say "installing Debian packages: ${missing[*]}"
  local log="$root/build/apt.log"
  mkdir -p "$root/build"
  if ! "${as_root[@]}" apt-get update >"$log" 2>&1 </dev/null ||
     ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y \
         --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}" \
         >>"$log" 2>&1 </dev/null; then
    show_log "$log"
    stop 1 "apt-get could not install: ${missing[*]}"
  fi
}

# configured PRESET: its build files are there, belong to this folder and are newer than the presets.
configured() {
  local folder="$root/build/$1"
  [[ -f $folder/build.ninja && ! $root/CMakePresets.json -nt $folder/build.ninja ]] &&
    grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$folder/CMakeCache.txt"
}

# build PRESET [TARGET]: configures where needed, and compiles what changed.
build() {
  local preset=$1 target=${2:-all} folder="$root/build/$1"
  local log="$folder/build.log"
  mkdir -p "$folder"
  if ! configured "$preset"; then
    say "configuring build/$preset"
    (cd "$root" && cmake --fresh --preset "$preset") >"$log" 2>&1 </dev/null ||
      { show_log "$log"; stop 1 "configuring build/$preset failed"; }
  fi
  ninja -C "$folder" "$target" 2>&1 </dev/null | told "build/$preset" >"$log" ||
    { show_log "$log"; stop 1 "building build/$preset failed"; }
}

# told NAME: passes ninja's output on, and says so when there is work; to a person, how far it is.
told() {
  local line last=
  while IFS= read -r line; do
    printf '%s\n' "$line"
    [[ $line == \[+([0-9])/+([0-9])\]* && $line != *"] Re-"* ]] || continue
    if [[ -t 2 ]]; then
      printf '\rhadal: building %s %s ' "$1" "${line%%]*}]" >&2
    elif [[ ! $last ]]; then
      say "building $1"
    fi
    last=$line
  done
  [[ ! $last || ! -t 2 ]] || printf '\n' >&2
}

# one_at_a_time COMMAND...: waits for any other ./run or ./test that installs or builds here.
one_at_a_time() {
  mkdir -p "$root/build"
  exec {lock}>"$root/build/.lock"
  if ! flock -n "$lock"; then
    say "waiting for another build here"
    flock "$lock"
  fi
  "$@"
  exec {lock}>&-
}
