//! Staged uploads: bytes under an id that become a file when they are published.

use std::time::{Duration, SystemTime};

use super::prelude::*;
use super::trial::{BIG, pattern, quick};

face_fn! {
    fn staged<S: Store>(t: &Trial<'_, S>, content: &str) -> Outcome<StagedId> {
        let id = go!(t.fs.stage(&StageOptions::default()))?;
        go!(go!(t.fs.reopen(&id))?.write_at(0, content))?;
        Ok(id)
    }
}

face_fn! {
    fn is_listed<S: Store>(t: &Trial<'_, S>, id: &StagedId) -> Outcome<Option<Staged>> {
        Ok(go!(t.fs.list_staged())?.into_iter().find(|staged| staged.id == *id))
    }
}

face_fn! {
    /// Writes every second block of `data`, backwards.
    fn write_every_second<S: Store>(file: &File<S>, data: &[u8], block: usize, first: usize) -> Outcome {
        let blocks: Vec<(usize, &[u8])> = data.chunks(block).enumerate().filter(|(index, _)| index % 2 == first).collect();
        for (index, bytes) in blocks.into_iter().rev() {
            go!(file.write_at((index * block) as u64, bytes))?;
        }
        Ok(())
    }
}

trials! {
    fn an_upload_becomes_a_file(t) needs [Write, StagedUploads] {
        let id = go!(staged(t, "hello"))?;
        same!(go!(t.tree())?, [""; 0], "shows in a listing");
        let metadata = go!(t.fs.publish(&id, t.at("new/dir/file"), &WriteOptions::default()))?;
        same!((metadata.kind, metadata.len), (EntryKind::File, 5));
        if t.caps().if_version {
            same!(metadata.version, Some(go!(t.version("new/dir/file"))?));
        }
        same!(go!(t.get("new/dir/file"))?, "hello");
        same!(go!(t.tree())?, ["new/", "new/dir/", "new/dir/file"]);
        ensure!(go!(is_listed(t, &id))?.is_none(), "still listed as staged");
        let id = go!(staged(t, "over it"))?;
        go!(t.fs.publish(&id, t.at("new/dir/file"), &WriteOptions::default()))?;
        same!(go!(t.get("new/dir/file"))?, "over it");
    }

    fn an_empty_upload_is_an_empty_file(t) needs [Write, StagedUploads] {
        let id = go!(t.fs.stage(&StageOptions::default()))?;
        go!(t.fs.publish(&id, t.at("empty"), &WriteOptions::default()))?;
        same!(go!(t.get("empty"))?, "");
    }

    fn bytes_are_staged_in_one_call(t) needs [Write, StagedUploads] {
        let new = StagedTarget::New(StageOptions::default());
        let id = go!(t.fs.write_staged(&new, 3, "lo"))?;
        let known = StagedTarget::Known(id.clone());
        same!(go!(t.fs.write_staged(&known, 0, "hel"))?, id);
        go!(t.fs.publish(&id, t.at("file"), &WriteOptions::default()))?;
        refused!(t, go!(t.fs.write_staged(&known, 0, "CHANGED")), NotFound);
        same!(go!(t.get("file"))?, "hello");
        ensure!(go!(is_listed(t, &id))?.is_none(), "still listed as staged");
    }

    fn many_uploads_are_published_in_one_call(t) needs [Write, StagedUploads, Directories] {
        go!(t.put("full/inner", b"y"))?;
        let mut items = Vec::new();
        // More than a store takes at a time.
        for number in 0..300_usize {
            let id = go!(staged(t, &number.to_string()))?;
            items.push(PublishItem { id, path: t.path(&format!("{}/{number:03}", number % 7))? });
        }
        let gone = go!(staged(t, "gone"))?;
        go!(t.fs.discard(&gone))?;
        let (twice, kept) = (go!(staged(t, "twice"))?, go!(staged(t, "kept"))?);
        let item = |id: &StagedId, path: &str| Ok::<_, Failure>(PublishItem { id: id.clone(), path: t.path(path)? });
        items.push(item(&gone, "gone")?);
        items.push(item(&twice, "0/000")?);
        items.push(item(&twice, "again")?);
        items.push(item(&kept, "full")?);
        let options = WriteOptions { durability: t.caps().durable.then_some(Durability::Full), ..WriteOptions::default() };
        let published = go!(t.fs.publish_many(&items, &options))?;
        same!(published.len(), items.len());
        for (number, result) in published.iter().take(300).enumerate() {
            same!(result.as_ref().map(|metadata| metadata.len).ok(), Some(number.to_string().len() as u64));
            let expected = if number == 0 { "twice".to_owned() } else { number.to_string() };
            same!(go!(t.get(&format!("{}/{number:03}", number % 7)))?, expected);
        }
        let kinds: Vec<_> = published[300..].iter().map(|one| one.as_ref().err().map(crate::Error::kind)).collect();
        same!(kinds, [Some(ErrorKind::NotFound), None, Some(ErrorKind::NotFound), Some(ErrorKind::IsADirectory)]);
        same!(go!(is_listed(t, &kept))?.map(|staged| staged.len), Some(4), "the upload is kept");
        if t.caps().if_version {
            let last = published[299].as_ref().ok().and_then(|metadata| metadata.version.clone());
            same!(last, Some(go!(t.version("5/299"))?));
        }
    }

    fn uploads_are_written_in_any_order_by_several_handles(t) needs [Write, StagedUploads] {
        let data = pattern(BIG);
        let id = go!(t.fs.stage(&StageOptions::default()))?;
        let (even, odd) = (go!(t.fs.reopen(&id))?, go!(t.fs.reopen(&id))?);
        let (first, second) = together!(
            { go!(write_every_second(&even, &data, 300_000, 0)) },
            { go!(write_every_second(&odd, &data, 300_000, 1)) }
        );
        first?;
        second?;
        same!(go!(even.len())?, BIG as u64);
        same!(go!(even.read_at(299_990, 20))?, &data[299_990..300_010], "the other handle's bytes");
        drop((even, odd));
        same!(go!(go!(t.fs.reopen(&id))?.read_at(0, BIG + 1))?, data, "opened again");
        go!(t.fs.publish(&id, t.at("file"), &WriteOptions::default()))?;
        same!(go!(t.get("file"))?, data);
    }

    fn an_upload_is_a_file_of_its_own(t) needs [Write, StagedUploads] {
        let id = go!(t.fs.stage(&StageOptions::default()))?;
        let file = go!(t.fs.reopen(&id))?;
        go!(file.write_at(5, "end"))?;
        same!(go!(file.read_at(0, 100))?, b"\0\0\0\0\0end"[..]);
        go!(file.set_len(6))?;
        go!(file.set_len(7))?;
        go!(file.flush_to_disk())?;
        same!(go!(file.len())?, 7);
        same!(go!(file.metadata())?.len, 7);
        go!(t.fs.publish(&id, t.at("file"), &WriteOptions::default()))?;
        same!(go!(t.get("file"))?, b"\0\0\0\0\0e\0"[..]);
    }

    fn an_upload_outlives_its_handles(t) needs [Write, StagedUploads] {
        let id = go!(staged(t, "kept"))?;
        let file = go!(t.fs.reopen(&id))?;
        refused!(t, go!(file.commit()), Unsupported, "commit");
        go!(file.abort())?;
        refused!(t, go!(file.read_at(0, 1)), Closed);
        refused!(t, go!(file.write_at(0, "x")), Closed);
        let again = StagedId::new(id.as_str())?;
        same!(go!(go!(t.fs.reopen(&again))?.read_at(0, 10))?, "kept");
        go!(t.fs.discard(&again))?;
    }

    fn uploads_are_listed(t) needs [Write, StagedUploads] {
        let before = SystemTime::now();
        let keep = Duration::from_secs(3600);
        let mut ids = Vec::new();
        for number in 0..3_usize {
            let id = go!(t.fs.stage(&StageOptions { keep }))?;
            go!(go!(t.fs.reopen(&id))?.write_at(0, pattern(number)))?;
            ids.push(id);
        }
        let listed = go!(t.fs.list_staged())?;
        ensure!(listed.is_sorted_by(|a, b| a.id.as_str() < b.id.as_str()), "not by id: {listed:?}");
        for (number, id) in ids.iter().enumerate() {
            let Some(staged) = listed.iter().find(|staged| staged.id == *id) else {
                return Err(Failure::wrong(format!("{id} is not listed")));
            };
            same!(staged.len, number as u64);
            // A file system's clock may be a tick behind.
            ensure!(staged.expires + Duration::from_secs(2) >= before + keep, "expires too soon: {staged:?}");
            ensure!(staged.expires >= staged.created, "{staged:?}");
        }
        for id in &ids {
            go!(t.fs.discard(id))?;
        }
        let listed = go!(t.fs.list_staged())?;
        ensure!(ids.iter().all(|id| listed.iter().all(|staged| staged.id != *id)), "listed after discard");
    }

    fn an_upload_that_is_gone_is_not_found(t) needs [Write, StagedUploads] {
        let published = go!(staged(t, "x"))?;
        go!(t.fs.publish(&published, t.at("file"), &WriteOptions::default()))?;
        let discarded = go!(staged(t, "y"))?;
        go!(t.fs.discard(&discarded))?;
        for id in [published, discarded, StagedId::new("0123456789abcdef0123456789abcdef")?, StagedId::new("x")?] {
            refused!(t, go!(t.fs.reopen(&id)), NotFound, "reopen {id}");
            refused!(t, go!(t.fs.publish(&id, t.at("other"), &WriteOptions::default())), NotFound, "publish {id}");
            refused!(t, go!(t.fs.discard(&id)), NotFound, "discard {id}");
        }
        same!(go!(t.tree())?, ["file"]);
    }

    fn a_handle_cannot_change_what_was_published(t) needs [Write, StagedUploads] {
        let id = go!(staged(t, "published"))?;
        let file = go!(t.fs.reopen(&id))?;
        go!(t.fs.publish(&id, t.at("file"), &WriteOptions::default()))?;
        // Refused or without effect; the file is whole.
        if let Err(error) = go!(file.write_at(0, "CHANGED")) {
            t.observe(error.kind());
        }
        if let Err(error) = go!(file.set_len(1)) {
            t.observe(error.kind());
        }
        drop(file);
        same!(go!(t.get("file"))?, "published");
    }

    fn publish_takes_a_condition_and_keeps_the_upload(t) needs [Write, StagedUploads, IfAbsent, IfVersion] {
        go!(t.put("file", b"old"))?;
        let stale = go!(t.version("file"))?;
        go!(t.put("file", b"now"))?;
        let now = go!(t.version("file"))?;
        let id = go!(staged(t, "new"))?;
        let on = |condition| WriteOptions { condition, ..quick() };
        let (file, other) = (t.at("file"), t.at("other"));
        refused!(t, go!(t.fs.publish(&id, &file, &on(Condition::IfAbsent))), ConditionFailed);
        refused!(t, go!(t.fs.publish(&id, &file, &on(Condition::IfVersion(stale.clone())))), ConditionFailed);
        refused!(t, go!(t.fs.publish(&id, &other, &on(Condition::IfVersion(stale)))), ConditionFailed);
        same!(go!(t.get("file"))?, "now");
        same!(go!(is_listed(t, &id))?.map(|staged| staged.len), Some(3), "the upload is kept");
        go!(t.fs.publish(&id, &file, &on(Condition::IfVersion(now))))?;
        same!(go!(t.get("file"))?, "new");
        let id = go!(staged(t, "other"))?;
        go!(t.fs.publish(&id, &other, &on(Condition::IfAbsent)))?;
        same!(go!(t.tree())?, ["file", "other"]);
    }

    fn publish_keeps_the_upload_where_no_file_can_be(t) needs [Write, StagedUploads, Directories] {
        go!(t.put("file", b"x"))?;
        go!(t.put("full/inner", b"y"))?;
        go!(t.make_dir("empty"))?;
        let id = go!(staged(t, "new"))?;
        for path in [t.at("full"), t.at("empty"), String::new()] {
            refused!(t, go!(t.fs.publish(&id, &path, &quick())), IsADirectory, "'{path}'");
        }
        refused!(t, go!(t.fs.publish(&id, t.at("file/below"), &quick())), NotADirectory);
        let required = quick().parents(Parents::Require);
        refused!(t, go!(t.fs.publish(&id, t.at("n/o/file"), &required)), NotFound);
        same!(go!(t.tree())?, ["empty/", "file", "full/", "full/inner"]);
        go!(t.fs.publish(&id, t.at("empty/file"), &required))?;
        same!(go!(t.get("empty/file"))?, "new");
    }
}
