#!/usr/bin/env perl
# Rewrites what psql prints of a later server as PostgreSQL 15 would have printed it, where the difference is the server's own
# way of saying the same: plans above all. So there is one set of expected output. `zvec_psql_as_15` in cluster.sh puts it
# behind psql. A difference that means something is not for here.
use strict;
use warnings;

# A line of a plan, or undef for one that 15 does not print.
sub plan_line {
    my ($line) = @_;
    return undef if $line =~ /^\s*(Disabled: true|Index Searches: \d+|Window: w\d+ AS \(.*\)|"Disabled": (true|false),?)$/;
    # 17: what a subquery returns is named after it, before after the parameter
    $line =~ s/^(\s*(?:->\s+)?InitPlan (\d+))$/"$1 (returns \$" . ($2 - 1) . ')'/e;
    $line =~ s/("Subplan Name": "InitPlan (\d+))"/"$1 (returns \$" . ($2 - 1) . ')"'/e;
    $line =~ s/\(InitPlan (\d+)\)\.col1/'$' . ($1 - 1)/ge;
    # 18: rows of a loop on average
    $line =~ s/(\bactual (?:time=\S+ )?rows=\d+)\.00\b/$1/g;
    return $line;
}

# The rows of a plan, as psql aligns them.
sub aligned {
    my ($title, @rows) = @_;
    my @continued = map { s/\s*\+$// ? 1 : 0 } @rows;
    my (@kept, @more);
    for my $i (0 .. $#rows) {
        my $line = plan_line($rows[$i]);
        next unless defined $line;
        push @kept, $line;
        push @more, $continued[$i];
    }
    my $width = length $title;
    for (@kept) { $width = length($_) - 1 if length($_) - 1 > $width }
    my $left = int(($width - length $title) / 2);
    my @out = (' ' x ($left + 1) . $title . ' ' x ($width - length($title) - $left + 1), '-' x ($width + 2));
    push @out, $more[$_] ? $kept[$_] . ' ' x ($width + 1 - length $kept[$_]) . '+' : $kept[$_] for 0 .. $#kept;
    my $lines = grep { !$_ } @more;
    return (@out, $lines == 1 ? '(1 row)' : "($lines rows)");
}

my @lines = <STDIN>;
chomp @lines;
for (my $i = 0; $i <= $#lines; $i++) {
    my $line = $lines[$i];
    if ($line =~ /^ *QUERY PLAN *$/ && $i < $#lines && $lines[$i + 1] =~ /^-+$/) {
        my $end = $i + 2;
        # to the number of rows, or where psql does not print it to the empty line
        $end++ while $end <= $#lines && $lines[$end] !~ /^(\(\d+ rows?\))?$/;
        my @plan = aligned('QUERY PLAN', @lines[$i + 2 .. $end - 1]);
        pop @plan if $end > $#lines || $lines[$end] eq '';
        print "$_\n" for @plan;
        print "\n" if $end <= $#lines && $lines[$end] eq '';
        $i = $end;
        next;
    }
    # a plan in a message
    next if $line =~ /^\s+Disabled: true$/;
    # 17: maintenance has a search path of its own, and names functions with their schema
    $line =~ s/^(DETAIL:  Key \()public\./$1/;
    # 18: RESTRICT is told from NO ACTION
    $line =~ s/ violates RESTRICT setting of foreign key / violates foreign key /;
    $line =~ s/^(DETAIL:  Key .* is )referenced from table /$1still referenced from table /;
    print "$line\n";
}
