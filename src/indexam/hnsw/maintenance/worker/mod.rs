//! The background worker that drains pending lists of a database's indexes while others insert, and takes dead nodes out.
//!
//! An inserting backend asks for it when many vectors wait; VACUUM by hand, when a large graph is to be repaired, and its root
//! page says so. Who asks puts the index on a list in shared memory ([`queue`]), and has the server start a worker if none is at
//! the database and it may have one more. The worker goes from index to index, and on to the next database that waits. It needs
//! no preloaded library and no configuration; where the server has no worker slot to spare, VACUUM and the inserting backends do
//! all that alone. Where the library is preloaded, a launcher ([`launcher`]) has the workers started, and finds what nobody has
//! asked for.
//!
//! What must hold: an index is on the list before it is looked whether there is a worker, and a worker that ends looks at the list
//! once more after it can be seen no longer. So nothing is left that was asked for.
//!
//! It is as unobtrusive as an autovacuum worker: its transactions are short, or keep no row version alive, it gives way to whoever
//! waits for a lock that it holds ([`give_way`]) or wants to drop the database, and it ends when nothing has been waiting for a
//! while.

mod give_way;
pub mod launcher;
mod locks;
mod main;
mod queue;
pub mod report;
pub mod request;
mod status;
mod transaction;
mod version;
