//! A store and a layer of your own, without a change to twinfs.
//!
//! [`Greetings`] is a store: a read-only tree that makes its files up. [`Counted`] is a layer that
//! counts operations around any store, under either face. [`CountedPaths`] is a wrapper that counts what
//! goes through any path I/O. [`register`] adds the store to the URL
//! registry as `greetings://`.

mod counting;
mod greetings;
mod paths;

pub use counting::{Counted, Counts};
pub use greetings::Greetings;
pub use paths::{CountedPaths, Traffic};

/// Makes `greetings://LANGUAGE,LANGUAGE` open a [`Greetings`] store in this process.
pub fn register() {
    twinfs::registry::register(
        "greetings",
        std::sync::Arc::new(|location, options| {
            options.finish("greetings", "none")?;
            let languages = location.authority.split(',').filter(|name| !name.is_empty());
            Ok(twinfs::AnyStore::new_blocking(Greetings::new(languages)?))
        }),
    );
}
