//! What is particular to local disk: processes, forks, links, modes, full disks, leftovers.

#![cfg(test)]

mod bulk;
mod child;
mod confinement;
mod durability;
mod fork;
mod limits;
mod listing;
mod litter;
mod modes;
mod removal;
mod support;
mod uploads;
mod versions;
mod writers;
