//! Refuses what a store does not declare, before the store is asked: the one reader of
//! [`Capabilities`].

use crate::error::{Error, ErrorKind, Result};
use crate::store::{
    Capabilities, Condition, Durability, ListOptions, Mode, OpenOptions, Order, Publish, WriteItem,
    WriteOptions,
};

fn refuse(what: &'static str) -> Result<()> {
    Err(Error::new(ErrorKind::Unsupported).with_message(what))
}

/// The store can be changed at all.
pub(crate) fn writable(caps: &Capabilities) -> Result<()> {
    if caps.write { Ok(()) } else { refuse("this store is read-only") }
}

pub(crate) fn condition(caps: &Capabilities, condition: &Condition) -> Result<()> {
    match condition {
        Condition::IfAbsent if !caps.if_absent => {
            refuse("this store cannot write only where nothing is (if-absent)")
        }
        Condition::IfVersion(_) if !caps.if_version => refuse("this store keeps no versions (if-version)"),
        _ => Ok(()),
    }
}

pub(crate) fn version(caps: &Capabilities, wanted: bool) -> Result<()> {
    if wanted && !caps.if_version { refuse("this store keeps no versions (if-version)") } else { Ok(()) }
}

pub(crate) fn durability(caps: &Capabilities, durability: Option<Durability>) -> Result<()> {
    match durability {
        Some(Durability::File | Durability::Full) if !caps.durable => {
            refuse("this store cannot promise durability; use durability=none")
        }
        _ => Ok(()),
    }
}

pub(crate) fn write(caps: &Capabilities, options: &WriteOptions) -> Result<()> {
    writable(caps)?;
    condition(caps, &options.condition)?;
    durability(caps, options.durability)
}

pub(crate) fn size(caps: &Capabilities, len: u64) -> Result<()> {
    match caps.max_file_bytes {
        Some(max) if len > max => Err(Error::new(ErrorKind::TooLarge)
            .with_message(format!("the file has {len} bytes and this store takes at most {max}"))),
        _ => Ok(()),
    }
}

pub(crate) fn write_many(caps: &Capabilities, items: &[WriteItem<'_>], options: &WriteOptions) -> Result<()> {
    write(caps, options)?;
    items.iter().try_for_each(|item| size(caps, item.data.len() as u64))
}

pub(crate) fn open(caps: &Capabilities, options: &OpenOptions) -> Result<()> {
    condition(caps, &options.condition)?;
    if !options.mode.writes() {
        return Ok(());
    }
    writable(caps)?;
    durability(caps, options.durability)?;
    if options.publish == Publish::InPlace && !caps.in_place {
        return refuse("this store cannot write in place; use publish=staged");
    }
    match options.mode {
        Mode::Append | Mode::Update | Mode::Overwrite if !caps.update_handles => {
            refuse("this store has no handles that write anywhere (ab, r+b, w+b); use wb or a whole write")
        }
        Mode::Create if !caps.if_absent => refuse("this store cannot open exclusively (xb)"),
        _ if !caps.write_handles => refuse("this store has no handles that write; use a whole write"),
        _ => Ok(()),
    }
}

/// Where no order is, nothing comes after anything.
pub(crate) fn list(options: &ListOptions) -> Result<()> {
    match (&options.start_after, options.order) {
        (Some(_), Order::Unordered) => {
            refuse("start_after needs the sorted order; leave it out, or list in order")
        }
        _ => Ok(()),
    }
}

pub(crate) fn staged_uploads(caps: &Capabilities) -> Result<()> {
    if caps.staged_uploads { Ok(()) } else { refuse("this store has no staged uploads") }
}
