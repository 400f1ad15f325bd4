//! A database that was put back: nothing is done twice, and what providers did meanwhile is known again.

mod fence;
mod gaps;
mod kills;
mod shop;
mod upgrade;
mod ways;
