//! `Debug` for types whose inside says nothing to a reader: their name, and no field.

/// Implements `Debug` as the name alone: `opaque_debug!(impl[S: ?Sized] Ready<S>, "Ready");`
macro_rules! opaque_debug {
    ($(impl[$($generics:tt)*] $ty:ty, $name:literal;)*) => {$(
        impl<$($generics)*> std::fmt::Debug for $ty {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct($name).finish_non_exhaustive()
            }
        }
    )*};
}

pub(crate) use opaque_debug;
