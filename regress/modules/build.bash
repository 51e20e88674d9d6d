# zvec_module NAME SOURCE [OPTION...]: compiles regress/modules/SOURCE.c with the server's headers to NAME.so in the private
# installation's folder of libraries. Source this file after `zvec_begin`.
zvec_module() {
    local name=$1 source=$2
    shift 2
    cc -shared -fPIC -O1 -I"$("$(zvec_pg_config)" --includedir-server)" "$@" \
        -o "$("$ZVEC_BINDIR/pg_config" --pkglibdir)/$name.so" "$ZVEC_ROOT/regress/modules/$source.c"
}
