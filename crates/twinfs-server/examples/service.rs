//! The service of `examples/service`, in Rust: a folder of documents becomes a clean table, word
//! statistics and thumbnails.
//!
//!     cargo run -p twinfs-server --example service -- examples/service/files results
//!
//! `run` is the entry point, on the async face. It gives each file to `process`, which is plain code on
//! the sync face: all it gets is a path and the tracer. `main` is what `python -m twinfs.run` does: a
//! server in this process, a fresh run on it, a folder in, a folder out.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to whoever tries it")]

use std::cmp::Reverse;
use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use image::{GenericImageView, ImageReader};
use jiff::civil::Date;
use serde::{Serialize, Serializer};
use twinfs::runfiles::Tracer;
use twinfs::{Depth, Fs, FsPath, StoreOptions, bulk};
use twinfs_server::token::Tokens;
use twinfs_server::{Config, Server};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const COLUMNS: [&str; 6] = ["date", "customer", "product", "quantity", "amount", "source"];
/// What the people who keep the tables call the same column.
const NAMES: [(&str, &str); 7] = [
    ("client", "customer"),
    ("name", "customer"),
    ("item", "product"),
    ("qty", "quantity"),
    ("price", "amount"),
    ("total", "amount"),
    ("day", "date"),
];
const DATES: [&str; 4] = ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d %B %Y"];
const THUMBNAIL: u32 = 64;
const WORKERS: usize = 2;

/// What one document gives.
#[derive(Default)]
struct Part {
    rows: Vec<[String; 6]>,
    rejected: Vec<[String; 3]>,
    text: Option<Text>,
    is_picture: bool,
}

#[derive(Serialize)]
struct Text {
    path: String,
    lines: usize,
    words: u64,
    distinct: usize,
    #[serde(skip)]
    counts: Counts,
}

/// Works through `in/`, several files at once; `ranked` is how many words to rank.
#[expect(clippy::disallowed_methods, reason = "the work is the service's own, and so is the runtime")]
pub(crate) async fn run(ranked: usize, tracer: &Tracer) -> Outcome<String> {
    let run = tracer.fs()?;
    let paths: Vec<String> = run.ls("in").await?.into_iter().map(|file| file.path).collect();
    println!("[action] {} files to work through", paths.len());
    let count = paths.len();
    let work = paths.into_iter().map(|path| {
        let tracer = tracer.clone();
        tokio::task::spawn_blocking(move || process(&path, &tracer))
    });
    let parts: Vec<Part> =
        stream::iter(work).buffered(WORKERS).map(|done| done?).try_collect::<Vec<_>>().await?;
    let folder = tempfile::tempdir()?;
    let summary = write_results(&parts, folder.path(), ranked)?;
    run.upload(folder.path()).await?;
    println!("[markdown] # Done\n[markdown]");
    summary.iter().for_each(|line| println!("[markdown] {line}"));
    Ok(format!("{count} files in, {} kinds of results out", summary.len()))
}

/// Works on one file. What is large goes to `out/` from here, the rest back to `run`.
fn process(path: &str, tracer: &Tracer) -> Outcome<Part> {
    let kind = Path::new(path).extension().and_then(|kind| kind.to_str()).unwrap_or_default();
    let work = match kind.to_lowercase().as_str() {
        "csv" => clean_table,
        "txt" => count_words,
        "png" => make_thumbnail,
        _ => {
            eprintln!("[warning] {path}: no kind of document that is known here");
            return Ok(Part::default());
        }
    };
    let run = tracer.fs_blocking()?;
    let content = run.open(path)?.read_all()?;
    let folder = tempfile::tempdir()?;
    let part = match work(path, &content, folder.path()) {
        Ok(part) => part,
        Err(error) => {
            // One document that cannot be read is no reason to lose the others.
            eprintln!("[warning] {path}: {error}");
            return Ok(Part::default());
        }
    };
    run.upload(folder.path())?;
    eprintln!("[debug] {path}: {} bytes read", content.len());
    Ok(part)
}

/// Brings the rows of a table into one form; those that cannot be read are kept apart.
fn clean_table(path: &str, content: &[u8], _folder: &Path) -> Outcome<Part> {
    let text = std::str::from_utf8(content)?.trim_start_matches('\u{feff}');
    let first = text.lines().next().unwrap_or_default();
    let separator =
        [',', ';', '\t'].into_iter().max_by_key(|mark| (first.matches(*mark).count(), Reverse(*mark)));
    let separator = separator.unwrap_or(',');
    let mut lines = csv::ReaderBuilder::new()
        .delimiter(u8::try_from(separator)?)
        .flexible(true)
        .from_reader(text.as_bytes());
    let columns: Vec<String> = lines.headers()?.iter().map(column).collect();
    let mut part = Part::default();
    for (number, line) in lines.records().enumerate() {
        let line = line?;
        let tidy = |cell: &str| cell.split_whitespace().collect::<Vec<_>>().join(" ");
        let cells: HashMap<&str, String> =
            columns.iter().map(String::as_str).zip(line.iter().map(tidy)).collect();
        if cells.values().all(String::is_empty) {
            continue;
        }
        let source = format!("{path}:{}", number + 2);
        match clean_row(&cells) {
            Ok([date, customer, product, quantity, amount]) => {
                part.rows.push([date, customer, product, quantity, amount, source]);
            }
            Err(reason) => {
                let line = line.iter().collect::<Vec<_>>().join(&separator.to_string());
                part.rejected.push([source, reason, line]);
            }
        }
    }
    Ok(part)
}

fn column(name: &str) -> String {
    let name = name.trim().to_lowercase();
    let known = NAMES.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| (*ours).to_owned());
    known.unwrap_or(name)
}

/// The cells of a row in the order of `COLUMNS`, or what is wrong.
fn clean_row(cells: &HashMap<&str, String>) -> Result<[String; 5], String> {
    let cell = |name: &str| cells.get(name).map_or("", String::as_str);
    if cell("customer").is_empty() {
        return Err("no customer".into());
    }
    let quantity: i64 = match cell("quantity") {
        "" => 1,
        text => text.parse().map_err(|_| format!("no quantity: '{text}'"))?,
    };
    if quantity <= 0 {
        return Err(format!("quantity {quantity}"));
    }
    let (day, amount) = (clean_date(cell("date"))?, clean_amount(cell("amount"))?);
    let names: Vec<String> = cell("customer").split(' ').map(capitalised).collect();
    Ok([day, names.join(" "), capitalised(cell("product")), quantity.to_string(), amount])
}

/// The first letter, and each after something else than a letter, in upper case within a name.
fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let mut rest = letters.as_str().to_lowercase();
    // O'Brien
    if let Some((before, after)) = rest.split_once('\'').filter(|(_, after)| after.len() > 1) {
        rest = format!("{before}'{}", capitalised(after));
    }
    first + &rest
}

/// A date in any of the forms that are in use.
fn clean_date(text: &str) -> Result<String, String> {
    let date = DATES.iter().find_map(|form| Date::strptime(form, text).ok());
    date.map(|date| date.to_string()).ok_or_else(|| format!("no date: '{text}'"))
}

/// An amount of money; what comes last of '.' and ',' separates the cents.
fn clean_amount(text: &str) -> Result<String, String> {
    let digits: String =
        text.chars().filter(|mark| mark.is_ascii_digit() || matches!(mark, '.' | ',' | '-')).collect();
    let plain = if digits.rfind(',') > digits.rfind('.') {
        digits.replace('.', "").replace(',', ".")
    } else {
        digits.replace(',', "")
    };
    let (whole, cents) = plain.split_once('.').unwrap_or((&plain, ""));
    let is_amount =
        whole.parse::<i64>().is_ok() && cents.len() <= 2 && cents.bytes().all(|digit| digit.is_ascii_digit());
    if is_amount { Ok(format!("{whole}.{cents:0<2}")) } else { Err(format!("no amount: '{text}'")) }
}

/// How often each word was seen, in the order in which they first were.
#[derive(Default)]
struct Counts {
    counted: Vec<(String, u64)>,
    places: HashMap<String, usize>,
}

impl Counts {
    fn add(&mut self, word: &str, count: u64) {
        if let Some((_, seen)) = self.places.get(word).and_then(|place| self.counted.get_mut(*place)) {
            *seen += count;
            return;
        }
        self.places.insert(word.to_owned(), self.counted.len());
        self.counted.push((word.to_owned(), count));
    }

    fn total(&self) -> u64 {
        self.counted.iter().map(|(_, count)| count).sum()
    }

    fn most_common(&self, ranked: usize) -> Ranking {
        let mut all = self.counted.clone();
        all.sort_by_key(|(_, count)| Reverse(*count));
        all.truncate(ranked);
        Ranking(all)
    }
}

/// Words and counts as an object, in this order.
struct Ranking(Vec<(String, u64)>);

impl Serialize for Ranking {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(word, count)| (word, count)))
    }
}

/// Counts the words of a text.
fn count_words(path: &str, content: &[u8], _folder: &Path) -> Outcome<Part> {
    let text = std::str::from_utf8(content)?;
    let mut counts = Counts::default();
    let folded = text.to_lowercase().replace('ß', "ss");
    let is_apostrophe = |mark: char| matches!(mark, '\'' | '\u{2019}');
    for word in folded.split(|mark: char| !mark.is_alphabetic() && !is_apostrophe(mark)) {
        let word = word.trim_matches(is_apostrophe);
        if !word.is_empty() {
            counts.add(word, 1);
        }
    }
    let text = Text {
        path: path.to_owned(),
        lines: text.lines().count(),
        words: counts.total(),
        distinct: counts.counted.len(),
        counts,
    };
    Ok(Part { text: Some(text), ..Part::default() })
}

/// Puts a small copy of a picture into `out/thumbnails/`.
fn make_thumbnail(path: &str, content: &[u8], folder: &Path) -> Outcome<Part> {
    let target = folder.join("thumbnails").join(path.trim_start_matches("in/"));
    let picture = ImageReader::new(std::io::Cursor::new(content)).with_guessed_format()?.decode()?;
    let (width, height) = picture.dimensions();
    let small = if width.max(height) > THUMBNAIL { picture.thumbnail(THUMBNAIL, THUMBNAIL) } else { picture };
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    small.save(target)?;
    Ok(Part { is_picture: true, ..Part::default() })
}

#[derive(Serialize)]
struct Statistics<'a> {
    texts: Vec<&'a Text>,
    words: u64,
    distinct: usize,
    most_common: Ranking,
}

/// Writes what all files together give; says so in a line for each kind.
fn write_results(parts: &[Part], folder: &Path, ranked: usize) -> Outcome<Vec<String>> {
    let rows = unique(parts);
    let rejected: Vec<_> = parts.iter().flat_map(|part| &part.rejected).collect();
    write_csv(&folder.join("orders.csv"), &COLUMNS, &rows)?;
    write_csv(&folder.join("rejected.csv"), &["source", "reason", "line"], &rejected)?;

    let texts: Vec<&Text> = parts.iter().filter_map(|part| part.text.as_ref()).collect();
    let mut total = Counts::default();
    for (word, count) in texts.iter().flat_map(|text| &text.counts.counted) {
        total.add(word, *count);
    }
    let pictures = parts.iter().filter(|part| part.is_picture).count();
    let summary = vec![
        format!("- orders.csv: {} rows, {} rejected (rejected.csv)", rows.len(), rejected.len()),
        format!("- words.json: {} words of {} texts", total.total(), texts.len()),
        format!("- thumbnails/: {pictures} pictures"),
    ];
    let statistics = Statistics {
        texts,
        words: total.total(),
        distinct: total.counted.len(),
        most_common: total.most_common(ranked),
    };
    fs::write(folder.join("words.json"), serde_json::to_string_pretty(&statistics)? + "\n")?;
    Ok(summary)
}

/// All rows by date, each order once, however many tables have it.
fn unique(parts: &[Part]) -> Vec<&[String; 6]> {
    let mut rows: Vec<&[String; 6]> = Vec::new();
    for row in parts.iter().flat_map(|part| &part.rows) {
        if !rows.iter().any(|known| known[..5] == row[..5]) {
            rows.push(row);
        }
    }
    rows.sort();
    rows
}

fn write_csv<const N: usize>(path: &Path, header: &[&str; N], rows: &[&[String; N]]) -> Outcome<()> {
    let mut table = csv::Writer::from_path(path)?;
    table.write_record(header)?;
    for row in rows {
        table.write_record(*row)?;
    }
    Ok(table.flush()?)
}

/// Runs the service on a folder; what it delivers goes to another one.
pub(crate) async fn try_it(files: &str, results: &str) -> Outcome<String> {
    let secret = b"known to this process alone";
    let mut config = Config::new(Fs::memory(), secret);
    config.listen = "127.0.0.1:0".into();
    let server = Server::start(config).await?;
    let url = format!("http://{}", server.address());
    let token = Tokens::new(secret).issue("local", Duration::from_secs(24 * 60 * 60));

    let options = StoreOptions::new().with("token", &token);
    let run_files = Fs::connect_with(&format!("run+{url}/demo"), options).await?;
    let everything = bulk::TransferOptions { depth: Depth::Recursive, ..Default::default() };
    let given = Fs::connect(files).await?;
    let into = bulk::Pair { from: FsPath::root(), to: FsPath::new("in")? };
    bulk::put(&run_files, &given, &[into], &everything).await?;

    let outcome = run(5, &Tracer::new("demo", &url, &token)).await;

    // Also where it failed: what it delivered until then is the user's.
    let delivered = Fs::connect_with(results, StoreOptions::new().with("create", "true")).await?;
    let back = bulk::Pair { from: FsPath::new("out")?, to: FsPath::root() };
    bulk::get(&run_files, &delivered, &[back], &everything).await?;
    server.stop().await;
    outcome
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [files, results] = arguments.as_slice() else {
        return Err("usage: service FILES RESULTS".into());
    };
    println!("{}", try_it(files, results).await?);
    Ok(())
}
