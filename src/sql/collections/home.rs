//! Where the extension's own objects are: all but the collections' tables are in the schema that the extension is in, which
//! its functions are asked for.

use crate::error::{Error, SqlState};
use crate::pg::error::raise;
use crate::pg::function::Call;
use crate::pg::spi::{from_server, quoted};
use pgrx::pg_sys::{self, Datum, Oid};

/// The schema of the collections' tables.
pub const STORE: &str = "zvec_collection";

/// The superuser who was there first: whose rights it takes to write to the catalog and to the schema of collections. Nothing
/// that others wrote may run under it.
pub const SUPERUSER: Oid = Oid::from_u32(pg_sys::BOOTSTRAP_SUPERUSERID);

/// The schema of the extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home(Oid);

impl Home {
    /// The schema of the function that is called.
    #[must_use]
    pub fn of(call: Call<'_>) -> Self {
        // SAFETY: the live call's function exists
        unsafe { Self(pg_sys::get_func_namespace((*(*call.fcinfo()).flinfo).fn_oid)) }
    }

    /// Its name, quoted.
    #[must_use]
    pub fn schema(self) -> String {
        // SAFETY: the answer is a copy; the schema has the function that runs
        unsafe { quoted(&from_server(pg_sys::get_namespace_name(self.0))) }
    }

    /// The table of all collections.
    #[must_use]
    pub fn catalog(self) -> Oid {
        // SAFETY: a catalog look-up
        let found = unsafe { pg_sys::get_relname_relid(c"zvec_collection_catalog".as_ptr(), self.0) };
        self.found(found, "zvec_collection_catalog")
    }

    /// The trigger's function.
    #[must_use]
    pub fn trigger(self) -> Oid {
        // SAFETY: a catalog look-up with keys of its columns' types
        let found = unsafe {
            let arguments = pg_sys::buildoidvector(std::ptr::null(), 0);
            let cache = pg_sys::SysCacheIdentifier::PROCNAMEARGSNSP as i32;
            let (name, none) = (Datum::from(c"zvec_sync_trigger".as_ptr()), Datum::from(0));
            pg_sys::GetSysCacheOid(cache, 1, name, Datum::from(arguments), Datum::from(self.0), none)
        };
        self.found(found, "zvec_sync_trigger")
    }

    /// The vector type.
    #[must_use]
    pub fn vector_type(self) -> Oid {
        // SAFETY: a catalog look-up with keys of its columns' types
        let found = unsafe {
            let cache = pg_sys::SysCacheIdentifier::TYPENAMENSP as i32;
            let (name, none) = (Datum::from(c"zvec".as_ptr()), Datum::from(0));
            pg_sys::GetSysCacheOid(cache, 1, name, Datum::from(self.0), none, none)
        };
        self.found(found, "zvec")
    }

    fn found(self, oid: Oid, name: &str) -> Oid {
        if oid == pg_sys::InvalidOid {
            let message = format!("{name} is not in the schema of the extension's functions");
            raise(Error::new(SqlState::UndefinedObject, message).hint("Create the extension pg_zvec anew."));
        }
        oid
    }
}
