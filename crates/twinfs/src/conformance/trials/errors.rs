//! Errors: each says what failed, where, in which store, and why.

use std::io::SeekFrom;

use super::prelude::*;
use super::trial::{quick, quick_move};
use crate::{Error, Operation};

fn names(error: Option<Error>, operation: Operation, path: &str) -> Outcome {
    let Some(error) = error else { return Err(Failure::wrong(format!("{operation} '{path}' went through"))) };
    same!(error.operation(), Some(operation), "{error}");
    same!(error.path(), Some(path), "{error}");
    ensure!(error.store().is_some(), "no store: {error}");
    Ok(())
}

trials! {
    fn an_error_names_operation_path_and_store(t) needs [Files] {
        go!(t.put("file", b"x"))?;
        let nothing = t.at("nothing");
        names(go!(t.fs.stat(&nothing)).err(), Operation::Stat, &nothing)?;
        names(go!(t.fs.read(&nothing)).err(), Operation::Read, &nothing)?;
        names(go!(t.fs.open(&nothing, Mode::Read)).err(), Operation::Open, &nothing)?;
        names(go!(t.fs.list(&nothing)).err(), Operation::List, &nothing)?;
        names(go!(t.fs.entries(&nothing, &ListOptions::default())).err(), Operation::List, &nothing)?;
        names(go!(t.fs.walk(&nothing)).err(), Operation::Walk, &nothing)?;
        names(go!(t.fs.disk_usage(&nothing)).err(), Operation::DiskUsage, &nothing)?;
        let many = go!(t.fs.read_many(&[t.path("nothing")?]))?;
        names(many.into_iter().find_map(Result::err), Operation::Read, &nothing)?;
        names(go!(t.fs.glob(&t.at("../*"))).err(), Operation::Glob, &t.at(".."))?;
        names(go!(t.fs.glob(&t.at("[z-a]"))).err(), Operation::Glob, &t.at("[z-a]"))?;
        let mut file = go!(t.open("file", Mode::Read))?;
        names(go!(file.seek(SeekFrom::End(-2))).err(), Operation::Seek, &t.at("file"))?;
        go!(file.abort())?;
        names(go!(file.read_at(0, 1)).err(), Operation::Read, &t.at("file"))?;
        names(go!(file.len()).err(), Operation::Stat, &t.at("file"))?;
    }

    fn an_error_of_a_move_names_both_ends(t) needs [Write] {
        go!(t.put("file", b"x"))?;
        let (from, to) = (t.at("nothing"), t.at("there"));
        for error in [go!(t.fs.rename(&from, &to)).err(), go!(t.fs.copy(&from, &to)).err()] {
            let Some(error) = error else { return Err(Failure::wrong("went through")) };
            same!((error.path(), error.destination()), (Some(&*from), Some(&*to)), "{error}");
            let text = error.to_string();
            ensure!(text.contains(&from) && text.contains(&to), "{text}");
        }
    }

    fn a_failed_condition_says_which(t) needs [Write, IfAbsent] {
        go!(t.put("file", b"x"))?;
        go!(t.put("other", b"y"))?;
        let (file, other, absent) = (t.at("file"), t.at("other"), Condition::IfAbsent);
        let write = WriteOptions { condition: absent.clone(), ..quick() };
        let moved = MoveOptions { condition: absent, ..quick_move() };
        for error in [
            go!(t.fs.write_with(&file, "y", &write)).err(),
            go!(t.fs.copy_with(&other, &file, &moved)).err(),
            go!(t.fs.rename_with(&other, &file, &moved)).err(),
        ] {
            let Some(error) = error else { return Err(Failure::wrong("went through")) };
            if error.kind() != ErrorKind::ConditionFailed {
                return Err(error.into());
            }
            ensure!(error.message().is_some_and(|words| !words.is_empty()), "{error}");
        }
    }
}
