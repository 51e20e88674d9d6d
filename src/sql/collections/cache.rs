//! What a session remembers of collections, and when it forgets.
//!
//! Everything that is remembered is forgotten when the server says that one of the relations that it came from has changed.
//! A look-up that must not be stale locks one of them first, which reads what the server has to say.

use pgrx::pg_sys::{self, Datum, Oid};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::thread::LocalKey;

/// How many things of one kind are remembered.
const MOST: usize = 64;

thread_local! {
    static WATCHED: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    static EPOCH: Cell<u64> = const { Cell::new(0) };
    static WATCHING: Cell<bool> = const { Cell::new(false) };
}

unsafe extern "C-unwind" fn changed(_arg: Datum, relation: Oid) {
    let relation = relation.to_u32();
    let concerns = WATCHED.with(|watched| match watched.try_borrow() {
        Ok(watched) => relation == 0 || watched.binary_search(&relation).is_ok(),
        Err(_) => true,
    });
    if concerns {
        EPOCH.set(EPOCH.get() + 1);
    }
}

unsafe extern "C-unwind" fn renamed(_arg: Datum, _cache: i32, _hash: u32) {
    EPOCH.set(EPOCH.get() + 1);
}

/// The time as changes of relations, and of schemas' names, count it.
#[must_use]
pub fn epoch() -> u64 {
    if !WATCHING.get() {
        let schemas = pg_sys::SysCacheIdentifier::NAMESPACEOID as i32;
        // SAFETY: the callbacks neither allocate server memory nor raise errors
        unsafe {
            pg_sys::CacheRegisterRelcacheCallback(Some(changed), Datum::from(0));
            pg_sys::CacheRegisterSyscacheCallback(schemas, Some(renamed), Datum::from(0));
        }
        WATCHING.set(true);
    }
    EPOCH.get()
}

/// Watches a relation from now on.
pub fn watch(relation: Oid) {
    WATCHED.with_borrow_mut(|watched| {
        if let Err(place) = watched.binary_search(&relation.to_u32()) {
            watched.insert(place, relation.to_u32());
        }
    });
}

/// Something remembered.
pub struct Entry<K, T> {
    key: K,
    epoch: u64,
    value: Rc<T>,
}

/// What is remembered, by key.
pub type Cache<K, T> = RefCell<Vec<Entry<K, T>>>;

/// What is remembered by a key that `is` tells, if it is still true.
pub fn find<K, T>(cache: &'static LocalKey<Cache<K, T>>, is: impl Fn(&K) -> bool) -> Option<Rc<T>> {
    let now = epoch();
    cache.with_borrow(|entries| {
        entries.iter().find(|entry| entry.epoch == now && is(&entry.key)).map(|entry| Rc::clone(&entry.value))
    })
}

/// Remembers `value`, which was begun to be found out at `epoch`.
pub fn keep<K: PartialEq, T>(cache: &'static LocalKey<Cache<K, T>>, epoch: u64, key: K, value: T) -> Rc<T> {
    let value = Rc::new(value);
    let forgotten = cache.with_borrow_mut(|entries| {
        // what is stale by now, and one more if there is no room; plans are freed when nobody borrows the list
        let now = EPOCH.get();
        let (mut kept, mut forgotten): (Vec<_>, Vec<_>) =
            std::mem::take(entries).into_iter().partition(|entry| entry.epoch == now && entry.key != key);
        if kept.len() >= MOST {
            let victim = crate::pg::memory::victim(kept.len());
            forgotten.push(kept.swap_remove(victim));
        }
        kept.push(Entry { key, epoch, value: Rc::clone(&value) });
        *entries = kept;
        forgotten
    });
    drop(forgotten);
    value
}
