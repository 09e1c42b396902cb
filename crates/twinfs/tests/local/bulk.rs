//! Verbs on many files: results in order, each with its own error, whatever the number.

use std::os::unix::fs::symlink;

use rstest::rstest;
use twinfs::{BlockingStore, Data, ErrorKind, FsPath, ReadOptions, StatOptions, WriteItem, WriteOptions};

use crate::support::{kind, path, read, tree, write};

#[rstest]
fn reads_and_stats_answer_in_order(#[values(1, 5, 63, 64, 1000)] count: usize) {
    let tree = tree();
    std::fs::create_dir(tree.at("dir")).unwrap();
    symlink("0", tree.at("dir/link")).unwrap();
    symlink("/etc/passwd", tree.at("dir/out")).unwrap();
    let paths: Vec<FsPath> = (0..count)
        .map(|number| match number % 10 {
            7 => path("dir/none"),
            8 => path("dir/link"),
            9 => path("dir/out"),
            6 => path("dir"),
            5 => path("dir/0/below"),
            _ if number % 3 == 0 => path(&format!("other{}/{number}", number % 4)),
            _ => path(&format!("dir/{number}")),
        })
        .collect();
    write(&tree.store, "dir/0", "0").unwrap();
    for (number, at) in paths.iter().enumerate().filter(|(number, _)| number % 10 < 5) {
        write(&tree.store, at.as_str(), &number.to_string()).unwrap();
    }
    let contents = tree.store.read_many(&paths, &ReadOptions::default()).unwrap();
    let stats = tree.store.stat_many(&paths, &StatOptions { version: true }).unwrap();
    assert_eq!((contents.len(), stats.len()), (count, count));
    for (number, (content, stat)) in contents.into_iter().zip(stats).enumerate() {
        let expected = tree.store.read(&paths[number], &ReadOptions::default());
        match expected {
            Ok(bytes) => assert_eq!(content.unwrap(), bytes, "{}", paths[number]),
            Err(error) => {
                let found = content.unwrap_err();
                assert_eq!(found.kind(), error.kind(), "{}", paths[number]);
                assert_eq!(found.path(), Some(paths[number].as_str()));
            }
        }
        let expected = tree.store.stat(&paths[number], &StatOptions { version: true });
        assert_eq!(
            stat.map_err(|error| error.kind()),
            expected.map_err(|error| error.kind()),
            "{}",
            paths[number]
        );
    }
}

#[rstest]
fn writes_happen_and_answer_in_order(#[values(3, 64, 500)] count: usize) {
    let tree = tree();
    let texts: Vec<String> = (0..count).map(|number| format!("content {number}")).collect();
    let items: Vec<WriteItem<'_>> = texts
        .iter()
        .enumerate()
        .map(|(number, text)| WriteItem {
            path: path(&format!("new/{}/{number}", number % 3)),
            data: Data::from(text.as_str()),
        })
        .collect();
    let results = tree.store.write_many(&items, &WriteOptions::if_absent()).unwrap();
    for (number, result) in results.into_iter().enumerate() {
        let metadata = result.unwrap();
        assert_eq!(read(&tree.store, items[number].path.as_str()).unwrap(), texts[number]);
        let now = tree.store.stat(&items[number].path, &StatOptions { version: true }).unwrap();
        assert_eq!(now.version, metadata.version);
    }
    let again = tree.store.write_many(&items, &WriteOptions::if_absent()).unwrap();
    assert!(again.into_iter().all(|result| kind(result) == Some(ErrorKind::ConditionFailed)));
}
