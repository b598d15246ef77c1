//! What goes in comes out once, whatever breaks in between: cut connections, a killed bridge, a killed store.

mod cuts;
mod kills;
mod late;
mod load;
mod memory;
mod numbers;
mod upload;
