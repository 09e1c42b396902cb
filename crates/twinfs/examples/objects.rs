//! Objects in a directory that several processes share, on the async face: every call of a connector.

use twinfs::objects::{Connector, FileConnector, FileKey, StoreConnector};

fn main() -> twinfs::Result<()> {
    smol::block_on(async {
        let folder = tempfile::tempdir().map_err(twinfs::Error::from_io)?;
        let store_dir = folder.path().join("objects");
        let connector = FileConnector::open(&store_dir).await?;

        let key = connector.put("serialized object").await?;
        assert_eq!(connector.get(&key).await?.as_deref(), Some(&b"serialized object"[..]));
        assert!(connector.exists(&key).await?);

        let keys = connector.put_batch(&["one".into(), "two".into()]).await?;
        let missing = FileKey::new("missing");
        let found = connector.get_batch(&[keys[0].clone(), missing, keys[1].clone()]).await?;
        assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);

        connector.evict(&key).await?;
        assert_eq!(connector.get(&key).await?, None);

        // A key can be handed out before its object is there.
        let later = connector.new_key()?;
        connector.set(&later, vec![1, 2, 3]).await?;

        // Elsewhere: what it takes travels as JSON.
        let config = connector.config()?;
        let elsewhere = FileConnector::from_config(config).await?;
        assert_eq!(elsewhere.get(&later).await?.as_deref(), Some(&[1, 2, 3][..]));

        // The directory goes with the last connector.
        connector.close().await?;
        assert!(store_dir.exists());
        elsewhere.close().await?;
        assert!(!store_dir.exists());

        // The same over any other store.
        let memory = StoreConnector::connect("memory://objects").await?;
        let key = memory.put("in memory").await?;
        assert!(memory.exists(&key).await?);
        Ok(())
    })
}
