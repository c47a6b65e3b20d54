#!/usr/bin/perl
# Second half of collect.sh: turns unpacked packages into documents.
#   documents.pl WORK_DIR OUT_DIR SMALLTALK
# Uses nothing beyond perl-base and reads and writes bytes that are UTF-8.
use strict;
use warnings;

my ($work, $out, $smalltalk) = @ARGV;
my $root = "$work/root";

# ---------------------------------------------------------------- small tools

# FNV-1a with a final mix, so that nearby keys land far apart.
sub hash {
    my $h = 2166136261;
    $h = (($h ^ $_) * 16777619) & 0xffffffff for unpack 'C*', $_[0];
    $h ^= $h >> 15;
    $h = ($h * 0x2c1b) & 0xffffffff;
    $h ^= $h >> 13;
    $h = ($h * 0x297a3) & 0xffffffff;
    return $h ^ ($h >> 16);
}

# True for about the given share of keys; the same keys every time.
sub share { my ($key, $share) = @_; return hash("share:$key") % 10000 < $share * 10000; }

# n different members of a list, picked by the key.
sub pick {
    my ($key, $n, @list) = @_;
    my @got;
    my $h = hash("pick:$key");
    while ($n-- > 0 && @list) {
        push @got, splice @list, $h % @list, 1;
        $h = hash("$h");
    }
    return @got;
}

my %escape = ("\n" => '\n', "\t" => '\t', '"' => '\"', '\\' => '\\\\');
sub quote { my ($s) = @_; $s =~ s/([\n\t"\\])/$escape{$1}/g; return "\"$s\""; }

# Only valid UTF-8 without control characters, soft hyphens and odd spaces.
sub clean {
    my ($s) = @_;
    my $probe = $s;
    return '' unless utf8::decode($probe);
    $s =~ s/\r//g;
    $s =~ s/\t/    /g;
    $s =~ s/[\x00-\x09\x0b-\x1f\x7f]//g;
    $s =~ s/\xc2[\x80-\x9f]//g;
    $s =~ s/\xc2\xad//g;
    $s =~ s/\xc2\xa0/ /g;
    $s =~ s/\xe2\x80[\x90\x91]/-/g;
    $s =~ s/\xe2\x80[\x98\x99]/'/g;
    $s =~ s/\xe2\x80[\x9c\x9d]/"/g;
    $s =~ s/\xe2\x88\x92/-/g;
    $s =~ s/\xe2\x80[\x8b-\x8f]//g;
    $s =~ s/ +$//mg;
    $s =~ s/\n{3,}/\n\n/g;
    $s =~ s/\A\n+//;
    $s =~ s/\s+\z//;
    return $s;
}

# Words no document should carry.
my $foul = qr/\b(?:nigg\w*|fag(?:got)?s?|kike|spic|chink|gook|wetback|coon|darky|darkie|
    cunt\w*|fuck\w*|motherfuck\w*|shit\w*|bullshit|cock ?suck\w*|twat|whore\w*|slut\w*|
    rap(?:e|ed|ist|ing)|porn\w*|blow ?job|dildo|negro(?:es|id)?|jigaboo|tits|titties|
    jew(?:ess|ish princess)|polack\w*|pussy|penis|vagina|orgasm\w*|masturbat\w*|incest\w*)\b/xi;

my (%seen, %docs, %bytes, %plain, @lines, %held, $refused);
sub emit {
    my ($source, $key, $json, $plain, $again) = @_;
    if ($json =~ $foul) { $refused++; return; }
    return if !$again && $seen{$json}++;
    $key = lc $key;
    $key =~ s/[^a-z0-9\x80-\xff]+/ /g;
    $key =~ s/^ | $//g;
    $docs{$source}++;
    $bytes{$source} += 1 + length $json;
    $plain{$source} += $plain;
    my $order = hash($json . "#" . ($again // 0)) * 4294967296 + hash("second:$json");
    push @lines, [$order, hash("valid:$key") % 1000 < 15 ? 1 : 0, $json];
}
sub text {
    my ($source, $key, $text) = @_;
    $text = clean($text);
    emit($source, $key, '{"text":' . quote($text) . '}', length $text) if length $text > 20 && length $text <= 2200;
}
sub chat {
    my ($source, $key, $ask, $answer, $again) = @_;
    $ask = clean($ask);
    $answer = clean($answer);
    return if !length $ask || !length $answer || length $answer > 2000;
    emit($source, $key, '{"messages":[{"role":"user","content":' . quote($ask)
        . '},{"role":"assistant","content":' . quote($answer) . '}]}', length($ask) + length($answer), $again);
}

sub read_all {
    my ($path) = @_;
    my $f;
    if ($path =~ /\.(?:gz|dz)$/) { open $f, '-|', "zcat < '$path'" or die "$path: $!"; }
    else { open $f, '<', $path or return ''; }
    local $/;
    my $s = <$f>;
    close $f;
    return $s // '';
}

sub unwrap { my ($s) = @_; $s =~ s/\s*\n\s*/ /g; $s =~ s/  +/ /g; $s =~ s/^ | $//g; return $s; }

# Whole paragraphs, then whole sentences, up to a limit.
sub shorten {
    my ($s, $limit) = @_;
    return $s if length $s <= $limit;
    my $cut = substr $s, 0, $limit;
    return $1 if $cut =~ /\A(.{60,}[.!?]["')]?)(?:\s|\z)/s && $cut =~ /\A(.*[.!?]["')]?)\s/s && ($cut = $1);
    return '';
}

sub article {
    my ($w) = @_;
    return 'an' if $w =~ /^(?:hour|honest|honou?r|heir)/i;
    return 'a' if $w =~ /^(?:uni(?!n|m)|u[bst][aeiou]|uk|eu|ew|one\b|once|oui|ura|ure|uro)/i;
    return $w =~ /^[aeiou]/i ? 'an' : 'a';
}
sub with_article { return article($_[0]) . ' ' . $_[0]; }

# ------------------------------------------------------------------- WordNet

my %pos_name = (n => 'noun', v => 'verb', a => 'adjective', r => 'adverb');
my %file = (n => 'noun', v => 'verb', a => 'adj', r => 'adv');
my (%synset, %senses, %count, %shown);

sub read_wordnet {
    my $dir = "$root/wordnet-base/usr/share/wordnet";
    for my $pos (qw(n v a r)) {
        open my $f, '<', "$dir/data.$file{$pos}" or die "wordnet: $!";
        while (<$f>) {
            next if /^ /;
            chomp;
            my ($head, $gloss) = split / \| /, $_, 2;
            my @t = split ' ', $head;
            my ($off, $lex, $type, $n) = (shift @t, shift @t, shift @t, hex shift @t);
            my @words;
            for (1 .. $n) {
                my $w = shift @t;
                shift @t;
                $w =~ s/\([a-z]+\)$//;
                $w =~ tr/_/ /;
                push @words, $w;
            }
            my $pointers = shift @t;
            my (@up, @anti, $instance, @part);
            for (1 .. $pointers) {
                my ($sym, $to, $topos, $st) = splice @t, 0, 4;
                if ($sym eq '@') { push @up, $to; }
                elsif ($sym eq '@i') { $instance = $to; }
                elsif ($sym eq '!') { push @anti, [hex substr($st, 0, 2), $to, $topos, hex substr($st, 2, 2)]; }
                elsif ($sym eq '#p') { push @part, $to; }
            }
            my (@examples, $def);
            $gloss =~ s/\s+$//;
            $def = $gloss;
            if ($def =~ s/[;:,]?\s*("[^"]*".*)$//) {
                my $rest = $1;
                while ($rest =~ /"([^"]+)"/g) { push @examples, $1; }
            }
            $def =~ s/[;:,]\s*$//;
                        $def =~ s{([;,])(?=[A-Za-z])}{$1 }g;
            $def =~ s/\s+/ /g;
            $synset{"$pos$off"} = { pos => $pos, lex => $lex, words => \@words, def => $def,
                examples => \@examples, up => \@up, anti => \@anti, instance => $instance };
        }
        close $f;
        open $f, '<', "$dir/index.$file{$pos}" or die "wordnet: $!";
        while (<$f>) {
            next if /^ /;
            my @t = split ' ';
            my ($lemma, $n) = ($t[0], $t[2]);
            my @off = splice @t, -$n;
            $lemma =~ tr/_/ /;
            my $rank = 0;
            push @{ $senses{$lemma} }, [$pos, ++$rank, "$pos$_"] for @off;
        }
        close $f;
    }
    my %type = (1 => 'n', 2 => 'v', 3 => 'a', 4 => 'r', 5 => 'a');
    open my $f, '<', "$dir/cntlist.rev" or die "wordnet: $!";
    while (<$f>) {
        my ($key, $rank, $n) = split ' ';
        my ($lemma, $type) = $key =~ /^(.*)%(\d)/ or next;
        $lemma =~ tr/_/ /;
        $count{"$lemma $type{$type} $rank"} += $n;
    }
}

# Synsets left out: insults, obscenities, and Latin names.
sub unfit {
    my ($s) = @_;
    return 1 if $s->{def} =~ /ethnic slur|offensive|obscen|vulgar|slang|disparag|derogat|\bsexual|genital|copulat|prostitut/i;
    return 1 if $s->{def} =~ /^(?:type genus|genus|large genus|small genus|a genus|an? .{0,20}famil(?:y|ies) of|used of persons)/i;
    return 1 if $s->{def} =~ /\b(?:genus|taxonomic|chiefly tropical .* genus|order of|family of .*(?:fishes|plants|birds|insects))\b/ && $s->{words}[0] =~ /^[A-Z]/;
    return 1 if length $s->{def} > 260 || length $s->{def} < 4;
    return 0;
}

my %closure;
sub ancestors {    # every synset above this one
    my ($id) = @_;
    return $closure{$id} if $closure{$id};
    my %got;
    my @todo = map { "n$_" } @{ $synset{$id}{up} };
    while (@todo) {
        my $x = shift @todo;
        next if $got{$x}++;
        push @todo, map { "n$_" } @{ $synset{$x}{up} };
    }
    return $closure{$id} = \%got;
}

# Nouns of these lexicographer files are countable things as a rule.
my %countable = map { $_ => 1 } qw(05 06 17 18 20);
# noun.act attribute body cognition communication feeling food phenomenon
# process state substance: asked for without an article.

sub wordnet {
    read_wordnet();
    my $src = 'wordnet-base';
    my (%top, %total);
    for my $lemma (sort keys %senses) {
        my @s = grep { !unfit($synset{ $_->[2] }) } @{ $senses{$lemma} };
        next if !@s || $lemma =~ /[^a-z' .-]/ || length $lemma > 24;
        my $words = 1 + ($lemma =~ tr/ / /);
        next if $words > 3;
        next if $lemma =~ /^capital of | capital$/;
        my $all = 0;
        my %order = (n => 0, v => 1, a => 2, r => 3);
        for (@s) { $_->[3] = $count{"$lemma $_->[0] $_->[1]"} // 0; $all += $_->[3]; }
        @s = sort { $b->[3] <=> $a->[3] || $a->[1] <=> $b->[1] || $order{ $a->[0] } <=> $order{ $b->[0] } } @s;
        my $first = $synset{ $s[0][2] };
        my ($display) = grep { lc $_ eq $lemma } @{ $first->{words} };
        $display //= $lemma;
        my $proper = $display =~ /[A-Z]/;
        if ($proper) {
            # People are left out; places and well known names stay.
            next if $first->{instance} && $first->{lex} ne '15' && $all < 2;
            next if $first->{instance} && $first->{lex} eq '18' && $all < 5;
            next if $all == 0 && $first->{lex} =~ /^(?:05|20)$/;
        }
        # How often a word is asked for goes by how often it is used.
        my $n;
        if ($all >= 20) { $n = 4; }
        elsif ($all >= 5) { $n = 3; }
        elsif ($all >= 1) { $n = $all >= 2 ? 2 : 1; }
        elsif ($first->{instance}) { $n = $first->{def} =~ /capital|country|republic|kingdom|river|ocean|continent|mountain/ ? 1 : 0; }
        elsif ($words == 1) {
            my $odds = $first->{lex} =~ /^(?:05|20)$/ && $first->{pos} eq 'n' ? 0.2 : 0.4;
            $odds = 0.2 if $lemma =~ /(?:ness|ly|ing|ed)$/ || length $lemma > 13;
            $n = share("one:$lemma", $odds) ? 1 : 0;
        }
        elsif ($words == 2) { $n = share("two:$lemma", $proper ? 0.05 : 0.1) ? 1 : 0; }
        else { $n = 0; }
        next unless $n;
        $total{$lemma} = $all;
        $top{$lemma} = $s[0][2];
        $shown{$lemma} = $display;

        # The answer: at most two senses, the second only when it is in use.
        my @use = ($s[0]);
        if (@s > 1) {
            my ($second) = grep { $_->[3] > 0 } @s[1 .. $#s];
            ($second) = grep { $_->[0] ne $s[0][0] } @s[1 .. $#s] if !$second && $all == 0;
            push @use, $second if $second;
        }
        my @parts;
        for my $u (@use) {
            my $s = $synset{ $u->[2] };
            my $line = "$display ($pos_name{$s->{pos}}): $s->{def}.";
            my @syn = grep { lc $_ ne $lemma } @{ $s->{words} };
            @syn = @syn[0 .. 3] if @syn > 4;
            $line .= ' Synonym' . (@syn > 1 ? 's' : '') . ': ' . join(', ', @syn) . '.' if @syn;
            push @parts, $line;
        }
        my $answer = join "\n", @parts;
        my $d = $display;
        my @q = ("What does \"$d\" mean?", "What does $d mean?", "define $d", "Define $d.", "Define \"$d\".",
            "What is the meaning of $d?", "What is the meaning of \"$d\"?", "meaning of $d", "$d",
            "Can you define $d?", "definition of $d", "Explain the word \"$d\".", "what does $d mean",
            "Tell me what $d means.", "What does the word $d mean?");
        if ($first->{pos} eq 'n') {
            my @is = $proper ? ("What is $d?")
                : $countable{ $first->{lex} } && $lemma !~ /(?:[^s]s|ware|ing|ry)$/ ? ('What is ' . with_article($d) . '?', 'what is ' . with_article($d))
                : ("What is $d?", "what is $d");
            push @q, @is, @is, @is;
        }
        # The plainest question is never missing from a well used word.
        my @ask = pick("ask:$lemma", $n, @q);
        my %once;
        chat($src, $lemma, $_, $answer) for grep { !$once{$_}++ } @ask;

        # Word from meaning.
        if ($all > 0 && lc $first->{words}[0] eq $lemma && length $first->{def} > 20 && share("rev:$lemma", 0.3)) {
            my $def = $first->{def};
            $def =~ s/^\([^)]*\)\s*//;
            my ($ask) = pick("revq:$lemma", 1, "Which word means: $def?", "What is the word for \"$def\"?",
                "Which $pos_name{$first->{pos}} means \"$def\"?", "Find the word: $def");
            my @syn = grep { lc $_ ne $lemma } @{ $first->{words} };
            my ($a) = pick("reva:$lemma", 1, "The word is \"$d\".", "That is \"$d\".", "\"$d\"");
            $a .= @syn ? " One can also say \"$syn[0]\"." : '' if $a !~ /^"/;
            chat($src, $lemma, $ask, $a) if $def !~ /\b\Q$lemma\E\b/i;
        }
        # Synonyms.
        my @syn = grep { lc $_ ne $lemma } @{ $first->{words} };
        if (@syn && $all > 0 && share("syn:$lemma", 0.4)) {
            @syn = @syn[0 .. 4] if @syn > 5;
            my ($ask) = pick("synq:$lemma", 1, "What is a synonym for \"$d\"?", "Give me synonyms of $d.", "Another word for $d?",
                "synonyms of $d", "What is another word for \"$d\"?", "Name a synonym of $d.");
            my $list = @syn == 1 ? $syn[0] : join(', ', @syn[0 .. $#syn - 1]) . " and $syn[-1]";
            chat($src, $lemma, $ask, @syn == 1 ? "A synonym of \"$d\" is \"$list\"." : "Synonyms of \"$d\" are $list.");
        }
        # Opposites.
        my %opposite;
        for my $u (@use) {
            my $s = $synset{ $u->[2] };
            for my $x (@{ $s->{anti} }) {
                my ($i, $to, $p, $j) = @$x;
                next unless $i && lc $s->{words}[$i - 1] eq $lemma;
                my $o = $synset{ ($p eq 's' ? 'a' : $p) . $to }{words}[$j - 1] or next;
                next if $opposite{$o}++;
                chat($src, $lemma, $_, "The opposite of \"$d\" is \"$o\".")
                    for pick("opp:$lemma$o", $all > 2 ? 2 : 1, "What is the opposite of $d?", "What is the opposite of \"$d\"?",
                        "opposite of $d", "Give me an antonym of $d.", "What is the antonym of \"$d\"?");
            }
        }
        # Sentences.
        if ($all > 0) {
            my $stem = $lemma;
            $stem =~ s/(?:e|y)$// if length $stem > 4;
            my @ex = grep { /\b\Q$stem\E/i && length $_ > 16 && length $_ < 140 && tr{ }{} >= 3 } map { @{ $synset{ $_->[2] }{examples} } } @use;
            if (@ex && share("ex:$lemma", 0.6)) {
                my ($x) = pick("ex:$lemma", 1, @ex);
                $x = ucfirst $x;
                $x .= '.' if $x !~ /[.!?]$/;
                my ($ask) = pick("exq:$lemma", 1, "Use \"$d\" in a sentence.", "Use $d in a sentence.",
                    "Give me an example of the word \"$d\".", "Write a sentence with the word $d.", "Show me how $d is used.");
                chat($src, $lemma, $ask, $x);
            }
        }
    }
    taxonomy(\%top, \%total);
    capitals();
}

# Kinds that people ask about: how to name one, and which sense of the word.
# The group says what excludes what: two kinds of one group never overlap.
my @kinds = (
    [bird => 'animal', 'bird'], [fish => 'animal', 'fish'], [mammal => 'animal', 'mammal'], [insect => 'animal', 'insect'],
    [reptile => 'animal', 'reptile'], [amphibian => 'animal', 'amphibian', '05'], [tree => 'animal', 'tree', '20'],
    [fungus => 'animal', 'fungus', '20'],
    [vehicle => 'thing', 'vehicle'], [building => 'thing', 'building'], [furniture => 'thing', 'piece of furniture'],
    ['musical instrument' => 'thing', 'musical instrument'], [weapon => 'thing', 'weapon'],
    [garment => 'thing', 'garment'], [tool => 'thing', 'tool', '06'],
    [metal => 'stuff', 'metal', '27'], [beverage => 'stuff', 'drink', '13'], [fabric => 'stuff', 'fabric', '06'],
    [disease => 'state', 'disease', '26'], [emotion => 'state', 'emotion', '12'], [color => 'state', 'color', '07'],
    [sport => 'state', 'sport', '04'], ['body part' => 'none', 'part of the body', '08'],
    [person => 'person', 'person', '03'], [animal => 'none', 'animal', '03'], [plant => 'none', 'plant', '03'],
    [fruit => 'none', 'fruit', '13'], [vegetable => 'none', 'vegetable', '13'], [dog => 'none', 'dog', '05'],
    [snake => 'none', 'snake', '05'], [ship => 'none', 'ship', '06'], [boat => 'none', 'boat', '06'],
    [container => 'none', 'container', '06'], [machine => 'none', 'machine', '06'], [flower => 'none', 'flower', '20'],
    [relative => 'none', 'relative', '18'], [scientist => 'none', 'scientist', '18'], [musician => 'none', 'musician', '18'],
    [worker => 'none', 'worker', '18'], [dish => 'none', 'dish', '13'], [game => 'none', 'game', '04'],
    [gem => 'none', 'gem', '21'], [dance => 'none', 'dance', '04'],
);

sub taxonomy {
    my ($top, $total) = @_;
    my $src = 'wordnet-base';
    my (%kind, @list);
    for (@kinds) {
        my ($lemma, $group, $name, $lex) = @$_;
        my ($id) = map { $_->[2] } grep { $_->[0] eq 'n' && (!$lex || $synset{ $_->[2] }{lex} eq $lex) } @{ $senses{$lemma} };
        next if !$id || $kind{$id};
        $kind{$id} = [$name, $group];
        push @list, $id;
    }
    my %members;
    for my $lemma (sort keys %$top) {
        my $id = $top->{$lemma};
        next if $id !~ /^n/ || $shown{$lemma} =~ /[A-Z]/ || $lemma =~ /s$/ && $lemma !~ /(?:ss|us|is)$/;
        next if $kind{$id};
        my $s = $synset{$id};
        next if !@{ $s->{up} };
        my $known = $total->{$lemma} > 0;
        my $above = ancestors($id);
        my @mine = grep { $above->{$_} } @list;
        next if !$known && !share("tax:$lemma", @mine ? 0.45 : 0.03);
        my $d = $shown{$lemma};
        my $one = $countable{ $s->{lex} } || $s->{lex} eq "08" && grep({ $kind{$_}[0] eq "part of the body" } @mine) ? with_article($d) : $d;
        my $up = $synset{"n$s->{up}[0]"}{words}[0];
        my $direct = ucfirst($one) . " is a kind of $up.";
        # A word can mean several things; "no" must hold for all of them.
        my %any;
        for (grep { $_->[0] eq 'n' } @{ $senses{$lemma} }) { $any{ $_->[2] } = 1; $any{$_} = 1 for keys %{ ancestors($_->[2]) }; }
        my $best;
        if (@mine) {
            # Nearest kind first.
            my @near = sort { keys(%{ ancestors($b) }) <=> keys(%{ ancestors($a) }) || $a cmp $b } @mine;
            my $name = $kind{ $near[0] }[0];
            $best = $name =~ m{ of } ? "It is a $name." : "It is a kind of $name.";
            push @{ $members{$name} }, [$lemma, $one] if $total->{$lemma} > 0 || share("mem:$lemma", 0.2);
            for my $k ($known ? @near[0 .. ($#near > 1 ? 1 : $#near)] : $near[0]) {
                my $n = $kind{$k}[0];
                my ($yes) = pick("yes:$lemma$n", 1, "Yes. " . ucfirst($one) . ($n =~ m{ of } ? " is a $n." : " is a kind of $n."), "Yes, $one is " . with_article($n) . ".");
                chat($src, $lemma, "Is $one " . with_article($n) . "?", $yes);
            }
            # Kinds of the same group exclude each other; other groups do too
            # when no sense of the word reaches them.
            my %group = map { $kind{$_}[1] => 1 } @mine;
            my @not = grep { !$any{$_} && $kind{$_}[1] ne 'none' && !($kind{$_}[1] eq 'person' && $group{animal})
                && !($kind{$_}[1] eq 'animal' && $group{person}) } @list;
            my @close = grep { $group{ $kind{$_}[1] } } @not;
            @not = @close if @close && share("close:$lemma", 0.6);
            for my $k (pick("not:$lemma", 1, @not)) {
                my $n = $kind{$k}[0];
                chat($src, $lemma, "Is $one " . with_article($n) . "?", "No. " . ucfirst($one) . " is not " . with_article($n) . ". $best");
            }
        }
        if ($known && share("what kind:$lemma", @mine ? 0.7 : 0.25) || share("kind:$lemma", 0.1)) {
            my ($ask) = pick("kindq:$lemma", 1, "What kind of thing is $one?", "What sort of thing is $one?", "$d is a kind of what?");
            chat($src, $lemma, $ask, $direct);
        }
    }
    for my $name (sort keys %members) {
        my @m = @{ $members{$name} };
        next if @m < 6;
        for my $i (0 .. 11) {
            my ($x, $y, $z) = pick("list:$name$i", 3, @m);
            my $many = $name =~ /^(?:fish)$/ ? $name : $name eq 'part of the body' ? 'parts of the body' : $name eq 'piece of furniture' ? 'pieces of furniture'
                : $name =~ /y$/ ? $name =~ s/y$/ies/r : $name =~ /(?:sh|s|ch|x)$/ ? $name . 'es' : $name eq 'person' ? 'people' : $name eq 'fungus' ? 'fungi' : $name . 's';
            if ($i % 2) { chat($src, "name a $name $i", pick("lq$name$i", 1, "Name " . with_article($name) . ".", "Give me an example of " . with_article($name) . "."), ucfirst($x->[1]) . " is " . with_article($name) . "."); }
            else { chat($src, "name three $name $i", pick("lq$name$i", 1, "Name three $many.", "Name some $many.", "Tell me three $many."), "Three $many: $x->[0], $y->[0] and $z->[0]."); }
        }
    }
}

sub capitals {
    my $src = 'wordnet-base';
    for my $id (sort keys %synset) {
        my $s = $synset{$id};
        next unless $s->{instance} && $s->{lex} eq '15';
        my $city = $s->{words}[0];
        next unless $s->{def} =~ /^(?:the |a )?(?:national )?capital(?: and [a-z -]+?(?:city|port|center))?(?: of| and .* of) (?:the )?((?:[A-Z][A-Za-z']+)(?: (?:and |of )?[A-Z][A-Za-z']+)*)(?:$|[;,.]| (?:in|on|at|located|and|near|where|since)\b)/;
        my $land = $1;
        $land = "the $land" if $land =~ m{Islands|States|Republic|Kingdom|Netherlands|Philippines|Bahamas|Maldives|Gambia|Emirates|Union|Caribbean};
        chat($src, $land, $_, "The capital of $land is $city.")
            for pick("cap:$land", 3, "What is the capital of $land?", "capital of $land", "Which city is the capital of $land?", "Tell me the capital of $land.");
        chat($src, $land, "$city is the capital of which place?", "$city is the capital of $land.") if share("capof:$land", 0.5);
    }
}

# ------------------------------------------------------ dictionaries for dictd

# Returns [headword, body] in the order of the index, one for each body.
sub dictd {
    my ($package, $name) = @_;
    my $dir = "$root/$package/usr/share/dictd";
    return () unless -e "$dir/$name.index";
    my $all = read_all("$dir/$name.dict.dz");
    my $digits = join '', 'A' .. 'Z', 'a' .. 'z', 0 .. 9, '+/';
    my %digit = map { substr($digits, $_, 1) => $_ } 0 .. 63;
    my $number = sub { my $n = 0; $n = $n * 64 + $digit{$_} for split //, $_[0]; $n };
    my (@got, %done);
    open my $f, '<', "$dir/$name.index" or return ();
    while (<$f>) {
        chomp;
        my ($head, $off, $len) = split /\t/;
        next if $head =~ /^00-?database/ || $done{$off}++;
        push @got, [$head, substr $all, $number->($off), $number->($len)];
    }
    return @got;
}

sub foldoc {
    my $src = 'dict-foldoc';
    for (dictd('dict-foldoc', 'foldoc')) {
        my ($head, $body) = @$_;
        # Headwords stand at the left margin, the text is set in.
        $head = $1 if $body =~ /\A(\S[^\n]*)\n/;
        $body =~ s/\A(?:\S[^\n]*\n)+//;
        next if length $head > 40;
        my @para = split /\n\s*\n/, $body;
        @para = map { unwrap($_) } @para;
        @para = grep { !/^\[.*\]$/ && !/^\(\d{4}-\d\d-\d\d\)$/ && !/^\(\d{4}\)$/ && length } @para;
        next unless @para;
        my $def = shift @para;
        $def =~ s/^(?:<[^>]*>\s*)+//;
        $def =~ s/^\d+\.\s+(?:<[^>]*>\s*)?//;
        $def = "$def $para[0]" if length $def < 80 && @para && $para[0] !~ /^\d\./;
        $def =~ s/[{}]//g;
        $def =~ s/\s*\((?:http|ftp|news|mailto):[^)]*\)//g;
        $def =~ s/\s*\[[^\]]*\?\]//g;
        $def =~ s/  +/ /g;
        next if $def =~ /^(?:See|Or) \S+(?: \S+){0,3}\.?$/ || length $def < 45 || $def =~ /<[a-z.]+@|^\(Or|^E-mail/;
        $def = shorten($def, 420) or next;
        next unless share("foldoc:$head", 0.65);
        chat($src, $head, $_, "$head: $def") for pick("foldoc:$head", 1,
            "What is $head in computing?", "What does $head mean in computing?", "Define $head (computing).", "In computing, what is $head?", "$head (computing)");
    }
}

sub jargon {
    my $src = 'dict-jargon';
    for (dictd('dict-jargon', 'jargon')) {
        my ($head, $body) = @$_;
        next if length $head > 36;
        next unless $body =~ s/\A([^\n]*)\n([^\n]*)\n\s*\n//;
        $head = $1;
        my $kind = $2;
        my @para = map { unwrap($_) } split /\n\s*\n/, $body;
        next unless @para;
        my $def = $para[0];
        $def = "$def $para[1]" if length $def < 160 && @para > 1;
        $def =~ s/[{}]//g;
        $def =~ s/^\[[^\]]*\]\s*//;
        $def =~ s/^1\.\s+//;
        $def =~ s{\s+2\. .*}{}s;
        next if length $def < 40;
        $def = shorten($def, 700) or next;
        chat($src, $head, $_, "$head: $def") for pick("jargon:$head", 1,
            "What does \"$head\" mean in hacker slang?", "What do hackers mean by \"$head\"?", "hacker slang: $head", "Define $head in hacker jargon.");
    }
}

sub devil {
    my $src = 'dict-devil';
    for (dictd('dict-devil', 'devil')) {
        my ($head, $body) = @$_;
        $body =~ s/\A\s+//;
        $body =~ s/^    //mg unless $body =~ /\A[A-Z]/;
        my ($first) = split /\n\s*\n/, $body;
        $first = unwrap($first);
        next unless $first =~ /^([A-Z][A-Z' -]+),\s+((?:n|adj|v\.[it]|adv|pp|v|x|interj|p\.p)\.(?:\s?pl\.)?)\s+(.+)/;
        my ($w, $def) = (lc $1, $3);
        next if length $def < 15;
        $def = shorten($def, 600) or next;
        chat($src, $w, $_, $def) for pick("devil:$w", 1, "How does the Devil's Dictionary define \"$w\"?", "Give me a cynical definition of $w.",
            "What does the Devil's Dictionary say about $w?", "Define $w like Ambrose Bierce.");
        text($src, $w, $body) if length $body < 1500 && share("devil:$w", 0.4);
    }
}

sub vera {
    my $src = 'dict-vera';
    my %long;
    for (dictd('dict-vera', 'vera')) {
        my ($head, $body) = @$_;
        my ($name, @rest) = split /\n/, $body;
        $head = $name if lc $name eq lc $head;
        my $means = unwrap(join "\n", @rest);
        $means =~ s/\s*\([^()]*\)$//;
        $means =~ s/,? "[^"]*"$//;
        next if length $means < 6 || length $means > 120;
        push @{ $long{$head} }, $means;
    }
    for my $w (sort keys %long) {
        my %once;
        my @m = grep { !$once{ lc $_ }++ } @{ $long{$w} };
        next unless share("vera:$w", length $w > 4 ? 0.15 : 0.3);
        @m = @m[0 .. 2] if @m > 3;
        chat($src, $w, $_, "$w stands for " . join(', or ', @m) . ".") for pick("vera:$w", 1,
            "What does $w stand for?", "What does the acronym $w mean?", "Spell out $w.", "what does $w stand for");
    }
}

sub elements {
    my $src = 'dict-elements';
    for (dictd('dict-elements', 'elements')) {
        my ($head, $body) = @$_;
        my ($name) = $body =~ /\A\s*([A-Za-z]+)/ or next;
        my ($sym) = $body =~ /^Symbol:\s*(\w+)/m or next;
        my ($num) = $body =~ /^Atomic number:\s*(\d+)/m;
        my ($weight) = $body =~ /^Atomic weight:\s*([\d.()]+)/m;
        next unless $num && lc $name eq lc $head || $num;
        $name = lc $name;
        my $rest = $body;
        $rest =~ s/\A.*^Atomic weight:[^\n]*\n//ms;
        $rest = unwrap($rest);
        my $about = ucfirst($name) . " is the chemical element with the symbol $sym and the atomic number $num." . (length $rest > 10 ? ' ' . shorten($rest, 600) : '');
        chat($src, $name, $_, $about) for "Tell me about the element $name.", "What kind of element is $name?", "What is the chemical element $name?";
        chat($src, $name, $_, "The chemical symbol of $name is $sym.") for "What is the chemical symbol of $name?", "What is the symbol for $name?";
        chat($src, $name, $_, "The symbol $sym stands for $name.") for "Which element has the symbol $sym?", "Which chemical element is $sym?";
        chat($src, $name, $_, "The atomic number of $name is $num.") for "What is the atomic number of $name?", "atomic number of $name";
        chat($src, $name, "Which element has the atomic number $num?", "The element with the atomic number $num is $name.");
    }
}

# ------------------------------------------------------------------- fortunes

sub fortunes {
    my %skip = map { $_ => 1 } qw(ethnic men-women ascii-art translate-me drugs magic zippy disclaimer);
    for my $package (qw(fortunes fortunes-min)) {
        my $dir = "$root/$package/usr/share/games/fortunes";
        opendir my $d, $dir or next;
        for my $name (sort grep { !/\.|^off$/ && -f "$dir/$_" && !-l "$dir/$_" && !$skip{$_} } readdir $d) {
            my $all = read_all("$dir/$name");
            1 while $all =~ s/.\x08//s;
            for my $x (split /^%\n/m, $all) {
                $x = clean($x);
                next if length $x < 20 || length $x > 1400;
                next if $x =~ /sodomy|\bsex\b|lesbian|homosexual|virgin|breasts|\bbitch|\bnazi|\bHitler|\bass(?:hole)?s?\b|\bslave|\bnaked\b|\bJews?\b/i;
                next if ($x =~ tr/_|\/\\*#=<>//) > length($x) / 8;
                $x =~ s/^ {4}\s+(--|\*\s)/    $1/mg;
                my $key = "fortune " . hash($x);
                my $way = hash("way:$x") % 20;
                if ($way < 8) { text($package, $key, $x); }
                elsif ($way < 15 || length $x > 500) {
                    chat($package, $key, pick($x, 1, "Tell me a fortune.", "fortune", "Say something clever.", "Tell me a saying.", "Give me a quote.",
                        "Do you have a fortune for me?", "Say something funny.", "Give me a fortune cookie.", "Read me a fortune.",
                        $name eq 'riddles' ? "Tell me a riddle." : $name eq 'computers' || $name eq 'linux' || $name eq 'debian' ? "Tell me something about computers."
                            : $name eq 'songs-poems' ? "Recite some lines." : "Tell me a quote."), $x);
                }
                else {
                    # Cut at a line or word near the middle, and ask for the rest.
                    my $half = int(length($x) * 0.4);
                    if ($x =~ /\A(.{$half}\S*)\s+(.+)\z/s) {
                        my ($head, $tail) = ($1, $2);
                        chat($package, $key, (pick($x, 1, "Finish this saying: ", "Complete this: ", "How does this go on? ", "Continue: "))[0] . unwrap($head), unwrap($tail));
                    }
                }
            }
        }
    }
}

# --------------------------------------------------------------- manual pages

sub manuals {
    for my $part (sort glob "$work/man/*") {
        open my $f, '<', $part or next;
        my ($package, $page, @lines);
        my $flush = sub {
            manual($package, $page, @lines) if $page;
            @lines = ();
        };
        while (<$f>) {
            if (/^@@@ (\S+) (\S+)$/) { my ($p, $q) = ($1, $2); $flush->(); ($package, $page) = ($p, $q); next; }
            push @lines, $_;
        }
        $flush->();
    }
}

my %told;
sub manual {
    my ($package, $page, @lines) = @_;
    $page =~ s/\.(?:gz|bz2|xz)$//;
    my ($name, $sec) = $page =~ /^(.+)\.([1-8])[a-z]*$/ or return;
    my $all = join '', @lines;
    1 while $all =~ s/[^\x08\x80-\xff]\x08//;
    1 while $all =~ s/(?:[\xc0-\xff][\x80-\xbf]+)\x08//;
    $all = clean($all);
    my (%section, @order, $at);
    for (split /\n/, $all) {
        if (/^([A-Z][A-Z0-9 ,\/()'-]+)$/) { $at = $1; push @order, $at unless exists $section{$at}; $section{$at} //= ''; next; }
        $section{$at} .= "$_\n" if defined $at && !/^\S.*\S {4,}\S/;
    }
    my $summary = unwrap($section{NAME} // '');
    return if $summary !~ /\S - \S/ && $summary !~ s/ \xe2\x80[\x93\x94] / - /;
    $summary =~ s/ \xe2\x80[\x93\x94] / - /;
    return if length $summary > 300;
    my $title = "$name($sec)";
    my $make = sub {
        my ($limit, @names) = @_;
        my $doc = "$title\n";
        for my $n (@names) {
            my $body = clean("\n" . ($section{$n} // ''));
            next unless length $body;
            $body = "    $body" unless $body =~ /^ /;
            $doc .= "\n$n\n$body\n";
            last if length $doc > $limit;
        }
        if (length $doc > $limit) {
            $doc = substr $doc, 0, $limit;
            # End at a paragraph, else at a line.
            if ($doc =~ /\A(.{700,})\n\n/s) { $doc = $1; } else { $doc =~ s/\n[^\n]*\z//; }
        }
        return $doc;
    };
    my $key = "man $name";
    my $whole = $make->(1600, grep { $_ ne 'LIBRARY' } @order);
    text($package, $name, $whole) if length $whole > 150;
    if ($sec =~ /^[18]/ && ($section{OPTIONS} // '') && length($section{OPTIONS}) > 300) {
        text($package, $name, $make->(1500, 'OPTIONS'));
    }
    for my $extra (grep { exists $section{$_} } 'RETURN VALUE', 'ERRORS', 'NOTES', 'EXAMPLES', 'EXIT STATUS') {
        text($package, $name, $make->(1200, $extra)) if length $section{$extra} > 120 && share("$title$extra", 0.3);
    }
    return if $told{"$name $sec"}++;
    my ($names, $what) = $summary =~ /^(.*?) - (.*)$/;
    $what =~ s/\.$//;
    my @q = $sec =~ /^[18]/ ? ("What does the command $name do?", "What does $name do?", "What is $name?", "what is the $name command", "What is the command $name for?", "man $name", "Explain the command $name.")
        : $sec =~ /^[23]/ ? ("What does the function $name do?", "What does $name() do?", "What is $title?", "man $sec $name", "What is the C function $name for?")
        : ("What is $title?", "What is $name on Linux?", "man $sec $name", "What does the manual page $title describe?");
    my $a = $sec =~ /^[18]/ ? "$name is a command: $what." : $sec eq '2' ? "$name is a system call: $what." : $sec eq '3' ? "$name is a library function: $what."
        : $sec eq '4' ? "$name is a device: $what." : $sec eq '5' ? "$name is a file format: $what." : "$title: $what.";
    if (my $syn = $section{SYNOPSIS}) {
        $syn = clean($syn);
        $syn =~ s/^ {1,8}//mg;
        $syn =~ s/\n\n.*//s if $sec !~ /^[23]/;
        $syn = join "\n", (split /\n/, $syn)[0 .. 3] if ($syn =~ tr/\n//) > 3;
        $syn =~ s/(?:\nundef)+\z//;
        chat($package, $name, pick("usage:$title", 1, "How do I use $name?", "What is the usage of $name?", "Show me the synopsis of $title.", "usage of $name"), $syn)
            if length $syn > 8 && length $syn < 400 && share("usage:$title", 0.6);
    }
    chat($package, $name, $_, $a) for pick("man:$title", 2, @q);
    if (length $whole > 300 && share("show:$title", 0.25)) {
        chat($package, $name, pick("show:$title", 1, "Show me the manual page of $title.", "Show me the man page for $name.", "Open the manual of $name."), $make->(900, @order));
    }
}

# --------------------------------------------------------- package descriptions

sub descriptions {
    my %about;
    open my $f, '<', "$work/packages" or return;
    {
        local $/ = '';
        while (<$f>) {
            my ($p) = /^Package: (\S+)/m or next;
            my ($section) = /^Section: (\S+)/m;
            my ($priority) = /^Priority: (\S+)/m;
            next if ($section // '') =~ /oldlibs|debug|kernel|localization|metapackages|introspection|libdevel/;
            next if $p =~ /-(?:dev|doc|dbg|dbgsym|data|common|i18n|l10n|locales?|perl|java|dkms|cil|ocaml|examples|tests?)$/;
            next if $p =~ /^(?:lib|golang-|node-|ruby-|r-cran|r-bioc|r-other|python3?-|haskell|elpa-|php-|fonts-|gir1|linux-(?:image|headers)|task-|ocaml-|emacspeak|gcc-|g\+\+-|gfortran-|cpp-|gnat|gobjc|gdc-|gm2|binutils-|librust|puppet-module|hunspell-|aspell-|myspell|mythes|hyphen-|firefox-esr-l|thunderbird-l|libreoffice-l|kde-l10n|texlive-lang|lua-|science-|med-|education-|xfonts|uim-|ibus-table|dict-|wordlist)/;
            $about{$p} = ($priority // '') =~ /required|important|standard/ ? 2 : /role::program/ ? 1 : 0;
        }
    }
    open my $g, '<', "$work/descriptions" or return;
    local $/ = '';
    my %done;
    while (<$g>) {
        my ($p) = /^Package: (\S+)/m or next;
        next unless exists $about{$p} && !$done{$p}++;
        my ($short, $long) = /^Description-en: ([^\n]*)\n(.*)\z/ms or next;
        next if $short =~ /transitional|dummy|metapackage|meta-package|\(debug/i;
        $long =~ s/^ //mg;
        my @para = split /\n\.\n/, $long;
        @para = grep { !/^\s+|^\s*[*-] /m } @para;
        my $first = @para ? unwrap($para[0]) : '';
        $first = "$first " . unwrap($para[1]) if @para > 1 && length $first < 120;
        next if length $first < 40 || $first =~ /^This (?:is a |package (?:is|contains the|provides the) )?(?:dummy|transitional|metapackage)/;
        $first = shorten($first, 420) or next;
        $first =~ s{\s+[^.!?]*:$}{};
        next if length $first < 40;
        next unless $about{$p} == 2 || share("deb:$p", $about{$p} ? 0.75 : 0.4);
        $short =~ s/\s+$//;
        my ($ask) = pick("debq:$p", 1, "What is the Debian package $p?", "What is the Debian package $p?", "What is $p in Debian?", "What does the package $p do?",
            "Describe the package $p.", "What is in the package $p?", "apt show $p");
        chat('debian-descriptions', $p, $ask, "$p: $short. $first");
        chat('debian-descriptions', $p, "Which Debian package is this: $short?", "That is the package $p.") if share("which:$p", 0.1);
    }
}

# ------------------------------------------------------------- countries, codes

sub entries {
    my ($file, $tag) = @_;
    my $all = read_all("$root/iso-codes/usr/share/xml/iso-codes/$file.xml");
    my @got;
    while ($all =~ /<$tag\s+([^>]*?)\/>/gs) {
        my ($body, %e) = ($1);
        $e{$1} = $2 while $body =~ /(\w+)="([^"]*)"/g;
        for (values %e) { s/&amp;/&/g; s/&apos;/'/g; }
        push @got, \%e;
    }
    return @got;
}

sub codes {
    my $src = 'iso-codes';
    for my $e (entries('iso_3166-1', 'iso_3166_entry')) {
        my $n = $e->{common_name} // $e->{name};
        delete $e->{official_name} if ($e->{official_name} // "") =~ m{,};
        next if $n =~ /,/;
        chat($src, $n, $_, "The country code of $n is $e->{alpha_2_code}.") for pick("cc:$n", 2, "What is the country code of $n?", "What is the ISO code of $n?", "country code of $n", "Which two letters stand for $n?");
        chat($src, $n, $_, "$e->{alpha_2_code} is the country code of $n.") for pick("cd:$n", 1, "Which country has the code $e->{alpha_2_code}?", "Which country is $e->{alpha_2_code}?");
        chat($src, $n, "What is the official name of $n?", "The official name of $n is $e->{official_name}.") if $e->{official_name};
        chat($src, $n, $_, "$n is a country or territory" . ($e->{official_name} ? ", officially the $e->{official_name}" : '') . ". Its country code is $e->{alpha_2_code}.") for "Is $n a country?";
    }
    for my $e (entries('iso_4217', 'iso_4217_entry')) {
        my ($c, $n) = ($e->{letter_code}, $e->{currency_name});
        next unless $c && $n;
        chat($src, $n, $_, "$c is the currency code of the $n.") for "Which currency is $c?", "What does the currency code $c mean?";
        chat($src, $n, "What is the currency code of the $n?", "The currency code of the $n is $c.");
    }
    for my $e (entries('iso_639-2', 'iso_639_entry')) {
        my ($c, $n) = ($e->{iso_639_1_code}, $e->{name});
        next unless $c && $n;
        $n =~ s/;.*//;
        next if $n =~ /,/;
        chat($src, $n, "What is the language code of $n?", "The language code of $n is $c.");
        chat($src, $n, "Which language has the code $c?", "The language code $c stands for $n.");
    }
}

# -------------------------------------------------------------- Debian's papers

sub papers {
    my $faq = "$root/debian-faq/usr/share/doc/debian/FAQ/debian-faq.en.txt.gz";
    chunks('debian-faq', 'faq', read_all($faq)) if -e $faq;
}

sub chunks {
    my ($package, $name, $all) = @_;
    my ($doc, $n) = ('', 0);
    for my $para (split /\n\s*\n/, clean($all)) {
        next if $para =~ /\. \. \.|\.{6,}|^[-=_ ]+$|^\s*\[\d+\]/;
        if (length($doc) + length($para) > 1400 && length $doc) { text($package, "$name " . $n++, $doc); $doc = ''; }
        $doc .= "$para\n\n";
    }
    text($package, "$name $n", $doc);
}

# ------------------------------------------------------------------ small talk

# Blocks apart by an empty line: lines that begin with "? " are ways to ask,
# lines that begin with "! " are answers; every way meets every answer at least
# once, and the whole is repeated, since it is little text.
sub talk {
    open my $f, '<', $smalltalk or do { print "collect: no $smalltalk\n"; return; };
    local $/ = '';
    my $block = 0;
    while (<$f>) {
        my @ask = /^\? (.*)$/mg;
        my @answer = /^! (.*)$/mg;
        next unless @ask && @answer;
        $block++;
        for my $q (@ask) {
            my @forms = ($q, lc $q, $q =~ s/[.?!]$//r);
            for my $again (1 .. 4) {
                my ($a) = pick("talk:$q$again", 1, @answer);
                chat('smalltalk', "smalltalk $block $q", $forms[$again % 3], $a, $again);
            }
        }
    }
}

# -------------------------------------------------------------------- all of it

wordnet();
foldoc();
jargon();
devil();
vera();
elements();
fortunes();
manuals();
descriptions();
codes();
papers();
talk();

@lines = sort { $a->[0] <=> $b->[0] || $a->[2] cmp $b->[2] } @lines;
open my $train, '>', "$out/train.jsonl" or die "train.jsonl: $!";
open my $valid, '>', "$out/valid.jsonl" or die "valid.jsonl: $!";
my ($nt, $nv, $bt, $bv) = (0, 0, 0, 0);
for (@lines) {
    if ($_->[1]) { print $valid $_->[2], "\n"; $nv++; $bv += 1 + length $_->[2]; }
    else { print $train $_->[2], "\n"; $nt++; $bt += 1 + length $_->[2]; }
}
close $train or die;
close $valid or die;

# -------------------------------------------------------------------- accounts

my %licence = (
    'wordnet-base' => 'WordNet-3.0', 'dict-foldoc' => 'GFDL-1.1+ (no invariants)', 'dict-jargon' => 'public-domain',
    'dict-devil' => 'public-domain', 'dict-vera' => 'GFDL-1.1+ (no invariants)', 'dict-elements' => 'public-domain',
    'iso-codes' => 'LGPL-2.1+', 'fortunes' => 'BSD (sayings quoted from many)', 'fortunes-min' => 'BSD (sayings quoted from many)',
    "debian-faq" => "copying and changing allowed under the same terms",
    "tcpdump" => "BSD-3-clause", "kmod" => "GPL-2+, LGPL-2.1+ (notice in libkmod2)", "parted" => "GPL-3+ (notice in libparted2)", "zip" => "Info-ZIP", "unzip" => "Info-ZIP",
    'smalltalk' => 'as the project', 'debian-descriptions' => 'as each package, all in main',
);
my %version;
if (open my $f, '<', "$work/versions.txt") { while (<$f>) { chomp; my ($p, $v) = split /\t/; $version{$p} = $v; } }

# Short names from a machine-readable copyright file, else those it points to.
sub licence_of {
    my ($p) = @_;
    $p = "manpages" if $p eq "manpages-dev";
    return $licence{$p} if $licence{$p};
    my ($file) = grep { -e } glob("$root/$p/usr/share/doc/*/copyright{,.gz}");
    return 'see the package' unless $file;
    my $all = read_all($file);
    my %n;
    if ($all =~ /^Format:.*copyright-format/m) { $n{$1}++ while $all =~ /^License: *([^\n]*\S)/mg; }
    else { $n{$1}++ while $all =~ m{common-licenses/([A-Za-z]+-?[0-9.]*[0-9]|[A-Za-z]+)}g; }
    my @names = sort { $n{$b} <=> $n{$a} || $a cmp $b } keys %n;
    return 'free, see its copyright file' unless @names;
    my $more = @names > 4 ? ' and others' : '';
    @names = @names[0 .. 3] if @names > 4;
    return join(', ', @names) . $more;
}

open my $sources, '>', "$out/SOURCES.txt" or die "SOURCES.txt: $!";
my ($sum, $text) = (0, 0);
my $row = sub { my $l = sprintf "%-20s %-26s %7s %9s %9s  %s\n", @_; print $sources $l; print $l; };
$row->('package', 'version', "docs", "text", "bytes", "licence");
for my $p (sort { $bytes{$b} <=> $bytes{$a} } keys %bytes) {
    $row->($p, $version{$p} // '-', $docs{$p}, $plain{$p}, $bytes{$p}, licence_of($p));
    $sum += $bytes{$p};
    $text += $plain{$p};
}
$row->('total', '', scalar @lines, $text, $sum, '');
$row->('train.jsonl', '', $nt, "", $bt, "");
$row->('valid.jsonl', '', $nv, "", $bv, "");
close $sources;
print "refused by the word list: ", $refused // 0, "\n";
