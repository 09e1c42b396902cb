//! Objects in a directory that several processes share, on the sync face: every call of a connector.

use twinfs::blocking::objects::{Connector, FileConnector, FileKey, StoreConnector};

fn main() -> twinfs::Result<()> {
    let folder = tempfile::tempdir().map_err(twinfs::Error::from_io)?;
    let store_dir = folder.path().join("objects");
    let connector = FileConnector::open(&store_dir)?;

    let key = connector.put("serialized object")?;
    assert_eq!(connector.get(&key)?.as_deref(), Some(&b"serialized object"[..]));
    assert!(connector.exists(&key)?);

    let keys = connector.put_batch(&["one".into(), "two".into()])?;
    let missing = FileKey::new("missing");
    let found = connector.get_batch(&[keys[0].clone(), missing, keys[1].clone()])?;
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);

    connector.evict(&key)?;
    assert_eq!(connector.get(&key)?, None);

    // A key can be handed out before its object is there.
    let later = connector.new_key()?;
    connector.set(&later, vec![1, 2, 3])?;

    // Elsewhere: what it takes travels as JSON.
    let config = connector.config()?;
    let elsewhere = FileConnector::from_config(config)?;
    assert_eq!(elsewhere.get(&later)?.as_deref(), Some(&[1, 2, 3][..]));

    // The directory goes with the last connector.
    connector.close()?;
    assert!(store_dir.exists());
    elsewhere.close()?;
    assert!(!store_dir.exists());

    // The same over any other store.
    let memory = StoreConnector::connect("memory://objects")?;
    let key = memory.put("in memory")?;
    assert!(memory.exists(&key)?);
    Ok(())
}
