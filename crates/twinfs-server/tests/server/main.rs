//! The server as a whole, started for each test.

#![cfg(test)]

mod crash;
mod limits;
mod stopping;
mod support;
mod uploads;
