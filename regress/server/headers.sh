#!/usr/bin/env bash
# What the library says of the server by hand - functions that it declares itself, constants, records - is what the server's
# headers say. The declarations are read from the sources and written down in C, where the compiler compares the two. Nothing
# here says what they are: a new declaration is compared as it is, a new constant with a line in `constants`.
set -u
cd "$(dirname "$0")/../.." || exit 1
. regress/cluster.sh
zvec_begin headers
pg_config=$(zvec_pg_config)
version=$(zvec_version) || exit 1

# The constant's name in the sources, and what the headers say.
constants() {
    cat <<'END'
BM_LOCKED BM_LOCKED
BM_VALID BM_VALID
BM_PIN_COUNT_WAITER BM_PIN_COUNT_WAITER
BM_MAX_USAGE_COUNT BM_MAX_USAGE_COUNT
BUF_REFCOUNT_ONE BUF_REFCOUNT_ONE
BUF_USAGECOUNT_ONE BUF_USAGECOUNT_ONE
BUF_USAGECOUNT_MASK BUF_USAGECOUNT_MASK
XLOG_BTREE_REUSE_PAGE XLOG_BTREE_REUSE_PAGE
PROC_ARRAY_LOCK (offsetof_lock(ProcArrayLock))
ADDIN_SHMEM_INIT_LOCK (offsetof_lock(AddinShmemInitLock))
SLOT_CONTROL_LOCK (offsetof_lock(ReplicationSlotControlLock))
SPECULATIVE_OFFSET SpecTokenOffsetNumber
XLOG_HEAP_INSERT XLOG_HEAP_INSERT
CONTAINS_NEW_TUPLE XLH_INSERT_CONTAINS_NEW_TUPLE
ON_TOAST_RELATION XLH_INSERT_ON_TOAST_RELATION
HAS_VARWIDTH HEAP_HASVARWIDTH
COLUMNS_AT MAXALIGN(SizeofHeapTupleHeader)
LONG_ROW TOAST_TUPLE_THRESHOLD
TRANSACTION_BITS HEAP_XACT_MASK
TRANSACTION_BITS_2 HEAP2_XACT_MASK
C_LANGUAGE ClanguageId
ONDISK_TAG VARTAG_ONDISK
EXTSIZE_BITS VARLENA_EXTSIZE_BITS
MOST_ROWS MaxHeapTuplesPerPage
CHECKSUM offsetof(PageHeaderData,pd_checksum)
SERVER_HEADER_BYTES SizeOfPageHeaderData
VARHDR_BYTES VARHDRSZ
NO_SUBTRANSACTION InvalidSubTransactionId
CATALOG DependRelationId
DEPENDER_INDEX DependDependerIndexId
CLASSID Anum_pg_depend_classid
OBJID Anum_pg_depend_objid
REFCLASSID Anum_pg_depend_refclassid
REFOBJID Anum_pg_depend_refobjid
CLASS_INDEX ClassOidIndexId
ATTRIBUTES Anum_pg_publication_rel_prattrs
ROW_FILTER Anum_pg_publication_rel_prqual
NEW_CID XLOG_HEAP2_NEW_CID
NEW_CID_BYTES SizeOfHeapNewCid
END
}

# The structure's name in the sources, the headers' type, and its fields in the same order.
structures() {
    cat <<END
ReusePage xl_btree_reuse_page $(if [ "$version" = 15 ]; then echo node block latestRemovedFullXid
    else echo locator block snapshotConflictHorizon isCatalogRel; fi)
OpFamilyOpFuncGroup OpFamilyOpFuncGroup lefttype righttype operatorset functionset
END
}

# Prints C that compiles if all is well.
as_c() {
    constants >"$ZVEC_SCRATCH/constants"
    structures >"$ZVEC_SCRATCH/structures"
    grep -rlE 'extern "C-unwind" \{|const [A-Z]|repr\(C\)|pub type' src --include='*.rs' | sort |
        VERSION=$version perl - "$ZVEC_SCRATCH/constants" "$ZVEC_SCRATCH/structures"  3<&0 <<'END'
use strict;
use warnings;
my $version = $ENV{VERSION};
open my $list, '<&=', 3 or die;
my @files = <$list>;
chomp @files;

# Whether a condition of the build, as in #[cfg(...)], holds for this version.
sub holds {
    my ($condition) = @_;
    $condition =~ s/feature = "pg(\d+)"/$1 == $version ? 1 : 0/ge;
    $condition =~ s/feature = "\w+"/0/g;
    1 while $condition =~ s/\bany\(([01, ]*)\)/$1 =~ m{1} ? 1 : 0/e
        || $condition =~ s/\ball\(([01, ]*)\)/$1 =~ m{0} ? 0 : 1/e
        || $condition =~ s/\bnot\(([01])\)/1 - $1/e;
    return $condition eq '1';
}

# The sources, without what is not built for this version, and without comments.
my $source = '';
for my $file (@files) {
    open my $in, '<', $file or die "$file: $!";
    local $/;
    my $text = <$in>;
    $text =~ s{//[^\n]*}{}g;
    # an item's condition stands before it, and the item ends with its block, or with ; or ,
    $text =~ s{\#\[cfg\(((?:[^()\[\]]|\((?:[^()]|\([^()]*\))*\))*)\)\]\s*((?:[^;,\{]|\((?:[^()]|\([^()]*\))*\))*(?:;|,|(?<block>\{(?:[^{}]|(?&block))*\})))}
        {holds($1) ? $2 : ''}ge;
    $source .= $text;
}

my %alias = (i32 => 'int', u32 => 'uint32', i16 => 'int16', u16 => 'uint16', u8 => 'uint8', u64 => 'uint64',
    i64 => 'int64', f64 => 'double', c_char => 'char', c_int => 'int', c_long => 'long', c_void => 'void', '()' => 'void', '!' => 'void',
    RewriteStateData => 'struct RewriteStateData',
    FileNode => $version == 15 ? 'RelFileNode' : 'RelFileLocator', ServersFileNode => 'FileNode');
my %type;
$type{$1} = $2 while $source =~ /\bpub type (\w+)\s*=\s*([^;]+);/g;

# A type, in C.
sub in_c {
    my ($rust) = @_;
    $rust =~ s/^\s+|\s+$//g;
    return in_c($1) . ' *' if $rust =~ /^\*mut (.*)$/s;
    return 'void (*)(void)' if $rust =~ /^unsafe extern "C-unwind" fn\(\)$/;
    return 'const ' . in_c($1) . ' *' if $rust =~ /^\*const (.*)$/s;
    $rust =~ s/::Type$//;
    $rust =~ s/^.*:://;
    return $alias{$rust} if exists $alias{$rust};
    return in_c($type{$rust}) if exists $type{$rust};
    return $rust;
}

print "#include \"postgres.h\"\n";
print "#include \"$_\"\n" for qw(access/amvalidate.h access/genam.h access/heapam.h access/heapam_xlog.h access/heaptoast.h
    access/htup_details.h access/nbtxlog.h access/rewriteheap.h access/xact.h access/xlog.h access/xloginsert.h
    catalog/index.h catalog/partition.h catalog/pg_attribute.h catalog/pg_class.h catalog/pg_constraint.h catalog/pg_depend.h
    catalog/pg_inherits.h catalog/pg_language.h catalog/pg_opfamily.h catalog/pg_publication_rel.h common/hashfn.h
    executor/executor.h executor/spi.h miscadmin.h parser/parser.h postmaster/interrupt.h storage/buf_internals.h storage/bufmgr.h storage/bufpage.h
    storage/checksum.h storage/lwlock.h storage/predicate.h storage/proc.h tcop/tcopprot.h utils/datum.h
    utils/fmgrprotos.h utils/portal.h utils/snapmgr.h utils/timeout.h);
# the place of a lock in the array of the server's own
print "#define offsetof_lock(lock) ((size_t) (lock) / sizeof(LWLockPadded))\n#define MainLWLockArray ((LWLockPadded *) 0)\n";

my $functions = 0;
while ($source =~ /extern "C-unwind" (?<block>\{(?:[^{}]|(?&block))*\})/g) {
    my $block = $+{block};
    while ($block =~ /fn (\w+)\s*\(((?:[^()]|\([^()]*\))*)\)\s*(?:->\s*([^;]+))?;/g) {
        my ($name, $arguments, $returned) = ($1, $2, $3 // '()');
        my @arguments = map { in_c((split /:(?!:)\s*/, $_, 2)[1]) } grep { /\S/ } split /,(?![^<]*>)/, $arguments;
        printf "static %s (*const declared_%s)(%s) = %s;\n", in_c($returned), $name, join(', ', @arguments) || 'void', $name;
        $functions++;
    }
}
# and those that are looked for when they are needed, by name and type
while ($source =~ /\bfunction::<(\w+)>\(c"(\w+)"\)/g) {
    my ($type, $name) = ($1, $2);
    $source =~ /\btype $type\s*=\s*unsafe extern "C-unwind" fn\(([^()]*)\);/ or die "no type $type\n";
    my @arguments = map { in_c($_) } grep { /\S/ } split /,/, $1;
    printf "static void (*const declared_%s)(%s) = %s;\n", $name, join(', ', @arguments), $name;
    $functions++;
}
die "found $functions functions\n" if $functions < 40;

open my $in, '<', $ARGV[0] or die;
while (<$in>) {
    my ($name, $expected) = /^(\w+) (.*)$/ or die;
    my @values = $source =~ /\bconst $name: [\w:]+ = ([^;]+);/g;
    die "no constant $name\n" unless @values;
    for my $value (@values) {
        # of a type, or built from the server's own
        $value =~ s/\bpg_sys::|\bcrate::(?:\w+::)*| as \w+//g;
        $value =~ s/\b(\d[\d_]*|0x[\da-fA-F_]+)(?:u8|u16|u32|u64|usize)?\b/my $n = $1; $n =~ tr{_}{}d; $n/ge;
        next if $value eq $name || $value =~ /^[A-Z_]+$/ && $value ne $expected;
        print "_Static_assert(($value) == ($expected), \"$name\");\n";
    }
}

open $in, '<', $ARGV[1] or die;
while (<$in>) {
    my ($name, $theirs, @fields) = split;
    $source =~ /\bstruct $name (?<block>\{(?:[^{}]|(?&block))*\})/ or die "no structure $name\n";
    my $block = $+{block};
    my @own = $block =~ /(\w+): ([\w:]+)/g;
    print "struct own_$name {";
    my @names;
    while (my ($field, $type) = splice @own, 0, 2) {
        print ' ', in_c($type), " $field;";
        push @names, $field;
    }
    print " };\n";
    die "$name has " . @names . " fields\n" if @names != @fields;
    for my $i (0 .. $#fields) {
        print "_Static_assert(offsetof(struct own_$name, $names[$i]) == offsetof($theirs, $fields[$i]), \"$name.$names[$i]\");\n";
        print "_Static_assert(sizeof(((struct own_$name *) 0)->$names[$i]) == sizeof((($theirs *) 0)->$fields[$i]), \"$name.$names[$i]\");\n";
    }
}
print $version == 15
    ? "_Static_assert(SizeOfBtreeReusePage == sizeof(struct own_ReusePage), \"ReusePage::BYTES\");\n"
    : "_Static_assert(SizeOfBtreeReusePage == offsetof(struct own_ReusePage, is_catalog) + 1, \"ReusePage::BYTES\");\n";
END
}

# compiles FILE: prints what the compiler has to say.
compiles() {
    cc -fsyntax-only -Wall -Wno-unused -Wno-unused-const-variable -Wno-unused-variable -D_GNU_SOURCE \
        -Werror=incompatible-pointer-types -Werror=discarded-qualifiers -Werror=implicit-function-declaration \
        -I"$("$pg_config" --includedir-server)" "$1" 2>&1
}

as_c >"$ZVEC_SCRATCH/declared.c" && compiles "$ZVEC_SCRATCH/declared.c"
zvec_result $? "headers: functions, constants and records are as declared"

# The comparison finds what it is for.
status=0
seeded() {
    sed "$1" "$ZVEC_SCRATCH/declared.c" >"$ZVEC_SCRATCH/wrong.c"
    ! cmp -s "$ZVEC_SCRATCH/declared.c" "$ZVEC_SCRATCH/wrong.c" || { echo "nothing to seed: $1"; status=1; }
    ! compiles "$ZVEC_SCRATCH/wrong.c" >/dev/null || { echo "not found: $1"; status=1; }
}
seeded '/declared_heap_update/s/)(Relation, /)(/'
seeded '/declared_LockBuffer/s/int)/uint32)/'
seeded '/declared_BufTableLookup/s/ = BufTableLookup/ = BufTableLookUp/'
seeded 's/"BM_VALID"/"",/; s/_Static_assert((1 << 24) == (BM_VALID)/_Static_assert((1 << 23) == (BM_VALID)/'
seeded '/declared_systable_inplace_update_begin/s/bool, //'
seeded '/struct own_ReusePage {/s/block;/block; uint64 more;/'
zvec_result $status "headers: a wrong declaration is found"
