//! What a directory of objects looks like, and what happens to objects that others touch.

use std::io::{Seek, SeekFrom, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use twinfs::{Data, ErrorKind};

use crate::{bytes, kind, scratch};

/// The permission bits of a path.
fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Counts the names that appear in the folders of a directory of objects.
struct Watch(OwnedFd);

impl Watch {
    fn new(store_dir: &Path) -> Self {
        let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        for folder in 0..256 {
            let folder = store_dir.join(format!("{folder:02x}"));
            std::fs::create_dir(&folder).unwrap();
            inotify::add_watch(&watch, folder, WatchFlags::CREATE | WatchFlags::MOVED_TO).unwrap();
        }
        Self(watch)
    }

    /// How many have appeared since the last call.
    fn new_names(&mut self) -> usize {
        let mut room = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.0, &mut room);
        std::iter::from_fn(|| events.next().ok().map(drop)).count()
    }
}

faces! {
    #[test]
    fn objects_are_private_files_in_one_level_of_folders() {
        on_face!({
            let scratch = scratch();
            let connector = go!(objects::FileConnector::open(&scratch.store_dir)).unwrap();
            assert_eq!(mode(&scratch.store_dir), 0o700);
            for number in 0..600_u32 {
                go!(connector.put(&number.to_le_bytes())).unwrap();
            }
            let key = objects::FileKey::new("named");
            go!(connector.set(&key, "1")).unwrap();
            let files = scratch.files();
            assert_eq!(files.len(), 601);
            for file in &files {
                assert_eq!(mode(file), 0o600);
                assert_eq!(mode(file.parent().unwrap()), 0o700);
            }
            let folders = std::fs::read_dir(&scratch.store_dir).unwrap().count();
            assert!((2..=256).contains(&folders), "{folders} folders for 600 objects");
            // Somebody widened it; the next object there is private again.
            let named = files.iter().find(|file| file.ends_with("named.obj")).unwrap();
            std::fs::set_permissions(named, PermissionsExt::from_mode(0o644)).unwrap();
            go!(connector.set(&key, "2")).unwrap();
            assert_eq!(mode(named), 0o600);
        });
    }

    #[test]
    fn bytes_that_were_cut_or_changed_are_an_error_and_never_come_out() {
        on_face!({
            let scratch = scratch();
            let connector = go!(objects::FileConnector::open(&scratch.store_dir)).unwrap();
            for len in [0_usize, 1, 5000, 700_000] {
                let object = bytes(len, 3);
                let key = go!(connector.put(&object)).unwrap();
                let file = scratch.files().pop().unwrap();
                let whole = std::fs::read(&file).unwrap();
                for (what, damaged) in [
                    ("the first byte", { let mut w = whole.clone(); w[0] ^= 1; w }),
                    ("the length", { let mut w = whole.clone(); w[9] ^= 1; w }),
                    ("the last byte", { let mut w = whole.clone(); *w.last_mut().unwrap() ^= 1; w }),
                    ("cut by one", whole[..whole.len() - 1].to_vec()),
                    ("cut in half", whole[..whole.len() / 2].to_vec()),
                    ("empty", Vec::new()),
                    ("zeros", vec![0; whole.len()]),
                    ("one more", [&whole[..], b"x"].concat()),
                    ("without its head", object.clone()),
                ] {
                    std::fs::write(&file, &damaged).unwrap();
                    let error = go!(connector.get(&key)).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Io, "{what} of {len}");
                    assert!(error.path().unwrap().contains(&key.filename) && error.message().is_some(), "{error}");
                    assert_eq!(kind(go!(connector.get_batch(std::slice::from_ref(&key)))), Some(ErrorKind::Io), "{what}");
                    match go!(connector.find(&key, 1000)) {
                        Ok(Some(objects::Found::Large(mut reader))) => {
                            let mut read = vec![0; 1_000_000];
                            assert_eq!(kind(go!(reader.read_into(&mut read))), Some(ErrorKind::Io), "{what}");
                        }
                        found => assert_eq!(kind(found), Some(ErrorKind::Io), "{what} of {len}"),
                    }
                }
                // Such an object is there, and can be replaced or evicted.
                assert!(go!(connector.exists(&key)).unwrap());
                go!(connector.set(&key, "new")).unwrap();
                assert_eq!(go!(connector.get(&key)).unwrap().unwrap(), "new");
                go!(connector.evict(&key)).unwrap();
                assert!(scratch.files().is_empty());
            }
        });
    }

    #[test]
    fn planted_links_lead_nowhere() {
        on_face!({
            let scratch = scratch();
            let connector = go!(objects::FileConnector::open(&scratch.store_dir)).unwrap();
            let outside = scratch.store_dir.parent().unwrap().join("outside");
            std::fs::write(&outside, "secret").unwrap();
            std::fs::create_dir(scratch.store_dir.join("ab")).unwrap();
            symlink(&outside, scratch.store_dir.join("ab/ab-file.obj")).unwrap();
            symlink("../../outside", scratch.store_dir.join("ab/ab-relative.obj")).unwrap();
            symlink("/etc", scratch.store_dir.join("cd")).unwrap();
            symlink("loop", scratch.store_dir.join("ef")).unwrap();
            symlink("ef", scratch.store_dir.join("loop")).unwrap();
            for name in ["ab-file", "ab-relative", "cd-passwd", "ef-loop"] {
                let key = objects::FileKey::new(name);
                assert_eq!(go!(connector.get(&key)).unwrap(), None, "{name}");
                assert!(!go!(connector.exists(&key)).unwrap(), "{name}");
                assert!(go!(connector.find(&key, 1)).unwrap().is_none(), "{name}");
                assert_eq!(go!(connector.get_batch(std::slice::from_ref(&key))).unwrap(), [None], "{name}");
                assert_eq!(kind(go!(connector.set(&key, "x"))), Some(ErrorKind::InvalidPath), "{name}");
                go!(connector.evict(&key)).unwrap();
            }
            assert_eq!(std::fs::read_to_string(&outside).unwrap(), "secret");
            go!(connector.close()).unwrap();
            assert_eq!(std::fs::read_to_string(&outside).unwrap(), "secret");
        });
    }

    #[test]
    fn a_batch_with_a_bad_item_stores_none() {
        on_face!({
            let scratch = scratch();
            let connector = go!(objects::FileConnector::open(&scratch.store_dir)).unwrap();
            // The folders that objects could go to are files: all but one.
            for folder in 0..256 {
                if folder != 0x5a {
                    std::fs::write(scratch.store_dir.join(format!("{folder:02x}")), "in the way").unwrap();
                }
            }
            let object = bytes(300, 1);
            // Runs of neighbours share a folder, each a random one: with 40 of them one fails surely.
            let objects: Vec<Data<'_>> = (0..64 * 40).map(|_| Data::from(&object)).collect();
            assert_eq!(kind(go!(connector.put_batch(&objects))), Some(ErrorKind::NotADirectory));
            assert_eq!(scratch.files().len(), 0);
        });
    }

    #[test]
    fn objects_of_a_batch_get_names_as_single_ones_do() {
        on_face!({
            let scratch = scratch();
            let connector = go!(objects::FileConnector::open(&scratch.store_dir)).unwrap();
            let mut watch = Watch::new(&scratch.store_dir);
            go!(connector.put("one")).unwrap();
            // One name for each where the file system can make files without names.
            let single = watch.new_names();
            let object = bytes(300, 1);
            let objects: Vec<Data<'_>> = (0..300).map(|_| Data::from(&object)).collect();
            go!(connector.put_batch(&objects)).unwrap();
            assert_eq!(watch.new_names(), 300 * single);
        });
    }

    #[test]
    fn folders_come_and_go_with_their_objects() {
        on_face!({
            let scratch = scratch();
            let connector = go!(objects::FileConnector::open(&scratch.store_dir)).unwrap();
            let other = go!(objects::FileConnector::open(&scratch.store_dir)).unwrap();
            for round in 0..20 {
                let keys = go!(connector.put_batch(&["one".into(), "two".into()])).unwrap();
                let third = go!(connector.put("three")).unwrap();
                // The other one evicts the last object, and with it the folder that this one has open.
                for (number, key) in keys.iter().chain([&third]).enumerate() {
                    let evicting = if (number + round) % 3 == 0 { &connector } else { &other };
                    go!(evicting.evict(key)).unwrap();
                }
                assert!(scratch.files().is_empty());
            }
            let key = go!(connector.put("last")).unwrap();
            assert_eq!(go!(other.get(&key)).unwrap().unwrap(), "last");
            go!(connector.evict(&key)).unwrap();
            assert_eq!(go!(other.get(&key)).unwrap(), None);
            std::fs::remove_dir_all(&scratch.store_dir).unwrap();
            std::fs::create_dir(&scratch.store_dir).unwrap();
            assert_eq!(kind(go!(connector.put("x"))), Some(ErrorKind::NotFound));
        });
    }

    #[test]
    fn what_dead_writers_left_is_swept_by_opening() {
        on_face!({
            let scratch = scratch();
            let key = {
                let connector = go!(objects::FileConnector::open(&scratch.store_dir)).unwrap();
                go!(connector.put("kept")).unwrap()
            };
            let folder = scratch.files()[0].parent().unwrap().to_owned();
            for number in 0..100 {
                std::fs::write(folder.join(format!(".twinfs-{number:032x}")), "part of an object").unwrap();
            }
            let connector = go!(objects::FileConnector::open(&scratch.store_dir)).unwrap();
            assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
            assert_eq!(go!(connector.get(&key)).unwrap().unwrap(), "kept");
        });
    }

    #[test]
    fn a_full_disk_says_so_and_keeps_nothing() {
        let Some(disk) = crate::SmallDisk::mount() else { return };
        on_face!({
            let connector = go!(objects::FileConnector::open(disk.path.join("store"))).unwrap();
            let key = go!(connector.put("small")).unwrap();
            let free = disk.free();
            let large = bytes(8 << 20, 4);
            assert_eq!(kind(go!(connector.put(&large))), Some(ErrorKind::NoSpace));
            let objects: Vec<Data<'_>> = large.chunks(100_000).map(Data::from).collect();
            assert_eq!(kind(go!(connector.put_batch(&objects))), Some(ErrorKind::NoSpace));
            assert_eq!(kind(go!(connector.set(&key, &large))), Some(ErrorKind::NoSpace));
            // Folders that were made for the batch may stay.
            assert!(disk.free() + 64 >= free, "{} of {free} blocks are free", disk.free());
            assert_eq!(go!(connector.get(&key)).unwrap().unwrap(), "small");
            go!(connector.put(&large[..100_000])).unwrap();
        });
    }
}

#[test]
#[ignore = "soak: writes and reads more than 2 GiB"]
fn objects_over_2_gib_are_whole() {
    use twinfs::blocking::objects::{Connector as _, FileConnector};
    let scratch = scratch();
    let connector = FileConnector::open(&scratch.store_dir).unwrap();
    let mut object = vec![0; (2 << 30) + 12_345];
    for block in object.chunks_mut(1 << 20) {
        block[0] = 1;
    }
    if let Some(last) = object.last_mut() {
        *last = 9;
    }
    let key = connector.put(&object).unwrap();
    assert!(connector.get(&key).unwrap().unwrap() == object, "it is another");
    let file = scratch.files().pop().unwrap();
    let mut file = std::fs::OpenOptions::new().write(true).open(file).unwrap();
    file.seek(SeekFrom::End(-1)).unwrap();
    file.write_all(&[8]).unwrap();
    assert_eq!(kind(connector.get(&key)), Some(ErrorKind::Io));
}
