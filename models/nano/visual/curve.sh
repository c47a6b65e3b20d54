#!/bin/bash
# Score against compute: score.csv to score.svg.  A point is a set of weights that was judged; empty
# fields were not.
#
#   models/nano/visual/curve.sh
set -euo pipefail
cd "$(dirname "$0")"
awk -F, '
function x(minutes) { return 60 + 560 * minutes / last }
function y(score) { return 260 - 2.2 * score }
NR == 1 { for (i = 2; i <= NF; ++i) name[i] = $i; columns = NF; next }
{ at[NR - 1] = $1; for (i = 2; i <= columns; ++i) score[NR - 1, i] = $i; points = NR - 1; if ($1 > last) last = $1 }
END {
    split("#1f6feb,#d1242f,#8250df,#1a7f37,#bf8700,#0a7ea4", colour, ",")
    print "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 740 310\" font-family=\"sans-serif\" font-size=\"12\">"
    print "<rect width=\"740\" height=\"310\" fill=\"white\"/>"
    for (share = 0; share <= 100; share += 25)
        printf "<line x1=\"60\" x2=\"620\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/><text x=\"52\" y=\"%.1f\" text-anchor=\"end\">%d %%</text>\n", y(share), y(share), y(share) + 4, share
    for (minutes = 0; minutes <= last; minutes += 60)
        printf "<text x=\"%.1f\" y=\"278\" text-anchor=\"middle\">%d</text>\n", x(minutes), minutes
    print "<text x=\"340\" y=\"300\" text-anchor=\"middle\">minutes of one core</text>"
    for (i = 2; i <= columns; ++i) {
        line = ""; end = 0
        for (p = 1; p <= points; ++p) {
            if (score[p, i] == "") continue
            line = line sprintf("%.1f,%.1f ", x(at[p]), y(score[p, i])); end = score[p, i]
            printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", x(at[p]), y(score[p, i]), colour[i - 1]
        }
        printf "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\"/>\n", line, colour[i - 1]
        printf "<text x=\"628\" y=\"%.1f\" fill=\"%s\">%s</text>\n", y(end) + 4, colour[i - 1], name[i]
    }
    print "</svg>"
}' score.csv >score.svg
