//! The server as a whole, started for each test.

#![cfg(test)]

mod crash;
mod limits;
mod logins;
mod requests;
mod stopping;
mod support;
mod uploads;
