//! Which library a C function of the catalogs is in.
//!
//! The catalogs have the library by a name that its owner chose. The server makes a path of it when the function is called for
//! the first time, and loads what is there. Here the same path is made, and the loader is asked whether this very library
//! is what it has loaded from there. No library is loaded for that.

use super::compat;
use crate::vector::Library;
use pgrx::pg_sys;
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString, OsStr, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;

/// The ending that a name need not have.
const SUFFIX: &[u8] = if cfg!(target_os = "macos") { b".dylib" } else { b".so" };
/// What stands for the server's folder of libraries.
const MACRO: &[u8] = b"$libdir";
/// How many names are remembered.
const MOST: usize = 32;

/// A library's name in the catalogs, the search path, which matters for names without a folder only, and whether it is ours.
type Known = (CString, CString, bool);

thread_local! {
    static KNOWN: RefCell<Vec<Known>> = const { RefCell::new(Vec::new()) };
    static WATCHING: Cell<bool> = const { Cell::new(false) };
}

/// How the loader knows this library, and the path that it was loaded from.
struct Own {
    handle: usize,
    path: CString,
}

/// `None` where the loader cannot tell.
fn own() -> Option<&'static Own> {
    static OWN: OnceLock<Option<Own>> = OnceLock::new();
    let find = || {
        // SAFETY: any address may be asked about; the name is the loader's own, and the library is never unloaded
        unsafe {
            let mut found: libc::Dl_info = std::mem::zeroed();
            let inside = own as fn() -> Option<&'static Own> as *const c_void;
            if libc::dladdr(inside, &raw mut found) == 0 || found.dli_fname.is_null() {
                return None;
            }
            let path = CStr::from_ptr(found.dli_fname).to_owned();
            let handle = loaded(&path)?;
            Some(Own { handle, path })
        }
    };
    OWN.get_or_init(find).as_ref()
}

/// What the loader has loaded from `path`, if anything.
fn loaded(path: &CStr) -> Option<usize> {
    // SAFETY: nothing is loaded; the handle is only compared, and what it counts is given back
    unsafe {
        let handle = libc::dlopen(path.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD);
        if handle.is_null() {
            return None;
        }
        libc::dlclose(handle);
        Some(handle as usize)
    }
}

/// `name` with the server's folder of libraries put in, if it begins with what stands for that.
fn without_macro(name: &[u8]) -> Vec<u8> {
    match name.strip_prefix(MACRO) {
        Some(rest) if rest.is_empty() || rest[0] == b'/' => {
            // SAFETY: a constant of the process, which ends with a 0
            let folder = unsafe { CStr::from_ptr((&raw const pg_sys::pkglib_path).cast()) };
            [folder.to_bytes(), rest].concat()
        }
        _ => name.to_vec(),
    }
}

/// Where the server looks for a library of that name, in order.
fn places(name: &[u8], search_path: &[u8]) -> Vec<Vec<u8>> {
    [name.to_vec(), [name, SUFFIX].concat()]
        .into_iter()
        .flat_map(|name| -> Vec<Vec<u8>> {
            if name.contains(&b'/') {
                return vec![without_macro(&name)];
            }
            let folders = search_path.split(|&byte| byte == b':').map(without_macro);
            folders.map(|folder| [&folder, &b"/"[..], &name].concat()).collect()
        })
        .collect()
}

fn look_up(name: &[u8], search_path: &[u8]) -> bool {
    let Some(own) = own() else { return false };
    let places = places(name, search_path);
    let is_file = |place: &&Vec<u8>| Path::new(OsStr::from_bytes(place)).metadata().is_ok_and(|found| !found.is_dir());
    match places.iter().find(is_file) {
        Some(place) => CString::new(place.clone()).is_ok_and(|place| loaded(&place) == Some(own.handle)),
        // the file was taken away after it had been loaded
        None => places.iter().any(|place| place.as_slice() == own.path.to_bytes()),
    }
}

unsafe extern "C-unwind" fn forget(_arg: pg_sys::Datum, _cache: i32, _hash: u32) {
    KNOWN.with(|known| {
        if let Ok(mut known) = known.try_borrow_mut() {
            known.clear();
        }
    });
}

/// Whether `name`, which the catalogs have as a C function's library, is that of `library`. One that is not this one is told by
/// the name of its file: nothing says what else is in it before a function of it is called.
#[must_use]
pub fn is(name: &CStr, library: Library) -> bool {
    match library {
        Library::Own => is_this(name),
        Library::Named(wanted) => {
            let file = name.to_bytes().rsplit(|&byte| byte == b'/').next().unwrap_or_default();
            file.strip_suffix(SUFFIX).unwrap_or(file) == wanted.as_bytes()
        }
    }
}

/// Whether `name`, which the catalogs have as a C function's library, leads to this library.
fn is_this(name: &CStr) -> bool {
    let name = compat::library_name(name);
    let search_path = match name.to_bytes().contains(&b'/') {
        true => c"",
        // SAFETY: a setting of the server's, never null once the server has started
        false => unsafe { CStr::from_ptr(pg_sys::Dynamic_library_path) },
    };
    let known = KNOWN.with_borrow(|known| {
        let same = |(of, under, _): &&Known| of.as_c_str() == name && under.as_c_str() == search_path;
        known.iter().find(same).map(|known| known.2)
    });
    if let Some(known) = known {
        return known;
    }
    if !WATCHING.get() {
        // SAFETY: the callback neither allocates server memory nor raises errors
        unsafe {
            let cache = pg_sys::SysCacheIdentifier::PROCOID as i32;
            pg_sys::CacheRegisterSyscacheCallback(cache, Some(forget), pg_sys::Datum::from(0));
        }
        WATCHING.set(true);
    }
    let is_ours = look_up(name.to_bytes(), search_path.to_bytes());
    KNOWN.with_borrow_mut(|known| {
        if known.len() >= MOST {
            known.remove(0);
        }
        known.push((name.to_owned(), search_path.to_owned(), is_ours));
    });
    is_ours
}
