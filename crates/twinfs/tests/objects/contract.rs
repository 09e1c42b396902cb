//! What every connector does, over every store.

use std::collections::HashMap;

use twinfs::{Data, ErrorKind};

use crate::{bytes, kind, scratch};

connectors! {
    fn an_object_is_what_was_put(connector) {
        for len in [0, 1, 23, 4096, 100_000, 300_000, 3_000_000] {
            let object = bytes(len, 1);
            let key = go!(connector.put(&object)).unwrap();
            assert_eq!(go!(connector.get(&key)).unwrap().unwrap(), object, "{len}");
            assert!(go!(connector.exists(&key)).unwrap());
            go!(connector.evict(&key)).unwrap();
            assert!(!go!(connector.exists(&key)).unwrap());
            assert_eq!(go!(connector.get(&key)).unwrap(), None);
            go!(connector.evict(&key)).unwrap();
        }
    }

    fn large_objects_can_be_read_in_pieces(connector) {
        let object = bytes(2_000_000, 2);
        let key = go!(connector.put(&object)).unwrap();
        let whole = go!(connector.find(&key, 2_000_000)).unwrap().unwrap();
        assert!(matches!(whole, objects::Found::Whole(found) if found == object));
        for limit in [0, 1_999_999] {
            let Some(objects::Found::Large(mut reader)) = go!(connector.find(&key, limit)).unwrap() else {
                panic!("an object of 2 MB is larger than {limit} bytes")
            };
            assert_eq!((reader.len(), reader.is_empty()), (2_000_000, false));
            let (mut read, mut piece) = (Vec::new(), vec![0; 777_777]);
            loop {
                match go!(reader.read_into(&mut piece)).unwrap() {
                    0 => break,
                    count => read.extend_from_slice(&piece[..count]),
                }
            }
            assert!(read == object, "read in pieces it is another");
        }
        assert!(go!(connector.find(&connector.new_key().unwrap(), 0)).unwrap().is_none());
    }

    fn batches_keep_their_order(connector) {
        let objects: Vec<Vec<u8>> = (0..1500_u64)
            .map(|number| bytes(if number % 500 == 7 { 400_000 } else { (number % 97) as usize }, number))
            .collect();
        let data: Vec<Data<'_>> = objects.iter().map(Data::from).collect();
        let mut keys = go!(connector.put_batch(&data)).unwrap();
        assert_eq!(keys.iter().collect::<std::collections::HashSet<_>>().len(), keys.len());
        keys.insert(3, connector.new_key().unwrap());
        keys.push(keys[0].clone());
        let found = go!(connector.get_batch(&keys)).unwrap();
        assert_eq!(found.len(), 1502);
        assert_eq!(found[3], None);
        assert_eq!(found[1501].as_deref(), Some(&objects[0][..]));
        for (number, object) in objects.iter().enumerate() {
            let place = if number < 3 { number } else { number + 1 };
            assert!(found[place].as_deref() == Some(&object[..]), "{number}");
        }
        assert!(go!(connector.put_batch(&[])).unwrap().is_empty());
        assert!(go!(connector.get_batch(&[])).unwrap().is_empty());
    }

    fn a_key_can_be_set_before_and_again(connector) {
        let key = connector.new_key().unwrap();
        assert!(!go!(connector.exists(&key)).unwrap());
        for object in ["first", "a longer second", "3"] {
            go!(connector.set(&key, object)).unwrap();
            assert_eq!(go!(connector.get(&key)).unwrap().unwrap(), object);
        }
        let own = key!("a key of my own: 100 %, é");
        go!(connector.set(&own, "x")).unwrap();
        assert_eq!(go!(connector.get(&own)).unwrap().unwrap(), "x");
        go!(connector.evict(&own)).unwrap();
        assert!(go!(connector.exists(&key)).unwrap());
    }

    fn hostile_keys_name_nothing(connector) {
        let long = "x".repeat(252);
        for name in [
            "", ".", "..", "/", "//", "../x", "../../etc/passwd", "/etc/passwd", "a/b", "a/../b", "ab/x", "a\0b",
            "a\nb", "\u{85}", ".twinfs-lock", ".twinfs-x", long.as_str(),
        ] {
            let key = key!(name);
            assert_eq!(kind(go!(connector.set(&key, "x"))), Some(ErrorKind::InvalidPath), "{name:?}");
            assert_eq!(go!(connector.get(&key)).unwrap(), None, "{name:?}");
            assert!(go!(connector.find(&key, 9)).unwrap().is_none(), "{name:?}");
            assert!(!go!(connector.exists(&key)).unwrap(), "{name:?}");
            go!(connector.evict(&key)).unwrap();
            assert_eq!(go!(connector.get_batch(&[key])).unwrap(), [None], "{name:?}");
        }
    }

    fn another_connector_of_the_configuration_has_the_objects(connector) {
        let key = go!(connector.put("here")).unwrap();
        let config = connector.config().unwrap();
        let json = serde_json::to_string(&config).unwrap();
        assert!(!json.contains("null"), "{json}");
        let config_again = serde_json::from_str(&json).unwrap();
        assert_eq!(config, config_again);
        let key_again = serde_json::from_str(&serde_json::to_string(&key).unwrap()).unwrap();
        assert_eq!(key, key_again);
        let other = go!(from_config(connector, config_again)).unwrap();
        assert_eq!(other.config().unwrap(), config);
        assert_eq!(go!(other.get(&key_again)).unwrap().unwrap(), "here");
        go!(other.evict(&key_again)).unwrap();
        assert!(!go!(connector.exists(&key)).unwrap());
        let by_key = HashMap::from([(key, 1)]);
        assert_eq!(by_key[&key_again], 1);
        go!(other.close()).unwrap();
    }

    fn getting_and_evicting_at_once_fails_nobody(connector) {
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                scope.spawn(move || on_face!({
                    for round in 0..100_u64 {
                        let key = key!(format!("key {}", round / 4));
                        let object = [7; 5000];
                        match (thread + round) % 4 {
                            0 => go!(connector.set(&key, &object)).unwrap(),
                            1 => go!(connector.evict(&key)).unwrap(),
                            _ => {
                                let found = go!(connector.get(&key)).unwrap();
                                assert!(found.is_none_or(|found| found == object[..]));
                                go!(connector.exists(&key)).unwrap();
                            }
                        }
                    }
                }));
            }
        });
    }
}
