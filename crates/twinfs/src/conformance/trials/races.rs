//! Two at once.

use std::sync::atomic::{AtomicBool, Ordering};

use super::prelude::*;
use super::trial::{pattern, quick};

const ROUNDS: usize = 25;

face_fn! {
    /// Adds one to a number in a file `ROUNDS` times, by compare and set.
    fn count_by_condition<S: Store>(t: &Trial<'_, S>) -> Outcome {
        for _ in 0..ROUNDS {
            loop {
                let version = go!(t.version("number"))?;
                let condition = ReadOptions { if_version: Some(version.clone()), ..ReadOptions::default() };
                let text = match go!(t.fs.read_with(t.at("number"), &condition)) {
                    Ok(text) => text,
                    Err(error) if error.kind() == ErrorKind::ConditionFailed => continue,
                    Err(error) => return Err(error.into()),
                };
                let options = WriteOptions { condition: Condition::IfVersion(version), ..quick() };
                match go!(t.fs.write_with(t.at("number"), next_number(&text)?, &options)) {
                    Ok(_) => break,
                    Err(error) if error.kind() == ErrorKind::ConditionFailed => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

face_fn! {
    /// The same through handles; without leases, so that the commit decides.
    fn count_by_handle<S: Store>(t: &Trial<'_, S>) -> Outcome {
        let options = OpenOptions::from(Mode::Update).lease(Lease::Off).durability(Durability::None);
        for _ in 0..ROUNDS {
            loop {
                let file = go!(t.open("number", &options))?;
                let text = go!(file.read_at(0, 100))?;
                go!(file.write_at(0, next_number(&text)?))?;
                match go!(file.commit()) {
                    Ok(_) => break,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

fn next_number(text: &[u8]) -> Outcome<String> {
    let number: Option<u64> = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    match number {
        Some(number) => Ok((number + 1).to_string()),
        None => Err(Failure::wrong(format!("read a torn number: {text:?}"))),
    }
}

face_fn! {
    fn write_in_turn<S: Store>(t: &Trial<'_, S>, contents: &[Vec<u8>], done: &AtomicBool) -> Outcome {
        for round in 0..ROUNDS {
            let written = go!(t.fs.write_with(t.at("shared"), &contents[round % contents.len()], &quick()));
            if let Err(error) = written {
                done.store(true, Ordering::Relaxed);
                return Err(error.into());
            }
        }
        done.store(true, Ordering::Relaxed);
        Ok(())
    }
}

face_fn! {
    /// Reads until the writer is done; so many times at most, where reads never wait.
    fn read_meanwhile<S: Store>(t: &Trial<'_, S>, contents: &[Vec<u8>], done: &AtomicBool) -> Outcome {
        for _ in 0..2_000 {
            let found = go!(t.get("shared"))?;
            ensure!(contents.iter().any(|content| *content == found), "{} bytes that nobody wrote", found.len());
            if done.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(())
    }
}

trials! {
    fn no_increment_by_condition_is_lost(t) needs [Write, IfVersion] {
        go!(t.put("number", b"0"))?;
        let (first, second) = together!({ go!(count_by_condition(t)) }, { go!(count_by_condition(t)) });
        first?;
        second?;
        same!(go!(t.get("number"))?, (2 * ROUNDS).to_string());
    }

    fn no_increment_by_handle_is_lost(t) needs [Write, WriteHandles, UpdateHandles, Versions] {
        go!(t.put("number", b"0"))?;
        let (first, second) = together!({ go!(count_by_handle(t)) }, { go!(count_by_handle(t)) });
        first?;
        second?;
        same!(go!(t.get("number"))?, (2 * ROUNDS).to_string());
        same!(go!(t.tree())?, ["number"]);
    }

    fn a_reader_never_sees_a_part(t) needs [Write] {
        let contents = [pattern(300_000), vec![1; 200_000], vec![2; 1], Vec::new()];
        go!(t.put("shared", &contents[0]))?;
        let done = AtomicBool::new(false);
        let (writer, reader) =
            together!({ go!(write_in_turn(t, &contents, &done)) }, { go!(read_meanwhile(t, &contents, &done)) });
        writer?;
        reader?;
    }

    fn one_of_two_creators_wins(t) needs [Write, IfAbsent] {
        let options = WriteOptions { condition: Condition::IfAbsent, ..quick() };
        for round in 0..ROUNDS {
            let path = t.at(&format!("file {round}"));
            let (first, second) = together!(
                { Ok::<_, Failure>(go!(t.fs.write_with(&path, "first", &options))) },
                { Ok::<_, Failure>(go!(t.fs.write_with(&path, "second", &options))) }
            );
            let (winner, lost) = match (first?, second?) {
                (Ok(_), Err(lost)) => ("first", lost),
                (Err(lost), Ok(_)) => ("second", lost),
                (Err(error), Err(_)) => return Err(error.into()),
                (Ok(_), Ok(_)) => return Err(Failure::wrong("both went through")),
            };
            same!(lost.kind(), ErrorKind::ConditionFailed);
            same!(go!(t.fs.read(&path))?, winner);
        }
    }

    fn one_of_two_publishers_wins(t) needs [Write, StagedUploads] {
        for round in 0..ROUNDS {
            let id = go!(t.fs.stage(&StageOptions::default()))?;
            go!(go!(t.fs.reopen(&id))?.write_at(0, "upload"))?;
            let (one, other) = (t.at(&format!("one {round}")), t.at(&format!("other {round}")));
            let (first, second) = together!(
                { Ok::<_, Failure>(go!(t.fs.publish(&id, &one, &quick()))) },
                { Ok::<_, Failure>(go!(t.fs.publish(&id, &other, &quick()))) }
            );
            let (path, nothing, lost) = match (first?, second?) {
                (Ok(_), Err(lost)) => (one, other, lost),
                (Err(lost), Ok(_)) => (other, one, lost),
                (Err(error), Err(_)) => return Err(error.into()),
                (Ok(_), Ok(_)) => return Err(Failure::wrong("both went through")),
            };
            same!(lost.kind(), ErrorKind::NotFound);
            same!(go!(t.fs.read(&path))?, "upload");
            ensure!(!go!(t.fs.exists(&nothing))?, "published twice");
        }
    }

    fn one_of_two_movers_wins(t) needs [Write] {
        let moving = MoveOptions { durability: Some(Durability::None), ..MoveOptions::default() };
        for round in 0..ROUNDS {
            let from = t.at(&format!("from {round}"));
            go!(t.put(&format!("from {round}"), b"x"))?;
            let (one, other) = (t.at(&format!("one {round}")), t.at(&format!("other {round}")));
            let (first, second) = together!(
                { Ok::<_, Failure>(go!(t.fs.rename_with(&from, &one, &moving))) },
                { Ok::<_, Failure>(go!(t.fs.rename_with(&from, &other, &moving))) }
            );
            let (first, second) = match (first?, second?) {
                (Err(error), Err(_)) => return Err(error.into()),
                results => results,
            };
            if t.caps().atomic_rename {
                let won = [&first, &second].into_iter().filter(|result| result.is_ok()).count();
                same!(won, 1);
                let lost = first.err().or(second.err()).map(|error| error.kind());
                same!(lost, Some(ErrorKind::NotFound));
            }
            ensure!(!go!(t.fs.exists(&from))?, "the source is still there");
        }
    }
}
