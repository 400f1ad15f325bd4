//! Many at once on the same key and on the same payment: one effect each, and amounts that add up.

mod interleavings;
mod late;
mod moments;
mod one_key;
mod traffic;
