#!/bin/bash
# Gathers the text that nano is trained on, from Debian packages of the main
# archive area, and writes it as JSON Lines of documents.
#
#   collect.sh OUT_DIR [WORK_DIR]
#
# OUT_DIR/train.jsonl, OUT_DIR/valid.jsonl   one document a line, either
#     {"text":"..."}  or
#     {"messages":[{"role":"user","content":"..."},{"role":"assistant","content":"..."}]}
# OUT_DIR/SOURCES.txt   package, version, licence, documents, bytes
#
# WORK_DIR (default: a temporary folder, removed at the end) keeps downloads, so
# a second run with the same WORK_DIR needs no network.  Nothing is installed:
# packages are fetched with apt-get download and unpacked with dpkg-deb -x.
# Root is not needed.  Needs: apt, dpkg, bash, coreutils, gzip, perl-base.
#
# Settings: HADAL_DEBIAN_MIRROR (http://deb.debian.org/debian),
#           HADAL_DEBIAN_SUITE (bookworm).
set -euo pipefail
export LC_ALL=C

if [ $# -lt 1 ]; then
    echo "usage: $0 OUT_DIR [WORK_DIR]" >&2
    exit 2
fi
for tool in apt-get apt-cache dpkg-deb dpkg-query perl zcat sort find; do
    command -v "$tool" >/dev/null || { echo "collect: missing tool: $tool" >&2; exit 1; }
done

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
if [ $# -ge 2 ]; then
    mkdir -p "$2"
    work=$(cd "$2" && pwd)
else
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
fi
mirror=${HADAL_DEBIAN_MIRROR:-http://deb.debian.org/debian}
suite=${HADAL_DEBIAN_SUITE:-bookworm}

books="wordnet-base dict-foldoc dict-jargon dict-elements dict-vera dict-devil
 fortunes fortunes-min iso-codes debian-faq"
manuals="manpages manpages-dev bash coreutils util-linux git-man findutils grep
 sed tar gawk mawk procps diffutils openssh-client curl wget rsync gzip xz-utils
 bzip2 libc-bin e2fsprogs login passwd mount bsdextrautils man-db less make
 vim-common gpg apt dpkg dpkg-dev debhelper adduser psmisc net-tools iproute2
 iputils-ping hostname file bc dc patch cpio zip unzip ed m4 tmux screen sudo cron
 at logrotate lsof strace binutils flex bison parted fdisk kmod udev systemd
 iptables tcpdump netcat-openbsd ethtool acl attr debianutils devscripts quilt rcs
 texinfo jq moreutils tree mtools dosfstools btrfs-progs lvm2 nfs-common
 bind9-dnsutils whois traceroute socat"

apt_options=(-q -o "Dir::State::lists=$work/lists" -o "Dir::Cache::archives=$work/deb"
    -o "Dir::Cache::pkgcache=$work/pkgcache.bin" -o "Dir::Cache::srcpkgcache="
    -o "Dir::Etc::sourcelist=$work/sources.list" -o "Dir::Etc::sourceparts=-"
    -o "Acquire::Languages=en" -o "APT::Sandbox::User=" -o "Acquire::GzipIndexes=true"
    -o "Dir::State::status=$work/status" -o "APT::Get::List-Cleanup=false")

say() { echo "collect: $*"; }

# 1. Package lists of the main area only, kept apart from the machine's own.
mkdir -p "$work/lists/partial" "$work/deb/partial" "$work/root" "$work/man"
: >"$work/status"
key=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$key" ] && signed="[signed-by=$key] " || signed=
if [ ! -e "$work/lists.done" ]; then
    echo "deb ${signed}$mirror $suite main" >"$work/sources.list"
    say "fetching the package lists of $suite main from $mirror"
    apt-get "${apt_options[@]}" update >"$work/apt.log" 2>&1 || {
        cat "$work/apt.log" >&2
        echo "collect: no package lists; is the network reachable?" >&2
        exit 1
    }
    touch "$work/lists.done"
fi

# 2. The packages themselves.
wanted=
for p in $books $manuals mandoc; do
    [ -d "$work/root/$p" ] || wanted="$wanted $p"
done
if [ -n "$wanted" ]; then
    # An unknown name would stop apt-get, so ask first which of them exist.
    known=$(apt-cache "${apt_options[@]}" show --no-all-versions $wanted 2>/dev/null |
        sed -n 's/^Package: //p' | sort -u)
    for p in $wanted; do
        grep -qxF -- "$p" <<<"$known" || say "not in the archive, left out: $p"
    done
    say "downloading $(wc -l <<<"$known") packages"
    (cd "$work/deb" && apt-get "${apt_options[@]}" download $known) >"$work/apt.log" 2>&1 || {
        tail -n 5 "$work/apt.log" >&2
        echo "collect: some downloads failed" >&2
        exit 1
    }
    say "unpacking"
    for deb in "$work"/deb/*.deb; do
        p=${deb##*/}
        p=${p%%_*}
        mkdir -p "$work/root/$p.part"
        # Only the text is of use; the programs stay in the archive.
        if [ "$p" = mandoc ]; then
            dpkg-deb -x "$deb" "$work/root/$p.part"
        else
            dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$work/root/$p.part" --wildcards \
                './usr/share/man/man[1-8]/*' './usr/share/doc/*' './usr/share/games/*' \
                './usr/share/dictd/*' './usr/share/wordnet/*' './usr/share/xml/*' 2>/dev/null || true
        fi
        mv "$work/root/$p.part" "$work/root/$p"
        dpkg-deb -W --showformat='${Package}\t${Version}\n' "$deb" >>"$work/versions.txt"
        rm -f "$deb"
    done
fi
mandoc="$work/root/mandoc/usr/bin/mandoc"
"$mandoc" -T ascii /dev/null >/dev/null 2>&1 || { echo "collect: mandoc does not run" >&2; exit 1; }
[ -e "$work/root/wordnet-base/usr/share/wordnet/data.noun" ] || { echo "collect: wordnet-base is missing" >&2; exit 1; }

# 3. Manual pages to plain text, one file with a line "@@@ package page" before each.
if [ ! -e "$work/man.done" ]; then
    say "rendering the manual pages"
    find "$work/root" -path '*/usr/share/man/man[1-8]/*' -type f -size +300c \
        ! -path '*/mandoc/*' ! -path '*/wordnet-base/*' | sort >"$work/man.list"
    part=0
    half=$(($(wc -l <"$work/man.list") / 2 + 1))
    rm -f "$work"/man.list.?? "$work"/man/*
    split -l "$half" "$work/man.list" "$work/man.list."
    for list in "$work"/man.list.??; do
        part=$((part + 1))
        while read -r page; do
            p=${page#"$work/root/"}
            echo "@@@ ${p%%/*} ${page##*/}"
            { timeout 10 "$mandoc" -T utf8 -O width=74,indent=4 "$page" 2>/dev/null || true; } | head -n 400
        done <"$list" >"$work/man/$part" &
    done
    wait
    touch "$work/man.done"
fi

# 4. Package descriptions.
: >"$work/descriptions"
: >"$work/packages"
apt-get "${apt_options[@]}" indextargets --format '$(CREATED_BY) $(COMPONENT) $(FILENAME)' |
    while read -r kind component file; do
        [ "$component" = main ] && [ -e "$file" ] || continue
        case $kind in
        Packages) /usr/lib/apt/apt-helper cat-file "$file" >>"$work/packages" ;;
        Translations) /usr/lib/apt/apt-helper cat-file "$file" >>"$work/descriptions" ;;
        esac
    done

# 5. Documents.
say "making documents"
perl "$here/documents.pl" "$work" "$out" "$here/smalltalk.txt"
say "done: $out/train.jsonl $out/valid.jsonl $out/SOURCES.txt"
