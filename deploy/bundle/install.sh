#!/bin/sh
# Installs a node from the files beside this script, or manages the one that is installed. POSIX sh; no network.
set -eu
umask 022
here=$(cd "$(dirname "$0")" && pwd)
prefix='' node='' start=yes restore=no what=install

say() { printf '%s\n' "$*"; }
fail() { printf 'gateway install: %s\n' "$*" >&2; exit 1; }
usage() {
    say "usage: install.sh [install|upgrade|rollback|versions|uninstall] [--prefix DIR] [--node ID] [--no-start] [--restore-ledger]"
    say
    say "install, upgrade   put this version beside what is there, check it with this node's configuration, back the ledger"
    say "                   up, switch, restart, and go back by itself where the new version does not come up"
    say "rollback           switch to the version that was in use before"
    say "                   --restore-ledger: where the ledger was changed by the newer one, put back the copy that was made"
    say "                   before the upgrade; what came since is kept aside in a file"
    say "versions           what is installed, and what is in use"
    say "uninstall          remove programs and services; configuration and data stay"
    say "--prefix DIR       install below DIR, without root, user and services"
    say "--node ID          the id of a new node (the machine's name unless told)"
    say "--no-start         switch, but restart nothing"
}

while [ $# -gt 0 ]; do
    case $1 in
    install | upgrade | rollback | versions | uninstall) what=$1 ;;
    --prefix)
        [ $# -gt 1 ] || fail "--prefix needs a directory"
        # It stands in first lines of scripts (#!) and in the configuration, where these would mean something else.
        case $2 in
        '' | -* | *[[:space:][:cntrl:]]* | *[\'\"\`\\\|\&\$\;\#\:@%]*) fail "--prefix: a directory without spaces and signs is accepted, such as /srv/gateway" ;;
        esac
        mkdir -p "$2"; prefix=$(cd "$2" && pwd); shift ;;
    --node)
        [ $# -gt 1 ] || fail "--node needs an id"
        case $2 in '' | [!A-Za-z0-9]* | *[!A-Za-z0-9._-]*) fail "--node: letters, digits, . _ - are accepted, such as zhuyang-1" ;; esac
        node=$2; shift ;;
    --no-start) start=no ;;
    --restore-ledger) restore=yes ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done

opt=$prefix/opt/gateway etc=$prefix/etc/gateway var=$prefix/var/lib/gateway backups=$prefix/var/backups/gateway
units=/etc/systemd/system credentials=/etc/credstore/gateway config=$etc/gateway.yaml
system=no
[ -n "$prefix" ] || system=yes
services=no
[ $system = no ] || [ ! -d /run/systemd/system ] || services=yes

# ------------------------------------------------------------------------------------------------ what is there

in_use() { [ -L "$opt/current" ] && basename "$(readlink "$opt/current")" || true; }
before() { cat "$opt/previous" 2>/dev/null || true; }
complete() { [ -e "$opt/$1/.complete" ]; }
# With its credentials, as systemd would hand them over: a copy that it may read, for as long as the command takes.
as_gateway() {
    if [ $system = no ]; then
        "$@"
        return
    fi
    lent=$(mktemp -d /run/gateway-credentials.XXXXXX)
    for file in "$credentials"/*; do
        [ ! -f "$file" ] || install -m 0400 -o gateway -g gateway "$file" "$lent/gateway_$(basename "$file")"
    done
    chown gateway "$lent"
    code=0
    (cd / && CREDENTIALS_DIRECTORY=$lent runuser -u gateway --preserve-environment -- "$@") || code=$?
    rm -rf "$lent"
    return $code
}
runs() { [ $services = yes ] && systemctl is-active --quiet gateway.service; }
workers() { systemctl list-units --plain --no-legend --all 'gateway-video@*.service' | awk '{print $1}'; }

require_root() {
    [ $system = no ] || [ "$(id -u)" -eq 0 ] || fail "run this as root, or with --prefix DIR to install below a directory of your own"
}

require_machine() {
    version=$(cat "$here/VERSION") wanted=$(cat "$here/PYTHON")
    [ "$(uname -s)-$(uname -m)" = "Linux-$(cat "$here/MACHINE")" ] ||
        fail "this bundle is for Linux on $(cat "$here/MACHINE"), and this machine is $(uname -s) on $(uname -m)"
    python=$(command -v "${PYTHON:-python$wanted}") ||
        fail "python$wanted is not here; on Debian 12: apt-get install python3 python3-venv (both are on the first installation disc)"
    found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    [ "$found" = "$wanted" ] || fail "$python is Python $found; this bundle is for Python $wanted"
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "$python cannot make virtual environments; on Debian 12: apt-get install python3-venv (it is on the first installation disc)"
    (cd "$here" && sha256sum --quiet --check SHA256SUMS) >&2 ||
        fail "the files named above are not those that were packed; copy the bundle here once more"
}

# ------------------------------------------------------------------------------------------------ install

put_version() {
    if complete "$version"; then
        say "version $version is here already"
        return
    fi
    room=$(df -Pk "$opt" | awk 'NR == 2 {print int($4 / 1024)}')
    [ "$room" -ge 700 ] || fail "$opt: $room MiB are free, and a version takes some 600; make room (install.sh versions)"
    say "putting version $version into $opt/$version …"
    rm -rf "${opt:?}/$version"
    # No bundled index, no network, and only files with the hashes that were packed.
    "$python" -m venv "$opt/$version"
    "$opt/$version/bin/python" -m pip --quiet --disable-pip-version-check --no-cache-dir --isolated install \
        --no-index --no-deps --require-hashes --find-links "$here/wheels" --requirement "$here/wheels.txt"
    cp -R "$here/share" "$opt/$version/share"
    cp "$here/install.sh" "$opt/$version/share/install.sh"
    cp "$here/VERSION" "$opt/$version/share/VERSION"
    cp "$opt/$version/share/systemd/backup" "$opt/$version/share/backup"
    chmod 755 "$opt/$version/share/backup" "$opt/$version/share/install.sh"
    # A worker goes on with its own version's files while `current` is another: its Python is named by its whole path.
    printf '#!%s -P\nimport sys\n\nfrom gateway.video.worker import main\n\nsys.exit(main())\n' "$opt/$version/bin/python" \
        >"$opt/$version/bin/gateway-video"
    chmod 755 "$opt/$version/bin/gateway-video"
    told=$("$opt/$version/bin/gateway" --version)
    [ "$told" = "gateway $version" ] || fail "$opt/$version/bin/gateway says that it is $told"
    : >"$opt/$version/.complete"
}

put_house() {
    mkdir -p "$opt" "$etc"
    if [ $system = no ]; then
        mkdir -p "$var" "$backups"
        chmod 700 "$var" "$backups"
        return
    fi
    if ! getent passwd gateway >/dev/null; then
        useradd --system --user-group --home-dir "$var" --no-create-home --shell /usr/sbin/nologin --comment "Feed gateway" gateway
    fi
    install -d -m 0750 -o gateway -g gateway "$etc"
    install -d -m 0700 -o root -g root /etc/credstore "$credentials"
    install -d -m 0700 -o gateway -g gateway "$var" "$var/run" "$backups"
}

put_configuration() {
    [ ! -e "$config" ] || return 0
    id=$(printf '%s' "${node:-$(hostname -s 2>/dev/null || hostname)}" | tr -c 'A-Za-z0-9._\n-' '-')
    sed -e "s|@NODE@|$id|g" -e "s|@VAR@|$var|" -e "s|@ETC@|$etc|" -e "s|@CREDENTIALS@|$credentials|" \
        -e "s|@APART@|$([ $system = yes ] && echo true || echo false)|" "$opt/$version/share/bundle/gateway.yaml" >"$config"
    if [ $system = yes ]; then chown gateway:gateway "$config"; fi
    chmod 640 "$config"
    say "$config is new: say there what this node is, and what it hears"
}

put_services() {
    [ $system = yes ] || return 0
    for unit in gateway.service gateway-video@.service gateway-backup.service gateway-backup.timer gateway.slice; do
        install -m 0644 "$opt/$1/share/systemd/$unit" "$units/$unit"
    done
    install -D -m 0644 "$opt/$1/share/systemd/gateway.sysusers.conf" /etc/sysusers.d/gateway.conf
    install -D -m 0644 "$opt/$1/share/systemd/gateway.tmpfiles.conf" /etc/tmpfiles.d/gateway.conf
    install -D -m 0644 "$opt/$1/share/systemd/journald-gateway.conf" /etc/systemd/journald.conf.d/gateway.conf
    mkdir -p /usr/local/bin
    ln -sfn "$opt/current/bin/gateway" /usr/local/bin/gateway
    [ $services = no ] || systemctl daemon-reload
}

switch_to() {
    ln -sfn "$1" "$opt/.next"
    mv -T "$opt/.next" "$opt/current"  # one rename: there is no moment without a version
}

# Started, and well some seconds later: `restart` returns once the node has said that it listens.
comes_up() {
    [ $services = yes ] && [ $start = yes ] && [ "$was_running" = yes ] || return 0
    systemctl restart gateway.service || return 1
    sleep 5
    systemctl is-active --quiet gateway.service
}

install_version() {
    require_root
    require_machine
    mkdir -p "$opt"
    put_version
    put_house
    old=$(in_use)
    fresh=$([ -e "$config" ] && echo no || echo yes)
    put_configuration
    "$opt/$version/bin/gateway" check -c "$config" ||
        fail "version $version does not take $config: mend what is named above and run this again; nothing was changed, and what ran goes on"
    was_running=no
    if runs; then was_running=yes; fi
    if [ "$old" = "$version" ]; then
        say "version $version is in use already"
        return
    fi
    if [ -n "$old" ] && [ -e "$var/ledger.db" ]; then
        as_gateway "$opt/$old/bin/gateway" ledger backup "$backups/before-$version.db" -c "$config" ||
            fail "the ledger could not be copied to $backups; nothing was changed"
    fi
    put_services "$version"
    switch_to "$version"
    if ! comes_up; then
        say "version $version did not come up; going back to $old" >&2
        journal
        put_services "$old"
        switch_to "$old"
        systemctl restart gateway.service ||
            fail "$old does not come up either: if it says that a newer gateway has written the ledger, $opt/$version/share/install.sh rollback --restore-ledger"
        fail "this node runs version $old as before; what $version said stands above and in journalctl -u gateway"
    fi
    if [ -n "$old" ]; then printf '%s\n' "$old" >"$opt/previous"; fi
    forget_old
    say "version $version is in use"
    tell_next "$fresh"
}

journal() { journalctl --unit gateway.service --lines 20 --no-pager --output cat >&2 2>/dev/null || true; }

tell_next() {
    if [ "$1" = yes ] && [ $system = yes ]; then
        say "next: edit $config; gateway check -c $config"
        say "      systemctl enable --now gateway.service gateway-video@0.service gateway-backup.timer"
        say "      gateway user add NAME --role admin -c $config"
    elif [ "$1" = yes ]; then
        say "next: edit $config; $opt/current/bin/gateway run -c $config"
    elif [ "$was_running" = yes ] && [ $start = yes ]; then
        say "its video workers still run the version before, with all that they hold; when it is quiet, one after the other:"
        for unit in $(workers); do say "      systemctl restart $unit"; done
    else
        say "start it again yourself: nothing was restarted here"
    fi
}

# The two newest switches stay, and what some process still runs from.
forget_old() {
    for directory in "$opt"/*/; do
        name=$(basename "$directory")
        case $name in current | "$(in_use)" | "$(before)") continue ;; esac
        if grep -qsF "$opt/$name/" /proc/[0-9]*/cmdline; then
            say "version $name stays: something still runs from it"
            continue
        fi
        rm -rf "${opt:?}/$name"
        say "version $name was removed"
    done
    for copy in "$backups"/before-*.db; do
        [ "$copy" = "$backups/before-$(in_use).db" ] || [ "$copy" = "$backups/before-$(before).db" ] || rm -f "$copy"
    done
}

# ------------------------------------------------------------------------------------------------ rollback

schema_of_ledger() {
    as_gateway "$opt/$1/bin/python" -c 'import sqlite3, sys
print(sqlite3.connect("file:%s?mode=ro" % sys.argv[1], uri=True).execute("PRAGMA user_version").fetchone()[0])' "$var/ledger.db"
}
schema_of_program() {
    "$opt/$1/bin/python" -c 'from gateway.ledger.migrate import newest_step; print(newest_step())'
}

roll_back() {
    require_root
    from=$(in_use) to=$(before)
    [ -n "$from" ] || fail "nothing is installed in $opt"
    [ -n "$to" ] && complete "$to" || fail "there is no version before $from in $opt; install the one you want from its bundle"
    was_running=no
    if runs; then was_running=yes; fi
    changed=no
    if [ -e "$var/ledger.db" ] && [ "$(schema_of_ledger "$from")" -gt "$(schema_of_program "$to")" ]; then changed=yes; fi
    if [ $changed = yes ] && [ $restore = no ]; then
        fail "the ledger was changed by $from, and $to does not read it. Nothing was done. With --restore-ledger the copy from before the upgrade ($backups/before-$from.db) takes its place: presses since then are kept aside in a file, and at the nodes above that have confirmed them, but no longer here"
    fi
    if [ $changed = yes ]; then
        [ -e "$backups/before-$from.db" ] || fail "there is no copy of the ledger from before the upgrade ($backups/before-$from.db); nothing was done"
        "$opt/$to/bin/gateway" check -c "$config" || fail "version $to does not take $config; nothing was done"
        if [ "$was_running" = yes ]; then systemctl stop gateway.service; fi
        as_gateway "$opt/$to/bin/gateway" ledger restore "$backups/before-$from.db" -c "$config" ||
            fail "the ledger was not restored, and the node is stopped; systemctl start gateway starts version $from again"
    fi
    put_services "$to"
    switch_to "$to"
    printf '%s\n' "$from" >"$opt/previous"
    comes_up || { journal; fail "version $to did not come up: see above, and journalctl -u gateway"; }
    say "version $to is in use again"
    if [ "$was_running" = yes ]; then
        for unit in $(workers); do say "when it is quiet: systemctl restart $unit"; done
    fi
}

# ------------------------------------------------------------------------------------------------ the rest

show_versions() {
    for directory in "$opt"/*/; do
        name=$(basename "$directory")
        [ "$name" != current ] && complete "$name" || continue
        mark=''
        [ "$name" != "$(in_use)" ] || mark='   in use'
        [ "$name" != "$(before)" ] || mark='   before'
        say "$name$mark"
    done
}

uninstall() {
    require_root
    [ -d "$opt" ] || fail "nothing is installed in $opt"
    if [ $services = yes ]; then
        # shellcheck disable=SC2046 -- names of units have no spaces
        systemctl disable --now gateway-backup.timer gateway.service $(workers) 2>/dev/null || true
    fi
    if [ $system = yes ]; then
        for unit in gateway.service gateway-video@.service gateway-backup.service gateway-backup.timer gateway.slice; do
            rm -f "$units/$unit"
        done
        rm -f /etc/sysusers.d/gateway.conf /etc/tmpfiles.d/gateway.conf /etc/systemd/journald.conf.d/gateway.conf /usr/local/bin/gateway
        [ $services = no ] || systemctl daemon-reload
    fi
    rm -rf "${opt:?}"
    say "the gateway is gone; what stays: $etc (configuration), $var (ledger, pictures, users), $backups (copies)"
}

case $what in
install | upgrade) install_version ;;
rollback) roll_back ;;
versions) show_versions ;;
uninstall) uninstall ;;
esac
