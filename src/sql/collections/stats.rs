//! What a collection consists of.

use crate::pg::relation::OpenRelation;
use crate::pg::spi::{self, Mode};
use crate::pg::srf::{self, Rows};
use crate::pg::{compat, restricted};
use crate::sql::collections::home::Home;
use crate::sql::collections::manage::text;
use crate::sql::collections::{catalog, source};
use pgrx::pg_sys::{self, AclResult, Datum};

crate::sql_function! {
    /// `zvec_stats(collection)`: pairs of key and value. For who may read the table. Errors: 42704, 42501.
    zvec_stats(call) {
        // SAFETY: the function manager's own call
        let mut result = unsafe { Rows::of(call.fcinfo()) };
        let home = Home::of(call);
        let name = text(call, 0, "name");
        let collection = catalog::get(home, &name);
        let opened = OpenRelation::open(collection.source, pg_sys::AccessShareLock as _);
        // SAFETY: catalog look-ups
        unsafe {
            let may = pg_sys::pg_class_aclcheck(collection.source, pg_sys::GetUserId(), compat::ACL_SELECT);
            if may != AclResult::ACLCHECK_OK && !collection.is_own() {
                let kind = pg_sys::get_relkind_objtype(pg_sys::get_rel_relkind(collection.source));
                pg_sys::aclcheck_error(may, kind, pg_sys::get_rel_name(collection.source));
            }
        }
        // SAFETY: open
        let attached = unsafe { source::columns(opened.raw(), home.trigger(), &name) };
        let (schema, table) = (home.schema(), source::qualified(collection.table));
        let statement = format!(
            "WITH s AS MATERIALIZED (SELECT * FROM {schema}.zvec_segments($1)), \
                i AS MATERIALIZED (SELECT * FROM {schema}.zvec_index_stats($1)) \
             SELECT (SELECT pg_catalog.count(*) FROM {table})::pg_catalog.text, \
                (SELECT coalesce(pg_catalog.sum(s.dead), 0) FROM s)::pg_catalog.text, \
                (SELECT coalesce(pg_catalog.sum(i.pending), 0) FROM i)::pg_catalog.text, \
                (SELECT pg_catalog.count(*) FROM s)::pg_catalog.text, \
                pg_catalog.pg_total_relation_size($1)::pg_catalog.text, \
                pg_catalog.format_type(a.atttypid, a.atttypmod) \
             FROM pg_catalog.pg_attribute AS a \
             WHERE a.attrelid OPERATOR(pg_catalog.=) $1 AND a.attname OPERATOR(pg_catalog.=) 'vector'"
        );
        let owner = source::owner(collection.table);
        // SAFETY: who owns the collection may read it
        let numbers: Vec<Option<String>> = unsafe {
            restricted::as_user(owner, &[], || spi::connected(|spi| {
                let rows = spi.execute(&statement, &[(pg_sys::REGCLASSOID, Some(Datum::from(collection.table)))], Mode::Read);
                (0..6).map(|column| if rows.is_empty() { None } else { rows.text(0, column) }).collect()
            }))
        };
        let dims = source::dims(collection.table);
        let column = |number| source::column_name(collection.source, number);
        let pairs = [
            ("rows", numbers[0].clone()),
            ("dead", numbers[1].clone()),
            ("pending", numbers[2].clone()),
            ("segments", numbers[3].clone()),
            ("bytes", numbers[4].clone()),
            ("index type", Some(collection.index_type.clone())),
            ("metric", Some(collection.metric.clone())),
            ("dimension", Some(dims.to_string())),
            ("follows", attached.map(|_| if collection.behind { "no" } else { "yes" }.to_owned())),
            ("attached table", attached.map(|_| source::qualified(collection.source))),
            ("key column", attached.map(|columns| column(columns.0))),
            ("vector column", attached.map(|columns| column(columns.1))),
        ];
        for (key, value) in pairs {
            result.push(&[Some(srf::text(key)), value.map(|value| srf::text(&value))]);
        }
        Ok(call.null())
    }
}
