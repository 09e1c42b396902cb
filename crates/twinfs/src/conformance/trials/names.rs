//! Hostile names: what is no path is refused by every verb, what is one goes through byte for byte.

use super::prelude::*;
use super::trial::{quick, quick_dir, quick_move, quick_removal};
use crate::conformance::hostile_names;
use crate::path::{MAX_COMPONENT_BYTES, MAX_PATH_BYTES};

/// The hostile names that no path can have, below a directory.
fn illegal() -> impl Iterator<Item = String> {
    hostile_names().into_iter().filter(|name| FsPath::new(&format!("d/{name}")).is_err())
}

/// Those that are unusual, and names all the same: of one component, and not a place already.
fn legal() -> impl Iterator<Item = String> {
    let is_one =
        |name: &String| FsPath::new(name).is_ok_and(|path| path.as_str() == *name) && !name.contains('/');
    hostile_names().into_iter().filter(|name| FsPath::new(&format!("d/{name}")).is_ok()).filter(is_one)
}

face_fn! {
    /// Every verb with a path that is none.
    fn refuse_everywhere<S: Store>(t: &Trial<'_, S>, path: &str, id: Option<&StagedId>) -> Outcome {
        let (fs, good) = (t.fs, t.at("good"));
        refused!(t, go!(fs.stat(path)), InvalidPath, "stat {path:?}");
        refused!(t, go!(fs.stat_with(path, &StatOptions { version: true })), InvalidPath, "stat_with {path:?}");
        refused!(t, go!(fs.exists(path)), InvalidPath, "exists {path:?}");
        refused!(t, go!(fs.is_file(path)), InvalidPath, "is_file {path:?}");
        refused!(t, go!(fs.is_dir(path)), InvalidPath, "is_dir {path:?}");
        refused!(t, go!(fs.read(path)), InvalidPath, "read {path:?}");
        refused!(t, go!(fs.read_range(path, 0..1)), InvalidPath, "read_range {path:?}");
        refused!(t, go!(fs.read_with(path, &ReadOptions::default())), InvalidPath, "read_with {path:?}");
        refused!(t, go!(fs.write(path, "x")), InvalidPath, "write {path:?}");
        refused!(t, go!(fs.write_with(path, "x", &quick())), InvalidPath, "write_with {path:?}");
        refused!(t, go!(fs.write_parts(path, &["x".into()], &quick())), InvalidPath, "write_parts {path:?}");
        for mode in [Mode::Read, Mode::Write, Mode::Create, Mode::Append, Mode::Update, Mode::Overwrite] {
            refused!(t, go!(fs.open(path, mode)), InvalidPath, "open {mode:?} {path:?}");
        }
        refused!(t, go!(fs.list(path)), InvalidPath, "list {path:?}");
        refused!(t, go!(fs.entries(path, &ListOptions::default())), InvalidPath, "entries {path:?}");
        refused!(t, go!(fs.walk(path)), InvalidPath, "walk {path:?}");
        refused!(t, go!(fs.disk_usage(path)), InvalidPath, "disk_usage {path:?}");
        refused!(t, go!(fs.create_dir(path)), InvalidPath, "create_dir {path:?}");
        refused!(t, go!(fs.create_dir_all(path)), InvalidPath, "create_dir_all {path:?}");
        refused!(t, go!(fs.create_dir_with(path, &quick_dir())), InvalidPath, "create_dir_with {path:?}");
        refused!(t, go!(fs.remove(path)), InvalidPath, "remove {path:?}");
        refused!(t, go!(fs.remove_with(path, &quick_removal())), InvalidPath, "remove_with {path:?}");
        refused!(t, go!(fs.remove_dir(path)), InvalidPath, "remove_dir {path:?}");
        refused!(t, go!(fs.remove_dir_with(path, &quick_removal())), InvalidPath, "remove_dir_with {path:?}");
        refused!(t, go!(fs.remove_all(path)), InvalidPath, "remove_all {path:?}");
        refused!(t, go!(fs.remove_all_with(path, &quick_removal())), InvalidPath, "remove_all_with {path:?}");
        refused!(t, go!(fs.rename(path, &good)), InvalidPath, "rename from {path:?}");
        refused!(t, go!(fs.rename(&good, path)), InvalidPath, "rename to {path:?}");
        refused!(t, go!(fs.rename_with(&good, path, &quick_move())), InvalidPath, "rename_with {path:?}");
        refused!(t, go!(fs.copy(path, &good)), InvalidPath, "copy from {path:?}");
        refused!(t, go!(fs.copy(&good, path)), InvalidPath, "copy to {path:?}");
        refused!(t, go!(fs.copy_with(&good, path, &quick_move())), InvalidPath, "copy_with {path:?}");
        if let Some(id) = id {
            refused!(t, go!(fs.publish(id, path, &quick())), InvalidPath, "publish {path:?}");
        }
        Ok(())
    }
}

face_fn! {
    /// Every verb with a name that is unusual, and a name.
    fn round_trip<S: Store>(t: &Trial<'_, S>, name: &str) -> Outcome {
        let (fs, path, other) = (t.fs, t.at(name), t.at(&format!("d/{name}")));
        let content = name.as_bytes();
        go!(fs.write_with(&path, content, &quick()))?;
        same!(go!(fs.read(&path))?, content, "{name:?}");
        same!(go!(fs.stat(&path))?.len, content.len() as u64, "{name:?}");
        ensure!(go!(fs.is_file(&path))?, "{name:?}");
        same!(go!(t.tree())?, [name], "listed under another name");
        go!(fs.rename_with(&path, &other, &quick_move()))?;
        ensure!(!go!(fs.exists(&path))?, "{name:?}: still there after rename");
        go!(fs.copy_with(&other, &path, &quick_move()))?;
        same!(go!(fs.read(&path))?, content, "{name:?} copied");
        let below: Vec<String> = go!(fs.list(t.at("d")))?.iter().map(|entry| entry.path.name().to_owned()).collect();
        same!(below, [name], "listed under another name");
        let many = go!(fs.read_many(&[t.path(name)?]))?;
        same!(many.len(), 1);
        if t.caps().update_handles {
            let options = OpenOptions::from(Mode::Append).durability(Durability::None);
            let file = go!(fs.open(&path, options))?;
            go!(file.write_at(0, "+"))?;
            go!(file.commit())?;
            same!(go!(fs.stat(&path))?.len, content.len() as u64 + 1, "{name:?} appended");
        }
        if t.caps().staged_uploads {
            let id = go!(fs.stage(&StageOptions::default()))?;
            go!(fs.publish(&id, &path, &quick()))?;
            same!(go!(fs.stat(&path))?.len, 0, "{name:?} published");
        }
        go!(fs.remove_with(&path, &quick_removal()))?;
        go!(fs.remove_all_with(t.at("d"), &quick_removal()))?;
        if t.caps().directories {
            go!(fs.create_dir_with(&path, &quick_dir()))?;
            go!(fs.write_with(t.at(&format!("{name}/{name}")), content, &quick()))?;
            same!(go!(t.tree())?, [format!("{name}/"), format!("{name}/{name}")]);
            go!(fs.remove_with(t.at(&format!("{name}/{name}")), &quick_removal()))?;
            go!(fs.remove_dir_with(&path, &quick_removal()))?;
        }
        same!(go!(t.tree())?, [""; 0], "{name:?} left something");
        Ok(())
    }
}

trials! {
    fn hostile_names_are_refused_by_every_verb(t) needs [Write] {
        go!(t.put("good", b"good"))?;
        let before = go!(t.fs.list(""))?;
        let id = if t.caps().staged_uploads { Some(go!(t.fs.stage(&StageOptions::default()))?) } else { None };
        for name in illegal() {
            go!(refuse_everywhere(t, &t.at(&name), id.as_ref()))?;
            if FsPath::new(&name).is_err() {
                go!(refuse_everywhere(t, &name, id.as_ref()))?;
            }
        }
        if let Some(id) = id {
            go!(t.fs.discard(&id))?;
        }
        same!(go!(t.tree())?, ["good"]);
        same!(go!(t.fs.list(""))?, before, "something new at the root");
    }

    fn unusual_names_go_through_every_verb(t) needs [Write] {
        let before = go!(t.fs.list(""))?;
        let mut count = 0;
        let nth = t.options().every_nth_name.max(1);
        for name in legal().step_by(nth) {
            go!(round_trip(t, &name))?;
            count += nth;
        }
        ensure!(count > 200, "only {count} names");
        same!(go!(t.fs.list(""))?, before, "something new at the root");
    }

    fn names_differ_by_every_byte(t) needs [Write] {
        // Names that some systems fold into one: case, Unicode forms, trailing dots and spaces.
        let names = [
            " file", "FILE", "File", "file", "file ", "file.", "e\u{301}", "\u{e9}", "\u{fb01}le", "ﬀ", "ß", "ss", "ẞ",
            "\u{212b}", "\u{c5}", "A\u{30a}", "İ", "i\u{307}", "ı", "I",
        ];
        for name in names {
            go!(t.put(name, name.as_bytes()))?;
        }
        for name in names {
            same!(go!(t.get(name))?, name.as_bytes(), "{name:?}");
        }
        let mut sorted = names;
        sorted.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        same!(go!(t.tree())?, sorted);
    }

    fn the_longest_names_go_through(t) needs [Write] {
        let name = "x".repeat(MAX_COMPONENT_BYTES);
        go!(round_trip(t, &name))?;
        go!(round_trip(t, &"é".repeat(MAX_COMPONENT_BYTES / 2)))?;
        if t.caps().write_handles {
            let file = go!(t.open(&name, Mode::Write))?;
            go!(file.write_at(0, "x"))?;
            go!(file.commit())?;
            same!(go!(t.get(&name))?, "x");
        }
    }

    fn the_longest_paths_go_through(t) needs [Write] {
        let mut path = t.dir().to_owned();
        while path.len() + 1 < MAX_PATH_BYTES {
            let room = (MAX_PATH_BYTES - path.len() - 1).min(MAX_COMPONENT_BYTES);
            // A path may not end in a slash, so the last component takes what would be left over.
            let rest = MAX_PATH_BYTES - path.len() - 1 - room;
            path.push('/');
            path.push_str(&"y".repeat(if rest == 1 { room - 1 } else { room }));
        }
        same!(path.len(), MAX_PATH_BYTES);
        go!(t.fs.write_with(&*path, "deep", &quick()))?;
        same!(go!(t.fs.read(&*path))?, "deep");
        let all = go!(go!(t.fs.walk(t.dir()))?.collect_all())?;
        same!(all.last().map(|entry| entry.path.as_str().len()), Some(MAX_PATH_BYTES));
        refused!(t, go!(t.fs.write(format!("{path}z"), "x")), InvalidPath);
        go!(t.fs.remove(&*path))?;
    }
}
