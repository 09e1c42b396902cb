//! What makes path I/Os over one store.

/// Emits the nursery for one face.
macro_rules! nursery {
    (
        async [$($async:tt)?] wait $wait:ident answer $answer:ident text $text:ident into $into:ident
        examples [$first:literal, $await:literal, $next:literal, $last:literal]
        twin $twin:literal
    ) => {
        /// Path I/Os over one store: what one of them writes the others see. Each has its own options.
        ///
        /// ```
        #[doc = $first]
        /// use std::time::Duration;
        ///
        /// let nursery = Nursery::memory();
        /// let (ten, twenty) = (PathIoOptions::default().timeout(Duration::from_secs(10)), PathIoOptions::default().timeout(Duration::from_secs(20)));
        #[doc = concat!("nursery.path_io(&ten).mkdir(\"temp\", &MkdirOptions::default())", $await, "?;")]
        #[doc = concat!("assert!(nursery.path_io(&twenty).is_dir(\"temp\")", $await, "?);")]
        #[doc = $last]
        /// ```
        #[derive(Clone)]
        pub struct Nursery {
            store: AnyStore,
        }

        impl Nursery {
            /// Over a store of your own.
            #[must_use]
            pub fn new(store: AnyStore) -> Self {
                Self { store }
            }

            /// Over a fresh tree in memory; [`DynStore::memory`] gives a look at it.
            ///
            /// ```
            #[doc = $first]
            /// let io = Nursery::memory().path_io(&PathIoOptions::default());
            #[doc = concat!("io.mkdir(\"app\", &MkdirOptions::default())", $await, "?;")]
            /// let memory = io.fs().store().memory().unwrap();
            /// assert!(memory.node("app").is_some_and(|node| node.is_dir()));
            /// assert_eq!(memory.tree().children().len(), 1);
            #[doc = $last]
            /// ```
            #[must_use]
            pub fn memory() -> Self {
                Self::new(AnyStore::Memory(Arc::default()))
            }

            /// Over all local files; [`local_path`](super::super::local_path) gives their places in it.
            /// Links lead wherever they lead, and files get no versions: this is the system's own tree.
            ///
            /// # Errors
            /// Those of opening `/`.
            pub fn local() -> Result<Self> {
                let options =
                    LocalOptions { versions: Versions::Off, create: Create::Never, ..LocalOptions::default() };
                Ok(Self::new(AnyStore::new_blocking(LocalStore::open("/", options)?)))
            }

            /// Over the store at a URL or plain path, as [`Fs::connect`].
            ///
            /// # Errors
            /// As there.
            ///
            /// ```
            #[doc = $first]
            /// # let dir = tempfile::tempdir().unwrap();
            /// # let path = dir.path().to_str().unwrap();
            #[doc = concat!("let io = Nursery::connect(path)", $await, "?.path_io(&PathIoOptions::default());")]
            #[doc = concat!("assert!(io.is_dir(\"/\")", $await, "?);")]
            #[doc = $last]
            /// ```
            pub $($async)? fn connect(url: &str) -> Result<Self> {
                let url = url.to_owned();
                let open = move || registry::open(&url, StoreOptions::new());
                Ok(Self::new($wait!(elsewhere(open))?))
            }

            /// A path I/O with these options.
            #[must_use]
            pub fn path_io(&self, options: &PathIoOptions) -> FsPathIo<DynStore<Face>> {
                let store = match options.timeout {
                    None => self.store.clone(),
                    Some(limit) => self.store.clone().limited(limit),
                };
                FsPathIo { fs: Fs::new(store.$into()), publish: options.publish }
            }
        }

        opaque_debug! {
            impl[] Nursery, "Nursery";
        }
    };
}

pub(super) use nursery;
