//! The format of a graph index's pages: meta page, graph roots, areas and their entries.
//!
//! Pure: bytes in, bytes out. See `design/index.md` for what the parts mean and `design/format.md` for the layouts.

pub mod area;
pub mod entry;
pub mod included;
pub mod key_condition;
pub mod page;
pub mod root;

pub use area::{Area, CodeShape, Shape};
pub use entry::{CodeHead, Entry, MapEntry, MapPlace, NodeEntry};
pub use included::{IncludedColumn, IncludedShape, KeyKind};
pub use key_condition::{Condition, KeyRanges};
pub use page::{GraphNo, GraphPageKind, Header, MetaPage};
pub use root::{GraphRootPage, Root};
