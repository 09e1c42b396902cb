//! One writer: of several open writers of a path exactly one commits, and nothing is lost.

use super::prelude::*;
use super::trial::WRITING;

fn unleased(mode: Mode) -> OpenOptions {
    OpenOptions::from(mode).lease(Lease::Off)
}

trials! {
    fn a_second_writer_is_refused_at_open(t) needs [Write, WriteHandles, UpdateHandles, Leases] {
        let both: &[Publish] = if t.caps().in_place { &[Publish::Staged, Publish::InPlace] } else { &[Publish::Staged] };
        for first_publish in both {
            go!(t.put("file", b"old"))?;
            let first = go!(t.open("file", OpenOptions::from(Mode::Append).publish(*first_publish)))?;
            for second_publish in both {
                for mode in [Mode::Write, Mode::Append, Mode::Update, Mode::Overwrite] {
                    let options = OpenOptions::from(mode).publish(*second_publish);
                    refused!(t, go!(t.open("file", &options)), WouldBlock, "{mode:?} {first_publish:?} {second_publish:?}");
                }
            }
            same!(go!(t.get("file"))?, "old", "a refused writer changed the file");
            go!(t.open("file", Mode::Read))?;
            go!(first.commit())?;
        }
    }

    fn the_path_is_held_before_the_file_is_there(t) needs [Write, WriteHandles, UpdateHandles, IfAbsent, Leases] {
        for mode in [Mode::Write, Mode::Create, Mode::Append, Mode::Overwrite] {
            let first = go!(t.open("d/file", mode))?;
            for second in [Mode::Write, Mode::Create, Mode::Append, Mode::Overwrite] {
                refused!(t, go!(t.open("d/file", second)), WouldBlock, "{mode:?} {second:?}");
            }
            refused!(t, go!(t.open("d/file", Mode::Update)), NotFound | WouldBlock, "{mode:?}");
            go!(first.abort())?;
        }
    }

    fn the_path_is_free_after_the_writer(t) needs [Write, WriteHandles, UpdateHandles, Leases] {
        for end in ["commit", "abort", "drop"] {
            let first = go!(t.open("file", Mode::Append))?;
            go!(first.write_at(0, "x"))?;
            match end {
                "commit" => drop(go!(first.commit())?),
                "abort" => go!(first.abort())?,
                _ => {}
            }
            if end == "drop" {
                drop(first);
                go!(go!(t.open("file", Mode::Append))?.abort())?;
            } else {
                // The closed handle still exists.
                go!(go!(t.open("file", Mode::Append))?.abort())?;
            }
        }
        same!(go!(t.get("file"))?, "x");
    }

    fn other_paths_are_not_held(t) needs [Write, WriteHandles] {
        let first = go!(t.open("file", Mode::Write))?;
        let second = go!(t.open("file2", Mode::Write))?;
        let third = go!(t.open("d/file", Mode::Write))?;
        go!(first.write_at(0, "1"))?;
        go!(second.write_at(0, "2"))?;
        go!(third.write_at(0, "3"))?;
        go!(third.commit())?;
        go!(second.commit())?;
        go!(first.commit())?;
        same!(go!(t.get("file"))?, "1");
        same!(go!(t.get("file2"))?, "2");
        same!(go!(t.get("d/file"))?, "3");
    }

    fn the_second_to_commit_loses(t) needs [Write, WriteHandles, UpdateHandles, IfAbsent, Versions] {
        for mode in WRITING {
            for there in [true, false] {
                if there == (mode == Mode::Create) || (!there && mode == Mode::Update) {
                    continue;
                }
                if there {
                    go!(t.put("file", b"old"))?;
                }
                let winner = go!(t.open("file", unleased(mode)))?;
                let loser = go!(t.open("file", unleased(mode)))?;
                go!(winner.set_len(0))?;
                go!(loser.set_len(0))?;
                go!(winner.write_at(0, "winner"))?;
                go!(loser.write_at(0, "the loser's bytes"))?;
                go!(winner.commit())?;
                let result = go!(loser.commit());
                if mode == Mode::Create {
                    refused!(t, result, AlreadyExists);
                } else {
                    refused!(t, result, WouldBlock, "{mode:?}, there {there}");
                }
                same!(go!(t.get("file"))?, "winner", "{mode:?}");
                same!(go!(loser.read_at(0, 100))?, "the loser's bytes", "{mode:?}: the bytes stay readable");
                same!(go!(loser.len())?, 17);
                go!(loser.abort())?;
                refused!(t, go!(loser.read_at(0, 1)), Closed);
                same!(go!(t.get("file"))?, "winner", "{mode:?}");
                go!(t.fs.remove(t.at("file")))?;
            }
        }
    }

    fn a_change_by_any_other_verb_makes_the_writer_lose(t)
        needs [Write, WriteHandles, UpdateHandles, Versions]
    {
        for change in ["write", "same bytes", "copy", "rename", "publish", "remove", "moved away", "back again"] {
            go!(t.put("file", b"old"))?;
            go!(t.put("other", b"other"))?;
            let writer = go!(t.open("file", unleased(Mode::Update)))?;
            go!(writer.write_at(0, "WRITER"))?;
            let mut expected = Some("other");
            match change {
                "write" => go!(t.put("file", b"other"))?,
                "same bytes" => {
                    go!(t.put("file", b"old"))?;
                    expected = Some("old");
                }
                "copy" => drop(go!(t.fs.copy(t.at("other"), t.at("file")))?),
                "rename" => go!(t.fs.rename(t.at("other"), t.at("file")))?,
                "publish" => {
                    if !t.caps().staged_uploads {
                        continue;
                    }
                    let id = go!(t.fs.stage(&StageOptions::default()))?;
                    go!(go!(t.fs.reopen(&id))?.write_at(0, "other"))?;
                    go!(t.fs.publish(&id, t.at("file"), &WriteOptions::default()))?;
                }
                "back again" => {
                    go!(t.fs.rename(t.at("file"), t.at("away")))?;
                    go!(t.put("file", b"other"))?;
                    go!(t.fs.rename(t.at("away"), t.at("file")))?;
                    expected = Some("old");
                }
                "moved away" => {
                    go!(t.fs.rename(t.at("file"), t.at("away")))?;
                    expected = None;
                }
                _ => {
                    go!(t.fs.remove(t.at("file")))?;
                    expected = None;
                }
            }
            refused!(t, go!(writer.commit()), WouldBlock, "{change}");
            match expected {
                Some(expected) => same!(go!(t.get("file"))?, expected, "{change}"),
                None => ensure!(!go!(t.exists("file"))?, "{change}: the file is back"),
            }
            same!(go!(writer.read_at(0, 100))?, "WRITER", "{change}");
            drop(writer);
        }
    }

    fn a_writer_commits_where_its_path_leads(t) needs [Write, WriteHandles, UpdateHandles, Versions, Directories] {
        go!(t.put("d/old", b"old"))?;
        let new = go!(t.open("d/new", Mode::Write))?;
        go!(new.write_at(0, "new"))?;
        let old = go!(t.open("d/old", Mode::Update))?;
        go!(old.write_at(0, "OLD"))?;
        go!(t.fs.rename(t.at("d"), t.at("e")))?;
        refused!(t, go!(old.commit()), WouldBlock);
        same!(go!(old.read_at(0, 100))?, "OLD", "the bytes stay readable");
        go!(new.commit())?;
        same!(go!(t.get("d/new"))?, "new");
        same!(go!(t.get("e/old"))?, "old");
        drop((old, new));
        same!(go!(t.tree())?, ["d/", "d/new", "e/", "e/old"]);
    }

    fn a_held_path_takes_one_shot_writes(t) needs [Write, WriteHandles, Versions] {
        let writer = go!(t.open("file", Mode::Write))?;
        go!(t.put("file", b"one shot"))?;
        same!(go!(t.get("file"))?, "one shot");
        refused!(t, go!(writer.commit()), WouldBlock);
        same!(go!(t.get("file"))?, "one shot");
    }

    fn create_finds_what_came_meanwhile(t) needs [Write, WriteHandles, IfAbsent] {
        let writer = go!(t.open("file", Mode::Create))?;
        go!(writer.write_at(0, "mine"))?;
        go!(t.put("file", b"theirs"))?;
        refused!(t, go!(writer.commit()), AlreadyExists);
        same!(go!(t.get("file"))?, "theirs");
        same!(go!(writer.read_at(0, 9))?, "mine");
    }

    fn an_open_condition_is_checked_at_open(t) needs [Write, WriteHandles, UpdateHandles, IfAbsent, IfVersion] {
        go!(t.put("file", b"old"))?;
        let stale = go!(t.version("file"))?;
        go!(t.put("file", b"new"))?;
        let now = go!(t.version("file"))?;
        for mode in [Mode::Write, Mode::Append, Mode::Update, Mode::Overwrite] {
            let on = |condition| OpenOptions::from(mode).condition(condition);
            refused!(t, go!(t.open("file", on(Condition::IfAbsent))), ConditionFailed, "{mode:?}");
            refused!(t, go!(t.open("file", on(Condition::IfVersion(stale.clone())))), ConditionFailed, "{mode:?}");
            go!(go!(t.open("file", on(Condition::IfVersion(now.clone()))))?.abort())?;
            if mode != Mode::Update {
                refused!(t, go!(t.open("nothing", on(Condition::IfVersion(now.clone())))), ConditionFailed, "{mode:?}");
                go!(go!(t.open("nothing", on(Condition::IfAbsent)))?.abort())?;
            }
        }
        same!(go!(t.get("file"))?, "new");
        same!(go!(t.tree())?, ["file"]);
    }

    fn an_open_condition_is_checked_at_commit(t) needs [Write, WriteHandles, UpdateHandles, IfVersion] {
        go!(t.put("file", b"old"))?;
        let version = go!(t.version("file"))?;
        let options = OpenOptions::from(Mode::Append).condition(Condition::IfVersion(version));
        let writer = go!(t.open("file", &options))?;
        go!(writer.write_at(0, "+"))?;
        go!(t.put("file", b"new"))?;
        refused!(t, go!(writer.commit()), ConditionFailed | WouldBlock);
        same!(go!(t.get("file"))?, "new");
        let version = go!(t.version("file"))?;
        let options = OpenOptions::from(Mode::Append).condition(Condition::IfVersion(version));
        let writer = go!(t.open("file", &options))?;
        go!(writer.write_at(0, "+"))?;
        go!(writer.commit())?;
        same!(go!(t.get("file"))?, "new+");
    }

    fn a_loser_does_not_commit_later(t) needs [Write, WriteHandles, UpdateHandles, Versions] {
        go!(t.put("file", b"old"))?;
        let writer = go!(t.open("file", unleased(Mode::Update)))?;
        go!(writer.write_at(0, "mine"))?;
        go!(t.put("file", b"theirs"))?;
        refused!(t, go!(writer.commit()), WouldBlock);
        refused!(t, go!(writer.commit()), WouldBlock | Closed, "again");
        refused!(t, go!(writer.write_at(0, "more")), Closed | WouldBlock, "write after the loss");
        drop(writer);
        same!(go!(t.get("file"))?, "theirs");
        same!(go!(t.tree())?, ["file"]);
    }
}
