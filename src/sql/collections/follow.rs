//! What changes of tables and partitions mean to collections. An event trigger calls here when something was dropped, and when
//! tables were made, attached, detached, given to others, moved in or out of the log, or their triggers turned on or off.
//!
//! What is done follows from the state of the catalogs, not from the command: so the ways to a state need not be known. But a
//! command is answered for by whoever gave it: of a collection whose table it has not locked it says nothing, whatever state
//! that is in, so that nobody's commands wait for, or fail by, what others did to tables of their own.

use crate::error::{Error, SqlState};
use crate::pg::compat::{has_locked, owns, owns_schema};
use crate::pg::error::{notice, raise, warning};
use crate::pg::list::elements;
use crate::pg::relation;
use crate::pg::relation::OpenRelation;
use crate::pg::spi::{Mode, Spi};
use crate::sql::collections::catalog::{self, Collection};
use crate::sql::collections::home::Home;
use crate::sql::collections::manage::{ENABLE_HINT, as_owner, as_superuser, detach, drop_table, is_busy, set_owner};
use crate::sql::collections::source::{self, Lapse, Trigger, require_done};
use crate::sql::collections::sync::follower;
use pgrx::is_a;
use pgrx::pg_sys::{self, AlterTableType, NodeTag, Oid};
use std::collections::BTreeSet;
use std::ffi::CStr;

/// What a command may change that collections follow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    /// which partitions there are, whose tables are, or what is logged
    Tables,
    /// which triggers fire
    Triggers,
}

/// What of that a command may change, or has changed if it is of several parts; nothing twice.
unsafe fn changes(tree: *mut pg_sys::Node) -> Vec<Change> {
    let mut found = Vec::new();
    if tree.is_null() {
        return found;
    }
    // SAFETY: the command's own tree
    unsafe {
        if is_a(tree, NodeTag::T_CreateStmt) || is_a(tree, NodeTag::T_CreateForeignTableStmt) {
            if !(*tree.cast::<pg_sys::CreateStmt>()).inhRelations.is_null() {
                found.push(Change::Tables);
            }
            return found;
        }
        // with tables in it, of which nobody is told by themselves
        if is_a(tree, NodeTag::T_CreateSchemaStmt) {
            return vec![Change::Tables];
        }
        if !is_a(tree, NodeTag::T_AlterTableStmt) {
            return found;
        }
        for command in elements::<pg_sys::AlterTableCmd>((*tree.cast::<pg_sys::AlterTableStmt>()).cmds) {
            let change = match (*command).subtype {
                AlterTableType::AT_AttachPartition
                | AlterTableType::AT_DetachPartition
                | AlterTableType::AT_DetachPartitionFinalize
                | AlterTableType::AT_AddInherit
                | AlterTableType::AT_ChangeOwner
                | AlterTableType::AT_SetLogged
                | AlterTableType::AT_SetUnLogged => Change::Tables,
                AlterTableType::AT_EnableTrig
                | AlterTableType::AT_EnableAlwaysTrig
                | AlterTableType::AT_EnableReplicaTrig
                | AlterTableType::AT_EnableTrigAll
                | AlterTableType::AT_EnableTrigUser
                | AlterTableType::AT_DisableTrig
                | AlterTableType::AT_DisableTrigAll
                | AlterTableType::AT_DisableTrigUser => Change::Triggers,
                _ => continue,
            };
            if !found.contains(&change) {
                found.push(change);
            }
        }
        found
    }
}

fn exists(relation: Oid) -> bool {
    source::class(relation, |_| ()).is_some()
}

/// Whether the command may have changed something about one of a collection's two tables, or a partition: whatever does locks
/// the table that it changes, and so does who drops an index or a partition of it. `own` are the collection's triggers.
fn is_concerned(collection: &Collection, own: &[Trigger]) -> bool {
    own.iter()
        .map(|trigger| trigger.table)
        .chain([collection.source, collection.table])
        .chain(source::partitions(collection.source))
        .any(|table| has_locked(table, pg_sys::ShareUpdateExclusiveLock))
}

/// The names of triggers that the command dropped together with their tables.
fn dropped_triggers(spi: &Spi) -> BTreeSet<String> {
    let rows = spi.execute(
        "SELECT o.address_names[pg_catalog.array_upper(o.address_names, 1)] \
         FROM pg_catalog.pg_event_trigger_dropped_objects() AS o \
         WHERE o.object_type OPERATOR(pg_catalog.=) 'trigger' AND NOT o.original",
        &[],
        Mode::Write,
    );
    (0..rows.len()).filter_map(|row| rows.text(row, 0)).collect()
}

/// Drops what was left of collections whose tables are gone, and follows what was dropped of others.
fn after_drop(home: Home, collections: Vec<Collection>) {
    let (triggers, dropped) = as_superuser(&[], |spi| (source::triggers(spi, home.trigger()), dropped_triggers(spi)));
    for collection in collections {
        let name = &collection.name;
        let own = collection.own_triggers(&triggers);
        let (has_source, has_table) = (exists(collection.source), exists(collection.table));
        if !has_table || !has_source {
            as_superuser(&[], |spi| {
                source::drop_triggers(spi, &own, name);
                if has_table {
                    drop_table(spi, collection.table, " CASCADE");
                }
                catalog::forget(home, &collection);
            });
            collection.announce();
            continue;
        }
        if own.is_empty() || !is_concerned(&collection, &own) {
            continue;
        }
        if !source::is_whole(&own, collection.source) {
            detach(home, &collection, &own);
            let table = relation::name_of(collection.source);
            notice(
                format!("{table} is detached from collection \"{name}\""),
                "A trigger that the collection needs was dropped. zvec_attach_table attaches the table again."
                    .to_owned(),
            );
            continue;
        }
        require_key(home, &collection, &[]);
        if dropped.contains(&source::trigger_name("truncate", name)) {
            // a partition is gone, and which rows it had with it
            follower(home, collection.source, name).settle_all();
        }
    }
}

/// Raises an error when the key column of an attached table has no unique index but for those `without`.
fn require_key(home: Home, collection: &Collection, without: &[Oid]) {
    // who holds it against readers is at it, and comes here at the end
    // SAFETY: takes a lock, which is kept
    if !unsafe { pg_sys::ConditionalLockRelationOid(collection.source, pg_sys::AccessShareLock as _) } {
        return;
    }
    let table = OpenRelation::open(collection.source, pg_sys::NoLock as _);
    // SAFETY: open
    unsafe {
        let Some((key, _)) = source::columns(table.raw(), home.trigger(), &collection.name) else { return };
        if source::equality_without(table.raw(), key, without).is_none() {
            let (name, column) = (&collection.name, source::column_name(collection.source, key));
            raise(
                Error::new(
                    SqlState::ObjectNotInPrerequisiteState,
                    format!("cannot drop the unique index on \"{column}\": collection \"{name}\" needs it"),
                )
                .hint("Make another unique index on that column first, or use zvec_detach_table."),
            );
        }
    }
}

/// Raises an error if the command, DROP INDEX CONCURRENTLY, is to drop the last unique index of a key. When such an index has been
/// dropped it is too late: the command has made it invalid for good before.
unsafe fn before_drop(home: Home, tree: *mut pg_sys::Node) {
    // SAFETY: the command's own tree
    let dropped: Vec<Oid> = unsafe {
        if tree.is_null() || !is_a(tree, NodeTag::T_DropStmt) {
            return;
        }
        let statement = &*tree.cast::<pg_sys::DropStmt>();
        if !statement.concurrent || statement.removeType != pg_sys::ObjectType::OBJECT_INDEX {
            return;
        }
        let find = |names: *mut pg_sys::List| {
            let (none, missing_ok) = (std::ptr::null_mut(), pg_sys::RVROption::RVR_MISSING_OK);
            let name = pg_sys::makeRangeVarFromNameList(names);
            pg_sys::RangeVarGetRelidExtended(name, pg_sys::NoLock as _, missing_ok, None, none)
        };
        elements::<pg_sys::List>(statement.objects).map(find).collect()
    };
    // whoever may not drop the index, which the owners of its table and of its schema may, is told so by the server
    // SAFETY: catalog look-ups
    let may_drop = |index: &&Oid| unsafe {
        let user = pg_sys::GetUserId();
        source::class(**index, |form| form.relnamespace)
            .is_some_and(|schema| owns(**index, user) || owns_schema(schema, user))
    };
    // SAFETY: a catalog look-up
    let of = |index: &Oid| unsafe { pg_sys::IndexGetRelation(*index, true) };
    let tables: Vec<Oid> = dropped.iter().filter(may_drop).map(of).collect();
    for collection in catalog::all(home).iter().filter(|collection| tables.contains(&collection.source)) {
        require_key(home, collection, &dropped);
    }
}

/// Follows that triggers of an attached table were turned on or off: what was missed while they were off is made good when all
/// of them are on again, and until then it is known that something may have been. Unless the command `has_switched` triggers, it
/// is only noted which are off.
fn after_switch(home: Home, collections: &[Collection], has_switched: bool) {
    let triggers = as_superuser(&[], |spi| source::triggers(spi, home.trigger()));
    for collection in collections {
        let of = collection.source;
        if !exists(of) || !exists(collection.table) {
            continue;
        }
        let own = collection.own_triggers(&triggers);
        // a dump that is being restored makes one after the other
        if is_concerned(collection, &own) && source::is_whole(&own, of) {
            switch(home, collection, has_switched);
        }
    }
}

/// The triggers of a table and its partitions that do not fire as they should.
fn lapses(home: Home, collection: &Collection) -> Vec<Lapse> {
    let (of, parts) = (collection.source, source::partitions(collection.source));
    let is_own = |trigger: &Trigger| {
        trigger.collection == collection.name
            && trigger.kind.is_some()
            && (trigger.table == of || parts.contains(&trigger.table))
    };
    let all = as_superuser(&[], |spi| source::lapses(spi, home.trigger()));
    all.into_iter().filter(|lapse| is_own(&lapse.trigger)).collect()
}

/// The same for one collection, all of whose triggers are there.
fn switch(home: Home, collection: &Collection, has_switched: bool) {
    let (name, of) = (&collection.name, collection.source);
    let own = lapses(home, collection);
    if own.iter().any(|lapse| lapse.remedy.is_none()) {
        if !collection.behind {
            catalog::set_behind(home, collection, true);
            collection.announce();
            let table = relation::name_of(of);
            warning(format!("collection \"{name}\" does not follow {table} while triggers are disabled"), ENABLE_HINT);
        }
        return;
    }
    if !has_switched {
        return;
    }
    if !own.is_empty() {
        as_superuser(&[], |spi| source::mend_triggers(spi, &own));
        require_done(lapses(home, collection).is_empty());
    }
    if !collection.behind {
        return;
    }
    // Against writers. They lock the table before its partitions: who has locked a partition first must not wait for it.
    let mode = pg_sys::ShareRowExclusiveLock as _;
    // SAFETY: takes locks, which are kept
    unsafe {
        if !pg_sys::ConditionalLockRelationOid(of, mode) {
            let table = relation::name_of(of);
            raise(
                Error::new(
                    SqlState::ObjectNotInPrerequisiteState,
                    format!("collection \"{name}\" cannot be brought up to date while others write to {table}"),
                )
                .hint("Lock that table first, IN SHARE ROW EXCLUSIVE MODE, in the same transaction."),
            );
        }
        for part in source::partitions(of) {
            pg_sys::LockRelationOid(part, mode);
        }
    }
    // SAFETY: the new state of the catalogs is to be seen
    unsafe { pg_sys::CommandCounterIncrement() };
    // who had the lock of a partition may have turned some off
    if !lapses(home, collection).is_empty() {
        return;
    }
    follower(home, of, name).catch_up();
    catalog::set_behind(home, collection, false);
    collection.announce();
}

/// Whether a table that is no partition has been one until this command, which has then locked it, or the partition above it.
fn is_detached(table: Oid) -> bool {
    source::has_rows(table) && has_locked(source::root_of(table), pg_sys::AccessExclusiveLock)
}

/// Follows what has become of tables and their partitions.
fn after_change(home: Home, collections: &[Collection]) {
    let triggers = as_superuser(&[], |spi| source::triggers(spi, home.trigger()));
    for collection in collections {
        let (name, of) = (&collection.name, collection.source);
        if !exists(of) || !exists(collection.table) {
            continue;
        }
        let own = collection.own_triggers(&triggers);
        if !is_concerned(collection, &own) {
            continue;
        }
        if source::owner(of) != source::owner(collection.table) {
            as_superuser(&[], |spi| set_owner(spi, collection));
            collection.announce();
        }
        let persistence = |table| source::class(table, |form| form.relpersistence);
        if persistence(of) != persistence(collection.table) {
            let unlogged = persistence(of) == Some(pg_sys::RELPERSISTENCE_UNLOGGED as _);
            let kind = if unlogged { "UNLOGGED" } else { "LOGGED" };
            let table = source::qualified(collection.table);
            as_owner(collection, |spi| {
                spi.execute(&format!("ALTER TABLE {table} SET {kind}"), &[], Mode::Write).free()
            });
        }
        if !source::has_all(&own, of, &source::KINDS) {
            continue;
        }
        source::check_shape(of);
        let parts = source::partitions(of);
        // the owner's, or another's that was a partition until now
        let gone: BTreeSet<u32> = triggers
            .iter()
            .filter(|trigger| trigger.collection == *name && trigger.table != of && !parts.contains(&trigger.table))
            .map(|trigger| trigger.table)
            .filter(|&table| own.iter().any(|trigger| trigger.table == table) || is_detached(table))
            .map(Oid::to_u32)
            .collect();
        let gone: Vec<Oid> = gone.into_iter().map(Oid::from).collect();
        let come: Vec<Oid> =
            parts.into_iter().filter(|&part| !source::has_all(&own, part, &source::PART_KINDS)).collect();
        if come.is_empty() && gone.is_empty() {
            continue;
        }
        as_superuser(&[], |spi| {
            let stale =
                triggers.iter().filter(|trigger| gone.contains(&trigger.table) || come.contains(&trigger.table));
            let stale: Vec<Trigger> = stale.cloned().collect();
            source::drop_triggers(spi, &stale, name);
            for &part in &come {
                source::make_triggers(spi, home, name, part, false);
            }
            let made = collection.own_triggers(&source::triggers(spi, home.trigger()));
            require_done(come.iter().all(|&part| source::has_all(&made, part, &source::PART_KINDS)));
        });
        collection.announce();
        // SAFETY: the new state of the catalogs is to be seen
        unsafe { pg_sys::CommandCounterIncrement() };
        let follower = follower(home, of, name);
        // of a table that is another's, or was no partition just now, nothing is read: it may be anything
        let is_read =
            |&&part: &&Oid| come.contains(&part) || (source::owner(part) == source::owner(of) && is_detached(part));
        let has_leaves =
            |part: &Oid| source::class(*part, |form| form.relkind as u8) != Some(pg_sys::RELKIND_PARTITIONED_TABLE);
        let (read, other): (Vec<&Oid>, Vec<&Oid>) = come.iter().chain(&gone).partition(is_read);
        for &&part in read.iter().filter(|part| has_leaves(part)) {
            follower.settle_rows_of(part);
        }
        if !other.is_empty() {
            follower.settle_all();
        }
    }
}

crate::sql_function! {
    /// `zvec_follow_changes() returns event_trigger`: see above.
    zvec_follow_changes(call) {
        // SAFETY: the function manager's own call, whose context says whether an event trigger has called
        unsafe {
            let context = (*call.fcinfo()).context;
            if context.is_null() || !is_a(context.cast(), NodeTag::T_EventTriggerData) {
                raise(Error::new(SqlState::FeatureNotSupported, "zvec_follow_changes was not called by an event trigger")
                    .hint("The extension has the event triggers that call it."));
            }
            let data = &*context.cast::<pg_sys::EventTriggerData>();
            if CStr::from_ptr(data.event) == c"ddl_command_start" {
                before_drop(Home::of(call), data.parsetree);
                return Ok(call.null());
            }
            let is_drop = CStr::from_ptr(data.event) == c"sql_drop";
            let changes = if is_drop { Vec::new() } else { changes(data.parsetree) };
            if is_busy() || (!is_drop && changes.is_empty()) {
                return Ok(call.null());
            }
            let home = Home::of(call);
            let collections = catalog::all(home);
            if collections.is_empty() {
                return Ok(call.null());
            }
            if is_drop {
                after_drop(home, collections);
                return Ok(call.null());
            }
            if changes.contains(&Change::Tables) {
                after_change(home, &collections);
            }
            after_switch(home, &collections, changes.contains(&Change::Triggers));
            Ok(call.null())
        }
    }
}
