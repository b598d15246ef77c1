//! What goes in comes out once, whatever breaks in between: cut connections, a killed bridge, a killed store.

mod cuts;
mod kills;
mod late;
pub(crate) mod load;
mod memory;
pub(crate) mod numbers;
mod upload;
