//! Listings: order, pages, depth, where to start; globs.

use super::prelude::*;
use super::trial::{pattern, quick};

#[rustfmt::skip]
/// Files whose neighbours are hard to order: a directory counts as its name and `/`.
const FILES: [&str; 25] = [
    "a-b", "a.b", "a/b", "a/b-c/x", "a/b.c", "a0", "a b", "A", "a!", "b/c/d/e/f", "b/c-d", "b-/x", "b.", "b0/x", "z",
    "é", "e\u{301}", "ö/ä", "ö-", "日本/語", "日本-", "\u{1f600}/x", "\u{1f600}-", "~", "%2f",
];

/// What a listing of `FILES` must give, sorted by this module's own reading of the rule.
fn expected(recursive: bool) -> Vec<String> {
    let mut names = Vec::new();
    for file in FILES {
        names.extend(file.match_indices('/').filter_map(|(slash, _)| Some(file.get(..=slash)?.to_owned())));
        names.push(file.to_owned());
    }
    if !recursive {
        names.retain(|name| !name.trim_end_matches('/').contains('/'));
    }
    names.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    names.dedup();
    names
}

fn listing(recursive: bool) -> ListOptions {
    let depth = if recursive { Depth::Recursive } else { Depth::Children };
    ListOptions { depth, ..ListOptions::default() }
}

face_fn! {
    fn put_files<S: Store>(t: &Trial<'_, S>) -> Outcome {
        for (number, file) in FILES.iter().enumerate() {
            go!(t.put(file, &pattern(number)))?;
        }
        Ok(())
    }
}

face_fn! {
    /// The names of a listing, in pages of at most `page`.
    fn names<S: Store>(t: &Trial<'_, S>, options: &ListOptions, page: usize) -> Outcome<Vec<String>> {
        let mut entries = go!(t.fs.entries(t.dir(), options))?;
        let mut names = Vec::new();
        loop {
            let entries_of_page = go!(entries.next_page(page))?;
            ensure!(entries_of_page.len() <= page, "a page of {} entries, at most {page} asked for", entries_of_page.len());
            if entries_of_page.is_empty() {
                break;
            }
            names.extend(entries_of_page.iter().map(|entry| t.name_of(entry)));
        }
        ensure!(go!(entries.next_page(page))?.is_empty(), "entries after the end");
        Ok(names)
    }
}

trials! {
    fn listings_are_ordered_by_full_paths(t) needs [Files] {
        go!(put_files(t))?;
        let children: Vec<String> = go!(t.fs.list(t.dir()))?.iter().map(|entry| t.name_of(entry)).collect();
        same!(children, expected(false));
        same!(go!(t.tree())?, expected(true));
    }

    fn pages_of_any_size_give_the_same(t) needs [Files] {
        go!(put_files(t))?;
        for recursive in [false, true] {
            for page in [1, 2, 3, 7, 1000, usize::MAX] {
                let found = go!(names(t, &listing(recursive), page))?;
                same!(found, expected(recursive), "pages of {page}, recursive {recursive}");
            }
        }
    }

    fn start_after_starts_after(t) needs [Files] {
        go!(put_files(t))?;
        for recursive in [false, true] {
            let all = expected(recursive);
            let mut starts = expected(true);
            starts.extend(["a", "a/b/", "a/b-c/y", "a-", "", "b/c/d/e/", "b/c/zz", "zz", "\u{10ffff}", "ö", "日"].map(String::from));
            for start in &starts {
                let options = ListOptions { start_after: Some(t.at(start)), ..listing(recursive) };
                let rest: Vec<&String> = all.iter().filter(|name| name.as_bytes() > start.as_bytes()).collect();
                for page in [2, 1000] {
                    let found = go!(names(t, &options, page))?;
                    same!(found.iter().collect::<Vec<_>>(), rest, "after '{start}', recursive {recursive}, pages of {page}");
                }
            }
            for (start, count) in [("", all.len()), ("\u{10ffff}", 0)] {
                let options = ListOptions { start_after: Some(start.to_owned()), ..listing(recursive) };
                same!(go!(names(t, &options, 1000))?.len(), count, "after '{start}'");
            }
        }
    }

    fn start_after_without_an_order_is_refused(t) needs [Files] {
        go!(put_files(t))?;
        for recursive in [false, true] {
            let start_after = Some(t.at("a"));
            let options = ListOptions { order: Order::Unordered, start_after, ..listing(recursive) };
            refused!(t, go!(t.fs.entries(t.dir(), &options)), Unsupported, "recursive {recursive}");
        }
    }

    fn unordered_listings_hold_the_same(t) needs [Files] {
        go!(put_files(t))?;
        for recursive in [false, true] {
            for page in [1, 3, 1000] {
                let options = ListOptions { order: Order::Unordered, ..listing(recursive) };
                let mut found = go!(names(t, &options, page))?;
                found.sort();
                same!(found, expected(recursive), "pages of {page}, recursive {recursive}");
            }
        }
    }

    fn entries_carry_metadata_when_asked(t) needs [Files] {
        go!(put_files(t))?;
        for recursive in [false, true] {
            for order in [Order::Sorted, Order::Unordered] {
                let options = ListOptions { metadata: true, order, ..listing(recursive) };
                for entry in go!(go!(t.fs.entries(t.dir(), &options))?.collect_all())? {
                    let Some(metadata) = &entry.metadata else { return Err(Failure::wrong(format!("none: {entry:?}"))) };
                    same!(metadata.kind, entry.kind, "{entry:?}");
                    let stat = go!(t.fs.stat(&entry.path))?;
                    same!((stat.kind, stat.len), (metadata.kind, metadata.len), "{entry:?}");
                    ensure!(entry.raw_name.is_none(), "{entry:?}");
                    if entry.kind == EntryKind::File {
                        same!(metadata.modified, stat.modified, "{entry:?}");
                    }
                }
            }
        }
    }

    fn a_file_is_listed_as_itself(t) needs [Files] {
        go!(t.put("d/file", b"abc"))?;
        for recursive in [false, true] {
            for order in [Order::Sorted, Order::Unordered] {
                let options = ListOptions { metadata: true, order, ..listing(recursive) };
                let entries = go!(go!(t.fs.entries(t.at("d/file"), &options))?.collect_all())?;
                same!(entries.len(), 1);
                same!((entries[0].path.as_str(), entries[0].kind, entries[0].len()), (&*t.at("d/file"), EntryKind::File, Some(3)));
            }
        }
    }

    fn an_empty_directory_lists_nothing(t) needs [Write, Directories] {
        go!(t.make_dir("empty"))?;
        for recursive in [false, true] {
            let entries = go!(t.fs.entries(t.at("empty"), &listing(recursive)))?;
            same!(go!(entries.collect_all())?, []);
        }
        same!(go!(t.tree())?, ["empty/"]);
    }

    fn the_root_lists_what_is_in_it(t) needs [Files] {
        go!(t.put("file", b"x"))?;
        let top = t.dir().split('/').next().unwrap_or_default().to_owned();
        for root in ["", "/"] {
            let names: Vec<String> = go!(t.fs.list(root))?.iter().map(|entry| entry.path.to_string()).collect();
            ensure!(names.contains(&top), "no '{top}' in {names:?}");
        }
    }

    fn many_entries_come_in_order(t) needs [Files] {
        let mut all: Vec<String> = (0..1203).map(|number| format!("n{number}")).collect();
        for chunk in all.chunks(401) {
            if t.caps().write {
                let mut items = Vec::new();
                for name in chunk {
                    items.push(WriteItem { path: t.path(name)?, data: "x".into() });
                }
                for result in go!(t.fs.write_many(&items, &quick()))? {
                    result?;
                }
            } else {
                for name in chunk {
                    go!(t.put(name, b"x"))?;
                }
            }
        }
        all.sort();
        for (order, page) in [(Order::Sorted, 1000), (Order::Sorted, 100_000), (Order::Unordered, 999)] {
            let mut found = go!(names(t, &ListOptions { order, ..listing(false) }, page))?;
            if order == Order::Unordered {
                found.sort();
            }
            same!(found, all, "pages of {page}");
        }
    }

    fn a_listing_goes_on_when_entries_vanish(t) needs [Write] {
        for number in 0..9 {
            go!(t.put(&format!("d{number}/file"), b"x"))?;
        }
        let mut entries = go!(t.fs.entries(t.dir(), &listing(true)))?;
        same!(go!(entries.next_page(2))?.len(), 2);
        for number in 0..8 {
            go!(t.fs.remove_all(t.at(&format!("d{number}"))))?;
        }
        let rest: Vec<String> = go!(entries.collect_all())?.iter().map(|entry| t.name_of(entry)).collect();
        // What was read ahead may still come; what is there must.
        ensure!(rest.ends_with(&["d8/".into(), "d8/file".into()]), "{rest:?}");
    }

    fn globs_match(t) needs [Files] {
        for file in ["a.txt", "b.txt", "c.csv", "d/a.txt", "d/e/a.txt", "d/e/b.csv", "d/[x]", "d.txt/f", ".hidden"] {
            go!(t.put(file, b""))?;
        }
        for (pattern, expected) in [
            ("*.txt", vec!["a.txt", "b.txt", "d.txt/"]),
            ("*.txt/", vec!["d.txt/"]),
            ("?.txt", vec!["a.txt", "b.txt", "d.txt/"]),
            ("[ab].txt", vec!["a.txt", "b.txt"]),
            ("[!a].txt", vec!["b.txt", "d.txt/"]),
            ("[a-b].*", vec!["a.txt", "b.txt"]),
            ("{a,c}.{txt,csv}", vec!["a.txt", "c.csv"]),
            ("*/a.txt", vec!["d/a.txt"]),
            ("**/a.txt", vec!["a.txt", "d/a.txt", "d/e/a.txt"]),
            ("d/**", vec!["d/[x]", "d/a.txt", "d/e/", "d/e/a.txt", "d/e/b.csv"]),
            ("d/**/*.csv", vec!["d/e/b.csv"]),
            ("d/[[]x]", vec!["d/[x]"]),
            ("a.txt", vec!["a.txt"]),
            ("d", vec!["d/"]),
            ("nothing", vec![]),
            ("nothing/*", vec![]),
            ("a.txt/*", vec![]),
            ("*.nothing", vec![]),
            (".*", vec![".hidden"]),
        ] {
            let found = go!(go!(t.fs.glob(&t.at(pattern)))?.collect_all())?;
            same!(found.iter().map(|entry| t.name_of(entry)).collect::<Vec<_>>(), expected, "{pattern}");
        }
        for malformed in ["a[", "{a", "[z-a]"] {
            refused!(t, go!(t.fs.glob(&t.at(malformed))), InvalidInput, "{malformed}");
        }
    }
}
