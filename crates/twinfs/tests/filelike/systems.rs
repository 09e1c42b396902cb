//! A system: names, patterns, moving and copying.

use twinfs::ErrorKind;
use twinfs::filelike::{Mode, Template};

use super::{everywhere, kind};

everywhere! {
    fn patterns_choose_names_across_directories(system, wait) {
        for name in ["a.txt", "a/b.txt", "a/b/c.bin", "b[1].txt", "a-b"] {
            wait!(wait!(system.open(name, Mode::Write)).unwrap().close()).unwrap();
        }
        assert_eq!(wait!(system.ls("*")).unwrap(), ["a-b", "a.txt", "a/b.txt", "a/b/c.bin", "b[1].txt"]);
        assert_eq!(wait!(system.ls("*.txt")).unwrap(), ["a.txt", "a/b.txt", "b[1].txt"]);
        assert_eq!(wait!(system.ls("a/*")).unwrap(), ["a/b.txt", "a/b/c.bin"]);
        assert_eq!(wait!(system.ls("a?b*")).unwrap(), ["a-b", "a/b.txt", "a/b/c.bin"]);
        assert_eq!(wait!(system.ls("b[[]1].txt")).unwrap(), ["b[1].txt"]);
        assert_eq!(wait!(system.ls("a.txt")).unwrap(), ["a.txt"]);
        for nothing in ["b[1].txt", "a", "/a.txt", "../*", "no/such/*", "", "a.txt/*", "*/"] {
            assert!(wait!(system.ls(nothing)).unwrap().is_empty(), "{nothing}");
        }
    }

    fn removing_takes_what_matches_and_nothing_else(system, wait) {
        for name in ["a.txt", "a/b.txt", "c.bin"] {
            wait!(wait!(system.open(name, Mode::Write)).unwrap().close()).unwrap();
        }
        wait!(system.rm("no-such-file")).unwrap();
        wait!(system.rm("x*")).unwrap();
        wait!(system.rm("*.txt")).unwrap();
        assert_eq!(wait!(system.ls("*")).unwrap(), ["c.bin"]);
        wait!(system.rm("c.bin")).unwrap();
        assert!(wait!(system.ls("*")).unwrap().is_empty());
    }

    fn a_template_shows_its_files_alone(system, wait) {
        for name in ["data/x.csv", "data/2026/y.csv", "data/z.txt", "other/x.csv", "database.csv"] {
            wait!(wait!(system.open(name, Mode::Write)).unwrap().close()).unwrap();
        }
        system.set_template(Template::new("data/{}.csv").unwrap());
        assert_eq!(system.template().as_str(), "data/{}.csv");
        assert_eq!(wait!(system.ls("*")).unwrap(), ["2026/y", "x"]);
        wait!(system.mv("x", "moved/x")).unwrap();
        wait!(system.cp("moved/x", "copy")).unwrap();
        assert_eq!(wait!(system.ls("*")).unwrap(), ["2026/y", "copy", "moved/x"]);
        for outside in ["../other/x", "a/../../b", "a//x"] {
            assert_eq!(kind(wait!(system.open(outside, Mode::Write))), Some(ErrorKind::InvalidPath));
            assert_eq!(kind(wait!(system.mv("copy", outside))), Some(ErrorKind::InvalidPath));
        }
        wait!(system.rm("*")).unwrap();
        let all = system.clone().with_template(Template::default());
        assert_eq!(wait!(all.ls("*")).unwrap(), ["data/z.txt", "database.csv", "other/x.csv"]);
    }

    fn moving_and_copying_really_do(system, wait) {
        let mut file = wait!(system.open("a", Mode::Write)).unwrap();
        wait!(file.write("content")).unwrap();
        wait!(file.close()).unwrap();
        wait!(wait!(system.open("there", Mode::Write)).unwrap().close()).unwrap();
        wait!(system.cp("a", "new/copy")).unwrap();
        wait!(system.mv("a", "there")).unwrap();
        assert_eq!(wait!(system.ls("*")).unwrap(), ["new/copy", "there"]);
        assert_eq!(wait!(system.stat("there")).unwrap().len, 7);
        assert_eq!(wait!(system.stat("new/copy")).unwrap().len, 7);
        assert_eq!(kind(wait!(system.mv("a", "x/y"))), Some(ErrorKind::NotFound));
        assert_eq!(kind(wait!(system.cp("a", "x/y"))), Some(ErrorKind::NotFound));
        assert!(!wait!(system.fs().exists("x")).unwrap(), "nothing was made");
        assert_eq!(kind(wait!(system.mv("new", "x"))), Some(ErrorKind::IsADirectory));
        assert_eq!(kind(wait!(system.cp("new", "x"))), Some(ErrorKind::IsADirectory));
    }

    fn only_files_exist(system, wait) {
        wait!(wait!(system.open("a/b", Mode::Write)).unwrap().close()).unwrap();
        assert!(wait!(system.exists("a/b")).unwrap());
        for nothing in ["a", "x", "a/b/c"] {
            assert!(!wait!(system.exists(nothing)).unwrap(), "{nothing}");
        }
        assert_eq!(kind(wait!(system.stat("a"))), Some(ErrorKind::IsADirectory));
        assert_eq!(kind(wait!(system.stat("x"))), Some(ErrorKind::NotFound));
    }
}

#[test]
fn modes_have_the_names_of_pythons() {
    for (text, mode) in [("r", Mode::Read), ("rb", Mode::Read), ("r+b", Mode::Update), ("wb", Mode::Write)] {
        assert_eq!(text.parse::<Mode>().unwrap(), mode);
    }
    for text in ["", "a", "x", "w+", "b", "rw"] {
        assert_eq!(kind(text.parse::<Mode>()), Some(ErrorKind::InvalidInput), "{text}");
    }
}
