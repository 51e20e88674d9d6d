//! The vector store's format, free of any server: ids, slots, page layouts, extents and the policies over them.
//!
//! A table's vectors live in *segments*; a segment holds the vectors of one (column, element type, dimensions) at a
//! fixed stride. `design/format.md` states every byte; the constants here are that document in code, and the tests
//! hold both to golden bytes. Nothing in this module locks, logs or reads a page: it turns bytes that the caller has
//! into checked values and back, and says what follows from them: what a snapshot sees of a slot ([`visibility`]), what VACUUM
//! makes of it ([`reclaim`]), whether it has room for another address of its row ([`addresses`]).

pub mod addresses;
pub mod extent;
pub mod geometry;
pub mod ids;
pub mod page;
pub mod reclaim;
pub mod reference;
pub mod slot;
pub mod slot_set;
pub mod visibility;
pub mod xid;

pub use extent::{Blocks, Extent, ExtentList};
pub use geometry::Geometry;
pub use ids::{Generation, Position, SegmentNo, SegmentTag, SlotNo};
pub use page::{PageHeader, PageKind, RootPage, SegmentPage, SlotPage};
pub use reference::Reference;
pub use slot::{Slot, SlotState, Tid};
