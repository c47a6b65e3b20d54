#!/bin/bash
# Gathers program text for nano's draft head, from Debian packages under permissive licences, and
# writes it as JSON Lines of documents.  Nano itself has never seen a program.
#
#   collect_code.sh OUT_DIR WORK_DIR
#
# OUT_DIR/code_train.jsonl, OUT_DIR/code_valid.jsonl   one document a line, {"text":"..."}
#
# WORK_DIR is the one of collect.sh, which must have run: its package lists and its place for
# downloads are used.  Nothing is installed.  A document is a piece of a file, cut between lines; of
# every 32 files one, with all its pieces, is held out.
set -euo pipefail
export LC_ALL=C

if [ $# -ne 2 ]; then
    echo "usage: $0 OUT_DIR WORK_DIR" >&2
    exit 2
fi
out=$(cd "$1" && pwd)
work=$(cd "$2" && pwd)
[ -e "$work/lists.done" ] || { echo "collect_code: $work: collect.sh has not run here" >&2; exit 1; }

# Python: PSF-2.0.  C: Zlib, Expat (MIT), BSD-2-Clause, BSD-3-Clause.  Shell: Zsh (MIT-like), but
# three functions under the GPL, which are left out below.
packages="libpython3.11-stdlib libpython3.11-minimal zlib1g-dev libexpat1-dev libxxhash-dev
 libopus-dev zsh-common"

apt_options=(-q -o "Dir::State::lists=$work/lists" -o "Dir::Cache::archives=$work/deb"
    -o "Dir::Cache::pkgcache=$work/pkgcache.bin" -o "Dir::Cache::srcpkgcache="
    -o "Dir::Etc::sourcelist=$work/sources.list" -o "Dir::Etc::sourceparts=-"
    -o "APT::Sandbox::User=" -o "Dir::State::status=$work/status")

mkdir -p "$work/code"
for p in $packages; do
    [ -d "$work/code/$p" ] && continue
    (cd "$work/deb" && apt-get "${apt_options[@]}" download "$p") >"$work/apt.log" 2>&1 || {
        tail -n 5 "$work/apt.log" >&2
        echo "collect_code: $p cannot be fetched" >&2
        exit 1
    }
    mkdir -p "$work/code/$p.part"
    dpkg-deb --fsys-tarfile "$work/deb/$p"_*.deb | tar -x -C "$work/code/$p.part"
    rm -f "$work/deb/$p"_*.deb
    mv "$work/code/$p.part" "$work/code/$p"
done

(cd "$work/code" && find . -type f -size +300c -size -200k \
    \( -name '*.py' -o -name '*.h' -o -path '*/zsh/functions/*' \) \
    ! -name _darcs ! -name _osc ! -name _zypper | sort) |
    perl -e '
my ($root, $out) = @ARGV;
open my $train, ">", "$out/code_train.jsonl" or die "code_train.jsonl: $!\n";
open my $valid, ">", "$out/code_valid.jsonl" or die "code_valid.jsonl: $!\n";
my ($number, $pieces, $bytes) = (0, 0, 0);
while (my $path = <STDIN>) {
    chomp $path;
    open my $file, "<", "$root/$path" or die "$path: $!\n";
    my @lines = <$file>;
    next if grep { /[^\t\n\x20-\x7e]/ } @lines;    # plain ASCII alone
    my $to = $number++ % 32 == 0 ? $valid : $train;
    my $piece = "";
    for my $line (@lines, undef) {
        if (!defined $line || length($piece) + length($line) > 2200) {
            if (length($piece) > 100) {
                $bytes += length $piece;
                ++$pieces;
                $piece =~ s/([\\"])/\\$1/g;
                $piece =~ s/\n/\\n/g;
                $piece =~ s/\t/\\t/g;
                print $to "{\"text\":\"$piece\"}\n";
            }
            $piece = "";
        }
        $piece .= $line if defined $line && length $line <= 400;
    }
}
print "collect_code: $number files, $pieces documents, $bytes bytes\n";
' "$work/code" "$out"
