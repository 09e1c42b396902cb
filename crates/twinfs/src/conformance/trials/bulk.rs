//! Many files in one call.

use super::prelude::*;
use super::trial::{pattern, quick};

trials! {
    fn read_many_keeps_the_order(t) needs [Files] {
        let mut paths = Vec::new();
        for number in 0..50_usize {
            go!(t.put(&format!("d{}/{number}", number % 7), &pattern(number * 37)))?;
        }
        for number in (0..50).rev() {
            paths.push(t.path(&format!("d{}/{number}", number % 7))?);
            paths.push(t.path(&format!("missing/{number}"))?);
        }
        paths.push(paths[0].clone());
        let results = go!(t.fs.read_many(&paths))?;
        same!(results.len(), paths.len());
        for (index, (path, result)) in paths.iter().zip(results).enumerate() {
            if index < 100 && index % 2 == 1 {
                refused!(t, result, NotFound, "{path}");
            } else {
                let number: usize = path.name().parse().unwrap_or(usize::MAX);
                same!(result?, pattern(number * 37), "{path}");
            }
        }
        ensure!(go!(t.fs.read_many(&[]))?.is_empty(), "nothing asked for, something read");
    }

    fn read_many_has_an_error_for_each(t) needs [Files, Directories] {
        go!(t.put("file", b"x"))?;
        go!(t.put("d/file", b"y"))?;
        let paths = [t.path("d")?, t.path("file")?, t.path("file/below")?, t.path("d/file")?];
        let mut results = go!(t.fs.read_many(&paths))?.into_iter();
        let mut next = || results.next().ok_or_else(|| Failure::wrong("too few results"));
        refused!(t, next()?, IsADirectory);
        same!(next()??, "x");
        let error = next()?.err();
        same!(error.as_ref().map(crate::Error::kind), Some(ErrorKind::NotADirectory));
        same!(error.as_ref().and_then(crate::Error::path), Some(paths[2].as_str()));
        same!(next()??, "y");
    }

    fn stat_many_keeps_the_order(t) needs [Files] {
        let mut paths = Vec::new();
        for number in 0..30 {
            go!(t.put(&format!("{number}"), &pattern(number)))?;
            paths.push(t.path(&format!("{number}"))?);
            paths.push(t.path(&format!("missing {number}"))?);
        }
        let results = go!(t.fs.stat_many(&paths, &StatOptions::default()))?;
        same!(results.len(), paths.len());
        for (index, result) in results.into_iter().enumerate() {
            if index % 2 == 1 {
                refused!(t, result, NotFound);
            } else {
                same!(result?.len, index as u64 / 2);
            }
        }
        ensure!(go!(t.fs.stat_many(&[], &StatOptions::default()))?.is_empty(), "nothing asked for, something found");
    }

    fn write_many_writes_each_whole(t) needs [Write] {
        let contents: Vec<Vec<u8>> = (0..40).map(|number| pattern(number * 101)).collect();
        let mut items = Vec::new();
        for (number, content) in contents.iter().enumerate() {
            items.push(WriteItem { path: t.path(&format!("d{}/{number}", number % 3))?, data: content.into() });
        }
        let results = go!(t.fs.write_many(&items, &quick()))?;
        same!(results.len(), items.len());
        for (number, result) in results.into_iter().enumerate() {
            same!(result?.len, number as u64 * 101);
            same!(go!(t.get(&format!("d{}/{number}", number % 3)))?, contents[number], "{number}");
        }
        ensure!(go!(t.fs.write_many(&[], &quick()))?.is_empty(), "nothing to write, something written");
    }

    fn write_many_has_a_condition_for_each(t) needs [Write, IfAbsent] {
        go!(t.put("there", b"old"))?;
        let mut items = Vec::new();
        for name in ["new", "there", "new too"] {
            items.push(WriteItem { path: t.path(name)?, data: "new".into() });
        }
        let options = WriteOptions { condition: Condition::IfAbsent, ..quick() };
        let mut results = go!(t.fs.write_many(&items, &options))?.into_iter();
        let mut next = || results.next().ok_or_else(|| Failure::wrong("too few results"));
        next()??;
        refused!(t, next()?, ConditionFailed);
        next()??;
        same!(go!(t.get("there"))?, "old");
        same!(go!(t.get("new too"))?, "new");
    }

    fn write_many_has_an_error_for_each(t) needs [Write, Directories] {
        go!(t.put("file", b"x"))?;
        go!(t.make_dir("d"))?;
        let mut items = Vec::new();
        for name in ["d", "file/below", "fine"] {
            items.push(WriteItem { path: t.path(name)?, data: "new".into() });
        }
        let mut results = go!(t.fs.write_many(&items, &quick()))?.into_iter();
        let mut next = || results.next().ok_or_else(|| Failure::wrong("too few results"));
        refused!(t, next()?, IsADirectory);
        refused!(t, next()?, NotADirectory);
        next()??;
        same!(go!(t.tree())?, ["d/", "file", "fine"]);
    }

    fn disk_usage_counts(t) needs [Files] {
        go!(t.put("a", &pattern(10)))?;
        go!(t.put("d/b", &pattern(100)))?;
        go!(t.put("d/e/c", &pattern(1000)))?;
        go!(t.put("d/e/empty", b""))?;
        let usage = go!(t.fs.disk_usage(t.dir()))?;
        same!((usage.bytes, usage.files, usage.directories, usage.others), (1110, 4, 2, 0));
        let usage = go!(t.fs.disk_usage(t.at("d/e")))?;
        same!((usage.bytes, usage.files, usage.directories), (1000, 2, 0));
        let usage = go!(t.fs.disk_usage(t.at("a")))?;
        same!((usage.bytes, usage.files, usage.directories), (10, 1, 0));
    }
}
