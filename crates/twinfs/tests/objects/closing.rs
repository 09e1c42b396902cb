//! Closing: the last one removes the objects, and nothing else.

use twinfs::ErrorKind;

use crate::{kind, scratch};

faces! {
    #[test]
    fn the_last_to_close_removes_the_directory() {
        on_face!({
            let scratch = scratch();
            let first = go!(objects::FileConnector::open(&scratch.store_dir)).unwrap();
            let second = go!(objects::FileConnector::open(&scratch.store_dir)).unwrap();
            let third = go!(objects::FileConnector::open(&scratch.store_dir)).unwrap();
            let keys = go!(first.put_batch(&["one".into(), "two".into()])).unwrap();
            go!(first.close()).unwrap();
            drop(third);
            assert_eq!(go!(second.get(&keys[0])).unwrap().unwrap(), "one");
            go!(first.close()).unwrap();
            assert_eq!(go!(second.get(&keys[1])).unwrap().unwrap(), "two");
            go!(second.close()).unwrap();
            assert!(!scratch.store_dir.exists());
            assert!(scratch.store_dir.parent().unwrap().exists());
            go!(second.close()).unwrap();
            // What was closed still answers.
            assert_eq!(go!(second.get(&keys[1])).unwrap(), None);
            assert_eq!(kind(go!(second.put("x"))), Some(ErrorKind::NotFound));
            assert!(!scratch.store_dir.exists());
        });
    }

    #[test]
    fn objects_that_are_kept_stay_and_nothing_else() {
        on_face!({
            let scratch = scratch();
            let connector = go!(objects::FileConnector::open(&scratch.store_dir)).unwrap();
            let key = go!(connector.put("kept")).unwrap();
            go!(connector.close_with(objects::Clear::Keep)).unwrap();
            go!(connector.close_with(objects::Clear::Remove)).unwrap();
            assert_eq!(go!(connector.get(&key)).unwrap().unwrap(), "kept");
            assert_eq!(scratch.names().len(), 2, "{:?}", scratch.names());

            let config = objects::FileConfig { clear: false, ..connector.config().unwrap() };
            let again = go!(objects::FileConnector::from_config(config)).unwrap();
            go!(again.close()).unwrap();
            assert_eq!(scratch.names().len(), 2);
            let again = go!(objects::FileConnector::open(&scratch.store_dir)).unwrap();
            assert_eq!(go!(again.get(&key)).unwrap().unwrap(), "kept");
            go!(again.close()).unwrap();
            assert!(!scratch.store_dir.exists());
        });
    }

    #[test]
    fn what_others_put_there_stays_and_so_does_the_directory() {
        on_face!({
            let scratch = scratch();
            let connector = go!(objects::FileConnector::open(&scratch.store_dir)).unwrap();
            let key = go!(connector.put("mine")).unwrap();
            let folder: String = key.filename.chars().take(2).collect();
            let foreign = ["notes.txt", "zz/a.obj", &format!("{folder}/notes.txt")];
            for name in foreign {
                let path = scratch.store_dir.join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, "not mine").unwrap();
            }
            go!(connector.close()).unwrap();
            let mut left = vec![folder, "zz".into()];
            left.extend(foreign.map(str::to_owned));
            left.sort();
            assert_eq!(scratch.names(), left);
        });
    }

    #[test]
    fn a_connector_that_is_dropped_removes_nothing_and_holds_nothing() {
        on_face!({
            let scratch = scratch();
            let key = {
                let dropped = go!(objects::FileConnector::open(&scratch.store_dir)).unwrap();
                go!(dropped.put("there")).unwrap()
            };
            let connector = go!(objects::FileConnector::open(&scratch.store_dir)).unwrap();
            assert_eq!(go!(connector.get(&key)).unwrap().unwrap(), "there");
            go!(connector.close()).unwrap();
            assert!(!scratch.store_dir.exists());
        });
    }

    #[test]
    fn a_directory_that_others_removed_is_no_error_of_closing() {
        on_face!({
            let scratch = scratch();
            let connector = go!(objects::FileConnector::open(&scratch.store_dir)).unwrap();
            let key = go!(connector.put("gone")).unwrap();
            std::fs::remove_dir_all(&scratch.store_dir).unwrap();
            assert_eq!(go!(connector.get(&key)).unwrap(), None);
            go!(connector.evict(&key)).unwrap();
            // A new directory of that name is not the one that was opened.
            let other = go!(objects::FileConnector::open(&scratch.store_dir)).unwrap();
            let key = go!(other.put("new")).unwrap();
            go!(connector.close()).unwrap();
            assert_eq!(go!(other.get(&key)).unwrap().unwrap(), "new");
            go!(other.close()).unwrap();
            assert!(!scratch.store_dir.exists());
        });
    }

    #[test]
    fn closing_a_store_connector_keeps_or_removes_what_is_there() {
        on_face!({
            let scratch = scratch();
            let url = scratch.store_dir.to_str().unwrap();
            let connector = go!(objects::StoreConnector::connect(url)).unwrap();
            let keys = go!(connector.put_batch(&["one".into(), "two".into()])).unwrap();
            std::fs::write(scratch.store_dir.join("notes.txt"), "not mine").unwrap();
            go!(connector.close()).unwrap();
            assert_eq!(go!(connector.get(&keys[0])).unwrap().unwrap(), "one");
            let config = objects::StoreConfig { clear: true, ..connector.config().unwrap() };
            let clearing = go!(objects::StoreConnector::from_config(config)).unwrap();
            go!(clearing.close()).unwrap();
            assert_eq!(scratch.names(), ["notes.txt"]);
            go!(clearing.close()).unwrap();
        });
    }

    #[test]
    fn a_connector_over_a_file_system_has_no_configuration() {
        on_face!({
            let connector = go!(objects::StoreConnector::connect("memory://")).unwrap();
            assert!(connector.config().unwrap().url.starts_with("memory://objects-"));
            let bare = objects::StoreConnector::new(memory_fs!());
            assert_eq!(kind(bare.config()), Some(ErrorKind::Unsupported));
            let key = go!(bare.put("x")).unwrap();
            assert_eq!(go!(bare.get(&key)).unwrap().unwrap(), "x");
        });
    }

    #[test]
    fn opening_and_closing_at_once_fails_nobody() {
        let scratch = scratch();
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let store_dir = &scratch.store_dir;
                scope.spawn(move || on_face!({
                    for _ in 0..30 {
                        let connector = go!(objects::FileConnector::open(store_dir)).unwrap();
                        let object = thread.to_le_bytes();
                        let key = go!(connector.put(&object)).unwrap();
                        // Held by this one at least, the directory is there.
                        assert_eq!(go!(connector.get(&key)).unwrap().unwrap(), object[..]);
                        go!(connector.close()).unwrap();
                    }
                }));
            }
        });
        assert!(!scratch.store_dir.exists());
    }
}
